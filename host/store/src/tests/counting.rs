//! Executions that have not ended are counted as they come and go, and the count is what a walk would find, whatever happened.

use super::checks::{Plain, of, step};
use super::{Place, TENANT, commit};
use crate::counts::{Count, walk};
use crate::keys::Keys;
use crate::{Offline, SledStore};
use stepwell_core::ids::{Shard, TenantId};
use stepwell_engine::ports::{Erasure, Lease, RecordStatus, Store, Transition};

const STATES: [RecordStatus; 5] = RecordStatus::ALL;

async fn counted(store: &SledStore) -> Count {
    let [unfinished, parked] = [RecordStatus::Unfinished, RecordStatus::Parked];
    [store.count(TENANT, unfinished).await.unwrap(), store.count(TENANT, parked).await.unwrap()]
}

/// What the row says must be what a walk finds.
async fn agrees(store: &SledStore) -> Count {
    let tree = store.tree();
    let count = counted(store).await;
    let row = tree.get(Keys::of(TENANT).counts()).unwrap();
    assert_eq!(row.map_or(Ok(Count::default()), |row| crate::counts::read(&row, TENANT)), Ok(count));
    assert_eq!(walk(tree, TENANT), Ok(count));
    count
}

#[tokio::test]
async fn the_count_is_what_a_walk_finds_after_every_change() {
    let place = Place::new();
    let mut store = place.open();
    assert_eq!(counted(&store).await, [0, 0]);
    let mut lines = [0u32; 8];
    let mut number = 1u32;
    for round in 0..120usize {
        // A fixed walk through executions and states, several in one group: some repeat the state, some are refused.
        let mut group: Vec<Transition> = Vec::new();
        for _ in 0..=round % 4 {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (which, state) = ((number >> 24) as usize % 8, (number >> 16) as usize % 5);
            let mut transition = step(of(which as u8), lines[which], STATES[state]);
            if number.is_multiple_of(11) {
                transition.execution.as_mut().unwrap().journal[0].seq += 7;
            } else {
                lines[which] += 1;
            }
            group.push(transition);
        }
        store.commit(group).await;
        agrees(&store).await;
        if round % 13 == 0 {
            drop(store);
            store = place.open();
            agrees(&store).await;
        }
    }
    assert!(store.count(TENANT, RecordStatus::Completed).await.unwrap() > 0);
    assert_eq!(store.count(TenantId(77), RecordStatus::Parked).await, Ok(0));
}

#[tokio::test]
async fn a_store_without_the_row_and_one_whose_row_is_damaged_are_counted() {
    let place = Place::new();
    let store = place.open();
    for number in 1..=5 {
        assert_eq!(commit(&store, step(of(number), 0, RecordStatus::Parked)).await, Ok(()));
    }
    drop(store);
    let row = Keys::of(TENANT).counts();
    let good = place.plain_sled().get(&row).unwrap().unwrap();
    for bad in [None, Some(&b"bad"[..])] {
        let plain = place.plain_sled();
        match bad {
            Some(bad) => plain.insert(&row, bad).unwrap(),
            None => plain.remove(&row).unwrap(),
        };
        drop(plain);
        let store = place.open();
        assert_eq!(counted(&store).await, [0, 5], "{bad:?}");
        drop(store);
    }
    // The next change writes it again.
    let store = place.open();
    assert_eq!(commit(&store, step(of(6), 0, RecordStatus::Unfinished)).await, Ok(()));
    assert_eq!(agrees(&store).await, [1, 5]);
    drop(store);
    place.plain_sled().insert(&row, good).unwrap();
    let check = |repair| {
        place.settle();
        Offline::open(place.config().folder).unwrap().check(&Plain, repair, &mut |_| {}).unwrap()
    };
    let found = check(false);
    assert_eq!((found.found, found.findings[0].code), (1, "index_stale"), "{found:?}");
    assert!(check(true).is_well() && check(false).found == 0);
    assert_eq!(agrees(&place.open()).await, [1, 5]);
}

#[tokio::test]
async fn what_is_erased_or_purged_is_not_counted() {
    let place = Place::new();
    let store = place.open();
    for (number, state) in [(1, RecordStatus::Completed), (2, RecordStatus::Parked), (3, RecordStatus::Unfinished)] {
        assert_eq!(commit(&store, step(of(number), 0, state)).await, Ok(()));
    }
    let lease = |shard: Shard| Lease { shard, epoch: 1 };
    for number in [1, 2] {
        let of = of(number);
        let erasure = Erasure { tenant: TENANT, id: of.id, lease: lease(of.shard()), lines: 9, documents: Vec::new() };
        assert_eq!(store.erase(erasure).await.is_ok(), number == 1);
        assert_eq!(agrees(&store).await, [1, 1]);
    }
    while store.purge(TENANT, 3).await.unwrap() > 0 {}
    assert_eq!(counted(&store).await, [0, 0]);
    assert_eq!(store.tree().get(Keys::of(TENANT).counts()), Ok(None));
}
