//! Turns of the compiler: one child for each tenant, and so many in all. Who uploads what compiles for long waits for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwell_core::ids::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who compiles: a tenant, or the server what is its own.
pub(super) type Client = Option<TenantId>;

/// All turns.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    own: Arc<Mutex<HashMap<Client, Arc<Semaphore>>>>,
}

/// A turn. It ends when it is dropped.
pub(crate) struct Turn {
    client: Client,
    turns: Arc<Mutex<HashMap<Client, Arc<Semaphore>>>>,
    own: Arc<Semaphore>,
    held: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl Turns {
    /// So many children at a time.
    pub(super) fn new(children: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(children.max(1))), own: Arc::default() }
    }

    /// First the tenant's own turn, then one of all: so at most one of each tenant stands in the line of all, which is
    /// in the order of coming, and the tenants take turns. `None` when the server ends.
    pub(super) async fn turn(&self, client: Client) -> Option<Turn> {
        let own = Arc::clone(lock(&self.own).entry(client).or_insert_with(|| Arc::new(Semaphore::new(1))));
        // From here on whoever gives up takes its entry with it.
        let mut turn = Turn { client, turns: Arc::clone(&self.own), own: Arc::clone(&own), held: None };
        let first = own.acquire_owned().await.ok()?;
        let second = Arc::clone(&self.all).acquire_owned().await.ok()?;
        turn.held = Some((second, first));
        Some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = lock(&self.turns);
        self.held = None;
        // The map's, and this one's: nobody else of this tenant holds or waits.
        if Arc::strong_count(&self.own) <= 2 {
            turns.remove(&self.client);
        }
    }
}

fn lock(turns: &Mutex<HashMap<Client, Arc<Semaphore>>>) -> MutexGuard<'_, HashMap<Client, Arc<Semaphore>>> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::poll_immediate;

    fn tenant(number: u32) -> Client {
        Some(TenantId(number))
    }

    #[tokio::test]
    async fn a_tenant_waits_for_itself_only() {
        let turns = Turns::new(2);
        let first = turns.turn(tenant(1)).await.expect("a turn");
        let mut again: Vec<_> = (0..50).map(|_| Box::pin(turns.turn(tenant(1)))).collect();
        for again in &mut again {
            assert!(poll_immediate(again).await.is_none(), "one at a time");
        }
        let other = turns.turn(tenant(2)).await.expect("the other tenant's turn comes at once");
        drop(other);
        drop(first);
        assert!(poll_immediate(&mut again[0]).await.is_some());
    }

    #[tokio::test]
    async fn tenants_take_turns() {
        let turns = Turns::new(1);
        let running = turns.turn(tenant(1)).await.expect("a turn");
        let mut second = Box::pin(turns.turn(tenant(1)));
        let mut third = Box::pin(turns.turn(tenant(1)));
        let mut other = Box::pin(turns.turn(tenant(2)));
        for waiting in [&mut second, &mut third, &mut other] {
            assert!(poll_immediate(waiting).await.is_none());
        }
        drop(running);
        assert!(
            poll_immediate(&mut second).await.is_none(),
            "it was behind its own, the other tenant stood in the line of all"
        );
        drop(poll_immediate(&mut other).await.expect("the other tenant"));
        drop(poll_immediate(&mut second).await.expect("then the second of the first"));
        assert!(poll_immediate(&mut third).await.is_some());
    }

    #[tokio::test]
    async fn nothing_is_left_of_those_who_are_gone() {
        let turns = Turns::new(1);
        let running = turns.turn(tenant(1)).await.expect("a turn");
        let mut waiting = Box::pin(turns.turn(tenant(2)));
        let mut own = Box::pin(turns.turn(tenant(1)));
        assert!(poll_immediate(&mut waiting).await.is_none() && poll_immediate(&mut own).await.is_none());
        drop((waiting, own));
        drop(running);
        assert!(lock(&turns.own).is_empty());
    }
}
