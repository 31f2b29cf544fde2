//! The port with guests in processes of their own.

use super::frames::Setup;
use super::pool::Pool;
use super::session;
use super::worker::Start;
use crate::clock;
use crate::config::{RuntimeConfig, SetupError, WorkerConfig};
use crate::engine::{compatibility, serving};
use crate::executor::failed;
use crate::library::{Library, digest, prepared};
use crate::scripts;
use bytes::Bytes;
use std::sync::Arc;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{
    Artifact, Fault, Form, Host, Invocation, Outcome, Phase, Prepared, Runtime, RuntimeError, Uploading,
};
use tokio::sync::Semaphore;

/// Threads that look after the processes: they hand frames over, and compute nothing.
const THREADS: usize = 2;

/// The port on processes. Dropping it ends them; calls under way are stopped.
pub struct ProcessRuntime {
    library: Library,
    pool: Arc<Pool>,
    slots: Semaphore,
    /// `None` only while dropping.
    threads: Option<tokio::runtime::Runtime>,
}

impl ProcessRuntime {
    /// Sets everything up but the processes, which are started when there is something to run.
    ///
    /// # Errors
    /// [`SetupError`] says what does not work.
    pub fn new(config: &RuntimeConfig, workers: WorkerConfig) -> Result<Self, SetupError> {
        let calls = config.max_concurrent.max(1);
        // Nothing runs in this engine: it says what fits into those of the processes.
        let engine = serving(calls, config.pooling).map_err(|error| SetupError::Engine(format!("{error:#}")))?.engine;
        let library = Library::open(config, &engine)?;
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("workers")
            .enable_all()
            .build()
            .map_err(SetupError::Threads)?;
        let setup = Setup {
            calls,
            guest_threads: config.guest_threads,
            pooling: config.pooling,
            memory_bytes: workers.memory_bytes,
        };
        let start = Start { command: workers.command, setup, compatibility: compatibility(&engine) };
        let pool = Arc::new(Pool::new(start, (workers.at_once, workers.idle), threads.handle().clone()));
        let this =
            Self { library, pool: Arc::clone(&pool), slots: Semaphore::new(calls as usize), threads: Some(threads) };
        this.sweep();
        Ok(this)
    }

    /// Starts a process and ends it: it confines itself, and a machine on which that does not work is not one for strangers' code.
    ///
    /// # Errors
    /// [`SetupError::Worker`] says what does not work.
    pub async fn try_out(&self) -> Result<(), SetupError> {
        self.pool.try_out().await.map_err(SetupError::Worker)
    }

    /// Ends idle processes as long as there is a pool.
    fn sweep(&self) {
        let (pool, every) = (Arc::downgrade(&self.pool), self.pool.sweep_every());
        let sweeping = async move {
            while let Some(pool) = pool.upgrade() {
                pool.sweep();
                drop(pool);
                clock::until(clock::after(clock::now(), every), std::future::pending::<()>()).await;
            }
        };
        if let Some(threads) = &self.threads {
            threads.spawn(sweeping);
        }
    }

    /// Checks a script in its tenant's process: it runs there.
    async fn check(&self, tenant: TenantId, source: Bytes) -> Result<Prepared, RuntimeError> {
        let digest = digest(&source);
        let text = Bytes::from(scripts::text(&source)?.into_string());
        let checked = match self.pool.place(tenant).await {
            Ok((_use, place)) => session::check(place, &self.library, text).await,
            Err(fault) => Err(fault),
        };
        Ok(prepared(digest, scripts::facts(), scripts::verdict(checked)?))
    }
}

impl Drop for ProcessRuntime {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background(); // processes are ended where they are dropped
        }
    }
}

#[async_trait::async_trait]
impl Runtime for ProcessRuntime {
    async fn prepare(
        &self,
        tenant: TenantId,
        artifact: Artifact,
        upload: &Uploading,
    ) -> Result<Prepared, RuntimeError> {
        match artifact.form {
            Form::JavaScript => {
                upload.reached(Phase::Scanning);
                self.check(tenant, artifact.bytes).await
            }
            Form::Wasm => self.library.prepare(tenant, &artifact.bytes, upload).await,
        }
    }

    async fn invoke(&self, invocation: Invocation, host: Arc<dyn Host>) -> Outcome {
        let Ok(_slot) = self.slots.try_acquire() else {
            // Who tries again at once must not keep the call that holds the slot from its end.
            tokio::task::yield_now().await;
            return failed(Fault::NoCapacity);
        };
        match Box::pin(self.pool.place(invocation.tenant)).await {
            Ok((_use, place)) => Box::pin(session::call(place, &self.library, (invocation, host))).await,
            Err(fault) => failed(fault),
        }
    }
}
