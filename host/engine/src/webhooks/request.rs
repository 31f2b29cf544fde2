//! What is taken from a request beside its signature: the names that its sender gave it, and what a workflow may see of it.

use super::signatures::{self, BodyIds};
use super::{Incoming, Webhook};
use crate::Error;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use stepwell_core::definition::Scheme;
use stepwell_core::payload::Payload;

/// The fields of a body that schemes look at.
#[derive(Default, Deserialize)]
pub(super) struct Fields<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event_id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    challenge: Option<&'a RawValue>,
}

pub(super) fn fields(body: &Payload) -> Fields<'_> {
    if body.is_object() { serde_json::from_str(body.as_str()).unwrap_or_default() } else { Fields::default() }
}

fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

impl Fields<'_> {
    pub fn ids(&self) -> BodyIds {
        BodyIds { id: text(self.id), event_id: text(self.event_id) }
    }

    /// What Slack wants to hear before it sends anything.
    pub fn challenge(&self, scheme: Option<Scheme>) -> Option<String> {
        let is_asked = scheme == Some(Scheme::Slack) && text(self.kind)? == "url_verification";
        if is_asked { text(self.challenge) } else { None }
    }
}

/// Parts of names of headers that hold secrets, or prove something: they are not kept.
const SECRET: [&str; 8] = ["authorization", "cookie", "signature", "secret", "token", "api-key", "apikey", "password"];

/// Whether a header may be kept and shown.
fn is_shown(name: &str, own: &str) -> bool {
    !SECRET.iter().any(|part| name.contains(part)) && name != own && !signatures::is_signature_header(name)
}

/// `{method, path, query, headers}`: what a workflow may see of a request beside its body (D8).
pub(super) fn about(webhook: &Webhook, request: &Incoming) -> Result<Payload, Error> {
    let own = &webhook.trigger()?.rule.header;
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in request.headers.iter().filter(|(name, _)| is_shown(name, own)) {
        let value = String::from_utf8_lossy(value);
        match headers.get_mut(name) {
            Some(Value::String(before)) => {
                before.push_str(", ");
                before.push_str(&value);
            }
            Some(_) | None => {
                headers.insert(name.clone(), json!(value));
            }
        }
    }
    let about = json!({"method": request.method, "path": request.path, "query": request.query, "headers": headers});
    Ok(Payload::from_value(&about))
}
