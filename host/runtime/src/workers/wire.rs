//! Calls and outcomes as they cross: texts for JSON, because its own type is none of the wire's.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use stepwell_core::failure::Retry;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::payload::Payload;
use stepwell_engine::ports::{Fault, Invocation, InvocationContext, InvocationLimits, LogLine, Outcome, Usage};

/// [`Invocation`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireCall {
    tenant: u32,
    component: [u8; 32],
    context: InvocationContext,
    input: String,
    limits: InvocationLimits,
}

impl From<Invocation> for WireCall {
    fn from(invocation: Invocation) -> Self {
        let Invocation { tenant, component, context, input, limits } = invocation;
        Self { tenant: tenant.0, component: component.0, context, input: input.as_str().to_owned(), limits }
    }
}

impl WireCall {
    /// As the sandbox takes it; what the server says is JSON.
    pub(super) fn invocation(self) -> Result<Invocation, Fault> {
        let Self { tenant, component, context, input, limits } = self;
        let input = Payload::parse(&input).map_err(|error| Fault::Host(format!("the input is {error}")))?;
        Ok(Invocation { tenant: TenantId(tenant), component: Digest(component), context, input, limits })
    }
}

/// [`Outcome`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireOutcome {
    pub(super) result: Result<String, WireFault>,
    pub(super) fuel: u64,
    pub(super) memory_bytes: u64,
    pub(super) elapsed: Duration,
    pub(super) log: Vec<WireLine>,
}

/// [`LogLine`]: level, message, fields.
pub(super) type WireLine = (String, String, Vec<(String, String)>);

impl From<Outcome> for WireOutcome {
    fn from(outcome: Outcome) -> Self {
        let Outcome { result, usage: Usage { fuel, memory_bytes, elapsed }, log } = outcome;
        let line = |LogLine { level, message, fields }| (level.to_owned(), message, fields);
        Self {
            result: result.map(|payload| payload.as_str().to_owned()).map_err(WireFault::from),
            fuel,
            memory_bytes: memory_bytes as u64,
            elapsed,
            log: log.into_iter().map(line).collect(),
        }
    }
}

/// [`Fault`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum WireFault {
    Failed { code: String, message: String, details: Option<String>, retry: WireRetry },
    Trapped(String),
    StackOverflow,
    Exited(i32),
    OutOfFuel,
    MemoryLimit,
    Timeout,
    OutputLimit,
    InvalidOutput(String),
    NoCapacity,
    Host(String),
    Lost(String),
}

/// [`Retry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum WireRetry {
    Never,
    Again { after_ms: Option<u64> },
}

impl From<Fault> for WireFault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failed { code, message, details, retry } => {
                let retry = match retry {
                    Retry::Never => WireRetry::Never,
                    Retry::Again { after_ms } => WireRetry::Again { after_ms },
                };
                Self::Failed { code, message, details: details.map(|text| text.as_str().to_owned()), retry }
            }
            Fault::Trapped(text) => Self::Trapped(text),
            Fault::StackOverflow => Self::StackOverflow,
            Fault::Exited(status) => Self::Exited(status),
            Fault::OutOfFuel => Self::OutOfFuel,
            Fault::MemoryLimit => Self::MemoryLimit,
            Fault::Timeout => Self::Timeout,
            Fault::OutputLimit => Self::OutputLimit,
            Fault::InvalidOutput(text) => Self::InvalidOutput(text),
            Fault::NoCapacity => Self::NoCapacity,
            Fault::Host(text) => Self::Host(text),
            Fault::Lost(text) => Self::Lost(text),
        }
    }
}

impl From<WireFault> for Fault {
    fn from(fault: WireFault) -> Self {
        match fault {
            WireFault::Failed { code, message, details, retry } => {
                let retry = match retry {
                    WireRetry::Never => Retry::Never,
                    WireRetry::Again { after_ms } => Retry::Again { after_ms },
                };
                Self::Failed { code, message, details: details.and_then(|text| Payload::parse(&text).ok()), retry }
            }
            WireFault::Trapped(text) => Self::Trapped(text),
            WireFault::StackOverflow => Self::StackOverflow,
            WireFault::Exited(status) => Self::Exited(status),
            WireFault::OutOfFuel => Self::OutOfFuel,
            WireFault::MemoryLimit => Self::MemoryLimit,
            WireFault::Timeout => Self::Timeout,
            WireFault::OutputLimit => Self::OutputLimit,
            WireFault::InvalidOutput(text) => Self::InvalidOutput(text),
            WireFault::NoCapacity => Self::NoCapacity,
            WireFault::Host(text) => Self::Host(text),
            WireFault::Lost(text) => Self::Lost(text),
        }
    }
}
