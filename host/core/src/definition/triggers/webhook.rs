//! Triggers of type `webhook`.

use super::super::fault::Findings;
use super::inactive;

/// Reads a webhook trigger.
pub(super) fn read(at: usize, findings: &mut Findings) {
    inactive(at, "webhook", findings);
}
