//! Who reads along with an execution, and is told when its journal has grown. What has grown is read from the store: nothing is kept for
//! a reader here, however slow it is.

use crate::ports::ExecutionKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// All of them.
#[derive(Clone, Default)]
pub struct Followers {
    by_key: Arc<Mutex<HashMap<ExecutionKey, watch::Sender<()>>>>,
}

/// One of them; gone when it is dropped.
pub struct Follower {
    followers: Followers,
    key: ExecutionKey,
    /// `None` only while it is dropped.
    told: Option<watch::Receiver<()>>,
}

impl Followers {
    /// From now on no change of this execution is missed.
    pub fn follow(&self, key: ExecutionKey) -> Follower {
        let told = self.lock().entry(key).or_insert_with(|| watch::Sender::new(())).subscribe();
        Follower { followers: self.clone(), key, told: Some(told) }
    }

    /// Something of it has become durable, or nothing more will be heard of it here.
    pub fn tell(&self, key: ExecutionKey) {
        if let Some(told) = self.lock().get(&key) {
            told.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionKey, watch::Sender<()>>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// Returns once something has happened since this was last asked, or since it follows.
    pub async fn change(&mut self) {
        if let Some(told) = &mut self.told {
            // The sender lives as long as a receiver does: waiting cannot fail.
            let _ = told.changed().await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut by_key = self.followers.lock();
        self.told = None;
        if by_key.get(&self.key).is_some_and(|told| told.receiver_count() == 0) {
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
    fn all_who_follow_are_told_once_and_nothing_is_left() {
        let followers = Followers::default();
        let key = |n: u8| ExecutionKey { tenant: TenantId(1), id: ExecutionId::from_bytes([n; 16]) };
        let (mut one, mut two, mut other) =
            (followers.follow(key(1)), followers.follow(key(1)), followers.follow(key(2)));
        followers.tell(key(1));
        followers.tell(key(1));
        followers.tell(key(3));
        assert!(one.change().now_or_never().is_some() && two.change().now_or_never().is_some());
        assert!(one.change().now_or_never().is_none(), "both changes were seen together");
        assert!(other.change().now_or_never().is_none());
        drop(one);
        followers.tell(key(1));
        assert!(two.change().now_or_never().is_some(), "the others go on");
        drop((two, other));
        assert!(followers.lock().is_empty());
    }
}
