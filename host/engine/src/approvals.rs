//! Human steps: who is asked, and their answers.

use crate::live::Live;
use crate::ports::DocumentWrite;
use stepwell_core::execution::{Execution, RunIx};

/// What the lists of approvals show of this run from now on.
pub(crate) fn rows(_live: &Live, _next: &Execution, _run: RunIx) -> Vec<DocumentWrite> {
    Vec::new()
}
