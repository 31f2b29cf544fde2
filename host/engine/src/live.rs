//! Executions that are under way, in memory.

use crate::held::Held;
use crate::logs::Logged;
use crate::ports::{ExecutionKey, Lease, RecordStatus};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::definition::Workflow;
use stepwell_core::execution::{Execution, RunIx, RunState};
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;
use tokio::sync::oneshot;

/// One of them.
pub struct Live {
    /// Where it is stored.
    pub key: ExecutionKey,
    /// Under which lease.
    pub lease: Lease,
    /// What it runs.
    pub workflow: Arc<Workflow>,
    /// Held while an entry is applied and committed: one change at a time. In it is what has happened and is not committed yet.
    pub changing: tokio::sync::Mutex<Held>,
    /// Nothing of it may wait for a commit: it was under way when the process ended abnormally, and what comes next may end it again.
    careful: AtomicBool,
    /// What its attempts have logged.
    pub logged: Logged,
    committed: Mutex<Committed>,
}

/// What everybody may see: only what is durable.
struct Committed {
    execution: Arc<Execution>,
    /// The state after what is held, too: only effect-free attempts may start from it.
    head: Arc<Execution>,
    begun: bool,
    /// Its start waits for its commit.
    unborn: bool,
    /// What its record says; `None`: unknown, because a store could not say whether it was written.
    stored: Option<RecordStatus>,
    /// It is being parked, or has been: nothing begins, and entries go to whoever takes its place.
    left: bool,
    /// When something last happened to it.
    quiet_since: Timestamp,
    /// Whether a timer will look whether it is still quiet.
    looked_after: bool,
    cancel: BTreeMap<RunIx, oneshot::Sender<()>>,
}

impl Live {
    /// An execution whose state is durable, and what its record says.
    #[must_use]
    pub fn new(
        key: ExecutionKey,
        lease: Lease,
        workflow: Arc<Workflow>,
        execution: Execution,
        stored: RecordStatus,
    ) -> Arc<Self> {
        let execution = Arc::new(execution);
        let committed = Committed {
            head: Arc::clone(&execution),
            begun: execution.lines > 1 || stored == RecordStatus::Parked,
            stored: Some(stored),
            unborn: false,
            left: false,
            quiet_since: Timestamp(0),
            looked_after: false,
            execution,
            cancel: BTreeMap::new(),
        };
        let (changing, committed) = (tokio::sync::Mutex::default(), Mutex::new(committed));
        Arc::new(Self {
            key,
            lease,
            workflow,
            changing,
            careful: AtomicBool::new(false),
            logged: Logged::default(),
            committed,
        })
    }

    /// From now on nothing of it waits for a commit.
    pub fn be_careful(&self) {
        self.careful.store(true, Ordering::Relaxed);
    }

    /// Whether entries of it may wait for a commit.
    #[must_use]
    pub fn may_hold(&self) -> bool {
        !self.careful.load(Ordering::Relaxed)
    }

    /// Its durable state.
    #[must_use]
    pub fn execution(&self) -> Arc<Execution> {
        Arc::clone(&self.lock().execution)
    }

    /// Whether it is durable at all: until then nobody may get to see it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        !self.lock().unborn
    }

    /// As [`Live::hold`], with its start among what is held: it is not there yet.
    pub fn hold_start(&self, next: Execution) {
        let mut committed = self.lock();
        committed.unborn = true;
        committed.head = Arc::new(next);
    }

    /// Its state with all that has happened, durable or not: nobody outside may get to see what follows from it.
    #[must_use]
    pub fn head(&self) -> Arc<Execution> {
        Arc::clone(&self.lock().head)
    }

    /// Its state became this one, and its record, if it was written too.
    pub fn advance(&self, next: Arc<Execution>, stored: Option<RecordStatus>) {
        let mut committed = self.lock();
        committed.unborn = false;
        committed.head = Arc::clone(&next);
        committed.execution = next;
        committed.stored = stored.or(committed.stored);
    }

    /// Its state is to become this one; what led to it is held.
    pub fn hold(&self, next: Execution) {
        self.lock().head = Arc::new(next);
    }

    /// What its record says; `None`: unknown.
    #[must_use]
    pub fn stored(&self) -> Option<RecordStatus> {
        self.lock().stored
    }

    /// Something happened to it now. True if no timer looks after it yet: the caller sets one.
    pub fn changed(&self, now: Timestamp) -> bool {
        let mut committed = self.lock();
        committed.quiet_since = now;
        !std::mem::replace(&mut committed.looked_after, true)
    }

    /// The timer has come.
    pub fn look_no_more(&self) {
        self.lock().looked_after = false;
    }

    /// When something last happened to it.
    #[must_use]
    pub fn quiet_since(&self) -> Timestamp {
        self.lock().quiet_since
    }

    /// It leaves the memory, unless an attempt runs or it has left already: false. From now on nothing of it begins.
    #[must_use]
    pub fn leave(&self) -> bool {
        let mut committed = self.lock();
        if committed.left || !committed.cancel.is_empty() {
            return false;
        }
        committed.left = true;
        true
    }

    /// It is gone for good, whatever runs: nothing more becomes of it.
    pub fn abandon(&self) {
        self.lock().left = true;
    }

    /// It could not leave; this is what its record says now.
    pub fn stay(&self, stored: Option<RecordStatus>) {
        let mut committed = self.lock();
        (committed.left, committed.stored) = (false, stored);
    }

    /// Whether it leaves, or has left: another one stands for it, or will.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.lock().left
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
        if committed.left || committed.head.paused.is_some() || committed.cancel.contains_key(&run) {
            return None; // it is held back, or under way already: a resume asks for all that is outstanding
        }
        let state = committed.head.run(run)?.state;
        if !matches!(state, RunState::Active { attempt: current, .. } if current == attempt) {
            return None;
        }
        let (cancel, cancelled) = oneshot::channel();
        committed.begun = true;
        committed.cancel.insert(run, cancel);
        Some((Arc::clone(&committed.head), cancelled))
    }

    /// The attempt ended, or is to end.
    pub fn stop(&self, run: RunIx) {
        self.lock().cancel.remove(&run);
    }

    /// All attempts of it are to end.
    pub fn stop_attempts(&self) {
        self.lock().cancel.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Committed> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for so many executions is always kept.
const SPARE_ROOM: usize = 4_096;

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

    /// Adds one, unless it is there already; false: it was.
    #[must_use]
    pub fn insert_new(&self, live: &Arc<Live>) -> bool {
        match self.lock().entry(live.key) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(Arc::clone(live));
                true
            }
        }
    }

    /// One that is under way.
    #[must_use]
    pub fn get(&self, key: ExecutionKey) -> Option<Arc<Live>> {
        self.lock().get(&key).cloned()
    }

    /// It ended, or was parked.
    pub fn remove(&self, key: ExecutionKey) {
        let mut by_key = self.lock();
        by_key.remove(&key);
        // A table that was large once gives its room back.
        if by_key.capacity() > SPARE_ROOM && by_key.len() < by_key.capacity() / 8 {
            let len = by_key.len();
            by_key.shrink_to(len * 2);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// All of a tenant.
    #[must_use]
    pub fn of_tenant(&self, tenant: TenantId) -> Vec<Arc<Live>> {
        self.lock().values().filter(|live| live.key.tenant == tenant).cloned().collect()
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Live>> {
        self.lock().values().cloned().collect()
    }

    /// Stops all attempts.
    pub fn stop_all(&self) {
        for live in self.all() {
            live.stop_attempts();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionKey, Arc<Live>>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
