//! Events read back: one with what came of it, and lists, the newest first.

use super::keys::{self, END};
use super::{Effect, Outcomes, Published};
use crate::engine::Engine;
use crate::ports::{DocumentKind, Page};
use crate::{Error, sound};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use stepwell_core::definition::type_matches;
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Of this type, or of a pattern of types.
    pub kind: Option<String>,
    /// From there.
    pub source: Option<String>,
    /// Received at this moment or later.
    pub since: Option<Timestamp>,
    /// Behind this place: the `next` of an earlier part.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list.
#[derive(Debug, Clone, Default)]
pub struct EventPart {
    /// The events, the newest first.
    pub items: Vec<Payload>,
    /// Where the list goes on; `None`: it does not.
    pub next: Option<String>,
}

/// Entries of an index that are read at one time.
const PAGE: usize = 500;
/// Entries that one request looks at: a filter that fits nothing costs little.
const LOOKS: usize = 10_000;
/// A list is cut behind so many bytes: it is held in memory.
const LIST_BYTES: usize = 8 << 20;
/// How long an answer waits for what follows from an event, milliseconds: mostly it is there before anybody asks.
const SETTLE_MS: u64 = 5_000;
/// Most lines that an event shows of what came of it.
const SHOWN: usize = 10_000;

#[derive(Deserialize)]
struct Facts {
    #[serde(rename = "type")]
    kind: String,
    source: String,
}

/// A walk over an index of events.
struct Walk<'a> {
    kind: DocumentKind,
    prefix: String,
    query: &'a EventQuery,
}

impl Engine {
    /// One event as JSON text, with `started`, `notStarted`, `delivered`, and `settled`: whether nothing more will be added.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn event(&self, tenant: TenantId, id: &str) -> Result<String, Error> {
        let not_found = || Error::NotFound { what: "event", id: id.to_owned() };
        let known = stepwell_core::ids::is_valid_name(id);
        let event = if known { self.kept(tenant, id).await? } else { None };
        let event = event.ok_or_else(not_found)?;
        let settled = self.wait_settled(tenant, &event).await?;
        let mut outcomes = Outcomes { started: Vec::new(), not_started: self.matched(tenant, id).await?.quiet };
        for (_, part) in self.of_event(tenant, DocumentKind::EventOutcome, id).await? {
            let part: Outcomes = read(&part)?;
            outcomes.started.extend(part.started);
            outcomes.not_started.extend(part.not_started);
        }
        let effects = self.of_event(tenant, DocumentKind::EventEffect, id).await?;
        let effects = effects.iter().map(|(_, effect)| read(effect)).collect::<Result<Vec<Effect>, _>>()?;
        let (not_delivered, delivered): (Vec<_>, Vec<_>) =
            effects.into_iter().partition(|effect| effect.reason.is_some());
        let more = json!({
            "started": outcomes.started,
            "notStarted": outcomes.not_started,
            "delivered": delivered,
            "notDelivered": not_delivered,
            "settled": settled,
        });
        // What can be read may still wait for the disk.
        self.inner.committer.settled().await;
        let (event, more) = (event.event.as_str(), more.to_string());
        let own = event.strip_suffix('}').unwrap_or(event);
        Ok(format!("{own},{}", more.strip_prefix('{').unwrap_or(&more)))
    }

    async fn of_event(&self, tenant: TenantId, kind: DocumentKind, id: &str) -> Result<Vec<(String, Bytes)>, Error> {
        let page = Page { after: None, limit: SHOWN };
        Ok(self.inner.ports.store.documents(tenant, kind, &format!("{id}{END}"), page).await?)
    }

    /// Waits a while for what follows from an event; whether it is done.
    async fn wait_settled(&self, tenant: TenantId, event: &Published) -> Result<bool, Error> {
        let (clock, mark) = (&self.inner.ports.clock, keys::pending_key(event.received, &event.id));
        let until = clock.now().plus(SETTLE_MS);
        let mut settled = self.inner.events.settled.subscribe();
        loop {
            settled.mark_unchanged();
            let pending = self.inner.ports.store.document(tenant, DocumentKind::EventPending, &mark).await?;
            if pending.is_none() {
                return Ok(true);
            }
            tokio::select! {
                changed = settled.changed() => if changed.is_err() { return Ok(false) },
                () = clock.sleep_until(until) => return Ok(false),
            }
        }
    }

    /// Events of a tenant, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn events(&self, tenant: TenantId, query: &EventQuery) -> Result<EventPart, Error> {
        let mut part = EventPart::default();
        let (places, next) = self.places(tenant, query).await?;
        let mut bytes = 0;
        for place in places {
            if bytes > LIST_BYTES {
                return Ok(part);
            }
            part.next = Some(place.clone());
            let event = sound::line(self.kept(tenant, keys::id_at(&place)).await)?.flatten();
            let Some(event) = event else { continue };
            bytes += event.event.as_str().len();
            part.items.push(event.event);
        }
        part.next = next;
        self.inner.committer.settled().await;
        Ok(part)
    }

    /// The places of events of a type since a moment, the newest first.
    pub(super) async fn places_since(
        &self,
        tenant: TenantId,
        kind: &str,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let query = EventQuery { kind: Some(kind.to_owned()), since: Some(since), limit, ..EventQuery::default() };
        Ok(self.places(tenant, &query).await?.0)
    }

    /// The places that a query wants, and where it goes on.
    async fn places(&self, tenant: TenantId, query: &EventQuery) -> Result<(Vec<String>, Option<String>), Error> {
        let walk = Walk::of(query);
        let mut after = query.after.as_ref().map(|after| format!("{}{after}", walk.prefix));
        let (mut places, mut looked) = (Vec::new(), 0);
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found = sound::listed(&*self.inner.ports.store, (tenant, walk.kind), &walk.prefix, page).await?;
            let is_last = found.len() < PAGE;
            for (key, facts) in found {
                let place = key.strip_prefix(&walk.prefix).unwrap_or_default();
                if query.since.is_some_and(|since| keys::received(place).is_some_and(|at| at < since)) {
                    return Ok((places, None));
                }
                looked += 1;
                if walk.takes(&facts) {
                    places.push(place.to_owned());
                }
                if places.len() >= query.limit || looked >= LOOKS {
                    return Ok((places, Some(place.to_owned())));
                }
                after = Some(key);
            }
            if is_last {
                return Ok((places, None));
            }
        }
    }
}

impl<'a> Walk<'a> {
    fn of(query: &'a EventQuery) -> Self {
        match query.kind.as_ref().filter(|kind| !kind.contains('*')) {
            Some(kind) => Self { kind: DocumentKind::EventByType, prefix: keys::by_type(kind, ""), query },
            None => Self { kind: DocumentKind::EventByTime, prefix: String::new(), query },
        }
    }

    fn takes(&self, facts: &[u8]) -> bool {
        let Ok(facts) = serde_json::from_slice::<Facts>(facts) else { return false };
        self.query.kind.as_ref().is_none_or(|pattern| type_matches(pattern, &facts.kind))
            && self.query.source.as_ref().is_none_or(|source| *source == facts.source)
    }
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::broken("what came of an event cannot be read", &e))
}
