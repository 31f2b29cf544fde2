//! What is removed by age alone, and what an earlier step, or an earlier process, has begun to remove.

use super::rows::parts;
use super::{ROUND, STEP, USAGE_MS, removal};
use crate::Error;
use crate::admission::expires;
use crate::engine::Engine;
use crate::meters::day;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Page};
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

impl Engine {
    /// Goes on with what is marked.
    pub(super) async fn remove_what_is_left(&self, tenant: TenantId) -> Result<bool, Error> {
        let page = Page { after: None, limit: STEP };
        let marks = self.inner.ports.store.documents(tenant, DocumentKind::Erasing, "", page).await?;
        let mut more = marks.len() == STEP;
        for (mark, _) in marks {
            let mut left = ROUND;
            while left > 0 && !self.step(self.remove_more(tenant, &mark)).await? {
                left -= 1;
            }
            more |= left == 0;
        }
        Ok(more)
    }

    /// True: nothing is left, and the mark is gone.
    async fn remove_more(&self, tenant: TenantId, mark: &str) -> Result<bool, Error> {
        if let Some(event) = mark.strip_prefix("e/") {
            return self.erase_more_of_event(tenant, event).await;
        }
        match mark.strip_prefix("x/").and_then(|id| id.parse().ok()) {
            Some(id) => self.erase_more(tenant, id).await,
            None => Err(Error::broken("a mark of a removal cannot be read", &mark)),
        }
    }

    /// Idempotency keys that have expired.
    pub(super) async fn forget_answers(&self, tenant: TenantId, now: Timestamp) -> Result<bool, Error> {
        let store = &self.inner.ports.store;
        let page = Page { after: None, limit: STEP };
        let rows = store.documents(tenant, DocumentKind::IdempotencyAge, "", page).await?;
        let many = rows.len() == STEP;
        let mut documents = Vec::new();
        for (row, _) in rows {
            let Some((at, hash)) = parts(&row) else { continue };
            if at > now {
                break;
            }
            // The same key may have been used again since, with a later row.
            let known = store.document(tenant, DocumentKind::Idempotency, hash).await?;
            if let Some(bytes) = known.filter(|bytes| expires(bytes).is_none_or(|expires| expires <= now)) {
                let (kind, key, expect) = (DocumentKind::Idempotency, hash.to_owned(), Expect::Value(bytes));
                documents.push(DocumentWrite { kind, key, value: None, expect });
            }
            documents.push(removal(DocumentKind::IdempotencyAge, row));
        }
        let more = many && !documents.is_empty();
        self.remove(tenant, documents).await?;
        Ok(more)
    }

    /// What was used long ago.
    pub(super) async fn forget_days(&self, tenant: TenantId, now: Timestamp) -> Result<bool, Error> {
        let first = day(Timestamp(now.0.saturating_sub(USAGE_MS)));
        let page = Page { after: None, limit: STEP };
        let days = self.inner.ports.store.documents(tenant, DocumentKind::Usage, "", page).await?;
        let old: Vec<_> = days.into_iter().map(|(day, _)| day).filter(|day| *day < first).collect();
        let more = old.len() == STEP;
        self.remove(tenant, old.into_iter().map(|day| removal(DocumentKind::Usage, day)).collect()).await?;
        Ok(more)
    }
}
