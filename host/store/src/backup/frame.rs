//! How a backup looks: sixteen bytes that say what it is, then pieces, each with a letter, its length (big-endian, four bytes), its bytes and
//! their crc32c (with letter and length). The last piece says how much there was, and the SHA-256 of all before it.
//!
//! | letter | bytes |
//! |---|---|
//! | `h` | JSON: version, store, commits |
//! | `r` | rows: length of the key (two bytes), key, length of the value (four bytes), value; again and again |
//! | `f` | a file begins: `v` or `b`, tenant (four bytes), digest (32 bytes), length (eight bytes) |
//! | `c` | the next bytes of that file |
//! | `x` | text: a file that was not what it should be, and is not in the backup |
//! | `z` | JSON: rows, files, bytes of files, sha256 |

use sha2::{Digest as _, Sha256};
use std::io::{self, Read};

/// What a backup begins with.
pub(super) const MAGIC: &[u8; 16] = b"stepwell backup\n";
/// Longest piece.
const PIECE_BYTES: usize = 16 << 20;
const HEAD_BYTES: usize = 5;

/// Why a backup is not read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It is something else.
    #[error("this is no backup of a store")]
    NotOne,
    /// It was changed, or has lost its end.
    #[error("the backup is damaged: {0}; make another one")]
    Damaged(String),
    /// A later version of this program wrote it.
    #[error("the backup has version {0}, which this program does not read")]
    Version(u32),
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The store into which it is restored.
    #[error(transparent)]
    Store(#[from] crate::OpenError),
}

pub(super) fn damaged(what: &str) -> BackupError {
    BackupError::Damaged(what.to_owned())
}

/// Makes pieces, and counts what it has made.
pub(super) struct Pieces(Sha256);

impl Pieces {
    pub(super) fn new() -> Self {
        Self(Sha256::new())
    }

    /// The bytes of a piece, as they go out.
    pub(super) fn piece(&mut self, letter: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + bytes.len() + 4);
        out.push(letter);
        // Pieces are made of parts of at most a mebibyte.
        out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(bytes);
        out.extend(crc32c::crc32c(&out).to_be_bytes());
        self.0.update(&out);
        out
    }

    /// What identifies all that was made so far.
    pub(super) fn sum(&self) -> String {
        sum(&self.0)
    }
}

fn sum(hash: &Sha256) -> String {
    hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads pieces, and holds each to its checksum.
pub(super) struct Reading<R> {
    from: R,
    hash: Sha256,
}

impl<R: Read> Reading<R> {
    /// # Errors
    /// It is no backup.
    pub(super) fn new(mut from: R) -> Result<Self, BackupError> {
        let mut magic = [0; MAGIC.len()];
        from.read_exact(&mut magic).map_err(cut(BackupError::NotOne))?;
        if &magic == MAGIC { Ok(Self { from, hash: Sha256::new() }) } else { Err(BackupError::NotOne) }
    }

    /// The next piece, and the sum of all before it.
    pub(super) fn next(&mut self) -> Result<(u8, Vec<u8>, String), BackupError> {
        let mut piece = vec![0; HEAD_BYTES];
        self.from.read_exact(&mut piece).map_err(cut(damaged("it has lost its end")))?;
        let letter = piece.first().copied().unwrap_or_default();
        let length =
            piece.get(1..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_be_bytes(*bytes)) as usize;
        if length > PIECE_BYTES {
            return Err(damaged("a piece is longer than any"));
        }
        piece.resize(HEAD_BYTES + length + 4, 0);
        let rest = piece.get_mut(HEAD_BYTES..).unwrap_or_default();
        self.from.read_exact(rest).map_err(cut(damaged("it has lost its end")))?;
        let Some((content, crc)) = piece.split_last_chunk::<4>() else { return Err(damaged("a piece is too short")) };
        if crc32c::crc32c(content) != u32::from_be_bytes(*crc) {
            return Err(damaged("a piece is not what was written"));
        }
        let sum = sum(&self.hash);
        self.hash.update(&piece);
        piece.truncate(HEAD_BYTES + length);
        piece.drain(..HEAD_BYTES);
        Ok((letter, piece, sum))
    }

    /// Nothing comes after the last piece.
    pub(super) fn end(&mut self) -> Result<(), BackupError> {
        if self.from.read(&mut [0])? == 0 { Ok(()) } else { Err(damaged("something stands behind its end")) }
    }
}

/// What an early end means.
fn cut(meaning: BackupError) -> impl FnOnce(io::Error) -> BackupError {
    |error| if error.kind() == io::ErrorKind::UnexpectedEof { meaning } else { error.into() }
}
