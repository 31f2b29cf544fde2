//! Several lines of one transition in one row: read, continued, checked, moved and removed as if each were alone.

use super::checks::{Plain, of, step};
use super::{Place, TENANT, commit};
use crate::keys::Keys;
use crate::value::INLINE_BYTES;
use crate::{Offline, SledConfig, SledStore, import};
use bytes::Bytes;
use stepwell_engine::ports::{
    Claim, CommitError, ExecutionKey, Lease, Line, RecordStatus, Store, StoreError, Transition,
};

fn entry(seq: u32) -> Bytes {
    format!("entry {seq}").into()
}

/// A transition that adds these lines to an execution, as it is now.
fn adds(of: ExecutionKey, lines: std::ops::Range<u32>) -> Transition {
    let journal = lines.map(|seq| Line { seq, entry: entry(seq) }).collect();
    let claim = Claim { id: of.id, lease: Lease { shard: of.shard(), epoch: 1 }, journal, record: None };
    Transition { tenant: TENANT, execution: Some(claim), documents: Vec::new() }
}

/// An execution that ends with line 6: 0 alone, 1 to 5 together, 6 alone.
async fn ended(place: &Place) -> SledStore {
    let store = place.open();
    for transition in
        [step(of(1), 0, RecordStatus::Unfinished), adds(of(1), 1..6), step(of(1), 6, RecordStatus::Completed)]
    {
        assert_eq!(commit(&store, transition).await, Ok(()));
    }
    store
}

fn expected(seq: u32) -> Line {
    Line { seq, entry: if matches!(seq, 0 | 6) { Bytes::from_static(b"entry") } else { entry(seq) } }
}

/// Changes one byte of the row of lines 1 to 5; counted from its end if `at` is negative.
fn damage(place: &Place, at: isize) {
    let plain = place.plain_sled();
    let key = Keys::of(TENANT).line(of(1).id, 1);
    let mut value = plain.get(&key).unwrap().unwrap().to_vec();
    let length = value.len();
    value[length.checked_add_signed(at).filter(|_| at < 0).unwrap_or(at.unsigned_abs())] ^= 1;
    plain.insert(key, value).unwrap();
}

/// What a check finds: code and place.
fn found(place: &Place) -> Vec<(&'static str, String)> {
    place.settle();
    let report = Offline::open(place.config().folder).unwrap().check(&Plain, false, &mut |_| {}).unwrap();
    report.findings.into_iter().map(|finding| (finding.code, finding.at)).collect()
}

/// Where a pass through the store in use finds damage.
async fn scrubbed(place: &Place) -> Vec<String> {
    let seen = place.open().scrub(None, u64::MAX).await.unwrap();
    seen.damaged.into_iter().map(|damage| damage.at).collect()
}

fn line(seq: u32) -> String {
    format!("line {seq} of the journal of {} of tenant-1", of(1).id)
}

#[tokio::test]
async fn lines_of_a_transition_are_one_row_and_every_page_of_them_is_read() {
    let place = Place::new();
    let store = ended(&place).await;
    for from in 0..9 {
        for limit in 0..9 {
            let page: Vec<Line> = (from..7).take(limit).map(expected).collect();
            assert_eq!(store.journal(of(1), from, limit).await, Ok(page), "{limit} from {from}");
        }
    }
    drop(store);
    assert_eq!(place.plain_sled().scan_prefix(b"j").count(), 3);
    assert_eq!(found(&place), []);
    assert_eq!(scrubbed(&place).await, [""; 0]);
    let sizes = Offline::open(place.config().folder).unwrap().sizes().unwrap();
    assert_eq!(sizes.tenants[&TENANT].journals.count, 7);
}

#[tokio::test]
async fn a_journal_goes_on_behind_them_and_nowhere_else() {
    let place = Place::new();
    let mut store = place.open();
    assert_eq!(commit(&store, adds(of(1), 0..4)).await, Ok(()));
    for is_remembered in [true, false] {
        for given in [0, 1, 3, 5] {
            let conflict = CommitError::Conflict { id: of(1).id, expected: 4, given };
            assert_eq!(commit(&store, adds(of(1), given..given + 3)).await, Err(conflict), "{is_remembered}");
        }
        drop(store);
        store = place.open();
    }
    // Within a transition, too.
    let mut gap = adds(of(1), 4..7);
    if let Some(claim) = &mut gap.execution {
        claim.journal.remove(1);
    }
    let conflict = CommitError::Conflict { id: of(1).id, expected: 5, given: 6 };
    assert_eq!(commit(&store, gap).await, Err(conflict));
    assert_eq!(store.journal(of(1), 4, 9).await, Ok(vec![]));
    assert_eq!(store.commit(vec![adds(of(1), 4..6), adds(of(1), 6..8)]).await, [Ok(()), Ok(())]);
    assert_eq!(store.journal(of(1), 0, 99).await.unwrap().len(), 8);
}

#[tokio::test]
async fn lines_that_are_too_long_together_take_as_many_rows_as_they_need() {
    let place = Place::new();
    let store = place.open();
    let lengths = [9, INLINE_BYTES, 9, INLINE_BYTES + 1, 9, 9, INLINE_BYTES, INLINE_BYTES];
    let mut transition = adds(of(1), 0..8);
    for (line, length) in transition.execution.iter_mut().flat_map(|claim| &mut claim.journal).zip(lengths) {
        line.entry = vec![b'x'; length].into();
    }
    assert_eq!(commit(&store, transition).await, Ok(()));
    drop(store);
    let plain = place.plain_sled();
    let rows: Vec<_> = plain.scan_prefix(b"j").values().map(Result::unwrap).collect();
    assert!(rows.len() == 4 && rows.iter().all(|row| row.len() <= 4_096), "{}", rows.len());
    drop((plain, rows));
    let store = place.open();
    let found: Vec<_> = store.journal(of(1), 0, 99).await.unwrap().iter().map(|line| line.entry.len()).collect();
    assert_eq!(found, lengths);
    // The file of the large one is named by its row, and stays.
    for part in (0..=u8::MAX).chain(0..=u8::MAX) {
        assert_eq!(store.collect(TENANT, part).await, Ok(0));
    }
}

#[tokio::test]
async fn damage_to_one_line_leaves_its_neighbours() {
    let place = Place::new();
    drop(ended(&place).await);
    damage(&place, -1); // the last byte of line 5
    assert_eq!(found(&place), [("value_damaged", line(5))]);
    let store = place.open();
    assert_eq!(store.journal(of(1), 0, 5).await.unwrap().len(), 5);
    assert_eq!(store.journal(of(1), 6, 9).await, Ok(vec![expected(6)]));
    for (from, limit) in [(0, 6), (3, 9), (5, 1)] {
        let told = store.journal(of(1), from, limit).await;
        assert!(matches!(told, Err(StoreError::Damaged { ref at, .. }) if *at == line(5)), "{told:?}");
    }
    drop(store);
    let mut out = Vec::new();
    let exported = Offline::open(place.config().folder).unwrap().export("now", &mut out, &mut |_| {}).unwrap();
    assert_eq!((exported.entries, exported.damaged), (6, 1));
    assert_eq!(scrubbed(&place).await, [line(5)]);
}

#[tokio::test]
async fn a_row_that_does_not_say_what_is_in_it_is_damage_wherever_one_reads() {
    for at in [0, 1, 2, 4, 8, 9] {
        let place = Place::new();
        let store = place.open();
        assert_eq!(commit(&store, step(of(1), 0, RecordStatus::Unfinished)).await, Ok(()));
        assert_eq!(commit(&store, adds(of(1), 1..6)).await, Ok(()));
        drop(store);
        damage(&place, at);
        let codes = found(&place);
        assert_eq!(codes, [("value_damaged", line(1))], "byte {at}");
        assert_eq!(scrubbed(&place).await, [line(1)], "byte {at}");
        let store = place.open();
        for from in [0, 1, 3, 6] {
            let told = store.journal(of(1), from, 9).await;
            assert!(matches!(told, Err(StoreError::Damaged { .. })), "byte {at}, from {from}: {told:?}");
        }
        // Nor is anything written behind what cannot be counted; but it can be set aside.
        for seq in [2, 6] {
            let refused = commit(&store, adds(of(1), seq..seq + 1)).await;
            assert!(matches!(refused, Err(CommitError::Store(StoreError::Damaged { .. }))), "{refused:?}");
        }
        let mut aside = step(of(1), 0, RecordStatus::Quarantined);
        aside.execution.iter_mut().for_each(|claim| claim.journal.clear());
        assert_eq!(commit(&store, aside).await, Ok(()));
    }
}

#[tokio::test]
async fn an_export_has_every_line_and_an_import_reads_them_again() {
    let place = Place::new();
    drop(ended(&place).await);
    let mut out = Vec::new();
    let exported = Offline::open(place.config().folder).unwrap().export("now", &mut out, &mut |_| {}).unwrap();
    assert_eq!((exported.entries, exported.damaged), (7, 0));
    let folder = place.0.path().join("imported");
    import(out.as_slice(), &folder, &mut |_| {}).await.unwrap();
    let imported = SledStore::open(&SledConfig::new(&folder)).unwrap();
    assert_eq!(imported.journal(of(1), 0, 99).await, Ok((0..7).map(expected).collect()));
}

#[tokio::test]
async fn they_are_removed_one_by_one() {
    let place = Place::new();
    let store = ended(&place).await;
    for (left, is_whole) in [(5, false), (3, false), (1, false), (0, true)] {
        let lease = Lease { shard: of(1).shard(), epoch: 1 };
        let erasure =
            stepwell_engine::ports::Erasure { tenant: TENANT, id: of(1).id, lease, lines: 2, documents: Vec::new() };
        assert_eq!(store.erase(erasure).await.unwrap().is_whole, is_whole, "{left}");
        assert_eq!(store.journal(of(1), 0, 99).await, Ok((0..left).map(expected).collect()));
    }
}
