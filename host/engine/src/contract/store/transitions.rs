//! All or nothing, in order, and for good.

use super::Subject;
use super::sample::{ACME, append, claim, commit, document, journal, key, lines, put, read, record};
use crate::ports::{CommitError, Expect, RecordStatus};
use bytes::Bytes;

/// Neither the journal, nor the record, nor a document of a refused transition is written; what refuses may come last.
pub async fn a_refused_transition_leaves_no_trace(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let whole = |first, expect| {
        let record = Some(record(RecordStatus::Unfinished, "state"));
        let mut transition = claim(&*store, key(1), lines(first, &["entry"]), record);
        transition.documents = vec![document("a", Some("1"), Expect::Anything), document("b", Some("2"), expect)];
        transition
    };
    let absent = Err(CommitError::Unexpected { key: "b".to_owned() });
    assert_eq!(commit(&*store, whole(0, Expect::Value(Bytes::new()))).await, absent);
    let conflict = Err(CommitError::Conflict { id: key(1).id, expected: 0, given: 1 });
    assert_eq!(commit(&*store, whole(1, Expect::Absent)).await, conflict);

    assert_eq!(journal(&*store, key(1)).await, []);
    assert_eq!(store.record(key(1)).await, Ok(None));
    assert_eq!(store.unfinished(key(1).shard(), None, 9).await, Ok(vec![]));
    assert_eq!((read(&*store, "a").await, read(&*store, "b").await), (None, None));

    assert_eq!(commit(&*store, whole(0, Expect::Absent)).await, Ok(()));
    assert_eq!(journal(&*store, key(1)).await, lines(0, &["entry"]));
    assert_eq!(store.record(key(1)).await, Ok(Some(record(RecordStatus::Unfinished, "state"))));
    assert_eq!(read(&*store, "b").await.as_deref(), Some(&b"2"[..]));
}

/// Order counts within a group, and a refusal in the middle of it changes nothing for the others.
pub async fn a_later_transition_of_a_group_sees_the_earlier_ones(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let one = Expect::Value(Bytes::from_static(b"1"));
    let group = vec![
        append(&*store, key(1), 0, &["a"]),
        append(&*store, key(1), 0, &["again"]),
        append(&*store, key(1), 1, &["b"]),
        put(ACME, document("d", Some("1"), Expect::Absent)),
        put(ACME, document("d", Some("9"), Expect::Absent)),
        put(ACME, document("d", None, one.clone())),
        put(ACME, document("d", Some("9"), one)),
        put(ACME, document("d", Some("3"), Expect::Absent)),
    ];
    let conflict = CommitError::Conflict { id: key(1).id, expected: 1, given: 0 };
    let unexpected = || Err(CommitError::Unexpected { key: "d".to_owned() });
    let answers = vec![Ok(()), Err(conflict), Ok(()), Ok(()), unexpected(), Ok(()), unexpected(), Ok(())];
    assert_eq!(store.commit(group).await, answers);
    assert_eq!(journal(&*store, key(1)).await, lines(0, &["a", "b"]));
    assert_eq!(read(&*store, "d").await.as_deref(), Some(&b"3"[..]));
}

/// Groups larger than what a store writes at once, and empty ones.
pub async fn a_group_of_any_length_is_answered_in_its_order(subject: &mut dyn Subject) {
    let store = subject.open().await;
    assert_eq!(store.commit(Vec::new()).await, []);
    // Every third one is a repetition.
    let group = (0..900).map(|n| append(&*store, key(1), n - n / 3 - u32::from(n % 3 == 2), &["x"])).collect();
    let answers = store.commit(group).await;
    assert_eq!(answers.len(), 900);
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_ok(), n % 3 != 2, "answer {n}: {answer:?}");
    }
    assert_eq!(journal(&*store, key(1)).await.len(), 600);
}

/// And a reopened store goes on where it was.
pub async fn what_was_acknowledged_is_there_after_reopening(subject: &mut dyn Subject) {
    for round in 0..4u32 {
        let store = subject.open().await;
        assert_eq!(journal(&*store, key(1)).await.len() as u32, round * 2);
        let state = round.checked_sub(1).map(|last| record(RecordStatus::Unfinished, &last.to_string()));
        assert_eq!(store.record(key(1)).await, Ok(state));
        let new = Some(record(RecordStatus::Unfinished, &round.to_string()));
        let new = claim(&*store, key(1), lines(round * 2, &["a", "b"]), new);
        assert_eq!(commit(&*store, new).await, Ok(()));
        let conflict = CommitError::Conflict { id: key(1).id, expected: round * 2 + 2, given: 0 };
        assert_eq!(commit(&*store, append(&*store, key(1), 0, &["stale"])).await, Err(conflict));
    }
}

/// Many writers at once: one of those who claim the same line gets it, and nothing else is lost.
pub async fn concurrent_groups_are_each_written_once(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let writer = |number: u8| {
        let store = &store;
        async move {
            let mut won = 0;
            for seq in 0..16 {
                let own = append(&**store, key(number), seq, &["own"]);
                let answers = store.commit(vec![own, append(&**store, key(99), seq, &["shared"])]).await;
                assert_eq!(answers[0], Ok(()));
                won += usize::from(answers[1].is_ok());
            }
            won
        }
    };
    let won = futures_util::future::join_all((0..32).map(writer)).await;
    let shared = journal(&*store, key(99)).await;
    assert_eq!((shared.len(), won.iter().sum::<usize>()), (16, 16));
    for number in 0..32 {
        assert_eq!(journal(&*store, key(number)).await.len(), 16);
    }
}
