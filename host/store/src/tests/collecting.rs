//! Files that nothing names any more go; all others stay, whatever happens at the same time.

use super::recorder::Recorder;
use super::{KIND, Place, TENANT, commit, put};
use crate::SledStore;
use crate::files::Area;
use crate::keys;
use crate::value::{Body, INLINE_BYTES, Kind, Reference, encode};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{DocumentWrite, Expect, Store, Transition};

fn large(byte: u8) -> Bytes {
    vec![byte; INLINE_BYTES + 1].into()
}

fn removal(key: &str) -> Transition {
    let (key, expect) = (key.to_owned(), Expect::Anything);
    let documents = vec![DocumentWrite { kind: KIND, key, value: None, expect }];
    Transition { tenant: TENANT, execution: None, documents }
}

/// All parts, once.
async fn look(store: &SledStore) -> usize {
    let mut gone = 0;
    for part in 0..=u8::MAX {
        gone += store.collect(TENANT, part).await.unwrap();
    }
    gone
}

async fn read(store: &SledStore, key: &str) -> Option<Bytes> {
    store.document(TENANT, KIND, key).await.unwrap()
}

#[tokio::test]
async fn a_file_goes_with_its_last_reference_at_the_second_look() {
    let place = Place::new();
    let store = place.open();
    for (key, value) in [("a", large(1)), ("b", large(1)), ("c", large(2)), ("d", large(3))] {
        assert_eq!(commit(&store, put(key, value)).await, Ok(()));
    }
    let blob = store.put_blob(TENANT, large(9)).await.unwrap();
    let other = Transition { tenant: TenantId(7), ..put("a", large(2)) };
    assert_eq!(commit(&store, other).await, Ok(()));
    for key in ["a", "c"] {
        assert_eq!(commit(&store, removal(key)).await, Ok(()));
    }
    assert_eq!(commit(&store, put("d", Bytes::from_static(b"small"))).await, Ok(()));
    assert_eq!(look(&store).await, 0, "a reader may have just seen its name");
    assert_eq!(look(&store).await, 2);
    assert_eq!(look(&store).await, 0);
    assert_eq!(read(&store, "b").await, Some(large(1)), "it was named twice");
    assert_eq!(store.document(TenantId(7), KIND, "a").await, Ok(Some(large(2))), "of another tenant");
    assert_eq!(store.blob(TENANT, blob).await, Ok(Some(large(9))), "blobs are others' business");
    // The same value again is a new file.
    assert_eq!(commit(&store, put("c", large(2))).await, Ok(()));
    drop(store);
    let store = place.open();
    assert_eq!((look(&store).await, look(&store).await), (0, 0));
    assert_eq!((read(&store, "b").await, read(&store, "c").await), (Some(large(1)), Some(large(2))));
}

#[tokio::test]
async fn what_has_been_named_again_between_two_looks_stays() {
    let place = Place::new();
    let store = place.open();
    assert_eq!(commit(&store, put("a", large(1))).await, Ok(()));
    assert_eq!(commit(&store, removal("a")).await, Ok(()));
    assert_eq!(look(&store).await, 0);
    assert_eq!(commit(&store, put("b", large(1))).await, Ok(()));
    assert_eq!((look(&store).await, look(&store).await), (0, 0));
    assert_eq!(read(&store, "b").await, Some(large(1)));
}

/// One that writes names a file that is there, and is not in the tree yet.
#[tokio::test]
async fn what_is_about_to_be_named_stays() {
    let place = Place::new();
    let store = place.open();
    assert_eq!(commit(&store, put("a", large(1))).await, Ok(()));
    assert_eq!(commit(&store, removal("a")).await, Ok(()));
    let part = Reference::of(&large(1)).digest.0[0];
    assert_eq!(store.collect(TENANT, part).await, Ok(0));
    // As a writer whose commit waits.
    let values = crate::files::Place { area: Area::Values, tenant: TENANT };
    let held = store.shared.files.put_held(values, &large(1)).unwrap();
    assert_eq!(store.collect(TENANT, part).await, Ok(0));
    drop(held);
    assert_eq!((store.collect(TENANT, part).await, store.collect(TENANT, part).await), (Ok(0), Ok(1)));
}

/// Writers and removers of the same few values, and a collector: nothing that was acknowledged is ever missing.
#[tokio::test]
async fn writers_and_the_collector_never_meet() {
    let place = Place::new();
    let store = place.open();
    let write = async |writer: u8| {
        let key = format!("w{writer}");
        for round in 0..60u8 {
            let value = large(round % 3);
            assert_eq!(commit(&store, put(&key, value.clone())).await, Ok(()));
            assert_eq!(read(&store, &key).await, Some(value));
            assert_eq!(commit(&store, removal(&key)).await, Ok(()));
        }
    };
    let parts = [0, 1, 2].map(|byte| Reference::of(&large(byte)).digest.0[0]);
    let (mut gone, writing) = (0, AtomicBool::new(true));
    let collect = async {
        while writing.load(Ordering::Relaxed) {
            for part in parts {
                gone += store.collect(TENANT, part).await.unwrap();
            }
        }
    };
    let write = async {
        tokio::join!(write(0), write(1), write(2), write(3));
        writing.store(false, Ordering::Relaxed);
    };
    tokio::join!(write, collect);
    for part in parts.into_iter().chain(parts) {
        gone += store.collect(TENANT, part).await.unwrap();
    }
    assert!(gone >= 3, "{gone}");
}

#[tokio::test]
async fn what_took_the_reference_away_is_durable_before_the_file_goes() {
    let place = Place::new();
    let disk = Arc::new(Recorder::default());
    let store = SledStore::open_with(&place.config(), disk.durability()).unwrap();
    assert_eq!(commit(&store, put("a", large(1))).await, Ok(()));
    assert_eq!(commit(&store, removal("a")).await, Ok(()));
    let part = Reference::of(&large(1)).digest.0[0];
    assert_eq!(store.collect(TENANT, part).await, Ok(0));
    disk.take();
    assert_eq!(store.collect(TENANT, part).await, Ok(1));
    assert_eq!(disk.take(), ["flush", "sync db"]);
}

/// A store that was written before there were rows.
#[tokio::test]
async fn an_older_store_loses_nothing() {
    let place = Place::new();
    let store = place.open();
    for (key, value) in [("a", large(1)), ("b", large(2))] {
        assert_eq!(commit(&store, put(key, value)).await, Ok(()));
    }
    drop(store);
    let tree = place.plain_sled();
    for row in tree.scan_prefix(b"b").keys() {
        tree.remove(row.unwrap()).unwrap();
    }
    let older = Body::Inline(Bytes::copy_from_slice(&2u32.to_be_bytes()));
    tree.insert(keys::FORMAT, encode(Kind::Meta, &older)).unwrap();
    drop(tree);
    let store = place.open();
    assert_eq!(commit(&store, removal("b")).await, Ok(()));
    assert_eq!((look(&store).await, look(&store).await), (0, 1));
    assert_eq!(read(&store, "a").await, Some(large(1)));
}
