//! What each tenant uses and has used: counters in memory, from which starts are admitted and usage is told.
//!
//! Sums are written every few seconds and at a shutdown ([`Meters::unsaved`]): a crash loses the fuel, bytes and counts of the last seconds,
//! never more. How many executions are unfinished is what the store says at each start, so that it is right whatever happened.

mod pace;
mod stored;
mod usage;

pub use pace::stay_away;
pub use stored::{FRAME, weigh};
pub use usage::{DayUsage, day, days, is_day, month, to_next_month};

use crate::ports::{DocumentKind, DocumentWrite, Expect, Usage};
use pace::{Bucket, Pace};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;
use tokio::sync::Notify;

/// The document that says how much a tenant keeps.
pub const STORED: &str = "stored";
/// Attempts that the average of their duration remembers.
const MEMORY: u64 = 16;

/// The counters of all tenants.
#[derive(Default)]
pub struct Meters {
    tenants: Mutex<BTreeMap<TenantId, Meter>>,
    /// There is something to write.
    changed: Notify,
}

#[derive(Default)]
struct Meter {
    unfinished: u64,
    ends: Pace,
    /// Since the start.
    ended: u64,
    starts: Bucket,
    attempt_us: u64,
    stored: i64,
    stored_changed: bool,
    days: BTreeMap<String, DayUsage>,
    changed: BTreeSet<String>,
    /// Events whose starts wait for a quota.
    events_waiting: u64,
}

/// What the rules of admission look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Executions that have not ended.
    pub unfinished: u64,
    /// Bytes that are kept.
    pub stored: u64,
    /// Fuel of this month.
    pub fuel: u64,
    /// Until so many executions more have ended, seconds.
    pub one_ends_in: Option<f64>,
    /// How long an attempt takes of late, microseconds.
    pub attempt_us: u64,
    /// Events whose starts wait for a quota.
    pub events_waiting: u64,
}

/// A place among the unfinished executions, for one that is about to start: given back unless it is kept.
pub struct Seat {
    meters: Arc<Meters>,
    tenant: TenantId,
    kept: AtomicBool,
}

impl Seat {
    /// The execution is there.
    pub fn keep(&self, now: Timestamp) {
        if !self.kept.swap(true, Ordering::AcqRel) {
            self.meters.with(self.tenant, |meter| meter.today(now).executions += 1);
            self.meters.changed.notify_one();
        }
    }
}

impl Seat {
    /// The execution was there before, and goes on.
    pub fn reopen(&self) {
        self.kept.store(true, Ordering::Release);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.kept.load(Ordering::Acquire) {
            self.meters.with(self.tenant, |meter| meter.unfinished = meter.unfinished.saturating_sub(1));
        }
    }
}

/// An event whose starts wait for a quota, for as long as this lives.
pub struct EventWaits {
    meters: Arc<Meters>,
    tenant: TenantId,
}

impl Drop for EventWaits {
    fn drop(&mut self) {
        self.meters.with(self.tenant, |meter| meter.events_waiting = meter.events_waiting.saturating_sub(1));
    }
}

impl Meters {
    /// What was counted before this start.
    pub fn load(&self, tenant: TenantId, unfinished: u64, stored: i64, days: BTreeMap<String, DayUsage>) {
        self.with(tenant, |meter| (meter.unfinished, meter.stored, meter.days) = (unfinished, stored, days));
    }

    /// A tenant is gone.
    pub fn forget(&self, tenant: TenantId) {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }

    /// A place for an execution; whether there is one is asked before.
    #[must_use]
    pub fn seat(self: &Arc<Self>, tenant: TenantId) -> Arc<Seat> {
        self.with(tenant, |meter| meter.unfinished += 1);
        Arc::new(Seat { meters: Arc::clone(self), tenant, kept: AtomicBool::new(false) })
    }

    /// An execution ended.
    pub fn ended(&self, tenant: TenantId, now: Timestamp) {
        self.with(tenant, |meter| {
            meter.unfinished = meter.unfinished.saturating_sub(1);
            meter.ends.happened(now);
            meter.ended += 1;
        });
    }

    /// How many executions have ended since this start.
    #[must_use]
    pub fn ends(&self, tenant: TenantId) -> u64 {
        self.with(tenant, |meter| meter.ended)
    }

    /// An attempt ended.
    pub fn attempt(&self, tenant: TenantId, used: &Usage, now: Timestamp) {
        let elapsed = u64::try_from(used.elapsed.as_micros()).unwrap_or(u64::MAX);
        self.with(tenant, |meter| {
            meter.today(now).attempt(used);
            meter.attempt_us = (meter.attempt_us.saturating_mul(MEMORY - 1).saturating_add(elapsed)) / MEMORY;
        });
        self.changed.notify_one();
    }

    /// Something was written.
    pub fn wrote(&self, tenant: TenantId, (added, written): (i64, u64), now: Timestamp) {
        if (added, written) == (0, 0) {
            return;
        }
        self.with(tenant, |meter| {
            meter.stored = meter.stored.saturating_add(added).max(0);
            meter.stored_changed |= added != 0;
            let today = meter.today(now);
            today.bytes = today.bytes.saturating_add(written);
        });
        self.changed.notify_one();
    }

    /// Takes one start of so many per second. `Err`: try again in so many milliseconds.
    ///
    /// # Errors
    /// The time until there is one.
    pub fn take_start(&self, tenant: TenantId, per_second: u64, now: Timestamp) -> Result<(), u64> {
        self.with(tenant, |meter| meter.starts.take(now, per_second))
    }

    /// An event waits for a quota.
    #[must_use]
    pub fn event_waits(self: &Arc<Self>, tenant: TenantId) -> EventWaits {
        self.with(tenant, |meter| meter.events_waiting += 1);
        EventWaits { meters: Arc::clone(self), tenant }
    }

    /// The counters of a tenant.
    #[must_use]
    pub fn read(&self, tenant: TenantId, now: Timestamp) -> Reading {
        self.with(tenant, |meter| Reading {
            unfinished: meter.unfinished,
            stored: u64::try_from(meter.stored).unwrap_or(0),
            fuel: meter.month(now).fuel,
            one_ends_in: meter.ends.seconds_for(1, now),
            attempt_us: meter.attempt_us,
            events_waiting: meter.events_waiting,
        })
    }

    /// The sums of this month.
    #[must_use]
    pub fn month(&self, tenant: TenantId, now: Timestamp) -> DayUsage {
        self.with(tenant, |meter| meter.month(now))
    }

    /// The days in memory, which are those that are newer than what is stored.
    #[must_use]
    pub fn days(&self, tenant: TenantId) -> BTreeMap<String, DayUsage> {
        self.with(tenant, |meter| meter.days.clone())
    }

    /// Returns once there is something to write.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What has changed since it was written last, and is to be written now.
    #[must_use]
    pub fn unsaved(&self, now: Timestamp) -> Vec<(TenantId, Vec<DocumentWrite>)> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let unsaved = tenants.iter_mut().map(|(tenant, meter)| (*tenant, meter.unsaved(now)));
        unsaved.filter(|(_, documents)| !documents.is_empty()).collect()
    }

    fn with<T>(&self, tenant: TenantId, what: impl FnOnce(&mut Meter) -> T) -> T {
        what(self.tenants.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default())
    }
}

impl Meter {
    fn today(&mut self, now: Timestamp) -> &mut DayUsage {
        let today = day(now);
        self.changed.insert(today.clone());
        self.days.entry(today).or_default()
    }

    fn month(&self, now: Timestamp) -> DayUsage {
        let today = day(now);
        let mut sums = DayUsage::default();
        let of_month = self.days.iter().filter(|(day, _)| month(day) == month(&today));
        of_month.for_each(|(_, usage)| sums.add(usage));
        sums
    }

    fn unsaved(&mut self, now: Timestamp) -> Vec<DocumentWrite> {
        let write = |kind, key: &str, value: Vec<u8>| DocumentWrite {
            kind,
            key: key.to_owned(),
            value: Some(value.into()),
            expect: Expect::Anything,
        };
        let mut documents = Vec::new();
        for day in std::mem::take(&mut self.changed) {
            let value = self.days.get(&day).and_then(|usage| serde_json::to_vec(usage).ok());
            documents.extend(value.map(|value| write(DocumentKind::Usage, &day, value)));
        }
        if std::mem::take(&mut self.stored_changed) {
            documents.push(write(DocumentKind::Meter, STORED, self.stored.to_string().into_bytes()));
        }
        let this_month = day(now);
        self.days.retain(|day, _| month(day) >= month(&this_month));
        documents
    }
}
