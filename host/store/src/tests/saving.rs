//! Backups and exports: what comes back is what was there, and nothing that was changed on the way is taken.

use super::checks::{Plain, filled, of};
use super::{KIND, TENANT, commit, put};
use crate::{BackupError, Offline, SledConfig, SledStore, import, restore, verify};
use bytes::Bytes;
use std::path::Path;
use std::sync::{Arc, Mutex};
use stepwell_engine::ports::{Store, StoreError};

async fn backup(store: &SledStore) -> Vec<u8> {
    let out = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&out);
    store
        .backup(move |piece| {
            into.lock().unwrap().extend(piece);
            true
        })
        .await
        .unwrap();
    Arc::try_unwrap(out).unwrap().into_inner().unwrap()
}

/// All rows but the facts of the store itself.
fn rows(folder: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let store = Offline::open(folder).unwrap();
    let rows = store.tree().iter().map(Result::unwrap).filter(|(key, _)| key.first() != Some(&b'm'));
    rows.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

#[tokio::test]
async fn a_backup_comes_back_as_it_was_and_a_changed_one_does_not() {
    let (place, blob) = filled().await;
    let store = place.open();
    let saved = backup(&store).await;
    assert_eq!(commit(&store, put("later", Bytes::new())).await, Ok(()));
    drop(store);
    let (header, end) = verify(saved.as_slice(), &mut |_| {}).unwrap();
    assert_eq!((header.version, end.files, end.damaged), (1, 2, 0));

    let folder = place.0.path().join("restored");
    restore(saved.as_slice(), &folder, &mut |_| {}).unwrap();
    let again = restore(saved.as_slice(), &folder, &mut |_| {});
    assert!(matches!(again, Err(BackupError::Io(_))), "{again:?}");
    let report = Offline::open(&folder).unwrap().check(&Plain, false, &mut |_| {}).unwrap();
    assert!(report.is_well() && report.commits.0 == 9, "{report:?}");
    let restored = SledStore::open(&SledConfig::new(&folder)).unwrap();
    assert_eq!(restored.blob(TENANT, blob).await, Ok(Some(Bytes::from_static(b"blob"))));
    assert_eq!(restored.document(TENANT, KIND, "later").await, Ok(None));
    assert_eq!(restored.journal(of(1), 0, 9).await.unwrap().len(), 4);
    drop(restored);

    // Every byte counts, and so does every end.
    for at in 0..saved.len() {
        let mut bad = saved.clone();
        bad[at] ^= 1;
        assert!(verify(bad.as_slice(), &mut |_| {}).is_err(), "byte {at}");
    }
    for length in (0..saved.len()).step_by(7) {
        assert!(verify(&saved[..length], &mut |_| {}).is_err(), "cut to {length}");
    }
    let mut bad = saved.clone();
    bad[saved.len() / 2] ^= 1;
    let other = place.0.path().join("other");
    assert!(restore(bad.as_slice(), &other, &mut |_| {}).is_err());
    assert!(!other.exists() && !other.with_extension("restoring").exists());
}

/// Two at a time, nobody who reads, and a tenant that goes meanwhile.
#[tokio::test]
async fn a_backup_ends_with_its_reader_and_keeps_the_files_that_it_needs() {
    let (place, _) = filled().await;
    let store = Arc::new(place.open());
    let (other, seen) = (Arc::clone(&store), Arc::new(Mutex::new(Vec::new())));
    let told = Arc::clone(&seen);
    let made = store
        .backup(move |_| {
            // On a thread that may block, in the middle of a backup.
            let handle = tokio::runtime::Handle::current();
            let second = handle.block_on(other.backup(|_| true)).map_err(|error| error.to_string());
            let purged = handle.block_on(async {
                while let Ok(1..) = other.purge(TENANT, 1_000).await {}
                other.purge(TENANT, 1_000).await
            });
            told.lock().unwrap().push((second, purged));
            false
        })
        .await;
    assert!(made.is_err_and(|error| error.to_string().contains("nobody takes")));
    let (second, purged) = seen.lock().unwrap().remove(0);
    assert!(second.as_ref().is_err_and(|why| why.contains("already")), "{second:?}");
    assert!(matches!(purged, Err(StoreError::Unavailable(_))), "{purged:?}");
    assert_ne!(store.purge(TENANT, 1_000).await, Ok(0), "its files are still there, and go now");
}

#[tokio::test]
async fn an_export_comes_back_through_the_front_door() {
    let (place, _) = filled().await;
    let folder = place.config().folder;
    let mut out = Vec::new();
    let exported = Offline::open(&folder).unwrap().export("now", &mut out, &mut |_| {}).unwrap();
    assert_eq!((exported.executions, exported.entries, exported.documents, exported.blobs), (3, 6, 3, 1));
    let text = String::from_utf8(out).unwrap();
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));

    let imported = place.0.path().join("imported");
    import(text.as_bytes(), &imported, &mut |_| {}).await.unwrap();
    assert_eq!(rows(&imported), rows(&folder));
    let report = Offline::open(&imported).unwrap().check(&Plain, false, &mut |_| {}).unwrap();
    assert!(report.is_well() && report.unreferenced == 0, "{report:?}");

    let other = place.0.path().join("other");
    let changed = text.replacen("\"seq\":1", "\"seq\":2", 1);
    let cut = text.lines().take(5).collect::<Vec<_>>().join("\n") + "\n";
    let later = text.replacen("\"version\":1", "\"version\":2", 1);
    for (bad, why) in
        [(changed, "checksum"), (cut, "lost its end"), (later, "version 2"), ("{}\n".to_owned(), "no export")]
    {
        let refused = import(bad.as_bytes(), &other, &mut |_| {}).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        assert!(!other.exists());
    }
    let quiet = text.replacen("\"key\":\"small\"", "\"key\":\"smell\"", 1);
    let refused = import(quiet.as_bytes(), &other, &mut |_| {}).await.unwrap_err().to_string();
    assert!(refused.contains("checksum"), "{refused}");
}
