//! What is due becomes durable: the cursor moves on, and each occurrence leaves a mark, in one commit.

use super::documents::{Cause, Line, Mark, Why, execution_id, put};
use super::lane::Held;
use crate::Error;
use crate::engine::Engine;
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Expect, Transition};
use stepwell_core::definition::Overlap;
use stepwell_core::schedule::{Moment, Plan, plan};
use stepwell_core::time::Timestamp;

/// Occurrences of one commit.
const PART: usize = 100;
/// `schedule_queue`: where executions do not run side by side, at most so many occurrences wait. A schedule whose executions take longer
/// than the pause between them would never catch up.
const SCHEDULE_QUEUE: usize = 1_000;

impl Engine {
    /// Whether anything was due. If the schedule was changed meanwhile, nothing is written, and it must be read again.
    pub(super) async fn fire(&self, held: &mut Held) -> Result<bool, Error> {
        if !held.stored.is_active() {
            return Ok(false);
        }
        let (now, timetable) = (self.inner.ports.clock.now(), held.stored.timetable()?);
        let moment = Moment { cursor: held.stored.cursor, since: self.inner.clockwork.since, now };
        let Plan { runs, missed } = plan(&timetable, held.stored.catchup, moment);
        let mut lines =
            missed.map(|missed| missed_line(held, missed, now)).transpose()?.into_iter().collect::<Vec<_>>();
        if let Some((_, last)) = missed {
            held.stored.cursor = held.stored.cursor.max(last);
        }
        if runs.is_empty() {
            return Ok(missed.is_some() && self.move_on(held, lines).await?);
        }
        let mut room = self.room(held).await?;
        for part in runs.chunks(PART) {
            let mut documents = std::mem::take(&mut lines);
            for at in part {
                documents.push(if room == 0 { overflow(held, *at, now)? } else { mark(held, *at).write(held.id())? });
                room = room.saturating_sub(1);
                held.stored.cursor = held.stored.cursor.max(*at);
            }
            if !self.move_on(held, documents).await? {
                break;
            }
        }
        Ok(true)
    }

    /// How many more may wait.
    async fn room(&self, held: &Held) -> Result<usize, Error> {
        if held.stored.overlap == Overlap::Allow {
            return Ok(usize::MAX);
        }
        Ok(SCHEDULE_QUEUE.saturating_sub(self.count_marks(&held.key, SCHEDULE_QUEUE).await?))
    }

    /// Writes the schedule with these documents, if it is as it was read.
    async fn move_on(&self, held: &mut Held, mut documents: Vec<DocumentWrite>) -> Result<bool, Error> {
        let expect = Expect::Value(held.bytes.clone());
        let write = put(DocumentKind::Schedule, held.id().to_owned(), &held.stored, expect)?;
        let bytes = write.value.clone();
        documents.push(write);
        if documents.iter().any(|document| document.kind == DocumentKind::ScheduleLine) {
            documents.extend(self.surplus_lines(&held.key).await?);
        }
        match self.inner.committer.commit(Transition { tenant: held.tenant(), execution: None, documents }).await {
            Ok(()) => {
                held.bytes = bytes.unwrap_or_default();
                Ok(true)
            }
            Err(CommitError::Unexpected { .. }) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }
}

fn mark(held: &Held, at: Timestamp) -> Mark {
    Mark { at, execution: execution_id(held.id(), at, b""), cause: Cause::Schedule, by: None }
}

fn overflow(held: &Held, at: Timestamp, now: Timestamp) -> Result<DocumentWrite, Error> {
    let mark = mark(held, at);
    let reason = format!("{SCHEDULE_QUEUE} occurrences wait already, the most that may (limit `schedule_queue`)");
    Line::skipped(&mark, now, Why { code: "schedule_queue".to_owned(), reason }).write(held.id(), &mark, now)
}

fn missed_line(held: &Held, (first, last): (Timestamp, Timestamp), now: Timestamp) -> Result<DocumentWrite, Error> {
    let mark = mark(held, last);
    let reason = if first == last {
        "the server did not run then, or the tenant was suspended".to_owned()
    } else {
        format!(
            "the server did not run then, or the tenant was suspended; nor did the occurrences since {} start anything",
            first.rfc3339()
        )
    };
    Line::skipped(&mark, now, Why { code: "missed".to_owned(), reason }).write(held.id(), &mark, now)
}
