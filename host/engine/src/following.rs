//! An execution's journal, line by line, as it becomes durable.
//!
//! Whoever follows holds a place in the journal, not a copy of it: a few lines are read from the store when they are wanted. So it makes no
//! difference whether the execution runs, is parked or has ended, nor how slowly somebody reads.

use crate::engine::Engine;
use crate::followers::Follower;
use crate::ports::{ExecutionKey, Line};
use crate::query::Seen;
use crate::{Error, codec, records};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use stepwell_core::definition::{StepIx, Workflow};
use stepwell_core::execution::{RunIx, history_line};
use stepwell_core::ids::TenantId;

/// Lines that are in memory at once for one who follows: each holds up to a payload.
const READ_AT_ONCE: usize = 4;

/// What one who follows gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Followed {
    /// A line of the journal, as a history shows it.
    Line {
        /// Its place.
        seq: u32,
        /// What happened: the history's `entry`.
        kind: String,
        /// All of it.
        line: Value,
    },
    /// The execution has ended, and all of its lines were given: `{executionId, status, state}`.
    End(Value),
}

/// A place in the journal of an execution.
pub struct Following {
    engine: Engine,
    key: ExecutionKey,
    follower: Follower,
    workflow: Arc<Workflow>,
    /// The step of each run that is known, in the order of the runs.
    steps: Vec<StepIx>,
    /// The line that is read next, and how many there are that are durable, as far as is known.
    next: u32,
    lines: u32,
    /// Read, and not given yet.
    read: VecDeque<Line>,
    /// Said at the end.
    end: Option<Value>,
}

impl Engine {
    /// Follows an execution from behind the line `after` on, or from its beginning. A line that is not there yet means: from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn follow_execution(&self, tenant: TenantId, id: &str, after: Option<u32>) -> Result<Following, Error> {
        let key = self.key(tenant, id)?;
        // Before it is looked at, so that no line in between is missed.
        let follower = self.inner.followers.follow(key);
        let seen = self.seen(key).await?;
        let next = after.map_or(0, |after| after.saturating_add(1)).min(seen.execution.lines);
        let mut following = Following {
            engine: self.clone(),
            key,
            follower,
            workflow: Arc::clone(&seen.workflow),
            steps: Vec::new(),
            next,
            lines: 0,
            read: VecDeque::new(),
            end: None,
        };
        following.look(&seen);
        Ok(following)
    }
}

impl Following {
    /// The next line, as soon as there is one, or the end; after the end nothing more comes, and this does not return.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if nothing more will be heard of the execution here; the store's.
    pub async fn next(&mut self) -> Result<Followed, Error> {
        loop {
            if let Some(line) = self.read.pop_front() {
                return self.followed(&line);
            }
            if self.next < self.lines {
                self.read_on().await?;
                continue;
            }
            if let Some(end) = self.end.take() {
                return Ok(Followed::End(end));
            }
            self.follower.change().await;
            let seen = self.engine.seen(self.key).await?;
            self.look(&seen);
        }
    }

    /// Remembers what the lines up to here need, and nothing else of the state: it may be large, and readers slow.
    fn look(&mut self, seen: &Seen) {
        let known = |at: usize| u32::try_from(at).ok().and_then(|at| seen.execution.run(RunIx(at)));
        while let Some(run) = known(self.steps.len()) {
            self.steps.push(run.step);
        }
        self.lines = seen.execution.lines;
        self.end = seen.execution.is_ended().then(|| {
            let shown = records::shown(&seen.execution, self.engine.inner.ports.clock.now(), seen.begun);
            json!({"executionId": shown.execution_id, "status": shown.status, "state": shown.state})
        });
    }

    async fn read_on(&mut self) -> Result<(), Error> {
        let mut lines = self.engine.inner.ports.store.journal(self.key, self.next, READ_AT_ONCE).await?;
        // A store may show a line a moment before it is durable; nobody else may see it then.
        lines.retain(|line| line.seq < self.lines);
        let Some(last) = lines.last() else {
            return Err(Error::broken("a journal is shorter than its execution says", &self.key.id));
        };
        self.next = last.seq.saturating_add(1);
        self.read.extend(lines);
        Ok(())
    }

    fn followed(&self, line: &Line) -> Result<Followed, Error> {
        let decoded = codec::decode_entry(&line.entry);
        let (at, entry) = decoded.map_err(|e| Error::broken("a journal line cannot be read", &e))?;
        let step = |run: RunIx| self.steps.get(usize::try_from(run.0).ok()?).copied();
        let shown =
            history_line(line.seq, at, &entry, |run| step(run).map(|step| self.workflow.step_id(step).to_owned()));
        let kind = shown.get("entry").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Followed::Line { seq: line.seq, kind, line: shown })
    }
}
