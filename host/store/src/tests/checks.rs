//! A store is looked through whole: what is wrong is found, and what follows from something else is made again.

use super::{KIND, Place, TENANT, commit, put};
use crate::head::{self, Head, Progress};
use crate::keys::{COMMITS, Keys};
use crate::value::INLINE_BYTES;
use crate::{Meaning, Offline, Report};
use bytes::Bytes;
use std::path::PathBuf;
use stepwell_core::ids::{Digest, ExecutionId};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{Claim, DocumentKind, ExecutionKey, Lease, Line, Record, RecordStatus, Store, Transition};

/// A state is the number of its lines, and a document that is a digest names it.
pub(super) struct Plain;

impl Meaning for Plain {
    fn entry(&self, _: &[u8]) -> Result<Vec<Digest>, String> {
        Ok(Vec::new())
    }

    fn state(&self, status: RecordStatus, state: &[u8]) -> Result<Option<u32>, String> {
        let text = std::str::from_utf8(state).map_err(|error| error.to_string())?;
        let lines = text.parse().map_err(|_| format!("{text:?} is no number"))?;
        Ok((status == RecordStatus::Completed).then_some(lines))
    }

    fn document(&self, _: u8, document: &[u8]) -> Result<Vec<Digest>, String> {
        Ok(std::str::from_utf8(document).ok().and_then(|text| text.parse().ok()).into_iter().collect())
    }
}

pub(super) fn of(number: u8) -> ExecutionKey {
    ExecutionKey { tenant: TENANT, id: ExecutionId::new(1, [number; 10]) }
}

pub(super) fn step(of: ExecutionKey, seq: u32, status: RecordStatus) -> Transition {
    let wake = (status == RecordStatus::Parked).then_some(Timestamp(9));
    let (workflow, outline, body) = ("w".to_owned(), Bytes::new(), (seq + 1).to_string().into());
    let record = Record { status, created: Timestamp(5), wake, workflow, outline, body };
    let journal = vec![Line { seq, entry: Bytes::from_static(b"entry") }];
    let claim = Claim { id: of.id, lease: Lease { shard: of.shard(), epoch: 1 }, journal, record: Some(record) };
    Transition { tenant: TENANT, execution: Some(claim), documents: Vec::new() }
}

fn large() -> Bytes {
    Bytes::from(vec![b'x'; INLINE_BYTES + 1])
}

/// Three executions, documents, a large one, a blob that one names.
pub(super) async fn filled() -> (Place, Digest) {
    let place = Place::new();
    let store = place.open();
    let blob = store.put_blob(TENANT, Bytes::from_static(b"blob")).await.unwrap();
    for seq in 0..3 {
        assert_eq!(commit(&store, step(of(1), seq, RecordStatus::Unfinished)).await, Ok(()));
    }
    for transition in [
        step(of(1), 3, RecordStatus::Completed),
        step(of(2), 0, RecordStatus::Parked),
        step(of(3), 0, RecordStatus::Unfinished),
        put("small", Bytes::from_static(b"v")),
        put("large", large()),
        put("names", blob.to_string().into()),
    ] {
        assert_eq!(commit(&store, transition).await, Ok(()));
    }
    (place, blob)
}

fn check(place: &Place, repair: bool) -> Report {
    place.settle();
    let store = Offline::open(place.config().folder).unwrap();
    store.check(&Plain, repair, &mut |_| {}).unwrap()
}

/// What is found, by code, and in which execution.
fn found(report: &Report) -> Vec<(&'static str, Option<&str>)> {
    report.findings.iter().map(|finding| (finding.code, finding.execution.as_deref())).collect()
}

fn file(place: &Place, area: &str, digest: Digest) -> PathBuf {
    let hex = digest.hex();
    place.config().folder.join("files").join(area).join("1").join(&hex[..2]).join(hex)
}

#[tokio::test]
async fn a_store_that_is_well_is_found_well_and_counted() {
    let (place, _) = filled().await;
    let report = check(&place, false);
    assert_eq!(found(&report), []);
    assert_eq!((report.executions, report.lines, report.documents, report.files), (3, 6, 3, 2));
    assert_eq!((report.unreferenced, report.commits), (0, (9, Some(9))));
    let sizes = Offline::open(place.config().folder).unwrap().sizes().unwrap();
    let of = &sizes.tenants[&TENANT];
    assert_eq!((of.executions.count, of.journals.count, of.components.count, of.components.bytes), (3, 6, 1, 4));
    let documents = of.documents[&(KIND as u8)];
    assert!(documents.count == 3 && documents.bytes > INLINE_BYTES as u64, "{documents:?}");
}

#[tokio::test]
async fn a_flipped_bit_in_any_row_is_found() {
    let (place, _) = filled().await;
    let plain = place.plain_sled();
    let rows: Vec<_> = plain.iter().map(Result::unwrap).filter(|(_, value)| !value.is_empty()).collect();
    assert!(rows.len() > 12, "{}", rows.len());
    drop(plain);
    for (key, value) in rows {
        let mut bad = value.to_vec();
        *bad.last_mut().unwrap() ^= 1;
        let plain = place.plain_sled();
        plain.insert(&key, bad).unwrap();
        drop(plain);
        let report = check(&place, false);
        assert!(!report.is_well() && found(&report).iter().any(|(code, _)| *code == "value_damaged"), "{key:?}");
        place.plain_sled().insert(&key, value).unwrap();
    }
    assert!(check(&place, false).is_well());
}

#[tokio::test]
async fn what_cannot_be_made_again_is_told_with_its_execution() {
    let (place, blob) = filled().await;
    let keys = Keys::of(TENANT);
    let ids = [1, 2, 3].map(|number| of(number).id.to_string());
    let plain = place.plain_sled();
    plain.remove(keys.line(of(1).id, 1)).unwrap();
    plain.remove(keys.line(of(2).id, 0)).unwrap();
    plain.remove(keys.record(of(3).id)).unwrap();
    plain.remove(keys.open(of(3).id)).unwrap();
    plain.insert("a key of nobody", "").unwrap();
    drop(plain);
    std::fs::write(file(&place, "blobs", blob), b"blub").unwrap();
    std::fs::remove_file(file(&place, "values", crate::value::Reference::of(&large()).digest)).unwrap();
    let report = check(&place, true);
    let codes = found(&report);
    for expected in [
        ("journal_gap", Some(ids[0].as_str())),
        ("journal_missing", Some(ids[1].as_str())),
        ("record_missing", Some(ids[2].as_str())),
        ("key_unknown", None),
        ("file_damaged", None),
        ("value_damaged", None),
    ] {
        assert!(codes.contains(&expected), "{expected:?} is not in {codes:?}");
    }
    assert!(!report.is_well() && !report.removed, "nothing is removed while something is wrong");

    std::fs::remove_file(file(&place, "blobs", blob)).unwrap();
    assert!(found(&check(&place, false)).contains(&("file_missing", None)));
}

#[tokio::test]
async fn what_follows_from_something_else_is_made_again() {
    let (place, _) = filled().await;
    let keys = Keys::of(TENANT);
    let store = place.open();
    store.put_blob(TENANT, Bytes::from_static(b"of nobody")).await.unwrap();
    drop(store);
    let plain = place.plain_sled();
    let (lost, stale) = (keys.wake(Timestamp(9), of(2).id), keys.open(of(1).id));
    plain.remove(&lost).unwrap();
    plain.insert(&stale, "").unwrap();
    drop(plain);
    let report = check(&place, false);
    assert_eq!(found(&report).iter().map(|(code, _)| *code).collect::<Vec<_>>(), ["index_missing", "index_stale"]);
    assert!(!report.is_well() && report.unreferenced == 1 && !report.removed);
    let report = check(&place, true);
    assert!(report.is_well() && report.repaired == 2 && report.removed);
    let report = check(&place, false);
    assert_eq!((report.found, report.unreferenced), (0, 0));
    let plain = place.plain_sled();
    assert!(plain.contains_key(&lost).unwrap() && !plain.contains_key(&stale).unwrap());
    assert!(plain.contains_key(COMMITS).unwrap());
}

#[tokio::test]
async fn a_tail_that_is_cut_off_is_told_and_accepted_only_by_a_repair() {
    let (place, _) = filled().await;
    let folder = place.config().folder;
    let noted = head::read(&folder).unwrap().unwrap();
    let ahead = Progress { commits: noted.commits + 5, ..noted };
    drop(Head::start(&place.config(), crate::durability::Durability::system(), ahead).unwrap());
    assert!(place.try_open().is_err());
    let report = check(&place, false);
    assert_eq!(found(&report), [("tail_cut", None)]);
    assert!(report.findings[0].what.contains("at least 5 acknowledged transitions"), "{:?}", report.findings);
    assert!(place.try_open().is_err(), "looking changes nothing");
    assert!(check(&place, true).is_well());
    drop(place.open());
}

#[test]
fn no_store_is_made_by_looking_for_one() {
    let place = Place::new();
    assert!(Offline::open(place.config().folder).is_err_and(|error| error.to_string().contains("there is no store")));
    assert!(!place.config().folder.exists());
}

#[test]
fn kinds_have_one_number_each() {
    for kind in DocumentKind::ALL {
        assert_eq!(DocumentKind::of_number(kind as u8), Some(kind));
    }
    assert_eq!(DocumentKind::of_number(0), None);
}
