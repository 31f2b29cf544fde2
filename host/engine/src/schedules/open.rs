//! Where executions of a schedule must not meet: which of them still run.

use super::documents::{of_schedule, open_row, opened, removal};
use super::lane::Held;
use super::{Clockwork, ScheduleKey};
use crate::engine::Engine;
use crate::ports::{DocumentKind, DocumentWrite, ExecutionKey, Page, RecordStatus};
use crate::{Control, Error};
use std::collections::{BTreeSet, HashMap};
use std::sync::{MutexGuard, PoisonError};
use stepwell_core::definition::Overlap;
use stepwell_core::ids::ExecutionId;

/// Executions that are looked after: one, and those that people started beside it.
const ROWS: usize = 100;

type Open<'a> = MutexGuard<'a, HashMap<ScheduleKey, BTreeSet<ExecutionId>>>;

impl Clockwork {
    fn open(&self) -> Open<'_> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody asks any more.
    pub(super) fn forget_open(&self, key: &ScheduleKey) {
        self.open().remove(key);
    }
}

impl Engine {
    /// What this schedule started and what still runs. After a restart it is found in the store.
    pub(super) async fn running(&self, key: &ScheduleKey) -> Result<BTreeSet<ExecutionId>, Error> {
        let known = self.inner.clockwork.open().get(key).cloned();
        let started = match known {
            Some(known) => known,
            None => self.stored_open(key).await?,
        };
        let mut running = BTreeSet::new();
        for id in started {
            if self.is_running(ExecutionKey { tenant: key.0, id }).await? {
                running.insert(id);
            }
        }
        self.inner.clockwork.open().insert(key.clone(), running.clone());
        Ok(running)
    }

    /// What may still run: what was written down for this, and the recent firings, from when executions might meet.
    async fn stored_open(&self, key: &ScheduleKey) -> Result<BTreeSet<ExecutionId>, Error> {
        let rows = self.open_rows(key).await?;
        let lines = self.lines(key).await?.into_iter().filter_map(|line| line.execution_id);
        Ok(rows.iter().filter_map(|row| opened(row)).chain(lines).collect())
    }

    async fn open_rows(&self, (tenant, id): &ScheduleKey) -> Result<Vec<String>, Error> {
        let (kind, page) = (DocumentKind::ScheduleOpen, Page { after: None, limit: ROWS });
        let found = self.inner.ports.store.documents(*tenant, kind, &of_schedule(id), page).await?;
        Ok(found.into_iter().map(|(row, _)| row).collect())
    }

    /// To write with the line of an execution that was started, where executions must not meet: it may run from now on, others have ended.
    pub(super) async fn opens(&self, held: &Held, execution: ExecutionId) -> Result<Vec<DocumentWrite>, Error> {
        if held.stored.overlap == Overlap::Allow {
            return Ok(Vec::new());
        }
        let rows = self.open_rows(&held.key).await?;
        let known = self.inner.clockwork.open().get_mut(&held.key).map(|open| {
            open.insert(execution);
            open.clone()
        });
        let ended =
            |row: &String| known.as_ref().is_some_and(|known| opened(row).is_none_or(|id| !known.contains(&id)));
        let ended = rows.into_iter().filter(ended).map(|row| removal(DocumentKind::ScheduleOpen, row));
        Ok(ended.chain([open_row(held.id(), execution)]).collect())
    }

    async fn is_running(&self, key: ExecutionKey) -> Result<bool, Error> {
        if let Some(live) = self.inner.live.get(key) {
            return Ok(!live.execution().is_ended());
        }
        let record = self.inner.ports.store.record(key).await?;
        Ok(record.is_some_and(|record| matches!(record.status, RecordStatus::Unfinished | RecordStatus::Parked)))
    }

    pub(super) async fn cancel_all(&self, held: &Held, running: BTreeSet<ExecutionId>) -> Result<(), Error> {
        for id in running {
            let by = Some(format!("schedule:{}", held.id()));
            let reason = Some("the next occurrence of its schedule is due".to_owned());
            let cancelled = self.control(held.tenant(), &id.to_string(), Control::Cancel { reason }, by).await;
            // Any other error: it has ended by itself.
            if let Err(Error::Unavailable(why)) = cancelled {
                return Err(Error::Unavailable(why));
            }
        }
        Ok(())
    }

    /// Once this execution has ended the schedule is worked on again.
    pub(super) fn look_again_after(&self, key: ScheduleKey, execution: ExecutionId) {
        let waiting = || self.inner.clockwork.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting().insert(key.clone()) {
            return;
        }
        let engine = self.clone();
        self.inner.loops.spawn("schedule waits", async move {
            let of = ExecutionKey { tenant: key.0, id: execution };
            let end = engine.inner.waiters.wait(of);
            // Asked behind that, so that an end in between is not missed.
            if engine.is_running(of).await.unwrap_or(false) {
                end.end().await;
            }
            engine.inner.clockwork.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            engine.inner.clockwork.dues.nudge(key);
        });
    }
}
