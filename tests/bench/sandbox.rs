//! One sandboxed call through the whole port, against what wasmtime itself takes for a store, an instance, the call and their end, with the
//! same configuration: in turns, in one process. A part of `tests/bench/run`; one line of JSON on standard output.
//!
//! `cargo bench --workspace --bench sandbox -- GUEST [short]`
#![allow(clippy::expect_used, clippy::disallowed_methods, reason = "a benchmark measures real time")]

#[path = "../../host/runtime/src/contract.rs"]
#[allow(dead_code, reason = "shared with the runtime, which uses more of it")]
mod contract;
#[path = "../../host/runtime/src/engine.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the runtime, which uses more of it")]
mod engine;

use contract::{HANDLER, RUN, RunParameters, RunResult};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::payload::Payload;
use stepwell_engine::ports::{
    Artifact, ComponentSource, Invocation, InvocationContext, InvocationLimits, NoHost, Runtime, StoreError, Uploading,
};
use stepwell_runtime::{CacheKey, CompilerCommand, RuntimeConfig, WasmtimeRuntime};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Engine, InstanceAllocationStrategy, Store};

/// Calls of one turn, and turns of each.
const CALLS: usize = 1_000;
const TURNS: usize = 20;
const FUEL: u64 = 10_000_000_000;
const INPUT: &str = r#"{"n":1}"#;

/// Only the one artifact.
struct Original(bytes::Bytes);

#[async_trait::async_trait]
impl ComponentSource for Original {
    async fn component(&self, _: TenantId, _: Digest) -> Result<Option<bytes::Bytes>, StoreError> {
        Ok(Some(self.0.clone()))
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if arguments.first().is_some_and(|first| first == "compile") {
        let code = stepwell_runtime::compile_child_main();
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests/fixtures/adds_one.wasm");
    let guest = arguments.first().map_or(default, String::as_str);
    let wasm = std::fs::read(guest).expect("a guest; `cargo guests` builds it");
    let turns = if arguments.iter().any(|argument| argument == "short") { 1 } else { TURNS };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (whole, bare) = runtime.block_on(measure(wasm.into(), turns));
    let (whole, bare) = (middle(whole), middle(bare));
    println!(
        r#"{{"bench": "one sandboxed call, Runtime::invoke", "figure": {whole}, "unit": "us", "what": "bare wasmtime", "against": {bare}, "atMost": 1.25}}"#
    );
}

/// What each call took, through the port and without it.
async fn measure(wasm: bytes::Bytes, turns: usize) -> (Vec<Duration>, Vec<Duration>) {
    let folder = tempfile::tempdir().expect("a folder");
    let program = std::env::current_exe().expect("this program");
    let compiler = CompilerCommand { program, args: vec!["compile".to_owned()] };
    let source = Arc::new(Original(wasm.clone()));
    let config = RuntimeConfig::new(folder.path().join("code"), CacheKey::from_bytes([0; 32]), compiler, source);
    let sandbox = Arc::new(WasmtimeRuntime::new(&config).expect("a sandbox"));
    let artifact = Artifact::wasm(wasm.clone());
    let digest = sandbox.prepare(TenantId::DEFAULT, artifact, &Uploading::default()).await.expect("fits").digest;
    let bare = Bare::new(&wasm);
    // Both where the engine makes its calls.
    let home = sandbox.home().expect("threads").clone();
    home.spawn(in_turns((Arc::clone(&sandbox), digest), bare, turns)).await.expect("measures")
}

async fn in_turns(
    (sandbox, digest): (Arc<WasmtimeRuntime>, Digest),
    bare: Bare,
    turns: usize,
) -> (Vec<Duration>, Vec<Duration>) {
    let (mut took_whole, mut took_bare) = (Vec::new(), Vec::new());
    for turn in 0..=turns {
        for _ in 0..CALLS {
            let start = Instant::now();
            let outcome = sandbox.invoke(invocation(digest), NoHost::shared()).await;
            took_whole.push(start.elapsed());
            outcome.result.expect("an answer");
        }
        for _ in 0..CALLS {
            let start = Instant::now();
            bare.call().await;
            took_bare.push(start.elapsed());
        }
        if turn == 0 {
            // Until it is warm.
            took_whole.clear();
            took_bare.clear();
        }
    }
    (took_whole, took_bare)
}

/// A component without anything round it.
struct Bare {
    instance: InstancePre<()>,
    run: ComponentExportIndex,
}

impl Bare {
    fn new(wasm: &[u8]) -> Self {
        // It compiles for itself, unlike the server's, so that no code has to be loaded from a file.
        let mut config = engine::tunables().expect("a configuration");
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(engine::pool(64)));
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::new(&engine, wasm).expect("compiles");
        component.initialize_copy_on_write_image().expect("an image");
        let mut linker = Linker::<()>::new(&engine);
        // The guest calls none of them.
        linker.define_unknown_imports_as_traps(&component).expect("links");
        let instance = linker.instantiate_pre(&component).expect("links");
        let handler = component.get_export_index(None, HANDLER).expect("the handler");
        let run = component.get_export_index(Some(&handler), RUN).expect("its function");
        Self { instance, run }
    }

    async fn call(&self) {
        let mut store = Store::new(self.instance.engine(), ());
        store.set_fuel(FUEL).expect("fuel");
        store.set_epoch_deadline(1_000_000);
        let instance = self.instance.instantiate_async(&mut store).await.expect("an instance");
        let run = instance.get_typed_func::<RunParameters<'_>, RunResult>(&mut store, &self.run).expect("a function");
        let context = context();
        let (answer,) = run.call_async(&mut store, ((&context).into(), INPUT)).await.expect("an answer");
        assert!(answer.is_ok());
    }
}

fn invocation(component: Digest) -> Invocation {
    let limits = InvocationLimits {
        timeout: Duration::from_secs(30),
        fuel: FUEL,
        memory_bytes: 128 << 20,
        output_bytes: 256 << 10,
        log_bytes: 64 << 10,
        weight: 1,
    };
    let input = Payload::parse(INPUT).expect("JSON");
    Invocation { tenant: TenantId::DEFAULT, component, context: context(), input, limits }
}

fn context() -> InvocationContext {
    InvocationContext {
        function: "adds-one".to_owned(),
        execution_id: String::new(),
        workflow_id: String::new(),
        step: String::new(),
        iteration: Vec::new(),
        attempt: 1,
        idempotency_key: "bench".to_owned(),
        deadline_ms: 0,
        extra: Vec::new(),
    }
}

/// Microseconds.
fn middle(mut took: Vec<Duration>) -> f64 {
    took.sort_unstable();
    took.get(took.len() / 2).map_or(f64::NAN, |took| took.as_secs_f64() * 1e6)
}
