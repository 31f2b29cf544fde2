//! Whether a host lives: it runs, it is held up (its virtual machine was moved, its disk hangs), or it is dead.
//!
//! All that a host does with the world passes here. A dead host's calls are never answered, so that nothing it still has in memory reaches
//! anybody: the same as `kill -9` at whichever await it is in.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// How a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Running,
    /// It stands still, and will go on as if nothing had been.
    Held,
    /// It is gone.
    Dead,
}

/// A host's way into the world.
pub struct Gate(Mutex<(Life, Vec<Waker>)>);

impl Default for Gate {
    fn default() -> Self {
        Self(Mutex::new((Life::Running, Vec::new())))
    }
}

impl Gate {
    /// How the host is.
    pub fn life(&self) -> Life {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Changes it. Whoever is dead stays so.
    pub fn set(&self, life: Life) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 != Life::Dead {
            state.0 = life;
        }
        let wakers = std::mem::take(&mut state.1);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Returns once the host runs.
    pub async fn pass(&self) {
        self.until(Life::Running).await;
    }

    /// Returns once the host is dead.
    pub async fn death(&self) {
        self.until(Life::Dead).await;
    }

    async fn until(&self, wanted: Life) {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.0 == wanted {
                return Poll::Ready(());
            }
            // No more wakers are kept than there are who wait.
            if !state.1.iter().any(|waker| waker.will_wake(context.waker())) {
                state.1.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}
