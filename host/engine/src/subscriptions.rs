//! Event steps that wait.

use crate::live::Live;
use crate::ports::DocumentWrite;
use stepwell_core::execution::{Execution, RunIx};

/// This run waits for an event from now on.
pub(crate) fn subscribe(_live: &Live, _next: &Execution, _run: RunIx) -> Vec<DocumentWrite> {
    Vec::new()
}

/// It no longer does.
pub(crate) fn unsubscribe(_live: &Live, _next: &Execution, _run: RunIx) -> Vec<DocumentWrite> {
    Vec::new()
}
