//! The rules of the port, applied to a batch that is being put together: each transition is checked against the tree
//! and against what earlier ones of the batch will write.

use crate::counts::Counts;
use crate::freeze;
use crate::indexes::indexes;
use crate::keys::{self, Keys};
use crate::named::line_place;
use crate::pack;
use crate::prepare::{Expected, Prepared, PreparedClaim, PreparedDocument};
use crate::read::unavailable;
use crate::value::{Body, Kind, decode, decode_record, encode, filed};
use bytes::Bytes;
use std::collections::HashMap;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{CommitError, ExecutionKey, RecordStatus, StoreError, Summary};

/// The epoch of all shards of a store that no other host can write.
pub(crate) const EPOCH: u64 = 1;
/// A batch is written when it holds so many transitions or bytes: larger ones are slower (`storage.md`, 2.2).
pub(crate) const BATCH_TRANSITIONS: usize = 128;
pub(crate) const BATCH_BYTES: usize = 1 << 20;
/// Executions of which something is remembered; then all are forgotten and looked up again.
const REMEMBERED_EXECUTIONS: usize = 65_536;

pub(crate) type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// The batch in the making.
pub(crate) struct Stage {
    tree: sled::Db,
    writes: HashMap<Vec<u8>, Option<Vec<u8>>>,
    transitions: usize,
    bytes: usize,
    /// The sequence number that comes next in recently written journals, staged lines included.
    next: HashMap<ExecutionKey, u32>,
    /// What recently written records that have not ended say of themselves, staged ones included; without outlines.
    was: HashMap<ExecutionKey, Summary>,
    commits: u64,
    counts: Counts,
    /// The number of transitions that the tree, or the batch, says.
    counted: u64,
    out: freeze::Writes,
}

/// What a transition says of its execution, to be remembered once it is accepted.
pub(crate) struct Learned {
    key: ExecutionKey,
    next: Option<u32>,
    summary: Option<Summary>,
}

impl Stage {
    pub(crate) fn new(tree: sled::Db, commits: u64, out: freeze::Writes) -> Self {
        let (writes, next, was, counts) = (HashMap::new(), HashMap::new(), HashMap::new(), Counts::default());
        Self { out, tree, writes, transitions: 0, bytes: 0, next, was, commits, counts, counted: commits }
    }

    /// How many transitions were ever accepted.
    pub(crate) fn commits(&self) -> u64 {
        self.commits
    }

    pub(crate) fn is_full(&self) -> bool {
        self.transitions >= BATCH_TRANSITIONS || self.bytes >= BATCH_BYTES
    }

    /// Adds a transition, or refuses it and leaves everything as it was.
    pub(crate) fn add(&mut self, transition: Prepared) -> Result<(), CommitError> {
        let mut writes = Writes::new();
        let mut learned = None;
        if let Some(claim) = transition.claim {
            let key = ExecutionKey { tenant: transition.tenant, id: claim.id };
            let next = self.check_claim(key, &claim)?;
            learned = Some(Learned { key, next, summary: self.claim_writes(key, claim, &mut writes)? });
        }
        for document in transition.documents {
            self.check_document(&document)?;
            writes.push((document.key, document.value));
        }
        self.accept(transition.tenant, writes, learned)
    }

    /// Writes the batch, if it holds anything. It is not durable yet.
    pub(crate) fn apply(&mut self) -> sled::Result<()> {
        let writes: Vec<freeze::Write> = self.writes.drain().collect();
        self.transitions = 0;
        // Only here, so that those of staged lines are always remembered.
        if self.next.len().max(self.was.len()) >= REMEMBERED_EXECUTIONS {
            self.next.clear();
            self.was.clear();
        }
        self.bytes = 0;
        if writes.is_empty() { Ok(()) } else { self.out.apply(&self.tree, writes) }
    }

    /// Puts the number of transitions into the batch; false: it has not changed. Only what was written so may be noted beside the index.
    pub(crate) fn count(&mut self) -> bool {
        if self.counted == self.commits {
            return false;
        }
        self.counted = self.commits;
        let commits = Body::Inline(Bytes::copy_from_slice(&self.commits.to_be_bytes()));
        self.writes.insert(keys::COMMITS.to_vec(), Some(encode(Kind::Meta, &commits)));
        true
    }

    /// Takes what was checked into the batch.
    pub(crate) fn accept(
        &mut self,
        tenant: TenantId,
        mut writes: Writes,
        learned: Option<Learned>,
    ) -> Result<(), CommitError> {
        self.counts.follow(&self.tree, tenant, &mut writes)?;
        let named = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| {
            Some((Keys::of(tenant).reference(filed(value.as_deref()?)?, key), Some(Vec::new())))
        };
        let references: Writes = writes.iter().filter_map(named).collect();
        writes.extend(references);
        self.commits += 1;
        self.transitions += 1;
        self.bytes += writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum::<usize>();
        self.writes.extend(writes);
        if let Some(learned) = learned {
            self.learn(learned);
        }
        Ok(())
    }

    fn learn(&mut self, Learned { key, next, summary }: Learned) {
        if let Some(next) = next {
            self.next.insert(key, next);
        }
        let Some(mut summary) = summary else { return };
        if matches!(summary.status, RecordStatus::Completed | RecordStatus::Failed) {
            // Seldom written again.
            self.was.remove(&key);
        } else {
            summary.outline = Bytes::new();
            self.was.insert(key, summary);
        }
    }

    /// An execution is not what it was.
    pub(crate) fn forget(&mut self, key: ExecutionKey) {
        self.next.remove(&key);
        self.was.remove(&key);
    }

    pub(crate) fn tree(&self) -> &sled::Db {
        &self.tree
    }

    /// The sequence number that comes after the claim's lines, if it has any.
    fn check_claim(&self, key: ExecutionKey, claim: &PreparedClaim) -> Result<Option<u32>, CommitError> {
        if claim.lease.epoch != EPOCH {
            return Err(CommitError::Fenced(claim.lease.shard));
        }
        if claim.seqs.is_empty() {
            return Ok(None);
        }
        let mut expected = self.next_seq(key)?;
        for given in &claim.seqs {
            if *given != expected {
                return Err(CommitError::Conflict { id: key.id, expected, given: *given });
            }
            expected = expected.checked_add(1).ok_or(CommitError::Invalid("a journal is full"))?;
        }
        Ok(Some(expected))
    }

    fn next_seq(&self, key: ExecutionKey) -> Result<u32, StoreError> {
        if let Some(next) = self.next.get(&key) {
            return Ok(*next);
        }
        let lines = Keys::of(key.tenant);
        let range = lines.line(key.id, 0)..=lines.line(key.id, u32::MAX);
        let Some((last, stored)) = self.tree.range(range).next_back().transpose().map_err(unavailable)? else {
            return Ok(0);
        };
        let first = keys::parse_seq(&last).unwrap_or(u32::MAX);
        Ok(first.saturating_add(pack::count(&stored, || line_place(key, first))?))
    }

    /// The writes of an execution: its lines, its record, and the indexes that follow from the record. Answers what the record says of itself.
    fn claim_writes(
        &self,
        of: ExecutionKey,
        claim: PreparedClaim,
        writes: &mut Writes,
    ) -> Result<Option<Summary>, StoreError> {
        let keys = Keys::of(of.tenant);
        writes.extend(claim.rows.into_iter().map(|(seq, value)| (keys.line(of.id, seq), Some(value))));
        let Some((summary, value)) = claim.record else { return Ok(None) };
        let record = keys.record(of.id);
        let was: Vec<_> = match self.was.get(&of) {
            Some(old) => indexes(of, old).collect(),
            None => match self.get(&record)? {
                Some(stored) => {
                    indexes(of, &decode_record(&stored, || format!("the record of {}", of.id))?.0).collect()
                }
                None => Vec::new(),
            },
        };
        let mut is: Vec<_> = indexes(of, &summary).collect();
        // A place that stays is not written again.
        let gone: Vec<_> = was.iter().filter(|key| !is.contains(key)).cloned().collect();
        is.retain(|key| !was.contains(key));
        writes.extend(gone.into_iter().map(|key| (key, None)));
        writes.extend(is.into_iter().map(|key| (key, Some(Vec::new()))));
        writes.push((record, Some(value)));
        Ok(Some(summary))
    }

    pub(crate) fn check_document(&self, document: &PreparedDocument) -> Result<(), CommitError> {
        let as_expected = match &document.expect {
            Expected::Anything => true,
            Expected::Absent => self.get(&document.key)?.is_none(),
            Expected::Body(expected) => match self.get(&document.key)? {
                Some(stored) => {
                    decode(Kind::Document, &stored, || format!("document {:?}", document.name))? == *expected
                }
                None => false,
            },
        };
        if as_expected { Ok(()) } else { Err(CommitError::Unexpected { key: document.name.clone() }) }
    }

    /// A value as the batch will leave it.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        match self.writes.get(key) {
            Some(staged) => Ok(staged.as_deref().map(sled::IVec::from)),
            None => self.tree.get(key).map_err(unavailable),
        }
    }
}
