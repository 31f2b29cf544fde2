//! A full disk: room is kept to open on one, and a refused write ends the process.

use super::recorder::Recorder;
use super::{Place, commit, put};
use crate::SledStore;
use bytes::Bytes;
use std::sync::Arc;
use stepwell_engine::ports::{DiskUse, Store};

const TOTAL: u64 = 160 << 20;
const BALLAST: u64 = 10 << 20;

/// Bytes that the file takes on the disk, in the store's folder.
fn kept(place: &Place) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(place.config().folder.join("ballast")).ok().map(|found| found.blocks() * 512)
}

#[tokio::test]
async fn the_ballast_is_let_go_of_on_a_full_disk_and_made_again_when_there_is_room() {
    let (place, disk) = (Place::new(), Arc::new(Recorder::default()));
    let open = || SledStore::open_with(&place.config(), disk.durability()).unwrap();
    disk.has_room(TOTAL, TOTAL);
    drop(open());
    assert!(kept(&place).is_some_and(|bytes| bytes >= BALLAST), "it really keeps room");

    disk.has_room(TOTAL, BALLAST);
    drop(open());
    assert!(kept(&place).is_some(), "there is room enough to open");

    disk.has_room(TOTAL, 1);
    let store = open();
    assert_eq!(kept(&place), None);
    assert_eq!(store.tend().await, Ok(Some(DiskUse { total_bytes: TOTAL, free_bytes: 1 })));
    assert_eq!(kept(&place), None);
    assert_eq!(commit(&store, put("k", Bytes::new())).await, Ok(()));

    disk.has_room(TOTAL, TOTAL);
    store.tend().await.unwrap();
    assert!(kept(&place).is_some_and(|bytes| bytes >= BALLAST));
}
