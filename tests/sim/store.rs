//! A host's handle on the one disk: it checks leases as a shared store would, takes its time, fails, and dies under whoever asks.
//! What it writes goes into the book.

use crate::gate::{Gate, Life};
use crate::world::World;
use bytes::Bytes;
use futures_util::FutureExt as _;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use stepwell_core::ids::{Digest, Shard, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{
    CommitError, DocumentKind, Erased, Erasure, ExecutionFilter, ExecutionKey, ExecutionList, Lease, Line, ListPlace,
    Page, Record, RecordStatus, Store, StoreError, Transition,
};

/// No commit is the host's last one.
const NEVER: u64 = u64::MAX;

/// One host's handle.
pub struct HostStore {
    world: Weak<World>,
    host: u32,
    gate: Arc<Gate>,
    /// After how many commits the host dies.
    dies_after: AtomicU64,
}

/// How a commit fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failing {
    Not,
    Before,
    After,
}

impl HostStore {
    /// A handle on this world's disk.
    pub fn new(world: &Arc<World>, host: u32, gate: Arc<Gate>) -> Self {
        Self { world: Arc::downgrade(world), host, gate, dies_after: AtomicU64::new(NEVER) }
    }

    /// The host will die at this commit.
    pub fn die_after(&self, commits: u64) {
        self.dies_after.store(commits, Ordering::SeqCst);
    }

    /// The world, as long as this host is in it.
    async fn world(&self) -> Arc<World> {
        self.gate.pass().await;
        match self.world.upgrade() {
            Some(world) => world,
            None => std::future::pending().await,
        }
    }

    /// An operation takes its time.
    async fn linger(&self, world: &World) {
        let weather = world.weather;
        if world.is_stormy() && weather.slow > 0 && world.chance(|chance| chance.one_in(weather.slow)) {
            world.wait(world.chance(|chance| chance.below(weather.slowest_ms))).await;
        }
    }

    async fn read<T>(
        &self,
        read: impl for<'a> FnOnce(
            &'a dyn Store,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>
        + Send,
    ) -> Result<T, StoreError> {
        let world = self.world().await;
        self.linger(&world).await;
        self.gate.pass().await;
        let weather = world.weather;
        if world.is_stormy() && weather.unreadable && world.chance(|chance| chance.one_in(60)) {
            return Err(StoreError::Unavailable("told not to read".to_owned()));
        }
        read(&world.disk).await
    }

    fn dies_now(&self) -> bool {
        let left = self.dies_after.load(Ordering::SeqCst);
        if left != NEVER {
            self.dies_after.store(left.saturating_sub(1), Ordering::SeqCst);
        }
        left == 0
    }

    /// One transition, in one moment. `None`: the host died.
    fn commit_one(&self, world: &World, transition: Transition) -> Option<Result<(), CommitError>> {
        if let Some(claim) = &transition.execution
            && world.owner(claim.lease.shard) != (self.host, claim.lease.epoch)
        {
            world.say(format_args!("host {} is refused: {} is no longer its own", self.host, claim.id));
            return Some(Err(CommitError::Fenced(claim.lease.shard)));
        }
        let dies = self.dies_now();
        let failing = world.weather.failing;
        let (fails, before) = world.chance(|chance| (failing > 0 && chance.one_in(failing), chance.one_in(2)));
        let how = match (dies || (fails && world.is_stormy()), before) {
            (false, _) => Failing::Not,
            (true, true) => Failing::Before,
            (true, false) => Failing::After,
        };
        let result = if how == Failing::Before { Ok(()) } else { self.write(world, transition) };
        if dies {
            world.say(format_args!("host {} dies at a commit, before it: {before}", self.host));
            self.gate.set(Life::Dead);
            return None;
        }
        let told = || StoreError::Unavailable("told to fail".to_owned()).into();
        Some(if how == Failing::Not { result } else { result.and_then(|()| Err(told())) })
    }

    fn write(&self, world: &World, mut transition: Transition) -> Result<(), CommitError> {
        let written = transition.clone();
        // The disk knows one owner; who may write was looked at above.
        transition.execution.iter_mut().for_each(|claim| claim.lease.epoch = 1);
        let answers = world.disk.commit(vec![transition]).now_or_never().unwrap_or_default();
        let answer = answers.into_iter().next();
        let answer = answer.unwrap_or_else(|| Err(StoreError::Unavailable("memory does not answer".to_owned()).into()));
        if answer.is_ok() {
            let checked = world.book().wrote(self.host, (world.elapsed(), world.now()), &written);
            if let Some(claim) = &written.execution {
                world.say(format_args!("host {} writes {} to {}", self.host, crate::book::shown(claim), claim.id));
            }
            world.hold(checked);
        }
        answer
    }
}

#[async_trait::async_trait]
impl Store for HostStore {
    fn leases(&self) -> Vec<Lease> {
        let Some(world) = self.world.upgrade() else { return Vec::new() };
        let all = (0..=u8::MAX).map(|shard| (Shard(shard), world.owner(Shard(shard))));
        all.filter(|(_, owner)| owner.0 == self.host).map(|(shard, (_, epoch))| Lease { shard, epoch }).collect()
    }

    async fn commit(&self, group: Vec<Transition>) -> Vec<Result<(), CommitError>> {
        let world = self.world().await;
        self.linger(&world).await;
        self.gate.pass().await;
        let mut answers = Vec::with_capacity(group.len());
        for transition in group {
            match self.commit_one(&world, transition) {
                Some(answer) => answers.push(answer),
                None => std::future::pending().await,
            }
        }
        self.linger(&world).await;
        self.gate.pass().await;
        answers
    }

    async fn erase(&self, mut erasure: Erasure) -> Result<Erased, CommitError> {
        let world = self.world().await;
        self.linger(&world).await;
        self.gate.pass().await;
        if world.owner(erasure.lease.shard) != (self.host, erasure.lease.epoch) {
            return Err(CommitError::Fenced(erasure.lease.shard));
        }
        erasure.lease.epoch = 1;
        world.disk.erase(erasure).await
    }

    async fn record(&self, key: ExecutionKey) -> Result<Option<Record>, StoreError> {
        self.read(move |disk| disk.record(key)).await
    }

    async fn journal(&self, key: ExecutionKey, from: u32, limit: usize) -> Result<Vec<Line>, StoreError> {
        self.read(move |disk| disk.journal(key, from, limit)).await
    }

    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionKey>,
        limit: usize,
    ) -> Result<Vec<ExecutionKey>, StoreError> {
        self.read(move |disk| disk.unfinished(shard, after, limit)).await
    }

    async fn due(
        &self,
        shard: Shard,
        after: Option<(Timestamp, ExecutionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ExecutionKey)>, StoreError> {
        self.read(move |disk| disk.due(shard, after, until, limit)).await
    }

    async fn executions(
        &self,
        tenant: TenantId,
        filter: &ExecutionFilter,
        after: Option<ListPlace>,
        limit: usize,
    ) -> Result<ExecutionList, StoreError> {
        let filter = filter.clone();
        self.read(move |disk| Box::pin(async move { disk.executions(tenant, &filter, after, limit).await })).await
    }

    async fn count(&self, tenant: TenantId, status: RecordStatus) -> Result<u64, StoreError> {
        self.read(move |disk| disk.count(tenant, status)).await
    }

    async fn document(&self, tenant: TenantId, kind: DocumentKind, key: &str) -> Result<Option<Bytes>, StoreError> {
        let key = key.to_owned();
        self.read(move |disk| Box::pin(async move { disk.document(tenant, kind, &key).await })).await
    }

    async fn documents(
        &self,
        tenant: TenantId,
        kind: DocumentKind,
        prefix: &str,
        page: Page,
    ) -> Result<Vec<(String, Bytes)>, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |disk| Box::pin(async move { disk.documents(tenant, kind, &prefix, page).await })).await
    }

    async fn put_blob(&self, tenant: TenantId, bytes: Bytes) -> Result<Digest, StoreError> {
        self.read(move |disk| disk.put_blob(tenant, bytes)).await
    }

    async fn blob(&self, tenant: TenantId, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.read(move |disk| disk.blob(tenant, digest)).await
    }

    async fn purge(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        self.read(move |disk| disk.purge(tenant, limit)).await
    }

    async fn collect(&self, tenant: TenantId, part: u8) -> Result<usize, StoreError> {
        self.read(move |disk| disk.collect(tenant, part)).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.read(|disk| disk.health()).await
    }
}
