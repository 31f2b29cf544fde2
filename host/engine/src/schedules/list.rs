//! Schedules as the API shows them.

use super::documents::{Stored, is_schedule_id, of_workflow, read};
use super::settle::LINES;
use crate::engine::Engine;
use crate::ports::{DocumentKind, Page};
use crate::{Error, sound};
use serde_json::{Value, json};
use stepwell_core::ids::{TenantId, is_valid_name};
use stepwell_core::schedule::Timetable;
use stepwell_core::time::Timestamp;

/// Runs ahead that are shown.
const NEXT_RUNS: usize = 5;

/// Which schedules are wanted.
#[derive(Debug, Clone, Default)]
pub struct ScheduleQuery {
    /// Only those of this workflow.
    pub workflow: Option<String>,
    /// Behind this one: the `next` of an earlier part.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list.
#[derive(Debug, Clone, Default)]
pub struct Schedules {
    /// In the order of their ids.
    pub items: Vec<Value>,
    /// Where the list goes on; `None`: it does not.
    pub next: Option<String>,
}

impl Engine {
    /// Schedules of a tenant.
    ///
    /// # Errors
    /// [`Error::WrongShape`] for a place that no list gave; the store's.
    pub async fn schedules(&self, tenant: TenantId, query: &ScheduleQuery) -> Result<Schedules, Error> {
        if query.after.as_deref().is_some_and(|after| !is_schedule_id(after)) {
            let message = "send a `nextCursor` of an earlier answer".to_owned();
            return Err(Error::WrongShape { field: "cursor", message });
        }
        let prefix = match &query.workflow {
            Some(workflow) if !is_valid_name(workflow) => return Ok(Schedules::default()),
            Some(workflow) => of_workflow(workflow),
            None => String::new(),
        };
        let page = Page { after: query.after.clone(), limit: query.limit + 1 };
        let mut found =
            sound::listed(&*self.inner.ports.store, (tenant, DocumentKind::Schedule), &prefix, page).await?;
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next = found.last().filter(|_| more).map(|(id, _)| id.clone());
        let now = self.inner.ports.clock.now();
        let items = found.iter().map(|(id, bytes)| shown(id, &read(bytes)?, now)).collect::<Result<_, Error>>()?;
        // A store may show a document a moment before it is durable.
        self.inner.committer.settled().await;
        Ok(Schedules { items, next })
    }

    /// One schedule, with `firings`: what waits, and what came of the latest occurrences, the newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn schedule(&self, tenant: TenantId, id: &str) -> Result<Value, Error> {
        let held = self.known_schedule(tenant, id).await?;
        let mut shown = shown(id, &held.stored, self.inner.ports.clock.now())?;
        let mut firings: Vec<Value> = Vec::new();
        for mark in self.marks(&held.key, LINES).await? {
            firings.push(json!({
                "scheduledAt": mark.at.rfc3339(), "status": "waiting", "cause": mark.cause, "executionId": mark.execution,
            }));
        }
        firings.reverse();
        for line in self.lines(&held.key).await? {
            firings.push(json!(line));
        }
        shown["firings"] = Value::Array(firings);
        self.inner.committer.settled().await;
        Ok(shown)
    }
}

fn shown(id: &str, stored: &Stored, now: Timestamp) -> Result<Value, Error> {
    let mut shown = json!({
        "id": id,
        "workflowId": stored.workflow,
        "trigger": stored.trigger,
        "cron": stored.cron,
        "timezone": stored.timezone,
        "catchup": stored.catchup,
        "overlap": stored.overlap,
        "enabled": stored.enabled,
        "paused": stored.paused.is_some(),
        "nextRuns": [],
    });
    if let Some(paused) = &stored.paused {
        shown["pausedBy"] = json!(paused.by);
        shown["pausedAt"] = json!(paused.at.rfc3339());
    }
    if stored.is_active() {
        let timetable = stored.timetable()?;
        shown["nextRuns"] = json!(next_runs(&timetable, stored.cursor.max(now)));
    }
    Ok(shown)
}

/// In the zone of the schedule.
fn next_runs(timetable: &Timetable, after: Timestamp) -> Vec<String> {
    let end = Timestamp(u64::MAX);
    timetable.between(after, end, NEXT_RUNS).into_iter().map(|at| timetable.shown(at)).collect()
}
