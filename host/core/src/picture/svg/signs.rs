//! Small drawings: one for each type of step, one for each status. Paths and not letters, because fonts differ.

use crate::picture::model::Status;

/// The sign of a step type, as a path in a square of 16.
pub(super) fn kind(kind: &str) -> &'static str {
    match kind {
        "function" => {
            "M6 2.5C3.5 2.5 5.5 8 3 8C5.5 8 3.5 13.5 6 13.5M10 2.5C12.5 2.5 10.5 8 13 8C10.5 8 12.5 13.5 10 13.5"
        }
        "condition" => "M8 1.8L14.2 8L8 14.2L1.8 8ZM8 5.2V8.4M8 10.6V10.8",
        "parallel" => "M8 1.5V4M3 14.5V7.5Q3 4.5 8 4.5Q13 4.5 13 7.5V14.5M8 4.5V14.5",
        "loop" => "M13.2 6.2A5.6 5.6 0 1 0 13.4 9.8M13.6 2.6V6.3H9.9",
        "human" => "M8 8A3 3 0 1 0 8 2A3 3 0 1 0 8 8ZM2.5 14.3C2.8 11.4 5 10 8 10C11 10 13.2 11.4 13.5 14.3",
        "agent" => "M8 1.8L9.6 6.4L14.2 8L9.6 9.6L8 14.2L6.4 9.6L1.8 8L6.4 6.4Z",
        "wait" => "M8 14A6 6 0 1 0 8 2A6 6 0 1 0 8 14ZM8 4.8V8L10.2 9.6",
        "event" => "M9 1.5L3.5 9H7.5L7 14.5L12.5 7H8.5Z",
        "workflow" => "M2 2.5H7V7H2ZM9 9H14V13.5H9ZM4.5 7V11.2H9",
        _ => "M8 3.5V8.5M8 11.5V11.7",
    }
}

/// The sign of a status, as a path in a square of 16 over a filled circle.
pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Pending => "M5 8H5.1M8 8H8.1M11 8H11.1",
        Status::Running => "M6.4 4.9L11.4 8L6.4 11.1Z",
        Status::Waiting => "M8 4.4V8L10.4 9.6",
        Status::Completed => "M4.6 8.3L7 10.6L11.4 5.6",
        Status::Failed => "M5.4 5.4L10.6 10.6M10.6 5.4L5.4 10.6",
        Status::Skipped => "M4.8 8H11.2",
        Status::Cancelled => "M5 11L11 5",
    }
}

/// An arrow round, for the end of an iteration.
pub(super) const AGAIN: &str = "M11.6 6.6A4 4 0 1 0 11.8 9.4M12 4V6.8H9.2";
