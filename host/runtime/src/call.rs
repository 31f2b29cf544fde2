//! One attempt: one fresh store, one instance, one call, one deadline. The store is then dropped, whatever came of it.

use crate::capture::{Pipe, SharedCapture};
use crate::classify::{Circumstances, Phase, fault};
use crate::clock;
use crate::contract::{
    CheckParameters, CheckResult, Context, Failed, Failure, Flaw, RunParameters, RunResult, ScriptParameters,
    Surroundings,
};
use crate::limiter::Limiter;
use crate::linker::State;
use crate::loaded::Callable;
use crate::outgoing::Http;
use crate::runner::{Runner, Script};
use crate::slices::Yield;
use crate::stdio::GuestOutput;
use crate::text::printable;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwell_core::failure::{CODE_BYTES, Retry};
use stepwell_core::payload::Payload;
use stepwell_engine::ports::{Fault, Host, Invocation, InvocationLimits, NoHost, Outcome, Usage};
use wasmtime::component::{InstancePre, ResourceTable};
use wasmtime::{Error, Result, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::WasiCtx;

/// How long the epoch's interrupt may be late before the call is dropped from outside: two ticks. It is dropped so
/// when the guest waits in a host function, where the epoch does not reach it.
const GRACE: Duration = Duration::from_millis(10);
/// Bytes of random numbers of one host call.
const RANDOM_BYTES: u64 = 64 << 10;
/// What is copied of an answer beside its text: the record of a failure, and some air.
const ANSWER_FRAME_BYTES: usize = 4 << 10;
/// What a guest may hand over in one host call whatever its limits: a long log line is cut, not refused.
const HOSTCALL_BYTES: usize = 1 << 20;
/// Resources of the host that a guest may hold: streams, pollables.
const TABLE_CAPACITY: usize = 512;
/// Handles in the component's own tables.
const HANDLES: usize = 1_024;

/// Makes the call.
pub(crate) async fn call(callable: &Callable, invocation: &Invocation, host: Arc<dyn Host>) -> Outcome {
    let start = clock::now();
    let capture = SharedCapture::new(invocation.limits.log_bytes);
    let deadline = clock::after(start, invocation.limits.timeout);
    let result = match store(callable.instance(), &invocation.limits, (capture.clone(), host), deadline) {
        Ok(mut store) => {
            let result = run(callable, invocation, &mut store).await;
            let result = result.unwrap_or_else(|end| Err(end.fault(&mut store)));
            (result, usage(&store, &invocation.limits, start))
        }
        Err(error) => (Err(Fault::Host(format!("no store for the call: {error:#}"))), Usage::default()),
    };
    let log = capture.lock().finish();
    Outcome { result: result.0, usage: result.1, log }
}

/// Why there is no answer of the guest.
enum End {
    Error(Phase, Error),
    Late,
}

impl End {
    fn fault(self, store: &mut Store<State>) -> Fault {
        match self {
            Self::Late => Fault::Timeout,
            Self::Error(phase, error) => {
                let state = store.data();
                let last_words = state.capture.lock().last_words();
                fault(&error, Circumstances { phase, memory_refused: state.limiter.refused(), last_words })
            }
        }
    }
}

/// A store with every limit set, before anything of the guest runs: start functions run at instantiation.
fn store(
    instance: &InstancePre<State>,
    limits: &InvocationLimits,
    (capture, host): (SharedCapture, Arc<dyn Host>),
    deadline: Instant,
) -> Result<Store<State>> {
    let mut table = ResourceTable::new();
    table.set_max_capacity(TABLE_CAPACITY);
    let wasi = wasi(&capture);
    let limiter = Limiter::new(limits.memory_bytes);
    let http = Http::new(Arc::clone(&host), capture.clone());
    let state = State { wasi, table, limiter, capture, deadline, host, http };
    let mut store = Store::new(instance.engine(), state);
    store.limiter(|state| &mut state.limiter);
    // What a guest hands over in one host call: an answer, with a little more for the record round it, or a log line before
    // it is cut. A larger answer is never copied.
    store.set_hostcall_fuel(limits.output_bytes.saturating_add(ANSWER_FRAME_BYTES).max(HOSTCALL_BYTES));
    store.set_max_component_handles(HANDLES);
    store.set_fuel(limits.fuel)?;
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(on_tick);
    Ok(store)
}

/// Every tick: past the deadline the guest is interrupted, else other calls of this thread have their turn.
#[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "wasmtime's signature")]
fn on_tick(store: StoreContextMut<'_, State>) -> Result<UpdateDeadline> {
    Ok(if clock::now() >= store.data().deadline {
        UpdateDeadline::Interrupt
    } else {
        UpdateDeadline::YieldCustom(1, Box::pin(Yield::new()))
    })
}

/// No files, network, environment, arguments or input. Most of this is the default; it is written out to stay so.
fn wasi(capture: &SharedCapture) -> WasiCtx {
    let output = |pipe| GuestOutput { pipe, capture: capture.clone() };
    WasiCtx::builder()
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .allow_blocking_current_thread(false)
        .max_random_size(RANDOM_BYTES)
        .stdout(output(Pipe::Stdout))
        .stderr(output(Pipe::Stderr))
        .build()
}

/// Instantiates and calls under one deadline, and reads the answer.
async fn run(
    callable: &Callable,
    invocation: &Invocation,
    store: &mut Store<State>,
) -> Result<Result<Payload, Fault>, End> {
    let latest = clock::after(store.data().deadline, GRACE);
    let answer = clock::until(latest, answer(callable, invocation, &mut *store)).await.ok_or(End::Late)??;
    Ok(read(answer, invocation.limits.output_bytes))
}

async fn answer(callable: &Callable, invocation: &Invocation, store: &mut Store<State>) -> Result<RunResult, End> {
    let instance = callable.instance().instantiate_async(&mut *store).await;
    let instance = instance.map_err(|error| End::Error(Phase::Instantiation, error))?;
    let call = |error| End::Error(Phase::Call, error);
    let (context, input) = (Context::from(&invocation.context), invocation.input.as_str());
    match callable {
        Callable::Component(loaded) => {
            let run =
                instance.get_typed_func::<RunParameters<'_>, RunResult>(&mut *store, &loaded.run).map_err(call)?;
            run.call_async(&mut *store, (context, input)).await.map_err(call)
        }
        Callable::Script(Script { runner, source }) => {
            let run = instance.get_typed_func::<ScriptParameters<'_>, RunResult>(&mut *store, &runner.run);
            let run = run.map_err(call)?;
            run.call_async(&mut *store, (&**source, surroundings(), context, input)).await.map_err(call)
        }
    }
}

/// The moment at which the attempt begins, which is the only one that a script sees, and fresh chance.
fn surroundings() -> Surroundings {
    let now_ms = clock::wall_ms();
    let mut seed = [0; 8];
    let filled = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty());
    // `Math.random()` promises no secrecy: where the system has no chance to give, the time does.
    Surroundings { now_ms, seed: filled.map_or(now_ms, |_| u64::from_le_bytes(seed)) }
}

/// Whether a text is a script: its top-level code is run in a sandbox of its own.
pub(crate) async fn check(runner: &Runner, source: &str, limits: &InvocationLimits) -> Result<Result<(), Flaw>, Fault> {
    let deadline = clock::after(clock::now(), limits.timeout);
    let capture = SharedCapture::new(0);
    let mut store = store(&runner.instance, limits, (capture, NoHost::shared()), deadline)
        .map_err(|error| Fault::Host(format!("{error:#}")))?;
    let answer = clock::until(clock::after(deadline, GRACE), checked(runner, source, &mut store)).await;
    match answer.ok_or(End::Late).flatten() {
        Ok((answer,)) => Ok(answer),
        Err(end) => Err(end.fault(&mut store)),
    }
}

async fn checked(runner: &Runner, source: &str, store: &mut Store<State>) -> Result<CheckResult, End> {
    let call = |error| End::Error(Phase::Call, error);
    let instance = runner.instance.instantiate_async(&mut *store).await;
    let instance = instance.map_err(|error| End::Error(Phase::Instantiation, error))?;
    let check =
        instance.get_typed_func::<CheckParameters<'_>, CheckResult>(&mut *store, &runner.check).map_err(call)?;
    check.call_async(&mut *store, (source, surroundings())).await.map_err(call)
}

/// The guest's answer, its size checked before it is parsed.
fn read((answer,): RunResult, max: usize) -> Result<Payload, Fault> {
    match answer {
        Ok(text) if text.len() > max => Err(Fault::OutputLimit),
        Ok(text) => Payload::parse(&text).map_err(|error| Fault::InvalidOutput(printable(&error.to_string(), 1_000))),
        Err(Failed::Retryable((failure, after_ms))) => Err(failed(failure, Retry::Again { after_ms }, max)),
        Err(Failed::Permanent(failure)) => Err(failed(failure, Retry::Never, max)),
    }
}

fn failed(failure: Failure, retry: Retry, max: usize) -> Fault {
    let details = failure.details.as_deref();
    if failure.code.len() + failure.message.len() + details.map_or(0, str::len) > max {
        return Fault::OutputLimit;
    }
    Fault::Failed {
        // One character over the limit stays, so that whoever judges the code sees that it is too long.
        code: printable(&failure.code, CODE_BYTES + 1),
        details: details.and_then(|text| Payload::parse(text).ok()),
        message: failure.message,
        retry,
    }
}

fn usage(store: &Store<State>, limits: &InvocationLimits, start: Instant) -> Usage {
    let fuel = limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0));
    Usage {
        fuel: fuel.saturating_add(store.data().http.debt()).min(limits.fuel),
        memory_bytes: store.data().limiter.peak(),
        elapsed: clock::now().saturating_duration_since(start),
    }
}
