//! Random histories: the store answers as the store in memory does, and holds the same afterwards.

use super::Subject;
use super::sample::{ACME, OTHER, execution, lease};
use crate::fakes::MemoryStore;
use crate::ports::{
    Claim, DocumentKind, DocumentWrite, ExecutionFilter, ExecutionKey, Expect, Lease, Line, Page, Record, RecordStatus,
    Store, Transition,
};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

/// Histories per run. Each is a store of its own.
const HISTORIES: u32 = 48;
const TENANTS: [TenantId; 2] = [ACME, OTHER];
const KINDS: [DocumentKind; 2] = [DocumentKind::Workflow, DocumentKind::Setting];
const EXECUTIONS: u8 = 3;
const KEYS: [&str; 5] = ["", "a", "a/1", "a/2", "b"];

#[derive(Debug, Clone)]
enum Move {
    Commit(Vec<Change>),
    Reopen,
}

/// A transition that does not know yet what the journal holds.
#[derive(Debug, Clone)]
struct Change {
    tenant: TenantId,
    claim: Option<ChangedExecution>,
    documents: Vec<DocumentWrite>,
}

#[derive(Debug, Clone)]
struct ChangedExecution {
    number: u8,
    /// How far from where the journal ends when the group is made; mostly 0.
    offset: i8,
    entries: Vec<Bytes>,
    record: Option<Record>,
    epoch_offset: u64,
}

fn value() -> impl Strategy<Value = Bytes> {
    let short = vec(any::<u8>(), 0..3).prop_map(Bytes::from);
    let long = (any::<u8>(), prop_oneof![Just(3_584), Just(3_585), Just(9_000)]);
    prop_oneof![6 => short, 1 => long.prop_map(|(byte, size)| Bytes::from(vec![byte % 3; size]))]
}

fn record() -> impl Strategy<Value = Record> {
    let place = (0..RecordStatus::ALL.len(), proptest::option::of(0..4u64), 0..3u64, 0..2usize);
    (place, vec(any::<u8>(), 0..3), value()).prop_map(|((status, wake, created, workflow), outline, body)| {
        let status = RecordStatus::ALL[status];
        Record {
            status,
            created: Timestamp(created),
            wake: wake.filter(|_| status == RecordStatus::Parked).map(Timestamp),
            workflow: ["order", "a"][workflow].to_owned(),
            outline: Bytes::from(outline),
            body,
        }
    })
}

fn document() -> impl Strategy<Value = DocumentWrite> {
    let expect =
        prop_oneof![2 => Just(Expect::Anything), 1 => Just(Expect::Absent), 1 => value().prop_map(Expect::Value)];
    (0..KINDS.len(), 0..KEYS.len(), proptest::option::of(value()), expect).prop_map(|(kind, key, value, expect)| {
        DocumentWrite { kind: KINDS[kind], key: KEYS[key].to_owned(), value, expect }
    })
}

fn change() -> impl Strategy<Value = Change> {
    let offset = prop_oneof![8 => Just(0i8), 1 => Just(-1i8), 1 => Just(1i8)];
    let epoch = prop_oneof![12 => Just(0u64), 1 => Just(1u64)];
    let claim = (0..EXECUTIONS, offset, vec(value(), 0..4), proptest::option::of(record()), epoch).prop_map(
        |(number, offset, entries, record, epoch_offset)| ChangedExecution {
            number,
            offset,
            entries,
            record,
            epoch_offset,
        },
    );
    (0..TENANTS.len(), proptest::option::of(claim), vec(document(), 0..3))
        .prop_map(|(tenant, claim, documents)| Change { tenant: TENANTS[tenant], claim, documents })
}

fn history() -> impl Strategy<Value = Vec<Move>> {
    let group = vec(change(), 0..6).prop_map(Move::Commit);
    vec(prop_oneof![12 => group, 1 => Just(Move::Reopen)], 1..20)
}

/// Runs random histories against the store and the model; the smallest one that tells them apart is printed.
///
/// # Panics
/// When they differ.
pub fn agrees(subject: impl Fn() -> Box<dyn Subject>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let config = Config { cases: HISTORIES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&history(), |moves| {
        runtime.block_on(play(subject(), moves));
        Ok(())
    });
    if let Err(difference) = outcome {
        panic!("{difference}");
    }
}

async fn play(mut subject: Box<dyn Subject>, moves: Vec<Move>) {
    let model = MemoryStore::new();
    let mut store = subject.open().await;
    for step in moves {
        match step {
            Move::Commit(changes) => {
                let group = group(&model, changes).await;
                assert_eq!(store.commit(group.clone()).await, model.commit(group).await);
            }
            Move::Reopen => {
                drop(store);
                store = subject.open().await;
            }
        }
        compare(&*store, &model).await;
    }
}

/// The transitions, their lines counted from the end that the model's journal will have, as far as all are accepted.
async fn group(model: &MemoryStore, changes: Vec<Change>) -> Vec<Transition> {
    let mut ends = std::collections::BTreeMap::new();
    let mut group = Vec::new();
    for change in changes {
        let claim = match change.claim {
            Some(changed) => {
                let key = ExecutionKey { tenant: change.tenant, id: execution(changed.number) };
                let end = match ends.get(&key) {
                    Some(end) => *end,
                    None => super::sample::journal(model, key).await.len() as u32,
                };
                ends.insert(key, end + changed.entries.len() as u32);
                Some(claim(model, key, end, changed))
            }
            None => None,
        };
        group.push(Transition { tenant: change.tenant, execution: claim, documents: change.documents });
    }
    group
}

fn claim(model: &MemoryStore, key: ExecutionKey, end: u32, changed: ChangedExecution) -> Claim {
    let lease = lease(model, key.shard());
    let lines = (end.saturating_add_signed(changed.offset.into())..=u32::MAX).zip(changed.entries);
    Claim {
        id: key.id,
        lease: Lease { epoch: lease.epoch + changed.epoch_offset, ..lease },
        journal: lines.map(|(seq, entry)| Line { seq, entry }).collect(),
        record: changed.record,
    }
}

fn filters() -> [ExecutionFilter; 4] {
    let all = ExecutionFilter::default();
    let open = [RecordStatus::Unfinished, RecordStatus::Parked].into_iter().collect();
    let workflow = Some("order".to_owned());
    [
        ExecutionFilter { statuses: Some(open), workflow: workflow.clone(), ..all.clone() },
        ExecutionFilter { statuses: Some([RecordStatus::Completed].into_iter().collect()), ..all.clone() },
        ExecutionFilter { workflow, since: Some(Timestamp(1)), ..all.clone() },
        all,
    ]
}

async fn compare(store: &dyn Store, model: &MemoryStore) {
    for tenant in TENANTS {
        for key in (0..EXECUTIONS).map(|number| ExecutionKey { tenant, id: execution(number) }) {
            assert_eq!(store.record(key).await, model.record(key).await);
            assert_eq!(store.journal(key, 0, 999).await, model.journal(key, 0, 999).await);
            let shard = key.shard();
            assert_eq!(store.unfinished(shard, None, 9).await, model.unfinished(shard, None, 9).await);
            let until = Timestamp(2);
            assert_eq!(store.due(shard, None, until, 9).await, model.due(shard, None, until, 9).await);
        }
        for filter in filters() {
            let expected = model.executions(tenant, &filter, None, 2).await.expect("memory can be read");
            let after = expected.next;
            assert_eq!(store.executions(tenant, &filter, None, 2).await, Ok(expected));
            let rest = model.executions(tenant, &filter, after, 2).await;
            assert_eq!(store.executions(tenant, &filter, after, 2).await, rest);
        }
        for kind in KINDS {
            let page = Page { after: None, limit: 99 };
            let expected = model.documents(tenant, kind, "", page.clone()).await;
            assert_eq!(store.documents(tenant, kind, "", page).await, expected);
        }
    }
}
