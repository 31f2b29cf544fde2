//! Short words for what the rules write.

use crate::ports::{
    Claim, CommitError, DocumentKind, DocumentWrite, ExecutionKey, Expect, Lease, Line, Record, RecordStatus, Store,
    Transition,
};
use bytes::Bytes;
use stepwell_core::ids::{ExecutionId, Shard, TenantId};
use stepwell_core::time::Timestamp;

pub(super) const ACME: TenantId = TenantId(1);
/// Its number has the first one's bytes and a letter of the key layout in it.
pub(super) const OTHER: TenantId = TenantId(0x6500_0001);
pub(super) const KIND: DocumentKind = DocumentKind::Setting;

pub(super) fn execution(number: u8) -> ExecutionId {
    ExecutionId::new(1_700_000_000_000 + u64::from(number), [number; 10])
}

pub(super) fn key(number: u8) -> ExecutionKey {
    ExecutionKey { tenant: ACME, id: execution(number) }
}

pub(super) fn lease(store: &dyn Store, shard: Shard) -> Lease {
    store.leases().into_iter().find(|lease| lease.shard == shard).expect("the store owns every shard")
}

pub(super) fn record(status: RecordStatus, body: &str) -> Record {
    Record {
        status,
        created: Timestamp(1_700_000_000_000),
        wake: None,
        workflow: "order".to_owned(),
        outline: Bytes::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// Lines from `first` on.
pub(super) fn lines(first: u32, entries: &[&str]) -> Vec<Line> {
    let entries = entries.iter().map(|entry| Bytes::copy_from_slice(entry.as_bytes()));
    (first..=u32::MAX).zip(entries).map(|(seq, entry)| Line { seq, entry }).collect()
}

/// A transition of one execution under the store's own lease.
pub(super) fn claim(store: &dyn Store, key: ExecutionKey, journal: Vec<Line>, record: Option<Record>) -> Transition {
    let claim = Claim { id: key.id, lease: lease(store, key.shard()), journal, record };
    Transition { tenant: key.tenant, execution: Some(claim), documents: Vec::new() }
}

pub(super) fn append(store: &dyn Store, key: ExecutionKey, first: u32, entries: &[&str]) -> Transition {
    claim(store, key, lines(first, entries), None)
}

pub(super) fn document(key: &str, value: Option<&str>, expect: Expect) -> DocumentWrite {
    let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
    DocumentWrite { kind: KIND, key: key.to_owned(), value, expect }
}

pub(super) fn put(tenant: TenantId, write: DocumentWrite) -> Transition {
    Transition { tenant, execution: None, documents: vec![write] }
}

pub(super) async fn commit(store: &dyn Store, transition: Transition) -> Result<(), CommitError> {
    let mut answers = store.commit(vec![transition]).await;
    assert_eq!(answers.len(), 1, "one answer for one transition");
    answers.remove(0)
}

pub(super) async fn read(store: &dyn Store, key: &str) -> Option<Bytes> {
    store.document(ACME, KIND, key).await.expect("documents can be read")
}

/// A whole journal.
pub(super) async fn journal(store: &dyn Store, key: ExecutionKey) -> Vec<Line> {
    store.journal(key, 0, usize::MAX).await.expect("journals can be read")
}
