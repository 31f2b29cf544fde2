//! What takes up room: bytes by tenant and kind (`stepwell du`).

use crate::check::CheckError;
use crate::files::{Area, Files};
use crate::named::{Named, named};
use crate::offline::Offline;
use crate::pack;
use crate::read::unavailable;
use crate::value::{Body, Kind, decode, decode_record};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use stepwell_core::ids::TenantId;

/// How many there are, and how many bytes they are together: keys, values and files as they are, without what sled adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What a tenant has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantSizes {
    /// Records, with their states.
    pub executions: Amount,
    /// Lines, with their results.
    pub journals: Amount,
    /// By the number of their kind.
    pub documents: BTreeMap<u8, Amount>,
    /// Rows of lists, wakes and starts.
    pub indexes: Amount,
    /// Uploaded components and scripts.
    pub components: Amount,
}

/// What a store has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sizes {
    /// By tenant.
    pub tenants: BTreeMap<TenantId, TenantSizes>,
    /// Bytes of sled's files on the disk.
    pub index_bytes: u64,
    /// Bytes that are kept for a full disk.
    pub ballast_bytes: u64,
}

impl Offline {
    /// What takes up room.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn sizes(&self) -> Result<Sizes, CheckError> {
        sizes(self.folder(), self.tree(), self.files())
    }
}

pub(crate) fn sizes(folder: &Path, tree: &sled::Db, files: &Files) -> Result<Sizes, CheckError> {
    let mut sizes = Sizes::default();
    for row in tree.iter() {
        let (key, value) = row.map_err(unavailable)?;
        let Some(named) = named(&key) else { continue };
        let Some(tenant) = named.tenant() else { continue };
        let bytes = (key.len() + value.len()) as u64 + filed(&named, &value);
        let of = sizes.tenants.entry(tenant).or_default();
        match named {
            Named::Record(_) => of.executions.add(bytes),
            Named::Line(..) => {
                of.journals.count += pack::parts(&value).len() as u64;
                of.journals.bytes += bytes;
            }
            Named::Document(_, kind, _) => of.documents.entry(kind).or_default().add(bytes),
            Named::Index(_) | Named::Reference(_) | Named::Meta => of.indexes.add(bytes),
        }
    }
    for found in files.all()? {
        // Those of large values were counted with what names them.
        let ((area, tenant, _), bytes) = found?;
        if area == Area::Blobs {
            sizes.tenants.entry(tenant).or_default().components.add(bytes);
        }
    }
    sizes.index_bytes = folder_bytes(&folder.join("sled"))?;
    sizes.ballast_bytes = std::fs::metadata(folder.join("ballast")).map_or(0, |found| found.len());
    Ok(sizes)
}

/// Bytes of the file that a row names; a damaged row names none.
fn filed(named: &Named, value: &[u8]) -> u64 {
    let body = match named {
        Named::Record(_) => decode_record(value, String::new).map(|(_, body)| body),
        Named::Line(..) => decode(Kind::Line, value, String::new),
        Named::Document(..) => decode(Kind::Document, value, String::new),
        Named::Index(_) | Named::Reference(_) | Named::Meta => return 0,
    };
    if let Ok(Body::Filed(file)) = body { file.length } else { 0 }
}

/// Bytes of the files in a folder.
///
/// # Errors
/// It cannot be read.
pub fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    for entry in entries {
        match entry?.metadata() {
            Ok(found) if found.is_file() => sum += found.len(),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // gone meanwhile
            Err(error) => return Err(error),
        }
    }
    Ok(sum)
}
