//! A function's bad outcome, as data: its code, whether it is tried again, and whose fault it is (semantics section 7).

use crate::payload::{self, Payload};
use serde::{Deserialize, Serialize};

/// Stable codes of failures. A page each in `docs/errors`.
pub mod code {
    /// A throw or an `Err` without a code.
    pub const FUNCTION_ERROR: &str = "function_error";
    /// Panic, unreachable, out of bounds.
    pub const FUNCTION_TRAPPED: &str = "function_trapped";
    /// The attempt took longer than its timeout.
    pub const FUNCTION_TIMEOUT: &str = "function_timeout";
    /// Too deep a recursion.
    pub const STACK_OVERFLOW: &str = "stack_overflow";
    /// The guest ended its process instead of returning.
    pub const FUNCTION_EXITED: &str = "function_exited";
    /// The attempt used up its fuel.
    pub const OUT_OF_FUEL: &str = "out_of_fuel";
    /// The attempt wanted more memory than it may have.
    pub const MEMORY_LIMIT: &str = "memory_limit";
    /// The result is larger than a payload may be.
    pub const OUTPUT_LIMIT: &str = "output_limit";
    /// The result is not JSON that the API accepts.
    pub const INVALID_OUTPUT: &str = "invalid_output";
    /// An expression or a template could not be evaluated.
    pub const EXPRESSION_ERROR: &str = "expression_error";
    /// More step runs, or a longer journal, than an execution may have.
    pub const STEP_BUDGET_EXCEEDED: &str = "step_budget_exceeded";
    /// A secret that the step reads is not set.
    pub const UNKNOWN_SECRET: &str = "unknown_secret";
    /// The host could not run the step, or the process ended three times while it ran.
    pub const HOST_FAULT: &str = "host_fault";
    /// The whole execution took longer than its timeout.
    pub const EXECUTION_TIMEOUT: &str = "execution_timeout";
    /// Somebody stopped the execution.
    pub const CANCELLED: &str = "cancelled";
    /// Nobody answered a human step in time.
    pub const APPROVAL_TIMEOUT: &str = "approval_timeout";
    /// No event came in time.
    pub const EVENT_TIMEOUT: &str = "event_timeout";
    /// A loop has more items, or more rounds, than it may have.
    pub const MAX_ITERATIONS_EXCEEDED: &str = "max_iterations_exceeded";
    /// Executions start each other too deeply.
    pub const DEPTH_LIMIT: &str = "depth_limit";
    /// An agent step, but no model provider.
    pub const AGENT_PROVIDER_NOT_CONFIGURED: &str = "agent_provider_not_configured";
    /// A workflow step names a workflow that there is not.
    pub const WORKFLOW_NOT_FOUND: &str = "workflow_not_found";
    /// A function that the workflow names is not registered.
    pub const MISSING_FUNCTIONS: &str = "missing_functions";
}

/// Who is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The function's code, or the definition that calls it.
    Guest,
    /// The server.
    Host,
}

/// Longest code of a guest, in bytes: it is shown in lists and used in conditions.
pub const CODE_BYTES: usize = 64;
/// Longest message that is kept, in bytes.
pub const MESSAGE_BYTES: usize = 4 * 1024;
/// Longest details that are kept, in bytes.
pub const DETAILS_BYTES: usize = 16 * 1024;

/// One failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The guest's own code, or one of [`code`].
    pub code: String,
    /// What a reader of the error is told.
    pub message: String,
    /// Whether another attempt may help.
    pub retryable: bool,
    /// Milliseconds that the guest asks to wait before the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The guest's own details.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "payload::present")]
    pub details: Option<Payload>,
    /// Whose fault it is.
    pub source: Source,
}

impl Failure {
    /// A failure that the host found in the guest; whether it is retried follows from the code.
    #[must_use]
    pub fn guest(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: cut(message.into(), MESSAGE_BYTES),
            retryable: is_retryable(code),
            retry_after_ms: None,
            details: None,
            source: Source::Guest,
        }
    }

    /// A failure of the host.
    #[must_use]
    pub fn host(message: impl Into<String>) -> Self {
        Self { source: Source::Host, ..Self::guest(code::HOST_FAULT, message) }
    }

    /// What the guest reported itself. A missing or badly formed code becomes [`code::FUNCTION_ERROR`]; long texts are cut.
    #[must_use]
    pub fn reported(guest_code: &str, message: String, details: Option<Payload>, retry: Retry) -> Self {
        let well_formed = !guest_code.is_empty()
            && guest_code.len() <= CODE_BYTES
            && guest_code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b));
        let code = if well_formed { guest_code } else { code::FUNCTION_ERROR };
        let (retryable, retry_after_ms) = match retry {
            Retry::Never => (false, None),
            Retry::Again { after_ms } => (true, after_ms),
        };
        let message = if message.trim().is_empty() { format!("the function failed with {code}") } else { message };
        Self {
            code: code.to_owned(),
            message: cut(message, MESSAGE_BYTES),
            retryable,
            retry_after_ms,
            details: details.filter(|d| d.as_str().len() <= DETAILS_BYTES),
            source: Source::Guest,
        }
    }
}

/// How a guest marked its failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Permanent.
    Never,
    /// Worth another attempt, after so many milliseconds if given.
    Again {
        /// The pause that the guest asks for.
        after_ms: Option<u64>,
    },
}

/// The table of semantics section 7: what the host found is tried again only where another attempt may end otherwise.
fn is_retryable(code: &str) -> bool {
    [code::FUNCTION_ERROR, code::FUNCTION_TRAPPED, code::FUNCTION_TIMEOUT].contains(&code)
}

/// Cuts a text at a character's boundary and marks the cut.
fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let end = (0..=bytes).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_codes_decides_what_is_tried_again() {
        for (code, retryable) in [
            (code::FUNCTION_ERROR, true),
            (code::FUNCTION_TRAPPED, true),
            (code::FUNCTION_TIMEOUT, true),
            (code::STACK_OVERFLOW, false),
            (code::FUNCTION_EXITED, false),
            (code::OUT_OF_FUEL, false),
            (code::MEMORY_LIMIT, false),
            (code::OUTPUT_LIMIT, false),
            (code::INVALID_OUTPUT, false),
            (code::EXPRESSION_ERROR, false),
            (code::STEP_BUDGET_EXCEEDED, false),
            (code::UNKNOWN_SECRET, false),
            (code::HOST_FAULT, false),
        ] {
            assert_eq!(Failure::guest(code, "x").retryable, retryable, "{code}");
        }
    }

    #[test]
    fn what_a_guest_reports_is_bounded() {
        let again = Retry::Again { after_ms: Some(5) };
        assert_eq!(Failure::reported("card_declined", "no".into(), None, Retry::Never).code, "card_declined");
        for bad in ["", "has space", "\u{1b}[31m", &"x".repeat(65)] {
            assert_eq!(Failure::reported(bad, "no".into(), None, again).code, code::FUNCTION_ERROR);
        }
        let long = Failure::reported("a", "ü".repeat(MESSAGE_BYTES), None, again);
        assert!(long.message.len() <= MESSAGE_BYTES + '…'.len_utf8() && long.message.ends_with('…'));
        assert_eq!(Failure::reported("a", " ".into(), None, again).message, "the function failed with a");
    }
}
