//! Triggers of type `schedule`.

use super::super::fault::Findings;
use super::inactive;

/// Reads a schedule trigger.
pub(super) fn read(at: usize, findings: &mut Findings) {
    inactive(at, "schedule", findings);
}
