//! What stored bytes mean, for whoever looks through a store without running anything: checks, and the collection of files that nothing
//! names. Nothing here asks the store.

use crate::codec;
use crate::ports::{DocumentKind, RecordStatus};
use crate::registry::Function;
use stepwell_core::execution::Entry;
use stepwell_core::ids::Digest;

/// Looks into a journal line: the blobs that it names. An execution pins the components that it runs with its first line.
///
/// # Errors
/// Why it cannot be read.
pub fn entry(bytes: &[u8]) -> Result<Vec<Digest>, String> {
    let (_, entry) = codec::decode_entry(bytes).map_err(|error| error.to_string())?;
    Ok(match entry {
        Entry::Started(started) => started.pins.values().map(|pin| pin.component).collect(),
        _ => Vec::new(),
    })
}

/// Looks into the state in a record: how many lines of the journal are in it, where it says so.
///
/// # Errors
/// Why it cannot be read.
pub fn state(status: RecordStatus, bytes: &[u8]) -> Result<Option<u32>, String> {
    let decoded = match status {
        RecordStatus::Completed | RecordStatus::Failed => codec::decode_ended(bytes),
        RecordStatus::Parked => match codec::decode_snapshot(bytes) {
            // Of another version: the journal is read instead.
            Err(codec::Undecodable::Version { .. }) => return Ok(None),
            decoded => decoded,
        },
        RecordStatus::Unfinished | RecordStatus::Quarantined => return Ok(None),
    };
    decoded.map(|execution| Some(execution.lines)).map_err(|error| error.to_string())
}

/// Looks into a document: the blobs that it names. `kind` is a number of [`DocumentKind`].
///
/// # Errors
/// Why it cannot be read.
pub fn document(kind: u8, bytes: &[u8]) -> Result<Vec<Digest>, String> {
    if kind != DocumentKind::Function as u8 && kind != DocumentKind::FunctionVersion as u8 {
        return Ok(Vec::new());
    }
    let function: Function = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(vec![function.digest])
}
