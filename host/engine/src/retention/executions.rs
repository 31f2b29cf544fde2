//! Executions: which are to be forgotten, and the step that makes one of them go.

use super::rows::{Row, execution_mark, mark};
use super::{GRACE_MS, ROUND, STEP, removal};
use crate::Error;
use crate::codec;
use crate::engine::Engine;
use crate::meters::FRAME;
use crate::ports::{DocumentKind, DocumentWrite, Erased, Erasure, ExecutionKey, Page, Record, RecordStatus};
use crate::schedules::marks_of;
use crate::{approvals, logs, notices};
use futures_util::future::join_all;
use stepwell_core::execution::{Execution, Started};
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::time::Timestamp;

/// Lines of a journal that go in one commit, and approvals: a few kilobytes of keys.
pub(super) const LINES: usize = 256;
pub(super) const APPROVALS: usize = 100;
/// Logs: each is read for its size, and may be large.
pub(super) const LOGS: usize = 32;

/// What becomes of a row.
enum Fate {
    /// It goes, for the execution is gone, has been opened again, or ended once more later.
    Stale,
    /// Something that happened because of it is not settled: it is looked at again.
    Kept,
    /// It goes with its execution.
    Due,
}

/// What of an execution goes with one commit.
pub(super) struct Part {
    pub documents: Vec<DocumentWrite>,
    /// Bytes of documents that count.
    pub bytes: u64,
    /// Whether there is nothing more.
    pub is_last: bool,
}

impl Engine {
    pub(super) async fn forget_executions(&self, tenant: TenantId, now: Timestamp) -> Result<bool, Error> {
        let age_ms = u64::try_from(self.limits_of(tenant).retention.as_millis()).unwrap_or(u64::MAX);
        let mut surplus = self.surplus(tenant).await?;
        let (mut after, mut seen) = (None, 0);
        while seen < ROUND {
            let page = Page { after: after.take(), limit: STEP };
            let found = self.inner.ports.store.documents(tenant, DocumentKind::Ended, "", page).await?;
            let is_end = found.len() < STEP;
            let mut due = Vec::new();
            for row in found.into_iter().filter_map(|(key, _)| Row::read(key)) {
                let age = now.since(row.at);
                if age < GRACE_MS || (age < age_ms && surplus == 0) {
                    break;
                }
                surplus = surplus.saturating_sub(1);
                due.push(row);
            }
            let is_end = is_end || due.len() < STEP;
            seen += due.len();
            after = due.last().map(|row| row.key.clone());
            if !due.is_empty() {
                self.step(join_all(due.iter().map(|row| self.forget_row(tenant, row))))
                    .await
                    .into_iter()
                    .collect::<Result<(), _>>()?;
            }
            if is_end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn forget_row(&self, tenant: TenantId, row: &Row) -> Result<(), Error> {
        let key = ExecutionKey { tenant, id: row.id };
        // A retry holds it, too: so that it finds the execution, or nothing.
        let _one = self.inner.rousing.one_at_a_time(key).await;
        let record = self.inner.ports.store.record(key).await?;
        match self.fate(key, record.as_ref(), row).await? {
            Fate::Kept => return Ok(()),
            Fate::Stale => {
                let transition = crate::ports::Transition { tenant, execution: None, documents: vec![row.removal()] };
                self.inner.committer.commit(transition).await?;
            }
            Fate::Due => {
                let mut part = self.next_part(key).await?;
                part.documents.push(row.removal());
                if !part.is_last {
                    part.documents.push(mark(execution_mark(key.id)));
                }
                self.erase(key, part).await?;
            }
        }
        self.inner.retention.removed(tenant, 1);
        Ok(())
    }

    async fn fate(&self, key: ExecutionKey, record: Option<&Record>, row: &Row) -> Result<Fate, Error> {
        let Some(record) = record else { return Ok(Fate::Stale) };
        match record.status {
            // What is set aside is left for whoever looks at it.
            RecordStatus::Unfinished | RecordStatus::Parked | RecordStatus::Quarantined => return Ok(Fate::Stale),
            RecordStatus::Completed | RecordStatus::Failed => {}
        }
        let ended = match codec::decode_ended(&record.body) {
            Ok(ended) => ended,
            Err(why) => {
                tracing::warn!(execution = %key.id, %why, "the end of an execution that is forgotten cannot be read");
                return Ok(Fate::Due);
            }
        };
        if ended.ended_at.is_some_and(|at| at > row.at) {
            return Ok(Fate::Stale);
        }
        Ok(if self.is_wanted(key, &ended).await? { Fate::Kept } else { Fate::Due })
    }

    /// Whether something may still look for it: its parent, which is not told of its end yet, or what starts it, which would start it again
    /// if it were not there.
    async fn is_wanted(&self, key: ExecutionKey, ended: &Execution) -> Result<bool, Error> {
        let Some(started) = &ended.started else { return Ok(false) };
        let is_there = async |kind, name: &str| {
            Ok::<_, Error>(self.inner.ports.store.document(key.tenant, kind, name).await?.is_some())
        };
        if started.parent.is_some() && is_there(DocumentKind::Notice, &notices::ended_key(key.id)).await? {
            return Ok(true);
        }
        let Started { trigger, workflow, .. } = started.as_ref();
        match (trigger.kind.as_str(), &trigger.event_id) {
            ("event", Some(event)) => self.is_event_pending(key.tenant, event).await,
            ("webhook", Some(delivery)) => is_there(DocumentKind::WebhookPending, delivery).await,
            ("schedule", _) => self.has_mark(key, workflow).await,
            _ => Ok(false),
        }
    }

    async fn has_mark(&self, key: ExecutionKey, workflow: &str) -> Result<bool, Error> {
        let mut after = None;
        loop {
            let page = Page { after: after.take(), limit: LINES };
            let kind = DocumentKind::ScheduleMark;
            let marks = self.inner.ports.store.documents(key.tenant, kind, &marks_of(workflow), page).await?;
            let id = key.id.to_string();
            if marks.iter().any(|(mark, _)| mark.ends_with(&id)) {
                return Ok(true);
            }
            match marks.into_iter().nth(LINES - 1) {
                Some((last, _)) => after = Some(last),
                None => return Ok(false),
            }
        }
    }

    /// What goes with the next commit.
    pub(super) async fn next_part(&self, key: ExecutionKey) -> Result<Part, Error> {
        let store = &self.inner.ports.store;
        let beyond = u32::try_from(LINES).unwrap_or(u32::MAX);
        let mut is_last = store.journal(key, beyond, 1).await?.is_empty();
        let (mut documents, mut bytes) = (Vec::new(), 0);
        let (prefix, page) = (logs::of_execution(key.id), Page { after: None, limit: LOGS });
        let found = store.documents(key.tenant, DocumentKind::Log, &prefix, page).await?;
        is_last &= found.len() < LOGS;
        for (log, value) in found {
            bytes += value.len() as u64 + FRAME;
            documents.push(removal(DocumentKind::Log, log));
        }
        let (prefix, page) = (approvals::of_execution(key.id), Page { after: None, limit: APPROVALS });
        let found = store.documents(key.tenant, DocumentKind::ApprovalIndex, &prefix, page).await?;
        is_last &= found.len() < APPROVALS;
        for (place, _) in found {
            documents.extend(approvals::removals(key.id, place.strip_prefix(&prefix).unwrap_or_default()));
        }
        Ok(Part { documents, bytes, is_last })
    }

    pub(super) async fn erase(&self, key: ExecutionKey, part: Part) -> Result<Erased, Error> {
        let (tenant, id, lease) = (key.tenant, key.id, self.lease(key)?);
        let erasure = Erasure { tenant, id, lease, lines: LINES, documents: part.documents };
        let erased = self.inner.ports.store.erase(erasure).await?;
        let bytes = part.bytes + erased.bytes + FRAME * erased.items as u64;
        let less = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.inner.meters.wrote(tenant, (-less, 0), self.now());
        Ok(erased)
    }

    /// What is left of an execution whose record is gone; true if nothing is.
    pub(super) async fn erase_more(&self, tenant: TenantId, id: ExecutionId) -> Result<bool, Error> {
        let key = ExecutionKey { tenant, id };
        let mut part = self.next_part(key).await?;
        let is_last = part.is_last;
        if is_last {
            part.documents.push(removal(DocumentKind::Erasing, execution_mark(id)));
        }
        self.erase(key, part).await?;
        Ok(is_last)
    }
}
