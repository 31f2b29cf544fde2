//! Time that jumps, chance that repeats, and notes in memory.

use crate::ports::{Clock, Entropy, Note, NoteSlot, Notes};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stepwell_core::time::Timestamp;

/// Follows tokio's clock, which a test pauses: when nothing can go on, time jumps to the next thing that is due.
pub struct FakeClock {
    began: tokio::time::Instant,
    at: Timestamp,
}

impl FakeClock {
    /// It is `at` now.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self { began: tokio::time::Instant::now(), at }
    }
}

#[async_trait::async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.at.plus(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    #[allow(clippy::disallowed_methods)] // this is the adapter
    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(Duration::from_millis(at.since(self.now()))).await;
    }
}

/// A fixed sequence: xorshift from a seed.
pub struct FakeEntropy(Mutex<u64>);

impl FakeEntropy {
    /// The sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed | 1))
    }
}

impl Entropy for FakeEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in bytes {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            *byte = state.to_be_bytes()[0];
        }
    }
}

/// Notes that outlive the handle, as a file does.
#[derive(Default)]
pub struct MemoryNotes {
    file: Arc<Mutex<BTreeMap<u32, Note>>>,
    left_behind: Mutex<Vec<Note>>,
    dead: AtomicBool,
}

impl MemoryNotes {
    /// The process is killed: from now on nothing that its tasks do, not even their end, reaches the file.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    /// The next process on the same file.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let left_behind = self.file.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect();
        Self { file: Arc::clone(&self.file), left_behind: Mutex::new(left_behind), dead: AtomicBool::new(false) }
    }
}

impl Notes for MemoryNotes {
    fn left_behind(&self) -> Vec<Note> {
        self.left_behind.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn forget_left_behind(&self) {
        let left = std::mem::take(&mut *self.left_behind.lock().unwrap_or_else(PoisonError::into_inner));
        self.file.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, note| !left.contains(note));
    }

    fn begin(&self, note: Note) -> Option<NoteSlot> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = file.last_key_value().map_or(0, |(slot, _)| slot + 1);
        file.insert(slot, note);
        Some(NoteSlot(slot))
    }

    fn end(&self, slot: NoteSlot) {
        if !self.dead.load(Ordering::SeqCst) {
            self.file.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot.0);
        }
    }
}
