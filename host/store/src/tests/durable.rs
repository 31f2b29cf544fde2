//! Rail 1: nothing is acknowledged before our own `fdatasync`, and a failed one ends the process.

use super::recorder::Recorder;
use super::{KIND, Place, TENANT, commit, is_unavailable, put};
use crate::durability::{Durability, end_process};
use crate::{SledConfig, SledStore};
use bytes::Bytes;
use futures_util::FutureExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use stepwell_engine::ports::Store;

const CHILD_FOLDER: &str = "STEPWELL_TEST_FAILED_SYNC_FOLDER";

fn open(place: &Place) -> (SledStore, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let store = SledStore::open_with(&place.config(), recorder.durability()).unwrap();
    recorder.take();
    (store, recorder)
}

#[tokio::test]
async fn an_acknowledgement_follows_flush_and_fdatasync() {
    let place = Place::new();
    let (store, disk) = open(&place);
    for _ in 0..3 {
        assert_eq!(commit(&store, put("k", Bytes::from_static(b"v"))).await, Ok(()));
        disk.note("answer");
        assert_eq!(disk.take(), ["flush", "sync db", "answer"]);
    }
}

#[tokio::test]
async fn a_refusal_waits_for_no_disk() {
    let place = Place::new();
    let (store, disk) = open(&place);
    let mut refused = put("k", Bytes::new());
    refused.documents[0].expect = stepwell_engine::ports::Expect::Value(Bytes::new());
    assert!(commit(&store, refused).await.is_err());
    assert_eq!(disk.take(), [""; 0]);
}

#[tokio::test]
async fn a_failed_sync_is_not_acknowledged_and_never_retried() {
    for fails in ["flush", "sync db"] {
        let place = Place::new();
        let (store, disk) = open(&place);
        disk.fail(fails);
        assert!(is_unavailable(&commit(&store, put("k", Bytes::new())).await), "{fails}");
        disk.take();
        assert!(is_unavailable(&commit(&store, put("l", Bytes::new())).await), "{fails}");
        assert!(store.health().await.is_err(), "{fails}");
        assert_eq!(disk.take(), [""; 0], "{fails}");
    }
}

/// Not a test by itself: the process of [`a_failed_sync_ends_the_process`].
#[tokio::test]
async fn child_with_a_failing_disk() {
    let Ok(folder) = std::env::var(CHILD_FOLDER) else { return };
    let disk = Arc::new(Recorder::default());
    let durability = Durability::new(Arc::<Recorder>::clone(&disk), end_process);
    let store = SledStore::open_with(&SledConfig::new(folder), durability).unwrap();
    disk.fail("sync db");
    let answer = commit(&store, put("k", Bytes::new())).await;
    println!("the process lives: {answer:?}");
}

#[test]
fn a_failed_sync_ends_the_process() {
    let place = Place::new();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::durable::child_with_a_failing_disk", "--nocapture"])
        .env(CHILD_FOLDER, place.config().folder)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    // SIGABRT
    assert_eq!(child.status.signal(), Some(6), "{out} {err}");
    assert!(err.contains("fdatasync of the index failed: told to fail"), "{err}");
}

/// While the disk is busy the next batch grows; and reads do not wait for it.
#[tokio::test]
async fn those_who_wait_share_one_sync() {
    let place = Place::new();
    let (store, disk) = open(&place);
    disk.hold();
    let mut first = Box::pin(commit(&store, put("first", Bytes::from_static(b"1"))));
    assert_eq!((&mut first).now_or_never(), None);
    disk.wait_for("sync db");

    let names: Vec<_> = (0..100).map(|n| format!("k{n}")).collect();
    let rest = names.iter().map(|name| commit(&store, put(name, Bytes::from_static(b"2"))));
    let mut rest = Box::pin(futures_util::future::join_all(rest));
    assert_eq!((&mut rest).now_or_never(), None);
    assert_eq!(store.document(TENANT, KIND, "k0").await, Ok(None));
    assert_eq!(store.health().await, Ok(()));

    disk.release();
    assert_eq!(first.await, Ok(()));
    assert!(rest.await.iter().all(Result::is_ok));
    assert_eq!(disk.take(), ["flush", "sync db", "flush", "sync db"]);
}

/// A caller that goes away does not undo what it asked for, and dropping the store writes what is queued.
#[tokio::test]
async fn what_is_queued_is_written_before_the_store_closes() {
    let place = Place::new();
    let (store, disk) = open(&place);
    disk.hold();
    for name in ["a", "b"] {
        let mut asked = Box::pin(commit(&store, put(name, Bytes::from_static(b"v"))));
        assert_eq!((&mut asked).now_or_never(), None);
    }
    disk.release();
    drop(store);
    let store = place.open();
    for name in ["a", "b"] {
        assert_eq!(store.document(TENANT, KIND, name).await, Ok(Some(Bytes::from_static(b"v"))));
    }
}

/// The note of how far the store has got never leads.
#[tokio::test]
async fn progress_is_noted_after_the_sync_and_at_the_end() {
    let note = ["sync head.new", "rename head.new head", "sync folder store"];
    for (note_every_ms, expected) in [
        (0, [&["flush", "sync db"][..], &note].concat().repeat(2)),
        // The last number gets into the index before it is noted.
        (u64::MAX, [&["flush", "sync db"].repeat(3)[..], &note].concat()),
    ] {
        let place = Place::new();
        let disk = Arc::new(Recorder::default());
        let config = SledConfig { note_every_ms, ..place.config() };
        let store = SledStore::open_with(&config, disk.durability()).unwrap();
        disk.take();
        for _ in 0..2 {
            assert_eq!(commit(&store, put("k", Bytes::new())).await, Ok(()));
        }
        drop(store);
        assert_eq!(disk.take(), expected);
    }
}
