//! What runs guests: the engine, the components that are ready, and the slots. The server's process has one, or, where guests
//! run in processes of their own, each of those.

use crate::cache::TrustedCode;
use crate::call::call;
use crate::config::SetupError;
use crate::engine::{compatibility, serving};
use crate::library::{Program, blocking};
use crate::linker::{State, linker};
use crate::loaded::{Callable, Loaded, LoadedComponents, Misfit};
use crate::runner::{self, Runner, Script};
use crate::ticker::Ticker;
use std::num::NonZeroUsize;
use std::sync::Arc;
use stepwell_core::ids::Digest;
use stepwell_engine::ports::{Fault, Host, Invocation, Outcome, RuntimeError, Usage};
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

/// Who has the code of one call.
#[async_trait::async_trait]
pub(crate) trait Programs: Send + Sync {
    /// What is called; not `cached` if the cached code did not load.
    async fn program(&self, cached: bool) -> Result<Program, Fault>;

    /// The runner of scripts.
    async fn runner(&self, cached: bool) -> Result<TrustedCode, RuntimeError>;
}

/// Settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Calls at a time.
    pub(crate) calls: u32,
    /// Whether instances come from a pool.
    pub(crate) pooling: bool,
    /// Components that are kept ready.
    pub(crate) kept: NonZeroUsize,
    /// Whether code is loaded by threads of their own: where no further thread can be started, the guests' threads do it.
    pub(crate) threads: bool,
}

/// It.
pub(crate) struct Executor {
    engine: Engine,
    linker: Linker<State>,
    pooling: bool,
    threads: bool,
    components: LoadedComponents,
    /// Loaded when the first script comes.
    runner: OnceCell<Arc<Runner>>,
    pub(crate) slots: Semaphore,
    pub(crate) ticker: Ticker,
}

impl Executor {
    /// Sets up the engine and the ticker's thread.
    pub(crate) fn new(size: Size) -> Result<Self, SetupError> {
        let engine_error = |error: wasmtime::Error| SetupError::Engine(format!("{error:#}"));
        let serving = serving(size.calls, size.pooling).map_err(engine_error)?;
        let engine = serving.engine;
        Ok(Self {
            linker: linker(&engine).map_err(engine_error)?,
            pooling: serving.pooling,
            threads: size.threads,
            components: LoadedComponents::new(size.kept),
            runner: OnceCell::new(),
            slots: Semaphore::new(size.calls as usize),
            ticker: Ticker::start(engine.weak()).map_err(SetupError::Threads)?,
            engine,
        })
    }

    /// Whether instances come from a pool.
    pub(crate) fn is_pooling(&self) -> bool {
        self.pooling
    }

    /// The engine that serves.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Of the code that runs here.
    pub(crate) fn compatibility(&self) -> String {
        compatibility(&self.engine)
    }

    /// Makes the call.
    pub(crate) async fn invoke(
        &self,
        callable: &Callable,
        (invocation, host): (&Invocation, Arc<dyn Host>),
    ) -> Outcome {
        let Ok(_slot) = self.slots.try_acquire() else { return failed(Fault::NoCapacity) };
        let _busy = self.ticker.busy();
        Box::pin(call(callable, invocation, host)).await
    }

    /// The artifact of this digest, ready to be called.
    pub(crate) async fn loaded(&self, digest: Digest, programs: &dyn Programs) -> Result<Arc<Callable>, Fault> {
        self.components.get(digest, self.load(digest, programs)).await
    }

    async fn load(&self, digest: Digest, programs: &dyn Programs) -> Result<Callable, Fault> {
        let mut cached = true;
        loop {
            let code = match programs.program(cached).await? {
                Program::Component(code) => code,
                Program::Script(source) => {
                    let runner = self.runner(programs).await.map_err(|error| Fault::Host(error.to_string()))?;
                    return Ok(Callable::Script(Script { runner, source }));
                }
            };
            match self.link_as(code, Loaded::new).await {
                Ok(loaded) => return Ok(Callable::Component(loaded)),
                Err(error) if cached => {
                    tracing::warn!(%digest, error, "compiled code does not load; compiling again");
                    cached = false;
                }
                Err(error) => return Err(Fault::Host(format!("the component cannot be loaded: {error}"))),
            }
        }
    }

    /// The runner of scripts.
    pub(crate) async fn runner(&self, programs: &dyn Programs) -> Result<Arc<Runner>, RuntimeError> {
        self.runner.get_or_try_init(|| async { self.load_runner(programs).await.map(Arc::new) }).await.cloned()
    }

    async fn load_runner(&self, programs: &dyn Programs) -> Result<Runner, RuntimeError> {
        match self.link_as(programs.runner(true).await?, Runner::new).await {
            Ok(runner) => return Ok(runner),
            Err(error) => tracing::warn!(error, "the compiled runner of scripts does not load; compiling again"),
        }
        let code = programs.runner(false).await?;
        self.link_as(code, Runner::new).await.map_err(|error| runner::broken(&error))
    }

    async fn link_as<T: Send + 'static>(
        &self,
        code: TrustedCode,
        new: fn(&Linker<State>, &Component) -> Result<T, Misfit>,
    ) -> Result<T, String> {
        let (engine, linker) = (self.engine.clone(), self.linker.clone());
        let link = move || {
            let component = code.load(&engine).map_err(|error| format!("{error:#}"))?;
            component.initialize_copy_on_write_image().map_err(|error| format!("{error:#}"))?;
            new(&linker, &component).map_err(|error| error.to_string())
        };
        if self.threads { blocking(link).await.map_err(|error| error.to_string())? } else { link() }
    }
}

/// An outcome of nothing.
pub(crate) fn failed(fault: Fault) -> Outcome {
    Outcome { result: Err(fault), usage: Usage::default(), log: Vec::new() }
}
