//! The faults themselves: what the engine's crash tests rely on.

use super::{FaultPoint, MemoryStore};
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Expect, Lease, Page, Store, StoreError, Transition};
use bytes::Bytes;
use futures_util::FutureExt as _;
use stepwell_core::ids::TenantId;

const KIND: DocumentKind = DocumentKind::Setting;

fn put(key: &str, expect: Expect) -> Transition {
    let write = DocumentWrite { kind: KIND, key: key.to_owned(), value: Some(Bytes::new()), expect };
    Transition { tenant: TenantId::DEFAULT, execution: None, documents: vec![write] }
}

async fn keys(store: &MemoryStore) -> Vec<String> {
    let page = Page { after: None, limit: 99 };
    store.documents(TenantId::DEFAULT, KIND, "", page).await.unwrap().into_iter().map(|(key, _)| key).collect()
}

/// A group of four of which the second is refused by the rules: three commits, 0, 1 and 2.
fn group() -> Vec<Transition> {
    let expect = [Expect::Absent, Expect::Value(Bytes::from_static(b"x")), Expect::Absent, Expect::Absent];
    ["a", "b", "c", "d"].into_iter().zip(expect).map(|(key, expect)| put(key, expect)).collect()
}

#[tokio::test]
async fn a_crash_keeps_what_came_before_and_answers_nothing() {
    for (accepted, point, kept) in [
        (0, FaultPoint::Before, &[][..]),
        (0, FaultPoint::After, &["a"]),
        (1, FaultPoint::Before, &["a"]),
        (1, FaultPoint::After, &["a", "c"]),
        (2, FaultPoint::Before, &["a", "c"]),
        (2, FaultPoint::After, &["a", "c", "d"]),
    ] {
        let store = MemoryStore::new();
        store.fail_at(accepted, point);
        assert!(store.crashed().now_or_never().is_none());
        assert!(store.commit(group()).now_or_never().is_none(), "{accepted} {point:?}");
        assert!(store.crashed().now_or_never().is_some());
        assert!(store.commit(vec![put("late", Expect::Anything)]).now_or_never().is_none());
        assert!(store.health().now_or_never().is_none());

        let store = store.reopen();
        assert_eq!(
            (keys(&store).await, store.accepted()),
            (kept.iter().map(|key| (*key).to_owned()).collect(), kept.len() as u64)
        );
        // The fault happened once.
        assert_eq!(store.commit(vec![put("late", Expect::Absent)]).await, [Ok(())]);
    }
}

#[tokio::test]
async fn a_refusal_is_no_crash() {
    let store = MemoryStore::new();
    store.fail_at(1, FaultPoint::Refuse);
    let answers = store.commit(group()).await;
    assert!(matches!(answers[2], Err(CommitError::Store(StoreError::Unavailable(_)))), "{answers:?}");
    assert_eq!((keys(&store).await, store.accepted()), (vec!["a".to_owned(), "d".to_owned()], 2));
}

#[tokio::test]
async fn a_fault_beyond_the_last_commit_never_happens() {
    let store = MemoryStore::new();
    store.fail_at(3, FaultPoint::Before);
    assert_eq!(store.commit(group()).await.len(), 4);
    assert_eq!(store.accepted(), 3);
}

#[tokio::test]
async fn only_the_last_handle_lives() {
    let first = MemoryStore::new();
    let second = first.reopen();
    assert!(first.commit(group()).now_or_never().is_none());
    assert_eq!(second.accepted(), 0);
    assert!(first.crashed().now_or_never().is_some());
}

#[tokio::test]
async fn a_shard_that_was_taken_over_is_fenced_until_the_next_opening() {
    let store = MemoryStore::new();
    let id = stepwell_core::ids::ExecutionId::new(1, [1; 10]);
    let shard = id.shard(TenantId::DEFAULT);
    let claim = |epoch| {
        let claim = crate::ports::Claim { id, lease: Lease { shard, epoch }, journal: vec![], record: None };
        Transition { tenant: TenantId::DEFAULT, execution: Some(claim), documents: vec![] }
    };
    store.take_over(shard);
    assert_eq!(store.leases().len(), 255);
    let fenced = || Err(CommitError::Fenced(shard));
    assert_eq!(store.commit(vec![claim(1), claim(2)]).await, [fenced(), fenced()]);
    let store = store.reopen();
    assert!(store.leases().contains(&Lease { shard, epoch: 2 }));
    assert_eq!(store.commit(vec![claim(1), claim(2)]).await, [fenced(), Ok(())]);
}
