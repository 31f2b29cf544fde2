//! Parked executions, their wakes, and lists of executions.

use super::Subject;
use super::sample::{ACME, OTHER, claim, commit, key, record};
use crate::ports::{
    CommitError, ExecutionFilter, ExecutionKey, LIST_LOOKS, ListPlace, OUTLINE_BYTES, Record, RecordStatus, Store,
    Transition,
};
use bytes::Bytes;
use stepwell_core::ids::{ExecutionId, Shard, TenantId};
use stepwell_core::time::Timestamp;

const END_OF_TIME: Timestamp = Timestamp(u64::MAX);

fn parked(wake: Option<u64>) -> Record {
    Record { wake: wake.map(Timestamp), ..record(RecordStatus::Parked, "state") }
}

fn write(store: &dyn Store, key: ExecutionKey, record: Record) -> Transition {
    claim(store, key, vec![], Some(record))
}

async fn list(store: &dyn Store, tenant: TenantId, filter: &ExecutionFilter) -> Vec<ExecutionKey> {
    let all = pages(store, tenant, filter, 50).await;
    all.into_iter().map(|(key, _)| key).collect()
}

async fn pages(
    store: &dyn Store,
    tenant: TenantId,
    filter: &ExecutionFilter,
    limit: usize,
) -> Vec<(ExecutionKey, RecordStatus)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.executions(tenant, filter, after, limit).await.expect("the list can be read");
        assert!(page.items.len() <= limit);
        found.extend(page.items.into_iter().map(|(key, summary)| (key, summary.status)));
        let Some(next) = page.next else { return found };
        assert!(after.is_none_or(|after: ListPlace| next.order() > after.order()), "the list stands still");
        after = Some(next);
    }
}

fn only(statuses: &[RecordStatus]) -> ExecutionFilter {
    ExecutionFilter { statuses: Some(statuses.iter().copied().collect()), ..ExecutionFilter::default() }
}

/// From any to any, and each index follows.
pub async fn a_status_may_go_any_way(subject: &mut dyn Subject) {
    use RecordStatus::{Completed, Failed, Parked, Quarantined, Unfinished};
    let shard = key(1).shard();
    let way = [Unfinished, Parked, Unfinished, Failed, Unfinished, Parked, Parked, Completed, Parked, Quarantined];
    for (round, status) in (1..).zip(way.into_iter().chain([Parked, Failed, Parked])) {
        let store = subject.open().await;
        let wake = (status == Parked).then_some(round);
        let state = Record { wake: wake.map(Timestamp), ..record(status, "state") };
        assert_eq!(commit(&*store, write(&*store, key(1), state.clone())).await, Ok(()));
        drop(store);
        let store = subject.open().await;
        assert_eq!(store.record(key(1)).await, Ok(Some(state)));
        let loaded = if status == Unfinished { vec![key(1)] } else { vec![] };
        assert_eq!(store.unfinished(shard, None, 9).await, Ok(loaded), "{status:?}");
        let due: Vec<_> = wake.map(|at| (Timestamp(at), key(1))).into_iter().collect();
        assert_eq!(store.due(shard, None, END_OF_TIME, 9).await, Ok(due), "{status:?}");
        for other in RecordStatus::ALL {
            let shown = if other == status { vec![key(1)] } else { vec![] };
            assert_eq!(list(&*store, ACME, &only(&[other])).await, shown, "{other:?} while {status:?}");
            assert_eq!(store.count(ACME, other).await, Ok(shown.len() as u64), "{other:?} while {status:?}");
            assert_eq!(store.count(OTHER, other).await, Ok(0));
        }
    }
}

/// By shard, across tenants, without those whose wake is gone; also from any of them on.
pub async fn wakes_come_in_the_order_of_time(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let shard = Shard(7);
    let of_shard = |tenant| {
        let all = (0u64..).map(move |n| ExecutionKey { tenant, id: ExecutionId::new(n, [n as u8; 10]) });
        all.filter(|key| key.shard() == shard).take(4)
    };
    let keys: Vec<_> = of_shard(ACME).chain(of_shard(OTHER)).collect();
    let at = [300, 255, 256, 0, 255, u64::MAX, 1, 70_000];
    let mut wakes: Vec<_> = at.into_iter().map(Timestamp).zip(keys.iter().copied()).collect();
    let park = |(at, key): &(Timestamp, ExecutionKey)| write(&*store, *key, parked(Some(at.0)));
    assert!(store.commit(wakes.iter().map(park).collect()).await.iter().all(Result::is_ok));
    // One later, one never, one not parked any more.
    wakes[0].0 = Timestamp(9_000);
    let group = vec![
        park(&wakes[0]),
        write(&*store, keys[1], parked(None)),
        write(&*store, keys[2], record(RecordStatus::Unfinished, "")),
    ];
    assert!(store.commit(group).await.iter().all(Result::is_ok));
    wakes.drain(1..3);
    wakes.sort_unstable();
    for until in [0, 1, 254, 255, 9_000, u64::MAX].map(Timestamp) {
        let due: Vec<_> = wakes.iter().copied().filter(|(at, _)| *at <= until).collect();
        assert_eq!(store.due(shard, None, until, 99).await, Ok(due.clone()), "until {until:?}");
        assert_eq!(store.due(shard, None, until, 1).await, Ok(due[..1].to_vec()), "the first until {until:?}");
        for (done, after) in (1..).zip(&wakes) {
            let rest = due.get(done..).unwrap_or_default().to_vec();
            assert_eq!(store.due(shard, Some(*after), until, 99).await, Ok(rest), "after {after:?}");
        }
    }
    assert_eq!(store.due(shard, None, END_OF_TIME, 0).await, Ok(vec![]));
    assert_eq!(store.due(Shard(shard.0 ^ 1), None, END_OF_TIME, 9).await, Ok(vec![]));
    // Where to go on may be an execution of another shard: only its order counts.
    let elsewhere = ExecutionKey { tenant: TenantId(0), ..key(1) };
    let after = Some((Timestamp(255), elsewhere));
    assert_eq!(store.due(shard, after, Timestamp(255), 9).await, Ok(vec![(Timestamp(255), keys[4])]));
}

/// Wakes of what is not parked, and outlines that are no outlines.
pub async fn records_that_make_no_sense_are_refused(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let awake = [RecordStatus::Unfinished, RecordStatus::Completed, RecordStatus::Failed, RecordStatus::Quarantined];
    let awake = awake.map(|status| Record { status, ..parked(Some(1)) });
    let outline = Bytes::from(vec![0; OUTLINE_BYTES + 1]);
    for bad in awake.into_iter().chain([Record { outline, ..parked(None) }]) {
        let refusal = commit(&*store, write(&*store, key(1), bad)).await;
        assert!(matches!(refusal, Err(CommitError::Invalid(_))), "{refusal:?}");
    }
    let longest = Record { outline: Bytes::from(vec![7; OUTLINE_BYTES]), ..parked(None) };
    for body in [0, 1_535, 1_536, 1_537, 3_584, 9_000] {
        let state = Record { body: Bytes::from(vec![1; body]), ..longest.clone() };
        assert_eq!(commit(&*store, write(&*store, key(1), state.clone())).await, Ok(()));
        assert!(store.record(key(1)).await == Ok(Some(state.clone())), "a body of {body} bytes");
        let listed = store.executions(ACME, &ExecutionFilter::default(), None, 9).await.expect("lists can be read");
        assert_eq!(listed.items, [(key(1), state.summary())]);
    }
}

/// Pages of any length meet each one once, whatever the filter.
pub async fn lists_show_the_newest_first(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let workflows = ["a", "aa", "order"];
    let all: Vec<_> = (0..30u8)
        .map(|n| {
            let state = Record {
                status: RecordStatus::ALL[usize::from(n) % 5],
                created: Timestamp([5, 1 << 40, 300, 255][usize::from(n / 2) % 4]),
                workflow: workflows[usize::from(n) % 3].to_owned(),
                outline: Bytes::from(vec![n]),
                ..record(RecordStatus::Failed, "state")
            };
            (key(n), state)
        })
        .collect();
    let group = all.iter().map(|(key, state)| write(&*store, *key, state.clone())).collect();
    assert!(store.commit(group).await.iter().all(Result::is_ok));
    let mut sorted: Vec<_> = all.iter().map(|(key, state)| (*key, state.summary())).collect();
    sorted.sort_by_key(|(key, state)| (std::cmp::Reverse(state.created), key.id));
    let statuses = [vec![], vec![RecordStatus::Parked], vec![RecordStatus::Completed, RecordStatus::Failed]];
    let statuses = statuses.map(|some| Some(some.into_iter().collect()));
    for statuses in statuses.into_iter().chain([None]) {
        for workflow in [None, Some("a"), Some("order"), Some("none"), Some("a\0b"), Some("")] {
            for since in [None, Some(Timestamp(255)), Some(Timestamp(256)), Some(END_OF_TIME)] {
                let workflow = workflow.map(str::to_owned);
                let filter = ExecutionFilter { workflow, statuses: statuses.clone(), since };
                let expected: Vec<_> = sorted.iter().filter(|(_, state)| filter.takes(state)).cloned().collect();
                let whole = store.executions(ACME, &filter, None, 99).await.expect("the list can be read");
                assert_eq!((whole.items, whole.next), (expected.clone(), None), "{filter:?}");
                let expected: Vec<_> = expected.into_iter().map(|(key, state)| (key, state.status)).collect();
                for limit in [1, 4] {
                    assert_eq!(pages(&*store, ACME, &filter, limit).await, expected, "pages of {limit}, {filter:?}");
                }
            }
        }
    }
    assert_eq!(list(&*store, OTHER, &ExecutionFilter::default()).await, []);
}

/// A place in a list need not be an execution's, or not any more; nor must it be within the filter.
pub async fn a_list_goes_on_at_any_place(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let state = |created| Record { created: Timestamp(created), ..record(RecordStatus::Completed, "") };
    let group = vec![write(&*store, key(1), state(10)), write(&*store, key(2), state(20))];
    assert!(store.commit(group).await.iter().all(Result::is_ok));
    let ends = [0, u8::MAX].map(|byte| ExecutionId::from_bytes([byte; 16]));
    for (created, id, since, shown) in [
        (u64::MAX, ends[0], 0, 2),
        (20, ends[0], 0, 2),
        (20, ends[1], 0, 1),
        (15, ends[0], 0, 1),
        (15, ends[0], 15, 0),
        (10, ends[1], 10, 0),
        (0, ends[1], 0, 0),
        (5, ends[0], 30, 0),
    ] {
        let filter = ExecutionFilter { since: Some(Timestamp(since)), ..ExecutionFilter::default() };
        let place = ListPlace { created: Timestamp(created), id };
        let page = store.executions(ACME, &filter, Some(place), 9).await.expect("the list can be read");
        assert_eq!((page.items.len(), page.next), (shown, None), "{place:?} since {since}");
    }
}

/// A filter that fits few of many answers with a place to go on.
pub async fn a_list_looks_at_a_bounded_number_of_executions(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let id = |n: u16| ExecutionId::new(u64::from(n), [n.to_le_bytes()[0]; 10]);
    let start = |n: u16| {
        let status = if n == 0 { RecordStatus::Failed } else { RecordStatus::Completed };
        let state = Record { created: Timestamp(n.into()), ..record(status, "") };
        write(&*store, ExecutionKey { tenant: ACME, id: id(n) }, state)
    };
    let count = LIST_LOOKS as u16 * 2 + 10;
    assert!(store.commit((0..count).map(start).collect()).await.iter().all(Result::is_ok));
    let filter = ExecutionFilter { workflow: Some("order".to_owned()), ..only(&[RecordStatus::Failed]) };
    let (mut calls, mut after) = (0, None);
    let found = loop {
        let page = store.executions(ACME, &filter, after, 9).await.expect("the list can be read");
        calls += 1;
        if page.next.is_none() {
            break page.items;
        }
        assert_eq!(page.items, [], "the oldest comes last");
        after = page.next;
    };
    assert_eq!((calls, found.len()), (3, 1));
    // By status alone it is found at once.
    let at_once = store.executions(ACME, &only(&[RecordStatus::Failed]), None, 9).await.expect("the list can be read");
    assert_eq!((at_once.items.len(), at_once.next), (1, None));
}
