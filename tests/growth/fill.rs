//! Waiting executions, and as many copies of them as are wanted.

use crate::measure::watch;
use crate::support::{KEY, Server};
use bytes::Bytes;
use serde_json::json;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stepwell_core::ids::{ExecutionId, TenantId, ulid};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{
    Claim, DocumentKind, DocumentWrite, ExecutionFilter, ExecutionKey, Expect, Line, Page, Record, RecordStatus, Store,
    Transition,
};
use stepwell_store::{SledConfig, SledStore};
use tempfile::TempDir;

const TENANT: TenantId = TenantId::DEFAULT;
/// Copies that are written at one time.
const GROUP: usize = 64;
/// What a waiting execution may have beside its journal.
const KINDS: [DocumentKind; 3] = [DocumentKind::Approval, DocumentKind::ApprovalIndex, DocumentKind::EventWait];

/// Makes the definitions and the four executions, and waits until they have left the memory.
pub fn prepare(folder: &Arc<TempDir>) {
    let server = Server::on(Arc::clone(folder), Vec::new(), Some(KEY));
    let step = |kind: &str, config| json!({"id": "s", "type": kind, "config": config});
    let approvers = json!({"approvers": ["ann@example.com"]});
    for (id, steps) in [
        ("person", json!([step("human", approvers.clone())])),
        ("timer", json!([step("wait", json!({"duration": "300d"}))])),
        ("event", json!([step("event", json!({"eventType": "order.paid"}))])),
        ("child", json!([step("human", approvers)])),
        ("parent", json!([step("workflow", json!({"workflow": "child"}))])),
        (
            "work",
            json!([
                {"id": "a", "type": "wait", "config": {"duration": 1}, "next": "b"},
                {"id": "b", "type": "wait", "config": {"duration": 1}}
            ]),
        ),
    ] {
        server.client.post("/workflows", &json!({"id": id, "name": id, "steps": steps})).ok(201);
    }
    for id in ["person", "timer", "event", "parent"] {
        server
            .client
            .post("/workflows/trigger", &json!({"workflowId": id, "input": {"text": "x".repeat(400)}}))
            .ok(200);
    }
    let mut server = server;
    loop {
        watch(&server.client, Duration::from_secs(3));
        server.kill();
        if Template::read(&folder.path().join("data/store")).executions.len() == 5 {
            return;
        }
        server = server.restart();
    }
}

/// One execution as it is stored.
struct Stored {
    id: ExecutionId,
    record: Record,
    journal: Vec<Line>,
    documents: Vec<(DocumentKind, String, Bytes)>,
}

/// What is copied: all that is parked.
pub struct Template {
    executions: Vec<Stored>,
}

impl Template {
    pub fn read(store: &Path) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        let store = SledStore::open(&SledConfig::new(store)).expect("opens");
        let executions = runtime.block_on(async {
            let parked =
                ExecutionFilter { statuses: Some([RecordStatus::Parked].into()), ..ExecutionFilter::default() };
            let listed = store.executions(TENANT, &parked, None, 9).await.expect("lists").items;
            let mut executions = Vec::new();
            for (key, _) in listed {
                let record = store.record(key).await.expect("reads").expect("a record");
                let journal = store.journal(key, 0, 99).await.expect("reads");
                let mut documents = Vec::new();
                for kind in KINDS {
                    let all = store.documents(TENANT, kind, "", Page { after: None, limit: 99 }).await.expect("reads");
                    let id = key.id.to_string();
                    let own = all
                        .into_iter()
                        .filter(|(key, value)| key.contains(&id) || String::from_utf8_lossy(value).contains(&id));
                    documents.extend(own.map(|(key, value)| (kind, key, value)));
                }
                executions.push(Stored { id: key.id, record, journal, documents });
            }
            executions
        });
        Self { executions }
    }
}

/// Other names for what is in the template: of executions and of approvals.
struct Names(Vec<(String, String)>);

impl Names {
    /// Those of the n-th copy.
    fn of(template: &Template, nth: u64) -> (Self, Vec<ExecutionId>) {
        let (mut names, mut ids) = (Vec::new(), Vec::new());
        for (execution, which) in template.executions.iter().zip(0u8..) {
            let id = copied(execution.id, nth, which);
            names.push((execution.id.to_string(), id.to_string()));
            for (_, key, _) in execution.documents.iter().filter(|(kind, ..)| *kind == DocumentKind::Approval) {
                names.push((key.clone(), format!("appr-{}", ulid(id.to_bytes()))));
            }
            ids.push(id);
        }
        (Self(names), ids)
    }

    fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    }

    fn bytes(&self, bytes: &Bytes) -> Bytes {
        // What is stored of an execution is JSON.
        std::str::from_utf8(bytes).map_or_else(|_| bytes.clone(), |text| Bytes::from(self.text(text)))
    }
}

/// Later ones were started later, a millisecond for each.
fn copied(id: ExecutionId, nth: u64, which: u8) -> ExecutionId {
    let bytes = id.to_bytes();
    let mut random = [which; 10];
    random
        .iter_mut()
        .zip(nth.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes())
        .for_each(|(byte, mixed)| *byte = mixed);
    let ms = bytes.iter().take(6).fold(0u64, |ms, byte| (ms << 8) | u64::from(*byte));
    ExecutionId::new(ms + nth, random)
}

/// Adds copies, so that there are as many executions as the end of the range says.
pub fn fill(folder: &Path, template: &Template, range: Range<usize>) {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let store = SledStore::open(&SledConfig { cache_bytes: 512 << 20, ..SledConfig::new(folder) }).expect("opens");
    let leases = store.leases();
    let each = template.executions.len();
    let mut group = Vec::new();
    for nth in (range.start / each) as u64..(range.end / each) as u64 {
        let (names, ids) = Names::of(template, nth + 1);
        for (execution, id) in template.executions.iter().zip(ids) {
            let key = ExecutionKey { tenant: TENANT, id };
            let lease = leases.iter().find(|lease| lease.shard == key.shard()).expect("the store has all shards");
            let journal = execution.journal.iter();
            let journal = journal.map(|line| Line { seq: line.seq, entry: names.bytes(&line.entry) }).collect();
            let record = Record {
                created: Timestamp(execution.record.created.0 + nth),
                body: names.bytes(&execution.record.body),
                outline: names.bytes(&execution.record.outline),
                ..execution.record.clone()
            };
            let documents = execution.documents.iter().map(|(kind, key, value)| DocumentWrite {
                kind: *kind,
                key: names.text(key),
                value: Some(names.bytes(value)),
                expect: Expect::Anything,
            });
            let claim = Claim { id, lease: *lease, journal, record: Some(record) };
            group.push(Transition { tenant: TENANT, execution: Some(claim), documents: documents.collect() });
        }
        if group.len() >= GROUP {
            write(&runtime, &store, std::mem::take(&mut group));
        }
    }
    write(&runtime, &store, group);
}

fn write(runtime: &tokio::runtime::Runtime, store: &SledStore, group: Vec<Transition>) {
    for answer in runtime.block_on(store.commit(group)) {
        answer.expect("written");
    }
}
