//! In-flight notes in a file of fixed slots. A note is one small write that is not synced: it must survive the end of the process, which the
//! page cache does, and not a loss of power.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use stepwell_core::execution::RunIx;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_engine::ports::{ExecutionKey, Note, NoteSlot, Notes};

/// Bytes of a slot: tenant 4, execution 16, run 4, attempt 4, crc32c of these 4.
const SLOT: usize = 32;

/// The notes of one server.
pub struct FileNotes {
    file: File,
    slots: Mutex<Slots>,
}

struct Slots {
    free: Vec<u32>,
    left_behind: Vec<(u32, Note)>,
}

impl FileNotes {
    /// Opens the file, or makes it with mode 0600, with room for so many notes.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(path: &Path, slots: u32) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        // Notes of an earlier start with more slots count too.
        let stored = u32::try_from(file.metadata()?.len() / SLOT as u64).unwrap_or(u32::MAX).min(slots.max(1 << 16));
        let (mut free, mut left_behind) = (Vec::new(), Vec::new());
        for slot in (0..slots.max(stored)).rev() {
            let mut bytes = [0; SLOT];
            let read = file.read_at(&mut bytes, offset(slot));
            match read.ok().filter(|read| *read == SLOT).and_then(|_| decode(&bytes)) {
                Some(note) => left_behind.push((slot, note)),
                None => free.push(slot),
            }
        }
        Ok(Self { file, slots: Mutex::new(Slots { free, left_behind }) })
    }

    fn write(&self, slot: u32, bytes: &[u8; SLOT]) -> bool {
        let written = self.file.write_all_at(bytes, offset(slot));
        if let Err(error) = &written {
            tracing::warn!(%error, "an in-flight note could not be written");
        }
        written.is_ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes for FileNotes {
    fn left_behind(&self) -> Vec<Note> {
        self.lock().left_behind.iter().map(|(_, note)| *note).collect()
    }

    fn forget_left_behind(&self) {
        let left = std::mem::take(&mut self.lock().left_behind);
        for (slot, _) in left {
            self.write(slot, &[0; SLOT]);
            self.lock().free.push(slot);
        }
    }

    fn begin(&self, note: Note) -> Option<NoteSlot> {
        let slot = self.lock().free.pop()?;
        if self.write(slot, &encode(&note)) {
            return Some(NoteSlot(slot));
        }
        self.lock().free.push(slot);
        None
    }

    fn end(&self, slot: NoteSlot) {
        self.write(slot.0, &[0; SLOT]);
        self.lock().free.push(slot.0);
    }
}

fn offset(slot: u32) -> u64 {
    u64::from(slot) * SLOT as u64
}

fn encode(note: &Note) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    bytes[..4].copy_from_slice(&note.execution.tenant.0.to_be_bytes());
    bytes[4..20].copy_from_slice(&note.execution.id.to_bytes());
    bytes[20..24].copy_from_slice(&note.run.0.to_be_bytes());
    bytes[24..28].copy_from_slice(&note.attempt.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// `None` for an empty slot, and for one that was torn: half a note names nothing.
fn decode(bytes: &[u8; SLOT]) -> Option<Note> {
    let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    if word(24)? == 0 || word(28)? != crc32c::crc32c(&bytes[..28]) {
        return None;
    }
    let id = ExecutionId::from_bytes(bytes.get(4..20)?.try_into().ok()?);
    let execution = ExecutionKey { tenant: TenantId(word(0)?), id };
    Some(Note { execution, run: RunIx(word(20)?), attempt: word(24)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(n: u8) -> Note {
        let execution = ExecutionKey { tenant: TenantId(1), id: ExecutionId::from_bytes([n; 16]) };
        Note { execution, run: RunIx(u32::from(n)), attempt: 1 }
    }

    #[test]
    fn what_was_not_ended_is_left_behind() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("in-flight");
        let first = FileNotes::open(&path, 2).expect("opens");
        let (a, b) = (first.begin(note(1)).expect("room"), first.begin(note(2)).expect("room"));
        assert_eq!(first.begin(note(3)), None, "no slot: the attempt runs without a note");
        first.end(a);
        assert!(first.begin(note(4)).is_some() && b != a);
        drop(first); // as a kill does: nothing is ended

        let second = FileNotes::open(&path, 2).expect("opens");
        let mut left = second.left_behind();
        left.sort_unstable();
        assert_eq!(left, [note(2), note(4)]);
        assert_eq!(second.begin(note(5)), None, "they keep their slots until they are in the journals");
        second.forget_left_behind();
        assert!(second.begin(note(5)).is_some());
        drop(second);
        assert_eq!(FileNotes::open(&path, 1).expect("opens").left_behind(), [note(5)]);
    }

    #[test]
    fn a_torn_note_names_nothing() {
        let mut bytes = encode(&note(7));
        assert_eq!(decode(&bytes), Some(note(7)));
        bytes[9] ^= 1;
        assert_eq!(decode(&bytes), None);
        assert_eq!(decode(&[0; SLOT]), None);
    }
}
