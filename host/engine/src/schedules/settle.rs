//! From a mark to its outcome: the execution starts, waits for the one before it, or does not start, and the list says why.

use super::ScheduleKey;
use super::documents::{Cause, Line, Mark, Why, of_schedule, parts, read, removal};
use super::lane::Held;
use crate::Error;
use crate::engine::Engine;
use crate::ports::{DocumentKind, DocumentWrite, ExecutionKey, Page, Transition};
use crate::starting::NewExecution;
use futures_util::future::join_all;
use stepwell_core::definition::Overlap;
use stepwell_core::execution::Trigger;
use stepwell_core::ids::TenantId;
use stepwell_core::schedule::{Quiet, due};

/// Lines that are kept of a schedule.
pub(super) const LINES: usize = 50;
/// Lines that are read to find those that are too many.
const LINES_READ: usize = LINES + 150;
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

impl Engine {
    /// Settles marks in their order; whether the first of what is left waits for an execution to end.
    pub(super) async fn settle_marks(&self, held: &Held, marks: &[Mark]) -> Result<bool, Error> {
        if held.stored.overlap == Overlap::Allow {
            self.inner.clockwork.forget_open(&held.key); // from now on nobody looks after what runs
            for part in marks.chunks(AT_ONCE) {
                let settling = join_all(part.iter().map(|mark| self.settle_mark(held, mark)));
                settling.await.into_iter().collect::<Result<(), Error>>()?;
            }
            return Ok(false);
        }
        for mark in marks {
            let mut running = self.running(&held.key).await?;
            // It may be this one that runs, if the store could not say whether its start was written down.
            running.retain(|other| *other != mark.execution);
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
        // A quota that is used up, a full disk: the occurrence is not lost, it starts late.
        if let Err(
            Error::Unavailable(why) | Error::QuotaReached { message: why, .. } | Error::NoRoom { message: why, .. },
        ) = started
        {
            return Err(Error::Unavailable(why));
        }
        let now = self.inner.ports.clock.now();
        let line = match started {
            Ok(None) => Line::started(mark, now),
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

    /// The mark becomes a line.
    pub(super) async fn finish(&self, held: &Held, mark: &Mark, line: Line) -> Result<(), Error> {
        let mut documents = vec![mark.removal(held.id()), line.write(held.id(), mark, self.inner.ports.clock.now())?];
        if line.execution_id.is_some() {
            documents.extend(self.opens(held, mark.execution).await?);
        }
        documents.extend(self.surplus_lines(&held.key).await?);
        Ok(self.inner.committer.commit(Transition { tenant: held.tenant(), execution: None, documents }).await?)
    }

    /// Lines that are too many, to be taken away with what adds others.
    pub(super) async fn surplus_lines(&self, (tenant, id): &ScheduleKey) -> Result<Vec<DocumentWrite>, Error> {
        let (kind, page) = (DocumentKind::ScheduleLine, Page { after: None, limit: LINES_READ });
        let found = self.inner.ports.store.documents(*tenant, kind, &of_schedule(id), page).await?;
        Ok(found.into_iter().skip(LINES).map(|(key, _)| removal(kind, key)).collect())
    }

    /// What came of the latest occurrences, the newest first.
    pub(super) async fn lines(&self, (tenant, id): &ScheduleKey) -> Result<Vec<Line>, Error> {
        let page = Page { after: None, limit: LINES };
        let found =
            self.inner.ports.store.documents(*tenant, DocumentKind::ScheduleLine, &of_schedule(id), page).await?;
        found.iter().map(|(_, bytes)| read(bytes)).collect()
    }
}
