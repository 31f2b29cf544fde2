//! What a store holds of an execution, read back, for whoever compares it with the journal.

use crate::codec;
use crate::ports::{Record, RecordStatus};
use bytes::Bytes;
use stepwell_core::execution::{Entry, Execution};
use stepwell_core::time::Timestamp;

/// A journal line: when, and what happened.
///
/// # Errors
/// Why it cannot be read.
pub fn line(bytes: &[u8]) -> Result<(Timestamp, Entry), String> {
    codec::decode_entry(bytes).map_err(|why| why.to_string())
}

/// Whether a record holds just what this state comes to: of a parked execution all of it, of one that ended what is kept of it.
///
/// # Errors
/// Why it cannot be read.
pub fn agrees(record: &Record, state: &Execution) -> Result<bool, String> {
    let text = |why: codec::Undecodable| why.to_string();
    match record.status {
        RecordStatus::Unfinished => Ok(!state.is_ended() && record.body.is_empty()),
        RecordStatus::Parked => Ok(!state.is_ended() && codec::decode_snapshot(&record.body).map_err(text)? == *state),
        RecordStatus::Completed | RecordStatus::Failed => {
            let kept: Bytes = codec::encode_ended(state).map_err(text)?;
            Ok(state.is_ended() && kept == record.body)
        }
        RecordStatus::Quarantined => Ok(false),
    }
}
