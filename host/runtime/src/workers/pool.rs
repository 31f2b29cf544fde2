//! Which process a call goes to: its tenant's, which is started when there is none, and ended when it was idle for long or
//! another tenant needs its place.

use super::worker::{IDLE, Place, Start, Worker};
use crate::clock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::Fault;

/// The first pause before a process is started again that had died before it made a call; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// All processes.
pub(super) struct Pool {
    start: Start,
    at_once: usize,
    idle: Duration,
    /// Where processes are looked after.
    threads: tokio::runtime::Handle,
    tenants: Mutex<HashMap<TenantId, Entry>>,
}

/// One tenant.
struct Entry {
    process: Arc<tokio::sync::Mutex<Process>>,
    users: usize,
    used: Instant,
}

/// A tenant's process, or how its last starts went.
#[derive(Default)]
struct Process {
    worker: Option<Arc<Worker>>,
    failures: u32,
}

/// A call in the pool: the tenant's process is not idle while it lives.
pub(super) struct Use<'a> {
    pool: &'a Pool,
    tenant: TenantId,
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.pool.tenants().get_mut(&self.tenant) {
            entry.users = entry.users.saturating_sub(1);
            entry.used = clock::now();
        }
    }
}

impl Pool {
    /// No processes yet.
    pub(super) fn new(start: Start, (at_once, idle): (usize, Duration), threads: tokio::runtime::Handle) -> Self {
        Self { start, at_once: at_once.max(1), idle, threads, tenants: Mutex::default() }
    }

    /// Starts a process of nobody, which ends at once: whether they work on this machine.
    pub(super) async fn try_out(&self) -> Result<(), String> {
        let worker = self.started(TenantId(0)).await?;
        worker.end(IDLE);
        Ok(())
    }

    /// A place for a call of this tenant.
    ///
    /// # Errors
    /// [`Fault::NoCapacity`] if all processes are other tenants' and busy; [`Fault::Lost`] if none can be started.
    pub(super) async fn place(&self, tenant: TenantId) -> Result<(Use<'_>, Place), Fault> {
        let (process, using) = self.enter(tenant).ok_or(Fault::NoCapacity)?;
        let mut process = process.lock().await;
        if let Some(place) = process.worker.as_ref().filter(|worker| !worker.is_gone()).and_then(Worker::sit) {
            return Ok((using, place));
        }
        if let Some(gone) = process.worker.take() {
            process.failures = if gone.was_useful() { 0 } else { process.failures.saturating_add(1) };
        }
        if process.failures > 0 {
            let pause = FIRST_PAUSE.saturating_mul(1 << (process.failures - 1).min(10)).min(LONGEST_PAUSE);
            clock::until(clock::after(clock::now(), pause), std::future::pending::<()>()).await;
        }
        match self.started(tenant).await {
            Ok(worker) => {
                let place = worker.sit().ok_or_else(|| Fault::Lost(worker.epitaph()))?;
                process.worker = Some(worker);
                Ok((using, place))
            }
            Err(why) => {
                process.failures = process.failures.saturating_add(1);
                tracing::error!(%tenant, why, "a process that runs guests cannot be started");
                Err(Fault::Lost(
                    "the process that runs the function cannot be started; the server's log says why".to_owned(),
                ))
            }
        }
    }

    /// Ends processes that nobody needs. Call it now and then.
    pub(super) fn sweep(&self) {
        let now = clock::now();
        let stale = |entry: &Entry| entry.users == 0 && now.saturating_duration_since(entry.used) >= self.idle;
        self.tenants().retain(|_, entry| {
            let stale = stale(entry);
            if stale {
                dismiss(entry);
            }
            !stale
        });
    }

    /// How often [`Self::sweep`] is worth its while.
    pub(super) fn sweep_every(&self) -> Duration {
        (self.idle / 4).clamp(Duration::from_millis(50), Duration::from_secs(15))
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantId, Entry>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` if all places are taken by tenants that are busy.
    fn enter(&self, tenant: TenantId) -> Option<(Arc<tokio::sync::Mutex<Process>>, Use<'_>)> {
        let mut tenants = self.tenants();
        if !tenants.contains_key(&tenant) && tenants.len() >= self.at_once {
            let idle = tenants.iter().filter(|(_, entry)| entry.users == 0);
            let longest = idle.min_by_key(|(_, entry)| entry.used).map(|(tenant, _)| *tenant)?;
            if let Some(entry) = tenants.remove(&longest) {
                dismiss(&entry);
            }
        }
        let fresh = || Entry { process: Arc::default(), users: 0, used: clock::now() };
        let entry = tenants.entry(tenant).or_insert_with(fresh);
        entry.users += 1;
        Some((Arc::clone(&entry.process), Use { pool: self, tenant }))
    }

    /// Started where it is looked after.
    async fn started(&self, tenant: TenantId) -> Result<Arc<Worker>, String> {
        let start = self.start.clone();
        let starting = self.threads.spawn(async move { Worker::start(&start, tenant).await });
        starting.await.map_err(|error| error.to_string())?
    }
}

fn dismiss(entry: &Entry) {
    // Nobody uses it: nobody holds the lock.
    if let Ok(process) = entry.process.try_lock()
        && let Some(worker) = &process.worker
    {
        worker.end(IDLE);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.tenants().values().for_each(dismiss);
    }
}
