//! Back into memory: whoever has something for an execution gets it here, parked or not.

use crate::Error;
use crate::codec;
use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{ExecutionKey, Lease, Record, RecordStatus};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use stepwell_core::definition::Workflow;
use stepwell_core::execution::{Entry, Execution, outstanding, replay};
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

/// How many executions are read from the store at once when many wakes are due.
pub const AT_ONCE: usize = 32;
/// Two callers who want the same execution must get the same one; those of different ones rarely wait for each other.
const LOCKS: usize = 256;

/// Who is being roused.
pub struct Rousing {
    locks: [Mutex<()>; LOCKS],
    /// For wakes: a thousand that are due at once must not keep everybody else from the store.
    turns: Semaphore,
}

impl Default for Rousing {
    fn default() -> Self {
        Self { locks: std::array::from_fn(|_| Mutex::new(())), turns: Semaphore::new(AT_ONCE) }
    }
}

impl Rousing {
    /// Waits for a turn; `None` never comes, because the turns are never closed.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// Held by whoever brings this execution back.
    pub async fn one_at_a_time(&self, key: ExecutionKey) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let slot = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default();
        Some(self.locks.get(slot)?.lock().await)
    }
}

impl Engine {
    /// The execution in memory, brought back if it is parked; `None` if there is none or it has ended. Nothing is written: the record
    /// changes with the next entry, and an execution to which nothing happens soon leaves again.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it cannot be read now, or could not be loaded at the start.
    pub(crate) async fn rouse(&self, key: ExecutionKey) -> Result<Option<Arc<Live>>, Error> {
        if !self.inner.tenants.is_there(key.tenant) {
            return Ok(None);
        }
        if let Some(live) = self.present(key).await {
            return Ok(Some(live));
        }
        let _one = self.inner.rousing.one_at_a_time(key).await;
        if let Some(live) = self.present(key).await {
            return Ok(Some(live));
        }
        let mut record = self.inner.ports.store.record(key).await?;
        if record.as_ref().is_some_and(|record| record.status == RecordStatus::Unfinished) {
            // Committed a moment ago, and not in the table yet; once it is, it may also have been parked or have ended already.
            self.inner.committer.settled().await;
            if let Some(live) = self.present(key).await {
                return Ok(Some(live));
            }
            record = self.inner.ports.store.record(key).await?;
        }
        let Some(record) = record else { return Ok(None) };
        match record.status {
            RecordStatus::Completed | RecordStatus::Failed | RecordStatus::Quarantined => return Ok(None),
            RecordStatus::Unfinished => return Err(Error::Unavailable("the execution is not loaded".to_owned())),
            RecordStatus::Parked => {}
        }
        let live = self.load(key, self.lease(key)?, Some(&record)).await?;
        // A wake that was read ahead has done its work.
        self.inner.timers.forget(key);
        self.inner.live.insert(Arc::clone(&live));
        self.carry_out(&live, &outstanding(&live.execution()));
        Ok(Some(live))
    }

    /// One that is in memory and does not leave it just now.
    async fn present(&self, key: ExecutionKey) -> Option<Arc<Live>> {
        loop {
            let live = self.inner.live.get(key)?;
            if !live.has_left() {
                return Some(live);
            }
            // Whoever parks it holds this until it is out of the table, or stays after all.
            drop(live.changing.lock().await);
        }
    }

    /// Makes an execution from what is stored, for the table. One whose journal cannot go on is quarantined.
    pub(crate) async fn load(
        &self,
        key: ExecutionKey,
        lease: Lease,
        parked: Option<&Record>,
    ) -> Result<Arc<Live>, Error> {
        let status = parked.map_or(RecordStatus::Unfinished, |record| record.status);
        let (execution, workflow, journal) = self.stored_state(key, parked).await?;
        let lines = journal.iter().map(|(at, entry)| (*at, entry));
        match replay(execution.clone(), &workflow, lines) {
            Ok(execution) => Ok(Live::new(key, lease, workflow, execution, status)),
            Err(illegal) => {
                let live = Live::new(key, lease, workflow, execution, status);
                self.quarantine(&live, &illegal).await;
                Err(Error::Broken)
            }
        }
    }

    /// A parked execution as it is, without a place in memory.
    pub(crate) async fn parked_state(
        &self,
        key: ExecutionKey,
        record: &Record,
    ) -> Result<(Execution, Arc<Workflow>), Error> {
        let (execution, workflow, journal) = self.stored_state(key, Some(record)).await?;
        let lines = journal.iter().map(|(at, entry)| (*at, entry));
        let execution = replay(execution, &workflow, lines);
        let execution = execution.map_err(|e| Error::broken("a parked execution cannot be read", &e))?;
        Ok((execution, workflow))
    }

    /// Where a replay begins, and what comes behind it. The journal is the truth: a snapshot that cannot be read (a later version wrote
    /// it, for instance) is passed over.
    async fn stored_state(
        &self,
        key: ExecutionKey,
        record: Option<&Record>,
    ) -> Result<(Execution, Arc<Workflow>, Journal), Error> {
        let snapshot =
            record.filter(|record| !record.body.is_empty()).map(|record| codec::decode_snapshot(&record.body));
        let snapshot = match snapshot {
            Some(Ok(snapshot)) if snapshot.started.is_some() => snapshot,
            Some(Err(why)) => {
                tracing::warn!(execution = %key.id, %why, "a snapshot cannot be read; its whole journal is");
                Execution::blank(key.id)
            }
            Some(Ok(_)) | None => Execution::blank(key.id),
        };
        let journal = self.journal(key, snapshot.lines).await?;
        let started = match (&snapshot.started, journal.first()) {
            (Some(started), _) => started.as_ref(),
            (None, Some((_, Entry::Started(started)))) => started.as_ref(),
            (None, _) => return Err(Error::broken("a journal does not begin with a start", &key.id)),
        };
        let stored = self.inner.registry.revision(key.tenant, &started.workflow, started.revision).await?;
        Ok((snapshot, Arc::clone(&stored.workflow), journal))
    }
}

type Journal = Vec<(stepwell_core::time::Timestamp, Entry)>;
