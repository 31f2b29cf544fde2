//! What an event consists of in the store, for whoever removes it.

use super::keys::{self, END, dedupe_key, id_at, received};
use crate::Error;
use crate::engine::Engine;
use crate::meters::FRAME;
use crate::ports::{DocumentKind, DocumentWrite, Expect};
use bytes::Bytes;
use stepwell_core::ids::TenantId;

/// How the keys of all that came of an event begin.
pub(crate) fn came_of(id: &str) -> String {
    format!("{id}{END}")
}

/// The documents to remove, the event's id, and the bytes of those that count.
pub(crate) type EventRows = (Vec<DocumentWrite>, String, u64);

impl Engine {
    /// Whether what follows from an event is not done.
    pub(crate) async fn is_event_pending(&self, tenant: TenantId, id: &str) -> Result<bool, Error> {
        let Some(event) = self.kept(tenant, id).await? else { return Ok(false) };
        let mark = keys::pending_key(event.received, id);
        Ok(self.inner.ports.store.document(tenant, DocumentKind::EventPending, &mark).await?.is_some())
    }

    /// All that goes with the event at this place of the list by time; `None`: something still follows from it.
    pub(crate) async fn rows_of_event(&self, tenant: TenantId, place: &str) -> Result<Option<EventRows>, Error> {
        let store = &self.inner.ports.store;
        let id = id_at(place);
        let mut rows = vec![removal(DocumentKind::EventByTime, place.to_owned(), Expect::Anything)];
        if let Some(at) = received(place) {
            let mark = keys::pending_key(at, id);
            if store.document(tenant, DocumentKind::EventPending, &mark).await?.is_some() {
                return Ok(None);
            }
        }
        let Some(event) = self.kept(tenant, id).await? else { return Ok(Some((rows, id.to_owned(), 0))) };
        let mut bytes = event.event.as_str().len() as u64 + 3 * FRAME;
        rows.push(removal(DocumentKind::Event, id.to_owned(), Expect::Anything));
        rows.push(removal(DocumentKind::EventByType, keys::by_type(&event.kind, place), Expect::Anything));
        rows.push(removal(DocumentKind::EventMatches, id.to_owned(), Expect::Anything));
        let shown = event.event.to_value();
        // What the publisher calls it: its id, or what stands in the metadata if that could not be kept.
        for given in [Some(id), shown["metadata"]["sourceId"].as_str()].into_iter().flatten() {
            let key = dedupe_key(&event.source, given);
            let first = store.document(tenant, DocumentKind::EventKey, &key).await?;
            if first.is_some_and(|first| first == id.as_bytes()) {
                bytes += id.len() as u64 + FRAME;
                let expect = Expect::Value(Bytes::copy_from_slice(id.as_bytes()));
                rows.push(removal(DocumentKind::EventKey, key, expect));
            }
        }
        Ok(Some((rows, id.to_owned(), bytes)))
    }
}

fn removal(kind: DocumentKind, key: String, expect: Expect) -> DocumentWrite {
    DocumentWrite { kind, key, value: None, expect }
}
