//! A runtime in a folder of its own, and what the tests ask of it.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "not every test file uses everything; these are tests"
)]

pub mod guests;

use bytes::Bytes;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::payload::Payload;
use stepwell_engine::ports::{
    Artifact, ComponentSource, Fault, Invocation, InvocationContext, InvocationLimits, NoHost, Outcome, Prepared,
    Runtime, RuntimeError, StoreError, Unfit, Uploading,
};
use stepwell_runtime::{CacheKey, CompilerCommand, ProcessRuntime, RuntimeConfig, WasmtimeRuntime, WorkerConfig};

/// Originals in memory.
#[derive(Default)]
pub struct Originals(pub Mutex<HashMap<Digest, Bytes>>);

#[async_trait::async_trait]
impl ComponentSource for Originals {
    async fn component(&self, _tenant: TenantId, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.lock().expect("lock").get(&digest).cloned())
    }
}

/// A runtime, its folder and its originals.
pub struct Sandbox {
    pub runtime: Arc<dyn Runtime>,
    pub config: RuntimeConfig,
    pub originals: Arc<Originals>,
    folder: tempfile::TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    /// With other settings than the usual.
    pub fn with(change: impl FnOnce(&mut RuntimeConfig)) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let originals = Arc::new(Originals::default());
        let compiler = CompilerCommand { program: env!("CARGO_BIN_EXE_stepwell-compile").into(), args: Vec::new() };
        let key = CacheKey::from_bytes([42; 32]);
        let mut config = RuntimeConfig::new(folder.path().join("code"), key, compiler, originals.clone());
        config.max_concurrent = 8;
        change(&mut config);
        Self { runtime: runtime(&config), config, originals, folder }
    }

    /// As after a restart: nothing in memory, the folder as it is.
    pub fn restarted(self) -> Self {
        let Self { runtime, config, originals, folder } = self;
        drop(runtime);
        let runtime = self::runtime(&config);
        Self { runtime, config, originals, folder }
    }

    /// Uploads, and keeps the original as the server does.
    pub async fn upload(&self, artifact: impl Into<Bytes>) -> Result<Prepared, RuntimeError> {
        self.upload_as(Artifact::wasm(artifact)).await
    }

    /// Uploads in the form that the artifact has.
    pub async fn upload_as(&self, artifact: Artifact) -> Result<Prepared, RuntimeError> {
        let prepared = self.runtime.prepare(TenantId::DEFAULT, artifact.clone(), &Uploading::default()).await?;
        self.originals.0.lock().expect("lock").insert(prepared.digest, artifact.bytes);
        Ok(prepared)
    }

    /// Why the upload is refused.
    pub async fn refusal(&self, artifact: impl Into<Bytes>) -> Unfit {
        match self.upload(artifact).await {
            Err(RuntimeError::Unfit(unfit)) => unfit,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Uploads and calls with the usual limits.
    pub async fn call(&self, artifact: impl Into<Bytes>, input: &str) -> Outcome {
        self.call_with(artifact, input, |_| ()).await
    }

    /// Uploads and calls with other limits.
    pub async fn call_with(
        &self,
        artifact: impl Into<Bytes>,
        input: &str,
        change: impl FnOnce(&mut InvocationLimits),
    ) -> Outcome {
        let prepared = self.upload(artifact).await.expect("fits");
        let mut invocation = invocation(&prepared, input);
        change(&mut invocation.limits);
        self.runtime.invoke(invocation, NoHost::shared()).await
    }
}

/// With processes in the tests that are about them, with threads in the others.
fn runtime(config: &RuntimeConfig) -> Arc<dyn Runtime> {
    if env!("CARGO_CRATE_NAME") == "processes" {
        return Arc::new(ProcessRuntime::new(config, workers()).expect("runtime"));
    }
    Arc::new(WasmtimeRuntime::new(config).expect("runtime"))
}

/// How a process that runs guests is started here.
pub fn workers() -> WorkerConfig {
    let program = env!("CARGO_BIN_EXE_stepwell-compile").into();
    WorkerConfig::new(CompilerCommand { program, args: vec!["run-guests".to_owned()] })
}

/// The fault of an outcome.
pub fn fault(outcome: Outcome) -> Fault {
    outcome.result.expect_err("a fault")
}

/// A call of the component's first function.
pub fn invocation(prepared: &Prepared, input: &str) -> Invocation {
    Invocation {
        tenant: TenantId::DEFAULT,
        component: prepared.digest,
        context: InvocationContext {
            function: prepared.functions[0].name.clone().unwrap_or_default(),
            execution_id: "exec-1".to_owned(),
            workflow_id: "orders".to_owned(),
            step: "charge".to_owned(),
            iteration: vec![3, 1],
            attempt: 2,
            idempotency_key: "key".to_owned(),
            deadline_ms: 1_700_000_000_000,
            extra: vec![("traceparent".to_owned(), "00-1-2-01".to_owned())],
        },
        input: Payload::parse(input).expect("JSON"),
        limits: limits(),
    }
}

/// The defaults of `limits.md`.
pub fn limits() -> InvocationLimits {
    InvocationLimits {
        timeout: Duration::from_secs(30),
        fuel: 10_000_000_000,
        memory_bytes: 128 << 20,
        output_bytes: 256 << 10,
        log_bytes: 64 << 10,
        weight: 1,
    }
}

/// A guest that was built from Rust: `echo` (an example's function) or `fixtures/echo`.
pub fn guest(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests").join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; the guests are built by `cargo guests`, run it before the tests", path.display())
    })
}
