//! `limit {key, max}` of steps: how many attempts of the same key run at once. In memory: after a restart all attempts begin anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::TenantId;
use tokio::sync::oneshot;

/// What attempts count under: their tenant, their workflow, their step, and their key.
pub type PassKey = (TenantId, String, String, String);

/// Gives passes.
#[derive(Default)]
pub struct Passes {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: BTreeMap<PassKey, Gate>,
    closed: bool,
}

#[derive(Default)]
struct Gate {
    running: u32,
    /// In the order in which they came, each with how many may run.
    waiting: VecDeque<(u32, oneshot::Sender<Pass>)>,
}

/// The right to run one attempt of a key. Dropping it gives the next one its right.
pub struct Pass {
    /// `None` once it was given back.
    given: Option<(Arc<Passes>, PassKey)>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some((passes, key)) = self.given.take() {
            passes.leave(&key);
            passes.grant(&key);
        }
    }
}

impl Passes {
    /// Waits until fewer than `max` attempts of this key run; `None` once they are closed.
    pub async fn pass(self: &Arc<Self>, key: PassKey, max: u32) -> Option<Pass> {
        let (give, take) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.closed {
                return None;
            }
            state.keys.entry(key.clone()).or_default().waiting.push_back((max, give));
        }
        self.grant(&key);
        take.await.ok()
    }

    /// Gives no more; those that wait are told so.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting: Vec<_> = state.keys.values_mut().flat_map(|gate| gate.waiting.drain(..)).collect();
        drop(state);
        drop(waiting);
    }

    fn grant(self: &Arc<Self>, key: &PassKey) {
        loop {
            let next = self.lock().next(key);
            let Some(next) = next else { return };
            let pass = Pass { given: Some((Arc::clone(self), key.clone())) };
            if let Err(mut unwanted) = next.send(pass) {
                // Given back here instead of by its drop: that would grant again, and so on, recursively.
                unwanted.given = None;
                self.leave(key);
            }
        }
    }

    fn leave(&self, key: &PassKey) {
        let mut state = self.lock();
        let Some(gate) = state.keys.get_mut(key) else { return };
        gate.running = gate.running.saturating_sub(1);
        if gate.running == 0 && gate.waiting.is_empty() {
            state.keys.remove(key);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self, key: &PassKey) -> Option<oneshot::Sender<Pass>> {
        let gate = self.keys.get_mut(key)?;
        gate.waiting.front().filter(|(max, _)| gate.running < *max)?;
        let (_, next) = gate.waiting.pop_front()?;
        gate.running += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn key(name: &str) -> PassKey {
        (TenantId(1), "w".to_owned(), "s".to_owned(), name.to_owned())
    }

    #[tokio::test]
    async fn so_many_of_a_key_and_the_next_in_order() {
        let passes = Arc::new(Passes::default());
        let first = passes.pass(key("a"), 1).await.expect("free");
        let (mut second, mut third) = (Box::pin(passes.pass(key("a"), 1)), Box::pin(passes.pass(key("a"), 1)));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        let other = passes.pass(key("b"), 1).await.expect("another key");
        drop(second);
        drop(first);
        let third = third.now_or_never().flatten().expect("the second does not wait any more");
        drop((third, other));
        assert!(passes.lock().keys.is_empty());
    }

    #[tokio::test]
    async fn closing_ends_the_wait() {
        let passes = Arc::new(Passes::default());
        let first = passes.pass(key("a"), 1).await;
        let mut second = Box::pin(passes.pass(key("a"), 1));
        assert!((&mut second).now_or_never().is_none());
        passes.close();
        assert!(second.await.is_none() && passes.pass(key("c"), 1).await.is_none());
        drop(first);
        assert!(passes.lock().keys.is_empty());
    }
}
