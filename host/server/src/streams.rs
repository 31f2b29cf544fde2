//! Places for answers that stay open: each keeps a connection, and a few lines of a journal in memory.

use crate::error::ApiError;
use axum::http::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwell_core::ids::TenantId;

/// `event_streams` of a tenant: more people than look at one business's executions at once, and few enough to leave places for others.
const PER_TENANT: usize = 128;
/// `event_streams` of all tenants: each holds up to four lines of a payload each, and they hold a quarter of a gigabyte together.
const TOTAL: usize = 256;

/// How many are open.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<HashMap<TenantId, usize>>>);

/// A place, free again when this is dropped.
pub struct Place {
    streams: Streams,
    tenant: TenantId,
}

impl Streams {
    /// A place for one more.
    ///
    /// # Errors
    /// 429 `event_streams`, with `Retry-After`.
    pub fn open(&self, tenant: TenantId) -> Result<Place, ApiError> {
        let mut open = self.lock();
        let (own, all) = (open.get(&tenant).copied().unwrap_or(0), open.values().sum::<usize>());
        if own >= PER_TENANT || all >= TOTAL {
            let message = format!(
                "{own} of your event streams are open, {all} in all; there may be {PER_TENANT} and {TOTAL} (limit `event_streams`); \
                 end some, or ask with `?wait=` instead"
            );
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "event_streams", message).soon());
        }
        open.insert(tenant, own + 1);
        drop(open);
        Ok(Place { streams: self.clone(), tenant })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        match open.get_mut(&self.tenant) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(open.remove(&self.tenant)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_so_many_places_and_all_have_so_many() {
        let streams = Streams::default();
        let open =
            |tenant| streams.open(TenantId(tenant)).map_err(|error| (error.status().as_u16(), error.retry_after_s()));
        let mut places: Vec<Place> = (0..PER_TENANT).map(|_| open(1).expect("a place")).collect();
        assert_eq!(open(1).err(), Some((429, Some(1))));
        let others: Vec<Place> = (0..TOTAL - PER_TENANT).map(|_| open(2).expect("a place")).collect();
        assert_eq!(open(3).err(), Some((429, Some(1))), "nobody else finds one");
        drop(others);
        places.pop();
        assert!(open(3).is_ok() && open(1).is_ok());
        drop(places);
        assert!(streams.lock().is_empty());
    }
}
