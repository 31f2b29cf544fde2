//! Lists of executions: what is live as it is now, all else as its record says. Only what is durable is shown.

use crate::engine::Engine;
use crate::ports::{ExecutionFilter, ExecutionKey, ListPlace, RecordStatus, Summary};
use crate::{Error, codec, records, sound};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

/// How often one list asks the store to go on, when what it looked at did not fit: a list answers soon, and says where to go on.
const CALLS: usize = 4;

/// What clients call the state of an execution (semantics C18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShownStatus {
    /// Accepted; nothing of it has had its turn.
    Pending,
    /// Under way, waiting, or paused.
    Running,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
}

impl ShownStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Running, Self::Completed, Self::Failed];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// The records that may be shown so.
    fn stored(self) -> &'static [RecordStatus] {
        match self {
            Self::Pending => &[RecordStatus::Unfinished],
            Self::Running => &[RecordStatus::Unfinished, RecordStatus::Parked],
            Self::Completed => &[RecordStatus::Completed],
            Self::Failed => &[RecordStatus::Failed, RecordStatus::Quarantined],
        }
    }
}

/// Which executions are wanted.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Only those of this workflow.
    pub workflow: Option<String>,
    /// Only those with one of these; `None`: all.
    pub statuses: Option<BTreeSet<ShownStatus>>,
    /// Only those accepted at this moment or later.
    pub since: Option<Timestamp>,
    /// Where an earlier list ended.
    pub after: Option<ListPlace>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list, the newest first.
#[derive(Debug)]
pub struct Executions {
    /// Executions as the API shows them, without `steps` and `result`.
    pub items: Vec<Value>,
    /// Ids of those that would stand among them, if they could be read.
    pub damaged: Vec<String>,
    /// Where the next part begins, if there may be one. Also a part with few items, or none, may have a next one.
    pub next: Option<ListPlace>,
}

impl Engine {
    /// A part of the list of a tenant's executions.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn executions(&self, tenant: TenantId, request: &ListRequest) -> Result<Executions, Error> {
        let stored = |statuses: &BTreeSet<ShownStatus>| statuses.iter().flat_map(|s| s.stored()).copied().collect();
        let statuses = request.statuses.as_ref().map(stored);
        let filter = ExecutionFilter { workflow: request.workflow.clone(), statuses, since: request.since };
        let (mut items, mut damaged, mut next) = (Vec::new(), Vec::new(), request.after);
        for _ in 0..CALLS {
            let room = request.limit.saturating_sub(items.len());
            let page = self.inner.ports.store.executions(tenant, &filter, next, room).await?;
            if !page.items.is_empty() {
                // A store may show a record a moment before it is durable.
                self.inner.committer.settled().await;
            }
            for (key, summary) in page.items {
                match sound::line(self.listed(key, summary).await)? {
                    Some(item) => items.extend(item.filter(|item| request.takes(item))),
                    None => damaged.push(key.id.to_string()),
                }
            }
            sound::left_out(&page.damaged);
            damaged.extend(page.damaged.iter().filter_map(|one| Some(one.execution?.id.to_string())));
            next = page.next;
            if next.is_none() || items.len() >= request.limit {
                break;
            }
        }
        Ok(Executions { items, damaged, next })
    }

    /// `None` if it has gone.
    async fn listed(&self, key: ExecutionKey, found: Summary) -> Result<Option<Value>, Error> {
        let under_way = |status| matches!(status, RecordStatus::Unfinished | RecordStatus::Parked);
        if !under_way(found.status) {
            return self.listed_as_stored(key, &found).await.map(Some);
        }
        if let Some(live) = self.inner.live.get(key) {
            if !live.is_there() {
                return Ok(None);
            }
            let now = self.inner.ports.clock.now();
            return Ok(serde_json::to_value(records::shown(&live.execution(), now, live.has_begun())).ok());
        }
        if found.status == RecordStatus::Parked {
            return self.listed_as_stored(key, &found).await.map(Some);
        }
        // It may have ended since it was looked at.
        let Some(record) = self.inner.ports.store.record(key).await? else { return Ok(None) };
        self.listed_as_stored(key, &record.summary()).await.map(Some)
    }

    async fn listed_as_stored(&self, key: ExecutionKey, found: &Summary) -> Result<Value, Error> {
        if !found.outline.is_empty() {
            let outline = codec::decode_outline(&found.outline);
            return outline.map_err(|e| Error::broken("an outline cannot be read", &e));
        }
        // Stored by an earlier version, or too long to be stored.
        match found.status {
            RecordStatus::Completed | RecordStatus::Failed => self.outline_of_state(key).await,
            RecordStatus::Unfinished => Ok(bare(key, found, ("pending", "queued"))),
            RecordStatus::Parked => Ok(bare(key, found, ("running", "running"))),
            RecordStatus::Quarantined => Ok(bare(key, found, ("failed", "failed"))),
        }
    }
}

fn bare(key: ExecutionKey, found: &Summary, (status, state): (&str, &str)) -> Value {
    let (id, workflow) = (key.id.to_string(), &found.workflow);
    json!({"executionId": id, "workflowId": workflow, "status": status, "state": state, "startedAt": found.created.rfc3339()})
}

impl ListRequest {
    /// Whether an execution is still what was asked for: it may have gone on since the store found it.
    fn takes(&self, item: &Value) -> bool {
        let status = |shown: &ShownStatus| item["status"] == shown.word();
        self.statuses.as_ref().is_none_or(|statuses| statuses.iter().any(status))
    }
}
