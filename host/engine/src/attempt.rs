//! One attempt: it waits for its turn, calls the function, and reports what came of it.

use crate::Error;
use crate::callbacks;
use crate::engine::Engine;
use crate::host::{AttemptFacts, AttemptHost};
use crate::live::Live;
use crate::logs::AttemptLog;
use crate::passes::Pass;
use crate::ports::{
    Fault, Host, Invocation, InvocationContext, InvocationLimits, LogLine, Note, NoteSlot, Notes, Outcome, Usage,
};
use crate::scheduler::{Share, Turn};
use crate::secrets::Redactor;
use crate::tenant_limits::TenantLimits;
use futures_util::FutureExt as _;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use stepwell_core::execution::{AttemptUsage, Call, Command, Entry, RunIx, call, is_effect_free, step_limit};
use stepwell_core::failure::{Failure, code};
use stepwell_core::grants::Grants;
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;
use stepwell_core::secrets::SecretValues;
use stepwell_core::time::Timestamp;
use stepwell_core::trace::TraceParent;
use tokio::sync::oneshot;

/// The fact of a function's context that holds its trace.
const TRACE: &str = "traceparent";

/// No slot in the sandbox although the scheduler gave a turn: asked again after this many milliseconds.
const CAPACITY_PAUSE_MS: u64 = 20;

/// A store that cannot answer is asked again after this many milliseconds.
const STORE_PAUSE_MS: u64 = 1_000;

/// Takes its note back when the attempt ends, however it ends, as long as the process lives.
struct Noted {
    notes: Arc<dyn Notes>,
    slot: Option<NoteSlot>,
}

impl Noted {
    fn new(notes: &Arc<dyn Notes>, note: Note) -> Self {
        Self { notes: Arc::clone(notes), slot: notes.begin(note) }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.notes.end(slot);
        }
    }
}

impl Engine {
    /// Runs an attempt in the background.
    pub(crate) fn spawn_attempt(&self, live: &Arc<Live>, run: RunIx, attempt: u32) {
        let (engine, live) = (self.clone(), Arc::clone(live));
        let work = async move { engine.attempts_in_a_row(live, run, attempt).await };
        self.inner.attempts.spawn_on(self.inner.ports.runtime.home(), "attempt", work);
    }

    /// Runs an attempt, and what can run at once behind it: a chain needs no more than one task.
    async fn attempts_in_a_row(&self, mut live: Arc<Live>, mut run: RunIx, mut attempt: u32) {
        while let Some((at, mut commands)) = self.attempted(&live, run, attempt).await {
            let next = next_attempt(&mut commands, self.now());
            self.carry_out(&at, &commands);
            let Some(next) = next else { return };
            (live, (run, attempt)) = (at, next);
        }
    }

    /// Runs an attempt from the wait for its turn to the commit of its result, and carries out what follows.
    pub(crate) async fn attempt(&self, live: &Arc<Live>, run: RunIx, attempt: u32) {
        if let Some((live, commands)) = self.attempted(live, run, attempt).await {
            self.carry_out(&live, &commands);
        }
    }

    /// Runs an attempt from the wait for its turn to the commit of its result; what follows is left to the caller. `None`: nothing follows.
    async fn attempted(&self, live: &Arc<Live>, run: RunIx, attempt: u32) -> Option<(Arc<Live>, Vec<Command>)> {
        let pass = self.pass(live, run, attempt).await?;
        let mut turn = self.turn(live.key.tenant).await?;
        let Some((execution, mut cancelled)) = live.begin(run, attempt) else {
            turn.unused();
            return None;
        };
        // Nobody outside may get to see what follows from an entry that is not durable.
        if !is_effect_free(&execution, &live.workflow, run) && !self.settle(live).await {
            live.stop(run);
            turn.unused();
            return None;
        }
        let Some(secrets) = self.secrets_of(live, &mut cancelled).await else {
            live.stop(run);
            return None;
        };
        let called = secrets.and_then(|secrets| match call(&execution, &live.workflow, run, &secrets) {
            Ok(call) => Ok((call, secrets)),
            Err(failure) => Err(match Redactor::new(&secrets) {
                Some(redactor) => redactor.failure(failure),
                None => failure,
            }),
        });
        let (step, outcome) = match called {
            Ok((call, secrets)) => {
                let step = call.step.clone();
                let note = Note { execution: live.key, run, attempt };
                let noted = Noted::new(&self.inner.ports.notes, note);
                let (function, wanted) = (call.function.clone(), call.pin.grants.clone());
                let invocation = self.invocation(live, call, (run, attempt));
                let hops = execution.started.as_ref().map_or(0, |started| started.hops);
                let host = self.host(&invocation, (function, wanted), (hops, secrets));
                let outcome = self.invoke(invocation, host, cancelled).await;
                drop(noted);
                (step, outcome?) // `None`: stopped, and nobody waits for it any more
            }
            Err(failure) => {
                live.stop(run);
                turn.unused();
                let entry = self.step_failed((run, attempt), failure, Usage::default());
                return self.record(live, &entry, None).await.ok();
            }
        };
        live.stop(run);
        self.inner.meters.attempt(live.key.tenant, &outcome.usage, self.now());
        turn.used(&outcome.usage);
        drop((turn, pass));
        log_lines(live, run, attempt, &outcome.log);
        let entry = match outcome.result {
            Ok(output) => Entry::StepSucceeded { run, attempt, output, usage: usage(&outcome.usage) },
            Err(fault) => self.step_failed((run, attempt), failure(fault), outcome.usage),
        };
        let log = AttemptLog::new(step, (run, attempt), outcome.log);
        // Who reports what happened has nobody to tell that it came too late.
        self.record(live, &entry, log).await.ok()
    }

    /// A turn, for a tenant that may begin something. One that was suspended while it waited gives its turn back, and waits on.
    async fn turn(&self, tenant: TenantId) -> Option<Turn> {
        loop {
            if !self.inner.tenants.admitted(tenant).await {
                return None;
            }
            let mut turn = self.inner.scheduler.turn(tenant, self.share(tenant)).await?;
            if self.inner.tenants.is_active(tenant) {
                return Some(turn);
            }
            turn.unused();
        }
    }

    /// The values of all secrets that the workflow reads: one of them gets to this function, or what an earlier one made of it. `None` if the
    /// attempt is stopped while the store cannot answer.
    async fn secrets_of(
        &self,
        live: &Live,
        cancelled: &mut oneshot::Receiver<()>,
    ) -> Option<Result<SecretValues, Failure>> {
        loop {
            match self.inner.secrets.values(live.key.tenant, live.workflow.secrets.keys()).await {
                Ok(values) => return Some(Ok(values)),
                Err(Error::Unavailable(_)) => {}
                Err(_) => return Some(Err(Failure::host("a secret cannot be read; the server's log says why"))),
            }
            let clock = &self.inner.ports.clock;
            tokio::select! {
                _ = &mut *cancelled => return None,
                () = clock.sleep_until(clock.now().plus(STORE_PAUSE_MS)) => {}
            }
        }
    }

    /// Takes the secrets that the workflow reads, and those that its functions may have, out of what is said. `None` if there are none.
    pub(crate) async fn redactor(&self, live: &Live) -> Result<Option<Redactor>, Error> {
        let started = live.head().started.clone();
        let pins = started.iter().flat_map(|started| started.pins.values());
        let names = pins.flat_map(|pin| pin.grants.secrets.keys()).chain(live.workflow.secrets.keys());
        let names: BTreeSet<&String> = names.collect();
        let values = self.inner.secrets.values(live.key.tenant, names).await?;
        Ok(Redactor::new(&values))
    }

    fn step_failed(&self, (run, attempt): (RunIx, u32), failure: Failure, used: Usage) -> Entry {
        Entry::StepFailed { run, attempt, failure, chance: self.chance(), usage: usage(&used) }
    }

    /// Whoever answers what the function of this attempt asks for.
    fn host(
        &self,
        invocation: &Invocation,
        (function, wanted): (String, Grants),
        (hops, secrets): (u32, SecretValues),
    ) -> Arc<AttemptHost> {
        let context = &invocation.context;
        let trace = context.extra.iter().find(|(name, _)| name == TRACE);
        let facts = AttemptFacts {
            tenant: invocation.tenant,
            function,
            wanted,
            idempotency_key: context.idempotency_key.clone(),
            trace: trace.and_then(|(_, trace)| TraceParent::parse(trace).ok()),
            at_most: invocation.limits.timeout,
            hops,
            secrets,
        };
        Arc::new(AttemptHost::new(self.clone(), facts))
    }

    /// What came of it, without the secrets that the function knows. `None` if the attempt was stopped.
    async fn invoke(
        &self,
        invocation: Invocation,
        host: Arc<AttemptHost>,
        mut cancelled: oneshot::Receiver<()>,
    ) -> Option<Outcome> {
        loop {
            let call = self.inner.ports.runtime.invoke(invocation.clone(), Arc::clone(&host) as Arc<dyn Host>);
            let outcome = tokio::select! {
                _ = &mut cancelled => return None,
                outcome = AssertUnwindSafe(call).catch_unwind() => outcome.unwrap_or_else(|_panic| panicked()),
            };
            if outcome.result != Err(Fault::NoCapacity) {
                // Here and at once: nobody gets to see what the function said as it said it.
                return Some(match host.redactor() {
                    Some(redactor) => redactor.outcome(outcome),
                    None => outcome,
                });
            }
            // Not an attempt at all: it waits.
            let clock = &self.inner.ports.clock;
            clock.sleep_until(clock.now().plus(CAPACITY_PAUSE_MS)).await;
        }
    }

    fn invocation(&self, live: &Live, call: Call, (run, attempt): (RunIx, u32)) -> Invocation {
        let callback =
            call.completes_later.then(|| (callbacks::FACT.to_owned(), self.callback_url(live.key, run, attempt)));
        let started = live.head().started.clone();
        let trace = started.as_ref().and_then(|started| started.trigger.traceparent.as_ref());
        // Each attempt is a span of its own: it may call others before it fails.
        let trace = trace.map(|trace| trace.below(&format!("{}/{attempt}", call.idempotency_key)).to_string());
        let limits = self.limits_of(live.key.tenant);
        let timeout = Duration::from_millis(call.timeout_ms).min(limits.attempt_timeout);
        let context = InvocationContext {
            function: call.pin.function,
            execution_id: live.key.id.to_string(),
            workflow_id: live.workflow.id.clone(),
            step: call.step,
            iteration: call.iteration,
            attempt,
            idempotency_key: call.idempotency_key,
            deadline_ms: self.deadline_ms(timeout),
            extra: callback.into_iter().chain(trace.map(|trace| (TRACE.to_owned(), trace))).collect(),
        };
        let limits = invocation_limits(&limits, timeout);
        Invocation { tenant: live.key.tenant, component: call.pin.component, context, input: call.input, limits }
    }

    fn deadline_ms(&self, timeout: Duration) -> u64 {
        self.inner.ports.clock.now().plus(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)).0
    }

    /// The right to run under the step's `limit`, once it has come; `Some(None)` without one. `None`: the attempt is over.
    async fn pass(&self, live: &Arc<Live>, run: RunIx, attempt: u32) -> Option<Option<Pass>> {
        let execution = live.head();
        let step = execution.run(run).map(|run| live.workflow.step_id(run.step).to_owned()).unwrap_or_default();
        match step_limit(&execution, &live.workflow, run) {
            None => Some(None),
            Some(Ok((key, max))) => {
                let key = (live.key.tenant, live.workflow.id.clone(), step, key);
                self.inner.passes.pass(key, max).await.map(Some)
            }
            Some(Err(failure)) => {
                self.happened(live, &self.step_failed((run, attempt), failure, Usage::default())).await;
                None
            }
        }
    }

    /// What a tenant has of the slots.
    fn share(&self, tenant: TenantId) -> Share {
        let limits = self.limits_of(tenant);
        Share { weight: limits.weight, at_once: limits.attempts_running }
    }

    /// `functions.execute`: one call, no execution, no retry; what it logs is not kept.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::QuotaReached`], [`Error::Unavailable`] while stopping. A guest's fault is the inner `Err`.
    pub async fn execute(
        &self,
        tenant: TenantId,
        (id, input): (&str, Payload),
        trace: Option<&TraceParent>,
    ) -> Result<Result<Payload, Failure>, Error> {
        self.accepting()?;
        let function = self.inner.registry.callee(tenant, id).await?;
        let function = function.ok_or_else(|| Error::NotFound { what: "function", id: id.to_owned() })?;
        self.admit_call(tenant)?;
        let limits = self.limits_of(tenant);
        let timeout = Duration::from_secs(30).min(limits.attempt_timeout);
        let mut unique = [0; 16];
        self.inner.ports.entropy.fill(&mut unique);
        let context = InvocationContext {
            function: function.name.clone(),
            execution_id: String::new(),
            workflow_id: String::new(),
            step: String::new(),
            iteration: Vec::new(),
            attempt: 1,
            idempotency_key: format!("call-{:032x}", u128::from_be_bytes(unique)),
            deadline_ms: self.deadline_ms(timeout),
            extra: trace.map(|trace| (TRACE.to_owned(), trace.to_string())).into_iter().collect(),
        };
        let limits = invocation_limits(&limits, timeout);
        let invocation = Invocation { tenant, component: function.digest, context, input, limits };
        let turn = self.turn(tenant).await;
        let mut turn = turn.ok_or_else(|| Error::Unavailable("it is shutting down".to_owned()))?;
        let (_never, cancelled) = oneshot::channel();
        let wished = (function.id.clone(), function.grants.wanted.clone());
        let host = self.host(&invocation, wished, (0, SecretValues::default()));
        let outcome = self.invoke(invocation, host, cancelled).await;
        let outcome = outcome.ok_or_else(|| Error::Unavailable("the call was stopped".to_owned()))?;
        self.inner.meters.attempt(tenant, &outcome.usage, self.now());
        turn.used(&outcome.usage);
        Ok(outcome.result.map_err(failure))
    }
}

/// Takes out the first attempt that may begin now.
fn next_attempt(commands: &mut Vec<Command>, now: Timestamp) -> Option<(RunIx, u32)> {
    let (at, next) = commands.iter().enumerate().find_map(|(at, command)| {
        let Command::RunAttempt { run, attempt, not_before } = *command else { return None };
        not_before.is_none_or(|moment| moment <= now).then_some((at, (run, attempt)))
    })?;
    commands.remove(at);
    Some(next)
}

/// A panic of the host costs one attempt, wherever in the call it was.
fn panicked() -> Outcome {
    tracing::error!("the host panicked during a call");
    let fault = Fault::Host("the host failed during the call; the server's log says more".to_owned());
    Outcome { result: Err(fault), usage: Usage::default(), log: Vec::new() }
}

fn invocation_limits(limits: &TenantLimits, timeout: Duration) -> InvocationLimits {
    InvocationLimits {
        timeout,
        fuel: limits.fuel,
        memory_bytes: limits.memory_bytes,
        output_bytes: usize::try_from(limits.execution.payload_bytes).unwrap_or(usize::MAX),
        log_bytes: limits.log_bytes,
        weight: limits.weight,
    }
}

fn usage(used: &Usage) -> AttemptUsage {
    AttemptUsage {
        fuel: used.fuel,
        memory_bytes: used.memory_bytes as u64,
        elapsed_us: u64::try_from(used.elapsed.as_micros()).unwrap_or(u64::MAX),
    }
}

fn log_lines(live: &Live, run: RunIx, attempt: u32, log: &[LogLine]) {
    for line in log {
        tracing::debug!(
            target: "stepwell::guest",
            execution = %live.key.id, run = run.0, attempt, level = line.level, fields = ?line.fields, "{}", line.message
        );
    }
}

/// A fault of a call as the failure of its step (semantics section 7).
fn failure(fault: Fault) -> Failure {
    match fault {
        Fault::Failed { code, message, details, retry } => Failure::reported(&code, message, details, retry),
        Fault::Trapped(message) => Failure::guest(code::FUNCTION_TRAPPED, message),
        Fault::StackOverflow => Failure::guest(code::STACK_OVERFLOW, "the function recursed too deeply"),
        Fault::Exited(status) => Failure::guest(
            code::FUNCTION_EXITED,
            format!("the function ended its process with status {status} instead of returning a result"),
        ),
        Fault::OutOfFuel => {
            Failure::guest(code::OUT_OF_FUEL, "the function computed more than an attempt may (limit `fuel`)")
        }
        Fault::MemoryLimit => Failure::guest(
            code::MEMORY_LIMIT,
            "the function wanted more memory than an attempt may have (limit `memory_bytes`)",
        ),
        Fault::Timeout => Failure::guest(code::FUNCTION_TIMEOUT, "the attempt took longer than its timeout"),
        Fault::OutputLimit => Failure::guest(
            code::OUTPUT_LIMIT,
            "the result is larger than a payload may be (limit `payload_bytes`), or lies outside of the function's memory",
        ),
        Fault::InvalidOutput(why) => Failure::guest(code::INVALID_OUTPUT, format!("the result is {why}")),
        Fault::NoCapacity => Failure::host("the sandbox has no room"),
        Fault::Host(why) => Failure::host(why),
        Fault::Lost(why) => Failure { retryable: true, ..Failure::host(why) },
    }
}
