//! Backups of a store that is in use, and the way back.

mod frame;
mod make;
mod restore;

pub use frame::BackupError;
pub use make::MakeError;
pub(crate) use make::make;
pub use restore::{restore, verify};

use serde::{Deserialize, Serialize};

/// The version that is written and read.
const VERSION: u32 = 1;

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Of the backup's form.
    pub version: u32,
    /// The id that the store got when it was made.
    pub store: String,
}

/// How much is in a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// Rows of the index.
    pub rows: u64,
    /// Large values, components and scripts.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Files that were damaged in the store, and are not in the backup.
    pub damaged: u64,
    /// Of all before.
    pub sha256: String,
}
