//! The port with guests on threads of the server's own process.

use crate::cache::TrustedCode;
use crate::config::{RuntimeConfig, SetupError};
use crate::executor::{Executor, Programs, Size, failed};
use crate::library::{Library, Program, digest, prepared};
use crate::loaded::KEPT;
use crate::scripts;
use crate::slices::{Slices, threads_for};
use bytes::Bytes;
use std::sync::Arc;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_engine::ports::{
    Artifact, Fault, Form, Host, Invocation, Outcome, Phase, Prepared, Runtime, RuntimeError, Uploading,
};
use tokio::task::{AbortHandle, JoinError};

/// The port on wasmtime. Dropping it ends its threads; calls under way are stopped.
pub struct WasmtimeRuntime {
    executor: Arc<Executor>,
    library: Arc<Library>,
    /// Guests have threads of their own: what they compute never holds a thread of the API. `None` only while dropping.
    guests: Option<tokio::runtime::Runtime>,
    slices: Arc<Slices>,
}

impl WasmtimeRuntime {
    /// Sets up the engine, the folder of compiled code, and the threads.
    ///
    /// # Errors
    /// [`SetupError`] says which of them failed. A missing pool is not an error: calls are then slower.
    pub fn new(config: &RuntimeConfig) -> Result<Self, SetupError> {
        let size = Size { calls: config.max_concurrent.max(1), pooling: config.pooling, kept: KEPT, threads: true };
        let executor = Executor::new(size)?;
        let library = Library::open(config, executor.engine())?;
        let threads = config.guest_threads.max(1);
        let guests = guest_threads(threads_for(threads), be_nice).map_err(SetupError::Threads)?;
        let slices = Slices::new(threads);
        Ok(Self { executor: Arc::new(executor), library: Arc::new(library), guests: Some(guests), slices })
    }

    /// Whether instances come from a pool.
    #[must_use]
    pub fn is_pooling(&self) -> bool {
        self.executor.is_pooling()
    }
}

impl Drop for WasmtimeRuntime {
    fn drop(&mut self) {
        if let Some(guests) = self.guests.take() {
            guests.shutdown_background(); // waiting is not allowed where this may be dropped
        }
    }
}

/// How much the guests' threads stand back, from 0 to 19. At 5 a thread that serves requests gets three quarters of a processor that both
/// want; without such threads the guests have all of it. More would leave them too little beside other programs of the machine.
const NICE: i32 = 5;

/// Requests go before guests: on Linux a niceness is a thread's own, and its children's.
pub(crate) fn be_nice() {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "guests have the priority of requests");
    }
}

/// Threads for guests; each begins with `begin`.
pub(crate) fn guest_threads(threads: usize, begin: fn()) -> std::io::Result<tokio::runtime::Runtime> {
    let number = std::sync::atomic::AtomicUsize::new(0);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .on_thread_start(begin)
        .thread_name_fn(move || format!("guest-{}", number.fetch_add(1, std::sync::atomic::Ordering::Relaxed)))
        .enable_time() // sleeping guests
        .build()
}

#[async_trait::async_trait]
impl Runtime for WasmtimeRuntime {
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
        let Some(guests) = &self.guests else { return failed(Fault::NoCapacity) };
        // Loading reads files and may start the compiler: that is the caller's runtime's work, not the guests'.
        let programs = Own { library: &self.library, of: (invocation.tenant, invocation.component) };
        let loaded = match Box::pin(self.executor.loaded(invocation.component, &programs)).await {
            Ok(loaded) => loaded,
            Err(fault) => return failed(fault),
        };
        let executor = Arc::clone(&self.executor);
        let share = (invocation.tenant, invocation.limits.weight);
        let attempt = async move { executor.invoke(&loaded, (&invocation, host)).await };
        let attempt = guests.spawn(self.slices.share(share, attempt));
        let _abort = AbortOnDrop(attempt.abort_handle());
        attempt.await.unwrap_or_else(|error| failed(lost(&error)))
    }
}

impl WasmtimeRuntime {
    /// Checks a script on the guests' threads: it runs there.
    async fn check(&self, tenant: TenantId, source: Bytes) -> Result<Prepared, RuntimeError> {
        let gone = || RuntimeError::Unavailable("the server is shutting down".to_owned());
        let guests = self.guests.as_ref().ok_or_else(gone)?;
        let (digest, text) = (digest(&source), scripts::text(&source)?);
        let runner = self.executor.runner(&Own { library: &self.library, of: (tenant, digest) }).await?;
        let executor = Arc::clone(&self.executor);
        let check = async move { scripts::check(&executor, &runner, &text).await };
        let check = guests.spawn(self.slices.share((tenant, 1), check));
        let _abort = AbortOnDrop(check.abort_handle());
        let checked = check.await.map_err(|error| RuntimeError::Unavailable(format!("the check: {error}")))?;
        Ok(prepared(digest, scripts::facts(), scripts::verdict(checked)?))
    }
}

/// The code of one call, in this process.
struct Own<'a> {
    library: &'a Library,
    of: (TenantId, Digest),
}

#[async_trait::async_trait]
impl Programs for Own<'_> {
    async fn program(&self, cached: bool) -> Result<Program, Fault> {
        self.library.program(self.of, cached).await
    }

    async fn runner(&self, cached: bool) -> Result<TrustedCode, RuntimeError> {
        self.library.runner(cached).await
    }
}

/// Dropping the future of `invoke` stops the guest: at the next tick at the latest.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What became of an attempt that gave no outcome.
fn lost(error: &JoinError) -> Fault {
    if error.is_panic() {
        tracing::error!("the host panicked during a call");
        return Fault::Host("the host failed during the call; the server's log says more".to_owned());
    }
    Fault::NoCapacity // the runtime is shutting down
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_the_host_costs_one_attempt() {
        let attempt: tokio::task::JoinHandle<Outcome> = tokio::task::spawn_blocking(|| panic!("a bug"));
        assert!(matches!(lost(&attempt.await.expect_err("panicked")), Fault::Host(_)));
    }

    #[tokio::test]
    async fn a_call_that_shutdown_ends_was_no_attempt() {
        let attempt = tokio::task::LocalSet::new().spawn_local(std::future::pending::<Outcome>());
        assert_eq!(lost(&attempt.await.expect_err("cancelled")), Fault::NoCapacity);
    }
}
