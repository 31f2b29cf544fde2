//! From a mark to its outcome: the execution starts, waits for the one before it, or does not start, and the list says why.

use super::documents::{Cause, Line, Mark, Why, of_schedule, parts, read, removal};
use super::lane::Held;
use super::{Clockwork, ScheduleKey};
use crate::engine::Engine;
use crate::ports::{DocumentKind, ExecutionKey, Page, RecordStatus, Transition};
use crate::starting::NewExecution;
use crate::{Control, Error};
use futures_util::future::join_all;
use std::sync::{MutexGuard, PoisonError};
use stepwell_core::definition::Overlap;
use stepwell_core::execution::Trigger;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::schedule::{Quiet, due};

/// Lines that are kept of a schedule.
pub(super) const LINES: usize = 50;
/// Lines that are read to find those that are too many.
const LINES_READ: usize = LINES + 50;
/// Starts that are under way at one time for one schedule.
const AT_ONCE: usize = 16;

impl From<Quiet> for Why {
    fn from(quiet: Quiet) -> Self {
        Self { code: quiet.code.to_owned(), reason: quiet.reason }
    }
}

impl From<&Error> for Why {
    fn from(error: &Error) -> Self {
        Self { code: error.code(), reason: error.to_string() }
    }
}

type Open<'a> = MutexGuard<'a, std::collections::HashMap<ScheduleKey, Vec<ExecutionId>>>;

impl Clockwork {
    fn open(&self) -> Open<'_> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this schedule started, if that is looked after.
    pub(super) fn has_started(&self, key: &ScheduleKey, execution: ExecutionId) {
        if let Some(open) = self.open().get_mut(key) {
            open.push(execution);
        }
    }
}

impl Engine {
    /// Settles marks in their order; whether the first of what is left waits for an execution to end.
    pub(super) async fn settle_marks(&self, held: &Held, marks: &[Mark]) -> Result<bool, Error> {
        if held.stored.overlap == Overlap::Allow {
            // From now on nobody looks after what runs.
            self.inner.clockwork.open().remove(&held.key);
            for part in marks.chunks(AT_ONCE) {
                let settling = join_all(part.iter().map(|mark| self.settle_mark(held, mark)));
                settling.await.into_iter().collect::<Result<(), Error>>()?;
            }
            return Ok(false);
        }
        for mark in marks {
            let running = self.running(&held.key).await?;
            match (held.stored.overlap, running.first()) {
                (_, None) | (Overlap::Allow, _) => self.settle_mark(held, mark).await?,
                // What somebody asked for runs, one after the other.
                (Overlap::Skip, Some(other)) if mark.cause == Cause::Schedule => {
                    let reason = format!("{other} of an earlier occurrence was still running");
                    let now = self.inner.ports.clock.now();
                    let why = Why { code: "overlap_skipped".to_owned(), reason };
                    self.finish(held, mark, Line::skipped(mark, now, why)).await?;
                }
                (Overlap::Cancel, Some(_)) if mark.cause == Cause::Schedule => {
                    self.cancel_all(held, running).await?;
                    self.settle_mark(held, mark).await?;
                }
                (Overlap::Queue | Overlap::Skip | Overlap::Cancel, Some(other)) => {
                    self.look_again_after(held.key.clone(), *other);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn settle_mark(&self, held: &Held, mark: &Mark) -> Result<(), Error> {
        let started = self.start_occurrence(held.tenant(), held.id(), mark).await;
        if let Err(Error::Unavailable(why)) = started {
            return Err(Error::Unavailable(why));
        }
        let now = self.inner.ports.clock.now();
        let line = match started {
            Ok(None) => {
                self.inner.clockwork.has_started(&held.key, mark.execution);
                Line::started(mark, now)
            }
            Ok(Some(quiet)) => Line::skipped(mark, now, quiet.into()),
            Err(error) => Line::failed(mark, now, (&error).into()),
        };
        self.finish(held, mark, line).await
    }

    /// Starts what an occurrence starts, or says why its trigger keeps quiet. Starting it again changes nothing.
    pub(super) async fn start_occurrence(
        &self,
        tenant: TenantId,
        schedule: &str,
        mark: &Mark,
    ) -> Result<Option<Quiet>, Error> {
        let key = ExecutionKey { tenant, id: mark.execution };
        // Started before a crash: whatever has become of the definition since.
        if self.inner.ports.store.record(key).await?.is_some() {
            return Ok(None);
        }
        let (workflow, trigger) = parts(schedule);
        let stored = self.inner.registry.workflow(tenant, workflow).await?;
        let triggers = &stored.workflow.triggers.schedules;
        let Some(trigger) = triggers.iter().find(|known| known.id == trigger) else {
            return Err(Error::Unavailable("the workflow is being changed".to_owned()));
        };
        let due = match due(trigger, schedule, mark.at, mark.cause == Cause::Manual) {
            Ok(due) => due,
            Err(quiet) => return Ok(Some(quiet)),
        };
        let new = NewExecution {
            workflow: workflow.to_owned(),
            pinned: None,
            input: due.input,
            trigger: Trigger::schedule(mark.at, mark.by.clone()),
            event: Some(due.event),
            parent: None,
            depth: 0,
            hops: 0,
            rerun: None,
        };
        self.start_as(key, new).await.map(|()| None)
    }

    /// The mark becomes a line. Lines that are too many go.
    async fn finish(&self, held: &Held, mark: &Mark, line: Line) -> Result<(), Error> {
        let documents = vec![mark.removal(held.id())];
        self.write_line(&held.key, mark, (line, documents)).await
    }

    pub(super) async fn write_line(
        &self,
        (tenant, id): &ScheduleKey,
        mark: &Mark,
        (line, mut documents): (Line, Vec<crate::ports::DocumentWrite>),
    ) -> Result<(), Error> {
        documents.push(line.write(id, mark, self.inner.ports.clock.now())?);
        let page = Page { after: None, limit: LINES_READ };
        let found =
            self.inner.ports.store.documents(*tenant, DocumentKind::ScheduleLine, &of_schedule(id), page).await?;
        documents.extend(found.into_iter().skip(LINES).map(|(key, _)| removal(DocumentKind::ScheduleLine, key)));
        Ok(self.inner.committer.commit(Transition { tenant: *tenant, execution: None, documents }).await?)
    }

    /// What this schedule started and what still runs. After a restart it is found in the list of recent firings.
    async fn running(&self, key: &ScheduleKey) -> Result<Vec<ExecutionId>, Error> {
        let known = self.inner.clockwork.open().get(key).cloned();
        let started = match known {
            Some(known) => known,
            None => self.lines(key).await?.into_iter().filter_map(|line| line.execution_id).collect(),
        };
        let mut running = Vec::new();
        for id in started {
            if self.is_running(ExecutionKey { tenant: key.0, id }).await? {
                running.push(id);
            }
        }
        self.inner.clockwork.open().insert(key.clone(), running.clone());
        Ok(running)
    }

    async fn is_running(&self, key: ExecutionKey) -> Result<bool, Error> {
        if let Some(live) = self.inner.live.get(key) {
            return Ok(!live.execution().is_ended());
        }
        let record = self.inner.ports.store.record(key).await?;
        Ok(record.is_some_and(|record| matches!(record.status, RecordStatus::Unfinished | RecordStatus::Parked)))
    }

    /// What came of the latest occurrences, the newest first.
    pub(super) async fn lines(&self, (tenant, id): &ScheduleKey) -> Result<Vec<Line>, Error> {
        let page = Page { after: None, limit: LINES };
        let found =
            self.inner.ports.store.documents(*tenant, DocumentKind::ScheduleLine, &of_schedule(id), page).await?;
        found.iter().map(|(_, bytes)| read(bytes)).collect()
    }

    async fn cancel_all(&self, held: &Held, running: Vec<ExecutionId>) -> Result<(), Error> {
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
    fn look_again_after(&self, key: ScheduleKey, execution: ExecutionId) {
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
