//! Schedules by hand: pause, resume, run now, backfill (semantics T13).

use super::documents::{Cause, Line, Mark, Paused, execution_id, is_schedule_id, put};
use super::lane::Held;
use crate::Error;
use crate::engine::Engine;
use crate::ports::{CommitError, DocumentKind, ExecutionKey, Expect, Transition};
use serde_json::Value;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::time::Timestamp;

/// `backfill_occurrences`: at most so many in one request, and waiting: a slip in a year must not start a million executions.
pub const BACKFILL_OCCURRENCES: usize = 1_000;
/// Occurrences that are written together.
const PART: usize = 100;
/// How often a change is tried again because the schedule fired meanwhile.
const CHANGES_AT_ONCE: u32 = 64;

/// A span of the past whose occurrences are wanted.
#[derive(Debug, Clone)]
pub struct Backfill {
    /// From then,
    pub from: Timestamp,
    /// to then, both included.
    pub to: Timestamp,
    /// Also those that ran already, as new executions.
    pub again: bool,
    /// Who.
    pub by: Option<String>,
}

/// An occurrence of a backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfilled {
    /// When it was due.
    pub at: Timestamp,
    /// What it starts, or started.
    pub execution: ExecutionId,
    /// It had been started already: nothing is started now.
    pub already: bool,
}

impl Engine {
    /// Stops a schedule for a while, or lets it go on. What was due while it was paused is not made up for.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn pause_schedule(
        &self,
        tenant: TenantId,
        id: &str,
        (paused, by): (bool, Option<String>),
    ) -> Result<Value, Error> {
        for _ in 0..CHANGES_AT_ONCE {
            let mut held = self.known_schedule(tenant, id).await?;
            if held.stored.paused.is_some() != paused {
                let now = self.inner.ports.clock.now();
                if paused {
                    held.stored.paused = Some(Paused { by: by.clone(), at: now });
                } else {
                    held.stored.paused = None;
                    held.stored.cursor = held.stored.cursor.max(now);
                }
                if !self.change_schedule(&held).await? {
                    continue;
                }
                tracing::info!(schedule = id, by, paused, "a schedule was paused or resumed");
            }
            return self.schedule(tenant, id).await;
        }
        let message = format!("the schedule {id:?} is being changed by other requests; send it again");
        Err(Error::Conflict { code: "concurrent_change", message })
    }

    /// False if it has changed since it was read.
    async fn change_schedule(&self, held: &Held) -> Result<bool, Error> {
        let expect = Expect::Value(held.bytes.clone());
        let documents = vec![put(DocumentKind::Schedule, held.id().to_owned(), &held.stored, expect)?];
        let (dues, key) = (std::sync::Arc::clone(&self.inner.clockwork.dues), held.key.clone());
        let then = Box::new(move || dues.nudge(key));
        match self
            .inner
            .committer
            .commit_then(Transition { tenant: held.tenant(), execution: None, documents }, then)
            .await
        {
            Ok(()) => Ok(true),
            Err(CommitError::Unexpected { .. }) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    pub(super) async fn known_schedule(&self, tenant: TenantId, id: &str) -> Result<Held, Error> {
        let not_found = || Error::NotFound { what: "schedule", id: id.to_owned() };
        if !is_schedule_id(id) {
            return Err(not_found());
        }
        self.held(&(tenant, id.to_owned())).await?.ok_or_else(not_found)
    }

    /// Starts what the schedule starts, now, whatever its condition, its overlap or a pause says. On return it is durable.
    ///
    /// # Errors
    /// [`Error::NotFound`], and as a start by the API; the list of firings tells of it, too.
    pub async fn run_schedule(&self, tenant: TenantId, id: &str, by: Option<String>) -> Result<ExecutionId, Error> {
        self.accepting()?;
        let held = self.known_schedule(tenant, id).await?;
        let now = self.inner.ports.clock.now();
        let mark = Mark { at: now, execution: self.new_id(), cause: Cause::Manual, by };
        let started = self.start_occurrence(tenant, id, &mark).await;
        let (line, answer) = match started {
            Ok(None) => (Line::started(&mark, now), Ok(mark.execution)),
            Ok(Some(quiet)) => {
                let refused = Error::Refused { code: quiet.code, message: quiet.reason.clone() };
                (Line::skipped(&mark, now, quiet.into()), Err(refused))
            }
            Err(Error::Unavailable(why)) => return Err(Error::Unavailable(why)),
            Err(error) => (Line::failed(&mark, now, (&error).into()), Err(error)),
        };
        tracing::info!(schedule = id, by = mark.by, started = answer.is_ok(), "a schedule was run by hand");
        // The execution itself says what started it: without its line nothing is lost.
        if let Err(error) = self.finish(&held, &mark, line).await {
            tracing::warn!(schedule = id, %error, "a firing is missing in its schedule's list");
        }
        answer
    }

    /// Runs the occurrences of a span of the past, each once: those that ran already are left out. On return all are durable and will
    /// start: side by side with the overlap `allow`, otherwise one after the other.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::WrongShape`], [`Error::Refused`] (`backfill_occurrences`), [`Error::LimitReached`], [`Error::Unavailable`].
    pub async fn backfill(&self, tenant: TenantId, id: &str, span: Backfill) -> Result<Vec<Backfilled>, Error> {
        self.accepting()?;
        let held = self.known_schedule(tenant, id).await?;
        self.check_span(&span)?;
        let after = Timestamp(span.from.0.saturating_sub(1));
        let wanted = held.stored.timetable()?.between(after, span.to, BACKFILL_OCCURRENCES + 1);
        if wanted.len() > BACKFILL_OCCURRENCES {
            let message = format!(
                "there are more than {BACKFILL_OCCURRENCES} occurrences between `from` and `to` (limit `backfill_occurrences`); send shorter spans"
            );
            return Err(Error::Refused { code: "backfill_occurrences", message });
        }
        let waiting = self.count_marks(&held.key, BACKFILL_OCCURRENCES).await?;
        if waiting + wanted.len() > BACKFILL_OCCURRENCES {
            let message = format!(
                "{waiting} occurrences of this schedule wait already, and at most {BACKFILL_OCCURRENCES} may (limit `backfill_occurrences`); try again when they have started"
            );
            return Err(Error::LimitReached { limit: "backfill_occurrences", message });
        }
        let occurrences = self.backfilled(&held, &wanted, span.again).await?;
        for part in occurrences.chunks(PART) {
            let marks = part.iter().filter(|one| !one.already).map(|one| {
                let mark = Mark { at: one.at, execution: one.execution, cause: Cause::Backfill, by: span.by.clone() };
                mark.write(id)
            });
            let documents = marks.collect::<Result<Vec<_>, _>>()?;
            self.inner.committer.commit(Transition { tenant, execution: None, documents }).await?;
        }
        tracing::info!(schedule = id, by = span.by, occurrences = wanted.len(), "a schedule is backfilled");
        self.inner.clockwork.dues.nudge(held.key);
        Ok(occurrences)
    }

    fn check_span(&self, span: &Backfill) -> Result<(), Error> {
        let wrong = |field, message: &str| Err(Error::WrongShape { field, message: message.to_owned() });
        if span.to > self.inner.ports.clock.now() {
            return wrong("to", "`to` lies in the future; occurrences that are still to come run by themselves");
        }
        if span.from > span.to {
            return wrong("from", "`from` is later than `to`");
        }
        Ok(())
    }

    /// Which executions these occurrences start, or have started.
    async fn backfilled(&self, held: &Held, wanted: &[Timestamp], again: bool) -> Result<Vec<Backfilled>, Error> {
        let nonce = if again { self.new_id().to_bytes().to_vec() } else { Vec::new() };
        let mut occurrences = Vec::with_capacity(wanted.len());
        for at in wanted {
            let execution = execution_id(held.id(), *at, &nonce);
            let key = ExecutionKey { tenant: held.tenant(), id: execution };
            let already = self.inner.ports.store.record(key).await?.is_some();
            occurrences.push(Backfilled { at: *at, execution, already });
        }
        Ok(occurrences)
    }
}
