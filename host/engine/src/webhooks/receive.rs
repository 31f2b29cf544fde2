//! A request comes in: its signature is checked, and only then its body is read.

use super::arrival::Arrival;
use super::refusals::Refusal;
use super::request::{about, fields};
use super::signatures::{self, Unsigned};
use super::{Incoming, Webhook};
use crate::Error;
use crate::engine::Engine;
use crate::registry::reference;
use stepwell_core::definition::Scheme;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::payload::Payload;
use zeroize::Zeroizing;

/// What came of a request.
#[derive(Debug)]
pub enum Received {
    /// It starts this execution, or a delivery that its sender calls the same did before.
    Accepted {
        /// The delivery; of a redelivery, the first one.
        delivery: String,
        /// The execution.
        execution: ExecutionId,
    },
    /// It is kept, and starts nothing: the trigger's condition does not hold.
    Ignored {
        /// The delivery.
        delivery: String,
        /// `condition_false` or `condition_failed`.
        code: String,
    },
    /// It is kept, but the start was refused.
    NotStarted {
        /// The delivery.
        delivery: String,
        /// Why.
        error: Error,
    },
    /// Slack asks whether somebody is there: answer with this.
    Challenge(String),
    /// It is not signed as it must be.
    Unsigned(Unsigned),
    /// Its body cannot be read.
    Unreadable(Unreadable),
}

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Stable code.
    pub code: String,
    /// What to send.
    pub message: String,
}

/// Longest name of a delivery that is shown, bytes.
const KEY_BYTES: usize = 256;

impl Engine {
    /// Takes a request for a webhook; `read` makes JSON of its body, which nobody looks at before the signature is checked. When this answers
    /// that it is accepted, the delivery is durable.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: it is not kept, and may be sent again.
    pub async fn receive(
        &self,
        webhook: Webhook,
        request: Incoming,
        read: impl FnOnce(&Incoming) -> Result<Payload, Unreadable> + Send,
    ) -> Result<Received, Error> {
        self.accepting()?;
        let scheme = match self.signed(&webhook, &request).await? {
            Ok(scheme) => scheme,
            Err((scheme, unsigned)) => {
                self.note_refusal(&webhook, &request, Refusal::unsigned(scheme, unsigned)).await;
                return Ok(Received::Unsigned(unsigned));
            }
        };
        let signature = if webhook.trigger()?.signed { "valid" } else { "none" };
        let body = match read(&request).and_then(|body| self.sized(webhook.tenant, body)) {
            Ok(body) => body,
            Err(why) => {
                let refusal = Refusal { scheme, signature, code: why.code.clone(), reason: why.message.clone() };
                self.note_refusal(&webhook, &request, refusal).await;
                return Ok(Received::Unreadable(why));
            }
        };
        let fields = fields(&body);
        if let Some(challenge) = fields.challenge(scheme) {
            return Ok(Received::Challenge(challenge));
        }
        let mut key = signatures::delivery_key(scheme, &request, &fields.ids());
        if let Some(key) = &mut key {
            key.truncate(key.floor_char_boundary(KEY_BYTES));
        }
        let about = about(&webhook, &request)?;
        let size = request.body.len();
        let arrival = Arrival { webhook, scheme, signature, key, body, about, size, replay: None };
        self.arrive(arrival).await
    }

    /// Notes a request that was refused before its signature was looked at, because of its size for instance: stable code, and why.
    pub async fn refuse_webhook(&self, webhook: &Webhook, request: &Incoming, (code, reason): (&str, String)) {
        let refusal = Refusal { scheme: None, signature: "unchecked", code: code.to_owned(), reason };
        self.note_refusal(webhook, request, refusal).await;
    }

    /// A form, and text, may become longer as JSON.
    fn sized(&self, tenant: TenantId, body: Payload) -> Result<Payload, Unreadable> {
        match self.check_size(tenant, &body) {
            Ok(()) => Ok(body),
            Err(error) => Err(Unreadable { code: error.code(), message: error.to_string() }),
        }
    }

    /// The scheme of a request that is signed as it must be; `None` if nothing tells it.
    async fn signed(
        &self,
        webhook: &Webhook,
        request: &Incoming,
    ) -> Result<Result<Option<Scheme>, (Option<Scheme>, Unsigned)>, Error> {
        let trigger = webhook.trigger()?;
        let scheme = signatures::scheme_of(trigger, request);
        if !trigger.signed {
            return Ok(Ok(scheme.ok()));
        }
        let scheme = match scheme {
            Ok(scheme) => scheme,
            Err(unsigned) => return Ok(Err((None, unsigned))),
        };
        let secrets = self.webhook_secrets(webhook, trigger.at).await?;
        let now = self.inner.ports.clock.now();
        let verified = signatures::verify((trigger, scheme), &secrets, request, now);
        Ok(verified.map(|()| Some(scheme)).map_err(|unsigned| (Some(scheme), unsigned)))
    }

    /// The secrets of a webhook; one that names a secret of the tenant's stands for that, and for nothing while it is not set.
    async fn webhook_secrets(&self, webhook: &Webhook, trigger: usize) -> Result<Vec<Zeroizing<String>>, Error> {
        let given = self.inner.registry.webhook_secrets(webhook.tenant, &webhook.stored, trigger).await?;
        let mut secrets = Vec::with_capacity(given.len());
        for secret in given {
            let Some(name) = reference(&secret).map(str::to_owned) else {
                secrets.push(secret);
                continue;
            };
            let values = self.inner.secrets.values(webhook.tenant, [&name]).await?;
            secrets.extend(values.get(&name).map(|value| Zeroizing::new(value.to_owned())));
        }
        Ok(secrets)
    }
}
