//! The store: executions as a journal and a record, everything else as documents and blobs.
//!
//! Executions belong to shards, and a host may write to a shard only under a [`Lease`], so that a store that many hosts
//! share can refuse a host that lost its shard. On one machine this host holds all shards with epoch 1.

#[cfg(doc)]
use super::LIST_LOOKS;
use super::{DocumentList, Erased, Erasure, ExecutionFilter, ExecutionList, ListPlace, ScrubPlace, Scrubbed, Summary};
use bytes::Bytes;
use stepwell_core::ids::{Digest, ExecutionId, NAME_BYTES, Shard, TenantId};
use stepwell_core::time::Timestamp;

/// The right to write to a shard. `epoch` grows with every change of the shard's owner; a store refuses an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// Which part of the executions.
    pub shard: Shard,
    /// The owner's number.
    pub epoch: u64,
}

/// Where an execution lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutionKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which one.
    pub id: ExecutionId,
}

impl ExecutionKey {
    /// The shard that holds it.
    #[must_use]
    pub fn shard(&self) -> Shard {
        self.id.shard(self.tenant)
    }
}

/// One line of a journal. `seq` is dense and starts at 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its place in the journal.
    pub seq: u32,
    /// The encoded entry; the store does not look into it. Any size: the store keeps large values in files.
    pub entry: Bytes,
}

/// Coarse status, for indexes (semantics C18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RecordStatus {
    /// Accepted or under way.
    Unfinished = 0,
    /// Ended well.
    Completed = 1,
    /// Ended badly.
    Failed = 2,
    /// Its journal cannot be applied; it is left alone until someone looks at it.
    Quarantined = 3,
    /// Not ended, but not loaded at a start either: something must happen to it first, or its wake must come.
    Parked = 4,
}

impl RecordStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Unfinished, Self::Completed, Self::Failed, Self::Quarantined, Self::Parked];
}

/// The stored state of an execution. A later one replaces it whole, and its status may go any way: a retry reopens what failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// For the indexes: an unfinished execution is found by [`Store::unfinished`].
    pub status: RecordStatus,
    /// When it was accepted; lists show the newest first.
    pub created: Timestamp,
    /// When a parked execution must be loaded at the latest: until then [`Store::due`] finds it. Only of a parked one.
    pub wake: Option<Timestamp>,
    /// The workflow that it runs, for lists by workflow: at most 128 bytes without NUL.
    pub workflow: String,
    /// What lists show of it, so that they need not read bodies; the store does not look into it. At most [`OUTLINE_BYTES`].
    pub outline: Bytes,
    /// The encoded state; the store does not look into it. Any size.
    pub body: Bytes,
}

impl Record {
    /// All but the body.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let (workflow, outline) = (self.workflow.clone(), self.outline.clone());
        Summary { status: self.status, created: self.created, wake: self.wake, workflow, outline }
    }
}

/// What a document is. A kind is a table of its own: (tenant, kind, key) names one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum DocumentKind {
    /// Key: workflow id. The current revision of a workflow.
    Workflow = 1,
    /// Key: workflow id, `/`, revision in ten digits. What executions pin.
    WorkflowRevision = 2,
    /// Key: function id. The current version of a function.
    Function = 3,
    /// Key: function id, `/`, version in ten digits.
    FunctionVersion = 4,
    /// Key: hex of a key's hash. An API key.
    ApiKey = 5,
    /// Key: hex of an idempotency key's hash. The first answer.
    Idempotency = 6,
    /// Key: a name. Facts of this installation.
    Setting = 7,
    /// Key: workflow id. What is left of a deleted workflow.
    DeletedWorkflow = 8,
    /// Key: function id. What is left of a deleted function.
    DeletedFunction = 9,
    /// Key: execution id, `/`, journal line in ten digits. What the attempt logged whose end that line is.
    Log = 10,
    /// Key: event id. An event.
    Event = 20,
    /// Key: hex of the hash of a source and its id. The id of the event that was first (T5).
    EventKey = 21,
    /// Key: when, backwards in 16 hex digits, event id. What filters of lists ask for.
    EventByTime = 22,
    /// Key: type, U+0001, then as above.
    EventByType = 23,
    /// Key: event id. The triggers that it met.
    EventMatches = 24,
    /// Key: when in 16 hex digits, event id. What follows from it is not done.
    EventPending = 25,
    /// Key: event id, U+0001, part in six digits. What its starts came to.
    EventOutcome = 26,
    /// Key: event id, U+0001, execution, `/`, step run. What it was for a step.
    EventEffect = 27,
    /// Key: `=` and a type or `*` and a pattern, U+0001, execution, `/`, step run. A step that waits.
    EventWait = 28,
    /// Key: event id. An event of the server's own that is not published yet.
    EventOutbox = 29,
    /// Key: its name. A secret, sealed.
    Secret = 16,
    /// Key: what it is, `/`, an execution's id. What one execution has to tell another.
    Notice = 40,
    /// Key: its id. A human step that was opened, as the API shows it.
    Approval = 30,
    /// Key: schedule id. When a workflow starts by the clock, and up to where that is done.
    Schedule = 60,
    /// Key: schedule id, U+0001, occurrence in 16 hex digits, execution id. An occurrence that is not done.
    ScheduleMark = 61,
    /// Key: schedule id, U+0001, when and which occurrence, backwards in 16 hex digits each, execution id. What came of an occurrence.
    ScheduleLine = 62,
    /// Key: schedule id, U+0001, execution id. What it started and may still run, where executions must not meet.
    ScheduleOpen = 63,
    /// Key: `p/`, id: those that are pending; `e/`, execution, `/`, id: those of an execution; `a/`, id: all.
    ApprovalIndex = 31,
    /// Key: agent id. An agent.
    Agent = 90,
    /// Key: agent id. What is left of a deleted agent.
    DeletedAgent = 91,
    /// Key: a day of UTC, `2026-11-22`. What the tenant used on it.
    Usage = 110,
    /// Key: what is counted. How much there is of it.
    Meter = 111,
    /// Key: execution id. Its place under its workflow's limit, or that it waits for one.
    Place = 112,
    /// Key: path, U+0001, method. The workflow whose webhook this is.
    Webhook = 50,
    /// Key: a delivery's bytes, each bit turned, in 32 hex digits: the newest first. What is told of a delivery of a webhook.
    WebhookDelivery = 51,
    /// Key: delivery id. What it brought, as an event.
    WebhookEvent = 52,
    /// Key: a delivery's bytes in 32 hex digits: the oldest first. Those that are kept.
    WebhookAge = 53,
    /// Key: delivery id. Its execution is not started yet.
    WebhookPending = 54,
    /// Key: hex of the hash of a webhook and what a sender calls a delivery. The delivery that was first (T10).
    WebhookKey = 55,
    /// Key: when in 16 hex digits, then as above. When that is forgotten.
    WebhookKeyAge = 56,
    /// Of the default tenant only. Key: a tenant's number in ten digits. A tenant.
    Tenant = 100,
    /// Key: its number, backwards in 16 hex digits: the newest first. A line of the audit log.
    AuditLine = 101,
    /// Key: a key of a function's. Its version and its value.
    KeyValue = 120,
    /// Key: as above. What is told of it.
    KeyFacts = 121,
    /// Key: `policy`. What the tenant allows its functions.
    GrantPolicy = 130,
    /// Key: its name. A text of the tenant's configuration.
    Config = 131,
    /// Key: when in 16 hex digits, execution id: the oldest first. An execution that has ended.
    Ended = 150,
    /// Key: execution id. An execution that is being removed: what is left of it is nobody's business.
    Erasing = 151,
    /// Key: when it expires in 16 hex digits, then as of the idempotency key. When that is forgotten.
    IdempotencyAge = 152,
}

/// What must be true of a document before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Anything,
    /// There is none.
    Absent,
    /// It holds exactly these bytes.
    Value(Bytes),
}

/// One change of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentWrite {
    /// Its table.
    pub kind: DocumentKind,
    /// Its key: at most [`KEY_BYTES`], any UTF-8 without NUL.
    pub key: String,
    /// The new value, any size, or `None` to delete it.
    pub value: Option<Bytes>,
    /// Refuse the whole transition with [`CommitError::Unexpected`] unless this holds.
    pub expect: Expect,
}

/// What happens to one execution in a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which execution.
    pub id: ExecutionId,
    /// The lease under which it is written; its shard is the execution's.
    pub lease: Lease,
    /// New lines of its journal. The first must follow the last one stored: otherwise [`CommitError::Conflict`].
    pub journal: Vec<Line>,
    /// The new record, if it changes.
    pub record: Option<Record>,
}

/// What is written together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Whose data it is. A transition never touches two tenants.
    pub tenant: TenantId,
    /// The execution, if one changes.
    pub execution: Option<Claim>,
    /// Documents of the same tenant, each at most once.
    pub documents: Vec<DocumentWrite>,
}

/// Longest key of a document, in bytes.
pub const KEY_BYTES: usize = 512;

/// Longest outline of a record, in bytes: it stands beside the state, in a value that must stay small.
pub const OUTLINE_BYTES: usize = 2_048;

impl Transition {
    /// What every store checks before it looks at its data.
    ///
    /// # Errors
    /// [`CommitError::Invalid`] for keys and names that the port does not allow and for a document named twice;
    /// [`CommitError::Fenced`] if the lease is one for another shard than the execution's.
    pub fn check(&self) -> Result<(), CommitError> {
        let mut named = std::collections::BTreeSet::new();
        for document in &self.documents {
            if !is_key(&document.key, KEY_BYTES) {
                return Err(CommitError::Invalid("a document's key has at most 512 bytes and no NUL"));
            }
            if !named.insert((document.kind, document.key.as_str())) {
                return Err(CommitError::Invalid("a transition names a document at most once"));
            }
        }
        let Some(claim) = &self.execution else { return Ok(()) };
        claim.record.as_ref().map_or(Ok(()), Record::check)?;
        let shard = claim.id.shard(self.tenant);
        if claim.lease.shard == shard { Ok(()) } else { Err(CommitError::Fenced(shard)) }
    }
}

impl Record {
    fn check(&self) -> Result<(), CommitError> {
        if !is_key(&self.workflow, NAME_BYTES) {
            return Err(CommitError::Invalid("a workflow's id has at most 128 bytes and no NUL"));
        }
        if self.outline.len() > OUTLINE_BYTES {
            return Err(CommitError::Invalid("an outline has at most 2048 bytes"));
        }
        if self.wake.is_some() && self.status != RecordStatus::Parked {
            return Err(CommitError::Invalid("only a parked execution has a wake"));
        }
        Ok(())
    }
}

fn is_key(text: &str, longest: usize) -> bool {
    text.len() <= longest && !text.contains('\0')
}

/// Why a transition was not written. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A journal line with this number is there already, or one before it is missing: somebody else wrote, reload.
    #[error("journal of {id} expected line {expected}, not {given}")]
    Conflict {
        /// Which execution.
        id: ExecutionId,
        /// The number that comes next.
        expected: u32,
        /// The number that was given.
        given: u32,
    },
    /// A document was not as [`Expect`] said.
    #[error("document {key:?} is not as expected")]
    Unexpected {
        /// Which document.
        key: String,
    },
    /// It can never be written: a key, a name or an order that the port does not allow. A mistake of the caller.
    #[error("the store does not take this: {0}")]
    Invalid(&'static str),
    /// This host does not hold the execution's shard under this epoch (any more).
    #[error("shard {} is no longer ours", .0.0)]
    Fenced(Shard),
    /// The store cannot take it. The caller may repeat the request later; it must not assume either outcome.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store's own troubles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not now: full, shutting down.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A stored value is not what was written (checksum, kind, missing file).
    #[error("damaged data at {at}: {what}")]
    Damaged {
        /// Which value.
        at: String,
        /// What is wrong with it.
        what: String,
    },
}

/// How full a disk is, as the store may use it: blocks that only the system's administrator may fill count as used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUse {
    /// Bytes that are used or free.
    pub total_bytes: u64,
    /// Bytes that can still be written.
    pub free_bytes: u64,
}

/// How much of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Only keys greater than this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// The port. One contract suite (`stepwell_engine::contract`) is run against every implementation.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// The shards that this host owns now.
    fn leases(&self) -> Vec<Lease>;

    /// Writes a group of transitions, each one atomically, all with one wait for the disk. The answers are in the order of the group
    /// and arrive only when what was written survives `kill -9` and loss of power. Transitions of a group are applied in order:
    /// a later one sees what an earlier one of the same group wrote, and a refused one leaves no trace.
    async fn commit(&self, group: Vec<Transition>) -> Vec<Result<(), CommitError>>;

    /// Removes an execution that has ended, step by step: with the first step its record and its places in lists are gone, durably, and the
    /// documents are as the erasure says; what is left of its journal goes with the next ones. Refused as [`CommitError::Invalid`] while its
    /// record says anything else than that it ended; if there is none, only what is left goes. Written as [`Store::commit`] writes,
    /// in one order with it.
    async fn erase(&self, erasure: Erasure) -> Result<Erased, CommitError>;

    /// The record of an execution.
    async fn record(&self, key: ExecutionKey) -> Result<Option<Record>, StoreError>;

    /// At most `limit` lines of a journal from `from` on, in order.
    async fn journal(&self, key: ExecutionKey, from: u32, limit: usize) -> Result<Vec<Line>, StoreError>;

    /// At most `limit` unfinished executions of a shard, in the order of their keys, after the given one.
    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionKey>,
        limit: usize,
    ) -> Result<Vec<ExecutionKey>, StoreError>;

    /// At most `limit` parked executions of a shard whose wake is at `until` or earlier, in the order of their wakes, after the given
    /// one. The next wake of all: `due(shard, None, Timestamp(u64::MAX), 1)`.
    async fn due(
        &self,
        shard: Shard,
        after: Option<(Timestamp, ExecutionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ExecutionKey)>, StoreError>;

    /// At most `limit` (at least 1) executions of a tenant, the newest first, after the given place. One call looks at no more than
    /// [`LIST_LOOKS`] executions: it may show fewer than there are, and none, and still say where to go on. It goes on past damaged records.
    async fn executions(
        &self,
        tenant: TenantId,
        filter: &ExecutionFilter,
        after: Option<ListPlace>,
        limit: usize,
    ) -> Result<ExecutionList, StoreError>;

    /// How many executions of a tenant have this status. May walk through all of them, but not through unfinished and parked ones: a start of the
    /// server asks for those.
    async fn count(&self, tenant: TenantId, status: RecordStatus) -> Result<u64, StoreError>;

    /// One document.
    async fn document(&self, tenant: TenantId, kind: DocumentKind, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// The documents whose keys start with `prefix`, in the order of their keys.
    async fn documents(
        &self,
        tenant: TenantId,
        kind: DocumentKind,
        prefix: &str,
        page: Page,
    ) -> Result<Vec<(String, Bytes)>, StoreError>;

    /// As [`Store::documents`], for lists that somebody looks at: it goes on past damaged ones, so that fewer than `limit` readable ones still
    /// mean that there are no more. What something is decided by is asked for with [`Store::documents`], which refuses.
    async fn list(
        &self,
        tenant: TenantId,
        kind: DocumentKind,
        prefix: &str,
        page: Page,
    ) -> Result<DocumentList, StoreError> {
        Ok(DocumentList { items: self.documents(tenant, kind, prefix, page).await?, damaged: Vec::new() })
    }

    /// Keeps bytes under their SHA-256, durable on return. The same bytes again cost nothing.
    async fn put_blob(&self, tenant: TenantId, bytes: Bytes) -> Result<Digest, StoreError>;

    /// The bytes of a digest, checked against it.
    async fn blob(&self, tenant: TenantId, digest: Digest) -> Result<Option<Bytes>, StoreError>;

    /// Removes things of a tenant that nobody writes for any more, whatever they are: at most `limit` (at least 1) of them. Answers how many
    /// it were; 0: nothing is left. The tenant's number must not be used again.
    async fn purge(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError>;

    /// Removes what a tenant's large values took and no value names any more, among one of 256 parts of it. Only what nobody named at the last
    /// call for this part either goes, so that a reader who has just seen its name still finds it: minutes lie between two calls. Answers how
    /// many things went.
    async fn collect(&self, tenant: TenantId, part: u8) -> Result<usize, StoreError>;

    /// Reads and checks a part of everything, about so many bytes of it, after the given place: what is damaged is told, and is no error.
    /// What is written meanwhile is in it or not. A store that has nothing that can be damaged tells of nothing.
    async fn scrub(&self, after: Option<ScrubPlace>, bytes: u64) -> Result<Scrubbed, StoreError> {
        let _ = (after, bytes);
        Ok(Scrubbed::default())
    }

    /// Whether the store can take writes, for `/readyz`.
    async fn health(&self) -> Result<(), StoreError>;

    /// Called every few seconds: looks after what the store keeps in reserve, and says how full its disk is. `None`: it has no disk.
    async fn tend(&self) -> Result<Option<DiskUse>, StoreError> {
        Ok(None)
    }
}
