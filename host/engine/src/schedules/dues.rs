//! When which schedule must be looked at. In memory; a restart reads all of it again.

use crate::ports::Clock;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;
use tokio::sync::Notify;

/// A schedule: whose, and its id.
pub(crate) type ScheduleKey = (TenantId, String);

/// Of all schedules, the next moment of each.
#[derive(Default)]
pub(crate) struct Dues {
    set: Mutex<Set>,
    changed: Notify,
}

#[derive(Default)]
struct Set {
    in_order: BTreeSet<(Timestamp, ScheduleKey)>,
    of: HashMap<ScheduleKey, Timestamp>,
}

impl Dues {
    /// It is looked at then, or earlier if that was so before: who comes too early finds nothing to do.
    pub fn at(&self, key: ScheduleKey, at: Timestamp) {
        {
            let mut set = self.lock();
            match set.of.get(&key).copied() {
                Some(before) if before <= at => return,
                Some(before) => {
                    set.in_order.remove(&(before, key.clone()));
                }
                None => {}
            }
            set.in_order.insert((at, key.clone()));
            set.of.insert(key, at);
        }
        self.changed.notify_one();
    }

    /// It has changed: it is looked at now.
    pub fn nudge(&self, key: ScheduleKey) {
        self.at(key, Timestamp(0));
    }

    fn tick(&self, now: Timestamp) -> Vec<ScheduleKey> {
        let mut set = self.lock();
        let mut due = Vec::new();
        while set.in_order.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = set.in_order.pop_first() else { break };
            set.of.remove(&key);
            due.push(key);
        }
        due
    }

    /// Waits until schedules are due, and takes them.
    pub async fn due(&self, clock: &dyn Clock) -> Vec<ScheduleKey> {
        loop {
            let due = self.tick(clock.now());
            if !due.is_empty() {
                return due;
            }
            let next = self.lock().in_order.first().map(|(at, _)| *at);
            match next {
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

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_moment_counts_and_nothing_is_left() {
        let dues = Dues::default();
        let key = |id: &str| (TenantId(1), id.to_owned());
        for (id, at) in [("a", 30), ("b", 10), ("a", 20), ("a", 40), ("c", 50)] {
            dues.at(key(id), Timestamp(at));
        }
        assert_eq!(dues.tick(Timestamp(9)), []);
        assert_eq!(dues.tick(Timestamp(20)), [key("b"), key("a")]);
        dues.nudge(key("c"));
        assert_eq!(dues.tick(Timestamp(0)), [key("c")]);
        let set = dues.lock();
        assert!(set.in_order.is_empty() && set.of.is_empty());
    }
}
