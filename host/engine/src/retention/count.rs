//! How many ended executions a tenant has, where its number is limited: counted once, and then kept up to date.

use crate::Error;
use crate::engine::Engine;
use crate::ports::{DocumentKind, Page};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use stepwell_core::ids::TenantId;

/// Rows are counted this many at a time.
const PAGE: usize = 1_000;

/// Rows of each tenant that were counted, and how many ends the meters knew of then.
#[derive(Default)]
pub(crate) struct Counts(Mutex<HashMap<TenantId, (u64, u64)>>);

impl Counts {
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, (u64, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many rows are gone.
    pub(super) fn removed(&self, tenant: TenantId, rows: u64) {
        if let Some((counted, _)) = self.lock().get_mut(&tenant) {
            *counted = counted.saturating_sub(rows);
        }
    }
}

impl Engine {
    /// How many ended executions are too many; never more than there are.
    pub(super) async fn surplus(&self, tenant: TenantId) -> Result<u64, Error> {
        let Some(most) = self.limits_of(tenant).retention_executions else {
            self.inner.retention.lock().remove(&tenant);
            return Ok(0);
        };
        let known = self.inner.retention.lock().get(&tenant).copied();
        let (counted, then) = match known {
            Some(known) => known,
            None => {
                let rows = self.count_rows(tenant).await?;
                // Ends while it was counted are left out: rather one too few.
                let counted = (rows, self.inner.meters.ends(tenant));
                self.inner.retention.lock().insert(tenant, counted);
                counted
            }
        };
        let since = self.inner.meters.ends(tenant).saturating_sub(then);
        Ok(counted.saturating_add(since).saturating_sub(most))
    }

    async fn count_rows(&self, tenant: TenantId) -> Result<u64, Error> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found = self.inner.ports.store.documents(tenant, DocumentKind::Ended, "", page).await?;
            count += found.len() as u64;
            match found.into_iter().nth(PAGE - 1) {
                Some((last, _)) => after = Some(last),
                None => return Ok(count),
            }
        }
    }
}
