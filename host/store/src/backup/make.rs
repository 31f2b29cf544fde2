//! A backup of a store that is in use: all rows as they were at one moment, then all files, which never change.

use super::frame::{MAGIC, Pieces};
use super::{End, Header, VERSION};
use crate::files::{Area, FileError, Files, Place};
use crate::freeze::{FreezeError, Row, Writes};
use crate::value::{Body, Kind, decode};
use crate::{keys, look::Wanted};
use bytes::Bytes;
use std::io;

/// Bytes of a file in one piece.
const CONTENT_BYTES: usize = 1 << 20;

/// Why a backup is not made, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// One is being made.
    #[error("a backup is being made already; wait until it is done")]
    Busy,
    /// Whoever wanted it has gone.
    #[error("nobody takes the backup any more")]
    Gone,
    /// Too much changed while it was made.
    #[error(
        "so much was written meanwhile that the store as it was could not be kept; try again when there is less to do"
    )]
    Overrun,
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Store(String),
}

impl From<FreezeError> for MakeError {
    fn from(error: FreezeError) -> Self {
        match error {
            FreezeError::Overrun => Self::Overrun,
            FreezeError::Index(error) => Self::Store(error.to_string()),
        }
    }
}

impl From<io::Error> for MakeError {
    fn from(error: io::Error) -> Self {
        Self::Store(error.to_string())
    }
}

/// Takes the bytes of a backup; false: nobody wants more.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Bytes) -> bool;

/// A backup under way.
struct Making<'a> {
    pieces: Pieces,
    sink: Sink<'a>,
    files: &'a Files,
    end: End,
}

/// Writes a backup to the sink. Blocks; writers of the store wait for a part of the rows at most.
pub(crate) fn make(tree: &sled::Db, files: &Files, writes: &Writes, sink: Sink<'_>) -> Result<(), MakeError> {
    let moment = writes.freeze().ok_or(MakeError::Busy)?;
    let mut making = Making { pieces: Pieces::new(), sink, files, end: End::default() };
    making.send(Bytes::from_static(MAGIC))?;
    let id = fact(tree, keys::STORE_ID)?.iter().map(|byte| format!("{byte:02x}")).collect();
    making.json(b'h', &Header { version: VERSION, store: id })?;
    moment.rows(tree, |rows| making.rows(&rows))?;
    for found in files.all()? {
        let (file, length) = found?;
        making.file(file, length)?;
    }
    making.end.sha256 = making.pieces.sum();
    let end = making.end.clone();
    making.json(b'z', &end)
}

fn fact(tree: &sled::Db, key: &[u8]) -> Result<Bytes, MakeError> {
    let stored = tree.get(key).map_err(|error| MakeError::Store(error.to_string()))?.unwrap_or_default();
    match decode(Kind::Meta, &stored, || "the store's own facts".to_owned()) {
        Ok(Body::Inline(bytes)) => Ok(bytes),
        Ok(Body::Filed(_)) => Ok(Bytes::new()),
        Err(error) => Err(MakeError::Store(error.to_string())),
    }
}

impl Making<'_> {
    fn send(&mut self, bytes: Bytes) -> Result<(), MakeError> {
        if (self.sink)(bytes) { Ok(()) } else { Err(MakeError::Gone) }
    }

    fn piece(&mut self, letter: u8, bytes: &[u8]) -> Result<(), MakeError> {
        let piece = self.pieces.piece(letter, bytes);
        self.send(piece.into())
    }

    fn json(&mut self, letter: u8, value: &impl serde::Serialize) -> Result<(), MakeError> {
        let text = serde_json::to_vec(value).map_err(|error| MakeError::Store(error.to_string()))?;
        self.piece(letter, &text)
    }

    fn rows(&mut self, rows: &[Row]) -> Result<(), MakeError> {
        let mut out = Vec::new();
        for (key, value) in rows {
            // Keys have at most 520 bytes, values 4 KiB.
            out.extend(u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend(key);
            out.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend(value);
            self.end.rows += 1;
        }
        self.piece(b'r', &out)
    }

    fn file(&mut self, (area, tenant, digest): Wanted, length: u64) -> Result<(), MakeError> {
        let bytes = match self.files.get(Place { area, tenant }, digest) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(()), // of nobody: what the rows name is kept
            Err(FileError::Io(error)) => return Err(error.into()),
            Err(FileError::Damaged(_)) => {
                tracing::error!(%digest, %tenant, length, "a damaged file is not in the backup");
                self.end.damaged += 1;
                return self.piece(b'x', format!("{digest} of {tenant}").as_bytes());
            }
        };
        let letter = if area == Area::Values { b'v' } else { b'b' };
        let mut head = vec![letter];
        head.extend(tenant.0.to_be_bytes());
        head.extend(digest.0);
        head.extend((bytes.len() as u64).to_be_bytes());
        self.piece(b'f', &head)?;
        for part in bytes.chunks(CONTENT_BYTES) {
            self.piece(b'c', part)?;
        }
        self.end.files += 1;
        self.end.file_bytes += bytes.len() as u64;
        Ok(())
    }
}
