//! The port: uploads and calls.

use crate::cache::{Cache, Facts, TrustedCode};
use crate::call::call;
use crate::compile::{Code, Compiled, Compiler, World, unfit};
use crate::config::{RuntimeConfig, SetupError};
use crate::engine::{compatibility, serving};
use crate::linker::{State, linker};
use crate::loaded::{Callable, Loaded, LoadedComponents, Misfit};
use crate::runner::{self, Runner, Script};
use crate::scripts;
use crate::slices::Slices;
use crate::ticker::Ticker;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_engine::ports::{
    Artifact, ComponentSource, Fault, Form, Host, Invocation, Outcome, Prepared, Runtime, RuntimeError, Usage,
};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::task::{AbortHandle, JoinError};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

/// The port on wasmtime. Dropping it ends its threads; calls under way are stopped.
pub struct WasmtimeRuntime {
    shared: Arc<Shared>,
    /// Guests have threads of their own: what they compute never holds a thread of the API. `None` only while dropping.
    guests: Option<tokio::runtime::Runtime>,
    slices: Arc<Slices>,
}

pub(crate) struct Shared {
    engine: Engine,
    linker: Linker<State>,
    pooling: bool,
    cache: Arc<Cache>,
    compiler: Compiler,
    source: Arc<dyn ComponentSource>,
    component_bytes: usize,
    components: LoadedComponents,
    /// Compiled, or loaded, when the first script comes.
    runner: OnceCell<Arc<Runner>>,
    runner_artifact: Bytes,
    pub(crate) slots: Semaphore,
    pub(crate) ticker: Ticker,
}

impl WasmtimeRuntime {
    /// Sets up the engine, the folder of compiled code, and the threads.
    ///
    /// # Errors
    /// [`SetupError`] says which of them failed. A missing pool is not an error: calls are then slower.
    pub fn new(config: RuntimeConfig) -> Result<Self, SetupError> {
        let engine_error = |error: wasmtime::Error| SetupError::Engine(format!("{error:#}"));
        let calls = config.max_concurrent.max(1);
        let serving = serving(calls, config.pooling).map_err(engine_error)?;
        let engine = serving.engine;
        let cache = Cache::open(&config.cache_dir, config.cache_key, &engine)
            .map_err(|source| SetupError::Cache { path: config.cache_dir.clone(), source })?;
        let threads = config.guest_threads.max(1);
        let guests = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .on_thread_start(be_nice)
            .thread_name_fn(guest_name())
            .enable_time() // sleeping guests
            .build()
            .map_err(SetupError::Threads)?;
        let shared = Shared {
            linker: linker(&engine).map_err(engine_error)?,
            pooling: serving.pooling,
            cache: Arc::new(cache),
            compiler: Compiler::new(config.compiler, config.compile_limits, compatibility(&engine)),
            source: config.source,
            component_bytes: config.component_bytes,
            components: LoadedComponents::new(),
            runner: OnceCell::new(),
            runner_artifact: config.runner,
            slots: Semaphore::new(calls as usize),
            ticker: Ticker::start(engine.weak()).map_err(SetupError::Threads)?,
            engine,
        };
        Ok(Self { shared: Arc::new(shared), guests: Some(guests), slices: Slices::new(threads) })
    }

    /// Whether instances come from a pool.
    #[must_use]
    pub fn is_pooling(&self) -> bool {
        self.shared.pooling
    }
}

impl Drop for WasmtimeRuntime {
    fn drop(&mut self) {
        if let Some(guests) = self.guests.take() {
            guests.shutdown_background(); // waiting is not allowed where this may be dropped
        }
    }
}

/// How much the guests' threads stand back, from 0 to 19. At 10 a thread that serves requests gets nine tenths of a processor that
/// both want; without such threads the guests have all of it.
const NICE: i32 = 10;

/// Requests go before guests: on Linux a niceness is a thread's own.
fn be_nice() {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "guests have the priority of requests");
    }
}

fn guest_name() -> impl Fn() -> String + Send + Sync + 'static {
    let number = std::sync::atomic::AtomicUsize::new(0);
    move || format!("guest-{}", number.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

#[async_trait::async_trait]
impl Runtime for WasmtimeRuntime {
    async fn prepare(&self, tenant: TenantId, artifact: Artifact) -> Result<Prepared, RuntimeError> {
        let artifact = match artifact {
            Artifact { form: Form::JavaScript, bytes } => return self.check(tenant, bytes).await,
            Artifact { form: Form::Wasm, bytes } => bytes,
        };
        let most = self.shared.component_bytes;
        if artifact.len() > most {
            let message = format!("the upload has {} bytes; at most {most} are accepted", artifact.len());
            return Err(unfit(Code::ComponentTooLarge, message).into());
        }
        let digest = digest(&artifact);
        if let Some((facts, _)) = self.shared.read(digest).await? {
            return Ok(prepared(digest, facts, 0));
        }
        let turn = self.shared.compiler.turn().await?;
        // Somebody else may have uploaded the same meanwhile.
        if let Some((facts, _)) = self.shared.read(digest).await? {
            return Ok(prepared(digest, facts, 0));
        }
        let compiled = self.shared.compile((digest, World::Function), &artifact, &turn).await?;
        Ok(prepared(digest, compiled.facts, compiled.compile_ms))
    }

    async fn invoke(&self, invocation: Invocation, host: Arc<dyn Host>) -> Outcome {
        let Some(guests) = &self.guests else { return failed(Fault::NoCapacity) };
        // Loading reads files and may start the compiler: that is the caller's runtime's work, not the guests'.
        let loaded = match Box::pin(self.shared.loaded(&invocation)).await {
            Ok(loaded) => loaded,
            Err(fault) => return failed(fault),
        };
        let shared = Arc::clone(&self.shared);
        let share = (invocation.tenant, invocation.limits.weight);
        let attempt = async move { shared.invoke(&loaded, (&invocation, host)).await };
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
        let runner = self.shared.runner().await?;
        let shared = Arc::clone(&self.shared);
        let check =
            guests.spawn(self.slices.share((tenant, 1), async move { scripts::check(&shared, &runner, &text).await }));
        let _abort = AbortOnDrop(check.abort_handle());
        let check_ms = check.await.map_err(|error| RuntimeError::Unavailable(format!("the check: {error}")))??;
        Ok(prepared(digest, scripts::facts(), check_ms))
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

fn failed(fault: Fault) -> Outcome {
    Outcome { result: Err(fault), usage: Usage::default(), log: Vec::new() }
}

fn prepared(digest: Digest, facts: Facts, compile_ms: u64) -> Prepared {
    let Facts { kind, functions, imports } = facts;
    Prepared { digest, kind, functions, imports, compile_ms }
}

fn digest(artifact: &[u8]) -> Digest {
    Digest(Sha256::digest(artifact).into())
}

impl Shared {
    async fn invoke(&self, loaded: &Callable, (invocation, host): (&Invocation, Arc<dyn Host>)) -> Outcome {
        let Ok(_slot) = self.slots.try_acquire() else { return failed(Fault::NoCapacity) };
        let _busy = self.ticker.busy();
        Box::pin(call(loaded, invocation, host)).await
    }

    async fn loaded(&self, invocation: &Invocation) -> Result<Arc<Callable>, Fault> {
        self.components.get(invocation.component, self.load(invocation)).await
    }

    /// From the cache, else from the original.
    async fn load(&self, invocation: &Invocation) -> Result<Callable, Fault> {
        let digest = invocation.component;
        let cached = self.read(digest).await.map_err(|error| Fault::Host(error.to_string()))?;
        if let Some((_, code)) = cached {
            match self.link(code).await {
                Ok(loaded) => return Ok(Callable::Component(loaded)),
                Err(error) => tracing::warn!(%digest, error, "compiled code does not load; compiling again"),
            }
        }
        let artifact = self.original(invocation.tenant, digest).await?;
        if runner::is_script(&artifact) {
            let runner = self.runner().await.map_err(|error| Fault::Host(error.to_string()))?;
            let source = scripts::text(&artifact).map_err(|error| Fault::Host(error.to_string()))?;
            return Ok(Callable::Script(Script { runner, source }));
        }
        let uncompiled = |error: RuntimeError| Fault::Host(format!("the component cannot be compiled: {error}"));
        let turn = self.compiler.turn().await.map_err(uncompiled)?;
        let compiled = self.compile((digest, World::Function), &artifact, &turn).await.map_err(uncompiled)?;
        let loaded = self.link(compiled.code).await;
        loaded.map(Callable::Component).map_err(|error| Fault::Host(format!("the component cannot be loaded: {error}")))
    }

    async fn original(&self, tenant: TenantId, expected: Digest) -> Result<Bytes, Fault> {
        let artifact = self.source.component(tenant, expected).await;
        let artifact = artifact.map_err(|error| Fault::Host(format!("the component cannot be read: {error}")))?;
        let artifact = artifact.ok_or_else(|| Fault::Host(format!("the component {expected} is not stored")))?;
        if digest(&artifact) != expected {
            tracing::error!(digest = %expected, "a stored component is damaged");
            return Err(Fault::Host(format!("the stored component {expected} is damaged; upload it again")));
        }
        Ok(artifact)
    }

    /// Compiles in the child, makes sure that the result can be served, and keeps it.
    async fn compile(
        &self,
        (digest, world): (Digest, World),
        artifact: &Bytes,
        turn: &SemaphorePermit<'_>,
    ) -> Result<Compiled, RuntimeError> {
        let compiled = self.compiler.compile((world, artifact), turn).await?;
        let (engine, cache) = (self.engine.clone(), Arc::clone(&self.cache));
        blocking(move || {
            // Only the engine with the pool knows the pool's limits.
            compiled.code.load(&engine).map_err(|error| {
                unfit(
                    Code::ComponentTooComplex,
                    format!("the component needs more than an instance may have: {error:#}"),
                )
            })?;
            if let Err(error) = cache.write(digest, &compiled.facts, &compiled.code) {
                tracing::warn!(%digest, %error, "compiled code cannot be kept; it will be compiled again");
            }
            Ok(compiled)
        })
        .await?
    }

    async fn read(&self, digest: Digest) -> Result<Option<(Facts, TrustedCode)>, RuntimeError> {
        let cache = Arc::clone(&self.cache);
        blocking(move || cache.read(digest)).await
    }

    /// The runner of scripts.
    pub(crate) async fn runner(&self) -> Result<Arc<Runner>, RuntimeError> {
        self.runner.get_or_try_init(|| async { self.make_runner().await.map(Arc::new) }).await.cloned()
    }

    /// From the cache, else compiled.
    async fn make_runner(&self) -> Result<Runner, RuntimeError> {
        let digest = runner::cache_digest(&self.runner_artifact);
        if let Some((_, code)) = self.read(digest).await? {
            match self.link_as(code, Runner::new).await {
                Ok(runner) => return Ok(runner),
                Err(error) => tracing::warn!(error, "the compiled runner of scripts does not load; compiling again"),
            }
        }
        let turn = self.compiler.turn().await?;
        let compiled = self.compile((digest, World::Runner), &self.runner_artifact, &turn).await;
        // It is ours: what would be an upload's fault is a fault of this build.
        let broken = |error: String| {
            tracing::error!(error, "the runner of scripts does not work");
            RuntimeError::Unavailable("the runner of scripts does not work; the server's log says why".to_owned())
        };
        let compiled = compiled.map_err(|error| match error {
            RuntimeError::Unfit(unfit) => broken(unfit.message),
            unavailable @ RuntimeError::Unavailable(_) => unavailable,
        })?;
        self.link_as(compiled.code, Runner::new).await.map_err(broken)
    }

    async fn link(&self, code: TrustedCode) -> Result<Loaded, String> {
        self.link_as(code, Loaded::new).await
    }

    async fn link_as<T: Send + 'static>(
        &self,
        code: TrustedCode,
        new: fn(&Linker<State>, &Component) -> Result<T, Misfit>,
    ) -> Result<T, String> {
        let (engine, linker) = (self.engine.clone(), self.linker.clone());
        let linked = blocking(move || {
            let component = code.load(&engine).map_err(|error| format!("{error:#}"))?;
            component.initialize_copy_on_write_image().map_err(|error| format!("{error:#}"))?;
            new(&linker, &component).map_err(|error| error.to_string())
        });
        linked.await.map_err(|error| error.to_string())?
    }
}

/// Reading files and mapping code block a thread; the guests' and the API's threads must not.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RuntimeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| RuntimeError::Unavailable(format!("it did not finish: {error}")))
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
