//! The store in memory: the reference that other stores are compared with, and a disk that fails on command.

use crate::ports::{
    CommitError, DocumentKind, DocumentWrite, Erased, Erasure, ExecutionFilter, ExecutionKey, ExecutionList, Expect,
    LIST_LOOKS, Lease, Line, ListPlace, Page, Record, RecordStatus, Store, StoreError, Transition,
};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwell_core::ids::{Digest, Shard, TenantId};
use stepwell_core::time::Timestamp;
use tokio::sync::watch;

/// What happens to the chosen transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPoint {
    /// It is refused as unavailable and not written; the store goes on.
    Refuse,
    /// It is written, but the answer is that the store is unavailable; the store goes on.
    Unsure,
    /// The host dies before it is written.
    Before,
    /// The host dies when it has been written; nobody hears of it.
    After,
}

/// A store whose data outlives its handles.
///
/// A handle dies by a [`FaultPoint`], by [`MemoryStore::crash`], or when [`MemoryStore::reopen`] makes the next one.
/// What is asked of a dead handle is never answered, as by a host without power: wait for [`MemoryStore::crashed`]
/// beside it.
#[derive(Debug)]
pub struct MemoryStore {
    disk: Arc<Mutex<Disk>>,
    /// Which opening of the data this handle is; only the latest one lives.
    opening: u64,
    dead: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Disk {
    opening: u64,
    accepted: u64,
    fault: Option<(u64, FaultPoint)>,
    /// Epochs that are not 1, by shard.
    epochs: BTreeMap<Shard, u64>,
    /// Shards that another host has taken from the handle that is open now.
    lost: BTreeSet<Shard>,
    records: BTreeMap<ExecutionKey, Record>,
    journals: BTreeMap<ExecutionKey, Vec<Bytes>>,
    documents: BTreeMap<(TenantId, DocumentKind, String), Bytes>,
    blobs: BTreeMap<(TenantId, Digest), Bytes>,
}

/// What became of one transition.
enum Fate {
    Answered(Result<(), CommitError>),
    Died,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store that owns all shards under epoch 1.
    #[must_use]
    pub fn new() -> Self {
        Self { disk: Arc::default(), opening: 0, dead: watch::Sender::new(false) }
    }

    /// Chooses the transition that meets a fault: the one before which `accepted` others have been written since the
    /// data came to be. Transitions that the rules refuse do not count, so a loop over `accepted` meets every commit.
    pub fn fail_at(&self, accepted: u64, point: FaultPoint) {
        self.disk().fault = Some((accepted, point));
    }

    /// How many transitions have been written since the data came to be, over all handles.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.disk().accepted
    }

    /// The host dies now.
    pub fn crash(&self) {
        self.dead.send_replace(true);
    }

    /// Returns when this handle is dead.
    pub async fn crashed(&self) {
        let mut dead = self.dead.subscribe();
        // The sender lives as long as this handle, so waiting can only end well.
        let _ = dead.wait_for(|dead| *dead).await;
    }

    /// The next handle on the same data, without a fault ahead and owning all shards; this one is dead from now on.
    #[must_use]
    pub fn reopen(&self) -> Self {
        self.crash();
        let mut disk = self.disk();
        disk.opening += 1;
        disk.fault = None;
        disk.lost.clear();
        Self { disk: Arc::clone(&self.disk), opening: disk.opening, dead: watch::Sender::new(false) }
    }

    /// Another host takes the shard: its epoch grows, and what this handle writes there is refused as fenced.
    pub fn take_over(&self, shard: Shard) {
        let mut disk = self.disk();
        *disk.epochs.entry(shard).or_insert(1) += 1;
        disk.lost.insert(shard);
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        // Nothing panics while it holds the lock and has changed only half of the data.
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The data, as long as this handle lives; otherwise never.
    async fn alive<T>(&self, read: impl FnOnce(&mut Disk) -> T) -> T {
        if !*self.dead.borrow() {
            let mut disk = self.disk();
            if disk.opening == self.opening {
                return read(&mut disk);
            }
        }
        std::future::pending().await
    }
}

impl Disk {
    /// Looks at whatever no index would pass over: all of a workflow, or all with a status.
    fn list(
        &self,
        tenant: TenantId,
        filter: &ExecutionFilter,
        after: Option<ListPlace>,
        limit: usize,
    ) -> ExecutionList {
        let index = ExecutionFilter {
            statuses: if filter.workflow.is_some() { None } else { filter.statuses.clone() },
            ..filter.clone()
        };
        let own = self.records.iter().filter(|(key, _)| key.tenant == tenant);
        let mut found: Vec<_> = own
            .map(|(key, record)| (ListPlace { created: record.created, id: key.id }, *key, record.summary()))
            .filter(|(place, ..)| after.is_none_or(|after| place.order() > after.order()))
            .filter(|(.., summary)| index.takes(summary))
            .collect();
        found.sort_by_key(|(place, ..)| place.order());
        let (mut items, mut last) = (Vec::new(), after);
        for (looked, (place, key, summary)) in found.into_iter().enumerate() {
            if items.len() >= limit.max(1) || looked == LIST_LOOKS {
                return ExecutionList { items, damaged: Vec::new(), next: last };
            }
            last = Some(place);
            items.extend(filter.takes(&summary).then_some((key, summary)));
        }
        ExecutionList { items, damaged: Vec::new(), next: None }
    }

    /// Table by table.
    fn purge(&mut self, tenant: TenantId, limit: usize) -> usize {
        fn take<K: Ord + Clone, V>(table: &mut BTreeMap<K, V>, limit: usize, is_theirs: impl Fn(&K) -> bool) -> usize {
            let theirs: Vec<K> = table.keys().filter(|key| is_theirs(key)).take(limit).cloned().collect();
            theirs.iter().for_each(|key| drop(table.remove(key)));
            theirs.len()
        }
        let mut gone = take(&mut self.journals, limit, |key| key.tenant == tenant);
        gone += take(&mut self.records, limit - gone, |key| key.tenant == tenant);
        gone += take(&mut self.documents, limit - gone, |key| key.0 == tenant);
        gone + take(&mut self.blobs, limit - gone, |key| key.0 == tenant)
    }

    fn epoch(&self, shard: Shard) -> u64 {
        self.epochs.get(&shard).copied().unwrap_or(1)
    }

    /// Nothing of a group is known to the caller once the host has died, not even what was written before.
    fn commit(&mut self, group: Vec<Transition>) -> Option<Vec<Result<(), CommitError>>> {
        let mut answers = Vec::with_capacity(group.len());
        for transition in group {
            match self.commit_one(transition) {
                Fate::Answered(answer) => answers.push(answer),
                Fate::Died => return None,
            }
        }
        Some(answers)
    }

    fn commit_one(&mut self, transition: Transition) -> Fate {
        match self.check(&transition) {
            Ok(()) => self.meet(|disk| disk.write(transition)),
            Err(refusal) => Fate::Answered(Err(refusal)),
        }
    }

    /// Writes what the rules allow, unless it meets its fault.
    fn meet(&mut self, write: impl FnOnce(&mut Self)) -> Fate {
        let fault = self.fault.filter(|(accepted, _)| *accepted == self.accepted).map(|(_, point)| point);
        if fault.is_some() {
            self.fault = None;
        }
        match fault {
            Some(FaultPoint::Before) => return Fate::Died,
            Some(FaultPoint::Refuse) => {
                return Fate::Answered(Err(StoreError::Unavailable("told to refuse".to_owned()).into()));
            }
            Some(FaultPoint::Unsure | FaultPoint::After) | None => {}
        }
        write(self);
        self.accepted += 1;
        match fault {
            Some(FaultPoint::Unsure) => {
                Fate::Answered(Err(StoreError::Unavailable("told not to say so".to_owned()).into()))
            }
            Some(_) => Fate::Died,
            None => Fate::Answered(Ok(())),
        }
    }

    fn check(&self, transition: &Transition) -> Result<(), CommitError> {
        transition.check()?;
        if let Some(claim) = &transition.execution {
            self.check_lease(claim.lease)?;
            let stored = self.journals.get(&ExecutionKey { tenant: transition.tenant, id: claim.id });
            let next = stored.map_or(0, Vec::len);
            for (line, expected) in claim.journal.iter().zip(next..) {
                let expected = u32::try_from(expected).map_err(|_| CommitError::Invalid("a journal is full"))?;
                if line.seq != expected {
                    return Err(CommitError::Conflict { id: claim.id, expected, given: line.seq });
                }
            }
        }
        self.check_documents(transition.tenant, &transition.documents)
    }

    fn check_lease(&self, Lease { shard, epoch }: Lease) -> Result<(), CommitError> {
        let ours = epoch == self.epoch(shard) && !self.lost.contains(&shard);
        if ours { Ok(()) } else { Err(CommitError::Fenced(shard)) }
    }

    fn check_documents(&self, tenant: TenantId, documents: &[DocumentWrite]) -> Result<(), CommitError> {
        for document in documents {
            let stored = self.documents.get(&(tenant, document.kind, document.key.clone()));
            let as_expected = match &document.expect {
                Expect::Anything => true,
                Expect::Absent => stored.is_none(),
                Expect::Value(value) => stored == Some(value),
            };
            if !as_expected {
                return Err(CommitError::Unexpected { key: document.key.clone() });
            }
        }
        Ok(())
    }

    fn write(&mut self, transition: Transition) {
        let tenant = transition.tenant;
        if let Some(claim) = transition.execution {
            let key = ExecutionKey { tenant, id: claim.id };
            if !claim.journal.is_empty() {
                self.journals.entry(key).or_default().extend(claim.journal.into_iter().map(|line| line.entry));
            }
            if let Some(record) = claim.record {
                self.records.insert(key, record);
            }
        }
        self.write_documents(tenant, transition.documents);
    }

    fn write_documents(&mut self, tenant: TenantId, documents: Vec<DocumentWrite>) {
        for document in documents {
            let key = (tenant, document.kind, document.key);
            match document.value {
                Some(value) => self.documents.insert(key, value),
                None => self.documents.remove(&key),
            };
        }
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    fn leases(&self) -> Vec<Lease> {
        let disk = self.disk();
        let ours = (0..=u8::MAX).map(Shard).filter(|shard| !disk.lost.contains(shard));
        ours.map(|shard| Lease { shard, epoch: disk.epoch(shard) }).collect()
    }

    async fn commit(&self, group: Vec<Transition>) -> Vec<Result<(), CommitError>> {
        let answers = self.alive(|disk| {
            let answers = disk.commit(group);
            if answers.is_none() {
                // Under the lock, so that nothing is written after the fault.
                self.crash();
            }
            answers
        });
        match answers.await {
            Some(answers) => answers,
            None => std::future::pending().await,
        }
    }

    async fn erase(&self, erasure: Erasure) -> Result<Erased, CommitError> {
        self.erase_one(erasure).await
    }

    async fn record(&self, key: ExecutionKey) -> Result<Option<Record>, StoreError> {
        self.alive(|disk| Ok(disk.records.get(&key).cloned())).await
    }

    async fn journal(&self, key: ExecutionKey, from: u32, limit: usize) -> Result<Vec<Line>, StoreError> {
        self.alive(|disk| {
            let lines = disk.journals.get(&key).into_iter().flatten().zip(0..=u32::MAX);
            let lines = lines.skip_while(|(_, seq)| *seq < from).take(limit);
            Ok(lines.map(|(entry, seq)| Line { seq, entry: entry.clone() }).collect())
        })
        .await
    }

    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionKey>,
        limit: usize,
    ) -> Result<Vec<ExecutionKey>, StoreError> {
        self.alive(|disk| {
            let start = after.map_or(Bound::Unbounded, Bound::Excluded);
            let open = disk
                .records
                .range((start, Bound::Unbounded))
                .filter(|(key, record)| key.shard() == shard && record.status == RecordStatus::Unfinished);
            Ok(open.map(|(key, _)| *key).take(limit).collect())
        })
        .await
    }

    async fn due(
        &self,
        shard: Shard,
        after: Option<(Timestamp, ExecutionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ExecutionKey)>, StoreError> {
        self.alive(|disk| {
            let here = disk.records.iter().filter(|(key, _)| key.shard() == shard);
            let wakes = here.filter_map(|(key, record)| Some((record.wake?, *key)));
            let mut due: Vec<_> =
                wakes.filter(|wake| wake.0 <= until && after.is_none_or(|after| *wake > after)).collect();
            due.sort_unstable();
            due.truncate(limit);
            Ok(due)
        })
        .await
    }

    async fn executions(
        &self,
        tenant: TenantId,
        filter: &ExecutionFilter,
        after: Option<ListPlace>,
        limit: usize,
    ) -> Result<ExecutionList, StoreError> {
        self.alive(|disk| Ok(disk.list(tenant, filter, after, limit))).await
    }

    async fn count(&self, tenant: TenantId, status: RecordStatus) -> Result<u64, StoreError> {
        let of_status = |disk: &Disk| {
            disk.records.iter().filter(|(key, record)| key.tenant == tenant && record.status == status).count() as u64
        };
        self.alive(|disk| Ok(of_status(disk))).await
    }

    async fn document(&self, tenant: TenantId, kind: DocumentKind, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.alive(|disk| Ok(disk.documents.get(&(tenant, kind, key.to_owned())).cloned())).await
    }

    async fn documents(
        &self,
        tenant: TenantId,
        kind: DocumentKind,
        prefix: &str,
        page: Page,
    ) -> Result<Vec<(String, Bytes)>, StoreError> {
        self.alive(|disk| {
            let start = match page.after {
                Some(after) if after.as_str() >= prefix => Bound::Excluded((tenant, kind, after)),
                _ => Bound::Included((tenant, kind, prefix.to_owned())),
            };
            let here = disk
                .documents
                .range((start, Bound::Unbounded))
                .take_while(|((owner, table, key), _)| *owner == tenant && *table == kind && key.starts_with(prefix));
            Ok(here.map(|((_, _, key), value)| (key.clone(), value.clone())).take(page.limit).collect())
        })
        .await
    }

    async fn put_blob(&self, tenant: TenantId, bytes: Bytes) -> Result<Digest, StoreError> {
        let digest = Digest(Sha256::digest(&bytes).into());
        self.alive(|disk| {
            disk.blobs.entry((tenant, digest)).or_insert(bytes);
        })
        .await;
        Ok(digest)
    }

    async fn blob(&self, tenant: TenantId, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.alive(|disk| Ok(disk.blobs.get(&(tenant, digest)).cloned())).await
    }

    async fn purge(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        self.alive(|disk| Ok(disk.purge(tenant, limit.max(1)))).await
    }

    async fn collect(&self, _tenant: TenantId, _part: u8) -> Result<usize, StoreError> {
        self.alive(|_| Ok(0)).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.alive(|_| Ok(())).await
    }
}

mod erase;
#[cfg(test)]
mod tests;
