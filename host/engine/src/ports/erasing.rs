//! Removing what has ended, step by step.

use super::{CommitError, DocumentWrite, Lease, Transition};
use stepwell_core::ids::{ExecutionId, TenantId};

/// One step of removing an execution: its record and its places in lists with the first one, its journal bit by bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which execution.
    pub id: ExecutionId,
    /// The lease under which it is removed.
    pub lease: Lease,
    /// At most so many lines of its journal go, the last ones first.
    pub lines: usize,
    /// Documents of the same tenant that change with it, each at most once.
    pub documents: Vec<DocumentWrite>,
}

/// What an erasure removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Lines, and the record if it was there; documents do not count.
    pub items: usize,
    /// Bytes of these, as they were given.
    pub bytes: u64,
    /// Whether nothing is left of the journal.
    pub is_whole: bool,
}

impl Erasure {
    /// What every store checks before it looks at its data.
    ///
    /// # Errors
    /// As [`Transition::check`].
    pub fn check(&self) -> Result<(), CommitError> {
        Transition { tenant: self.tenant, execution: None, documents: self.documents.clone() }.check()?;
        let shard = self.id.shard(self.tenant);
        if self.lease.shard == shard { Ok(()) } else { Err(CommitError::Fenced(shard)) }
    }

    /// Why an execution that can still change is not erased.
    #[must_use]
    pub fn not_ended() -> CommitError {
        CommitError::Invalid("only an execution that has ended is erased")
    }
}
