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

/// A tenant's process, or how its last starts went. The process ends with it.
#[derive(Default)]
struct Process {
    worker: Option<Arc<Worker>>,
    failures: u32,
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.end(IDLE);
        }
    }
}

impl Process {
    /// A place in the process that there is.
    fn place(&self) -> Option<Place> {
        self.worker.as_ref().filter(|worker| !worker.is_gone()).and_then(Worker::sit)
    }

    /// Starts another; after a while, if the last ones died before they had made a call.
    async fn start(&mut self, start: &Start, tenant: TenantId) -> Result<(), Fault> {
        if let Some(gone) = self.worker.take() {
            self.failures = if gone.was_useful() { 0 } else { self.failures.saturating_add(1) };
        }
        if self.failures > 0 {
            let pause = FIRST_PAUSE.saturating_mul(1 << (self.failures - 1).min(10)).min(LONGEST_PAUSE);
            clock::until(clock::after(clock::now(), pause), std::future::pending::<()>()).await;
        }
        match Worker::start(start, tenant).await {
            Ok(worker) => {
                self.worker = Some(worker);
                Ok(())
            }
            Err(why) => {
                self.failures = self.failures.saturating_add(1);
                tracing::error!(%tenant, why, "a process that runs guests cannot be started");
                let message = "the process that runs the function cannot be started; the server's log says why";
                Err(Fault::Lost(message.to_owned()))
            }
        }
    }
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
        let start = self.start.clone();
        let starting = self.threads.spawn(async move { Worker::start(&start, TenantId(0)).await });
        starting.await.map_err(|error| error.to_string())??.end(IDLE);
        Ok(())
    }

    /// A place for a call of this tenant.
    ///
    /// # Errors
    /// [`Fault::NoCapacity`] if all processes are other tenants' and busy; [`Fault::Lost`] if none can be started.
    pub(super) async fn place(&self, tenant: TenantId) -> Result<(Use<'_>, Place), Fault> {
        let (process, using) = self.enter(tenant).ok_or(Fault::NoCapacity)?;
        let mut process = process.lock_owned().await;
        if let Some(place) = process.place() {
            return Ok((using, place));
        }
        // Where processes are looked after: whoever waits may give up, and the process that was being started is still the tenant's.
        let start = self.start.clone();
        let starting = self.threads.spawn(async move {
            process.start(&start, tenant).await?;
            process.place().ok_or_else(|| Fault::Lost("the process that runs the function ended at once".to_owned()))
        });
        let started = starting.await.map_err(|error| Fault::Host(error.to_string()))?;
        started.map(|place| (using, place))
    }

    /// Ends processes that nobody needs. Call it now and then.
    pub(super) fn sweep(&self) {
        let now = clock::now();
        let stale = |entry: &Entry| entry.users == 0 && now.saturating_duration_since(entry.used) >= self.idle;
        self.tenants().retain(|_, entry| !stale(entry));
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
            tenants.remove(&longest);
        }
        let fresh = || Entry { process: Arc::default(), users: 0, used: clock::now() };
        let entry = tenants.entry(tenant).or_insert_with(fresh);
        entry.users += 1;
        Some((Arc::clone(&entry.process), Use { pool: self, tenant }))
    }
}
