//! An event comes in: checked, kept with what it matched, and only then followed by anything.

use super::keys::{self, dedupe_key, pending_key, place};
use super::{EventTurn, Matches, Published};
use crate::Error;
use crate::engine::Engine;
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Expect, Transition};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use stepwell_core::definition::is_type_pattern;
use stepwell_core::ids::{TenantId, is_valid_name, ulid};
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;

/// An event as somebody publishes it.
#[derive(Debug, Clone, Default)]
pub struct NewEvent {
    /// Its type: dotted segments, at most 200 bytes.
    pub kind: String,
    /// Where it comes from.
    pub source: String,
    /// With the source, it names the event: the same again is the first one again (T5). `None`: it is another event each time.
    pub id: Option<String>,
    /// RFC 3339; `None`: now.
    pub timestamp: Option<String>,
    /// What happened; `None` is `{}`.
    pub data: Option<Payload>,
    /// What it is about, in any form.
    pub resources: Option<Payload>,
    /// An object.
    pub metadata: Option<Payload>,
}

/// What came of a publication.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The event as it is kept.
    pub event: Payload,
    /// Whether it is new; otherwise it is the first one with this source and id.
    pub is_new: bool,
}

/// Where an event comes from, if not from the API.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    /// How many events that workflows published led to it.
    pub hops: u32,
    /// The document that is done with once it is published.
    pub outbox: Option<String>,
}

/// Longest `source`, and longest id of a publisher, in bytes.
const NAME_BYTES: usize = 512;
/// At most what the names of an event's fields, its time and an id of ours take, bytes.
const MEMBERS_BYTES: usize = 256;
/// How often an id is looked for when others publish at the same time.
const TRIES: u32 = 8;
/// Types that only the server publishes (H7).
const OWN_PREFIX: &str = "stepwell.";

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: &'a str,
    source: &'a str,
    data: &'a Payload,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<&'a Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Payload>,
}

impl Engine {
    /// Keeps an event, with what it matched; what follows from it happens afterwards. On return it is durable.
    ///
    /// # Errors
    /// [`Error::WrongShape`], [`Error::Refused`] for a type of the server's own, [`Error::TooLarge`],
    /// [`Error::QuotaReached`], [`Error::Unavailable`].
    pub async fn publish(&self, tenant: TenantId, new: NewEvent) -> Result<Publication, Error> {
        check_foreign(&new)?;
        self.admit_event(tenant)?;
        self.publish_as(tenant, new, Origin::default()).await
    }

    /// As [`Engine::publish`], for an event that comes out of an execution.
    pub(crate) async fn publish_from(
        &self,
        tenant: TenantId,
        new: NewEvent,
        origin: Origin,
    ) -> Result<Publication, Error> {
        check_foreign(&new)?;
        self.publish_as(tenant, new, origin).await
    }

    /// Whether [`Engine::publish`] will take an event, for whoever publishes several or none. Its size is taken as what it may become.
    ///
    /// # Errors
    /// As [`Engine::publish`], but for [`Error::Unavailable`].
    pub fn check_event(&self, tenant: TenantId, new: &NewEvent) -> Result<(), Error> {
        check_foreign(new)?;
        let size = |payload: &Option<Payload>| payload.as_ref().map_or(0, |payload| payload.as_str().len());
        let quoted = |text: &str| json!(text).to_string().len();
        // An id that cannot be kept stands in the metadata.
        let given = |text: &Option<String>| quoted(text.as_deref().unwrap_or_default());
        let texts = quoted(&new.kind) + quoted(&new.source) + 2 * given(&new.id) + given(&new.timestamp);
        let data = size(&new.data) + size(&new.resources) + size(&new.metadata);
        self.check_size_of_event(tenant, texts + data + MEMBERS_BYTES)
    }

    pub(super) async fn publish_as(
        &self,
        tenant: TenantId,
        new: NewEvent,
        origin: Origin,
    ) -> Result<Publication, Error> {
        self.accepting()?;
        let turn = self.event_turn().await?;
        for _ in 0..TRIES {
            if let Some(first) = self.first_of(tenant, &new).await? {
                return Ok(Publication { event: first, is_new: false });
            }
            let published = self.published(tenant, &new, origin.hops).await?;
            let matches = self.matches(tenant, &published).await?;
            let documents = documents(&published, &matches, &new, &origin)?;
            let event = published.event.clone();
            if self.keep(tenant, (published, matches), documents, &turn).await? {
                return Ok(Publication { event, is_new: true });
            }
        }
        Err(Error::Unavailable("the same event is being published".to_owned()))
    }

    /// The event that was first with this source and id. It may still wait for the disk while it can be read already: what is written
    /// again as it stands is durable on return, and so is all that came before.
    async fn first_of(&self, tenant: TenantId, new: &NewEvent) -> Result<Option<Payload>, Error> {
        let Some(given) = &new.id else { return Ok(None) };
        let (store, key) = (&self.inner.ports.store, dedupe_key(&new.source, given));
        let Some(bytes) = store.document(tenant, DocumentKind::EventKey, &key).await? else { return Ok(None) };
        let id = String::from_utf8_lossy(&bytes).into_owned();
        let Some(first) = self.kept(tenant, &id).await? else { return Ok(None) };
        let expect = Expect::Value(bytes.clone());
        let write = DocumentWrite { kind: DocumentKind::EventKey, key, value: Some(bytes), expect };
        match self.inner.committer.commit(Transition { tenant, execution: None, documents: vec![write] }).await {
            Ok(()) | Err(CommitError::Unexpected { .. }) => Ok(Some(first.event)),
            Err(other) => Err(other.into()),
        }
    }

    /// The event as it will be kept.
    async fn published(&self, tenant: TenantId, new: &NewEvent, hops: u32) -> Result<Published, Error> {
        let received = self.inner.ports.clock.now();
        let own = match &new.id {
            Some(given) if is_valid_name(given) && self.kept(tenant, given).await?.is_none() => Some(given.clone()),
            Some(_) | None => None,
        };
        // Another source holds the id, or it cannot stand in an address (T5, P5).
        let source_id = new.id.as_ref().filter(|_| own.is_none());
        let metadata = source_id.map_or_else(|| new.metadata.clone(), |id| Some(with_source_id(new, id)));
        let id = own.unwrap_or_else(|| format!("evt-{}", ulid(self.new_id().to_bytes())));
        let timestamp = new.timestamp.clone().unwrap_or_else(|| received.rfc3339());
        let data = new.data.clone().unwrap_or_else(Payload::empty_object);
        let shown = Shown {
            id: &id,
            kind: &new.kind,
            timestamp: &timestamp,
            source: &new.source,
            data: &data,
            resources: new.resources.as_ref(),
            metadata: metadata.as_ref(),
        };
        let text = serde_json::to_string(&shown).map_err(|e| Error::broken("an event cannot be written", &e))?;
        let event = Payload::parse(&text)
            .map_err(|error| Error::WrongShape { field: "data", message: format!("the event: {error}") })?;
        self.check_size_of_event(tenant, event.as_str().len())?;
        Ok(Published { v: 1, id, kind: new.kind.clone(), source: new.source.clone(), received, hops, event })
    }

    fn check_size_of_event(&self, tenant: TenantId, size: usize) -> Result<(), Error> {
        let (size, limit) = (size as u64, self.limits_of(tenant).execution.payload_bytes);
        if size <= limit {
            return Ok(());
        }
        let message = format!(
            "the event has {size} bytes; at most {limit} are accepted (limit `payload_bytes`): store large data elsewhere and send its address"
        );
        Err(Error::TooLarge { limit: "payload_bytes", message })
    }

    /// Commits, and sees to what follows even if the caller has gone away meanwhile. False if another event came first.
    async fn keep(
        &self,
        tenant: TenantId,
        (published, matches): (Published, Matches),
        documents: Vec<DocumentWrite>,
        turn: &EventTurn,
    ) -> Result<bool, Error> {
        let kept = documents.first().and_then(|document| document.value.clone());
        let (published, matches) = (Arc::new(published), Arc::new(matches));
        let follow = {
            let (engine, published, turn) = (self.clone(), Arc::clone(&published), Arc::clone(turn));
            move || engine.follow(tenant, published, matches, Some(turn))
        };
        let transition = Transition { tenant, execution: None, documents };
        let commit = || self.inner.committer.commit_then(transition.clone(), Box::new(follow.clone()));
        match commit().await {
            Ok(()) => Ok(true),
            Err(CommitError::Unexpected { .. }) => Ok(false),
            // Written or not: asked once more, the store knows.
            Err(CommitError::Store(_)) => match commit().await {
                Ok(()) => Ok(true),
                Err(CommitError::Unexpected { .. }) => {
                    let stored = self.inner.ports.store.document(tenant, DocumentKind::Event, &published.id).await?;
                    let is_ours = stored.is_some() && stored == kept;
                    if is_ours {
                        follow();
                    }
                    Ok(is_ours)
                }
                Err(other) => Err(other.into()),
            },
            Err(other) => Err(other.into()),
        }
    }

    /// An event as it is kept.
    pub(super) async fn kept(&self, tenant: TenantId, id: &str) -> Result<Option<Published>, Error> {
        let bytes = self.inner.ports.store.document(tenant, DocumentKind::Event, id).await?;
        let read = |bytes: Bytes| serde_json::from_slice(&bytes);
        bytes.map(read).transpose().map_err(|e| Error::broken("an event cannot be read", &e))
    }
}

/// The event itself, where it is found, and that its consequences are not done.
fn documents(
    published: &Published,
    matches: &Matches,
    new: &NewEvent,
    origin: &Origin,
) -> Result<Vec<DocumentWrite>, Error> {
    let place = place(published.received, &published.id);
    let unwritable = |e| Error::broken("an event cannot be written", &e);
    let put = |kind, key: String, value: Bytes, expect| DocumentWrite { kind, key, value: Some(value), expect };
    let json = serde_json::to_vec(published).map_err(unwritable)?;
    let facts = Bytes::from(json!({"type": published.kind, "source": published.source}).to_string());
    let mut documents = vec![
        put(DocumentKind::Event, published.id.clone(), json.into(), Expect::Absent),
        put(DocumentKind::EventByTime, place.clone(), facts.clone(), Expect::Anything),
        put(DocumentKind::EventByType, keys::by_type(&published.kind, &place), facts, Expect::Anything),
    ];
    let pending = pending_key(published.received, &published.id);
    documents.push(put(DocumentKind::EventPending, pending, Bytes::new(), Expect::Anything));
    if let Some(given) = &new.id {
        let key = dedupe_key(&new.source, given);
        documents.push(put(DocumentKind::EventKey, key, published.id.clone().into(), Expect::Absent));
    }
    if !matches.is_empty() {
        let matches = serde_json::to_vec(matches).map_err(unwritable)?;
        documents.push(put(DocumentKind::EventMatches, published.id.clone(), matches.into(), Expect::Anything));
    }
    documents.extend(origin.outbox.clone().map(|key| DocumentWrite {
        kind: DocumentKind::EventOutbox,
        key,
        value: None,
        expect: Expect::Anything,
    }));
    Ok(documents)
}

/// `metadata` with the id that the publisher gave. Its text is kept as it is.
fn with_source_id(new: &NewEvent, id: &str) -> Payload {
    let added = json!(id);
    let text = new.metadata.as_ref().map_or("{}", |metadata| metadata.as_str().trim());
    let inside = text.strip_suffix('}').unwrap_or("{").trim_end();
    let comma = if inside.ends_with('{') { "" } else { "," };
    Payload::parse(&format!("{inside}{comma}\"sourceId\":{added}}}")).unwrap_or_else(|_| Payload::empty_object())
}

fn check_foreign(new: &NewEvent) -> Result<(), Error> {
    check(new)?;
    if new.kind.starts_with(OWN_PREFIX) {
        let message =
            format!("types that begin with {OWN_PREFIX:?} are events of the server itself; choose another type");
        return Err(Error::Refused { code: "reserved_type", message });
    }
    Ok(())
}

fn check(new: &NewEvent) -> Result<(), Error> {
    let wrong = |field, message: &str| Err(Error::WrongShape { field, message: message.to_owned() });
    if !is_type_pattern(&new.kind) || new.kind.contains('*') {
        return wrong(
            "type",
            "`type` has dotted segments without white space and stars, such as order.placed, at most 200 bytes",
        );
    }
    if !is_name(&new.source) {
        return wrong("source", "`source` says where the event comes from: 1 to 512 bytes without control characters");
    }
    if new.id.as_deref().is_some_and(|id| !is_name(id)) {
        return wrong("id", "`id` has 1 to 512 bytes without control characters; leave it out to get one");
    }
    if new.timestamp.as_deref().is_some_and(|at| Timestamp::parse_rfc3339(at).is_none()) {
        return wrong("timestamp", "`timestamp` is a moment such as 2026-01-31T08:00:00Z; leave it out for now");
    }
    if new.metadata.as_ref().is_some_and(|metadata| !metadata.is_object()) {
        return wrong("metadata", "`metadata` is an object");
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_publishers_id_stands_in_the_metadata() {
        for (metadata, expected) in [
            (None, r#"{"sourceId":"a\"b"}"#),
            (Some("{ }"), r#"{"sourceId":"a\"b"}"#),
            (Some(r#"{"n": 1.50 }"#), r#"{"n": 1.50,"sourceId":"a\"b"}"#),
        ] {
            let metadata = metadata.map(|text| Payload::parse(text).expect("JSON"));
            let new = NewEvent { metadata, ..NewEvent::default() };
            assert_eq!(with_source_id(&new, "a\"b").as_str(), expected);
        }
    }
}
