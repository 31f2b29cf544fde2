//! A store that no server has open: for checks, repairs, exports and counts.

use crate::durability::Durability;
use crate::files::Files;
use crate::head::{Head, Progress};
use crate::open::{Index, OpenError, SledConfig, open_index};
use crate::read::unavailable;
use std::io;
use std::path::{Path, PathBuf};
use stepwell_engine::ports::StoreError;

/// A store for reading, in a folder that no server uses. Opening it changes no data; sled may write its own snapshot.
pub struct Offline {
    config: SledConfig,
    durability: Durability,
    files: Files,
    index: Index,
}

impl Offline {
    /// Opens the store in this folder.
    ///
    /// # Errors
    /// [`OpenError`]: there is none, a server has it open, or sled cannot read it at all.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let (config, durability) = (SledConfig::new(folder), Durability::system());
        if !config.folder.join("sled").join("db").exists() {
            return Err(OpenError::Missing(config.folder));
        }
        let (index, files) = open_index(&config, &durability)?;
        Ok(Self { config, durability, files, index })
    }

    pub(crate) fn tree(&self) -> &sled::Db {
        &self.index.tree
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.config.folder
    }

    /// Writes changes; on return they are durable.
    pub(crate) fn apply(&self, changes: sled::Batch) -> Result<(), StoreError> {
        self.index.tree.apply_batch(changes).map_err(unavailable)?;
        self.durability.index(&self.index.tree, &self.index.file);
        Ok(())
    }

    /// Writes the note of how far the store has got.
    pub(crate) fn note(&self, id: [u8; 16], commits: u64) -> io::Result<()> {
        Head::start(&self.config, self.durability.clone(), Progress { id, commits }).map(drop)
    }
}
