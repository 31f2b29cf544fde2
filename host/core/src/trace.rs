//! Where a trace of another system goes on (W3C Trace Context): the header is taken over, kept with the execution, and given to its functions.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A `traceparent` header: `00-<trace id>-<span id>-<flags>` in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    trace: String,
    span: String,
    flags: String,
}

/// It is no `traceparent`: as the standard has it, the trace is not taken over, and nothing is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no W3C traceparent")]
pub struct NoTrace;

impl TraceParent {
    /// Reads a header. Of a later version than `00`, what that version has beside is left out.
    ///
    /// # Errors
    /// [`NoTrace`].
    pub fn parse(text: &str) -> Result<Self, NoTrace> {
        let mut parts = text.split('-');
        let mut field = |length: usize| {
            let field = parts.next().filter(|field| field.len() == length);
            field.filter(|field| field.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))).ok_or(NoTrace)
        };
        let (version, trace, span, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        let zero = |field: &str| field.bytes().all(|b| b == b'0');
        if version == "ff" || zero(trace) || zero(span) || (version == "00" && parts.next().is_some()) {
            return Err(NoTrace);
        }
        Ok(Self { trace: trace.to_owned(), span: span.to_owned(), flags: flags.to_owned() })
    }

    /// The same trace one level below: a span of its own for whatever has this name, the same whenever it is asked.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let hash = Sha256::new().chain_update(self.span.as_bytes()).chain_update(name.as_bytes()).finalize();
        let span: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { span, ..self.clone() }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{}", self.trace, self.span, self.flags)
    }
}

impl TryFrom<String> for TraceParent {
    type Error = NoTrace;

    fn try_from(text: String) -> Result<Self, NoTrace> {
        Self::parse(&text)
    }
}

impl From<TraceParent> for String {
    fn from(trace: TraceParent) -> Self {
        trace.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_the_standard_allows_is_taken_and_nothing_else() {
        let parsed = TraceParent::parse(GIVEN).expect("the standard's example");
        assert_eq!(parsed.to_string(), GIVEN);
        let later = format!("cc{}-what-the-future-will-be-like", &GIVEN[2..]);
        assert_eq!(TraceParent::parse(&later).map(|t| t.to_string()), Ok(GIVEN.to_owned()));
        for bad in [
            "",
            "00",
            &GIVEN.to_uppercase(),
            &format!("{GIVEN}-01"),
            &format!("ff{}", &GIVEN[2..]),
            &GIVEN.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &GIVEN.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &GIVEN.replace('-', "_"),
            &GIVEN.replace('4', "ü"),
            &"-".repeat(10_000),
        ] {
            assert_eq!(TraceParent::parse(bad), Err(NoTrace), "{bad}");
        }
    }

    #[test]
    fn each_name_below_has_a_span_of_its_own() {
        let above = TraceParent::parse(GIVEN).expect("fine");
        let (a, b) = (above.below("a"), above.below("b"));
        assert_eq!(a, above.below("a"));
        assert!(a != b && a.trace == above.trace && a.flags == above.flags && a.span != above.span);
        assert_eq!(TraceParent::parse(&a.to_string()), Ok(a));
    }
}
