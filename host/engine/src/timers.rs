//! What is to happen at a moment: retries after their pause, deadlines, parking and its end. In memory; a restart derives all of it again.

use crate::ports::{Clock, ExecutionKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use stepwell_core::execution::RunIx;
use stepwell_core::time::Timestamp;
use tokio::sync::Notify;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The pause before this attempt is over.
    Attempt {
        /// Of which execution.
        execution: ExecutionKey,
        /// Of which step run.
        run: RunIx,
        /// Which attempt.
        attempt: u32,
    },
    /// The execution's own timeout passed.
    Deadline(ExecutionKey),
    /// The time of a waiting step run is over.
    Timer {
        /// Of which execution.
        execution: ExecutionKey,
        /// Of which step run.
        run: RunIx,
    },
    /// What has happened and waits for its commit has waited long enough.
    Settle(ExecutionKey),
    /// The execution may have been quiet for a while: is it to be parked?
    Rest(ExecutionKey),
    /// A parked execution must be back in memory.
    Rouse(ExecutionKey),
}

impl Wake {
    fn execution(&self) -> ExecutionKey {
        match self {
            Self::Attempt { execution, .. }
            | Self::Timer { execution, .. }
            | Self::Deadline(execution)
            | Self::Settle(execution)
            | Self::Rest(execution)
            | Self::Rouse(execution) => *execution,
        }
    }
}

/// A set of wakes in the order of time.
#[derive(Default)]
pub struct Timers {
    set: Mutex<Set>,
    changed: Notify,
}

#[derive(Default)]
struct Set {
    due: BTreeMap<(Timestamp, u64), Wake>,
    /// The same by execution: one that ends takes its wakes with it, which may not be due for years.
    of: BTreeSet<(ExecutionKey, Timestamp, u64)>,
    added: u64,
}

impl Timers {
    /// Adds one.
    pub fn add(&self, at: Timestamp, wake: Wake) {
        let is_next = {
            let mut set = self.lock();
            set.added += 1;
            let number = set.added;
            set.of.insert((wake.execution(), at, number));
            set.due.insert((at, number), wake);
            set.due.first_key_value().is_some_and(|(first, _)| *first == (at, number))
        };
        // Whoever waits for an earlier one looks again when that has come.
        if is_next {
            self.changed.notify_one();
        }
    }

    /// An execution ended: nothing of it is due any more.
    pub fn forget(&self, execution: ExecutionKey) {
        let mut set = self.lock();
        let whole = (execution, Timestamp(0), 0)..=(execution, Timestamp(u64::MAX), u64::MAX);
        let its: Vec<_> = set.of.range(whole).copied().collect();
        for (execution, at, number) in its {
            set.of.remove(&(execution, at, number));
            set.due.remove(&(at, number));
        }
    }

    /// All that is due at this moment, in order.
    #[must_use]
    pub fn tick(&self, now: Timestamp) -> Vec<Wake> {
        let mut set = self.lock();
        let later = set.due.split_off(&(now.plus(1), 0));
        let due = std::mem::replace(&mut set.due, later);
        for ((at, number), wake) in &due {
            set.of.remove(&(wake.execution(), *at, *number));
        }
        due.into_values().collect()
    }

    /// When the next is due.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.lock().due.first_key_value().map(|((at, _), _)| *at)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is due, and takes it.
    pub async fn due(&self, clock: &dyn Clock) -> Vec<Wake> {
        loop {
            let due = self.tick(clock.now());
            if !due.is_empty() {
                return due;
            }
            match self.next() {
                Some(at) => {
                    tokio::select! {
                        () = clock.sleep_until(at) => {}
                        () = self.changed.notified() => {}
                    }
                }
                None => self.changed.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwell_core::ids::{ExecutionId, TenantId};

    #[test]
    fn wakes_come_in_the_order_of_time() {
        let timers = Timers::default();
        let wake = |n: u8| Wake::Deadline(ExecutionKey { tenant: TenantId(1), id: ExecutionId::from_bytes([n; 16]) });
        for (at, n) in [(30, 3), (10, 1), (20, 2), (10, 4)] {
            timers.add(Timestamp(at), wake(n));
        }
        assert_eq!(timers.tick(Timestamp(9)), []);
        assert_eq!(timers.tick(Timestamp(20)), [wake(1), wake(4), wake(2)]);
        assert_eq!(timers.next(), Some(Timestamp(30)));
    }
    #[test]
    fn an_execution_that_ended_leaves_nothing_behind() {
        let timers = Timers::default();
        let key = |n: u8| ExecutionKey { tenant: TenantId(1), id: ExecutionId::from_bytes([n; 16]) };
        for (at, n) in [(10, 1), (10, 2), (u64::MAX, 1), (30, 3)] {
            timers.add(Timestamp(at), Wake::Deadline(key(n)));
        }
        timers.forget(key(1));
        assert_eq!(timers.tick(Timestamp(30)), [Wake::Deadline(key(2)), Wake::Deadline(key(3))]);
        let set = timers.lock();
        assert!(set.due.is_empty() && set.of.is_empty());
    }
}
