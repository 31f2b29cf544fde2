//! How the host says no.

use crate::Error;
use std::fmt;

/// What kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was not granted to this function; the message has the grant that is missing.
    Denied,
    /// The question itself is at fault: a name, a key or a text that is not accepted.
    Invalid,
    /// The value is another one by now.
    Conflict,
    /// More than a limit allows.
    Limit,
    /// Not now; another attempt may succeed.
    Unavailable,
}

/// The host's refusal of what a function asked for. `?` makes a failure of it, which is tried again if that may help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// For programs.
    pub why: Why,
    /// For people: what to do.
    pub message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Refused> for Error {
    fn from(Refused { why, message }: Refused) -> Self {
        match why {
            Why::Denied => Error::permanent("capability_denied", message),
            Why::Invalid => Error::permanent("capability_invalid", message),
            Why::Conflict => Error::retryable("capability_conflict", message),
            Why::Limit => Error::permanent("capability_limit", message),
            Why::Unavailable => Error::retryable("capability_unavailable", message),
        }
    }
}
