//! Whose turn it is: attempts wait in a queue per tenant, and the tenants take turns, so that nobody's backlog is everybody's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::TenantId;
use tokio::sync::oneshot;

/// How many attempts run at once.
#[derive(Debug, Clone, Copy)]
pub struct Slots {
    /// On this host.
    pub total: usize,
    /// Of one tenant (`attempts_running`).
    pub per_tenant: usize,
}

/// Gives turns.
pub struct Scheduler {
    slots: Slots,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<TenantId, VecDeque<oneshot::Sender<Turn>>>,
    /// Tenants that wait, in the order of their next turn.
    order: VecDeque<TenantId>,
    running: BTreeMap<TenantId, usize>,
    total: usize,
    closed: bool,
}

/// The right to run one attempt. Dropping it gives the next one its turn.
pub struct Turn {
    /// `None` once it was given back.
    scheduler: Option<Arc<Scheduler>>,
    tenant: TenantId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(scheduler) = self.scheduler.take() {
            scheduler.lock().give_back(self.tenant);
            scheduler.grant();
        }
    }
}

impl Scheduler {
    /// With so many slots.
    #[must_use]
    pub fn new(slots: Slots) -> Arc<Self> {
        Arc::new(Self { slots, state: Mutex::default() })
    }

    /// Waits for a turn; `None` once the scheduler is closed.
    pub async fn turn(self: &Arc<Self>, tenant: TenantId) -> Option<Turn> {
        let (give, take) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.closed {
                return None;
            }
            let queue = state.waiting.entry(tenant).or_default();
            queue.push_back(give);
            if queue.len() == 1 {
                state.order.push_back(tenant);
            }
        }
        self.grant();
        take.await.ok()
    }

    /// Gives no more turns; those that wait are told so.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.order.clear();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }

    /// Attempts that have their turn now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.lock().total
    }

    /// Hands out turns while there are slots.
    fn grant(self: &Arc<Self>) {
        loop {
            let Some((tenant, waiting)) = self.lock().next(self.slots) else { return };
            let turn = Turn { scheduler: Some(Arc::clone(self)), tenant };
            if let Err(mut unwanted) = waiting.send(turn) {
                // Given back here instead of by its drop: that would grant again, and so on, recursively.
                unwanted.scheduler = None;
                self.lock().give_back(tenant);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn give_back(&mut self, tenant: TenantId) {
        self.total -= 1;
        if let Some(count) = self.running.get_mut(&tenant) {
            *count -= 1;
            if *count == 0 {
                self.running.remove(&tenant);
            }
        }
    }

    /// The next waiting attempt of the next tenant that may run one more.
    fn next(&mut self, slots: Slots) -> Option<(TenantId, oneshot::Sender<Turn>)> {
        if self.total >= slots.total {
            return None;
        }
        for _ in 0..self.order.len() {
            let tenant = self.order.pop_front()?;
            if self.running.get(&tenant).is_some_and(|running| *running >= slots.per_tenant) {
                self.order.push_back(tenant);
                continue;
            }
            let queue = self.waiting.get_mut(&tenant)?;
            let next = queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&tenant);
            } else {
                self.order.push_back(tenant);
            }
            let next = next?;
            self.total += 1;
            *self.running.entry(tenant).or_default() += 1;
            return Some((tenant, next));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    #[tokio::test]
    async fn tenants_take_turns() {
        let scheduler = Scheduler::new(Slots { total: 1, per_tenant: 1 });
        let first = scheduler.turn(A).await.expect("free");
        let mut waiting: Vec<_> = [A, A, B].map(|t| Box::pin(scheduler.turn(t))).into_iter().collect();
        for turn in &mut waiting {
            assert!(turn.now_or_never().is_none());
        }
        drop(first);
        let second = waiting[0].as_mut().now_or_never().flatten().expect("A waited first");
        drop(second);
        let third = waiting[2].as_mut().now_or_never().flatten().expect("then it is B's turn");
        assert!(waiting[1].as_mut().now_or_never().is_none());
        drop(third);
        assert!(waiting[1].as_mut().now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn one_tenant_cannot_take_all_slots() {
        let scheduler = Scheduler::new(Slots { total: 3, per_tenant: 2 });
        let turns = [scheduler.turn(A).await, scheduler.turn(A).await];
        assert!(scheduler.turn(A).now_or_never().is_none());
        assert!(scheduler.turn(B).now_or_never().flatten().is_some());
        drop(turns);
        assert_eq!(scheduler.running(), 0, "and an abandoned wait costs nothing");
    }

    #[tokio::test]
    async fn closing_ends_the_wait() {
        let scheduler = Scheduler::new(Slots { total: 1, per_tenant: 1 });
        let turn = scheduler.turn(A).await;
        let mut waiting = Box::pin(scheduler.turn(A));
        assert!(waiting.as_mut().now_or_never().is_none());
        scheduler.close();
        assert!(waiting.await.is_none() && turn.is_some() && scheduler.turn(B).await.is_none());
    }
}
