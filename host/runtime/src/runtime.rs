//! The port with guests on threads of the server's own process.

use crate::cache::TrustedCode;
use crate::config::{RuntimeConfig, SetupError};
use crate::executor::{Executor, Programs, Size, failed};
use crate::library::{Library, Program, digest, prepared};
use crate::loaded::KEPT;
use crate::scripts;
use crate::threads::{Company, Threads};
use bytes::Bytes;
use std::sync::Arc;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_engine::ports::{
    Artifact, Fault, Form, Host, Invocation, Outcome, Phase, Prepared, Runtime, RuntimeError, Uploading,
};

/// The port on wasmtime. Dropping it ends its threads; calls under way are stopped.
pub struct WasmtimeRuntime {
    executor: Arc<Executor>,
    library: Arc<Library>,
    /// Guests have threads of their own: what they compute never holds a thread of the API.
    threads: Threads,
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
        let threads = Threads::start(config.guest_threads, Company::Callers).map_err(SetupError::Threads)?;
        Ok(Self { executor: Arc::new(executor), library: Arc::new(library), threads })
    }

    /// Whether instances come from a pool.
    #[must_use]
    pub fn is_pooling(&self) -> bool {
        self.executor.is_pooling()
    }
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
        // Loading reads files and may start the compiler: that is the caller's runtime's work, not the guests'.
        let programs = Own { library: &self.library, of: (invocation.tenant, invocation.component) };
        let loaded = match Box::pin(self.executor.loaded(invocation.component, &programs)).await {
            Ok(loaded) => loaded,
            Err(fault) => return failed(fault),
        };
        let executor = Arc::clone(&self.executor);
        let share = (invocation.tenant, invocation.limits.weight);
        let attempt = async move { executor.invoke(&loaded, (&invocation, host)).await };
        self.threads.run(share, attempt).await.unwrap_or_else(|lost| failed(lost.into()))
    }

    fn home(&self) -> Option<&tokio::runtime::Handle> {
        self.threads.home()
    }
}

impl WasmtimeRuntime {
    /// Checks a script on the guests' threads: it runs there.
    async fn check(&self, tenant: TenantId, source: Bytes) -> Result<Prepared, RuntimeError> {
        let (digest, text) = (digest(&source), scripts::text(&source)?);
        let runner = self.executor.runner(&Own { library: &self.library, of: (tenant, digest) }).await?;
        let executor = Arc::clone(&self.executor);
        let check = async move { scripts::check(&executor, &runner, &text).await };
        let checked = self.threads.run((tenant, 1), check).await;
        let checked = checked.map_err(|lost| RuntimeError::Unavailable(lost.to_string()))?;
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
