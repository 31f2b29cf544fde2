//! What is to happen at a moment: retries after their pause, deadlines. In memory; a restart derives all of it again.

use crate::ports::{Clock, ExecutionKey};
use std::collections::BTreeMap;
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
}

/// A set of wakes in the order of time.
#[derive(Default)]
pub struct Timers {
    due: Mutex<Due>,
    changed: Notify,
}

#[derive(Default)]
struct Due {
    /// By moment, and then in the order in which they were added.
    wakes: BTreeMap<(Timestamp, u64), Wake>,
    added: u64,
}

impl Timers {
    /// Adds one.
    pub fn add(&self, at: Timestamp, wake: Wake) {
        {
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            due.added += 1;
            let number = due.added;
            due.wakes.insert((at, number), wake);
        }
        self.changed.notify_one();
    }

    /// All that is due at this moment, in order.
    #[must_use]
    pub fn tick(&self, now: Timestamp) -> Vec<Wake> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let later = due.wakes.split_off(&(now.plus(1), 0));
        std::mem::replace(&mut due.wakes, later).into_values().collect()
    }

    /// When the next is due.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).wakes.first_key_value().map(|((at, _), _)| *at)
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
}
