//! Opening a store: the lock, the rails that sled needs at its start, what the index must hold, and the first sync.

use crate::ballast::Ballast;
use crate::collect::write_rows;
use crate::durability::Durability;
use crate::files::{Files, create_folder};
use crate::head::{self, Head, Progress};
use crate::keys;
use crate::read::unavailable;
use crate::value::{Body, Kind, decode, encode};
use bytes::Bytes;
use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwell_engine::ports::StoreError;

/// The layout of keys and values that this program writes. It reads all up to it: format 1 is this one without parked
/// executions, wakes and outlines, which an older program would not find; format 2 is without rows for what names files, which it would not
/// write; format 3 is without values of several journal lines, which it would take for damage, and without counts of executions, which it
/// would not keep.
pub(crate) const FORMAT: u32 = 4;
/// The first format with rows for what names files.
const REFERENCES: u32 = 3;

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SledConfig {
    /// The store's own folder; made if it is not there, and closed to other users.
    pub folder: PathBuf,
    /// sled's page cache, in bytes: a quarter of the memory that the store may have in all.
    pub cache_bytes: u64,
    /// How often sled collects its garbage and shrinks its log, in milliseconds. No durability depends on it.
    pub flush_every_ms: u64,
    /// How often, at most, the store notes how far it has got, in milliseconds: what a damaged index may lose unseen.
    pub note_every_ms: u64,
}

impl SledConfig {
    /// A store in this folder, with a cache of 64 MiB.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), cache_bytes: 64 << 20, flush_every_ms: 500, note_every_ms: 1_000 }
    }
}

/// Why a store cannot be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("there is no store in {}; name the folder that `serve --data` was given", .0.display())]
    Missing(PathBuf),
    /// Another process has it open.
    #[error("the store in {} is in use by another process; stop that one, or choose another folder", .0.display())]
    InUse(PathBuf),
    /// It was written by another version of this program.
    #[error("the store in {} has format {found}; this program reads formats up to {supported}", folder.display())]
    Format {
        /// Where.
        folder: PathBuf,
        /// The version in the store.
        found: u32,
        /// The version of this program.
        supported: u32,
    },
    /// It is not what this program wrote.
    #[error("the store in {} is damaged: {what}; restore it from a backup", folder.display())]
    Damaged {
        /// Where.
        folder: PathBuf,
        /// What was seen.
        what: String,
    },
    /// The operating system refused something.
    #[error("cannot open the store in {}", folder.display())]
    Io {
        /// Where.
        folder: PathBuf,
        /// What it said.
        #[source]
        error: io::Error,
    },
}

/// sled and our descriptors, in the order in which they must be dropped: the lock last.
pub(crate) struct Index {
    pub(crate) tree: sled::Db,
    /// Our own descriptor of sled's `db`, for syncs.
    pub(crate) file: Arc<File>,
    folder: PathBuf,
    _released: Released,
    _lock: Lock,
}

/// Waits, when dropped, until the lock that sled held on `db` is free: a process that is being started (between fork
/// and exec) holds a copy of it a little longer than sled.
struct Released(Arc<File>);

impl Drop for Released {
    fn drop(&mut self) {
        // Without the wait only the next open would fail, and it would say why.
        let _ = self.0.lock().and_then(|()| self.0.unlock());
    }
}

/// Our lock on the folder, given back when dropped even if a process that is being started has a copy of the file.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // The end of the process gives it back too.
        let _ = self.0.unlock();
    }
}

/// An open store.
pub(crate) struct Opened {
    pub(crate) index: Index,
    pub(crate) files: Files,
    pub(crate) head: Head,
    /// How many transitions were ever written; less by those of its last second if the process was killed.
    pub(crate) commits: u64,
    pub(crate) ballast: Ballast,
}

pub(crate) fn open(config: &SledConfig, durability: &Durability) -> Result<Opened, OpenError> {
    let folder = &config.folder;
    let io = |error| OpenError::Io { folder: folder.clone(), error };
    let (index, files) = open_index(config, durability)?;
    let progress = check_progress(folder, &index.tree)?;
    sync_all(folder, &index, durability).map_err(io)?;
    let head = Head::start(config, durability.clone(), progress).map_err(io)?;
    let ballast = Ballast::new(folder, durability);
    ballast.tend().map_err(io)?;
    tracing::info!(folder = %folder.display(), commits = progress.commits, "store open");
    Ok(Opened { index, files, head, commits: progress.commits, ballast })
}

/// The index and the files under our lock, whatever is in them.
pub(crate) fn open_index(config: &SledConfig, durability: &Durability) -> Result<(Index, Files), OpenError> {
    let folder = &config.folder;
    let io = |error| OpenError::Io { folder: folder.clone(), error };
    make_private(folder).map_err(io)?;
    let lock = lock(folder)?;
    Ballast::new(folder, durability).let_go_if_full().map_err(io)?;
    let sled_folder = folder.join("sled");
    create_folder(&sled_folder).map_err(io)?;
    remove_torn_snapshots(&sled_folder).map_err(io)?;
    check_no_sled_blobs(&sled_folder).map_err(|what| damaged(folder, what))?;
    let files = Files::open(folder.join("files"), durability.clone()).map_err(io)?;

    let sled = sled::Config::new().path(&sled_folder).cache_capacity(config.cache_bytes);
    let sled = sled.flush_every_ms(Some(config.flush_every_ms));
    let tree = open_sled(folder, || sled.open())?;
    let file = Arc::new(File::options().read(true).write(true).open(sled_folder.join("db")).map_err(io)?);
    let released = Released(Arc::clone(&file));
    Ok((Index { tree, file, folder: sled_folder, _released: released, _lock: lock }, files))
}

impl Index {
    /// What would make the store unopenable after a loss of power (`storage.md`, rail 2).
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        check_no_sled_blobs(&self.folder)
            .map_err(|what| StoreError::Damaged { at: self.folder.display().to_string(), what })
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    create_folder(folder)?;
    let mut permissions = fs::metadata(folder)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o700);
        fs::set_permissions(folder, permissions)?;
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<Lock, OpenError> {
    let io = |error| OpenError::Io { folder: folder.to_owned(), error };
    let lock = File::options().create(true).write(true).truncate(false).open(folder.join("lock")).map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok(Lock(lock)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// A kill while sled writes its snapshot leaves a torn file that sled takes for a snapshot at every later open
/// (`storage.md`, rail 3). It is only renamed when it is complete, so one that still has this name is needed by nobody.
fn remove_torn_snapshots(sled_folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(sled_folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn check_no_sled_blobs(sled_folder: &Path) -> Result<(), String> {
    let mut entries = match fs::read_dir(sled_folder.join("blobs")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("sled's blobs folder cannot be read: {error}")),
    };
    match entries.next() {
        None => Ok(()),
        Some(_) => Err("sled wrote a value into a file that it does not sync, which must never happen".to_owned()),
    }
}

/// sled panics on some damage; that must stay an error of this store.
pub(crate) fn open_sled(folder: &Path, open: impl FnOnce() -> sled::Result<sled::Db>) -> Result<sled::Db, OpenError> {
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(tree)) => Ok(tree),
        Ok(Err(sled::Error::Io(error))) => Err(OpenError::Io { folder: folder.to_owned(), error }),
        Ok(Err(error)) => Err(damaged(folder, error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(damaged(folder, format!("sled panicked while opening it: {text}")))
        }
    }
}

/// Checks that the index is of our format and has got as far as the note beside it says; makes a new one.
fn check_progress(folder: &Path, tree: &sled::Db) -> Result<Progress, OpenError> {
    let broken = |error: StoreError| damaged(folder, error.to_string());
    let noted = head::read(folder).map_err(|error| damaged(folder, error.to_string()))?;
    let Some(found) = meta(tree, keys::FORMAT).map_err(broken)? else {
        if let Some(noted) = noted {
            return Err(damaged(folder, format!("its index is empty, but {} transitions were written", noted.commits)));
        }
        if !tree.is_empty() {
            return Err(damaged(folder, "it has data but no format version".to_owned()));
        }
        return create(tree).map_err(unavailable).map_err(broken);
    };
    let found = u32::from_be_bytes(found);
    if found == 0 || found > FORMAT {
        return Err(OpenError::Format { folder: folder.to_owned(), found, supported: FORMAT });
    }
    let id = meta(tree, keys::STORE_ID).map_err(broken)?;
    let id = id.ok_or_else(|| damaged(folder, "it has no id".to_owned()))?;
    let commits = meta(tree, keys::COMMITS).map_err(broken)?.map_or(0, u64::from_be_bytes);
    let progress = match noted {
        Some(noted) if noted.id != id => Err(damaged(folder, "its index belongs to another store".to_owned())),
        Some(noted) if noted.commits > commits => {
            Err(damaged(folder, format!("its index has {commits} of at least {} transitions", noted.commits)))
        }
        _ => Ok(Progress { id, commits }),
    }?;
    if found < FORMAT {
        if found < REFERENCES {
            write_rows(tree).map_err(unavailable).map_err(broken)?;
        }
        // Older programs refuse it from now on. Synced with all else before the first commit.
        tree.insert(keys::FORMAT, meta_value(&FORMAT.to_be_bytes())).map_err(unavailable).map_err(broken)?;
    }
    Ok(progress)
}

fn meta<const N: usize>(tree: &sled::Db, key: &[u8]) -> Result<Option<[u8; N]>, StoreError> {
    let at = || String::from_utf8_lossy(key).into_owned();
    let Some(stored) = tree.get(key).map_err(unavailable)? else { return Ok(None) };
    match decode(Kind::Meta, &stored, at)? {
        Body::Inline(bytes) if bytes.len() == N => Ok(bytes.first_chunk().copied()),
        _ => Err(crate::value::damaged(at(), "it has the wrong length")),
    }
}

fn create(tree: &sled::Db) -> sled::Result<Progress> {
    let id = random_id();
    let mut batch = sled::Batch::default();
    batch.insert(keys::FORMAT, meta_value(&FORMAT.to_be_bytes()));
    batch.insert(keys::STORE_ID, meta_value(&id));
    tree.apply_batch(batch)?;
    Ok(Progress { id, commits: 0 })
}

fn meta_value(bytes: &[u8]) -> Vec<u8> {
    encode(Kind::Meta, &Body::Inline(Bytes::copy_from_slice(bytes)))
}

/// Tells copies of stores apart; it need not be secret, so the seeds of the standard library's hash maps will do.
fn random_id() -> [u8; 16] {
    let [high, low] = [0u8, 1].map(|half| RandomState::new().hash_one(half));
    ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
}

/// What recovery has read may be in the kernel's memory only, left there by a process that was killed before its sync.
/// It must not be lost after somebody has acted on it. And the names of a new store's files must be durable.
fn sync_all(folder: &Path, index: &Index, durability: &Durability) -> io::Result<()> {
    durability.index(&index.tree, &index.file);
    durability.file(&File::open(index.folder.join("conf"))?);
    durability.folder(&index.folder)?;
    durability.folder(folder)?;
    let above = fs::canonicalize(folder)?;
    above.parent().map_or(Ok(()), |above| durability.folder(above))
}

fn damaged(folder: &Path, what: String) -> OpenError {
    OpenError::Damaged { folder: folder.to_owned(), what }
}
