//! A journal is dense from 0 on.

use super::Subject;
use super::sample::{append, commit, journal, key, lines};
use crate::ports::{CommitError, Line};
use bytes::Bytes;

/// The refusal says which number comes next.
pub async fn a_gap_or_a_repetition_in_a_journal_is_a_conflict(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let conflict = |expected, given| Err(CommitError::Conflict { id: key(1).id, expected, given });
    let line = |seq| Line { seq, entry: Bytes::from_static(b"x") };
    assert_eq!(commit(&*store, append(&*store, key(1), 1, &["early"])).await, conflict(0, 1));
    assert_eq!(commit(&*store, append(&*store, key(1), u32::MAX, &["early"])).await, conflict(0, u32::MAX));
    assert_eq!(commit(&*store, append(&*store, key(1), 0, &["a", "b"])).await, Ok(()));
    assert_eq!(commit(&*store, append(&*store, key(1), 1, &["again"])).await, conflict(2, 1));
    assert_eq!(commit(&*store, append(&*store, key(1), 3, &["gap"])).await, conflict(2, 3));
    for (journal, given) in [(vec![line(2), line(4)], 4), (vec![line(2), line(2)], 2)] {
        let transition = super::sample::claim(&*store, key(1), journal, None);
        assert_eq!(commit(&*store, transition).await, conflict(3, given));
    }
    assert_eq!(journal(&*store, key(1)).await, lines(0, &["a", "b"]));
    // Another execution counts for itself.
    assert_eq!(commit(&*store, append(&*store, key(2), 0, &["a"])).await, Ok(()));
}

/// In their order.
pub async fn one_claim_writes_many_lines(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let entries: Vec<_> = (0..300).map(|n| format!("entry {n}")).collect();
    let entries: Vec<_> = entries.iter().map(String::as_str).collect();
    assert_eq!(commit(&*store, append(&*store, key(1), 0, &entries)).await, Ok(()));
    assert_eq!(journal(&*store, key(1)).await, lines(0, &entries));
}

/// From any line on, as many as were asked for.
pub async fn journals_are_read_by_pages(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let group = vec![append(&*store, key(1), 0, &["a", "b", "c"]), append(&*store, key(2), 0, &["other"])];
    assert_eq!(store.commit(group).await, [Ok(()), Ok(())]);
    let all = ["a", "b", "c"];
    for from in 0..5u32 {
        for limit in 0..5 {
            let rest = all.get(from as usize..).unwrap_or_default();
            let expected = lines(from, &rest[..limit.min(rest.len())]);
            assert_eq!(store.journal(key(1), from, limit).await, Ok(expected), "{limit} from {from}");
        }
    }
    assert_eq!(store.journal(key(1), u32::MAX, 9).await, Ok(vec![]));
    assert_eq!(store.journal(key(3), 0, 9).await, Ok(vec![]));
}
