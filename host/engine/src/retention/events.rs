//! Events: as old as executions get, unless something still follows from them.

use super::rows::{event_mark, mark};
use super::{ROUND, STEP, removal};
use crate::Error;
use crate::engine::Engine;
use crate::meters::FRAME;
use crate::ports::{DocumentKind, DocumentWrite, Page, Transition};
use futures_util::future::join_all;
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

/// What came of an event that goes in one commit.
const OUTCOMES: usize = 200;

impl Engine {
    pub(super) async fn forget_events(&self, tenant: TenantId, now: Timestamp) -> Result<bool, Error> {
        let age_ms = u64::try_from(self.limits_of(tenant).retention.as_millis()).unwrap_or(u64::MAX);
        // All behind this place are older.
        let oldest = Timestamp(now.0.saturating_sub(age_ms));
        let (mut after, mut seen) = (format!("{:016x}", !oldest.0), 0);
        while seen < ROUND {
            let page = Page { after: Some(after), limit: STEP };
            let found = self.inner.ports.store.documents(tenant, DocumentKind::EventByTime, "", page).await?;
            let Some((last, _)) = found.last() else { return Ok(false) };
            (after, seen) = (last.clone(), seen + found.len());
            let is_end = found.len() < STEP;
            let forgotten = join_all(found.iter().map(|(place, _)| self.forget_event(tenant, place)));
            self.step(forgotten).await.into_iter().collect::<Result<(), _>>()?;
            if is_end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn forget_event(&self, tenant: TenantId, place: &str) -> Result<(), Error> {
        let Some(rows) = self.rows_of_event(tenant, place).await? else { return Ok(()) };
        let (mut documents, id, bytes) = rows;
        let (came, more_bytes, is_last) = self.came_of_event(tenant, &id).await?;
        documents.extend(came);
        if !is_last {
            documents.push(mark(event_mark(&id)));
        }
        self.erase_event(tenant, documents, bytes + more_bytes).await
    }

    /// True: nothing is left.
    pub(super) async fn erase_more_of_event(&self, tenant: TenantId, id: &str) -> Result<bool, Error> {
        let (mut documents, bytes, is_last) = self.came_of_event(tenant, id).await?;
        if is_last {
            documents.push(removal(DocumentKind::Erasing, event_mark(id)));
        }
        self.erase_event(tenant, documents, bytes).await?;
        Ok(is_last)
    }

    async fn erase_event(&self, tenant: TenantId, documents: Vec<DocumentWrite>, bytes: u64) -> Result<(), Error> {
        self.inner.committer.commit(Transition { tenant, execution: None, documents }).await?;
        let less = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.inner.meters.wrote(tenant, (-less, 0), self.now());
        Ok(())
    }

    async fn came_of_event(&self, tenant: TenantId, id: &str) -> Result<(Vec<DocumentWrite>, u64, bool), Error> {
        let (mut documents, mut bytes, mut is_last) = (Vec::new(), 0, true);
        for kind in [DocumentKind::EventOutcome, DocumentKind::EventEffect] {
            let page = Page { after: None, limit: OUTCOMES };
            let found = self.inner.ports.store.documents(tenant, kind, &crate::events::came_of(id), page).await?;
            is_last &= found.len() < OUTCOMES;
            for (key, value) in found {
                bytes += value.len() as u64 + FRAME;
                documents.push(removal(kind, key));
            }
        }
        Ok((documents, bytes, is_last))
    }
}
