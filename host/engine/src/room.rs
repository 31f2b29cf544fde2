//! Room on the disk: what is refused when there is little of it, so that what is under way can still end (`storage.md`, rail 5).

use crate::Error;
use crate::engine::Engine;
use crate::ports::DiskUse;
use std::sync::{Mutex, PoisonError};

/// The disk is looked at this often, milliseconds.
const LOOK_MS: u64 = 5_000;
/// When it is worth trying again, seconds: somebody has to make room.
const RETRY_S: u32 = 30;

/// From where on work is refused, in percent of the disk. 100: only when nothing is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskMarks {
    /// Nothing that grows the store begins.
    pub low: u8,
    /// Only what is under way ends, is cancelled, or is deleted.
    pub high: u8,
    /// So many free bytes are enough for everything, and half of them for what is under way, whatever part of a large disk they are.
    pub spare_bytes: u64,
}

impl Default for DiskMarks {
    fn default() -> Self {
        Self { low: 90, high: 95, spare_bytes: 4 << 30 }
    }
}

/// How much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Room {
    /// Enough, or nobody knows.
    #[default]
    Enough,
    /// The low mark is reached.
    Low,
    /// The high mark is reached.
    Full,
}

impl Room {
    /// `ok`, `low`, `full`
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Enough => "ok",
            Self::Low => "low",
            Self::Full => "full",
        }
    }
}

/// What an operation does to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It reads, makes room, or lets something end that is under way: always allowed.
    Nothing,
    /// A few bytes of something that is there already: allowed up to the high mark.
    Little,
    /// Something new: allowed up to the low mark.
    Growth,
}

/// What was seen last.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<(Room, Option<DiskUse>)>);

impl Rooms {
    fn last(&self) -> (Room, Option<DiskUse>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskMarks {
    /// What these marks make of a disk.
    #[must_use]
    pub fn room(self, disk: DiskUse) -> Room {
        let used = u128::from(disk.total_bytes.saturating_sub(disk.free_bytes)) * 100;
        // A disk that says nothing of itself is no reason to refuse anything.
        let reached = |mark: u8, spare: u64| {
            let part = u128::from(disk.total_bytes) * u128::from(mark);
            disk.total_bytes > 0 && used >= part && (disk.free_bytes < spare || spare == 0)
        };
        match (reached(self.high, self.spare_bytes / 2), reached(self.low, self.spare_bytes)) {
            (true, _) => Room::Full,
            (false, true) => Room::Low,
            (false, false) => Room::Enough,
        }
    }
}

impl Engine {
    /// How much room there is on the disk, and how full it is, if anybody knows.
    #[must_use]
    pub fn disk_room(&self) -> (Room, Option<DiskUse>) {
        self.inner.rooms.last()
    }

    /// Whether there is room for this.
    ///
    /// # Errors
    /// [`Error::NoRoom`] `disk_low`, `disk_full`.
    pub fn room_for(&self, need: Need) -> Result<(), Error> {
        if need == Need::Nothing {
            return Ok(());
        }
        let (room, marks) = (self.inner.rooms.last().0, self.inner.limits.disk);
        let ends = "what is under way can end, be cancelled and be deleted";
        match (room, need) {
            (Room::Full, _) => {
                let message = refusal(marks.high, ends);
                Err(Error::NoRoom { code: "disk_full", message, retry_after_s: RETRY_S })
            }
            (Room::Low, Need::Growth) => {
                let message = refusal(marks.low, "what is under way goes on");
                Err(Error::NoRoom { code: "disk_low", message, retry_after_s: RETRY_S })
            }
            (Room::Low | Room::Enough, _) => Ok(()),
        }
    }

    /// Never returns: looks at the disk.
    pub(crate) async fn watch_room(&self) {
        let clock = &self.inner.ports.clock;
        loop {
            clock.sleep_until(clock.now().plus(LOOK_MS)).await;
            self.look_for_room().await;
        }
    }

    /// Looks once. What cannot be seen stays as it was.
    pub(crate) async fn look_for_room(&self) {
        let seen = match self.inner.ports.store.tend().await {
            Ok(Some(seen)) => seen,
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "how full the disk is cannot be seen"),
        };
        let room = self.inner.limits.disk.room(seen);
        let before = std::mem::replace(
            &mut *self.inner.rooms.0.lock().unwrap_or_else(PoisonError::into_inner),
            (room, Some(seen)),
        );
        if room != before.0 {
            let (free, total) = (seen.free_bytes, seen.total_bytes);
            match room {
                Room::Enough => tracing::info!(free, total, "there is room on the disk again: everything is taken"),
                Room::Low => tracing::warn!(free, total, "the disk is getting full: nothing new is taken; make room"),
                Room::Full => tracing::error!(free, total, "the disk is full: what is under way may end; make room"),
            }
        }
    }
}

fn refusal(mark: u8, rest: &str) -> String {
    format!(
        "the server's disk is {mark} % full or more, so this is not taken now ({rest}): try again when there is room"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_reached_by_what_is_used() {
        let marks = DiskMarks::default();
        let free = |free_bytes| marks.room(DiskUse { total_bytes: 1_000, free_bytes });
        assert_eq!([101, 100, 51, 50, 0].map(free), [Room::Enough, Room::Low, Room::Low, Room::Full, Room::Full]);
        let off = DiskMarks { low: 100, high: 100, spare_bytes: 0 };
        let large = |free_bytes| off.room(DiskUse { total_bytes: u64::MAX, free_bytes });
        assert_eq!([1, 0].map(large), [Room::Enough, Room::Full]);
        assert_eq!(marks.room(DiskUse { total_bytes: 0, free_bytes: 0 }), Room::Enough);
        // A hundredth of a large disk is enough for long.
        let huge = |free_bytes| marks.room(DiskUse { total_bytes: 1 << 50, free_bytes });
        let (low, high) = (4 << 30, 2 << 30);
        assert_eq!([low, low - 1, high, high - 1].map(huge), [Room::Enough, Room::Low, Room::Low, Room::Full]);
    }
}
