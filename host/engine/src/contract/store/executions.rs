//! Records, the list of unfinished executions, and who may write.

use super::Subject;
use super::sample::{ACME, OTHER, append, claim, commit, execution, journal, key, lease, record};
use crate::ports::{CommitError, ExecutionKey, Lease, Record, RecordStatus};
use bytes::Bytes;
use stepwell_core::ids::{ExecutionId, Shard};
use stepwell_core::time::Timestamp;

/// All their fields.
pub async fn records_are_replaced(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let first = record(RecordStatus::Unfinished, "first");
    let second = Record {
        status: RecordStatus::Quarantined,
        created: Timestamp(u64::MAX),
        wake: None,
        workflow: "ü".repeat(64),
        outline: Bytes::from_static(&[255, 0]),
        body: Bytes::from_static(&[0, 255, 0]),
    };
    for state in [first, second.clone(), second] {
        assert_eq!(commit(&*store, claim(&*store, key(1), vec![], Some(state.clone()))).await, Ok(()));
        assert_eq!(store.record(key(1)).await, Ok(Some(state)));
    }
    assert_eq!(store.record(key(2)).await, Ok(None));
    for workflow in ["w".repeat(129), "a\0b".to_owned()] {
        let bad = Record { workflow, ..record(RecordStatus::Failed, "") };
        let refusal = commit(&*store, claim(&*store, key(2), vec![], Some(bad))).await;
        assert!(matches!(refusal, Err(CommitError::Invalid(_))), "{refusal:?}");
    }
}

/// By shard, across tenants, also after reopening, and again if they are taken up again.
pub async fn unfinished_executions_are_found_until_they_end(subject: &mut dyn Subject) {
    let ends = [RecordStatus::Completed, RecordStatus::Failed, RecordStatus::Quarantined, RecordStatus::Parked];
    let shard = key(1).shard();
    for end in ends {
        let store = subject.open().await;
        assert_eq!(store.unfinished(shard, None, 9).await, Ok(vec![]));
        // A journal alone does not make it unfinished.
        let seq = journal(&*store, key(1)).await.len() as u32;
        assert_eq!(commit(&*store, append(&*store, key(1), seq, &["entry"])).await, Ok(()));
        assert_eq!(store.unfinished(shard, None, 9).await, Ok(vec![]));
        let start = claim(&*store, key(1), vec![], Some(record(RecordStatus::Unfinished, "")));
        assert_eq!(commit(&*store, start.clone()).await, Ok(()));
        assert_eq!(commit(&*store, start).await, Ok(()));
        drop(store);

        let store = subject.open().await;
        assert_eq!(store.unfinished(shard, None, 9).await, Ok(vec![key(1)]));
        assert_eq!(store.unfinished(Shard(shard.0 ^ 1), None, 9).await, Ok(vec![]));
        let finish = claim(&*store, key(1), vec![], Some(record(end, "")));
        assert_eq!(commit(&*store, finish).await, Ok(()));
        assert_eq!(store.unfinished(shard, None, 9).await, Ok(vec![]));
    }
}

/// Pages of any length meet each one once.
pub async fn unfinished_executions_are_paged_in_the_order_of_their_keys(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let shard = Shard(7);
    let of_shard = |tenant| {
        let all = (0u64..).map(move |n| ExecutionKey { tenant, id: ExecutionId::new(n, [n as u8; 10]) });
        all.filter(|key| key.shard() == shard).take(5)
    };
    let mut keys: Vec<_> = of_shard(ACME).chain(of_shard(OTHER)).collect();
    let start = |key: &ExecutionKey| claim(&*store, *key, vec![], Some(record(RecordStatus::Unfinished, "")));
    assert!(store.commit(keys.iter().rev().map(start).collect()).await.iter().all(Result::is_ok));
    keys.sort();
    for limit in [1, 3, 10, 11] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.unfinished(shard, after, limit).await.expect("the list can be read");
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(*last);
            found.extend(page);
        }
        assert_eq!(found, keys, "pages of {limit}");
    }
    assert_eq!(store.unfinished(shard, None, 0).await, Ok(vec![]));
}

/// Not one of another shard, not an older or newer epoch.
pub async fn only_the_lease_of_the_shard_lets_write(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let shard = key(1).shard();
    let good = lease(&*store, shard);
    let elsewhere = lease(&*store, Shard(shard.0.wrapping_add(1)));
    let wrong_epochs = [good.epoch - 1, good.epoch + 1].map(|epoch| Lease { shard, epoch });
    for bad in wrong_epochs.into_iter().chain([elsewhere]) {
        let mut transition = append(&*store, key(1), 0, &["entry"]);
        transition.execution.as_mut().expect("it has a claim").lease = bad;
        assert_eq!(commit(&*store, transition).await, Err(CommitError::Fenced(shard)), "{bad:?}");
    }
    assert_eq!(journal(&*store, key(1)).await, []);
    // The same execution id of another tenant lives in another shard.
    let namesake = ExecutionKey { tenant: OTHER, id: execution(1) };
    assert_ne!(namesake.shard(), shard);
    assert_eq!(commit(&*store, append(&*store, namesake, 0, &["entry"])).await, Ok(()));
}
