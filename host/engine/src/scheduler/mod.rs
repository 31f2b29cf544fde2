//! Whose turn it is: attempts wait in a queue per tenant, and the tenants take turns by weight and by what their attempts cost
//! ([`fair`]), so that nobody's backlog is everybody's.

mod fair;

pub use fair::{Cost, Share};

use crate::ports::Usage;
use fair::{Fair, Granted, Places};
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::TenantId;
use tokio::sync::oneshot;

/// How many attempts run at once.
#[derive(Debug, Clone, Copy)]
pub struct Slots {
    /// On this host.
    pub total: usize,
    /// Of one tenant, unless its quotas say otherwise (`attempts_running`).
    pub per_tenant: usize,
}

/// One slot of so many goes only to tenants of which nothing runs.
const RESERVED_PART: usize = 8;
/// To hold a slot costs as much fuel as this, per microsecond: a second of sleep is worth five milliseconds of compute. Slots are scarce, too.
const FUEL_PER_US: u128 = 10;

/// Gives turns.
pub struct Scheduler {
    state: Mutex<State>,
}

struct State {
    fair: Fair<oneshot::Sender<Turn>>,
    closed: bool,
}

/// The right to run one attempt. Dropping it gives the next one its turn.
pub struct Turn {
    /// `None` once it was given back.
    scheduler: Option<Arc<Scheduler>>,
    tenant: TenantId,
    charged: i64,
    cost: Cost,
}

impl Turn {
    /// The attempt ended and used so much.
    pub fn used(&mut self, usage: &Usage) {
        let held = u64::try_from(usage.elapsed.as_micros().saturating_mul(FUEL_PER_US)).unwrap_or(u64::MAX);
        self.cost = Cost::Fuel(usage.fuel.max(held));
    }

    /// The attempt did not begin.
    pub fn unused(&mut self) {
        self.cost = Cost::Nothing;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(scheduler) = self.scheduler.take() {
            scheduler.lock().fair.end(self.tenant, self.charged, self.cost);
            scheduler.grant();
        }
    }
}

impl Scheduler {
    /// With so many slots.
    #[must_use]
    pub fn new(slots: Slots) -> Arc<Self> {
        let places = Places { total: slots.total, reserved: slots.total / RESERVED_PART };
        Arc::new(Self { state: Mutex::new(State { fair: Fair::new(places), closed: false }) })
    }

    /// Waits for a turn; `None` once the scheduler is closed.
    pub async fn turn(self: &Arc<Self>, tenant: TenantId, share: Share) -> Option<Turn> {
        let (give, take) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.closed {
                return None;
            }
            state.fair.enter(tenant, share, give);
        }
        self.grant();
        take.await.ok()
    }

    /// Gives no more turns; those that wait are told so.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting = state.fair.clear();
        drop(state);
        drop(waiting);
    }

    /// Attempts that have their turn now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.lock().fair.running()
    }

    /// Attempts of a tenant that have their turn, and that wait for it.
    #[must_use]
    pub fn of(&self, tenant: TenantId) -> (usize, usize) {
        self.lock().fair.of(tenant)
    }

    /// Hands out turns while there are slots.
    fn grant(self: &Arc<Self>) {
        loop {
            let Some(Granted { tenant, ticket, charged }) = self.lock().fair.next() else { return };
            let turn = Turn { scheduler: Some(Arc::clone(self)), tenant, charged, cost: Cost::Unknown };
            if let Err(mut unwanted) = ticket.send(turn) {
                // Given back here instead of by its drop: that would grant again, and so on, recursively.
                unwanted.scheduler = None;
                self.lock().fair.end(tenant, charged, Cost::Nothing);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    fn share(at_once: usize) -> Share {
        Share { weight: 1, at_once }
    }

    #[tokio::test]
    async fn tenants_take_turns() {
        let scheduler = Scheduler::new(Slots { total: 1, per_tenant: 1 });
        let first = scheduler.turn(A, share(1)).await.expect("free");
        let mut waiting: Vec<_> = [A, A, B].map(|t| Box::pin(scheduler.turn(t, share(1)))).into_iter().collect();
        for turn in &mut waiting {
            assert!(turn.now_or_never().is_none());
        }
        let mut given = Vec::new();
        let mut turn = Some(first);
        while let Some(mut ends) = turn.take() {
            ends.used(&Usage { fuel: 10_000_000, ..Usage::default() });
            drop(ends);
            let next = waiting.iter_mut().enumerate().find_map(|(nth, waits)| {
                if given.contains(&nth) { None } else { waits.now_or_never().flatten().map(|turn| (nth, turn)) }
            });
            turn = next.map(|(nth, turn)| {
                given.push(nth);
                turn
            });
        }
        assert_eq!(given, [2, 0, 1], "B comes first: A has used much already");
    }

    #[tokio::test]
    async fn one_tenant_cannot_take_all_slots() {
        let scheduler = Scheduler::new(Slots { total: 3, per_tenant: 2 });
        let turns = [scheduler.turn(A, share(2)).await, scheduler.turn(A, share(2)).await];
        assert!(scheduler.turn(A, share(2)).now_or_never().is_none());
        assert!(scheduler.turn(B, share(2)).now_or_never().flatten().is_some());
        drop(turns);
        assert_eq!(scheduler.running(), 0, "and an abandoned wait costs nothing");
    }

    #[tokio::test]
    async fn closing_ends_the_wait() {
        let scheduler = Scheduler::new(Slots { total: 1, per_tenant: 1 });
        let turn = scheduler.turn(A, share(1)).await;
        let mut waiting = Box::pin(scheduler.turn(A, share(1)));
        assert!(waiting.as_mut().now_or_never().is_none());
        scheduler.close();
        assert!(waiting.await.is_none() && turn.is_some() && scheduler.turn(B, share(1)).await.is_none());
    }
}
