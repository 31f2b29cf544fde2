//! Values of any size: where a store changes the way it keeps them, nobody notices.

use super::Subject;
use super::sample::{ACME, KIND, claim, commit, document, key, put, record};
use crate::ports::{DocumentWrite, Expect, Line, Page, RecordStatus, Store};
use bytes::Bytes;

/// Around the 3.5 KiB of `storage.md` (rail 2), and sizes of real payloads.
const SIZES: [usize; 8] = [0, 1, 3_583, 3_584, 3_585, 4_097, 200 << 10, 4 << 20];

/// Bytes that differ by size and place.
fn bytes(size: usize) -> Bytes {
    (0..size).map(|n| (n * 31 + n / 251 + size) as u8).collect()
}

/// Journal lines, records, documents; also after reopening.
pub async fn values_of_every_size_read_back_exactly(subject: &mut dyn Subject) {
    let store = subject.open().await;
    for (seq, size) in (0..).zip(SIZES) {
        let value = bytes(size);
        let mut state = record(RecordStatus::Unfinished, "");
        state.body = value.clone();
        let line = Line { seq, entry: value.clone() };
        let mut transition = claim(&*store, key(1), vec![line], Some(state.clone()));
        let write = document(&format!("{size:08}"), None, Expect::Absent);
        transition.documents.push(DocumentWrite { value: Some(value), ..write });
        assert_eq!(commit(&*store, transition).await, Ok(()), "{size} bytes");
        // Compared without printing megabytes.
        assert!(store.record(key(1)).await == Ok(Some(state)), "record of {size} bytes");
    }
    check(&*store).await;
    drop(store);
    check(&*subject.open().await).await;
}

async fn check(store: &dyn Store) {
    let journal = store.journal(key(1), 0, 99).await.expect("journals can be read");
    let documents = store.documents(ACME, KIND, "", Page { after: None, limit: 99 }).await;
    let documents = documents.expect("lists can be read");
    assert_eq!((journal.len(), documents.len()), (SIZES.len(), SIZES.len()));
    for ((size, line), (name, value)) in SIZES.into_iter().zip(&journal).zip(&documents) {
        assert!(line.entry == bytes(size) && *value == bytes(size), "{size} bytes");
        let one = store.document(ACME, KIND, name).await.expect("documents can be read");
        assert!(one == Some(bytes(size)), "document of {size} bytes");
    }
    let state = store.record(key(1)).await.expect("records can be read").expect("there is one");
    assert!(Some(state.body) == SIZES.last().map(|size| bytes(*size)));
}

/// [`Expect::Value`] compares all bytes, wherever they are.
pub async fn large_values_can_be_expected(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let write = |value: Option<Bytes>, expect| put(ACME, DocumentWrite { value, ..document("k", None, expect) });
    let mut last = Expect::Absent;
    for size in SIZES {
        let mut almost = bytes(size).to_vec();
        almost.push(0);
        let group = vec![
            write(Some(bytes(size)), last),
            write(None, Expect::Value(almost.clone().into())),
            write(Some(almost.into()), Expect::Value(bytes(size))),
            write(None, Expect::Value(bytes(size))),
            write(Some(bytes(size)), Expect::Anything),
        ];
        let written: Vec<_> = store.commit(group).await.iter().map(Result::is_ok).collect();
        assert_eq!(written, [true, false, true, false, true], "{size} bytes");
        last = Expect::Value(bytes(size));
    }
}
