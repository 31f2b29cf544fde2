//! Whose webhook a path and method are. A document says so, written with the definition: of two workflows that want the same one at the same
//! time, one is refused (semantics T8).

use super::webhook_secrets::identity;
use super::{Registry, StoredWorkflow, read, write};
use crate::Error;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Page};
use crate::webhooks::{Route, Webhook};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use stepwell_core::definition::{Workflow, is_webhook_path};
use stepwell_core::ids::TenantId;

/// Ends a path within a key: paths have no control characters.
const END: char = '\u{1}';
/// Most methods of one path: there are five.
const METHODS: usize = 10;

#[derive(Serialize, Deserialize)]
struct Claim {
    workflow: String,
}

fn key(path: &str, method: &str) -> String {
    format!("{path}{END}{method}")
}

/// What a definition that is stored claims: also one that an older version took, and this one would refuse.
fn claimed(definition: &Value) -> BTreeSet<String> {
    let triggers = definition.get("triggers").and_then(Value::as_array).into_iter().flatten();
    let webhooks = triggers.filter(|trigger| trigger.get("type").and_then(Value::as_str) == Some("webhook"));
    let named = webhooks.map(identity).filter(|(_, path)| is_webhook_path(path));
    named.map(|(method, path)| key(&path, &method)).collect()
}

/// Somebody else has it.
pub(super) fn taken(key: &str) -> Error {
    let (path, method) = key.split_once(END).unwrap_or((key, ""));
    let message = format!("the webhook {method} {path} is taken by another workflow; choose another path");
    Error::Conflict { code: "webhook_taken", message }
}

/// Whether a document's key is one of a claim; ids of workflows do not begin so.
pub(super) fn is_claim(key: &str) -> bool {
    key.starts_with('/')
}

impl Registry {
    /// What is written with a definition, so that its webhooks are its own and those of the one before are free. `None`: it is deleted.
    ///
    /// # Errors
    /// [`Error::Conflict`] `webhook_taken`; the store's.
    pub(super) async fn claims(
        &self,
        tenant: TenantId,
        (id, next): (&str, Option<&Workflow>),
        before: Option<&Value>,
    ) -> Result<Vec<DocumentWrite>, Error> {
        let webhooks = next.map(|next| next.triggers.webhooks.as_slice()).unwrap_or_default();
        let wanted: BTreeSet<String> = webhooks.iter().map(|one| key(&one.path, &one.method)).collect();
        let mut documents = Vec::new();
        for key in &wanted {
            match self.store.document(tenant, DocumentKind::Webhook, key).await? {
                None => {
                    let claim = Claim { workflow: id.to_owned() };
                    documents.push(write(DocumentKind::Webhook, key.clone(), &claim, Expect::Absent)?);
                }
                Some(bytes) if read::<Claim>(&bytes)?.workflow == id => {}
                Some(_) => return Err(taken(key)),
            }
        }
        for key in before.map(claimed).unwrap_or_default().difference(&wanted) {
            let Some(bytes) = self.store.document(tenant, DocumentKind::Webhook, key).await? else { continue };
            if read::<Claim>(&bytes)?.workflow == id {
                documents.push(super::removal(DocumentKind::Webhook, key.clone(), Expect::Value(bytes)));
            }
        }
        Ok(documents)
    }

    /// What a path and a method lead to.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn webhook(&self, tenant: TenantId, path: &str, method: &str) -> Result<Route, Error> {
        if !is_webhook_path(path) {
            return Ok(Route::Nothing);
        }
        let page = Page { after: None, limit: METHODS };
        let found = self.store.documents(tenant, DocumentKind::Webhook, &format!("{path}{END}"), page).await?;
        let mut others = Vec::new();
        for (key, claim) in found {
            let known = key.rsplit(END).next().unwrap_or_default();
            let Some((stored, nth)) = self.claimant(tenant, &claim, (path, known)).await? else { continue };
            if known == method {
                return Ok(Route::Here(Webhook::new(tenant, stored, nth)));
            }
            others.push(known.to_owned());
        }
        Ok(if others.is_empty() { Route::Nothing } else { Route::OtherMethods(others) })
    }

    /// The workflow that has it now, and its place among its webhooks.
    async fn claimant(
        &self,
        tenant: TenantId,
        claim: &[u8],
        (path, method): (&str, &str),
    ) -> Result<Option<(Arc<StoredWorkflow>, usize)>, Error> {
        let stored = match self.workflow(tenant, &read::<Claim>(claim)?.workflow).await {
            Ok(stored) => stored,
            Err(Error::NotFound { .. }) => return Ok(None), // deleted a moment ago
            Err(other) => return Err(other),
        };
        let nth = stored.workflow.triggers.webhooks.iter().position(|one| one.path == path && one.method == method);
        Ok(nth.map(|nth| (stored, nth)))
    }
}
