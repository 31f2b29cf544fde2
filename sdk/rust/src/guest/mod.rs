//! The side of the SDK that talks to the host. It exists only in WebAssembly.

pub(crate) mod capabilities;

use crate::registry;
use crate::{Ctx, Error, log::Level};
use bindings::exports::stepwell::function::handler::Guest;
use bindings::stepwell::function::{log as host, types};
use std::panic::PanicHookInfo;
use std::sync::Once;

/// Generated from `wit/v1`; calls across the boundary are unsafe by nature.
#[allow(unsafe_code, missing_docs, clippy::all, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/v1",
        world: "function",
    });
    export!(Component with_types_in self);
    use super::Component;
}

struct Component;

impl Guest for Component {
    fn run(ctx: types::Context, input: String) -> Result<String, types::Failed> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| std::panic::set_hook(Box::new(report_panic)));
        registry::run(&ctx.into(), &input).map_err(Into::into)
    }
}

/// The trap that follows a panic carries no text, so the host is told before.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("panic without a message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    host::log(host::Level::Error, message, &[("panic".to_owned(), place)]);
}

/// Hands one line to the host.
pub(crate) fn log(level: Level, message: &str, fields: &[(String, String)]) {
    let level = match level {
        Level::Trace => host::Level::Trace,
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    host::log(level, message, fields);
}

impl From<types::Context> for Ctx {
    fn from(ctx: types::Context) -> Self {
        Self {
            function: ctx.function,
            execution_id: ctx.execution_id,
            workflow_id: ctx.workflow_id,
            step: ctx.step,
            iteration: ctx.iteration,
            attempt: ctx.attempt,
            idempotency_key: ctx.idempotency_key,
            deadline_ms: ctx.deadline_ms,
            extra: ctx.extra,
        }
    }
}

impl From<Error> for types::Failed {
    fn from(error: Error) -> Self {
        let failure = types::Failure {
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            details: error.details_json().map(ToString::to_string),
        };
        if !error.is_retryable() {
            return Self::Permanent(failure);
        }
        let pause = error.pause().map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        Self::Retryable((failure, pause))
    }
}
