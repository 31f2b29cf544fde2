//! What follows from a delivery: its start, and what came of it.

use super::arrival::{REASON_BYTES, read, write};
use super::log::DeliveryStatus;
use super::{Delivery, Turn, keys};
use crate::Error;
use crate::engine::Engine;
use crate::ports::{DocumentKind, DocumentWrite, ExecutionKey, Expect, Page, Transition};
use crate::starting::NewExecution;
use serde::Deserialize;
use std::sync::Arc;
use stepwell_core::execution::Trigger;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::payload::Payload;
use tokio::sync::oneshot;

/// Deliveries that are read at one time when the server starts.
const PAGE: usize = 100;
/// When the store cannot do it now, it is asked again after this many milliseconds.
const PAUSE_MS: u64 = 1_000;

impl Engine {
    /// Sees to the start of a delivery, in the background. `told`: why it was refused, if it was.
    pub(super) fn follow_delivery(
        &self,
        tenant: TenantId,
        (delivery, event): (Delivery, Payload),
        turn: Option<Turn>,
        told: oneshot::Sender<Option<Error>>,
    ) {
        let engine = self.clone();
        self.inner.attempts.spawn("webhook", async move {
            engine.settle_delivery(tenant, (delivery, event), told).await;
            drop(turn);
            engine.prune_deliveries(tenant, 1).await;
        });
    }

    async fn settle_delivery(
        &self,
        tenant: TenantId,
        (delivery, event): (Delivery, Payload),
        told: oneshot::Sender<Option<Error>>,
    ) {
        let Some(execution) = delivery.execution else { return };
        let (clock, mut told) = (&self.inner.ports.clock, Some(told));
        // Nobody may wait for the answer any more.
        let mut tell = |why| {
            let _ = told.take().map(|told| told.send(why));
        };
        loop {
            let result = match self.start_delivery(tenant, (&delivery, execution), &event).await {
                Err(Error::Unavailable(why) | Error::NoRoom { message: why, .. }) => Err(Error::Unavailable(why)),
                Ok(()) => self.outcome(tenant, &delivery, None).await.map(|()| None),
                Err(error) => self.outcome(tenant, &delivery, Some(&error)).await.map(|()| Some(error)),
            };
            match result {
                Ok(refused) => break tell(refused),
                Err(Error::Unavailable(_)) if self.accepting().is_err() => break, // its mark stands: the next start goes on
                Err(Error::Unavailable(why)) => {
                    tracing::warn!(delivery = delivery.id, why, "the start of a webhook's delivery is tried again");
                    tell(None);
                    clock.sleep_until(clock.now().plus(PAUSE_MS)).await;
                }
                Err(error) => {
                    tracing::error!(delivery = delivery.id, %error, "a webhook's delivery waits for the next start");
                    break;
                }
            }
        }
    }

    async fn start_delivery(
        &self,
        tenant: TenantId,
        (delivery, id): (&Delivery, ExecutionId),
        event: &Payload,
    ) -> Result<(), Error> {
        let new = NewExecution {
            workflow: delivery.workflow.clone(),
            pinned: None,
            input: data(event),
            trigger: Trigger::webhook(&delivery.id, delivery.by.clone()),
            event: Some(event.clone()),
            parent: None,
            depth: 0,
            hops: 0,
            rerun: None,
        };
        self.start_as(ExecutionKey { tenant, id }, new).await
    }

    /// Writes what came of it, and that nothing is left to do. A refused one is forgotten by its name: sent again, it is tried again.
    async fn outcome(&self, tenant: TenantId, before: &Delivery, refused: Option<&Error>) -> Result<(), Error> {
        let mut delivery = Delivery { status: DeliveryStatus::Started, ..before.clone() };
        let bytes = keys::bytes(&delivery.id).ok_or(Error::Broken)?;
        let change = |kind, key: String, value| DocumentWrite { kind, key, value, expect: Expect::Anything };
        let mut documents = vec![change(DocumentKind::WebhookPending, delivery.id.clone(), None)];
        if let Some(error) = refused {
            let mut reason = error.to_string();
            reason.truncate(reason.floor_char_boundary(REASON_BYTES));
            (delivery.status, delivery.execution) = (DeliveryStatus::Failed, None);
            (delivery.code, delivery.reason) = (Some(error.code()), Some(reason));
            documents.extend(delivery.name().map(|key| change(DocumentKind::WebhookKey, key, None)));
        }
        documents.push(change(DocumentKind::WebhookDelivery, keys::place(bytes), Some(write(&delivery)?)));
        Ok(self.inner.committer.commit(Transition { tenant, execution: None, documents }).await?)
    }

    /// After a start: deliveries whose executions were not started when the last process ended.
    pub(crate) async fn resume_deliveries(&self, tenant: TenantId) -> Result<(), Error> {
        let (mut after, store) = (None, &self.inner.ports.store);
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let marks = store.documents(tenant, DocumentKind::WebhookPending, "", page).await?;
            let Some((last, _)) = marks.last() else { break };
            after = Some(last.clone());
            for (id, _) in marks {
                let (Some(delivery), Some(event)) =
                    (self.stored_delivery(tenant, &id).await?, self.stored_event(tenant, &id).await?)
                else {
                    continue;
                };
                // Many may have waited: they take their turns like new ones.
                let turn = Arc::clone(&self.inner.webhooks.turns).acquire_owned().await.ok().map(Arc::new);
                self.follow_delivery(tenant, (delivery, event), turn, oneshot::channel().0);
            }
        }
        self.prune_deliveries(tenant, 0).await;
        Ok(())
    }

    /// What is kept of a delivery.
    pub(super) async fn stored_delivery(&self, tenant: TenantId, id: &str) -> Result<Option<Delivery>, Error> {
        let Some(bytes) = keys::bytes(id) else { return Ok(None) };
        let (kind, place) = (DocumentKind::WebhookDelivery, keys::place(bytes));
        self.inner.ports.store.document(tenant, kind, &place).await?.map(|bytes| read(&bytes)).transpose()
    }

    /// What it brought; a refused one is kept without.
    pub(super) async fn stored_event(&self, tenant: TenantId, id: &str) -> Result<Option<Payload>, Error> {
        let stored = self.inner.ports.store.document(tenant, DocumentKind::WebhookEvent, id).await?;
        let Some(bytes) = stored else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|e| Error::broken("a delivery cannot be read", &e))?;
        Payload::parse(text).map(Some).map_err(|e| Error::broken("a delivery cannot be read", &e))
    }
}

impl Delivery {
    /// The key of its name, if it has one.
    pub(super) fn name(&self) -> Option<String> {
        let scheme = self.scheme.as_deref().unwrap_or("none");
        let key = self.key.as_ref().filter(|_| self.replay_of.is_none())?;
        Some(keys::dedupe_key((&self.path, &self.method), scheme, key))
    }
}

/// The input of what a webhook starts is its body (D8), as it was written.
fn data(event: &Payload) -> Payload {
    #[derive(Deserialize)]
    struct Data {
        data: Payload,
    }
    serde_json::from_str(event.as_str()).map_or_else(|_| Payload::empty_object(), |event: Data| event.data)
}
