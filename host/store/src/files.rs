//! Content-addressed files: large values and blobs, by tenant, named by their SHA-256, never changed.
//!
//! A file is complete and durable before it has its name, and its name is durable before anything refers to it
//! (`storage.md`, rail 2): temporary file, fsync, rename, fsync of the folder.

use crate::durability::Durability;
use crate::holds::{Held, Holds};
use crate::look::Wanted;
use crate::value::Reference;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::{Digest, TenantId};

/// What a file is for. They are apart because they are collected by different rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Area {
    /// Bodies too large for sled.
    Values,
    /// What the port calls blobs.
    Blobs,
}

impl Area {
    /// The name of its folder.
    fn word(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Blobs => "blobs",
        }
    }
}

/// Which files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) area: Area,
    pub(crate) tenant: TenantId,
}

/// Bytes that are not those of their digest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("the file {0} is not what was written")]
    Damaged(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Most folders that are remembered as durable; then all are forgotten, which costs only syncs.
const REMEMBERED_FOLDERS: usize = 65_536;

pub(crate) struct Files {
    root: PathBuf,
    durability: Durability,
    /// Folders whose names this process has synced, up to the root.
    durable: Mutex<HashSet<PathBuf>>,
    next: AtomicU64,
    holds: Arc<Holds>,
}

impl Files {
    /// Makes the folders, removes unfinished files. Only while the store's lock is held.
    pub(crate) fn open(root: PathBuf, durability: Durability) -> io::Result<Self> {
        create_folder(&root)?;
        let new = root.join("new");
        create_folder(&new)?;
        for entry in fs::read_dir(&new)? {
            fs::remove_file(entry?.path())?;
        }
        durability.folder(&root)?;
        Ok(Self { root, durability, durable: Mutex::default(), next: AtomicU64::new(0), holds: Arc::default() })
    }

    /// As [`Files::put`], and nobody removes the file as long as the hold lives.
    pub(crate) fn put_held(&self, place: Place, bytes: &[u8]) -> io::Result<(Reference, Held)> {
        let held = self.holds.take(place.tenant, Reference::of(bytes).digest);
        self.put(place, bytes).map(|reference| (reference, held))
    }

    pub(crate) fn holds(&self) -> &Holds {
        &self.holds
    }

    /// Keeps the bytes; on return they are durable under their digest.
    pub(crate) fn put(&self, place: Place, bytes: &[u8]) -> io::Result<Reference> {
        let reference = Reference::of(bytes);
        let path = self.path(place, reference.digest);
        let folder = path.parent().unwrap_or(&self.root);
        self.make_durable(folder)?;
        // A file that has its name is complete. Its name may be younger than the last sync of the folder.
        if !fs::metadata(&path).is_ok_and(|found| found.len() == reference.length) {
            self.write(&path, bytes)?;
        }
        self.durability.folder(folder)?;
        Ok(reference)
    }

    /// The bytes of a digest, checked; `None` if there is no such file.
    pub(crate) fn get(&self, place: Place, digest: Digest) -> Result<Option<Bytes>, FileError> {
        let bytes = match fs::read(self.path(place, digest)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if Reference::of(&bytes).digest == digest {
            Ok(Some(bytes.into()))
        } else {
            Err(FileError::Damaged(digest.hex()))
        }
    }

    /// Whether there is a file of this digest, whatever is in it.
    pub(crate) fn has(&self, place: Place, digest: Digest) -> io::Result<bool> {
        self.path(place, digest).try_exists()
    }

    /// The tenants that have files of this area, in the order of their numbers.
    pub(crate) fn tenants(&self, area: Area) -> io::Result<Vec<TenantId>> {
        let mut tenants: Vec<_> =
            entries(&self.root.join(area.word()))?.iter().filter_map(|path| number(path)).collect();
        tenants.sort_unstable();
        Ok(tenants)
    }

    /// All files: which, and how long. What is made or removed meanwhile is in it or not.
    pub(crate) fn all(&self) -> io::Result<impl Iterator<Item = io::Result<(Wanted, u64)>> + use<>> {
        let mut folders = Vec::new();
        for area in [Area::Values, Area::Blobs] {
            for folder in entries(&self.root.join(area.word()))? {
                let Some(tenant) = number(&folder) else { continue };
                folders.extend(entries(&folder)?.into_iter().map(|inner| (area, tenant, inner)));
            }
        }
        Ok(folders.into_iter().flat_map(|(area, tenant, inner)| {
            let found = entries(&inner).map(|files| {
                let named = files.into_iter().filter_map(|path| Some((digest(&path)?, path)));
                named
                    .filter_map(|(digest, path)| match fs::metadata(path) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                        found => Some(found.map(|found| ((area, tenant, digest), found.len()))),
                    })
                    .collect::<Vec<_>>()
            });
            found.unwrap_or_else(|error| vec![Err(error)])
        }))
    }

    /// The digests that begin with this byte and have a file.
    pub(crate) fn part(&self, place: Place, part: u8) -> io::Result<Vec<Digest>> {
        let found = entries(&self.folder(place).join(format!("{part:02x}")))?;
        Ok(found.iter().filter_map(|path| format!("sha256:{}", path.file_name()?.to_str()?).parse().ok()).collect())
    }

    /// Removes a file for which nobody has a hold.
    pub(crate) fn remove(&self, place: Place, digest: Digest) -> io::Result<()> {
        match fs::remove_file(self.path(place, digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes at most so many files and folders of a tenant; how many it were.
    pub(crate) fn purge(&self, tenant: TenantId, limit: usize) -> io::Result<usize> {
        let mut gone = 0;
        for area in [Area::Values, Area::Blobs] {
            let folder = self.folder(Place { area, tenant });
            self.durable.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| !known.starts_with(&folder));
            for inner in entries(&folder)? {
                for file in entries(&inner)? {
                    if gone >= limit {
                        return Ok(gone);
                    }
                    fs::remove_file(file)?;
                    gone += 1;
                }
                if gone >= limit {
                    return Ok(gone);
                }
                fs::remove_dir(inner)?;
                gone += 1;
            }
            if gone >= limit {
                return Ok(gone);
            }
            match fs::remove_dir(&folder) {
                Ok(()) => gone += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(gone)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = self.root.join("new").join(number.to_string());
        let written = self.write_as(&temporary, bytes).and_then(|()| self.durability.rename(&temporary, path));
        if written.is_err() {
            // Room for others; what stays behind is removed at the next open.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn write_as(&self, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create_new(temporary)?;
        file.write_all(bytes)?;
        self.durability.file(&file);
        Ok(())
    }

    /// Makes a folder and all above it, as far as the root, and makes their names durable.
    fn make_durable(&self, folder: &Path) -> io::Result<()> {
        if self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(folder) {
            return Ok(());
        }
        create_folder(folder)?;
        // A folder found in place may be younger than the last sync of the one above it: sync all.
        for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(&self.root)) {
            self.durability.folder(above)?;
        }
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if durable.len() >= REMEMBERED_FOLDERS {
            durable.clear();
        }
        durable.insert(folder.to_owned());
        Ok(())
    }

    fn path(&self, place: Place, digest: Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder(place).join(&hex[..2]).join(hex)
    }

    fn folder(&self, place: Place) -> PathBuf {
        self.root.join(place.area.word()).join(place.tenant.0.to_string())
    }
}

/// The tenant whose folder this is.
fn number(folder: &Path) -> Option<TenantId> {
    Some(TenantId(folder.file_name()?.to_str()?.parse().ok()?))
}

/// The digest that a file is named by.
fn digest(file: &Path) -> Option<Digest> {
    format!("sha256:{}", file.file_name()?.to_str()?).parse().ok()
}

/// What is in a folder; nothing if there is none.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl Reference {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { digest: Digest(Sha256::digest(bytes).into()), length: bytes.len() as u64 }
    }
}

/// A folder that only we can enter, and all above it; also if they are there.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
