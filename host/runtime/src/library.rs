//! Where code comes from: the cache of compiled code, else the original and the compiler's child process.

use crate::cache::{Cache, Facts, TrustedCode};
use crate::compile::{Code, Compiled, Compiler, Turn, World, unfit};
use crate::config::{RuntimeConfig, SetupError};
use crate::engine::compatibility;
use crate::runner;
use crate::scripts;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_engine::ports::{ComponentSource, Fault, Phase, Prepared, RuntimeError, Uploading};
use wasmtime::Engine;

/// What an artifact is before it is loaded.
pub(crate) enum Program {
    /// A component of its own.
    Component(TrustedCode),
    /// A script, for the runner.
    Script(Box<str>),
}

/// All code that there is.
pub(crate) struct Library {
    engine: Engine,
    cache: Arc<Cache>,
    compiler: Compiler,
    source: Arc<dyn ComponentSource>,
    component_bytes: usize,
    runner_artifact: Bytes,
}

impl Library {
    /// Opens the folder of compiled code. The engine is one with the limits of those that serve.
    pub(crate) fn open(config: &RuntimeConfig, engine: &Engine) -> Result<Self, SetupError> {
        let cache = Cache::open((&config.cache_dir, config.cache_bytes), config.cache_key.clone(), engine)
            .map_err(|source| SetupError::Cache { path: config.cache_dir.clone(), source })?;
        Ok(Self {
            engine: engine.clone(),
            cache: Arc::new(cache),
            compiler: Compiler::new(
                (config.compiler.clone(), config.compilers),
                config.compile_limits,
                compatibility(engine),
            ),
            source: Arc::clone(&config.source),
            component_bytes: config.component_bytes,
            runner_artifact: config.runner.clone(),
        })
    }

    /// Checks and compiles an upload, unless its compiled code is at hand.
    pub(crate) async fn prepare(
        &self,
        tenant: TenantId,
        artifact: &Bytes,
        upload: &Uploading,
    ) -> Result<Prepared, RuntimeError> {
        let most = self.component_bytes;
        if artifact.len() > most {
            let message = format!("the upload has {} bytes; at most {most} are accepted", artifact.len());
            return Err(unfit(Code::ComponentTooLarge, message).into());
        }
        let digest = digest(artifact);
        if let Some((facts, _)) = self.read(digest).await? {
            return Ok(prepared(digest, facts, 0));
        }
        upload.reached(Phase::Waiting);
        let turn = self.compiler.turn(Some(tenant)).await?;
        upload.reached(Phase::Scanning);
        // Somebody else may have uploaded the same meanwhile.
        if let Some((facts, _)) = self.read(digest).await? {
            return Ok(prepared(digest, facts, 0));
        }
        let compiled = self.compile((digest, World::Function), artifact, (&turn, upload)).await?;
        Ok(prepared(digest, compiled.facts, compiled.compile_ms))
    }

    /// An artifact as it is run: from the cache, unless what lies there does not load; else from the original.
    pub(crate) async fn program(&self, (tenant, digest): (TenantId, Digest), cached: bool) -> Result<Program, Fault> {
        if cached && let Some((_, code)) = self.read(digest).await.map_err(|error| Fault::Host(error.to_string()))? {
            return Ok(Program::Component(code));
        }
        let artifact = self.original(tenant, digest).await?;
        if runner::is_script(&artifact) {
            let source = scripts::text(&artifact).map_err(|error| Fault::Host(error.to_string()))?;
            return Ok(Program::Script(source));
        }
        let uncompiled = |error: RuntimeError| Fault::Host(format!("the component cannot be compiled: {error}"));
        let turn = self.compiler.turn(Some(tenant)).await.map_err(uncompiled)?;
        let compiled = self.compile((digest, World::Function), &artifact, (&turn, &Uploading::default())).await;
        let compiled = compiled.map_err(uncompiled)?;
        Ok(Program::Component(compiled.code))
    }

    /// The code of the runner of scripts.
    pub(crate) async fn runner(&self, cached: bool) -> Result<TrustedCode, RuntimeError> {
        let digest = runner::cache_digest(&self.runner_artifact);
        if cached && let Some((_, code)) = self.read(digest).await? {
            return Ok(code);
        }
        let turn = self.compiler.turn(None).await?;
        let compiled =
            self.compile((digest, World::Runner), &self.runner_artifact, (&turn, &Uploading::default())).await;
        // It is ours: what would be an upload's fault is a fault of this build.
        let compiled = compiled.map_err(|error| match error {
            RuntimeError::Unfit(unfit) => runner::broken(&unfit.message),
            unavailable @ RuntimeError::Unavailable(_) => unavailable,
        })?;
        Ok(compiled.code)
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
        (turn, upload): (&Turn, &Uploading),
    ) -> Result<Compiled, RuntimeError> {
        let compiled = self.compiler.compile((world, artifact), turn, upload).await?;
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
}

/// The answer to an upload.
pub(crate) fn prepared(digest: Digest, facts: Facts, compile_ms: u64) -> Prepared {
    let Facts { kind, functions, imports } = facts;
    Prepared { digest, kind, functions, imports, compile_ms }
}

/// What an artifact is known by.
pub(crate) fn digest(artifact: &[u8]) -> Digest {
    Digest(Sha256::digest(artifact).into())
}

/// Reading files and mapping code block a thread; the guests' and the API's threads must not.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RuntimeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| RuntimeError::Unavailable(format!("it did not finish: {error}")))
}
