//! The port itself: prepares, queues and reads, each on a thread that may block.

use crate::backup::{self, MakeError};
use crate::ballast::Ballast;
use crate::check::CheckError;
use crate::collect::{Collection, Suspects};
use crate::committer::{Answers, Committer, Group, QUEUE_GROUPS, Work};
use crate::durability::Durability;
use crate::files::{Area, Files, Place};
use crate::freeze::Writes;
use crate::open::{Index, OpenError, Opened, SledConfig, open};
use crate::prepare::{is_heavy, prepare};
use crate::purge::Purge;
use crate::read::Reader;
use crate::scrub::Scrub;
use crate::sizes::{Sizes, sizes};
use crate::stage::{EPOCH, Stage};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use stepwell_core::ids::{Digest, Shard, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{
    CommitError, DiskUse, DocumentKind, DocumentList, Erased, Erasure, ExecutionFilter, ExecutionKey, ExecutionList,
    Lease, Line, ListPlace, Page, Record, RecordStatus, ScrubPlace, Scrubbed, Store, StoreError, Transition,
};
use tokio::sync::{mpsc, oneshot};

/// A store on this machine's disk. It owns all shards under epoch 1, because no other process can open its folder.
///
/// Dropping it waits until what is queued is written and the folder is free again. Its futures need a Tokio runtime.
pub struct SledStore {
    /// Taken on drop: that ends the committer.
    queue: Option<mpsc::Sender<Work>>,
    committer: Option<JoinHandle<()>>,
    pub(crate) shared: Arc<Shared>,
    folder: PathBuf,
}

/// What reads need.
pub(crate) struct Shared {
    pub(crate) files: Files,
    durability: Durability,
    index: Index,
    ballast: Ballast,
    writes: Writes,
    suspects: Suspects,
}

impl SledStore {
    /// Opens a store, or makes one in a folder that is empty or not there. Blocks until it is on the disk.
    ///
    /// # Errors
    /// [`OpenError`] says who has it open, which version wrote it, or what is wrong with it.
    pub fn open(config: &SledConfig) -> Result<Self, OpenError> {
        Self::open_with(config, Durability::system())
    }

    pub(crate) fn open_with(config: &SledConfig, durability: Durability) -> Result<Self, OpenError> {
        let Opened { index, files, head, commits, ballast } = open(config, &durability)?;
        let writes = Writes::default();
        let (queue, groups) = mpsc::channel(QUEUE_GROUPS);
        let committer = Committer {
            tree: index.tree.clone(),
            file: Arc::clone(&index.file),
            durability: durability.clone(),
            stage: Stage::new(index.tree.clone(), commits, writes.clone()),
            head,
            held: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("store-committer".to_owned());
        let committer = thread
            .spawn(move || committer.run(groups))
            .map_err(|error| OpenError::Io { folder: config.folder.clone(), error })?;
        Ok(Self {
            queue: Some(queue),
            committer: Some(committer),
            folder: config.folder.clone(),
            shared: Arc::new(Shared { files, durability, index, ballast, writes, suspects: Suspects::default() }),
        })
    }

    /// Writes a backup of this moment to the sink, piece by piece, while the store is in use; the sink answers whether more is wanted.
    /// It holds no master key: secrets stay sealed.
    ///
    /// # Errors
    /// [`MakeError`]: what the sink got is no whole backup.
    pub async fn backup(&self, mut sink: impl FnMut(Bytes) -> bool + Send + 'static) -> Result<(), MakeError> {
        let made =
            self.blocking(move |shared| backup::make(&shared.index.tree, &shared.files, &shared.writes, &mut sink));
        made.await.unwrap_or_else(|error| Err(MakeError::Store(error.to_string())))
    }

    /// What takes up room. Walks through everything.
    ///
    /// # Errors
    /// What cannot be read.
    pub async fn sizes(&self) -> Result<Sizes, CheckError> {
        let folder = self.folder.clone();
        self.blocking(move |shared| sizes(&folder, &shared.index.tree, &shared.files)).await?
    }

    /// Runs a read where it may block.
    async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.blocking(|shared| read(Reader { tree: &shared.index.tree, files: &shared.files })).await?
    }

    #[cfg(test)]
    pub(crate) fn tree(&self) -> &sled::Db {
        &self.shared.index.tree
    }

    pub(crate) async fn blocking<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Shared) -> T + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.map_err(|error| StoreError::Unavailable(format!("the store's thread ended: {error}")))
    }

    /// The answers of the committer, or why there are none.
    async fn queue(&self, group: Vec<Transition>) -> Result<Answers, StoreError> {
        let transitions = if is_heavy(&group) {
            let prepared = move |shared: &Shared| group.into_iter().map(|one| prepare(one, &shared.files)).collect();
            self.blocking(prepared).await?
        } else {
            group.into_iter().map(|one| prepare(one, &self.shared.files)).collect()
        };
        let (answer, answers) = oneshot::channel();
        self.send(Work::Commit(Group { transitions, answer })).await?;
        answers.await.map_err(|_| closed())
    }

    pub(crate) async fn send(&self, work: Work) -> Result<(), StoreError> {
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.send(work).await.map_err(|_| closed())
    }
}

pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable("the store's committer has ended; start again".to_owned())
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(committer) = self.committer.take() {
            // It ends by itself; if it panicked, that was seen by everyone who asked it.
            let _ = committer.join();
        }
    }
}

impl std::fmt::Debug for SledStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SledStore").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Store for SledStore {
    fn leases(&self) -> Vec<Lease> {
        (0..=u8::MAX).map(|shard| Lease { shard: Shard(shard), epoch: EPOCH }).collect()
    }

    /// Waits for room in the queue. A caller that gives up waiting does not take the group back.
    async fn commit(&self, group: Vec<Transition>) -> Vec<Result<(), CommitError>> {
        let asked = group.len();
        let answers = self.queue(group).await;
        answers.unwrap_or_else(|error| vec![Err(error.into()); asked])
    }

    async fn erase(&self, erasure: Erasure) -> Result<Erased, CommitError> {
        self.erase_one(erasure).await
    }

    async fn record(&self, key: ExecutionKey) -> Result<Option<Record>, StoreError> {
        self.read(move |reader| reader.record(key)).await
    }

    async fn journal(&self, key: ExecutionKey, from: u32, limit: usize) -> Result<Vec<Line>, StoreError> {
        self.read(move |reader| reader.journal(key, from, limit)).await
    }

    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionKey>,
        limit: usize,
    ) -> Result<Vec<ExecutionKey>, StoreError> {
        self.read(move |reader| reader.unfinished(shard, after, limit)).await
    }

    async fn due(
        &self,
        shard: Shard,
        after: Option<(Timestamp, ExecutionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ExecutionKey)>, StoreError> {
        self.read(move |reader| reader.due(shard, after, until, limit)).await
    }

    async fn executions(
        &self,
        tenant: TenantId,
        filter: &ExecutionFilter,
        after: Option<ListPlace>,
        limit: usize,
    ) -> Result<ExecutionList, StoreError> {
        let filter = filter.clone();
        self.read(move |reader| reader.executions(tenant, &filter, after, limit)).await
    }

    async fn count(&self, tenant: TenantId, status: RecordStatus) -> Result<u64, StoreError> {
        self.read(move |reader| reader.count(tenant, status)).await
    }

    async fn document(&self, tenant: TenantId, kind: DocumentKind, key: &str) -> Result<Option<Bytes>, StoreError> {
        let key = key.to_owned();
        self.read(move |reader| reader.document(tenant, kind, &key)).await
    }

    async fn documents(
        &self,
        tenant: TenantId,
        kind: DocumentKind,
        prefix: &str,
        page: Page,
    ) -> Result<Vec<(String, Bytes)>, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |reader| reader.documents((tenant, kind), &prefix, &page)).await
    }

    async fn list(
        &self,
        tenant: TenantId,
        kind: DocumentKind,
        prefix: &str,
        page: Page,
    ) -> Result<DocumentList, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |reader| reader.list((tenant, kind), &prefix, &page)).await
    }

    async fn put_blob(&self, tenant: TenantId, bytes: Bytes) -> Result<Digest, StoreError> {
        let place = Place { area: Area::Blobs, tenant };
        let kept = self.blocking(move |shared| shared.files.put(place, &bytes)).await?;
        kept.map(|file| file.digest)
            .map_err(|error| StoreError::Unavailable(format!("a blob cannot be written: {error}")))
    }

    async fn blob(&self, tenant: TenantId, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.read(move |reader| reader.blob(tenant, digest)).await
    }

    async fn purge(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        let purge = move |shared: &Shared| {
            let (tree, file) = (&shared.index.tree, shared.index.file.as_ref());
            Purge { tree, file, files: &shared.files, durability: &shared.durability, writes: &shared.writes }
                .some(tenant, limit.max(1))
        };
        self.blocking(purge).await?
    }

    async fn collect(&self, tenant: TenantId, part: u8) -> Result<usize, StoreError> {
        let collect = move |shared: &Shared| {
            let Shared { files, durability, index, suspects, .. } = shared;
            let (tree, file) = (&index.tree, index.file.as_ref());
            Collection { tree, file, files, durability, suspects, writes: &shared.writes }.part(tenant, part)
        };
        self.blocking(collect).await?
    }

    async fn scrub(&self, after: Option<ScrubPlace>, bytes: u64) -> Result<Scrubbed, StoreError> {
        let scrub =
            move |shared: &Shared| Scrub { tree: &shared.index.tree, files: &shared.files }.part(after.as_ref(), bytes);
        self.blocking(scrub).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        if self.queue.as_ref().is_none_or(mpsc::Sender::is_closed) {
            return Err(closed());
        }
        self.blocking(|shared| shared.index.check()).await?
    }

    async fn tend(&self) -> Result<Option<DiskUse>, StoreError> {
        let tended = self.blocking(|shared| shared.ballast.tend()).await?;
        tended.map(Some).map_err(|error| StoreError::Unavailable(format!("the disk cannot be asked: {error}")))
    }
}
