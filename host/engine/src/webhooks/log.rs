//! Deliveries read back: one with what it brought, and lists, the newest first.

use super::arrival::read;
use super::{Delivery, Event, keys};
use crate::engine::Engine;
use crate::ports::{DocumentKind, Page};
use crate::{Error, sound};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// Its execution is being started.
    Accepted,
    /// Its execution is started.
    Started,
    /// The trigger's condition did not hold.
    Ignored,
    /// The start was refused.
    Failed,
    /// Its signature or its body was not as it must be.
    Refused,
}

impl DeliveryStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Accepted, Self::Started, Self::Ignored, Self::Failed, Self::Refused];

    /// As the API spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Started => "started",
            Self::Ignored => "ignored",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// Which deliveries are wanted.
#[derive(Debug, Clone, Default)]
pub struct DeliveryQuery {
    /// Only those of this workflow.
    pub workflow: Option<String>,
    /// Only those with one of these; `None`: all.
    pub statuses: Option<Vec<DeliveryStatus>>,
    /// Where an earlier list ended: a delivery's id.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list.
#[derive(Debug, Clone, Default)]
pub struct DeliveryPart {
    /// The deliveries as the API shows them, the newest first, without what they brought.
    pub items: Vec<Value>,
    /// Where the list goes on; `None`: it does not.
    pub next: Option<String>,
}

/// Deliveries that are read at one time.
const PAGE: usize = 200;
/// Deliveries that one request looks at: a filter that fits nothing costs little.
const LOOKS: usize = 2_000;

/// Whether a text is spelled like the id of a delivery.
#[must_use]
pub fn is_delivery_id(text: &str) -> bool {
    keys::bytes(text).is_some()
}

impl Engine {
    /// Deliveries of a tenant's webhooks, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn deliveries(&self, tenant: TenantId, query: &DeliveryQuery) -> Result<DeliveryPart, Error> {
        let mut part = DeliveryPart::default();
        let mut after = query.after.as_deref().and_then(keys::bytes).map(keys::place);
        let mut looked = 0;
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found =
                sound::listed(&*self.inner.ports.store, (tenant, DocumentKind::WebhookDelivery), "", page).await?;
            let is_last = found.len() < PAGE;
            for (place, bytes) in found {
                let delivery: Delivery = read(&bytes)?;
                looked += 1;
                if query.takes(&delivery) {
                    part.items.push(shown(&delivery));
                }
                if part.items.len() >= query.limit || looked >= LOOKS {
                    part.next = Some(delivery.id);
                    return self.settled_part(part).await;
                }
                after = Some(place);
            }
            if is_last {
                return self.settled_part(part).await;
            }
        }
    }

    /// What can be read may still wait for the disk.
    async fn settled_part(&self, part: DeliveryPart) -> Result<DeliveryPart, Error> {
        self.inner.committer.settled().await;
        Ok(part)
    }

    /// One delivery as the API shows it, with headers, query and body unless it was refused.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delivery(&self, tenant: TenantId, id: &str) -> Result<String, Error> {
        let not_found = || Error::NotFound { what: "delivery", id: id.to_owned() };
        let delivery = self.stored_delivery(tenant, id).await?.ok_or_else(not_found)?;
        let event = self.stored_event(tenant, id).await?;
        self.inner.committer.settled().await;
        let shown = shown(&delivery).to_string();
        let Some(event) = event else { return Ok(shown) };
        let (about, body) = parts(&event)?;
        let more = format!(
            ",\"query\":{},\"headers\":{},\"body\":{}}}",
            about.query.as_str(),
            about.headers.as_str(),
            body.as_str()
        );
        Ok(format!("{}{more}", shown.strip_suffix('}').unwrap_or(&shown)))
    }
}

/// What a request brought beside its body.
#[derive(Deserialize)]
struct About {
    query: Payload,
    headers: Payload,
}

fn parts(event: &Payload) -> Result<(About, Payload), Error> {
    let unreadable = |e: serde_json::Error| Error::broken("a delivery cannot be read", &e);
    let event: Event = serde_json::from_str(event.as_str()).map_err(unreadable)?;
    let about = serde_json::from_str(event.webhook.as_str()).map_err(unreadable)?;
    Ok((about, event.data))
}

impl DeliveryQuery {
    fn takes(&self, delivery: &Delivery) -> bool {
        self.workflow.as_ref().is_none_or(|workflow| *workflow == delivery.workflow)
            && self.statuses.as_ref().is_none_or(|statuses| statuses.contains(&delivery.status))
    }
}

fn shown(delivery: &Delivery) -> Value {
    let mut shown = json!({
        "id": delivery.id,
        "workflowId": delivery.workflow,
        "trigger": delivery.trigger,
        "method": delivery.method,
        "path": delivery.path,
        "receivedAt": delivery.received.rfc3339(),
        "status": delivery.status.word(),
        "signature": delivery.signature,
        "scheme": delivery.scheme,
        "deliveryKey": delivery.key,
        "executionId": delivery.execution.map(|id| id.to_string()),
        "code": delivery.code,
        "reason": delivery.reason,
        "bytes": delivery.size,
    });
    if delivery.unlogged > 0 {
        shown["unlogged"] = json!(delivery.unlogged);
    }
    if delivery.replay_of.is_some() {
        shown["replayOf"] = json!(delivery.replay_of);
        shown["by"] = json!(delivery.by);
    }
    shown
}
