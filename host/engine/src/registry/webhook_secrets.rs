//! The secrets that a definition's webhook triggers hold (semantics T11): sealed when the definition comes in, `"***"` in what is kept of it.

use super::Registry;
use super::workflows::StoredWorkflow;
use crate::Error;
use crate::secrets::{Place, SECRET_BYTES, Sealed};
use crate::webhooks::signatures::standard;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use stepwell_core::definition::{Fault, Scheme};
use stepwell_core::ids::{TenantId, is_secret_name};
use stepwell_core::secrets::HIDDEN;
use zeroize::Zeroizing;

/// Sealed texts by the JSON pointer of the `"***"` that stands for each: `/triggers/0/config/secret`, or for an item of a list
/// `/triggers/0/config/secrets/1` (`secret` may be a list, too).
pub(super) type SealedSecrets = BTreeMap<String, Sealed>;

/// Most secrets of a definition: each is sealed by itself while the caller waits.
const DEFINITION_SECRETS: usize = 100;

/// What was found where a definition now says `"***"`.
pub(super) struct Hidden(Vec<(String, Found)>);

enum Found {
    /// A secret, in the clear.
    Given(Zeroizing<String>),
    /// `"***"`: the one that was stored before.
    Kept(Sealed),
}

impl Hidden {
    /// Takes the secrets out of a definition. `before` is what is stored under its id: a trigger that says `"***"` keeps the secret of the trigger
    /// with its method and path, or else of the one at its place.
    ///
    /// # Errors
    /// A fault for each secret that is no text, is too long, or is `"***"` with nothing to keep.
    pub fn take(body: &mut Map<String, Value>, before: Option<&StoredWorkflow>) -> Result<Self, Vec<Fault>> {
        let (mut found, mut faults) = (Vec::new(), Vec::new());
        let triggers = body.get_mut("triggers").and_then(Value::as_array_mut).into_iter().flatten();
        for (at, trigger) in triggers.enumerate() {
            let before = before.map(|before| before.sealed_for(&identity(trigger), at)).unwrap_or_default();
            let Some(config) = trigger.get_mut("config") else { continue };
            let is_standard = config.get("scheme").and_then(Value::as_str) == Some(Scheme::Standard.word());
            for field in FIELDS {
                let Some(secret) = config.get_mut(field) else { continue };
                for (pointer, text) in texts(secret, &pointer(at, field), &mut faults) {
                    match one(text, found_before(&before, &pointer)).and_then(|one| fits(one, is_standard)) {
                        Ok(one) => found.push((pointer, one)),
                        Err((code, message)) => faults.push(fault(&pointer, code, message)),
                    }
                }
            }
        }
        if found.len() + faults.len() > DEFINITION_SECRETS {
            let message =
                format!("the triggers have more than {DEFINITION_SECRETS} secrets in all (limit `definition`)");
            faults = vec![fault("/triggers", "too_many", message)];
        }
        if faults.is_empty() { Ok(Self(found)) } else { Err(faults) }
    }

    /// The pointers of those that name a secret of the tenant, and its name: `{{ secrets.NAME }}`.
    pub fn references(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(pointer, found)| match found {
            Found::Given(text) => Some((pointer.as_str(), reference(text)?)),
            Found::Kept(_) => None,
        })
    }

    /// Whether a secret came in the clear: then the definition has changed, although its text may be as before.
    pub fn is_fresh(&self) -> bool {
        self.0.iter().any(|(_, found)| matches!(found, Found::Given(_)))
    }
}

impl Registry {
    /// Seals for the workflow with this id; what is kept was sealed for it before.
    pub(super) async fn seal(&self, tenant: TenantId, id: &str, hidden: &Hidden) -> Result<SealedSecrets, Error> {
        let mut sealed = SealedSecrets::new();
        for (pointer, found) in &hidden.0 {
            let one = match found {
                Found::Kept(sealed) => sealed.clone(),
                Found::Given(text) => self.keyring.seal(tenant, Place::Definition(id), text).await?,
            };
            sealed.insert(pointer.clone(), one);
        }
        Ok(sealed)
    }

    /// The secrets of a webhook trigger, by its place in `triggers`, in their order.
    ///
    /// # Errors
    /// The store's, or [`Error::Broken`] if one does not open.
    pub async fn webhook_secrets(
        &self,
        tenant: TenantId,
        workflow: &StoredWorkflow,
        trigger: usize,
    ) -> Result<Vec<Zeroizing<String>>, Error> {
        let mut secrets = Vec::new();
        for sealed in workflow.sealed_at(trigger) {
            secrets.push(self.keyring.open(tenant, Place::Definition(&workflow.workflow.id), sealed).await?);
        }
        Ok(secrets)
    }
}

/// Of the secrets of one trigger, the one that belongs here: at the same place of the list, or the only one.
fn found_before<'a>(before: &[&'a Sealed], pointer: &str) -> Option<&'a Sealed> {
    let at = pointer.rsplit('/').next().and_then(|last| last.parse::<usize>().ok()).unwrap_or(0);
    match before {
        [only] => Some(only),
        several => several.get(at).copied(),
    }
}

fn one(text: Zeroizing<String>, before: Option<&Sealed>) -> Result<Found, (&'static str, String)> {
    if *text == HIDDEN {
        let missing =
            || ("missing", format!("{HIDDEN:?} keeps the secret that is stored, and none is; send the secret"));
        return before.cloned().map(Found::Kept).ok_or_else(missing);
    }
    if text.trim().is_empty() {
        return Err(("missing", "the secret is empty; leave it out, or send one".to_owned()));
    }
    if text.len() > SECRET_BYTES {
        return Err(("out_of_range", format!("a secret has at most {SECRET_BYTES} bytes (limit `secret_bytes`)")));
    }
    Ok(Found::Given(text))
}

/// A secret of Standard Webhooks has a form: one that was copied in part would refuse every request.
fn fits(found: Found, is_standard: bool) -> Result<Found, (&'static str, String)> {
    match &found {
        Found::Given(text) if is_standard && reference(text).is_none() && standard::key(text).is_none() => {
            let message = "a secret of the scheme standard is whsec_ and base64, or whpk_ and base64 of a public key";
            Err(("out_of_range", message.to_owned()))
        }
        Found::Given(_) | Found::Kept(_) => Ok(found),
    }
}

/// The texts of a secret or of a list of secrets, each with its pointer; `"***"` takes their place.
fn texts(secret: &mut Value, pointer: &str, faults: &mut Vec<Fault>) -> Vec<(String, Zeroizing<String>)> {
    let mut list = match secret {
        Value::Null => return Vec::new(),
        Value::Array(items) => {
            let items = items.iter_mut().enumerate();
            items.map(|(at, item)| (format!("{pointer}/{at}"), item)).collect()
        }
        one => vec![(pointer.to_owned(), one)],
    };
    let mut texts = Vec::with_capacity(list.len());
    for (pointer, item) in &mut list {
        match std::mem::replace(*item, json!(HIDDEN)) {
            Value::String(text) => texts.push((pointer.clone(), Zeroizing::new(text))),
            _ => faults.push(fault(pointer, "wrong_type", "`secret` is a text, or a list of texts".to_owned())),
        }
    }
    texts
}

fn fault(pointer: &str, code: &'static str, message: String) -> Fault {
    Fault { pointer: pointer.to_owned(), code, message }
}

/// The name in `{{ secrets.NAME }}`, if it is that and nothing else (D11).
pub(crate) fn reference(text: &str) -> Option<&str> {
    let inside = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    inside.strip_prefix("secrets.").filter(|name| is_secret_name(name))
}

/// The fields of a trigger's `config` that hold secrets.
const FIELDS: [&str; 2] = ["secret", "secrets"];

/// The pointer of a trigger's secret.
fn pointer(trigger: usize, field: &str) -> String {
    format!("/triggers/{trigger}/config/{field}")
}

/// What tells a webhook apart in its tenant: its method and path.
pub(super) fn identity(trigger: &Value) -> (String, String) {
    let text = |key: &str| trigger.pointer(&format!("/config/{key}")).and_then(Value::as_str);
    (text("method").unwrap_or("POST").to_ascii_uppercase(), text("path").unwrap_or_default().to_owned())
}

impl StoredWorkflow {
    /// The sealed secrets of the trigger with this method and path, or of the one at this place.
    fn sealed_for(&self, wanted: &(String, String), at: usize) -> Vec<&Sealed> {
        let triggers = self.definition().get("triggers").and_then(Value::as_array);
        let same = triggers.into_iter().flatten().position(|trigger| identity(trigger) == *wanted);
        self.sealed_at(same.unwrap_or(at))
    }

    fn sealed_at(&self, trigger: usize) -> Vec<&Sealed> {
        let of_field = |field| {
            let pointer = pointer(trigger, field);
            // One text, or a list; the order of a list is that of its numbers, not of their texts.
            let list: Vec<&Sealed> = (0usize..).map_while(|at| self.sealed().get(&format!("{pointer}/{at}"))).collect();
            self.sealed().get(&pointer).into_iter().chain(list)
        };
        FIELDS.into_iter().flat_map(of_field).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::FakeRuntime;
    use crate::tests::{Disk, TENANT, own_step};

    fn definition(triggers: &[(&str, Value)]) -> Map<String, Value> {
        let triggers = triggers
            .iter()
            .map(|(path, secret)| json!({"type": "webhook", "config": {"path": path, "secret": secret}}));
        let triggers: Vec<Value> = triggers.collect();
        let step = json!({"id": "a", "type": "function", "function": "a"});
        let Value::Object(body) = json!({"id": "w", "steps": [step], "triggers": triggers}) else { return Map::new() };
        body
    }

    #[test]
    fn stars_keep_what_is_stored_for_the_same_webhook() {
        let alive = Disk::new().life(FakeRuntime::new(own_step), |engine| async move {
            let registry = engine.registry();
            let old = definition(&[("/webhooks/a", json!("of a")), ("/webhooks/b", json!(["b 0", "b 1"]))]);
            let old = registry.create_workflow(TENANT, Value::Object(old)).await.expect("creates");
            let stars = json!(HIDDEN);
            for (triggers, expected) in [
                // The same again, in another order, with an item replaced, with another path, as a list of one.
                (
                    vec![("/webhooks/a", stars.clone()), ("/webhooks/b", json!([HIDDEN, HIDDEN]))],
                    vec!["of a", "b 0", "b 1"],
                ),
                (
                    vec![("/webhooks/b", json!([HIDDEN, HIDDEN])), ("/webhooks/a", stars.clone())],
                    vec!["b 0", "b 1", "of a"],
                ),
                (
                    vec![("/webhooks/a", json!("new")), ("/webhooks/b", json!(["new", HIDDEN]))],
                    vec!["new", "new", "b 1"],
                ),
                (vec![("/webhooks/moved", stars.clone())], vec!["of a"]),
                (vec![("/webhooks/a", json!(["new", HIDDEN]))], vec!["new", "of a"]),
            ] {
                let mut body = definition(&triggers);
                let hidden = Hidden::take(&mut body, Some(&old)).map_err(|faults| faults[0].clone()).expect("is kept");
                assert!(!Value::Object(body).to_string().contains("new"));
                assert_eq!(hidden.is_fresh(), expected.contains(&"new"), "{expected:?}");
                let mut opened = Vec::new();
                for (_, sealed) in registry.seal(TENANT, "w", &hidden).await.expect("seals") {
                    let text = registry.keyring.open(TENANT, Place::Definition("w"), &sealed).await.expect("opens");
                    opened.push(text.to_string());
                    let elsewhere = registry.keyring.open(TENANT, Place::Definition("v"), &sealed).await;
                    assert!(elsewhere.is_err(), "it opens for another workflow");
                }
                assert_eq!(opened, expected);
            }
            let mut more = definition(&[("/webhooks/b", json!([HIDDEN, HIDDEN, HIDDEN]))]);
            let faults = Hidden::take(&mut more, Some(&old)).err().expect("there is no third one");
            assert_eq!((faults[0].pointer.as_str(), faults[0].code), ("/triggers/0/config/secret/2", "missing"));
            let many: Vec<Value> = (0..=DEFINITION_SECRETS).map(|_| json!("s")).collect();
            let faults = Hidden::take(&mut definition(&[("/webhooks/a", json!(many))]), None).err().expect("too many");
            assert_eq!(faults[0].code, "too_many");
        });
        alive.expect("lives");
    }
}
