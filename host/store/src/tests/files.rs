//! Rail 2: nothing large in sled; a file is durable before anything refers to it.

use super::recorder::Recorder;
use super::{KIND, Place, TENANT, commit, is_unavailable, put};
use crate::SledStore;
use crate::value::{INLINE_BYTES, Reference};
use bytes::Bytes;
use std::sync::Arc;
use stepwell_engine::ports::{Store, StoreError};

fn large(byte: u8) -> Bytes {
    vec![byte; INLINE_BYTES + 1].into()
}

#[tokio::test]
async fn a_file_is_durable_before_its_name_and_its_name_before_the_commit() {
    let place = Place::new();
    let disk = Arc::new(Recorder::default());
    let store = SledStore::open_with(&place.config(), disk.durability()).unwrap();
    disk.take();
    let hex = Reference::of(&large(1)).digest.hex();
    let folder = format!("sync folder {}", &hex[..2]);
    let rename = format!("rename 0 {hex}");

    assert_eq!(commit(&store, put("k", large(1))).await, Ok(()));
    let above = ["sync folder 1", "sync folder values", "sync folder files"];
    let file = ["sync 0", &rename, &folder, "flush", "sync db"];
    assert_eq!(disk.take(), [&above[..], &file].concat());

    // The same bytes are not written again, but their name may not be durable yet: think of a second writer.
    assert_eq!(commit(&store, put("l", large(1))).await, Ok(()));
    assert_eq!(disk.take(), [&folder, "flush", "sync db"]);
}

#[tokio::test]
async fn blobs_are_durable_when_they_are_answered() {
    let place = Place::new();
    let disk = Arc::new(Recorder::default());
    let store = SledStore::open_with(&place.config(), disk.durability()).unwrap();
    store.put_blob(TENANT, large(1)).await.unwrap();
    disk.take();
    let blob = (2..=255).map(large).find(|blob| same_folder(blob, &large(1))).unwrap();
    let hex = store.put_blob(TENANT, blob).await.unwrap().hex();
    assert_eq!(disk.take(), ["sync 1".to_owned(), format!("rename 1 {hex}"), format!("sync folder {}", &hex[..2])]);
}

/// Whether two blobs live in the same folder, so that the second one finds it synced.
fn same_folder(one: &Bytes, other: &Bytes) -> bool {
    Reference::of(one).digest.0[0] == Reference::of(other).digest.0[0]
}

#[tokio::test]
async fn a_file_that_cannot_be_written_refuses_the_transition() {
    let place = Place::new();
    let disk = Arc::new(Recorder::default());
    let store = SledStore::open_with(&place.config(), disk.durability()).unwrap();
    let hex = Reference::of(&large(1)).digest.hex();
    disk.fail(Box::leak(format!("rename 0 {hex}").into_boxed_str()));
    assert!(is_unavailable(&commit(&store, put("k", large(1))).await));
    assert_eq!(store.document(TENANT, KIND, "k").await, Ok(None));
    assert_eq!(std::fs::read_dir(place.config().folder.join("files/new")).unwrap().count(), 0);
    assert_eq!(commit(&store, put("k", large(1))).await, Ok(()));
    assert_eq!(store.document(TENANT, KIND, "k").await, Ok(Some(large(1))));
}

/// sled puts a leaf of more than 128 KiB into an unsynced file, and a leaf has 16 values.
#[tokio::test]
async fn sled_never_writes_a_blob_file() {
    let place = Place::new();
    let store = place.open();
    for size in [INLINE_BYTES, INLINE_BYTES + 1, 8_000, 16_000, 200_000] {
        let name = |n: usize| format!("{}{n}", "k".repeat(500));
        let group = (0..40).map(|n| put(&name(n), Bytes::from(vec![n as u8; size]))).collect();
        assert!(store.commit(group).await.iter().all(Result::is_ok));
        assert_eq!(store.health().await, Ok(()), "values of {size} bytes");
    }
    assert_eq!(std::fs::read_dir(place.sled_folder().join("blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_blob_file_of_sleds_is_noticed() {
    let place = Place::new();
    let store = place.open();
    std::fs::write(place.sled_folder().join("blobs/1"), "x").unwrap();
    assert!(matches!(store.health().await, Err(StoreError::Damaged { .. })));
    drop(store);
    let refusal = place.try_open().unwrap_err();
    assert!(refusal.to_string().contains("a file that it does not sync"), "{refusal}");
}

#[tokio::test]
async fn unfinished_files_are_removed_at_open() {
    let place = Place::new();
    drop(place.open());
    let torn = place.config().folder.join("files/new/17");
    std::fs::write(&torn, "half").unwrap();
    let store = place.open();
    assert!(!torn.exists());
    assert_eq!(commit(&store, put("k", large(9))).await, Ok(()));
}
