//! What was stored and is not what it was: an error that says where, never other data. And the indexes.

use super::{KIND, Place, TENANT, commit, put};
use crate::keys::{Keys, in_list};
use crate::value::INLINE_BYTES;
use bytes::Bytes;
use std::path::PathBuf;
use stepwell_core::ids::ExecutionId;
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{
    Claim, CommitError, ExecutionFilter, ExecutionKey, Expect, Lease, Line, ListPlace, Page, Record, RecordStatus,
    Store, StoreError, Transition,
};

fn key() -> ExecutionKey {
    ExecutionKey { tenant: TENANT, id: ExecutionId::new(1, [1; 10]) }
}

fn step(seq: u32, status: RecordStatus, workflow: &str) -> Transition {
    let (workflow, outline) = (workflow.to_owned(), Bytes::from_static(b"outline"));
    let wake = (status == RecordStatus::Parked).then_some(Timestamp(9));
    let body = Bytes::from_static(b"state");
    let record = Record { status, created: Timestamp(5), wake, workflow, outline, body };
    let journal = vec![Line { seq, entry: Bytes::from_static(b"entry") }];
    let lease = Lease { shard: key().shard(), epoch: 1 };
    let claim = Claim { id: key().id, lease, journal, record: Some(record) };
    Transition { tenant: TENANT, execution: Some(claim), documents: Vec::new() }
}

fn damaged_at<T: std::fmt::Debug>(answer: Result<T, StoreError>, place: &str) {
    match answer {
        Err(StoreError::Damaged { at, .. }) => assert!(at.contains(place), "{at}"),
        other => panic!("{place}: {other:?}"),
    }
}

#[tokio::test]
async fn a_changed_value_is_damage_with_its_place() {
    let place = Place::new();
    let store = place.open();
    let group = vec![step(0, RecordStatus::Unfinished, "w"), put("name", Bytes::from_static(b"v"))];
    assert_eq!(store.commit(group).await, [Ok(()), Ok(())]);
    drop(store);
    let keys = Keys::of(TENANT);
    let plain = place.plain_sled();
    for key in [keys.record(key().id), keys.line(key().id, 0), keys.document(KIND, "name")] {
        let mut value = plain.get(&key).unwrap().unwrap().to_vec();
        *value.last_mut().unwrap() ^= 1;
        plain.insert(key, value).unwrap();
    }
    drop(plain);

    let store = place.open();
    damaged_at(store.record(key()).await, &format!("the record of {} of tenant-1", key().id));
    damaged_at(store.journal(key(), 0, 9).await, "line 0 of the journal");
    damaged_at(store.document(TENANT, KIND, "name").await, "\"name\"");
    damaged_at(store.documents(TENANT, KIND, "", Page { after: None, limit: 9 }).await, "\"name\"");
    // Lists that somebody looks at go on.
    assert_eq!(commit(&store, put("other", Bytes::from_static(b"v"))).await, Ok(()));
    let list = store.list(TENANT, KIND, "", Page { after: None, limit: 1 }).await.unwrap();
    assert_eq!((list.items.len(), &*list.items[0].0, list.damaged.len()), (1, "other", 1));
    let list = store.list(TENANT, KIND, "name", Page { after: None, limit: 9 }).await.unwrap();
    assert!(list.items.is_empty() && list.damaged[0].at.contains("\"name\""), "{list:?}");
    let list = store.executions(TENANT, &ExecutionFilter::default(), None, 9).await.unwrap();
    assert_eq!((list.items.len(), list.damaged[0].execution, list.next), (0, Some(key()), None));
    // Nor is anything decided by it.
    let mut expecting = put("name", Bytes::new());
    expecting.documents[0].expect = Expect::Value(Bytes::from_static(b"w"));
    assert!(matches!(commit(&store, expecting).await, Err(CommitError::Store(StoreError::Damaged { .. }))));
}

#[tokio::test]
async fn a_missing_line_is_damage() {
    let place = Place::new();
    let store = place.open();
    for seq in 0..3 {
        assert_eq!(commit(&store, step(seq, RecordStatus::Unfinished, "w")).await, Ok(()));
    }
    drop(store);
    place.plain_sled().remove(Keys::of(TENANT).line(key().id, 1)).unwrap();
    let store = place.open();
    damaged_at(store.journal(key(), 0, 9).await, "line 1 of the journal");
    damaged_at(store.journal(key(), 1, 9).await, "line 1 of the journal");
    assert_eq!(store.journal(key(), 2, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_changed_or_missing_file_is_damage() {
    let place = Place::new();
    let store = place.open();
    let large = Bytes::from(vec![1; INLINE_BYTES + 1]);
    assert_eq!(commit(&store, put("large", large.clone())).await, Ok(()));
    let digest = store.put_blob(TENANT, large).await.unwrap();
    let file = |area: &str| -> PathBuf {
        let hex = digest.hex();
        place.config().folder.join("files").join(area).join("1").join(&hex[..2]).join(hex)
    };
    for area in ["values", "blobs"] {
        std::fs::write(file(area), vec![2; INLINE_BYTES + 1]).unwrap();
    }
    damaged_at(store.document(TENANT, KIND, "large").await, "\"large\"");
    damaged_at(store.blob(TENANT, digest).await, &digest.to_string());
    for area in ["values", "blobs"] {
        std::fs::remove_file(file(area)).unwrap();
    }
    damaged_at(store.document(TENANT, KIND, "large").await, "\"large\"");
    assert_eq!(store.blob(TENANT, digest).await, Ok(None));
}

#[tokio::test]
async fn the_indexes_hold_what_the_records_say() {
    let changes = [
        (RecordStatus::Unfinished, "a"),
        (RecordStatus::Unfinished, "b"),
        (RecordStatus::Failed, "b"),
        (RecordStatus::Unfinished, "b"),
        (RecordStatus::Parked, "b"),
        (RecordStatus::Completed, "b"),
    ];
    let place = Place::new();
    for (seq, (status, workflow)) in (0..).zip(changes) {
        let store = place.open();
        assert_eq!(commit(&store, step(seq, status, workflow)).await, Ok(()));
        drop(store);
        assert_indexes(&place, status, workflow);
    }
    // And by whoever remembers what it wrote: some in one batch, the others one by one.
    for count in 1..=changes.len() {
        for together in 0..=count {
            let place = Place::new();
            let store = place.open();
            let steps = (0..).zip(&changes[..count]).map(|(seq, (status, workflow))| step(seq, *status, workflow));
            let mut steps: Vec<_> = steps.collect();
            let rest = steps.split_off(together);
            assert!(store.commit(steps).await.iter().all(Result::is_ok));
            for step in rest {
                assert_eq!(commit(&store, step).await, Ok(()));
            }
            drop(store);
            let (status, workflow) = changes[count - 1];
            assert_indexes(&place, status, workflow);
        }
    }
}

/// The execution is where lists and starts look for one like this, and nowhere else.
fn assert_indexes(place: &Place, status: RecordStatus, workflow: &str) {
    let (keys, newest_first) = (Keys::of(TENANT), ListPlace { created: Timestamp(5), id: key().id });
    let mut expected =
        [keys.of_status(status), keys.of_workflow(workflow)].map(|list| in_list(list, newest_first)).to_vec();
    expected.extend((status == RecordStatus::Parked).then(|| keys.wake(Timestamp(9), key().id)));
    expected.extend((status == RecordStatus::Unfinished).then(|| keys.open(key().id)));
    expected.sort();
    let found = place.plain_sled().iter().keys().map(Result::unwrap);
    let found: Vec<_> = found.filter(|key| b"iIot".contains(&key[0])).map(|key| key.to_vec()).collect();
    assert_eq!(found, expected, "{status:?} of {workflow}");
}
