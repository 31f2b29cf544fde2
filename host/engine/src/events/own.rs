//! Events that the server itself publishes (semantics H7): written down with what they tell of, published afterwards, and again after a
//! crash. Their ids are derived from what they tell of, so that the same thing is told once.

use super::publish::{NewEvent, Origin};
use crate::Error;
use crate::engine::Engine;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Page, Transition};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;

/// Where the server's own events come from.
const SOURCE: &str = "stepwell";
/// Events that are read at one time when the server starts.
const PAGE: usize = 200;

/// One of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OwnEvent {
    /// Its id: the same whenever it is told again.
    pub id: String,
    /// `stepwell.…`
    pub kind: String,
    /// What happened.
    pub data: Payload,
    /// How many events that workflows published led to it, itself included.
    pub hops: u32,
}

impl OwnEvent {
    /// The document to write with what the event tells of; then [`Engine::publish_own`] publishes it.
    pub fn row(&self) -> Option<DocumentWrite> {
        let value = serde_json::to_vec(self).map(Bytes::from).ok()?;
        let (kind, key) = (DocumentKind::EventOutbox, self.id.clone());
        Some(DocumentWrite { kind, key, value: Some(value), expect: Expect::Anything })
    }
}

impl Engine {
    /// Publishes an event that was written down under this id, in the background.
    pub(crate) fn publish_own(&self, tenant: TenantId, id: String) {
        let engine = self.clone();
        self.inner.attempts.spawn("own event", async move {
            if let Err(error) = engine.try_publish_own(tenant, &id).await {
                tracing::error!(event = id, %error, "an event of the server's own waits for the next start");
            }
        });
    }

    async fn try_publish_own(&self, tenant: TenantId, id: &str) -> Result<(), Error> {
        let store = &self.inner.ports.store;
        let Some(bytes) = store.document(tenant, DocumentKind::EventOutbox, id).await? else { return Ok(()) };
        let own: OwnEvent =
            serde_json::from_slice(&bytes).map_err(|e| Error::broken("an event to publish cannot be read", &e))?;
        if Self::is_end(&own.kind) && !self.wants_end(tenant, &own.kind) {
            let write = DocumentWrite { value: None, ..own.row().ok_or(Error::Broken)? };
            return Ok(self
                .inner
                .committer
                .commit(Transition { tenant, execution: None, documents: vec![write] })
                .await?);
        }
        let (source, outbox) = (SOURCE.to_owned(), Some(id.to_owned()));
        let new = NewEvent { kind: own.kind, source, id: Some(own.id), data: Some(own.data), ..NewEvent::default() };
        self.publish_as(tenant, new, Origin { hops: own.hops, outbox }).await.map(|_| ())
    }

    /// After a start: what the last process had not published yet.
    pub(crate) async fn resume_own(&self, tenant: TenantId) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found = self.inner.ports.store.documents(tenant, DocumentKind::EventOutbox, "", page).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(last.clone());
            for (id, _) in found {
                if let Err(error) = self.try_publish_own(tenant, &id).await {
                    tracing::error!(event = id, %error, "an event of the server's own waits for the next start");
                }
            }
        }
    }
}
