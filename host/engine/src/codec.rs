//! How entries and records are written: JSON with a version, so that a reader of a damaged store can still read them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepwell_core::execution::{Entry, Execution, Outline, Run, Wait};
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;

/// Grows when the form of entries or records changes; older forms stay readable.
const VERSION: u32 = 1;

/// Grows when a state no longer goes on where an older one would: such snapshots are passed over, and the journal is read.
const SNAPSHOT_VERSION: u32 = 2;

/// What is stored does not read back.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// Not the JSON that we write.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Written by a later version.
    #[error("written in format {found}; this version reads up to {VERSION}")]
    Version {
        /// The format of the value.
        found: u32,
    },
}

#[derive(Serialize, Deserialize)]
struct StoredEntry<E> {
    v: u32,
    at: Timestamp,
    entry: E,
}

#[derive(Serialize, Deserialize)]
struct StoredState<E> {
    v: u32,
    state: E,
}

/// A journal line.
pub fn encode_entry(at: Timestamp, entry: &Entry) -> Result<Bytes, Undecodable> {
    Ok(serde_json::to_vec(&StoredEntry { v: VERSION, at, entry })?.into())
}

/// A journal line, read back.
pub fn decode_entry(bytes: &[u8]) -> Result<(Timestamp, Entry), Undecodable> {
    let stored: StoredEntry<Entry> = serde_json::from_slice(bytes)?;
    readable(stored.v)?;
    Ok((stored.at, stored.entry))
}

/// The state of an execution that ended. The values of its steps stand in the journal and are left out; conditions keep their outcome.
pub fn encode_ended(execution: &Execution) -> Result<Bytes, Undecodable> {
    let mut state = execution.clone();
    let short = |run: &Arc<Run>| {
        let mut run = Arc::clone(run);
        let is_long = |result: &Payload| !matches!(result.as_str(), "true" | "false");
        if run.result.as_ref().is_some_and(is_long) || has_inside(&run) {
            let shown = Arc::make_mut(&mut run);
            if let Some(Wait::Iterations(inside)) = shown.wait.as_deref() {
                (shown.iterations, shown.truncated) = (Some(inside.ended), inside.truncated);
            }
            shown.wait = shown.wait.take().filter(|wait| !matches!(**wait, Wait::Iterations(_) | Wait::Branches(_)));
            shown.result = None;
        }
        run
    };
    state.runs = execution.runs.iter().map(short).collect();
    // A retry starts from the journal.
    state.tokens.clear();
    state.groups.clear();
    state.frames.clear();
    Ok(serde_json::to_vec(&StoredState { v: VERSION, state })?.into())
}

fn has_inside(run: &Run) -> bool {
    matches!(run.wait.as_deref(), Some(Wait::Iterations(_) | Wait::Branches(_)))
}

/// The state of an execution that ended, read back.
pub fn decode_ended(bytes: &[u8]) -> Result<Execution, Undecodable> {
    let stored: StoredState<Execution> = serde_json::from_slice(bytes)?;
    readable(stored.v)?;
    Ok(stored.state)
}

#[derive(Serialize, Deserialize)]
struct StoredOutline<O> {
    v: u32,
    outline: O,
}

/// What lists show of an execution.
pub fn encode_outline(outline: &Outline) -> Result<Bytes, Undecodable> {
    Ok(serde_json::to_vec(&StoredOutline { v: VERSION, outline })?.into())
}

/// What lists show of an execution, read back as the JSON that it is.
pub fn decode_outline(bytes: &[u8]) -> Result<serde_json::Value, Undecodable> {
    let stored: StoredOutline<serde_json::Value> = serde_json::from_slice(bytes)?;
    readable(stored.v)?;
    Ok(stored.outline)
}

#[derive(Serialize, Deserialize)]
struct StoredSnapshot<E> {
    v: u32,
    snapshot: E,
}

/// The whole state of an execution that is parked, results included: it goes on from there.
pub fn encode_snapshot(execution: &Execution) -> Result<Bytes, Undecodable> {
    Ok(serde_json::to_vec(&StoredSnapshot { v: SNAPSHOT_VERSION, snapshot: execution })?.into())
}

/// The state of a parked execution, read back. Its `lines` say how much of the journal is in it.
pub fn decode_snapshot(bytes: &[u8]) -> Result<Execution, Undecodable> {
    let stored: StoredSnapshot<Execution> = serde_json::from_slice(bytes)?;
    if stored.v == SNAPSHOT_VERSION { Ok(stored.snapshot) } else { Err(Undecodable::Version { found: stored.v }) }
}

fn readable(version: u32) -> Result<(), Undecodable> {
    if version <= VERSION { Ok(()) } else { Err(Undecodable::Version { found: version }) }
}
