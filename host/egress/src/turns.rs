//! How many requests go out at a time: for each tenant and in all. A place is held as long as its connection.

use crate::clock::Limit;
use crate::limits::EgressLimits;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{HttpFault, HttpFaultKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Tenants that are remembered before those without a request are forgotten.
const TENANTS: usize = 1_024;
/// Names that one tenant may have resolved at a time. The system's resolver blocks a thread until it is done, also when nobody
/// waits for it any more.
const TENANT_LOOKUPS: usize = 4;
/// Names that are resolved at a time: the process has 512 threads that may block, and the store needs some of them.
const LOOKUPS: usize = 128;

/// Nobody gave a place back in time.
const BUSY: &str = "all connections of this tenant were busy (http_connections)";

/// The places.
pub(crate) struct Turns {
    limits: EgressLimits,
    all: Places,
    tenants: Mutex<HashMap<TenantId, Arc<Tenant>>>,
}

struct Places {
    connections: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
}

struct Tenant {
    own: Places,
    queue: Arc<Semaphore>,
}

/// A place, until it is dropped: first the tenant's, then the one of all.
pub(crate) struct Turn {
    _held: [OwnedSemaphorePermit; 2],
}

fn places(connections: usize, lookups: usize) -> Places {
    let semaphore = |places: usize| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
    Places { connections: semaphore(connections), lookups: semaphore(lookups) }
}

impl Turns {
    /// Nobody waits yet.
    pub(crate) fn new(limits: EgressLimits) -> Self {
        Self { limits, all: places(limits.connections, LOOKUPS), tenants: Mutex::default() }
    }

    /// A place for a connection.
    pub(crate) async fn connection(&self, id: TenantId, deadline: Limit) -> Result<Turn, HttpFault> {
        let tenant = self.tenant(id);
        let queued = Arc::clone(&tenant.queue).try_acquire_owned();
        let _queued =
            queued.map_err(|_| full("too many requests of this tenant wait for a connection (http_queue)"))?;
        let limit = deadline.within(self.limits.turn, BUSY);
        let places = [Arc::clone(&tenant.own.connections), Arc::clone(&self.all.connections)];
        let turn = limit.keep(both(places)).await;
        turn.map_err(|fault| if fault.message == BUSY { full(BUSY) } else { fault })?
    }

    /// A place for the resolver.
    pub(crate) async fn lookup(&self, id: TenantId, limit: Limit) -> Result<Turn, HttpFault> {
        let tenant = self.tenant(id);
        limit.keep(both([Arc::clone(&tenant.own.lookups), Arc::clone(&self.all.lookups)])).await?
    }

    fn tenant(&self, id: TenantId) -> Arc<Tenant> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= TENANTS && !tenants.contains_key(&id) {
            tenants.retain(|_, tenant| !tenant.is_idle(&self.limits) || Arc::strong_count(tenant) > 1);
        }
        let limits = &self.limits;
        let new = || {
            let queue = Arc::new(Semaphore::new(limits.tenant_queue.min(Semaphore::MAX_PERMITS)));
            Arc::new(Tenant { own: places(limits.tenant_connections, TENANT_LOOKUPS), queue })
        };
        Arc::clone(tenants.entry(id).or_insert_with(new))
    }
}

impl Tenant {
    fn is_idle(&self, limits: &EgressLimits) -> bool {
        self.own.connections.available_permits() >= limits.tenant_connections
            && self.own.lookups.available_permits() >= TENANT_LOOKUPS
    }
}

fn full(message: impl Into<String>) -> HttpFault {
    HttpFault::new(HttpFaultKind::Limit, message)
}

async fn both([tenant, all]: [Arc<Semaphore>; 2]) -> Result<Turn, HttpFault> {
    let closed = |_| HttpFault::new(HttpFaultKind::Internal, "the server is stopping");
    let tenant = tenant.acquire_owned().await.map_err(closed)?;
    Ok(Turn { _held: [tenant, all.acquire_owned().await.map_err(closed)?] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn turns(change: impl FnOnce(&mut EgressLimits)) -> Turns {
        let mut limits = EgressLimits { turn: Duration::from_millis(1), ..EgressLimits::default() };
        change(&mut limits);
        Turns::new(limits)
    }

    async fn fault(turns: &Turns, tenant: u32) -> HttpFault {
        turns.connection(TenantId(tenant), Limit::attempt(std::time::Duration::MAX)).await.err().expect("no place")
    }

    #[tokio::test]
    async fn a_tenant_fills_its_own_places_only() {
        let turns = turns(|limits| limits.tenant_connections = 1);
        let far = Limit::attempt(std::time::Duration::MAX);
        let held = turns.connection(TenantId(1), far).await.expect("a place");
        let fault = fault(&turns, 1).await;
        assert_eq!(fault.kind, HttpFaultKind::Limit);
        assert!(fault.message.contains("http_connections"), "{fault}");
        assert!(turns.connection(TenantId(2), far).await.is_ok());
        drop(held);
        assert!(turns.connection(TenantId(1), far).await.is_ok());
    }

    #[tokio::test]
    async fn waiting_has_an_end_and_so_has_the_queue() {
        let turns = turns(|limits| (limits.connections, limits.tenant_queue) = (0, 0));
        assert!(fault(&turns, 1).await.message.contains("http_queue"));
    }

    #[tokio::test]
    async fn idle_tenants_are_forgotten() {
        let turns = turns(|_| {});
        let held = turns.connection(TenantId(0), Limit::attempt(std::time::Duration::MAX)).await.expect("a place");
        for id in 1..5_000 {
            turns.tenant(TenantId(id));
        }
        let tenants = turns.tenants.lock().expect("sound");
        assert!(tenants.len() <= TENANTS + 1 && tenants.contains_key(&TenantId(0)), "{}", tenants.len());
        drop(held);
    }
}
