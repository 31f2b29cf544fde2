//! Prints what one call costs: microseconds for a store, an instance, the call of an example function, and their end; beside
//! it, the call of a script of one line.
//!
//! `cargo run --release --example invoke_bench -p stepwell-runtime` after `cargo guests`, with an optional guest's file, or with `script`
//! for that alone. `STEPWELL_TEST_RUNNER` names another runner of scripts to be measured.
#![allow(clippy::expect_used, clippy::disallowed_methods, reason = "a measurement, not a part of the server")]

use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::payload::Payload;
use stepwell_engine::ports::{
    Artifact, ComponentSource, Invocation, InvocationContext, InvocationLimits, NoHost, Prepared, Runtime, StoreError,
    Uploading,
};
use stepwell_runtime::{CacheKey, CompilerCommand, ProcessRuntime, RuntimeConfig, WasmtimeRuntime, WorkerConfig};

const CALLS: u32 = 20_000;

const SCRIPT: &str =
    "export default (input, ctx) => ({ order: input.orderId, total: input.total * 2, attempt: ctx.attempt })";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pool,
    OnDemand,
    Process,
}

/// Only the one artifact.
struct Original(bytes::Bytes);

#[async_trait::async_trait]
impl ComponentSource for Original {
    async fn component(&self, _: TenantId, _: Digest) -> Result<Option<bytes::Bytes>, StoreError> {
        Ok(Some(self.0.clone()))
    }
}

fn main() {
    // The compiler, and the process that runs guests, are this very program.
    let child = match std::env::args().nth(1).as_deref() {
        Some("compile") => Some(stepwell_runtime::compile_child_main()),
        Some("run-guests") => Some(stepwell_runtime::guest_child_main()),
        _ => None,
    };
    if let Some(code) = child {
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    if std::env::args().nth(1).as_deref() == Some("script") {
        return script(&runtime);
    }
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests/validate-order.wasm").to_owned();
    let path = std::env::args().nth(1).unwrap_or(default);
    let artifact = std::fs::read(&path).expect("a guest; `cargo guests` builds the examples");
    let pool = runtime.block_on(measure(Artifact::wasm(artifact.clone()), Mode::Pool));
    let on_demand = runtime.block_on(measure(Artifact::wasm(artifact.clone()), Mode::OnDemand));
    println!("{path}: {pool:.1} us a call with the pool, {on_demand:.1} us without ({:.1} times)", on_demand / pool);
    let process = runtime.block_on(measure(Artifact::wasm(artifact), Mode::Process));
    println!("{path}: {process:.1} us a call in a process of its own ({:.1} times)", process / pool);
    script(&runtime);
}

fn script(runtime: &tokio::runtime::Runtime) {
    let script = runtime.block_on(measure(Artifact::script(SCRIPT), Mode::Pool));
    let process = runtime.block_on(measure(Artifact::script(SCRIPT), Mode::Process));
    println!(
        "a script: {script:.1} us a call with the pool, {process:.1} us in a process of its own ({:.1} times)",
        process / script
    );
}

/// Microseconds of a call, one at a time.
async fn measure(artifact: Artifact, mode: Mode) -> f64 {
    let folder = tempfile::tempdir().expect("folder");
    let program = std::env::current_exe().expect("this program");
    let guests = CompilerCommand { program: program.clone(), args: vec!["run-guests".to_owned()] };
    let compiler = CompilerCommand { program, args: vec!["compile".to_owned()] };
    let key = CacheKey::from_bytes([0; 32]);
    let mut config =
        RuntimeConfig::new(folder.path().join("code"), key, compiler, Arc::new(Original(artifact.bytes.clone())));
    if let Some(path) = std::env::var_os("STEPWELL_TEST_RUNNER") {
        config.runner = std::fs::read(path).expect("a runner").into();
    }
    config.pooling = mode != Mode::OnDemand;
    let sandbox: Arc<dyn Runtime> = match mode {
        Mode::Pool | Mode::OnDemand => Arc::new(WasmtimeRuntime::new(&config).expect("runtime")),
        Mode::Process => Arc::new(ProcessRuntime::new(&config, WorkerConfig::new(guests)).expect("runtime")),
    };
    let prepared = sandbox.prepare(TenantId::DEFAULT, artifact, &Uploading::default()).await.expect("fits");
    let invocation = invocation(&prepared);
    sandbox.invoke(invocation.clone(), NoHost::shared()).await.result.expect("answer");
    let start = Instant::now();
    let mut inside = Duration::ZERO;
    for _ in 0..CALLS {
        inside += sandbox.invoke(invocation.clone(), NoHost::shared()).await.usage.elapsed;
    }
    let total = start.elapsed();
    println!(
        "{mode:?}: {:.1} us through the port, {:.1} us of them between store and answer",
        total.as_secs_f64() * 1e6 / f64::from(CALLS),
        inside.as_secs_f64() * 1e6 / f64::from(CALLS)
    );
    total.as_secs_f64() * 1e6 / f64::from(CALLS)
}

fn invocation(prepared: &Prepared) -> Invocation {
    Invocation {
        tenant: TenantId::DEFAULT,
        component: prepared.digest,
        context: InvocationContext {
            function: prepared.functions[0].name.clone().unwrap_or_default(),
            execution_id: String::new(),
            workflow_id: String::new(),
            step: String::new(),
            iteration: Vec::new(),
            attempt: 1,
            idempotency_key: "bench".to_owned(),
            deadline_ms: 0,
            extra: Vec::new(),
        },
        input: Payload::parse(r#"{"orderId":"o-1","customer":"c-1","total":12.5}"#).expect("JSON"),
        limits: InvocationLimits {
            timeout: Duration::from_secs(30),
            fuel: 10_000_000_000,
            memory_bytes: 128 << 20,
            output_bytes: 256 << 10,
            log_bytes: 64 << 10,
            weight: 1,
        },
    }
}
