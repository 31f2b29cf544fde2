//! What waiting executions cost: starts many that wait for a person, a day at most, and prints the memory of this process before, while they are
//! under way, and when they are parked. `cargo run -p stepwell-store --example parked_memory -- 100000`
#![allow(clippy::expect_used, clippy::disallowed_methods, reason = "an example")]

use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stepwell_core::execution::Trigger;
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;
use stepwell_engine::fakes::{FakeEntropy, FakeRuntime, MemoryNotes};
use stepwell_engine::ports::{Clock, NoEgress, Store};
use stepwell_engine::{Engine, Keyring, Limits, Ports, SealingKey, StartRequest};
use stepwell_store::{SledConfig, SledStore};

const TENANT: TenantId = TenantId::DEFAULT;
/// Starts under way at once.
const WRITERS: usize = 256;

struct Wall;

#[async_trait::async_trait]
impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_millis(at.since(self.now()))).await;
    }
}

/// Resident memory of this process, MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

#[tokio::main]
async fn main() {
    let count: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(SledStore::open(&SledConfig::new(folder.path())).expect("opens"));
    let open = |store: Arc<SledStore>| async {
        let entropy = Arc::new(FakeEntropy::new(7));
        let master = SealingKey::parse(&"5a".repeat(32)).expect("a key");
        let port: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let keyring = Keyring::new(port, entropy.clone(), master).await.expect("the right key");
        let ports = Ports {
            store,
            runtime: Arc::new(FakeRuntime::new(|call| Ok(call.input.clone()))),
            clock: Arc::new(Wall),
            entropy,
            keyring: Arc::new(keyring),
            notes: Arc::new(MemoryNotes::default()),
            public_url: String::new(),
            egress: Arc::new(NoEgress),
            policy: stepwell_core::grants::Policy::default(),
        };
        Engine::start(ports, Limits::default()).await.expect("starts")
    };
    let engine = open(Arc::clone(&store)).await;
    let step = json!({"id": "ask", "type": "human", "config": {"approvers": ["ann@example.com"], "timeout": "24h"}});
    engine.registry().create_workflow(TENANT, json!({"id": "w", "steps": [step]})).await.expect("creates");
    println!("before: {:.0} MiB resident", resident());
    let began = Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let engine = engine.clone();
        tokio::spawn(async move {
            for _ in (writer..count).step_by(WRITERS) {
                let input = Payload::from_value(&json!({"text": "x".repeat(400)}));
                let trigger = Trigger::api(None);
                let start = StartRequest {
                    workflow: "w".to_owned(),
                    input: Some(input),
                    trigger,
                    idempotency_key: None,
                    patient: false,
                };
                engine.start_execution(TENANT, start).await.expect("starts");
            }
        })
    });
    let (mut most, mut highest) = (0, 0.0f64);
    let all = futures_util::future::join_all(writers.collect::<Vec<_>>());
    tokio::pin!(all);
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    loop {
        most = most.max(engine.in_memory());
        highest = highest.max(resident());
        tokio::select! {
            _ = &mut all => break,
            _ = looks.tick() => {}
        }
    }
    println!("{count} started in {:.1?}; at most {most} in memory, {highest:.0} MiB resident", began.elapsed());
    while engine.in_memory() > 0 {
        looks.tick().await;
        highest = highest.max(resident());
    }
    println!(
        "all parked after {:.1?}: 0 in memory, {:.0} MiB resident (at most {highest:.0})",
        began.elapsed(),
        resident()
    );
    let began = Instant::now();
    let again = open(Arc::clone(&store)).await;
    println!("a second start on the same store: {:.1?}, {} in memory", began.elapsed(), again.in_memory());
}
