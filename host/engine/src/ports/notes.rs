//! In-flight notes: which attempts were running when the process ended abnormally (semantics C15).
//!
//! A note must survive the end of the process, not a loss of power, so it costs no wait for the disk.

use super::store::ExecutionKey;
use stepwell_core::execution::RunIx;

/// One running attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Note {
    /// Of which execution.
    pub execution: ExecutionKey,
    /// Of which step run.
    pub run: RunIx,
    /// Which attempt, from 1.
    pub attempt: u32,
}

/// Where a note stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoteSlot(pub u32);

/// The port. Notes are few: at most one for each turn of the scheduler.
pub trait Notes: Send + Sync + 'static {
    /// The notes that the last process left behind; empty after a graceful shutdown.
    fn left_behind(&self) -> Vec<Note>;

    /// Forgets what the last process left behind: it is in the journals now.
    fn forget_left_behind(&self);

    /// Notes that an attempt begins. `None`: no slot or no disk; the attempt runs without a note.
    fn begin(&self, note: Note) -> Option<NoteSlot>;

    /// Notes that it ended.
    fn end(&self, slot: NoteSlot);
}
