//! A request that is as it must be becomes a delivery: kept, and only then followed by anything.

use super::log::DeliveryStatus;
use super::receive::Received;
use super::{Delivery, EVENT_TYPE, Event, Turn, Webhook, keys};
use crate::Error;
use crate::engine::Engine;
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Expect, Transition};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepwell_core::definition::Scheme;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::occurrence::{Occurrence, Quiet};
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;
use tokio::sync::oneshot;

/// A delivery that may come again: what the first one was.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct First {
    pub delivery: String,
    pub execution: Option<ExecutionId>,
    /// Why it starts nothing.
    #[serde(default)]
    pub code: Option<String>,
    pub expires: Timestamp,
}

/// How long a delivery is known again, milliseconds (T10).
const KNOWN_MS: u64 = 86_400_000;
/// How often a delivery is tried when the same one comes several times at once.
const TRIES: u32 = 8;
/// Longest text of an error that is kept with a delivery, bytes.
pub(super) const REASON_BYTES: usize = 400;
/// Steps that the condition of one delivery may spend: more than an expression may take.
const CONDITION_STEPS: u64 = 1_000_000;

/// A request that is signed as it must be, and read.
pub(super) struct Arrival {
    pub webhook: Webhook,
    pub scheme: Option<Scheme>,
    pub signature: &'static str,
    /// What the sender calls it.
    pub key: Option<String>,
    pub body: Payload,
    /// `{method, path, query, headers}`
    pub about: Payload,
    pub size: usize,
    pub replay: Option<Replay>,
}

/// Who repeats which delivery.
pub(super) struct Replay {
    pub of: String,
    pub by: String,
    /// When the first one came, RFC 3339.
    pub timestamp: String,
}

impl Engine {
    /// Keeps a delivery, and waits for its start.
    pub(super) async fn arrive(&self, arrival: Arrival) -> Result<Received, Error> {
        let turn = self.webhook_turn().await?;
        for _ in 0..TRIES {
            let (known, expect) = self.first_delivery(&arrival).await?;
            if let Some(first) = known {
                return Ok(again(first));
            }
            let (delivery, event) = self.new_delivery(&arrival)?;
            let documents = documents(&arrival, &delivery, &event, expect)?;
            let tenant = arrival.webhook.tenant;
            let id = delivery.id.clone();
            let (code, execution) = (delivery.code.clone(), delivery.execution);
            let Some(started) = self.keep_delivery(tenant, (delivery, event), documents, &turn).await? else {
                continue;
            };
            return match execution {
                None => Ok(Received::Ignored { delivery: id, code: code.unwrap_or_default() }),
                Some(execution) => match started.await {
                    Ok(Some(error)) => Ok(Received::NotStarted { delivery: id, error }),
                    // Started, or it will be: it is durable.
                    Ok(None) | Err(_) => Ok(Received::Accepted { delivery: id, execution }),
                },
            };
        }
        Err(Error::Unavailable("the same delivery is under way".to_owned()))
    }

    /// The delivery with the same name, if there was one in the last day; otherwise what its document must be like.
    async fn first_delivery(&self, arrival: &Arrival) -> Result<(Option<First>, Option<Expect>), Error> {
        let Some(key) = arrival.dedupe_key()? else { return Ok((None, None)) };
        let tenant = arrival.webhook.tenant;
        let stored = self.inner.ports.store.document(tenant, DocumentKind::WebhookKey, &key).await?;
        let Some(bytes) = stored else { return Ok((None, Some(Expect::Absent))) };
        let first: First = read(&bytes)?;
        if first.expires <= self.inner.ports.clock.now() {
            return Ok((None, Some(Expect::Value(bytes))));
        }
        // It may still wait for the disk while it can be read already.
        self.inner.committer.settled().await;
        Ok((Some(first), None))
    }

    /// The delivery as it will be kept, and its event.
    fn new_delivery(&self, arrival: &Arrival) -> Result<(Delivery, Payload), Error> {
        let trigger = arrival.webhook.trigger()?;
        let (received, id) = (self.inner.ports.clock.now(), keys::id(self.delivery_bytes()));
        let replay = arrival.replay.as_ref();
        let event = Event {
            id: id.clone(),
            kind: EVENT_TYPE.to_owned(),
            timestamp: replay.map_or_else(|| received.rfc3339(), |replay| replay.timestamp.clone()),
            source: trigger.path.clone(),
            data: arrival.body.clone(),
            webhook: arrival.about.clone(),
        };
        let text = serde_json::to_string(&event).map_err(|e| Error::broken("a delivery cannot be written", &e))?;
        let event = Payload::parse(&text)
            .map_err(|error| Error::WrongShape { field: "body", message: format!("the body: {error}") })?;
        let occurrence = Occurrence::new(EVENT_TYPE, &trigger.path, &event);
        let quiet = occurrence.keeps_quiet(trigger.condition.as_ref(), &mut { CONDITION_STEPS });
        let workflow = arrival.webhook.stored.workflow.id.clone();
        let execution = quiet.is_none().then(|| keys::execution_id(&id, received, &workflow));
        let (code, reason) = quiet.map(because).unzip();
        let delivery = Delivery {
            v: 1,
            id,
            workflow,
            trigger: trigger.at,
            method: trigger.method.clone(),
            path: trigger.path.clone(),
            received,
            status: if execution.is_some() { DeliveryStatus::Accepted } else { DeliveryStatus::Ignored },
            signature: arrival.signature.to_owned(),
            scheme: arrival.scheme.map(|scheme| scheme.word().to_owned()),
            key: arrival.key.clone(),
            execution,
            code,
            reason,
            size: arrival.size,
            unlogged: 0,
            replay_of: replay.map(|replay| replay.of.clone()),
            by: replay.map(|replay| replay.by.clone()),
        };
        Ok((delivery, event))
    }

    /// Commits, and sees to the start even if the sender has gone away meanwhile. `None` if the same delivery came first.
    async fn keep_delivery(
        &self,
        tenant: TenantId,
        (delivery, event): (Delivery, Payload),
        documents: Vec<DocumentWrite>,
        turn: &Turn,
    ) -> Result<Option<oneshot::Receiver<Option<Error>>>, Error> {
        let kept = documents.first().cloned();
        let transition = Transition { tenant, execution: None, documents };
        let follow = || {
            let (told, started) = oneshot::channel();
            let (engine, turn) = (self.clone(), Arc::clone(turn));
            let (delivery, event) = (delivery.clone(), event.clone());
            (move || engine.follow_delivery(tenant, (delivery, event), Some(turn), told), started)
        };
        for _ in 0..2 {
            let (then, started) = follow();
            match self.inner.committer.commit_then(transition.clone(), Box::new(then)).await {
                Ok(()) => return Ok(Some(started)),
                // Written or not: asked once more, the store knows.
                Err(CommitError::Store(_)) => {}
                Err(CommitError::Unexpected { .. }) if self.is_kept(tenant, kept.as_ref()).await? => {
                    let (then, started) = follow();
                    then();
                    return Ok(Some(started));
                }
                Err(CommitError::Unexpected { .. }) => return Ok(None),
                Err(other) => return Err(other.into()),
            }
        }
        Err(Error::Unavailable("the delivery cannot be kept".to_owned()))
    }

    async fn is_kept(&self, tenant: TenantId, document: Option<&DocumentWrite>) -> Result<bool, Error> {
        let Some(document) = document else { return Ok(false) };
        let stored = self.inner.ports.store.document(tenant, document.kind, &document.key).await?;
        Ok(stored.is_some() && stored == document.value)
    }
}

impl Arrival {
    /// The key of its name, if it has one and is no replay.
    fn dedupe_key(&self) -> Result<Option<String>, Error> {
        let trigger = self.webhook.trigger()?;
        let scheme = self.scheme.map_or("none", Scheme::word);
        let key = self.key.as_ref().filter(|_| self.replay.is_none());
        Ok(key.map(|key| keys::dedupe_key((&trigger.path, &trigger.method), scheme, key)))
    }
}

/// The delivery came before.
fn again(first: First) -> Received {
    match first.execution {
        Some(execution) => Received::Accepted { delivery: first.delivery, execution },
        None => Received::Ignored { delivery: first.delivery, code: first.code.unwrap_or_default() },
    }
}

/// The delivery itself, what it brought, where it is found, that it is to be started, and its name.
fn documents(
    arrival: &Arrival,
    delivery: &Delivery,
    event: &Payload,
    expect: Option<Expect>,
) -> Result<Vec<DocumentWrite>, Error> {
    let bytes = keys::bytes(&delivery.id).ok_or(Error::Broken)?;
    let put = |kind, key: String, value: Bytes, expect| DocumentWrite { kind, key, value: Some(value), expect };
    let any = || Expect::Anything;
    let mut documents = vec![
        put(DocumentKind::WebhookDelivery, keys::place(bytes), write(delivery)?, Expect::Absent),
        put(DocumentKind::WebhookEvent, delivery.id.clone(), Bytes::copy_from_slice(event.as_str().as_bytes()), any()),
        put(DocumentKind::WebhookAge, keys::age(bytes), Bytes::new(), any()),
    ];
    if delivery.execution.is_some() {
        documents.push(put(DocumentKind::WebhookPending, delivery.id.clone(), Bytes::new(), any()));
    }
    if let (Some(key), Some(expect)) = (arrival.dedupe_key()?, expect) {
        let expires = delivery.received.plus(KNOWN_MS);
        let (id, execution, code) = (delivery.id.clone(), delivery.execution, delivery.code.clone());
        let first = First { delivery: id, execution, code, expires };
        documents.push(put(DocumentKind::WebhookKeyAge, keys::expiry(expires, &key), Bytes::new(), any()));
        documents.push(put(DocumentKind::WebhookKey, key, write(&first)?, expect));
    }
    Ok(documents)
}

pub(super) fn write(value: &impl Serialize) -> Result<Bytes, Error> {
    let json = serde_json::to_vec(value).map_err(|e| Error::broken("a delivery cannot be written", &e))?;
    Ok(json.into())
}

pub(super) fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::broken("a delivery cannot be read", &e))
}

/// Why the condition does not hold: code and text.
fn because(quiet: Quiet) -> (String, String) {
    match quiet {
        Quiet::False => ("condition_false".to_owned(), "the trigger's condition is false".to_owned()),
        Quiet::Failed(mut error) => {
            error.truncate(error.floor_char_boundary(REASON_BYTES));
            ("condition_failed".to_owned(), format!("the trigger's condition could not be evaluated: {error}"))
        }
        Quiet::OutOfSteps => {
            ("condition_failed".to_owned(), "the trigger's condition takes too many steps; simplify it".to_owned())
        }
    }
}
