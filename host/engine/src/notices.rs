//! What one execution has to tell another: written with its own entry, done afterwards, and done again after a crash.

use crate::live::Live;
use crate::ports::DocumentWrite;
use stepwell_core::execution::Execution;
use stepwell_core::ids::ExecutionId;

/// A child is no longer wanted.
pub(crate) fn cancel_child(_live: &Live, _child: ExecutionId) -> Vec<DocumentWrite> {
    Vec::new()
}

/// An execution ended: its parent waits for that.
pub(crate) fn ended(_live: &Live, _next: &Execution) -> Vec<DocumentWrite> {
    Vec::new()
}
