//! Human steps as the API shows them: documents that are written with the entries they follow from, and their lists.
//!
//! An approval has one document, all that is shown of it, and small ones that lists go through: those that are pending, those of an
//! execution, and all. So a list never reads what it does not show.

use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Page};
use crate::{Error, sound};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stepwell_core::execution::{ApprovalStatus, Execution, RunIx, Wait, approval_view};
use stepwell_core::ids::{ExecutionId, TenantId, ulid};
use stepwell_core::time::Timestamp;

const PREFIX: &str = "appr-";
/// Entries of an index that one look reads.
const LOOK: usize = 200;
/// Looks of one list: a filter that fits nothing answers soon, and says where to go on.
const LOOKS: usize = 5;
/// A part of a list that has become so long ends, bytes: each approval may show a form and details.
const PART_BYTES: usize = 4 << 20;

/// An approval as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// Its step run.
    pub run: RunIx,
    /// Its execution.
    pub execution: ExecutionId,
    /// What is shown.
    pub view: Value,
}

/// What lists filter by.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    status: String,
    workflow: String,
    execution: ExecutionId,
}

/// Which approvals are wanted.
#[derive(Debug, Clone, Default)]
pub struct ApprovalRequest {
    /// Only those with one of these; `None`: all.
    pub statuses: Option<Vec<ApprovalStatus>>,
    /// Only those of this workflow.
    pub workflow: Option<String>,
    /// Only those of this execution.
    pub execution: Option<ExecutionId>,
    /// Where an earlier list ended: an approval's id.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list, in the order in which they were opened.
#[derive(Debug)]
pub struct Approvals {
    /// Approvals as the API shows them.
    pub items: Vec<Value>,
    /// Where the next part begins, if there may be one. Also a part with few items, or none, may have a next one.
    pub next: Option<String>,
}

/// The id of the approval of a step run: the same in every life of the server, and sorting by the moment of its opening.
fn approval_id(execution: ExecutionId, run: RunIx, opened: Timestamp) -> String {
    let hash = Sha256::new().chain_update(execution.to_bytes()).chain_update(run.0.to_be_bytes()).finalize();
    let mut bytes = [0; 16];
    let time = opened.0.to_be_bytes();
    bytes.iter_mut().zip(time.iter().skip(2).chain(&hash)).for_each(|(byte, from)| *byte = *from);
    format!("{PREFIX}{}", ulid(bytes))
}

/// Whether a text is spelled like the id of an approval.
#[must_use]
pub fn is_approval_id(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == 26 && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The id and the whole of an approval, as it is in this state.
pub(crate) fn shown(live: &Live, execution: &Execution, run: RunIx) -> Option<(String, Value)> {
    let Some(Wait::Approval(approval)) = execution.run(run)?.wait.as_deref() else { return None };
    let id = approval_id(execution.id, run, approval.opened);
    let Value::Object(fields) = approval_view(execution, &live.workflow, run)? else { return None };
    let mut view = serde_json::Map::from_iter([("id".to_owned(), json!(id))]);
    view.extend(fields);
    Some((id, Value::Object(view)))
}

/// What is told of an approval in this state (H7): `requested`, `decided`, `expired`; `None`: nothing.
pub(crate) fn is_told(status: &str, undecided: bool) -> Option<&'static str> {
    let is = |other: ApprovalStatus| status == other.word();
    if is(ApprovalStatus::Pending) {
        return undecided.then_some("requested");
    }
    if is(ApprovalStatus::Approved) || is(ApprovalStatus::Rejected) {
        return Some("decided");
    }
    is(ApprovalStatus::Expired).then_some("expired")
}

/// What the lists of approvals show of this run from now on.
pub(crate) fn rows(live: &Live, next: &Execution, run: RunIx) -> Vec<DocumentWrite> {
    let Some((id, view)) = shown(live, next, run) else { return Vec::new() };
    let status = view["status"].as_str().unwrap_or_default().to_owned();
    let pending = status == ApprovalStatus::Pending.word();
    let is_new = view["decisions"].as_array().is_none_or(Vec::is_empty);
    let entry = Entry { status, workflow: live.workflow.id.clone(), execution: next.id };
    let mut rows = Vec::with_capacity(4);
    if is_new || !pending {
        let text = |wanted: bool| wanted.then(|| bytes(&entry));
        rows.push(write(DocumentKind::ApprovalIndex, pending_key(&id), text(pending)));
        rows.push(write(DocumentKind::ApprovalIndex, execution_key(next.id, &id), text(true)));
        rows.push(write(DocumentKind::ApprovalIndex, all_key(&id), text(true)));
    }
    let stored = Stored { run, execution: next.id, view };
    rows.push(write(DocumentKind::Approval, id, Some(bytes(&stored))));
    rows
}

/// How the keys of an execution's index begin.
pub(crate) fn of_execution(execution: ExecutionId) -> String {
    execution_key(execution, "")
}

/// All that there is of an approval of an execution that is removed.
pub(crate) fn removals(execution: ExecutionId, id: &str) -> Vec<DocumentWrite> {
    let index = [pending_key(id), execution_key(execution, id), all_key(id)];
    let index = index.into_iter().map(|key| write(DocumentKind::ApprovalIndex, key, None));
    index.chain([write(DocumentKind::Approval, id.to_owned(), None)]).collect()
}

fn pending_key(id: &str) -> String {
    format!("p/{id}")
}

fn execution_key(execution: ExecutionId, id: &str) -> String {
    format!("e/{execution}/{id}")
}

fn all_key(id: &str) -> String {
    format!("a/{id}")
}

fn bytes(value: &impl Serialize) -> Bytes {
    // Values of ours, whose keys are texts: they can always be written.
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}

fn write(kind: DocumentKind, key: String, value: Option<Bytes>) -> DocumentWrite {
    DocumentWrite { kind, key, value, expect: Expect::Anything }
}

impl ApprovalRequest {
    /// The start of the keys of the index that holds all that is wanted, and the least beside it.
    fn index(&self) -> String {
        match (&self.execution, self.statuses.as_deref()) {
            (Some(execution), _) => execution_key(*execution, ""),
            (None, Some([ApprovalStatus::Pending])) => pending_key(""),
            (None, _) => all_key(""),
        }
    }

    fn takes(&self, entry: &Entry) -> bool {
        self.has_status(&entry.status) && self.workflow.as_ref().is_none_or(|workflow| *workflow == entry.workflow)
    }

    fn has_status(&self, word: &str) -> bool {
        self.statuses.as_ref().is_none_or(|statuses| statuses.iter().any(|status| status.word() == word))
    }
}

impl Engine {
    /// A part of the list of a tenant's approvals.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn approvals(&self, tenant: TenantId, request: &ApprovalRequest) -> Result<Approvals, Error> {
        let index = request.index();
        let (mut items, mut length) = (Vec::new(), 0);
        let mut next = request.after.clone();
        for _ in 0..LOOKS {
            let page = Page { after: next.as_ref().map(|id| format!("{index}{id}")), limit: LOOK };
            let found =
                sound::listed(&*self.inner.ports.store, (tenant, DocumentKind::ApprovalIndex), &index, page).await?;
            let more = found.len() == LOOK;
            for (key, value) in found {
                let id = key.strip_prefix(&index).unwrap_or_default().to_owned();
                let entry = serde_json::from_slice(&value);
                let entry = entry.map_err(|e| Error::broken("an index of approvals cannot be read", &e))?;
                let listed = sound::line(self.listed_approval(tenant, (&id, &entry), request).await)?;
                if let Some((view, bytes)) = listed.flatten() {
                    items.push(view);
                    length += bytes;
                }
                next = Some(id);
                if items.len() >= request.limit || length > PART_BYTES {
                    return self.part(items, next).await;
                }
            }
            if !more {
                return self.part(items, None).await;
            }
        }
        self.part(items, next).await
    }

    async fn part(&self, items: Vec<Value>, next: Option<String>) -> Result<Approvals, Error> {
        // A store may show a document a moment before it is durable.
        self.inner.committer.settled().await;
        Ok(Approvals { items, next })
    }

    /// With its length; `None` if it is not wanted, also if it has changed since the index was read.
    async fn listed_approval(
        &self,
        tenant: TenantId,
        (id, entry): (&str, &Entry),
        request: &ApprovalRequest,
    ) -> Result<Option<(Value, usize)>, Error> {
        if !request.takes(entry) {
            return Ok(None);
        }
        let Some(bytes) = self.inner.ports.store.document(tenant, DocumentKind::Approval, id).await? else {
            return Ok(None);
        };
        let view = read(&bytes)?.view;
        let wanted = request.has_status(view["status"].as_str().unwrap_or_default());
        Ok(wanted.then_some((view, bytes.len())))
    }

    /// An approval as the API shows it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn approval(&self, tenant: TenantId, id: &str) -> Result<Value, Error> {
        Ok(self.stored_approval(tenant, id).await?.view)
    }

    /// What is durable of an approval.
    pub(crate) async fn stored_approval(&self, tenant: TenantId, id: &str) -> Result<Stored, Error> {
        let not_found = || Error::NotFound { what: "approval", id: id.to_owned() };
        if !is_approval_id(id) {
            return Err(not_found());
        }
        let stored = self.inner.ports.store.document(tenant, DocumentKind::Approval, id).await?;
        self.inner.committer.settled().await;
        read(&stored.ok_or_else(not_found)?)
    }
}

fn read(bytes: &[u8]) -> Result<Stored, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::broken("an approval cannot be read", &e))
}
