//! The wakes of parked executions: read from the store a minute ahead, and put among the timers.

use crate::engine::Engine;
use crate::ports::ExecutionKey;
use crate::rousing::AT_ONCE;
use crate::timers::Wake;
use futures_util::{StreamExt as _, stream};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use stepwell_core::ids::{ExecutionId, Shard, TenantId};
use stepwell_core::time::Timestamp;

/// How far ahead the store is read, in milliseconds.
const AHEAD_MS: u64 = 60_000;
/// How often, in milliseconds: before what was read ahead is used up.
const EVERY_MS: u64 = 30_000;
/// Wakes of one shard that are held ahead; the rest is read when these are due.
const PER_SHARD: usize = 500;
/// A shard with more than its share is looked at again after this many milliseconds at the earliest.
const SOON_MS: u64 = 500;
/// What cannot be read now is tried again after this many milliseconds.
const UNREADABLE_PAUSE_MS: u64 = 5_000;

/// How far each shard has been read.
pub struct Wakes {
    until: Vec<AtomicU64>,
}

/// After which wake of each shard the next reading begins.
#[derive(Default)]
pub struct Places {
    after: HashMap<Shard, (Timestamp, ExecutionKey)>,
}

impl Default for Wakes {
    fn default() -> Self {
        Self { until: (0..=u8::MAX).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Wakes {
    /// Whether the store is not asked for this wake any more: whoever stores it puts it among the timers, too. Asked after the commit: a
    /// wake that came too early for this comes in time for the reading.
    #[must_use]
    pub fn covers(&self, shard: Shard, wake: Timestamp) -> bool {
        self.until.get(usize::from(shard.0)).is_some_and(|until| wake.0 <= until.load(Ordering::SeqCst))
    }

    fn read_until(&self, shard: Shard, until: Timestamp) {
        if let Some(slot) = self.until.get(usize::from(shard.0)) {
            slot.store(until.0, Ordering::SeqCst);
        }
    }
}

impl Engine {
    /// Never returns: reads ahead.
    pub(crate) async fn watch_wakes(&self) {
        let mut places = Places::default();
        loop {
            let next = self.read_wakes(&mut places, self.inner.ports.clock.now()).await;
            self.inner.ports.clock.sleep_until(next).await;
        }
    }

    /// Puts the wakes of the next minute among the timers, overdue ones too; says when to read again.
    pub(crate) async fn read_wakes(&self, places: &mut Places, now: Timestamp) -> Timestamp {
        let leases = self.inner.ports.store.leases();
        places.after.retain(|shard, _| leases.iter().any(|lease| lease.shard == *shard));
        let (until, mut next) = (now.plus(AHEAD_MS), now.plus(EVERY_MS));
        for lease in leases {
            let shard = lease.shard;
            self.inner.wakes.read_until(shard, until);
            let after = places.after.get(&shard).copied();
            let found = match self.inner.ports.store.due(shard, after, until, PER_SHARD).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(shard = shard.0, %error, "wakes cannot be read, trying again until they can");
                    next = next.min(now.plus(UNREADABLE_PAUSE_MS));
                    continue;
                }
            };
            for (at, key) in &found {
                self.inner.timers.add(*at, Wake::Rouse(*key));
            }
            let last = match found.last() {
                Some(last) if found.len() == PER_SHARD => {
                    self.inner.wakes.read_until(shard, last.0);
                    next = next.min(last.0.max(now.plus(SOON_MS)));
                    *last
                }
                Some(_) | None => (until, last_key()),
            };
            places.after.insert(shard, last);
        }
        next
    }

    /// Brings back what is due, some at a time. What cannot be read now is tried again.
    pub(crate) async fn rouse_all(&self, keys: Vec<ExecutionKey>) {
        let rouse = async |key: ExecutionKey| {
            let _turn = self.inner.rousing.turn().await;
            if let Err(error) = self.rouse(key).await {
                tracing::error!(execution = %key.id, %error, "a parked execution cannot be resumed");
                if matches!(error, crate::Error::Unavailable(_)) {
                    let now = self.inner.ports.clock.now();
                    self.inner.timers.add(now.plus(UNREADABLE_PAUSE_MS), Wake::Rouse(key));
                }
            }
        };
        stream::iter(keys).for_each_concurrent(AT_ONCE, rouse).await;
    }
}

/// Sorts behind all others.
fn last_key() -> ExecutionKey {
    ExecutionKey { tenant: TenantId(u32::MAX), id: ExecutionId::from_bytes([u8::MAX; 16]) }
}
