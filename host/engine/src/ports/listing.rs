//! Lists of executions: what is wanted, where a list goes on, and what it shows.

use super::{Damage, ExecutionKey, RecordStatus};
use bytes::Bytes;
use std::collections::BTreeSet;
use stepwell_core::ids::ExecutionId;
use stepwell_core::time::Timestamp;

/// How many executions one call of [`super::Store::executions`] looks at, so that a filter that fits nothing costs little.
pub const LIST_LOOKS: usize = 1_000;

/// Which executions of a tenant a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Only those of this workflow.
    pub workflow: Option<String>,
    /// Only those with one of these; `None`: all.
    pub statuses: Option<BTreeSet<RecordStatus>>,
    /// Only those accepted at this moment or later.
    pub since: Option<Timestamp>,
}

/// A place in a list: the newest execution comes first, and among those of one millisecond the one with the smallest id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPlace {
    /// When the execution at this place was accepted.
    pub created: Timestamp,
    /// Its id.
    pub id: ExecutionId,
}

/// A record without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// As [`super::Record::status`].
    pub status: RecordStatus,
    /// As [`super::Record::created`].
    pub created: Timestamp,
    /// As [`super::Record::wake`].
    pub wake: Option<Timestamp>,
    /// As [`super::Record::workflow`].
    pub workflow: String,
    /// As [`super::Record::outline`].
    pub outline: Bytes,
}

/// A part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionList {
    /// In their order.
    pub items: Vec<(ExecutionKey, Summary)>,
    /// Those that would stand among them, if their records could be read.
    pub damaged: Vec<Damage>,
    /// After which place the list goes on; `None`: it does not.
    pub next: Option<ListPlace>,
}

/// Documents, as far as they can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentList {
    /// In the order of their keys.
    pub items: Vec<(String, Bytes)>,
    /// Those that were passed over.
    pub damaged: Vec<Damage>,
}

impl ExecutionFilter {
    /// Whether the list shows this one.
    #[must_use]
    pub fn takes(&self, summary: &Summary) -> bool {
        self.workflow.as_ref().is_none_or(|workflow| *workflow == summary.workflow)
            && self.statuses.as_ref().is_none_or(|statuses| statuses.contains(&summary.status))
            && self.since.is_none_or(|since| summary.created >= since)
    }
}

impl ListPlace {
    /// Sorts as the list does.
    #[must_use]
    pub fn order(&self) -> (u64, ExecutionId) {
        (!self.created.0, self.id)
    }
}
