//! Looking at everything that a store keeps, part by part: is it still what was written?

use super::ExecutionKey;
use bytes::Bytes;

/// Where a look at everything goes on; what is in it is the store's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubPlace(pub Bytes);

/// Something that is not what was written, or that the disk does not give any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Which value, for people.
    pub at: String,
    /// What is wrong with it.
    pub what: String,
    /// The execution that it belongs to.
    pub execution: Option<ExecutionKey>,
}

/// A part of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Values that were read.
    pub values: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// What is wrong with them.
    pub damaged: Vec<Damage>,
    /// After which place the look goes on; `None`: that was the last part.
    pub next: Option<ScrubPlace>,
}
