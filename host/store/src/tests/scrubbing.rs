//! A store in use is read through part by part: each part is bounded, together they are everything, and what is damaged is told with its place.

use super::checks::{filled, of};
use super::{KIND, Place, TENANT};
use crate::SledStore;
use crate::keys::Keys;
use std::path::PathBuf;
use stepwell_core::ids::Digest;
use stepwell_engine::ports::{Damage, ScrubPlace, Scrubbed, Store};

/// A whole pass, in parts of about so many bytes.
async fn pass(store: &SledStore, bytes: u64) -> Vec<Scrubbed> {
    let (mut parts, mut place) = (Vec::new(), None::<ScrubPlace>);
    loop {
        let part = store.scrub(place.take(), bytes).await.unwrap();
        place = part.next.clone();
        parts.push(part);
        if place.is_none() {
            return parts;
        }
        assert!(parts.len() < 10_000, "it does not end");
    }
}

async fn found(store: &SledStore, bytes: u64) -> Vec<Damage> {
    pass(store, bytes).await.into_iter().flat_map(|part| part.damaged).collect()
}

fn files(place: &Place, area: &str) -> Vec<PathBuf> {
    fn within(folder: PathBuf) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { within(path) } else { vec![path] }).collect()
    }
    within(place.config().folder.join("files").join(area))
}

#[tokio::test]
async fn every_part_is_small_and_together_they_are_everything() {
    let (place, _) = filled().await;
    let rows = place.plain_sled().iter().count() as u64;
    let store = place.open();
    let whole = pass(&store, u64::MAX).await;
    let sums = |parts: &[Scrubbed]| parts.iter().fold((0, 0), |sum, part| (sum.0 + part.values, sum.1 + part.bytes));
    assert_eq!(sums(&whole).0, rows + 2, "all rows and the two files");
    for bytes in [0, 100, 1_000, 10_000] {
        let parts = pass(&store, bytes).await;
        assert_eq!((sums(&parts), parts.iter().any(|part| !part.damaged.is_empty())), (sums(&whole), false), "{bytes}");
        // A part ends with the value that makes it full: no value of the sample is larger than this.
        assert!(parts.iter().all(|part| part.bytes < bytes + 4_096), "{bytes}: {parts:?}");
        assert!(bytes > 0 || parts.iter().all(|part| part.values <= 1));
    }
}

#[tokio::test]
async fn what_is_damaged_is_told_with_its_execution_and_the_rest_is_looked_at() {
    let (place, _) = filled().await;
    let keys = Keys::of(TENANT);
    let plain = place.plain_sled();
    for key in [keys.record(of(2).id), keys.line(of(1).id, 2), keys.document(KIND, "small")] {
        let mut value = plain.get(&key).unwrap().unwrap().to_vec();
        *value.last_mut().unwrap() ^= 1;
        plain.insert(key, value).unwrap();
    }
    plain.insert(b"strange", b"").unwrap();
    drop(plain);
    for path in files(&place, "values").into_iter().chain(files(&place, "blobs")) {
        std::fs::write(path, b"other bytes").unwrap();
    }
    let store = place.open();
    for bytes in [0, u64::MAX] {
        let mut found = found(&store, bytes).await;
        found.sort_by(|one, other| one.at.cmp(&other.at));
        let told: Vec<_> = found.iter().map(|one| (one.at.as_str(), one.execution)).collect();
        let [record, line] = [of(2), of(1)];
        let starts = [
            ("blob sha256:", None),
            ("document \"large\"", None),
            ("document \"small\"", None),
            ("key [73", None),
            ("line 2 of the journal", Some(line)),
            ("the record of", Some(record)),
        ];
        assert_eq!(told.len(), starts.len(), "{found:#?}");
        for ((at, execution), (start, expected)) in told.iter().zip(starts) {
            assert!(at.starts_with(start) && *execution == expected, "{at} {execution:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_file_is_damage_and_a_bad_one_that_nothing_names_is_not() {
    let (place, _) = filled().await;
    let file = files(&place, "values").remove(0);
    let store = place.open();
    let unused = Digest([0xab; 32]);
    let folder = file.parent().unwrap().parent().unwrap().join("ab");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(unused.hex()), b"not its bytes").unwrap();
    assert_eq!(found(&store, u64::MAX).await, []);
    std::fs::remove_file(file).unwrap();
    let found = found(&store, u64::MAX).await;
    assert!(found.len() == 1 && found[0].at.starts_with("document \"large\"") && found[0].what.contains("missing"));
}
