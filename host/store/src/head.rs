//! A note beside the index of which store this is and how far it has got, so that an index that has lost its end, or
//! everything, is noticed: sled opens a file of zeros as an empty store.
//!
//! The note is written after the index was synced, about once a second (see the configuration) and at the end; it may lag, never lead. The
//! index itself is told the number only then, too: after a kill both count a little less than was written, and never more.
//! 28 bytes: the store's random id, the number of transitions (big-endian), crc32c of both.

use crate::SledConfig;
use crate::durability::Durability;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const ID_BYTES: usize = 16;
const BYTES: usize = ID_BYTES + 8 + 4;

/// What the note says, or what it will say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The name that the store got when it was made.
    pub(crate) id: [u8; ID_BYTES],
    /// How many transitions were ever written.
    pub(crate) commits: u64,
}

/// Reads the note of the store in `folder`; `None` if there is none yet.
pub(crate) fn read(folder: &Path) -> io::Result<Option<Progress>> {
    let bytes = match fs::read(path(folder)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let progress = parse(&bytes);
    progress
        .map(Some)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file head is not what was written"))
}

fn parse(bytes: &[u8]) -> Option<Progress> {
    let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
    let (facts, crc) = bytes.split_last_chunk()?;
    let (id, commits) = (facts.first_chunk()?, facts.last_chunk()?);
    let progress = Progress { id: *id, commits: u64::from_be_bytes(*commits) };
    (crc32c::crc32c(facts) == u32::from_be_bytes(*crc)).then_some(progress)
}

fn path(folder: &Path) -> PathBuf {
    folder.join("head")
}

/// Keeps the note.
pub(crate) struct Head {
    folder: PathBuf,
    durability: Durability,
    every: Duration,
    last: Progress,
    at: Instant,
}

// Seconds between two notes are nobody's business but this adapter's.
#[allow(clippy::disallowed_methods)]
impl Head {
    /// Writes the first note of this opening.
    pub(crate) fn start(config: &SledConfig, durability: Durability, progress: Progress) -> io::Result<Self> {
        let head = Self {
            folder: config.folder.clone(),
            durability,
            every: Duration::from_millis(config.note_every_ms),
            last: progress,
            at: Instant::now(),
        };
        head.write()?;
        Ok(head)
    }

    /// Whether it is time for a note. If so, the next call waits for its turn again.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.at.elapsed() >= self.every;
        if is_due {
            self.at = Instant::now();
        }
        is_due
    }

    /// After the index was synced with this number in it.
    pub(crate) fn note(&mut self, commits: u64) {
        if self.last.commits == commits {
            return;
        }
        self.last.commits = commits;
        if let Err(error) = self.write() {
            tracing::warn!(%error, "the store's progress could not be noted; a damaged index may go unnoticed");
        }
    }

    fn write(&self) -> io::Result<()> {
        let mut bytes = [&self.last.id[..], &self.last.commits.to_be_bytes()].concat();
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        let new = self.folder.join("head.new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        self.durability.file(&file);
        self.durability.rename(&new, &path(&self.folder))?;
        self.durability.folder(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_read_back_and_damage_is_seen() {
        let folder = tempfile::TempDir::new().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        let progress = Progress { id: [7; ID_BYTES], commits: 300 };
        let mut head = Head::start(&SledConfig::new(folder.path()), Durability::system(), progress).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(progress));
        head.note(301);
        assert_eq!(read(folder.path()).unwrap(), Some(Progress { commits: 301, ..progress }));
        let good = fs::read(path(folder.path())).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&bad), None, "bit {bit}");
        }
        assert_eq!(parse(&good[1..]), None);
    }
}
