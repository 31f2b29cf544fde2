//! What the child answers on its standard output: lines of JSON, of which the last is the answer and those before it tell of the progress;
//! then, after a success, the machine code to the end.

use super::unfit::{Code, unfit};
use crate::cache::Facts;
use serde::{Deserialize, Serialize};
use stepwell_engine::ports::Unfit;

/// The line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// The code follows.
    Compiled(Header),
    /// The upload is at fault.
    Unfit {
        /// Why.
        code: Code,
        /// For the uploader.
        message: String,
    },
    /// The child is at fault.
    Unavailable(String),
    /// Not the answer yet: so many functions of so many are compiled. Another line follows.
    Progress {
        /// How many.
        done: u32,
        /// Of how many.
        of: u32,
    },
}

/// What the child found.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) facts: Facts,
    /// Time of the compilation alone.
    pub(super) compile_ms: u64,
    /// Of the child's engine: code for another engine must not be loaded.
    pub(super) compatibility: String,
}

/// A refusal inside the child.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
}

/// Shorthand for a refusal.
pub(super) fn refuse(code: Code, message: impl Into<String>) -> Refusal {
    Refusal { code, message: message.into() }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let Unfit { message, .. } = unfit(refusal.code, refusal.message);
        Self::Unfit { code: refusal.code, message }
    }
}

/// What a line says of the progress, if it is not the answer.
pub(super) fn progress(line: &[u8]) -> Option<(u32, u32)> {
    // An answer may be long, and is read once.
    let told = line.starts_with(b"{\"progress\"").then(|| serde_json::from_slice(line).ok()).flatten()?;
    if let Answer::Progress { done, of } = told { Some((done, of)) } else { None }
}

/// The answer and the place where the code starts.
pub(super) fn parse(output: &[u8]) -> Option<(Answer, usize)> {
    let end = output.iter().position(|byte| *byte == b'\n')?;
    Some((serde_json::from_slice(&output[..end]).ok()?, end + 1))
}
