//! Components that are ready to be instantiated, kept by digest.

use crate::contract::{HANDLER, RUN, RunParameters, RunResult};
use crate::linker::State;
use crate::runner::{self, Script};
use lru::LruCache;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::Digest;
use tokio::sync::OnceCell;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

/// Components that are kept ready. Each is its machine code, some 160 KB for a small guest; a use of an older one reads
/// its file again.
pub(crate) const KEPT: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// A component whose imports are resolved.
pub(crate) struct Loaded {
    pub(crate) instance: InstancePre<State>,
    pub(crate) run: ComponentExportIndex,
}

/// Why a component does not fit the linker or the world.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misfit {
    /// An import that is not there, or is of another type.
    #[error("{0:#}")]
    Import(wasmtime::Error),
    /// A function that the host calls is not there.
    #[error("it does not export the function {name} of {interface}")]
    NoFunction { interface: &'static str, name: &'static str },
    /// It is of another type.
    #[error("its function {name} of {interface} has another type: {error:#}")]
    FunctionType { interface: &'static str, name: &'static str, error: wasmtime::Error },
}

impl Loaded {
    /// Resolves the imports and finds the handler.
    pub(crate) fn new(linker: &Linker<State>, component: &Component) -> Result<Self, Misfit> {
        let instance = linker.instantiate_pre(component).map_err(Misfit::Import)?;
        let run = runner::function::<RunParameters<'_>, RunResult>(component, &instance, (HANDLER, RUN))?;
        Ok(Self { instance, run })
    }
}

/// What an artifact is when it can be called.
pub(crate) enum Callable {
    /// A component of its own.
    Component(Loaded),
    /// A script, which the runner runs.
    Script(Script),
}

impl Callable {
    /// What is instantiated for a call.
    pub(crate) fn instance(&self) -> &InstancePre<State> {
        match self {
            Self::Component(component) => &component.instance,
            Self::Script(script) => &script.runner.instance,
        }
    }
}

/// The artifacts that were used last.
pub(crate) struct LoadedComponents(Mutex<LruCache<Digest, Arc<OnceCell<Arc<Callable>>>>>);

impl LoadedComponents {
    /// None yet.
    pub(crate) fn new(kept: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(kept)))
    }

    /// The component of this digest. Several calls at a time load it once; a load that failed or was given up is made
    /// again by the next.
    pub(crate) async fn get<E>(
        &self,
        digest: Digest,
        load: impl Future<Output = Result<Callable, E>>,
    ) -> Result<Arc<Callable>, E> {
        let cell = Arc::clone(
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(digest, || Arc::new(OnceCell::new())),
        );
        cell.get_or_try_init(async || load.await.map(Arc::new)).await.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guests;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn loaded() -> Callable {
        let engine = crate::engine::compiling().expect("engine");
        let linker = crate::linker::linker(&engine).expect("linker");
        let component = guests::component(&guests::echo());
        let component = Component::from_binary(&engine, &component).expect("component");
        Callable::Component(Loaded::new(&linker, &component).expect("fits"))
    }

    #[tokio::test]
    async fn calls_at_the_same_time_load_once() {
        let components = LoadedComponents::new(KEPT);
        let loads = AtomicUsize::new(0);
        let load = || async {
            loads.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok::<_, ()>(loaded())
        };
        let digest = Digest([1; 32]);
        let (a, b) = tokio::join!(components.get(digest, load()), components.get(digest, load()));
        assert!(Arc::ptr_eq(&a.expect("loaded"), &b.expect("loaded")));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failed_load_is_made_again() {
        let components = LoadedComponents::new(KEPT);
        let digest = Digest([1; 32]);
        assert!(components.get(digest, async { Err::<Callable, _>("no") }).await.is_err());
        assert!(components.get(digest, async { Ok::<_, &str>(loaded()) }).await.is_ok());
    }
}
