//! What can be done for a transition before the committer sees it: checks, encoding, and the files of large values.

use crate::files::{Area, Files, Place};
use crate::holds::Held;
use crate::keys::Keys;
use crate::pack::{Row, packed};
use crate::value::{Body, INLINE_BYTES, Kind, Reference, encode, encode_record};
use bytes::Bytes;
use std::io;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_engine::ports::{Claim, CommitError, DocumentWrite, Expect, Lease, StoreError, Summary, Transition};

/// A transition as it will be in the tree, its files durable.
pub(crate) struct Prepared {
    pub(crate) tenant: TenantId,
    pub(crate) claim: Option<PreparedClaim>,
    pub(crate) documents: Vec<PreparedDocument>,
    /// On the files of its values; to be given back once the tree has them.
    pub(crate) held: Vec<Held>,
}

pub(crate) struct PreparedClaim {
    pub(crate) id: ExecutionId,
    pub(crate) lease: Lease,
    /// The numbers of its new lines.
    pub(crate) seqs: Vec<u32>,
    /// The same lines as they are stored. Meant only if each number follows the one before.
    pub(crate) rows: Vec<Row>,
    /// The new summary and the stored value.
    pub(crate) record: Option<(Summary, Vec<u8>)>,
}

pub(crate) struct PreparedDocument {
    /// As the port names it, for errors.
    pub(crate) name: String,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) expect: Expected,
}

/// As [`Expect`], with the digest in place of a large value.
pub(crate) enum Expected {
    Anything,
    Absent,
    Body(Body),
}

/// Whether preparing does so much work that it must not run on a thread that serves others.
pub(crate) fn is_heavy(group: &[Transition]) -> bool {
    let large = |bytes: &Bytes| bytes.len() > INLINE_BYTES;
    group.iter().any(|transition| {
        let claim = transition.execution.as_ref();
        claim.is_some_and(|claim| {
            claim.journal.iter().any(|line| large(&line.entry))
                || claim.record.as_ref().is_some_and(|record| record.outline.len() + record.body.len() > INLINE_BYTES)
        }) || transition.documents.iter().any(|document| {
            document.value.as_ref().is_some_and(large)
                || matches!(&document.expect, Expect::Value(value) if large(value))
        })
    })
}

/// Checks and encodes a transition. Blocks if [`is_heavy`].
pub(crate) fn prepare(transition: Transition, files: &Files) -> Result<Prepared, CommitError> {
    transition.check()?;
    let mut bodies = Bodies { files, tenant: transition.tenant, held: Vec::new() };
    let claim = transition.execution.map(|claim| bodies.claim(claim)).transpose().map_err(|error| unwritten(&error))?;
    let (documents, held) = prepare_documents((transition.tenant, transition.documents), files)?;
    bodies.held.extend(held);
    Ok(Prepared { tenant: transition.tenant, claim, documents, held: bodies.held })
}

/// Encodes documents that come without an execution. Blocks if one is large.
pub(crate) fn prepare_documents(
    (tenant, documents): (TenantId, Vec<DocumentWrite>),
    files: &Files,
) -> Result<(Vec<PreparedDocument>, Vec<Held>), CommitError> {
    let mut bodies = Bodies { files, tenant, held: Vec::new() };
    let documents = documents.into_iter().map(|document| bodies.document(document));
    let documents = documents.collect::<io::Result<_>>().map_err(|error| unwritten(&error))?;
    Ok((documents, bodies.held))
}

fn unwritten(error: &io::Error) -> CommitError {
    StoreError::Unavailable(format!("a large value cannot be written: {error}")).into()
}

struct Bodies<'a> {
    files: &'a Files,
    tenant: TenantId,
    held: Vec<Held>,
}

impl Bodies<'_> {
    fn claim(&mut self, claim: Claim) -> io::Result<PreparedClaim> {
        let seqs = claim.journal.iter().map(|line| line.seq).collect();
        let lines = claim.journal.into_iter();
        let lines = lines.map(|line| Ok((line.seq, encode(Kind::Line, &self.keep(line.entry)?))));
        let rows = packed(lines.collect::<io::Result<_>>()?);
        let record = claim.record.map(|record| {
            let summary = record.summary();
            let room = INLINE_BYTES.saturating_sub(summary.outline.len());
            let value = encode_record(&summary, &self.keep_within(room, record.body)?);
            Ok::<_, io::Error>((summary, value))
        });
        Ok(PreparedClaim { id: claim.id, lease: claim.lease, seqs, rows, record: record.transpose()? })
    }

    fn document(&mut self, document: DocumentWrite) -> io::Result<PreparedDocument> {
        let value = document.value.map(|value| Ok::<_, io::Error>(encode(Kind::Document, &self.keep(value)?)));
        Ok(PreparedDocument {
            key: Keys::of(self.tenant).document(document.kind, &document.key),
            name: document.key,
            value: value.transpose()?,
            expect: match document.expect {
                Expect::Anything => Expected::Anything,
                Expect::Absent => Expected::Absent,
                Expect::Value(value) if value.len() > INLINE_BYTES => {
                    Expected::Body(Body::Filed(Reference::of(&value)))
                }
                Expect::Value(value) => Expected::Body(Body::Inline(value)),
            },
        })
    }

    fn keep(&mut self, bytes: Bytes) -> io::Result<Body> {
        self.keep_within(INLINE_BYTES, bytes)
    }

    fn keep_within(&mut self, room: usize, bytes: Bytes) -> io::Result<Body> {
        if bytes.len() <= room {
            return Ok(Body::Inline(bytes));
        }
        let place = Place { area: Area::Values, tenant: self.tenant };
        let (file, held) = self.files.put_held(place, &bytes)?;
        self.held.push(held);
        Ok(Body::Filed(file))
    }
}
