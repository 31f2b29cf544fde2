//! Turns for uploads: each holds an artifact of up to 32 MiB in memory, in JSON several times that, while it is read and compiled.

use crate::error::ApiError;
use axum::http::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepwell_core::ids::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Uploads of all tenants that are read or compiled at once.
const AT_ONCE: usize = 6;
/// Those of one tenant: one is compiled while the next is read.
const OWN: usize = 2;
/// Uploads of one tenant that wait for their turn; their bodies are still with their senders.
const WAITING: usize = 16;
/// How long one waits.
const LONGEST: Duration = Duration::from_secs(60);

/// Who may upload now.
pub struct Uploads {
    all: Arc<Semaphore>,
    tenants: Arc<Mutex<HashMap<TenantId, Line>>>,
}

/// One tenant's.
struct Line {
    turns: Arc<Semaphore>,
    /// Those that have a turn, and those that wait.
    there: usize,
}

/// A turn; it ends when it is dropped.
pub struct Turn {
    _place: Place,
    _turns: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

/// Somebody has a turn or waits for one.
struct Place {
    tenants: Arc<Mutex<HashMap<TenantId, Line>>>,
    tenant: TenantId,
}

impl Uploads {
    /// Nobody uploads yet.
    pub fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(AT_ONCE)), tenants: Arc::default() }
    }

    /// A turn, before the body is read. A tenant waits for its own uploads, and, where many tenants upload, for its place among them: at
    /// most two of each tenant stand in that line, which is in the order of coming.
    ///
    /// # Errors
    /// 429 `uploads_waiting`, with `Retry-After`, if too many of this tenant wait, or this one for too long.
    pub async fn turn(&self, tenant: TenantId) -> Result<Turn, ApiError> {
        let (place, own) = self.enter(tenant).ok_or_else(busy)?;
        let turns = async {
            let own = own.acquire_owned().await.ok()?;
            Some((Arc::clone(&self.all).acquire_owned().await.ok()?, own))
        };
        match timeout(LONGEST, turns).await {
            Ok(Some(turns)) => Ok(Turn { _place: place, _turns: turns }),
            Ok(None) | Err(_) => Err(busy()), // the semaphores are never closed
        }
    }

    fn enter(&self, tenant: TenantId) -> Option<(Place, Arc<Semaphore>)> {
        let mut tenants = lock(&self.tenants);
        let line = tenants.entry(tenant).or_insert_with(|| Line { turns: Arc::new(Semaphore::new(OWN)), there: 0 });
        if line.there >= OWN + WAITING {
            return None;
        }
        line.there += 1;
        let turns = Arc::clone(&line.turns);
        Some((Place { tenants: Arc::clone(&self.tenants), tenant }, turns))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tenants = lock(&self.tenants);
        if let Some(line) = tenants.get_mut(&self.tenant) {
            line.there = line.there.saturating_sub(1);
            if line.there == 0 {
                tenants.remove(&self.tenant);
            }
        }
    }
}

fn lock(tenants: &Mutex<HashMap<TenantId, Line>>) -> MutexGuard<'_, HashMap<TenantId, Line>> {
    tenants.lock().unwrap_or_else(PoisonError::into_inner)
}

fn busy() -> ApiError {
    let message = format!(
        "{OWN} uploads of this tenant run, and {WAITING} may wait for their turn (limit `uploads_waiting`); try again, and send fewer at once"
    );
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "uploads_waiting", message).soon()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{join_all, poll_immediate};

    const ONE: TenantId = TenantId(1);

    #[tokio::test(start_paused = true)]
    async fn uploads_wait_their_turn_and_no_more_than_so_many() {
        let uploads = Uploads::new();
        let running = join_all((0..OWN).map(|_| uploads.turn(ONE))).await;
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(uploads.turn(ONE))).collect();
        for wait in &mut waiting {
            assert!(poll_immediate(wait.as_mut()).await.is_none(), "it waits");
        }
        let refused = uploads.turn(ONE).await.err().expect("too many wait");
        assert_eq!((refused.status().as_u16(), refused.retry_after_s()), (429, Some(1)));
        assert!(uploads.turn(TenantId(2)).await.is_ok(), "another tenant waits for nobody");
        drop(running);
        assert!(waiting.remove(0).await.is_ok(), "the first that waits is next");
        drop(waiting);
        assert!(lock(&uploads.tenants).is_empty(), "nothing is left of those who are gone");
    }

    #[tokio::test(start_paused = true)]
    async fn many_tenants_take_turns() {
        let uploads = Uploads::new();
        let mut running: Vec<_> = Vec::new();
        for number in 0..AT_ONCE {
            running.push(uploads.turn(TenantId(u32::try_from(number / OWN).expect("small"))).await);
        }
        let mut late = Box::pin(uploads.turn(TenantId(100)));
        assert!(poll_immediate(late.as_mut()).await.is_none(), "all turns are taken");
        running.pop();
        assert!(late.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let uploads = Uploads::new();
        let _running = join_all((0..OWN).map(|_| uploads.turn(ONE))).await;
        assert!(uploads.turn(ONE).await.is_err());
    }
}
