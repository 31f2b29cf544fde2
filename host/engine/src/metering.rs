//! The engine's side of the meters: what was counted before is read at a start, written every few seconds, and told.

use crate::Error;
use crate::engine::Engine;
use crate::meters::{DayUsage, STORED, day, days, is_day, month};
use crate::ports::{DocumentKind, Page, RecordStatus, Transition};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use stepwell_core::ids::TenantId;

/// Sums are written this often, milliseconds: so much of them is lost in a crash.
const SAVE_MS: u64 = 5_000;
/// Days of one answer: a year.
const DAYS: u64 = 366;

impl Engine {
    /// Before anything runs: what each tenant has used, and what is under way.
    pub(crate) async fn load_meters(&self) -> Result<(), Error> {
        let store = &self.inner.ports.store;
        for tenant in self.inner.tenants.all() {
            let tenant = tenant.number;
            let mut unfinished = 0;
            for status in [RecordStatus::Unfinished, RecordStatus::Parked] {
                unfinished += store.count(tenant, status).await?;
            }
            let stored = store.document(tenant, DocumentKind::Meter, STORED).await?;
            let stored = stored.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or(0);
            let today = day(self.now());
            let this_month = self.stored_days(tenant, (&format!("{}-01", month(&today)), &today)).await?;
            self.inner.meters.load(tenant, unfinished, stored, this_month);
        }
        Ok(())
    }

    /// Never returns: writes the sums.
    pub(crate) async fn watch_meters(&self) {
        let clock = &self.inner.ports.clock;
        loop {
            self.inner.meters.changed().await;
            clock.sleep_until(clock.now().plus(SAVE_MS)).await;
            self.save_meters().await;
        }
    }

    /// Writes what has changed. What cannot be written now is written with the next change.
    pub(crate) async fn save_meters(&self) {
        for (tenant, documents) in self.inner.meters.unsaved(self.now()) {
            let transition = Transition { tenant, execution: None, documents };
            if let Err(error) = self.inner.committer.commit(transition).await {
                tracing::warn!(%tenant, %error, "what the tenant used could not be written");
            }
        }
    }

    /// What a tenant has used: `{items: [{day, ...}], month: {month, ...}, quotas: {name: {used, limit}}}`, days of UTC, from the first to the
    /// last one asked for. Without them: this month.
    ///
    /// # Errors
    /// [`Error::WrongShape`]; [`Error::Unavailable`].
    pub async fn usage(&self, tenant: TenantId, (from, to): (Option<&str>, Option<&str>)) -> Result<Value, Error> {
        let today = day(self.now());
        let first = format!("{}-01", month(&today));
        let (from, to) = (from.unwrap_or(&first), to.unwrap_or(&today));
        for (field, given) in [("from", from), ("to", to)] {
            if !is_day(given) {
                let message = format!("`{field}` is a day, like {today}");
                return Err(Error::WrongShape { field, message });
            }
        }
        if days(from, to) > DAYS {
            let message = format!("at most {DAYS} days are told at one time");
            return Err(Error::WrongShape { field: "to", message });
        }
        let mut of_days = self.stored_days(tenant, (from, to)).await?;
        let newer = self.inner.meters.days(tenant).into_iter().filter(|(day, _)| (from..=to).contains(&day.as_str()));
        of_days.extend(newer);
        let items: Vec<Value> = of_days.iter().map(|(day, usage)| with(usage.shown(), "day", day)).collect();
        let month = with(self.inner.meters.month(tenant, self.now()).shown(), "month", month(&today));
        Ok(json!({"items": items, "month": month, "quotas": self.quotas(tenant).await?}))
    }

    async fn quotas(&self, tenant: TenantId) -> Result<Map<String, Value>, Error> {
        let (limits, reading) = (self.limits_of(tenant), self.reading(tenant));
        let (running, waiting) = self.inner.scheduler.of(tenant);
        let (functions, workflows) = self.inner.registry.counts(tenant).await?;
        let quota = |used: u64, limit: Option<u64>| json!({"used": used, "limit": limit});
        let wide = |number: usize| Some(number as u64);
        let all = [
            ("executions_unfinished", quota(reading.unfinished, limits.executions_unfinished)),
            ("attempts_running", quota(running as u64, wide(limits.attempts_running))),
            ("attempts_waiting", quota(waiting as u64, Some(limits.attempts_waiting))),
            ("stored_bytes", quota(reading.stored, limits.stored_bytes)),
            ("fuel_per_month", quota(reading.fuel, limits.fuel_per_month)),
            ("functions", quota(functions as u64, wide(limits.functions))),
            ("workflows", quota(workflows as u64, wide(limits.workflows))),
        ];
        Ok(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    async fn stored_days(
        &self,
        tenant: TenantId,
        (from, to): (&str, &str),
    ) -> Result<BTreeMap<String, DayUsage>, Error> {
        // Keys behind this one: the last digit cannot be less than nothing.
        let before = from.get(..from.len().saturating_sub(1)).unwrap_or_default().to_owned();
        let limit = usize::try_from(DAYS).unwrap_or(usize::MAX).saturating_add(10);
        let page = Page { after: Some(before), limit };
        let found = self.inner.ports.store.documents(tenant, DocumentKind::Usage, "", page).await?;
        let wanted = found.into_iter().filter(|(day, _)| (from..=to).contains(&day.as_str()));
        wanted
            .map(|(day, bytes)| {
                let usage = serde_json::from_slice(&bytes);
                Ok((day, usage.map_err(|e| Error::broken("a day's usage cannot be read", &e))?))
            })
            .collect()
    }
}

fn with(mut shown: Value, field: &str, value: &str) -> Value {
    if let Some(shown) = shown.as_object_mut() {
        shown.insert(field.to_owned(), json!(value));
    }
    shown
}
