//! Rail 3, the lock, the folder and the format.

use super::recorder::Recorder;
use super::{KIND, Place, TENANT, commit, put};
use crate::keys::Keys;
use crate::open::{FORMAT, OpenError, open_sled};
use crate::value::{Body, Kind, encode};
use crate::{SledStore, keys};
use bytes::Bytes;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use stepwell_core::ids::ExecutionId;
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{
    Claim, ExecutionFilter, ExecutionKey, Lease, ListPlace, Record, RecordStatus, Store, Transition,
};

#[test]
fn contents_and_names_are_synced_before_the_first_commit() {
    let place = Place::new();
    for _ in 0..2 {
        let disk = Arc::new(Recorder::default());
        drop(SledStore::open_with(&place.config(), disk.durability()).unwrap());
        let parent = place.0.path().file_name().unwrap().to_string_lossy().into_owned();
        let parent = format!("sync folder {parent}");
        let contents = ["sync folder files", "flush", "sync db", "sync conf", "sync folder sled", "sync folder store"];
        let head = [&*parent, "sync head.new", "rename head.new head", "sync folder store"];
        assert_eq!(disk.take(), [&contents[..], &head].concat());
    }
}

/// A kill during sled's start leaves such a file, and sled alone never opens again.
#[tokio::test]
async fn a_torn_snapshot_is_removed() {
    let place = Place::new();
    let store = place.open();
    assert_eq!(commit(&store, put("k", Bytes::from_static(b"v"))).await, Ok(()));
    drop(store);
    let torn = place.sled_folder().join("snap.00000000FFFFFFFF.generating");
    std::fs::write(&torn, "half a snapshot, cut off").unwrap();
    place.settle();
    assert!(sled::open(place.sled_folder()).is_err(), "sled alone fails: that is what the rail is for");
    let store = place.open();
    assert!(!torn.exists());
    assert_eq!(store.document(TENANT, KIND, "k").await, Ok(Some(Bytes::from_static(b"v"))));
}

#[test]
fn a_panic_of_sleds_is_an_error() {
    let place = Place::new();
    let refusal = open_sled(place.0.path(), || panic!("tried to serialize {}", "Uninitialized")).unwrap_err();
    assert!(matches!(&refusal, OpenError::Damaged { what, .. } if what.contains("tried to serialize Uninitialized")));
    assert!(refusal.to_string().contains("restore it from a backup"), "{refusal}");
}

/// Zeros in the place of sled's file: the data or an error, never a store that looks new.
#[tokio::test]
async fn a_damaged_index_is_refused() {
    for kept in [0u64, 1, 100, 1_000, 5_000] {
        let place = Place::new();
        let store = place.open();
        for n in 0..40 {
            assert_eq!(commit(&store, put("k", Bytes::from(vec![n; 200]))).await, Ok(()));
        }
        drop(store);
        let index = std::fs::File::options().write(true).open(place.sled_folder().join("db")).unwrap();
        let length = index.metadata().unwrap().len();
        index.set_len(kept).unwrap();
        index.set_len(length).unwrap();
        for entry in std::fs::read_dir(place.sled_folder()).unwrap().map(Result::unwrap) {
            // Not only what sled wrote last is lost, but all that it could be found by.
            if entry.file_name().to_string_lossy().starts_with("snap.") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        match place.try_open() {
            Err(refusal) => assert!(matches!(refusal, OpenError::Damaged { .. }), "{kept} bytes kept: {refusal}"),
            Ok(store) => {
                let found = store.document(TENANT, KIND, "k").await;
                assert_ne!(found, Ok(None), "{kept} bytes kept: the value was lost without a word");
            }
        }
    }
}

#[tokio::test]
async fn an_older_index_is_refused() {
    let place = Place::new();
    drop(place.open());
    let older = place.0.path().join("older");
    std::fs::create_dir(&older).unwrap();
    let store = place.open();
    drop(store);
    copy_files(&place.sled_folder(), &older);
    let store = place.open();
    assert_eq!(commit(&store, put("k", Bytes::new())).await, Ok(()));
    drop(store);
    std::fs::remove_dir_all(place.sled_folder()).unwrap();
    std::fs::rename(older, place.sled_folder()).unwrap();
    let refusal = place.try_open().unwrap_err();
    assert!(refusal.to_string().contains("0 of at least 1 transitions"), "{refusal}");
}

fn copy_files(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn an_index_of_another_store_is_refused() {
    let (place, other) = (Place::new(), Place::new());
    drop((place.open(), other.open()));
    std::fs::remove_dir_all(place.sled_folder()).unwrap();
    std::fs::rename(other.sled_folder(), place.sled_folder()).unwrap();
    let refusal = place.try_open().unwrap_err();
    assert!(refusal.to_string().contains("belongs to another store"), "{refusal}");
}

#[test]
fn a_second_process_is_told_who_is_in_the_way() {
    let place = Place::new();
    let store = place.open();
    let refusal = SledStore::open(&place.config()).unwrap_err();
    assert!(matches!(refusal, OpenError::InUse(_)), "{refusal}");
    assert!(refusal.to_string().contains("in use by another process"), "{refusal}");
    drop(store);
    drop(place.open());
}

#[test]
fn the_folder_is_closed_to_others() {
    let place = Place::new();
    let folder = place.config().folder;
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(place.open());
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn another_format_is_refused_by_both_numbers() {
    let place = Place::new();
    drop(place.open());
    let next = Body::Inline(Bytes::copy_from_slice(&(FORMAT + 1).to_be_bytes()));
    place.plain_sled().insert(keys::FORMAT, encode(Kind::Meta, &next)).unwrap();
    let refusal = place.try_open().unwrap_err();
    assert!(refusal.to_string().ends_with("has format 5; this program reads formats up to 4"), "{refusal}");
    // It was only looked at.
    assert_eq!(place.plain_sled().len(), 2);
}

/// A store as format 1 left it: its number, and a record without wake and outline.
#[tokio::test]
async fn a_store_of_the_first_format_opens_and_is_not_for_older_programs_any_more() {
    let place = Place::new();
    drop(place.open());
    let id = ExecutionId::new(1, [1; 10]);
    let keys = Keys::of(TENANT);
    let mut record = vec![b'e', 1, 0, 0, 0, 0, 0, 0, RecordStatus::Unfinished as u8];
    record.extend(77u64.to_be_bytes());
    record.extend(b"\x05orderstate");
    let crc = crc32c::crc32c_append(crc32c::crc32c(&record[..4]), &record[8..]);
    record[4..8].copy_from_slice(&crc.to_be_bytes());
    let format = |number: u32| encode(Kind::Meta, &Body::Inline(Bytes::copy_from_slice(&number.to_be_bytes())));
    let plain = place.plain_sled();
    plain.insert(keys::FORMAT, format(1)).unwrap();
    plain.insert(keys.record(id), record).unwrap();
    let newest = ListPlace { created: Timestamp(77), id };
    for key in [keys.of_status(RecordStatus::Unfinished), keys.of_workflow("order")] {
        plain.insert(keys::in_list(key, newest), vec![]).unwrap();
    }
    plain.insert(keys.open(id), vec![]).unwrap();
    drop(plain);

    let store = place.open();
    let key = ExecutionKey { tenant: TENANT, id };
    let old = store.record(key).await.unwrap().unwrap();
    assert_eq!((old.created, old.wake, &*old.workflow, &*old.body), (Timestamp(77), None, "order", &b"state"[..]));
    let all = ExecutionFilter::default();
    assert_eq!(store.executions(TENANT, &all, None, 9).await.unwrap().items, [(key, old.summary())]);
    // It is replaced as any other.
    let parked = Record { status: RecordStatus::Parked, wake: Some(Timestamp(99)), ..old };
    let claim =
        Claim { id, lease: Lease { shard: key.shard(), epoch: 1 }, journal: vec![], record: Some(parked.clone()) };
    let park = Transition { tenant: TENANT, execution: Some(claim), documents: vec![] };
    assert_eq!(commit(&store, park).await, Ok(()));
    assert_eq!(store.record(key).await, Ok(Some(parked)));
    assert_eq!(store.unfinished(key.shard(), None, 9).await, Ok(vec![]));
    drop(store);
    let plain = place.plain_sled();
    assert_eq!(plain.get(keys::FORMAT).unwrap().unwrap(), format(FORMAT));
    assert_eq!(plain.iter().keys().filter(|key| b"iIot".contains(&key.as_ref().unwrap()[0])).count(), 3);
}

#[test]
fn a_foreign_sled_store_is_refused() {
    let place = Place::new();
    std::fs::create_dir_all(place.sled_folder()).unwrap();
    place.plain_sled().insert("somebody's", "data").unwrap();
    let refusal = place.try_open().unwrap_err();
    assert!(refusal.to_string().contains("no format version"), "{refusal}");
}

#[tokio::test]
async fn the_store_counts_its_commits_over_its_whole_life() {
    let place = Place::new();
    for round in 1..=3u64 {
        let store = place.open();
        assert_eq!(store.commit(vec![put("k", Bytes::new()), put("k", Bytes::new())]).await, [Ok(()), Ok(())]);
        drop(store);
        let counted = place.plain_sled().get(keys::COMMITS).unwrap().unwrap();
        let expected = Body::Inline(Bytes::copy_from_slice(&(round * 2).to_be_bytes()));
        assert_eq!(*counted, *encode(Kind::Meta, &expected));
    }
}
