//! Workflow definitions, revision by revision.

use super::schedules::ScheduleRows;
use super::webhook_secrets::{Hidden, SealedSecrets};
use super::webhooks::{is_claim, taken};
use super::{LISTED, Registry, numbered, read, removal, write};
use crate::Error;
use crate::answers::form_faults;
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Expect, Transition};
use crate::schema::Schema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use stepwell_core::definition::{self, Checked, Warning, Workflow};
use stepwell_core::ids::{TenantId, is_valid_name};
use stepwell_core::time::Timestamp;

/// A workflow as it is kept.
#[derive(Debug)]
pub struct StoredWorkflow {
    /// What the engine runs.
    pub workflow: Arc<Workflow>,
    pub(super) document: Document,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Document {
    pub revision: u32,
    pub definition: Value,
    pub warnings: Vec<Warning>,
    /// The secrets that the definition does not show.
    #[serde(default, skip_serializing_if = "SealedSecrets::is_empty")]
    pub sealed: SealedSecrets,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Ids that are routes (semantics P1).
pub(super) const RESERVED: [&str; 3] = ["trigger", "executions", "validate"];
/// How many numbers are tried behind a slug that is taken.
const SLUGS_TRIED: u32 = 1_000;

impl StoredWorkflow {
    /// The answer of the API: the definition as it was given, and what the server knows of it.
    #[must_use]
    pub fn answer(&self) -> Value {
        let mut answer = self.document.definition.clone();
        answer["revision"] = json!(self.document.revision);
        answer["warnings"] = json!(self.document.warnings);
        answer["createdAt"] = json!(self.document.created_at.rfc3339());
        answer["updatedAt"] = json!(self.document.updated_at.rfc3339());
        answer
    }

    /// The definition, without its secrets.
    pub(super) fn definition(&self) -> &Value {
        &self.document.definition
    }

    /// Its secrets.
    pub(super) fn sealed(&self) -> &SealedSecrets {
        &self.document.sealed
    }

    /// JSON Schema of the input, if the definition has one (semantics P3).
    pub(super) fn input_schema(&self) -> Option<&Value> {
        self.document.definition.get("inputSchema").filter(|schema| !schema.is_null())
    }

    pub(super) fn read(id: &str, document: Document) -> Result<Arc<Self>, Error> {
        let checked = definition::check(id, document.revision, &document.definition)
            .map_err(|faults| Error::broken("a stored definition is refused", &Error::InvalidDefinition(faults)))?;
        Ok(Arc::new(Self { workflow: Arc::new(checked.workflow), document }))
    }
}

impl Registry {
    /// Checks and keeps a new workflow; its id is the body's, or a slug of its name.
    ///
    /// # Errors
    /// [`Error::InvalidDefinition`], [`Error::Conflict`] if the id is taken, [`Error::LimitReached`].
    pub async fn create_workflow(&self, tenant: TenantId, body: Value) -> Result<Arc<StoredWorkflow>, Error> {
        let mut body = object(body)?;
        let given = given_id(&body)?;
        let base = given
            .clone()
            .unwrap_or_else(|| slug(body.get("name").and_then(Value::as_str).unwrap_or_default(), "workflow"));
        // Checked before anything is looked up: an invalid definition is the caller's first concern.
        let hidden = checked_and_hidden(&base, &mut body, None)?;
        self.room_for_a_workflow(tenant).await?;
        self.register_inline(tenant, &mut body).await?;
        for number in 1..SLUGS_TRIED {
            let id = if number == 1 { base.clone() } else { format!("{base}-{number}") };
            let reserved = RESERVED.contains(&id.as_str());
            if !reserved && let Some(stored) = self.try_create(tenant, &id, &body, &hidden).await? {
                return Ok(stored);
            }
            if given.is_some() {
                let message = format!(
                    "the workflow id {id:?} is {}; choose another",
                    if reserved { "reserved" } else { "taken" }
                );
                return Err(Error::Conflict { code: "id_taken", message });
            }
        }
        Err(Error::Conflict {
            code: "id_taken",
            message: format!("too many workflows are called {base:?}; send an `id`"),
        })
    }

    /// `None` if the id is taken.
    pub(super) async fn try_create(
        &self,
        tenant: TenantId,
        id: &str,
        body: &Map<String, Value>,
        hidden: &Hidden,
    ) -> Result<Option<Arc<StoredWorkflow>>, Error> {
        let definition = named(id, body);
        let Checked { mut workflow, mut warnings } = check(id, &definition)?;
        warnings.extend(self.unregistered(tenant, &workflow).await?);
        warnings.extend(self.unknown_secrets(tenant, (&workflow, hidden)).await?);
        let (stone, last) = self.tombstone(tenant, DocumentKind::DeletedWorkflow, id).await?;
        workflow.revision = last.saturating_add(1);
        let (revision, now) = (workflow.revision, self.clock.now());
        let sealed = self.seal(tenant, id, hidden).await?;
        let document = Document { revision, definition, warnings, sealed, created_at: now, updated_at: now };
        let mut documents = vec![write(DocumentKind::Workflow, id.to_owned(), &document, Expect::Absent)?];
        if last > 0 {
            documents.push(removal(DocumentKind::DeletedWorkflow, id.to_owned(), stone));
        }
        documents.extend(self.claims(tenant, (id, Some(&workflow)), None).await?);
        self.commit_revision(tenant, StoredWorkflow { workflow: Arc::new(workflow), document }, documents).await
    }

    /// Writes a revision, with these documents, and serves it. `None` if another change came first.
    pub(super) async fn commit_revision(
        &self,
        tenant: TenantId,
        stored: StoredWorkflow,
        mut documents: Vec<DocumentWrite>,
    ) -> Result<Option<Arc<StoredWorkflow>>, Error> {
        let (id, revision) = (stored.workflow.id.clone(), stored.document.revision);
        let key = numbered(&id, revision);
        documents.push(write(DocumentKind::WorkflowRevision, key, &stored.document, Expect::Absent)?);
        let ScheduleRows { documents: schedules, keys } = self.schedule_rows(tenant, &stored.workflow).await?;
        documents.extend(schedules);
        let stored = Arc::new(stored);
        let dues = Arc::clone(&self.dues);
        let (cache, triggers, current) = (Arc::clone(&self.workflows), Arc::clone(&self.triggers), Arc::clone(&stored));
        // Also if the caller hangs up: otherwise the old revision would be served, and listen to events, until the next start.
        let then = Box::new(move || {
            triggers.put(tenant, &current.workflow);
            cache.put(tenant, (id.clone(), Some(revision)), Arc::clone(&current));
            cache.put(tenant, (id, None), current);
            keys.into_iter().for_each(|key| dues.nudge(key));
        });
        match self.committer.commit_then(Transition { tenant, execution: None, documents }, then).await {
            Ok(()) => Ok(Some(stored)),
            Err(CommitError::Unexpected { key }) if is_claim(&key) => Err(taken(&key)),
            Err(CommitError::Unexpected { .. }) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    pub(super) async fn room_for_a_workflow(&self, tenant: TenantId) -> Result<(), Error> {
        self.check_stored(tenant)?;
        let most = self.allowances.of(tenant).workflows;
        let known = self.all(tenant, DocumentKind::Workflow, LISTED.max(most)).await?.len();
        if known < most {
            return Ok(());
        }
        let message = format!(
            "{known} workflows are stored, and {most} are the most that this tenant may have (limit `workflows`): delete some first"
        );
        Err(Error::LimitReached { limit: "workflows", message })
    }

    pub(super) async fn unregistered(&self, tenant: TenantId, workflow: &Workflow) -> Result<Vec<Warning>, Error> {
        let mut warnings = Vec::new();
        for (at, step) in workflow.steps.iter().enumerate() {
            let Some(function) = step.function() else { continue };
            if self.callee(tenant, function).await?.is_none() {
                warnings.push(Warning {
                    pointer: format!("/steps/{at}/function"),
                    code: "unregistered_function".to_owned(),
                    message: format!("the function {function:?} is not registered yet; starts are refused until it is"),
                });
            }
        }
        Ok(warnings)
    }

    pub(super) async fn unknown_secrets(
        &self,
        tenant: TenantId,
        (workflow, hidden): (&Workflow, &Hidden),
    ) -> Result<Vec<Warning>, Error> {
        let mut warnings = Vec::new();
        let of_steps =
            workflow.secrets.iter().map(|(name, pointer)| (pointer.as_str(), name.as_str(), "steps that read it fail"));
        let of_webhooks = hidden.references().map(|(pointer, name)| (pointer, name, "requests are refused"));
        for (pointer, name, what) in of_steps.chain(of_webhooks) {
            if self.store.document(tenant, DocumentKind::Secret, name).await?.is_none() {
                warnings.push(Warning {
                    pointer: pointer.to_owned(),
                    code: "unknown_secret".to_owned(),
                    message: format!("the secret {name:?} is not set yet; {what} until it is"),
                });
            }
        }
        Ok(warnings)
    }

    /// A workflow's current revision.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn workflow(&self, tenant: TenantId, id: &str) -> Result<Arc<StoredWorkflow>, Error> {
        self.stored(tenant, id, None).await
    }

    /// The revision that an execution pins; also of a deleted workflow.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revision(&self, tenant: TenantId, id: &str, revision: u32) -> Result<Arc<StoredWorkflow>, Error> {
        self.stored(tenant, id, Some(revision)).await
    }

    async fn stored(&self, tenant: TenantId, id: &str, revision: Option<u32>) -> Result<Arc<StoredWorkflow>, Error> {
        let not_found = || match revision {
            None => Error::NotFound { what: "workflow", id: id.to_owned() },
            Some(revision) => Error::NotFound { what: "revision", id: format!("{id}/{revision}") },
        };
        if !is_valid_name(id) {
            return Err(not_found());
        }
        if let Some(cached) = self.workflows.get(tenant, (id.to_owned(), revision)) {
            return Ok(cached);
        }
        let (kind, key) = match revision {
            None => (DocumentKind::Workflow, id.to_owned()),
            Some(revision) => (DocumentKind::WorkflowRevision, numbered(id, revision)),
        };
        let changes = self.workflows.changes();
        let bytes = self.store.document(tenant, kind, &key).await?.ok_or_else(not_found)?;
        let stored = StoredWorkflow::read(id, read(&bytes)?)?;
        self.workflows.put_read(tenant, (id.to_owned(), revision), Arc::clone(&stored), changes);
        Ok(stored)
    }

    /// All workflows, in the order of their ids.
    ///
    /// # Errors
    /// The store's.
    pub async fn workflows(&self, tenant: TenantId) -> Result<Vec<Arc<StoredWorkflow>>, Error> {
        let mut all = Vec::new();
        for (id, _) in
            self.all(tenant, DocumentKind::Workflow, LISTED.max(self.allowances.of(tenant).workflows)).await?
        {
            match self.workflow(tenant, &id).await {
                Ok(stored) => all.push(stored),
                Err(Error::NotFound { .. } | Error::Broken) => {} // deleted a moment ago, or damaged, which the log says
                Err(other) => return Err(other),
            }
        }
        Ok(all)
    }
}

/// A definition is an object.
pub(super) fn object(body: Value) -> Result<Map<String, Value>, Error> {
    let message = || "send a JSON object with `name` and `steps`".to_owned();
    if let Value::Object(body) = body { Ok(body) } else { Err(Error::WrongShape { field: "body", message: message() }) }
}

/// The core's check, and that of the schemas: all faults at once (semantics C19).
pub(super) fn check(id: &str, definition: &Value) -> Result<Checked, Error> {
    let schema = definition.get("inputSchema").filter(|schema| !schema.is_null());
    let mut faults = schema.and_then(|schema| Schema::compile(schema, "/inputSchema").err()).unwrap_or_default();
    match definition::check(id, 1, definition) {
        Ok(checked) => {
            faults.extend(form_faults(&checked.workflow));
            if faults.is_empty() { Ok(checked) } else { Err(Error::InvalidDefinition(faults)) }
        }
        Err(mut all) => {
            all.extend(faults);
            Err(Error::InvalidDefinition(all))
        }
    }
}

/// The definition checked, and its secrets taken out of it: all faults at once.
pub(super) fn checked_and_hidden(
    id: &str,
    body: &mut Map<String, Value>,
    before: Option<&StoredWorkflow>,
) -> Result<Hidden, Error> {
    let checked = check(id, &Value::Object(body.clone()));
    match (checked, Hidden::take(body, before)) {
        (Ok(_), Ok(hidden)) => Ok(hidden),
        (Ok(_), Err(faults)) => Err(Error::InvalidDefinition(faults)),
        (Err(Error::InvalidDefinition(mut faults)), Err(more)) => {
            let new = more.into_iter().filter(|fault| faults.iter().all(|known| known.pointer != fault.pointer));
            let new: Vec<_> = new.collect();
            faults.extend(new);
            Err(Error::InvalidDefinition(faults))
        }
        (Err(error), _) => Err(error),
    }
}

pub(super) fn given_id(body: &Map<String, Value>) -> Result<Option<String>, Error> {
    match body.get("id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if is_valid_name(id) => Ok(Some(id.clone())),
        Some(_) => Err(Error::WrongShape {
            field: "id",
            message: "a workflow id has letters, digits, `-`, `_` and `.`, and starts with a letter or digit; leave it out to get one".to_owned(),
        }),
    }
}

/// The definition with its id, and the names that follow from ids (semantics C19).
pub(super) fn named(id: &str, body: &Map<String, Value>) -> Value {
    let mut definition = Map::new();
    definition.insert("id".to_owned(), json!(id));
    definition.insert("name".to_owned(), json!(definition::title(id)));
    definition.extend(
        body.iter()
            .filter(|(key, value)| *key != "id" && !(*key == "name" && value.is_null()))
            .map(|(k, v)| (k.clone(), v.clone())),
    );
    for step in definition.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(step) = step.as_object_mut() else { continue };
        if step.get("name").is_none_or(Value::is_null) {
            let name = definition::title(step.get("id").and_then(Value::as_str).unwrap_or_default());
            step.insert("name".to_owned(), json!(name));
        }
    }
    Value::Object(definition)
}

/// `Process Order!` as `process-order`; a name without such letters as `other`.
pub(super) fn slug(name: &str, other: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= 100 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { other.to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_ids() {
        for (name, id) in [
            ("Process Order", "process-order"),
            ("Order Fulfillment Workflow", "order-fulfillment-workflow"),
            ("  --Ünïcode & more-- ", "n-code-more"),
            ("日本", "workflow"),
            ("", "workflow"),
        ] {
            assert_eq!(slug(name, "workflow"), id);
            assert!(is_valid_name(&slug(name, "workflow")));
        }
        assert!(is_valid_name(&slug(&"x ".repeat(500), "workflow")));
    }
}
