//! Looking at one row without doing anything with it: is it what was written, can it be read, and which files does it name?

use crate::files::{Area, FileError, Files, Place};
use crate::named::Named;
use crate::pack;
use crate::value::{Body, Kind, decode, decode_record};
use bytes::Bytes;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_engine::ports::{RecordStatus, StoreError, Summary};

/// What the bytes in a store mean: the store itself does not know. Each says why bytes cannot be read.
pub trait Meaning: Send + Sync {
    /// A journal line: the blobs that it names.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn entry(&self, entry: &[u8]) -> Result<Vec<Digest>, String>;
    /// The state in a record: how many journal lines are in it, where it says so.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn state(&self, status: RecordStatus, state: &[u8]) -> Result<Option<u32>, String>;
    /// A document of the kind with this number: the blobs that it names.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn document(&self, kind: u8, document: &[u8]) -> Result<Vec<Digest>, String>;
}

/// A file that a row names.
pub(crate) type Wanted = (Area, TenantId, Digest);

/// What was seen of a row that is as it was written.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of a record.
    pub(crate) summary: Option<Summary>,
    /// Of a record whose state says it: how many journal lines are in it.
    pub(crate) lines: Option<u32>,
    /// Files that it names; those of large values were read.
    pub(crate) files: Vec<Wanted>,
    /// Bytes of its file.
    pub(crate) filed_bytes: u64,
}

/// Why a row is not what was written.
#[derive(Debug)]
pub(crate) enum Wrong {
    Damaged(String),
    /// The disk does not give it now.
    Unreadable(String),
}

impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Self::Damaged(what)
    }
}

/// A row, or each line of one that has several, as it would be alone.
pub(crate) fn apart(named: Named, value: &[u8]) -> Vec<(Named, &[u8])> {
    match named {
        Named::Line(of, first) => (first..).map(|seq| Named::Line(of, seq)).zip(pack::parts(value)).collect(),
        other => vec![(other, value)],
    }
}

/// Reads and checks a row of [`apart`] and its file, and asks what it means.
pub(crate) fn look(files: &Files, meaning: &dyn Meaning, named: &Named, value: &[u8]) -> Result<Seen, Wrong> {
    let (mut seen, bytes) = read(files, named, value)?;
    let blobs = match named {
        Named::Record(_) => {
            let status = seen.summary.as_ref().map_or(RecordStatus::Unfinished, |summary| summary.status);
            seen.lines = meaning.state(status, &bytes)?;
            Vec::new()
        }
        Named::Line(..) => meaning.entry(&bytes)?,
        Named::Document(_, kind, _) => meaning.document(*kind, &bytes)?,
        Named::Index(_) | Named::Reference(_) | Named::Meta => Vec::new(),
    };
    if let Some(tenant) = named.tenant() {
        seen.files.extend(blobs.into_iter().map(|blob| (Area::Blobs, tenant, blob)));
    }
    Ok(seen)
}

/// Reads and checks a row of [`apart`] and its file: what it says of itself, and its body.
pub(crate) fn read(files: &Files, named: &Named, value: &[u8]) -> Result<(Seen, Bytes), Wrong> {
    let mut seen = Seen::default();
    let body = match named {
        Named::Index(_) | Named::Reference(_) if value.is_empty() => return Ok((seen, Bytes::new())),
        Named::Index(_) | Named::Reference(_) => {
            return Err("an index row has no value, and this one has".to_owned().into());
        }
        Named::Record(_) => {
            let (summary, body) = decode_record(value, String::new).map_err(what)?;
            seen.summary = Some(summary);
            body
        }
        Named::Line(..) => decode(Kind::Line, value, String::new).map_err(what)?,
        Named::Document(..) => decode(Kind::Document, value, String::new).map_err(what)?,
        Named::Meta => decode(Kind::Meta, value, String::new).map_err(what)?,
    };
    let tenant = named.tenant().unwrap_or(TenantId::DEFAULT);
    let bytes = fetch(files, (tenant, body), &mut seen)?;
    Ok((seen, bytes))
}

fn fetch(files: &Files, (tenant, body): (TenantId, Body), seen: &mut Seen) -> Result<Bytes, Wrong> {
    let file = match body {
        Body::Inline(bytes) => return Ok(bytes),
        Body::Filed(file) => file,
    };
    seen.files.push((Area::Values, tenant, file.digest));
    seen.filed_bytes = file.length;
    match files.get(Place { area: Area::Values, tenant }, file.digest) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(format!("its file {} is missing", file.digest.hex()).into()),
        Err(error @ FileError::Damaged(_)) => Err(error.to_string().into()),
        Err(FileError::Io(error)) => Err(Wrong::Unreadable(format!("its file cannot be read: {error}"))),
    }
}

fn what(error: StoreError) -> Wrong {
    match error {
        StoreError::Damaged { what, .. } => Wrong::Damaged(what),
        StoreError::Unavailable(what) => Wrong::Unreadable(what),
    }
}
