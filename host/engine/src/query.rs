//! What clients read: an execution's state, its end, its history. Only what is durable is shown.

use crate::admission::Start;
use crate::drive::not_found;
use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{ExecutionKey, Record, RecordStatus};
use crate::{Error, codec, records};
use std::sync::Arc;
use std::time::Duration;
use stepwell_core::definition::Workflow;
use stepwell_core::execution::{Execution, RunIx, history_line, view};
use stepwell_core::ids::TenantId;
use stepwell_core::picture::Bars;

/// Most lines of a history in one answer.
pub const HISTORY_PAGE: usize = 1_000;

/// Most lines of a journal that a timeline is made from: it has 400 bars, and most steps have one attempt.
const TIMELINE_LINES: u32 = 4_000;
/// Lines that are in memory at once for it.
const TIMELINE_PART: usize = 64;

/// A part of a history.
#[derive(Debug)]
pub struct History {
    /// The lines as JSON.
    pub items: Vec<serde_json::Value>,
    /// Where the next part begins, if there is one.
    pub next: Option<u32>,
}

/// An execution and what it runs, live or ended.
pub(crate) struct Seen {
    pub execution: Arc<Execution>,
    pub workflow: Arc<Workflow>,
    pub begun: bool,
}

impl Engine {
    /// The execution's answer as JSON text. `wait`: as soon as it ends, or as it stands after that time.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn status(&self, tenant: TenantId, id: &str, wait: Option<Duration>) -> Result<String, Error> {
        let key = self.key(tenant, id)?;
        self.look(key, wait.and_then(|_| self.inner.live.get(key)), wait).await
    }

    /// As [`Engine::status`], of an execution that was just started.
    ///
    /// # Errors
    /// As [`Engine::status`].
    pub async fn status_of(&self, start: &Start, wait: Option<Duration>) -> Result<String, Error> {
        self.look(start.key, start.live.clone(), wait).await
    }

    /// Whoever waits keeps it, so that its end need not be read from the store. One that was parked meanwhile is: another stands for it.
    async fn look(&self, key: ExecutionKey, live: Option<Arc<Live>>, wait: Option<Duration>) -> Result<String, Error> {
        // Before it is looked at, so that an end in between is not missed.
        let waiting = wait.map(|wait| (wait, self.inner.waiters.wait(key)));
        let mut seen = match live.as_deref().filter(|live| live.is_there()) {
            Some(live) => seen_of(live),
            None => self.seen(key).await?,
        };
        if let Some((wait, waiting)) = waiting
            && !seen.execution.is_ended()
        {
            let until = self.inner.ports.clock.now().plus(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            tokio::select! {
                () = waiting.end() => {}
                () = self.inner.ports.clock.sleep_until(until) => {}
            }
            let ended = live.as_deref().map(seen_of).filter(|seen| seen.execution.is_ended());
            seen = match ended {
                Some(ended) => ended,
                None => self.seen(key).await?,
            };
        }
        Ok(view(&seen.execution, &seen.workflow, self.inner.ports.clock.now(), seen.begun))
    }

    /// The lines of a journal from `from` on.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn history(&self, tenant: TenantId, id: &str, (from, limit): (u32, usize)) -> Result<History, Error> {
        let key = self.key(tenant, id)?;
        let seen = self.seen(key).await?;
        let limit = limit.clamp(1, HISTORY_PAGE);
        let mut lines = self.inner.ports.store.journal(key, from, limit + 1).await?;
        // A store may show a line a moment before it is durable; nobody else may see it then.
        lines.retain(|line| line.seq < seen.execution.lines);
        let next = if lines.len() > limit { lines.pop().map(|line| line.seq) } else { None };
        let step_of = |run: RunIx| seen.execution.run(run).map(|run| seen.workflow.step_id(run.step).to_owned());
        let mut items = Vec::with_capacity(lines.len());
        for line in lines {
            let decoded = codec::decode_entry(&line.entry);
            let (at, entry) = decoded.map_err(|e| Error::broken("a journal line cannot be read", &e))?;
            items.push(history_line(line.seq, at, &entry, step_of));
        }
        Ok(History { items, next })
    }

    /// Where an execution is, and how many lines of its journal are durable.
    pub(crate) async fn durable_lines(&self, tenant: TenantId, id: &str) -> Result<(ExecutionKey, u32), Error> {
        let key = self.key(tenant, id)?;
        Ok((key, self.seen(key).await?.execution.lines))
    }

    /// When each step of an execution ran.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn bars(&self, tenant: TenantId, id: &str) -> Result<Bars, Error> {
        let key = self.key(tenant, id)?;
        let seen = self.seen(key).await?;
        let mut bars = Bars::new(&seen.execution, &seen.workflow, self.inner.ports.clock.now());
        // A line holds a result of up to a payload: few at a time, and no more than the bars can show.
        let last = seen.execution.lines.min(TIMELINE_LINES);
        let mut from = 0;
        while from < last {
            let lines = self.inner.ports.store.journal(key, from, TIMELINE_PART).await?;
            let Some(end) = lines.last().map(|line| line.seq) else { break };
            for line in lines.iter().filter(|line| line.seq < last) {
                let decoded = codec::decode_entry(&line.entry);
                let (at, entry) = decoded.map_err(|e| Error::broken("a journal line cannot be read", &e))?;
                bars.line(at, &entry);
            }
            from = end.saturating_add(1);
        }
        Ok(bars)
    }

    pub(crate) fn key(&self, tenant: TenantId, id: &str) -> Result<ExecutionKey, Error> {
        Ok(ExecutionKey { tenant, id: id.parse().map_err(|_| not_found(id))? })
    }

    pub(crate) async fn seen(&self, key: ExecutionKey) -> Result<Seen, Error> {
        if let Some(seen) = self.seen_live(key) {
            return Ok(seen);
        }
        let mut record = self.stored_record(key).await?;
        if record.status == RecordStatus::Unfinished {
            // Committed a moment ago, and not in the table yet; once it is, it may also have ended already.
            self.inner.committer.settled().await;
            if let Some(seen) = self.seen_live(key) {
                return Ok(seen);
            }
            record = self.stored_record(key).await?;
        }
        match record.status {
            RecordStatus::Quarantined => return Err(Error::broken("a quarantined execution was asked for", &key.id)),
            RecordStatus::Unfinished => return Err(Error::Unavailable("the execution is not loaded".to_owned())),
            RecordStatus::Parked => {
                let (execution, workflow) = self.parked_state(key, &record).await?;
                return Ok(Seen { execution: Arc::new(execution), workflow, begun: true });
            }
            RecordStatus::Completed | RecordStatus::Failed => {}
        }
        let execution = codec::decode_ended(&record.body).map_err(|e| Error::broken("a record cannot be read", &e))?;
        let started = execution.started.clone().ok_or(Error::Broken)?;
        let stored = self.inner.registry.revision(key.tenant, &started.workflow, started.revision).await?;
        Ok(Seen { execution: Arc::new(execution), workflow: Arc::clone(&stored.workflow), begun: true })
    }

    /// What lists show of an execution that ended, from its whole state.
    pub(crate) async fn outline_of_state(&self, key: ExecutionKey) -> Result<serde_json::Value, Error> {
        let seen = self.seen(key).await?;
        let shown = records::shown(&seen.execution, self.inner.ports.clock.now(), seen.begun);
        serde_json::to_value(shown).map_err(|e| Error::broken("an outline cannot be written", &e))
    }

    fn seen_live(&self, key: ExecutionKey) -> Option<Seen> {
        self.inner.live.get(key).filter(|live| live.is_there()).map(|live| seen_of(&live))
    }

    pub(crate) async fn stored_record(&self, key: ExecutionKey) -> Result<Record, Error> {
        self.inner.ports.store.record(key).await?.ok_or_else(|| not_found(&key.id.to_string()))
    }
}

/// What is durable of an execution in memory.
fn seen_of(live: &Live) -> Seen {
    Seen { execution: live.execution(), workflow: Arc::clone(&live.workflow), begun: live.has_begun() }
}
