//! Executions that are under way, in memory.

use crate::ports::{ExecutionKey, Lease};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::definition::Workflow;
use stepwell_core::execution::{Execution, RunIx, RunState};
use tokio::sync::{oneshot, watch};

/// One of them.
pub struct Live {
    /// Where it is stored.
    pub key: ExecutionKey,
    /// Under which lease.
    pub lease: Lease,
    /// What it runs.
    pub workflow: Arc<Workflow>,
    /// Held while an entry is applied and committed: one change at a time.
    pub changing: tokio::sync::Mutex<()>,
    committed: Mutex<Committed>,
    ended: watch::Sender<bool>,
}

/// What everybody may see: only what is durable.
struct Committed {
    execution: Arc<Execution>,
    begun: bool,
    cancel: BTreeMap<RunIx, oneshot::Sender<()>>,
}

impl Live {
    /// An execution whose state is durable.
    #[must_use]
    pub fn new(key: ExecutionKey, lease: Lease, workflow: Arc<Workflow>, execution: Execution) -> Arc<Self> {
        let ended = watch::channel(execution.is_ended()).0;
        let begun = execution.lines > 1;
        let committed = Mutex::new(Committed { execution: Arc::new(execution), begun, cancel: BTreeMap::new() });
        Arc::new(Self { key, lease, workflow, changing: tokio::sync::Mutex::new(()), committed, ended })
    }

    /// Its durable state.
    #[must_use]
    pub fn execution(&self) -> Arc<Execution> {
        Arc::clone(&self.lock().execution)
    }

    /// Its state became this one; whoever waits for the end is told.
    pub fn advance(&self, next: Execution) {
        let ended = next.is_ended();
        self.lock().execution = Arc::new(next);
        if ended {
            self.ended.send_replace(true);
        }
    }

    /// Whether an attempt has had its turn.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.lock().begun
    }

    /// An attempt has its turn: the state that it starts from, and what resolves when it is to be stopped. `None` if it is not the current
    /// attempt of its step run; asked under the lock, so that an end either is seen here or finds the attempt to stop.
    #[must_use]
    pub fn begin(&self, run: RunIx, attempt: u32) -> Option<(Arc<Execution>, oneshot::Receiver<()>)> {
        let mut committed = self.lock();
        if committed.execution.paused.is_some() || committed.cancel.contains_key(&run) {
            return None; // it is held back, or under way already: a resume asks for all that is outstanding
        }
        let state = committed.execution.run(run)?.state;
        if !matches!(state, RunState::Active { attempt: current, .. } if current == attempt) {
            return None;
        }
        let (cancel, cancelled) = oneshot::channel();
        committed.begun = true;
        committed.cancel.insert(run, cancel);
        Some((Arc::clone(&committed.execution), cancelled))
    }

    /// The attempt ended, or is to end.
    pub fn stop(&self, run: RunIx) {
        self.lock().cancel.remove(&run);
    }

    /// All attempts of it are to end.
    pub fn stop_attempts(&self) {
        self.lock().cancel.clear();
    }

    /// Returns once it has ended.
    pub async fn end(&self) {
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Committed> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All of them.
#[derive(Default)]
pub struct LiveTable {
    by_key: Mutex<HashMap<ExecutionKey, Arc<Live>>>,
}

impl LiveTable {
    /// Adds one.
    pub fn insert(&self, live: Arc<Live>) {
        self.lock().insert(live.key, live);
    }

    /// One that is under way.
    #[must_use]
    pub fn get(&self, key: ExecutionKey) -> Option<Arc<Live>> {
        self.lock().get(&key).cloned()
    }

    /// It ended.
    pub fn remove(&self, key: ExecutionKey) {
        self.lock().remove(&key);
    }

    /// Stops all attempts.
    pub fn stop_all(&self) {
        let all: Vec<Arc<Live>> = self.lock().values().cloned().collect();
        for live in all {
            live.stop_attempts();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionKey, Arc<Live>>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
