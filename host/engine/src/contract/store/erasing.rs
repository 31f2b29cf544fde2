//! Executions that have ended are removed, step by step.

use super::Subject;
use super::sample::{
    ACME, KIND, OTHER, append, claim, commit, document, journal, key, lease, lines, put, read, record,
};
use crate::ports::{
    CommitError, Erased, Erasure, ExecutionFilter, ExecutionKey, Expect, Page, Record, RecordStatus, Store,
};
use stepwell_core::time::Timestamp;

fn erasure(store: &dyn Store, key: ExecutionKey, lines: usize) -> Erasure {
    Erasure { tenant: key.tenant, id: key.id, lease: lease(store, key.shard()), lines, documents: Vec::new() }
}

/// One that has five lines, one of them large, and ended so.
async fn ended(store: &dyn Store, key: ExecutionKey, status: RecordStatus) {
    let large = "x".repeat(50_000);
    let start = claim(store, key, lines(0, &["a", "b", &large, "d", "e"]), Some(record(status, "state")));
    assert_eq!(commit(store, start).await, Ok(()));
}

async fn listed(store: &dyn Store, key: ExecutionKey) -> bool {
    let workflow = ExecutionFilter { workflow: Some("order".to_owned()), ..ExecutionFilter::default() };
    let mut found = Vec::new();
    for filter in [workflow, ExecutionFilter::default()] {
        let list = store.executions(key.tenant, &filter, None, 99).await.expect("lists can be read");
        found.push(list.items.iter().any(|(other, _)| *other == key));
    }
    assert_eq!(found[0], found[1], "all lists show the same");
    found[0]
}

/// The record and its places go with the first step, the journal from its end, and everything else stays; also over a restart.
pub async fn an_erased_execution_leaves_nothing_and_takes_nothing_with_it(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let (ours, other) = (key(1), ExecutionKey { tenant: OTHER, id: key(1).id });
    for key in [ours, key(2), other] {
        ended(&*store, key, RecordStatus::Completed).await;
    }
    let removal = document("of it", None, Expect::Anything);
    assert_eq!(commit(&*store, put(ACME, document("of it", Some("x"), Expect::Absent))).await, Ok(()));
    let first = Erasure { documents: vec![removal], ..erasure(&*store, ours, 2) };
    let bytes = |lines: u64| Ok(Erased { items: 3, bytes: lines + 5, is_whole: false });
    assert_eq!(store.erase(first).await, bytes(2));
    assert_eq!((store.record(ours).await, listed(&*store, ours).await), (Ok(None), false));
    assert_eq!(store.count(ACME, RecordStatus::Completed).await, Ok(1));
    assert_eq!((journal(&*store, ours).await.len(), read(&*store, "of it").await), (3, None));
    drop(store);
    let store = subject.open().await;
    assert_eq!(store.record(ours).await, Ok(None));
    let second = Ok(Erased { items: 2, bytes: 50_001, is_whole: false });
    assert_eq!(store.erase(erasure(&*store, ours, 2)).await, second);
    for items in [1, 0] {
        let rest = Ok(Erased { items, bytes: items as u64, is_whole: true });
        assert_eq!(store.erase(erasure(&*store, ours, 2)).await, rest);
    }
    assert_eq!(journal(&*store, ours).await, []);
    for key in [key(2), other] {
        assert_eq!((journal(&*store, key).await.len(), listed(&*store, key).await), (5, true), "{key:?}");
    }
    // What has no trace may begin again.
    assert_eq!(commit(&*store, append(&*store, ours, 0, &["a"])).await, Ok(()));
}

/// Also not if that has only just been written, nor with a document that is not as expected.
pub async fn what_has_not_ended_is_not_erased(subject: &mut dyn Subject) {
    let store = subject.open().await;
    for (number, status) in (1..).zip(RecordStatus::ALL) {
        let key = key(number);
        ended(&*store, key, status).await;
        let goes = matches!(status, RecordStatus::Completed | RecordStatus::Failed);
        let wanted = Erasure { documents: vec![document("k", None, Expect::Absent)], ..erasure(&*store, key, 9) };
        assert_eq!(store.erase(wanted).await.is_ok(), goes, "{status:?}");
        assert_eq!(journal(&*store, key).await.len(), if goes { 0 } else { 5 }, "{status:?}");
    }
    ended(&*store, key(9), RecordStatus::Failed).await;
    let unexpected = vec![document("k", None, Expect::Value("x".into()))];
    let refused = store.erase(Erasure { documents: unexpected, ..erasure(&*store, key(9), 9) }).await;
    assert!(matches!(refused, Err(CommitError::Unexpected { .. })), "{refused:?}");
    let reopened = Record { wake: Some(Timestamp(9)), ..record(RecordStatus::Parked, "") };
    assert_eq!(commit(&*store, claim(&*store, key(9), lines(5, &["f"]), Some(reopened))).await, Ok(()));
    assert!(matches!(store.erase(erasure(&*store, key(9), 9)).await, Err(CommitError::Invalid(_))));
    assert_eq!((journal(&*store, key(9)).await.len(), listed(&*store, key(9)).await), (6, true));
    let all = store.documents(ACME, KIND, "", Page { after: None, limit: 9 }).await;
    assert_eq!(all, Ok(Vec::new()));
}

/// Under the lease of another shard, or an old one, nothing goes.
pub async fn only_the_lease_of_the_shard_lets_erase(subject: &mut dyn Subject) {
    let store = subject.open().await;
    ended(&*store, key(1), RecordStatus::Completed).await;
    let good = erasure(&*store, key(1), 9);
    let mut old = good.clone();
    old.lease.epoch -= 1;
    let mut foreign = good.clone();
    foreign.lease = store.leases().into_iter().find(|lease| lease.shard != key(1).shard()).expect("other shards");
    for bad in [old, foreign] {
        assert!(matches!(store.erase(bad).await, Err(CommitError::Fenced(_))));
        assert!(listed(&*store, key(1)).await);
    }
    assert!(store.erase(good).await.is_ok());
}
