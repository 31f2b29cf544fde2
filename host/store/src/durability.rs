//! Every wait for the disk. What these functions return from is on the disk; what cannot get there ends the process.
//!
//! After a failed sync the kernel may forget which pages were not written, so a second one can succeed without them:
//! a failure is never retried (`storage.md`, rail 1).

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use stepwell_engine::ports::DiskUse;

/// The calls to the operating system, apart so that tests see their order and make them fail.
pub(crate) trait Disk: Send + Sync + 'static {
    /// Hands sled's buffers to the kernel. On Linux that is no sync: sled only calls `sync_file_range`.
    fn flush(&self, index: &sled::Db) -> io::Result<()>;
    /// `fdatasync`: contents and length of a file.
    fn sync_data(&self, file: &File) -> io::Result<()>;
    /// `fsync` of a folder that is open as `handle`: the names in it.
    fn sync_folder(&self, folder: &Path, handle: &File) -> io::Result<()>;
    /// Gives a complete file its name, over one that is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// How full the file system of a folder is.
    fn room(&self, folder: &Path) -> io::Result<DiskUse>;
}

/// The operating system.
pub(crate) struct System;

impl Disk for System {
    fn flush(&self, index: &sled::Db) -> io::Result<()> {
        index.flush().map(drop).map_err(io::Error::from)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_folder(&self, _folder: &Path, handle: &File) -> io::Result<()> {
        handle.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn room(&self, folder: &Path) -> io::Result<DiskUse> {
        let found = rustix::fs::statvfs(folder)?;
        // As `df` counts: blocks that only root may fill are neither used nor free.
        let used = found.f_blocks.saturating_sub(found.f_bfree);
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(DiskUse { total_bytes: bytes(used.saturating_add(found.f_bavail)), free_bytes: bytes(found.f_bavail) })
    }
}

/// What to do when a sync fails. It must not return to the caller, who would acknowledge.
pub(crate) type GiveUp = fn(&str) -> !;

/// Ends the process at once: no destructor may run that writes or syncs again.
pub(crate) fn end_process(message: &str) -> ! {
    tracing::error!("{message}");
    // The log may be buffered; this line is the last that the process says.
    eprintln!("stepwell: {message}");
    std::process::abort()
}

/// The disk, and what happens when it fails.
#[derive(Clone)]
pub(crate) struct Durability {
    disk: Arc<dyn Disk>,
    give_up: GiveUp,
}

impl Durability {
    pub(crate) fn system() -> Self {
        Self::new(Arc::new(System), end_process)
    }

    pub(crate) fn new(disk: Arc<dyn Disk>, give_up: GiveUp) -> Self {
        Self { disk, give_up }
    }

    /// All that was written to the index. `file` is our own descriptor of sled's `db`: the kernel reports a failed
    /// write of sled's to it even if sled has swallowed the error.
    pub(crate) fn index(&self, index: &sled::Db, file: &File) {
        self.require("flush of the index", self.disk.flush(index));
        self.require("fdatasync of the index", self.disk.sync_data(file));
    }

    /// The contents of a file.
    pub(crate) fn file(&self, file: &File) {
        self.require("fdatasync of a file", self.disk.sync_data(file));
    }

    /// The names in a folder. An error means only that it could not be opened, so that nothing was tried.
    pub(crate) fn folder(&self, folder: &Path) -> io::Result<()> {
        let handle = File::open(folder)?;
        self.require("fsync of a folder", self.disk.sync_folder(folder, &handle));
        Ok(())
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    pub(crate) fn room(&self, folder: &Path) -> io::Result<DiskUse> {
        self.disk.room(folder)
    }

    /// A write that the index refused: what it holds in memory is unknown until the next open.
    pub(crate) fn written(&self, result: sled::Result<()>) {
        self.require("a write to the index", result.map_err(io::Error::from));
    }

    fn require(&self, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            (self.give_up)(&format!(
                "{what} failed: {error}. Nothing that depended on it was acknowledged. Check the disk (space, kernel \
                 log), then start again."
            ));
        }
    }
}
