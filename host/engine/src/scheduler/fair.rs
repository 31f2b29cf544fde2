//! Who is next: deficit round robin over tenants, by weight and by cost. Pure: no clock, no threads, no waiting.
//!
//! A turn is charged with what the tenant's attempts have cost of late, and corrected when the attempt ends and its cost is known. A tenant
//! whose credit is used up is passed over until a round gives it new credit, its weight times a quantum. Rounds in which nobody could get
//! on are not counted one by one but added up: a turn costs one walk through the tenants that wait, whatever an attempt costs.

use std::collections::{BTreeMap, VecDeque};
use stepwell_core::ids::TenantId;

/// Credit of a tenant of weight 1 in one round, fuel. Small against what attempts cost, so that shares are exact.
pub const QUANTUM: i64 = 1_000_000;
/// What an attempt costs at least, fuel: starting it costs the host about so much, and free attempts must not starve others.
pub const FLOOR: i64 = 200_000;
/// What an attempt is counted at most: nothing costs more than a week of compute, and sums stay far from their bounds.
const MOST: i64 = 1_000_000_000_000_000;
/// How many attempts the moving average of the cost remembers, roughly.
const MEMORY: i64 = 8;

/// What a tenant may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its part, against the weights of the others; at least 1.
    pub weight: u32,
    /// Attempts at once; at least 1.
    pub at_once: usize,
}

/// How many attempts run at once.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// On this host.
    pub total: usize,
    /// So many of them go only to tenants of which nothing runs, once there are several tenants: whoever comes finds a place, however long
    /// the attempts of others take.
    pub reserved: usize,
}

/// The state.
pub struct Fair<T> {
    places: Places,
    tenants: BTreeMap<TenantId, Queue<T>>,
    /// Tenants that wait, in the order of their turns.
    order: VecDeque<TenantId>,
    running: usize,
    /// How many rounds have been given.
    rounds: i64,
}

struct Queue<T> {
    share: Share,
    waiting: VecDeque<T>,
    running: usize,
    /// What it may still use in this round; negative: what it has used in advance.
    credit: i64,
    /// Up to which round it has had its credit, if it does not wait.
    since: i64,
    /// What its attempts cost of late.
    average: i64,
}

/// A turn.
#[derive(Debug, PartialEq, Eq)]
pub struct Granted<T> {
    /// Whose.
    pub tenant: TenantId,
    /// What waited for it.
    pub ticket: T,
    /// What it was charged, to be given back with [`Fair::end`].
    pub charged: i64,
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// So much fuel.
    Fuel(u64),
    /// Nobody knows: it was stopped. The estimate stands.
    Unknown,
    /// It never began.
    Nothing,
}

impl<T> Fair<T> {
    /// With so many places.
    pub fn new(places: Places) -> Self {
        Self { places, tenants: BTreeMap::new(), order: VecDeque::new(), running: 0, rounds: 0 }
    }

    /// Somebody waits for a turn.
    pub fn enter(&mut self, tenant: TenantId, share: Share, ticket: T) {
        let rounds = self.rounds;
        let queue = self.tenants.entry(tenant).or_insert_with(|| Queue::new(share, rounds));
        queue.share = share;
        if queue.waiting.is_empty() {
            queue.come_back(rounds);
            self.order.push_back(tenant);
        }
        queue.waiting.push_back(ticket);
    }

    /// The next turn, while there are places.
    pub fn next(&mut self) -> Option<Granted<T>> {
        if self.running >= self.places.total {
            return None;
        }
        if !self.order.iter().any(|tenant| self.can_run(*tenant) && self.credit(*tenant) > 0) {
            self.give_rounds()?;
        }
        let at = self.order.iter().position(|tenant| self.can_run(*tenant) && self.credit(*tenant) > 0)?;
        let tenant = self.order.remove(at)?;
        let rounds = self.rounds;
        let queue = self.tenants.get_mut(&tenant)?;
        let ticket = queue.waiting.pop_front()?;
        let charged = queue.average;
        queue.credit -= charged;
        queue.running += 1;
        self.running += 1;
        if queue.waiting.is_empty() {
            // Credit is for those that wait: it is not saved up.
            queue.credit = queue.credit.min(0);
            queue.since = rounds;
        } else {
            self.order.push_back(tenant);
        }
        Some(Granted { tenant, ticket, charged })
    }

    /// An attempt ended: its place is free, and its tenant is charged what it really cost.
    pub fn end(&mut self, tenant: TenantId, charged: i64, cost: Cost) {
        self.running = self.running.saturating_sub(1);
        let Some(queue) = self.tenants.get_mut(&tenant) else { return };
        queue.running = queue.running.saturating_sub(1);
        match cost {
            Cost::Fuel(fuel) => {
                let cost = i64::try_from(fuel).unwrap_or(MOST).clamp(FLOOR, MOST);
                queue.credit += charged - cost;
                // Upwards too, so that an average of one is not stuck below two.
                queue.average = (queue.average * (MEMORY - 1) + cost + MEMORY - 1) / MEMORY;
            }
            Cost::Unknown => {}
            Cost::Nothing => queue.credit += charged,
        }
        if queue.waiting.is_empty() {
            queue.credit = queue.credit.min(0);
        }
    }

    /// Attempts under way.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Attempts of a tenant that are under way, and that wait.
    pub fn of(&self, tenant: TenantId) -> (usize, usize) {
        self.tenants.get(&tenant).map_or((0, 0), |queue| (queue.running, queue.waiting.len()))
    }

    /// Nothing waits any more; what waited is handed back.
    pub fn clear(&mut self) -> Vec<T> {
        self.order.clear();
        self.tenants.values_mut().flat_map(|queue| queue.waiting.drain(..)).collect()
    }

    fn credit(&self, tenant: TenantId) -> i64 {
        self.tenants.get(&tenant).map_or(0, |queue| queue.credit)
    }

    fn can_run(&self, tenant: TenantId) -> bool {
        let Some(queue) = self.tenants.get(&tenant) else { return false };
        let reserved = if self.tenants.len() > 1 { self.places.reserved } else { 0 };
        let has_place = queue.running == 0 || self.running.saturating_add(reserved) < self.places.total;
        has_place && queue.running < queue.share.at_once
    }

    /// So many rounds that somebody who can run has credit again; `None` if nobody can run.
    fn give_rounds(&mut self) -> Option<()> {
        let able = self.order.iter().filter(|tenant| self.can_run(**tenant));
        let needed = able.filter_map(|tenant| self.tenants.get(tenant)).map(Queue::rounds_needed).min()?;
        self.rounds += needed;
        for tenant in &self.order {
            if let Some(queue) = self.tenants.get_mut(tenant) {
                // Who cannot run now for want of a place saves up one round and no more.
                queue.credit = (queue.credit + needed * queue.earns()).min(queue.credit.max(queue.earns()));
            }
        }
        Some(())
    }
}

impl<T> Queue<T> {
    fn new(share: Share, rounds: i64) -> Self {
        Self { share, waiting: VecDeque::new(), running: 0, credit: 0, since: rounds, average: FLOOR }
    }

    fn earns(&self) -> i64 {
        QUANTUM * i64::from(self.share.weight.max(1))
    }

    /// Until it has credit.
    fn rounds_needed(&self) -> i64 {
        let wanted = (1 - self.credit).max(1);
        (wanted + self.earns() - 1) / self.earns()
    }

    /// It did not wait for a while: what it owes is paid by the rounds that it left to the others.
    fn come_back(&mut self, rounds: i64) {
        let earned = (rounds - self.since).saturating_mul(self.earns());
        self.credit =
            if self.credit < 0 { self.credit.saturating_add(earned).min(0) } else { self.credit.min(self.earns()) };
    }
}

#[cfg(test)]
mod tests;
