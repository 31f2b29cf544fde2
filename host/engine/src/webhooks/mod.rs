//! Webhooks: requests from outside that start workflows (semantics T8-T12, D8).
//!
//! A request is checked against the secrets of its trigger over its raw bytes ([`signatures`]) before anybody looks into it. What is
//! accepted is durable as a delivery, with the id of the execution that it will start, before that is started ([`arrival`]); a mark says that
//! this is not done yet, so that a restart goes on with it ([`settle`]) and starts nothing twice. What is refused leaves a line, too, but only
//! the last ones of each webhook ([`refusals`]): a stranger must not fill the disk.

mod arrival;
mod keys;
mod log;
mod prune;
mod receive;
mod refusals;
mod replay;
mod request;
mod settle;
pub(crate) mod signatures;

pub use log::{DeliveryPart, DeliveryQuery, DeliveryStatus, is_delivery_id};
pub use receive::{Received, Unreadable};
pub use signatures::Unsigned;

use crate::Error;
use crate::engine::Engine;
use crate::registry::StoredWorkflow;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stepwell_core::definition::WebhookTrigger;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Deliveries that are on their way to their start at one time: each is in memory until then, and who sends more waits.
const AT_ONCE: usize = 256;
/// A delivery waits for its turn at most so long, milliseconds: senders give up after ten seconds or so.
const TURN_MS: u64 = 5_000;

/// The webhook that a request is for.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Whose.
    tenant: TenantId,
    /// The workflow that it starts, as it is now.
    stored: Arc<StoredWorkflow>,
    /// Its place among the webhooks of the workflow.
    nth: usize,
}

/// What a path leads to.
#[derive(Debug, Clone)]
pub enum Route {
    /// This webhook.
    Here(Webhook),
    /// None with this method, but some with these.
    OtherMethods(Vec<String>),
    /// None.
    Nothing,
}

impl Webhook {
    pub(crate) fn new(tenant: TenantId, stored: Arc<StoredWorkflow>, nth: usize) -> Self {
        Self { tenant, stored, nth }
    }

    fn trigger(&self) -> Result<&WebhookTrigger, Error> {
        self.stored.workflow.triggers.webhooks.get(self.nth).ok_or(Error::Broken)
    }
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// In capitals.
    pub method: String,
    /// `/webhooks/...`, without the tenant's part.
    pub path: String,
    /// The parameters of the query: texts, and lists of texts for what is there several times.
    pub query: Map<String, Value>,
    /// Names in small letters, as often and in the order in which they came.
    pub headers: Vec<(String, Bytes)>,
    /// Its raw bytes.
    pub body: Bytes,
}

impl Incoming {
    fn headers(&self) -> Headers<'_> {
        Headers(&self.headers)
    }
}

/// A header that may be there once is there several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Twice;

/// The headers of a request.
#[derive(Clone, Copy)]
struct Headers<'a>(&'a [(String, Bytes)]);

impl<'a> Headers<'a> {
    fn has(self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// The value of a header that may be there once; what is no ASCII text counts as empty.
    fn one(self, name: &str) -> Result<Option<&'a str>, Twice> {
        let mut values = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(Twice),
            (value, _) => {
                let text = |value: &'a Bytes| std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
                Ok(value.map(|value| text(value).unwrap_or_default().trim()))
            }
        }
    }
}

/// A delivery as it is kept, without what it brought.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Delivery {
    /// Version of this form.
    v: u32,
    id: String,
    workflow: String,
    /// The trigger's place in `triggers`.
    trigger: usize,
    method: String,
    path: String,
    received: Timestamp,
    status: DeliveryStatus,
    /// `valid`, `none` if the webhook has no secret, or why it was refused.
    signature: String,
    /// The scheme, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
    /// What the sender calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// What it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    execution: Option<ExecutionId>,
    /// Stable code of why it starts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Bytes of the body.
    size: usize,
    /// Refused ones like it that left no line since the one before.
    #[serde(default, skip_serializing_if = "is_zero")]
    unlogged: u64,
    /// The delivery that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replay_of: Option<String>,
    /// Who repeated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde wants it
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What is under way.
pub(crate) struct Webhooks {
    turns: Arc<Semaphore>,
    refusals: refusals::Refusals,
    counts: prune::Counts,
    /// The time in the last id, milliseconds.
    last: AtomicU64,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            refusals: refusals::Refusals::default(),
            counts: prune::Counts::default(),
            last: AtomicU64::new(0),
        }
    }
}

/// The right to take one delivery to its start.
type Turn = Arc<OwnedSemaphorePermit>;

impl Engine {
    /// What the requests with this path and method are for.
    ///
    /// # Errors
    /// The store's.
    pub async fn webhook(&self, tenant: TenantId, path: &str, method: &str) -> Result<Route, Error> {
        self.inner.registry.webhook(tenant, path, method).await
    }

    /// The bytes of a new delivery's id. Each sorts behind the one before, also within a millisecond: lists are in this order.
    fn delivery_bytes(&self) -> [u8; 16] {
        let now = self.inner.ports.clock.now().0;
        let later = |last: u64| now.max(last.saturating_add(1));
        let last =
            self.inner.webhooks.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(later(last)));
        let mut random = [0; 10];
        self.inner.ports.entropy.fill(&mut random);
        ExecutionId::new(last.map_or(now, later), random).to_bytes()
    }

    async fn webhook_turn(&self) -> Result<Turn, Error> {
        let clock = &self.inner.ports.clock;
        let busy = || Error::Unavailable("too many webhooks are being delivered".to_owned());
        tokio::select! {
            turn = Arc::clone(&self.inner.webhooks.turns).acquire_owned() => turn.map(Arc::new).map_err(|_| busy()),
            () = clock.sleep_until(clock.now().plus(TURN_MS)) => Err(busy()),
        }
    }
}

/// The event of a delivery, as conditions and expressions see it (D8).
#[derive(Serialize, Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    timestamp: String,
    source: String,
    data: Payload,
    webhook: Payload,
}

/// The type of these events. They are not published: no other trigger sees them.
const EVENT_TYPE: &str = "webhook";
