//! What is stored of an execution beside its journal: its record, and in it the outline that lists show.

use crate::codec::{self, Undecodable};
use crate::ports::{OUTLINE_BYTES, Record, RecordStatus};
use bytes::Bytes;
use stepwell_core::execution::{Execution, Outline, Phase, outline};
use stepwell_core::time::Timestamp;

/// Longest text of an error in a list, in bytes: the execution itself has all of it.
const SHOWN_ERROR_BYTES: usize = 400;

/// The record of an execution that a start must load. `begun`: whether anything of it has had its turn.
pub fn unfinished(execution: &Execution, begun: bool) -> Record {
    let shown = shown(execution, execution.started_at, begun);
    record(execution, RecordStatus::Unfinished, &shown, Bytes::new())
}

/// The record of an execution that leaves the memory until `wake`, or until somebody has something for it.
pub fn parked(execution: &Execution, now: Timestamp, wake: Option<Timestamp>) -> Result<Record, Undecodable> {
    let shown = shown(execution, now, true);
    Ok(Record { wake, ..record(execution, RecordStatus::Parked, &shown, codec::encode_snapshot(execution)?) })
}

/// The record of an execution that ended.
pub fn ended(execution: &Execution) -> Result<Record, Undecodable> {
    let status = match execution.phase {
        Phase::Completed(_) => RecordStatus::Completed,
        Phase::Failed(_) => RecordStatus::Failed,
        Phase::Blank | Phase::Running => RecordStatus::Unfinished,
    };
    let shown = shown(execution, execution.ended_at.unwrap_or(execution.started_at), true);
    Ok(record(execution, status, &shown, codec::encode_ended(execution)?))
}

/// The record of an execution that is set aside.
pub fn quarantined(execution: &Execution) -> Record {
    let shown = Outline {
        status: "failed",
        state: "failed",
        error: Some("the server set it aside because its journal cannot go on; the server's log says why".to_owned()),
        ..shown(execution, execution.started_at, true)
    };
    record(execution, RecordStatus::Quarantined, &shown, Bytes::new())
}

fn record(execution: &Execution, status: RecordStatus, shown: &Outline, body: Bytes) -> Record {
    let workflow = execution.started.as_ref().map_or_else(String::new, |started| started.workflow.clone());
    Record { status, created: execution.started_at, wake: None, workflow, outline: stored(shown), body }
}

/// An execution in a list: errors are shortened, and their details left out.
pub fn shown(execution: &Execution, now: Timestamp, begun: bool) -> Outline {
    let mut outline = outline(execution, now, begun);
    outline.error.iter_mut().for_each(shorten);
    if let Some(error) = &mut outline.error_details {
        error.details = None;
        shorten(&mut error.message);
    }
    outline
}

fn shorten(text: &mut String) {
    if text.len() > SHOWN_ERROR_BYTES {
        text.truncate(text.floor_char_boundary(SHOWN_ERROR_BYTES));
        text.push('…');
    }
}

/// As it is stored. What is too long for that (JSON may write a short text in many bytes) is stored without its error, which lists then
/// read from the record's state.
fn stored(shown: &Outline) -> Bytes {
    let encoded = codec::encode_outline(shown).unwrap_or_default();
    if encoded.len() <= OUTLINE_BYTES { encoded } else { Bytes::new() }
}
