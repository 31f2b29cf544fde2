//! What becomes of a workflow after its first revision: it is replaced, deleted, and its history is read.
//!
//! A deleted workflow is gone for whoever wants to start it. Its revisions stay, because executions run them and people look at what ran;
//! if the id is used again, they are counted on, so that a pinned revision never means another definition.

use super::webhook_secrets::Hidden;
use super::workflows::{Document, RESERVED, StoredWorkflow, check, checked_and_hidden, given_id, named, object};
use super::{CHANGES_AT_ONCE, Precondition, Registry, Tombstone, numbered, read, removal, write};
use crate::ports::{CommitError, DocumentKind, Expect, Page, Transition};
use crate::{Error, sound};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use stepwell_core::ids::{TenantId, is_valid_name};

/// What a `PUT` came to.
#[derive(Debug)]
pub enum Put {
    /// There was none.
    Created(Arc<StoredWorkflow>),
    /// A new revision, or the current one if the definition is the same.
    Stored(Arc<StoredWorkflow>),
}

/// A part of a workflow's history.
#[derive(Debug)]
pub struct RevisionPage {
    /// What each revision is called and since when, oldest first; without its steps.
    pub items: Vec<Value>,
    /// Where the next part begins, if there is one.
    pub next: Option<u32>,
}

/// Most revisions in one answer: each definition is read, and may have a megabyte.
const REVISIONS_PAGE: usize = 100;
/// Definitions in memory at once while a history is read.
const READ_AT_ONCE: usize = 8;

impl Registry {
    /// Creates a workflow under this id, or makes this definition its next revision. Changes at the same time become revisions one after
    /// the other; the same definition again changes nothing (semantics P1).
    ///
    /// # Errors
    /// As [`Registry::create_workflow`], and [`Error::PreconditionFailed`].
    pub async fn put_workflow(
        &self,
        tenant: TenantId,
        (id, body): (&str, Value),
        precondition: &Precondition,
    ) -> Result<Put, Error> {
        let mut body = object(body)?;
        check_put(id, &body)?;
        let before = self.store.document(tenant, DocumentKind::Workflow, id).await?;
        let before = before.map(|bytes| StoredWorkflow::read(id, read(&bytes)?)).transpose()?;
        checked_and_hidden(id, &mut body.clone(), before.as_deref())?;
        // Before anything is registered: a refused change leaves no functions behind.
        precondition.check("the workflow", before.map(|before| before.document.revision))?;
        self.register_inline(tenant, &mut body).await?;
        for _ in 0..CHANGES_AT_ONCE {
            let current = self.store.document(tenant, DocumentKind::Workflow, id).await?;
            let put = match current {
                None => {
                    precondition.check("the workflow", None)?;
                    self.room_for_a_workflow(tenant).await?;
                    let mut body = body.clone();
                    let hidden = Hidden::take(&mut body, None).map_err(Error::InvalidDefinition)?;
                    self.try_create(tenant, id, &body, &hidden).await?.map(Put::Created)
                }
                Some(bytes) => {
                    let before: Document = read(&bytes)?;
                    precondition.check("the workflow", Some(before.revision))?;
                    let before = StoredWorkflow::read(id, before)?;
                    self.try_replace(tenant, (id, &body), (before, Expect::Value(bytes))).await?.map(Put::Stored)
                }
            };
            if let Some(put) = put {
                return Ok(put);
            }
        }
        Err(changed_by_others("workflow", id))
    }

    /// `None` if another change came first.
    async fn try_replace(
        &self,
        tenant: TenantId,
        (id, body): (&str, &Map<String, Value>),
        (before, expect): (Arc<StoredWorkflow>, Expect),
    ) -> Result<Option<Arc<StoredWorkflow>>, Error> {
        let mut body = body.clone();
        let hidden = Hidden::take(&mut body, Some(&before)).map_err(Error::InvalidDefinition)?;
        let definition = named(id, &body);
        // A definition that an older version took may not have its webhooks yet: then it is a change all the same.
        let missing = self.claims(tenant, (id, Some(&before.workflow)), None).await;
        if definition == before.document.definition && !hidden.is_fresh() && missing?.is_empty() {
            return Ok(Some(before));
        }
        let checked = check(id, &definition)?;
        let (mut workflow, mut warnings) = (checked.workflow, checked.warnings);
        warnings.extend(self.unregistered(tenant, &workflow).await?);
        warnings.extend(self.unknown_secrets(tenant, (&workflow, &hidden)).await?);
        let sealed = self.seal(tenant, id, &hidden).await?;
        let (revision, updated_at) = (before.document.revision.saturating_add(1), self.clock.now());
        let created_at = before.document.created_at;
        workflow.revision = revision;
        let claims = self.claims(tenant, (id, Some(&workflow)), Some(&before.document.definition)).await?;
        let document = Document { revision, definition, warnings, sealed, created_at, updated_at };
        let mut documents = vec![write(DocumentKind::Workflow, id.to_owned(), &document, expect)?];
        documents.extend(claims);
        self.commit_revision(tenant, StoredWorkflow { workflow: Arc::new(workflow), document }, documents).await
    }

    /// Deletes a workflow. Executions that run go on; new ones are refused.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`].
    pub async fn delete_workflow(&self, tenant: TenantId, id: &str, precondition: &Precondition) -> Result<(), Error> {
        for _ in 0..CHANGES_AT_ONCE {
            let bytes = self.workflow_document(tenant, id).await?;
            let document = read::<Document>(&bytes)?;
            let last = document.revision;
            precondition.check("the workflow", Some(last))?;
            let mut documents = vec![
                removal(DocumentKind::Workflow, id.to_owned(), Expect::Value(bytes)),
                write(DocumentKind::DeletedWorkflow, id.to_owned(), &Tombstone { last }, Expect::Anything)?,
            ];
            let schedules = self.no_schedules(tenant, id).await?;
            documents.extend(schedules.documents);
            let (dues, keys) = (Arc::clone(&self.dues), schedules.keys);
            documents.extend(self.claims(tenant, (id, None), Some(&document.definition)).await?);
            let (cache, triggers, key) = (Arc::clone(&self.workflows), Arc::clone(&self.triggers), id.to_owned());
            let then = Box::new(move || {
                triggers.remove(tenant, &key);
                cache.remove(tenant, (key, None));
                keys.into_iter().for_each(|key| dues.nudge(key));
            });
            match self.committer.commit_then(Transition { tenant, execution: None, documents }, then).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Unexpected { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(changed_by_others("workflow", id))
    }

    async fn workflow_document(&self, tenant: TenantId, id: &str) -> Result<bytes::Bytes, Error> {
        let not_found = || Error::NotFound { what: "workflow", id: id.to_owned() };
        if !is_valid_name(id) {
            return Err(not_found());
        }
        self.store.document(tenant, DocumentKind::Workflow, id).await?.ok_or_else(not_found)
    }

    /// The revisions after a number, oldest first; those of a deleted workflow, too.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there never was such a workflow.
    pub async fn revisions(
        &self,
        tenant: TenantId,
        id: &str,
        (after, limit): (u32, usize),
    ) -> Result<RevisionPage, Error> {
        let not_found = || Error::NotFound { what: "workflow", id: id.to_owned() };
        if !is_valid_name(id) {
            return Err(not_found());
        }
        let limit = limit.clamp(1, REVISIONS_PAGE);
        let (mut items, mut last) = (Vec::new(), after);
        loop {
            let wanted = READ_AT_ONCE.min(limit + 1 - items.len());
            let page = Page { after: Some(numbered(id, last)), limit: wanted };
            let found =
                sound::listed(&*self.store, (tenant, DocumentKind::WorkflowRevision), &format!("{id}/"), page).await?;
            for (_, bytes) in &found {
                let document: Document = read(bytes)?;
                if items.len() == limit {
                    return Ok(RevisionPage { items, next: Some(last) });
                }
                last = document.revision;
                items.push(listed(id, &document));
            }
            if found.len() < wanted {
                break;
            }
        }
        if items.is_empty() && after == 0 {
            return Err(not_found());
        }
        Ok(RevisionPage { items, next: None })
    }
}

fn check_put(id: &str, body: &Map<String, Value>) -> Result<(), Error> {
    if RESERVED.contains(&id) {
        let message = format!("the workflow id {id:?} is reserved; choose another");
        return Err(Error::Conflict { code: "id_taken", message });
    }
    if !is_valid_name(id) {
        let message = "a workflow id has letters, digits, `-`, `_` and `.`, and starts with a letter or digit";
        return Err(Error::WrongShape { field: "id", message: message.to_owned() });
    }
    match given_id(body)? {
        Some(given) if given != id => {
            let message =
                format!("the body's `id` is {given:?} and the address names {id:?}; leave it out or make it the same");
            Err(Error::WrongShape { field: "id", message })
        }
        Some(_) | None => Ok(()),
    }
}

/// A revision in a list.
fn listed(id: &str, document: &Document) -> Value {
    json!({
        "id": id,
        "name": document.definition.get("name"),
        "revision": document.revision,
        "createdAt": document.created_at.rfc3339(),
        "updatedAt": document.updated_at.rfc3339(),
    })
}

/// So many at once that none of them is done in time.
pub(super) fn changed_by_others(what: &str, id: &str) -> Error {
    let message = format!("the {what} {id:?} is being changed by other requests; send it again");
    Error::Conflict { code: "concurrent_upload", message }
}
