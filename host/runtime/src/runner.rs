//! The runner of scripts: one component of ours (`plugins/runner`), in this binary, that runs every tenant's script.
//!
//! It is checked and compiled like an upload, in the same child process and through the same signed cache, but against its
//! own world (`wit/script`), which no upload can have. Each attempt of a script is a fresh store with the same limits as
//! any other.

use crate::contract::{CHECK, CheckParameters, CheckResult, RUN, RUNNER, RunResult, ScriptParameters};
use crate::linker::State;
use crate::loaded::Misfit;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use stepwell_core::ids::Digest;
use stepwell_engine::ports::RuntimeError;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower};

/// How WebAssembly begins. No script does: a zero byte is no JavaScript.
const WASM_MAGIC: &[u8] = b"\0asm";

/// What the compiled code of a runner is kept under: not its own digest, which a tenant could upload, to be judged by another
/// world.
pub(crate) fn cache_digest(artifact: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update(b"runner of scripts\0").chain_update(artifact).finalize().into())
}

/// Whether a stored artifact is a script: everything else that is ever stored is WebAssembly.
pub(crate) fn is_script(artifact: &[u8]) -> bool {
    !artifact.starts_with(WASM_MAGIC)
}

/// The runner does not work: a fault of this build, about which the uploader can do nothing.
pub(crate) fn broken(error: &str) -> RuntimeError {
    tracing::error!(error, "the runner of scripts does not work");
    RuntimeError::Unavailable("the runner of scripts does not work; the server's log says why".to_owned())
}

/// The runner, whose imports are resolved.
pub(crate) struct Runner {
    pub(crate) instance: InstancePre<State>,
    pub(crate) check: ComponentExportIndex,
    pub(crate) run: ComponentExportIndex,
}

impl Runner {
    /// Resolves the imports and finds the two functions.
    pub(crate) fn new(linker: &Linker<State>, component: &Component) -> Result<Self, Misfit> {
        let instance = linker.instantiate_pre(component).map_err(Misfit::Import)?;
        let check = function::<CheckParameters<'_>, CheckResult>(component, &instance, (RUNNER, CHECK))?;
        let run = function::<ScriptParameters<'_>, RunResult>(component, &instance, (RUNNER, RUN))?;
        Ok(Self { instance, check, run })
    }
}

/// An exported function, if it has this type.
pub(crate) fn function<P, R>(
    component: &Component,
    instance: &InstancePre<State>,
    (interface, name): (&'static str, &'static str),
) -> Result<ComponentExportIndex, Misfit>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let missing = || Misfit::NoFunction { interface, name };
    let outer = component.get_export_index(None, interface).ok_or_else(missing)?;
    let index = component.get_export_index(Some(&outer), name).ok_or_else(missing)?;
    match component.get_export(Some(&outer), name) {
        Some((ComponentItem::ComponentFunc(function), _)) => function
            .typecheck::<P, R>(&instance.instance_type())
            .map_err(|error| Misfit::FunctionType { interface, name, error })?,
        _ => return Err(missing()),
    }
    Ok(index)
}

/// A script that is ready to be run.
pub(crate) struct Script {
    pub(crate) runner: Arc<Runner>,
    pub(crate) source: Box<str>,
}
