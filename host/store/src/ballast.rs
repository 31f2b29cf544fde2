//! A file of nothing that keeps room on the disk: sled cannot be opened without any, so that a server which stopped because its disk was
//! full could not even start to remove something (`storage.md`, rail 5).
//!
//! It is let go of when the disk is full at an open, and made again when there is room.

use crate::durability::Durability;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use stepwell_engine::ports::DiskUse;

/// Most bytes that it keeps: sled's snapshot of a store with a million executions has room in it.
const MOST_BYTES: u64 = 64 << 20;
/// It is no larger than this part of the disk.
const PART: u64 = 16;
/// It is made where so many times as much is free.
const ROOM: u64 = 3;

/// What is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    LetGo,
    Make { bytes: u64 },
}

pub(crate) struct Ballast {
    folder: PathBuf,
    durability: Durability,
}

impl Ballast {
    pub(crate) fn new(folder: &Path, durability: &Durability) -> Self {
        Self { folder: folder.to_owned(), durability: durability.clone() }
    }

    /// Before sled is opened.
    pub(crate) fn let_go_if_full(&self) -> io::Result<()> {
        let disk = self.durability.room(&self.folder)?;
        if at_open(disk, self.kept()?) == Change::LetGo {
            tracing::warn!(free = disk.free_bytes, "the disk is full: the store lets go of its ballast; make room");
            fs::remove_file(self.path())?;
        }
        Ok(())
    }

    /// Makes the file again where there is room. Answers how full the disk is.
    pub(crate) fn tend(&self) -> io::Result<DiskUse> {
        let disk = self.durability.room(&self.folder)?;
        let Change::Make { bytes } = while_open(disk, self.kept()?) else { return Ok(disk) };
        let new = self.folder.join("ballast.new");
        if let Err(error) = self.make(&new, bytes) {
            // The next look tries again; without it the store works just as well.
            tracing::warn!(%error, "the store's ballast cannot be made");
            let _ = fs::remove_file(&new);
        }
        self.durability.room(&self.folder)
    }

    fn make(&self, new: &Path, bytes: u64) -> io::Result<()> {
        fallocate(File::create(new)?, FallocateFlags::empty(), 0, bytes)?;
        // Not synced: after a loss of power it may be gone, and is made again.
        fs::rename(new, self.path())
    }

    /// Bytes that it keeps; `None`: there is no such file.
    fn kept(&self) -> io::Result<Option<u64>> {
        match fs::metadata(self.path()) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

fn wanted(disk: DiskUse) -> u64 {
    (disk.total_bytes / PART).min(MOST_BYTES)
}

fn at_open(disk: DiskUse, kept: Option<u64>) -> Change {
    if kept.is_some() && disk.free_bytes < wanted(disk) { Change::LetGo } else { Change::Nothing }
}

fn while_open(disk: DiskUse, kept: Option<u64>) -> Change {
    let bytes = wanted(disk);
    if kept.is_none() && bytes > 0 && disk.free_bytes >= bytes.saturating_mul(ROOM) {
        Change::Make { bytes }
    } else {
        Change::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_when_there_is_less_than_it_keeps_and_comes_back_when_there_is_thrice_as_much() {
        let mib = |total: u64, free: u64| DiskUse { total_bytes: total << 20, free_bytes: free << 20 };
        assert_eq!(at_open(mib(160, 9), Some(10 << 20)), Change::LetGo);
        assert_eq!(at_open(mib(160, 10), Some(10 << 20)), Change::Nothing);
        assert_eq!(at_open(mib(160, 0), None), Change::Nothing);
        assert_eq!(while_open(mib(160, 29), None), Change::Nothing);
        assert_eq!(while_open(mib(160, 30), None), Change::Make { bytes: 10 << 20 });
        assert_eq!(while_open(mib(160, 30), Some(10 << 20)), Change::Nothing);
        assert_eq!(while_open(mib(1 << 20, 1 << 19), None), Change::Make { bytes: MOST_BYTES });
    }
}
