//! Who waits for the end of an execution. Apart from the executions in memory: one that is waited for may be parked.

use crate::ports::ExecutionKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// All of them.
#[derive(Default)]
pub struct Waiters {
    by_key: Mutex<HashMap<ExecutionKey, Arc<watch::Sender<bool>>>>,
}

/// One of them; gone when it is dropped.
pub struct Waiting<'a> {
    waiters: &'a Waiters,
    key: ExecutionKey,
    told: Arc<watch::Sender<bool>>,
}

impl Waiters {
    /// From now on the end of this execution is not missed.
    pub fn wait(&self, key: ExecutionKey) -> Waiting<'_> {
        let told = Arc::clone(self.lock().entry(key).or_insert_with(|| Arc::new(watch::Sender::new(false))));
        Waiting { waiters: self, key, told }
    }

    /// It ended, or nothing more will be heard of it here.
    pub fn tell(&self, key: ExecutionKey) {
        if let Some(told) = self.lock().remove(&key) {
            told.send_replace(true);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionKey, Arc<watch::Sender<bool>>>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// Returns once it has ended.
    pub async fn end(&self) {
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = self.told.subscribe().wait_for(|told| *told).await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut by_key = self.waiters.lock();
        // The last one: the table's own and this one are all that is left.
        let last =
            by_key.get(&self.key).is_some_and(|told| Arc::ptr_eq(told, &self.told) && Arc::strong_count(told) == 2);
        if last {
            by_key.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use stepwell_core::ids::{ExecutionId, TenantId};

    #[test]
    fn all_who_wait_are_told_and_nothing_is_left() {
        let waiters = Waiters::default();
        let key = |n: u8| ExecutionKey { tenant: TenantId(1), id: ExecutionId::from_bytes([n; 16]) };
        let (one, two, other) = (waiters.wait(key(1)), waiters.wait(key(1)), waiters.wait(key(2)));
        assert!(one.end().now_or_never().is_none());
        waiters.tell(key(1));
        waiters.tell(key(3));
        // Somebody who comes later waits for another end (after a retry).
        let later = waiters.wait(key(1));
        assert!(one.end().now_or_never().is_some() && two.end().now_or_never().is_some());
        drop((one, two));
        assert!(later.end().now_or_never().is_none() && other.end().now_or_never().is_none());
        drop((later, other));
        assert!(waiters.lock().is_empty());
    }
}
