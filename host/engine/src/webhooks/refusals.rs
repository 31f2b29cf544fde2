//! Lines about refused requests. Anybody can cause them, so they are few: the last ones of each webhook, so many in a minute, without bodies.

use super::arrival::write;
use super::log::DeliveryStatus;
use super::signatures::Unsigned;
use super::{Delivery, Incoming, Webhook, keys};
use crate::Error;
use crate::engine::Engine;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Transition};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use stepwell_core::definition::Scheme;
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

/// Lines that are kept of each webhook. After a restart those of before count with the deliveries (`webhook_deliveries`).
const KEPT: usize = 50;
/// Lines that one webhook may write in this time: who knocks a thousand times a second is noted, but does not keep the disk busy.
const WRITTEN: u32 = 20;
/// That time, milliseconds.
const WINDOW_MS: u64 = 60_000;
/// Longest reason that is kept, bytes.
const REASON_BYTES: usize = 400;

/// Why a request is refused.
pub(super) struct Refusal {
    pub scheme: Option<Scheme>,
    /// `valid`, `none`, `unchecked`, or how it is wrong.
    pub signature: &'static str,
    /// Stable code.
    pub code: String,
    /// For people.
    pub reason: String,
}

impl Refusal {
    pub fn unsigned(scheme: Option<Scheme>, unsigned: Unsigned) -> Self {
        let (code, reason) = (unsigned.code().to_owned(), unsigned.to_string());
        Self { scheme, signature: unsigned.word(), code, reason }
    }
}

/// The last lines of each webhook: of each there are few, and there are as many webhooks as definitions have.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<(TenantId, String), Ring>>);

struct Ring {
    ids: VecDeque<String>,
    since: Timestamp,
    written: u32,
    unlogged: u64,
}

impl Default for Ring {
    fn default() -> Self {
        Self { ids: VecDeque::new(), since: Timestamp(0), written: 0, unlogged: 0 }
    }
}

/// A line that may be written.
struct Line {
    /// Refused requests since the line before that have none.
    unlogged: u64,
    /// The line that it takes the place of.
    instead_of: Option<String>,
}

impl Refusals {
    /// A line for this webhook under this id, unless there are enough for now.
    fn line(&self, webhook: (TenantId, String), id: &str, now: Timestamp) -> Option<Line> {
        let mut rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rings.entry(webhook).or_default().line(id, now)
    }
}

impl Ring {
    fn line(&mut self, id: &str, now: Timestamp) -> Option<Line> {
        if now.since(self.since) >= WINDOW_MS {
            (self.since, self.written) = (now, 0);
        }
        if self.written >= WRITTEN {
            self.unlogged = self.unlogged.saturating_add(1);
            return None;
        }
        self.written += 1;
        self.ids.push_back(id.to_owned());
        let instead_of = if self.ids.len() > KEPT { self.ids.pop_front() } else { None };
        Some(Line { unlogged: std::mem::take(&mut self.unlogged), instead_of })
    }
}

impl Engine {
    /// Notes a refused request. That it cannot be noted changes nothing for its sender.
    pub(super) async fn note_refusal(&self, webhook: &Webhook, request: &Incoming, refusal: Refusal) {
        if let Err(error) = self.try_note(webhook, request, refusal).await {
            tracing::warn!(%error, path = request.path, "a refused webhook request is not noted");
        }
    }

    async fn try_note(&self, webhook: &Webhook, request: &Incoming, refusal: Refusal) -> Result<(), Error> {
        let (trigger, tenant) = (webhook.trigger()?, webhook.tenant);
        let (received, bytes) = (self.inner.ports.clock.now(), self.delivery_bytes());
        let id = keys::id(bytes);
        let name = format!("{} {}", trigger.method, trigger.path);
        let Some(line) = self.inner.webhooks.refusals.line((tenant, name), &id, received) else { return Ok(()) };
        let Refusal { scheme, signature, code, mut reason } = refusal;
        reason.truncate(reason.floor_char_boundary(REASON_BYTES));
        let delivery = Delivery {
            v: 1,
            id,
            workflow: webhook.stored.workflow.id.clone(),
            trigger: trigger.at,
            method: trigger.method.clone(),
            path: trigger.path.clone(),
            received,
            status: DeliveryStatus::Refused,
            signature: signature.to_owned(),
            scheme: scheme.map(|scheme| scheme.word().to_owned()),
            key: None,
            execution: None,
            code: Some(code),
            reason: Some(reason),
            size: request.body.len(),
            unlogged: line.unlogged,
            replay_of: None,
            by: None,
        };
        let change = |kind, key, value| DocumentWrite { kind, key, value, expect: Expect::Anything };
        let mut documents = vec![
            change(DocumentKind::WebhookDelivery, keys::place(bytes), Some(write(&delivery)?)),
            change(DocumentKind::WebhookAge, keys::age(bytes), Some(Bytes::new())),
        ];
        let old = line.instead_of.as_deref().and_then(keys::bytes);
        if let Some(old) = old {
            documents.push(change(DocumentKind::WebhookDelivery, keys::place(old), None));
            documents.push(change(DocumentKind::WebhookAge, keys::age(old), None));
        }
        self.inner.committer.commit(Transition { tenant, execution: None, documents }).await?;
        self.prune_deliveries(tenant, usize::from(old.is_none())).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_has_few_lines_and_counts_the_rest() {
        let refusals = Refusals::default();
        let line =
            |n: u64| refusals.line((TenantId::DEFAULT, "a".to_owned()), &n.to_string(), Timestamp(1_000_000 + n));
        let written: Vec<Line> = (0..1_000).filter_map(line).collect();
        assert_eq!(written.len(), 20);
        let later = line(WINDOW_MS).expect("another minute");
        assert_eq!(later.unlogged, 980);
        assert!(refusals.line((TenantId::DEFAULT, "b".to_owned()), "x", Timestamp(0)).is_some(), "another webhook");
        let all: Vec<Line> = (2..100).filter_map(|minute| line(minute * WINDOW_MS)).collect();
        let gone: Vec<String> = all.into_iter().filter_map(|line| line.instead_of).collect();
        assert_eq!((gone.len(), gone.first().map(String::as_str)), (98 + 21 - KEPT, Some("0")), "the oldest first");
    }
}
