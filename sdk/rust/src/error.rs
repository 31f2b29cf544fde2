//! How a function says that it failed, and whether another attempt may help.

use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// The code of a failure that carries none of its own (semantics section 7).
const DEFAULT_CODE: &str = "function_error";

/// A failed call.
///
/// `?` turns every [`std::error::Error`] into a retryable failure with the code `function_error`; for that reason this type does
/// not implement that trait itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    code: String,
    message: String,
    /// Boxed, so that a `Result` with this error stays small.
    details: Option<Box<Value>>,
    retry: Retry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    Never,
    AsTheStepSays,
    After(Duration),
}

impl Error {
    /// No further attempt will succeed: a declined card, a missing field. `code` is a short stable name for programs,
    /// `message` a sentence for people.
    #[must_use]
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), details: None, retry: Retry::Never }
    }

    /// Another attempt may succeed: a busy service. It follows as the step's retries say.
    #[must_use]
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), details: None, retry: Retry::AsTheStepSays }
    }

    /// No further attempt before this time has passed, in whole milliseconds. It makes the failure retryable.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry = Retry::After(pause);
        self
    }

    /// More facts, kept as JSON. What cannot be serialised is replaced by the reason.
    #[must_use]
    pub fn details(mut self, details: impl Serialize) -> Self {
        let value = serde_json::to_value(details);
        let value = value.unwrap_or_else(|error| Value::String(format!("details without JSON form: {error}")));
        self.details = Some(Box::new(value));
        self
    }

    /// The stable name.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The sentence for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What [`Error::details`] has set.
    #[must_use]
    pub fn details_json(&self) -> Option<&Value> {
        self.details.as_deref()
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retry != Retry::Never
    }

    /// What [`Error::retry_after`] has set.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        match self.retry {
            Retry::After(pause) => Some(pause),
            Retry::Never | Retry::AsTheStepSays => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            message.push_str(": ");
            message.push_str(&error.to_string());
            source = error.source();
        }
        Self::retryable(DEFAULT_CODE, message)
    }
}
