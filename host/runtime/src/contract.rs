//! The host's side of `wit/v1/function.wit`: its types as wasmtime lifts and lowers them, and the names of its interfaces.
//!
//! What a guest logs is lifted as [`WasmStr`] and [`WasmList`]: places in its memory, which nothing frees while the host
//! reads them. What it answers is copied: wasmtime lets it free the places before the call returns.

use stepwell_engine::ports::InvocationContext;
use wasmtime::component::{ComponentType, Lift, Lower, WasmList, WasmStr};

/// The interface that a component exports.
pub(crate) const HANDLER: &str = "stepwell:function/handler@1.0.0";
/// Its one function.
pub(crate) const RUN: &str = "run";
/// The interface that the runner of scripts exports instead (`wit/script`).
pub(crate) const RUNNER: &str = "stepwell:script/runner@1.0.0";
/// Its function besides [`RUN`].
pub(crate) const CHECK: &str = "check";
/// The interface of log lines.
pub(crate) const LOG: &str = "stepwell:function/log@1.0.0";
/// The interface of the records; it has no functions.
pub(crate) const TYPES: &str = "stepwell:function/types@1.0.0";

/// `types.context`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Context<'a> {
    function: &'a str,
    #[component(name = "execution-id")]
    execution_id: &'a str,
    #[component(name = "workflow-id")]
    workflow_id: &'a str,
    step: &'a str,
    iteration: &'a [u32],
    attempt: u32,
    #[component(name = "idempotency-key")]
    idempotency_key: &'a str,
    #[component(name = "deadline-ms")]
    deadline_ms: u64,
    extra: &'a [(String, String)],
}

impl<'a> From<&'a InvocationContext> for Context<'a> {
    fn from(context: &'a InvocationContext) -> Self {
        Self {
            function: &context.function,
            execution_id: &context.execution_id,
            workflow_id: &context.workflow_id,
            step: &context.step,
            iteration: &context.iteration,
            attempt: context.attempt,
            idempotency_key: &context.idempotency_key,
            deadline_ms: context.deadline_ms,
            extra: &context.extra,
        }
    }
}

/// `types.failure`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: Option<String>,
}

/// `types.failed`.
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Failed {
    #[component(name = "retryable")]
    Retryable((Failure, Option<u64>)),
    #[component(name = "permanent")]
    Permanent(Failure),
}

/// Parameters of `handler.run`.
pub(crate) type RunParameters<'a> = (Context<'a>, &'a str);
/// What `handler.run` returns.
pub(crate) type RunResult = (Result<String, Failed>,);

/// `runner.surroundings`.
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Surroundings {
    #[component(name = "now-ms")]
    pub(crate) now_ms: u64,
    pub(crate) seed: u64,
}

/// `runner.flaw`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Flaw {
    pub(crate) message: String,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
}

/// Parameters of `runner.check`.
pub(crate) type CheckParameters<'a> = (&'a str, Surroundings);
/// What `runner.check` returns.
pub(crate) type CheckResult = (Result<(), Flaw>,);
/// Parameters of `runner.run`, which returns what a handler does.
pub(crate) type ScriptParameters<'a> = (&'a str, Surroundings, Context<'a>, &'a str);

/// `log.level`.
#[derive(ComponentType, Lift, Clone, Copy, Debug, PartialEq, Eq)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "made by the derived `Lift` alone, from a number that the guest gives")]
pub(crate) enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl Level {
    /// As a log line names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Parameters of `log.log`.
pub(crate) type LogParameters = (Level, WasmStr, WasmList<(WasmStr, WasmStr)>);
