//! A tenant is removed, piece by piece.

use super::Subject;
use super::sample::{ACME, KIND, OTHER, claim, commit, document, execution, journal, lines, put, record};
use crate::ports::{ExecutionFilter, ExecutionKey, Expect, Page, Record, RecordStatus, Store};
use bytes::Bytes;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::time::Timestamp;

/// What one purge may take at most.
const LIMIT: usize = 3;

/// Executions in all states, documents and blobs, small and large.
async fn fill(store: &dyn Store, tenant: TenantId) -> Digest {
    let large = "x".repeat(100_000);
    let states = [RecordStatus::Unfinished, RecordStatus::Parked, RecordStatus::Completed];
    for (number, status) in (1..).zip(states) {
        let key = ExecutionKey { tenant, id: execution(number) };
        let wake = (status == RecordStatus::Parked).then_some(Timestamp(5));
        let state = Record { wake, ..record(status, &large) };
        let start = claim(store, key, lines(0, &["a", &large, "b"]), Some(state));
        assert_eq!(commit(store, start).await, Ok(()));
    }
    for name in ["", "a", "b"] {
        assert_eq!(commit(store, put(tenant, document(name, Some(&large), Expect::Absent))).await, Ok(()));
    }
    store.put_blob(tenant, Bytes::from_static(b"blob")).await.expect("blobs can be written")
}

/// Whether all of it is there, or nothing.
async fn check(store: &dyn Store, tenant: TenantId, blob: Digest, there: bool) {
    for number in 1..=3 {
        let key = ExecutionKey { tenant, id: execution(number) };
        assert_eq!(store.record(key).await.expect("records can be read").is_some(), there, "{number}");
        assert_eq!(journal(store, key).await.len(), if there { 3 } else { 0 });
        let shard = key.shard();
        let open = store.unfinished(shard, None, 99).await.expect("lists can be read").contains(&key);
        let due = store.due(shard, None, Timestamp(9), 99).await.expect("lists can be read");
        let due = due.iter().any(|(_, other)| *other == key);
        assert_eq!((open, due), (there && number == 1, there && number == 2), "{number}");
    }
    let workflow = ExecutionFilter { workflow: Some("order".to_owned()), ..ExecutionFilter::default() };
    for filter in [workflow, ExecutionFilter::default()] {
        let listed = store.executions(tenant, &filter, None, 99).await.expect("lists can be read");
        assert_eq!(listed.items.len(), if there { 3 } else { 0 });
    }
    let documents = store.documents(tenant, KIND, "", Page { after: None, limit: 99 }).await;
    assert_eq!(documents.expect("documents can be read").len(), if there { 3 } else { 0 });
    assert_eq!(store.blob(tenant, blob).await.expect("blobs can be read").is_some(), there);
}

/// Also not after reopening, in the middle of it and at its end.
pub async fn a_purged_tenant_leaves_nothing_and_takes_nothing_with_it(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let (ours, theirs) = (fill(&*store, ACME).await, fill(&*store, OTHER).await);
    check(&*store, OTHER, theirs, true).await;
    for _ in 0..2 {
        let gone = store.purge(OTHER, LIMIT).await.expect("it can be purged");
        assert!((1..=LIMIT).contains(&gone), "{gone}");
    }
    drop(store);
    let store = subject.open().await;
    loop {
        let gone = store.purge(OTHER, LIMIT).await.expect("it can be purged");
        assert!(gone <= LIMIT, "{gone}");
        if gone == 0 {
            break;
        }
    }
    check(&*store, OTHER, theirs, false).await;
    check(&*store, ACME, ours, true).await;
    drop(store);
    let store = subject.open().await;
    assert_eq!(store.purge(OTHER, LIMIT).await, Ok(0));
    check(&*store, OTHER, theirs, false).await;
    check(&*store, ACME, ours, true).await;
}
