//! The engine on fakes: a host that dies at any commit, functions that fail, results that come too late.
//!
//! A life is one process: its own tokio runtime with paused time. Dropping it is `kill -9`: no task gets to say good-bye.
#![allow(clippy::needless_pass_by_value, reason = "definitions read better with values than with references")]

mod approvals;
mod audit;
mod callbacks;
mod control;
mod crashes;
mod effects;
mod events;
mod following;
mod hosts;
mod limiting;
mod limits;
mod lists;
mod logs;
mod parking;
mod registry;
mod retention;
mod rotation;
mod schedules;
mod secrets;
mod secrets_in_steps;
mod sending;
mod starts;
mod suspects;
mod webhooks;

use crate::fakes::{FakeClock, FakeEntropy, FakeRuntime, FaultPoint, MemoryNotes, MemoryStore};
use crate::ports::{Artifact, Clock, Egress, Entropy, ExecutionKey, Fault, Invocation, NoEgress, Runtime, Store};
use crate::{Engine, Error, Keyring, Limits, Ports, SealingKey, StartRequest, Upload, codec};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwell_core::execution::{Entry, Trigger};
use stepwell_core::failure::Retry;
use stepwell_core::grants::Policy;
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;

pub const TENANT: TenantId = TenantId::DEFAULT;

/// The key that seals what is on a [`Disk`].
pub fn master_key() -> SealingKey {
    SealingKey::parse(&"5a".repeat(32)).expect("a key")
}

/// The commits before this one are those of [`Disk::new`], and the signing key of the first start.
pub const FIRST_COMMIT: u64 = 2;

/// What survives a process.
pub struct Disk {
    pub store: Arc<MemoryStore>,
    pub notes: Arc<MemoryNotes>,
    pub lives: u64,
    pub calls: Arc<Mutex<Vec<Invocation>>>,
    pub egress: Arc<dyn Egress>,
}

impl Disk {
    pub fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        // Here, so that the check value's commit is none of those that a test counts.
        let first = Keyring::new(Arc::clone(&store) as Arc<dyn Store>, Arc::new(FakeEntropy::new(1)), master_key());
        futures_util::FutureExt::now_or_never(first).expect("memory answers at once").expect("the first key");
        let store = Arc::new(store.reopen());
        Self { store, notes: Arc::default(), lives: 0, calls: Arc::default(), egress: Arc::new(NoEgress) }
    }

    /// The next process on the same disk. It ends when `life` does, or when the store dies under it: then the answer is `None`.
    pub fn life<T, F: Future<Output = T>>(
        &mut self,
        runtime: FakeRuntime,
        life: impl FnOnce(Engine) -> F,
    ) -> Option<T> {
        if self.lives > 0 {
            self.notes = Arc::new(self.notes.reopen());
        }
        self.lives += 1;
        let tokio =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("tokio");
        let (store, notes, lives) = (Arc::clone(&self.store), Arc::clone(&self.notes), self.lives);
        let (calls, egress) = (runtime.calls(), Arc::clone(&self.egress));
        let result = tokio.block_on(async move {
            let entropy: Arc<dyn Entropy> = Arc::new(FakeEntropy::new(lives * 7919));
            let keyring = Keyring::new(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&entropy), master_key()).await;
            let ports = Ports {
                public_url: "https://stepwell.example".to_owned(),
                store: Arc::clone(&store) as Arc<dyn Store>,
                runtime: Arc::new(runtime) as Arc<dyn Runtime>,
                clock: Arc::new(FakeClock::new(Timestamp(1_700_000_000_000 + lives * 1_000_000))) as Arc<dyn Clock>,
                entropy,
                notes,
                keyring: Arc::new(keyring.expect("the right key")),
                egress,
                policy: Policy::default(),
            };
            let alive = async { life(Engine::start(ports, Limits::default()).await.expect("starts")).await };
            tokio::select! {
                biased;
                () = store.crashed() => None,
                result = alive => Some(result),
            }
        });
        self.notes.kill();
        drop(tokio); // every task ends here, wherever it is
        self.calls.lock().expect("calls").extend(calls.lock().expect("calls").drain(..));
        self.store = Arc::new(self.store.reopen());
        result
    }

    /// The entries of an execution's journal.
    pub fn journal(&self, id: &str) -> Vec<Entry> {
        let key = ExecutionKey { tenant: TENANT, id: id.parse().expect("id") };
        let lines = futures_util::FutureExt::now_or_never(self.store.journal(key, 0, 10_000));
        let lines = lines.expect("memory answers at once").expect("reads");
        lines.iter().map(|line| codec::decode_entry(&line.entry).expect("decodes").1).collect()
    }

    /// How often each step was called, and under which idempotency keys.
    pub fn calls_by_step(&self) -> BTreeMap<String, Vec<String>> {
        let mut by_step: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for call in self.calls.lock().expect("calls").iter() {
            by_step.entry(call.context.step.clone()).or_default().push(call.context.idempotency_key.clone());
        }
        by_step
    }
}

/// A diamond with a condition before it: five functions, all kinds of edges.
pub fn order() -> Value {
    let retried = json!({"retries": 2, "retry": {"delay": 50}});
    json!({"id": "order", "steps": [
        {"id": "validate", "type": "function", "function": "validate", "next": "paid", "config": retried},
        {"id": "paid", "type": "condition", "condition": "result.at === 'validate'", "next": ["stock", "mail"], "config": {"else": "refuse"}},
        {"id": "stock", "type": "function", "function": "stock", "next": "ship", "config": retried},
        {"id": "mail", "type": "function", "function": "mail", "next": "ship", "config": retried},
        {"id": "ship", "type": "function", "function": "ship", "config": retried},
        {"id": "refuse", "type": "function", "function": "refuse"}
    ]})
}

/// `{at: <step>, keys: [...]}`: which step it is, and what it was given.
pub fn own_step(call: &Invocation) -> Result<Payload, Fault> {
    let input = call.input.to_value();
    let keys: Vec<&String> = input.as_object().into_iter().flatten().map(|(key, _)| key).collect();
    Ok(Payload::from_value(&json!({"at": call.context.step, "keys": keys})))
}

pub fn retryable(code: &str) -> Fault {
    let retry = Retry::Again { after_ms: None };
    Fault::Failed { code: code.into(), message: format!("{code} happened"), details: None, retry }
}

/// Registers the workflow's functions and the workflow.
pub async fn deploy(engine: &Engine, workflow: Value) -> Result<(), Error> {
    for step in workflow["steps"].as_array().into_iter().flatten() {
        if let Some(id) = step["function"].as_str() {
            let upload = Upload::new(id, Artifact::wasm(id.to_owned()));
            engine.registry().deploy(TENANT, upload).await?;
        }
    }
    match engine.registry().create_workflow(TENANT, workflow).await {
        Ok(_) | Err(Error::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

pub fn request(workflow: &str, key: Option<&str>) -> StartRequest {
    StartRequest {
        workflow: workflow.to_owned(),
        input: Some(Payload::from_value(&json!({"n": 1}))),
        trigger: Trigger::api(Some("test".into())),
        idempotency_key: key.map(str::to_owned),
        patient: false,
    }
}

/// Starts, waits for the end, and gives the answer of the API.
pub async fn run(engine: &Engine, workflow: &str) -> Value {
    let id = engine.start_execution(TENANT, request(workflow, Some("the-order"))).await.expect("starts").to_string();
    finished(engine, &id).await
}

pub async fn finished(engine: &Engine, id: &str) -> Value {
    let answer = engine.status(TENANT, id, Some(Duration::from_secs(3_600))).await.expect("answers");
    serde_json::from_str(&answer).expect("JSON")
}
