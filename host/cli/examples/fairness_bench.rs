//! What one tenant feels of another: a real server, over HTTP. Tenant A floods all slots with functions that compute without end; meanwhile
//! requests are made, and tenant B runs a small workflow. Idle and busy rounds take turns, so that a noisy machine is noisy for both.
//!
//! `cargo build --release && cargo run --release --example fairness_bench -- target/release/stepwell [rounds] [samples of a round]`
//! after `cargo guests`. Printed are p50 and p99 in milliseconds, idle and busy, and their ratio.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark measures real time"
)]

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use ureq::Agent;

const OPERATOR: &str = "fairness-bench-operator-key-0123456789";
/// Executions of tenant A that are under way: more than there are slots.
const FLOOD: usize = 200;

/// Somebody who asks.
struct Client {
    agent: Agent,
    address: String,
    key: String,
}

impl Client {
    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", kind)
            .body(body.to_vec())
            .expect("a request");
        let mut answer = self.agent.run(request).expect("an answer");
        let text = answer.body_mut().read_to_string().expect("a body");
        assert!(answer.status().is_success(), "{method} {path}: {} {text}", answer.status());
        serde_json::from_str(&text).expect("JSON")
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.send("POST", path, "application/json", body.to_string().as_bytes())
    }

    fn get(&self, path: &str) -> Value {
        self.send("GET", path, "application/json", b"")
    }

    fn with_key(&self, key: &str) -> Self {
        Self { agent: self.agent.clone(), address: self.address.clone(), key: key.to_owned() }
    }

    /// A new tenant and somebody of it.
    fn tenant(&self, id: &str) -> Self {
        self.post("/tenants", &json!({"id": id}));
        let key = self.post(&format!("/tenants/{id}/keys"), &json!({"scopes": ["admin", "deploy", "trigger", "read"]}));
        self.with_key(key["key"].as_str().expect("a key"))
    }

    /// A function and a workflow of just it.
    fn deploy(&self, workflow: &str, guest: &str) {
        let path = PathBuf::from("target/guests").join(format!("fixtures/{guest}.wasm"));
        let wasm = std::fs::read(&path).expect("built by `cargo guests`");
        self.send("PUT", &format!("/functions/{guest}"), "application/wasm", &wasm);
        let step = json!({"id": "only", "type": "function", "function": guest, "config": {"timeout": "10m"}});
        self.post("/workflows", &json!({"id": workflow, "steps": [step]}));
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(program: &str, data: &std::path::Path) -> (Server, Client) {
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--fuel", "1000000000000", "--data"]).arg(data);
    let mut child = command.env("STEPWELL_ADMIN_KEY", OPERATOR).stdout(Stdio::piped()).spawn().expect("starts");
    let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let address = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
    let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
    let client = Client { agent, address: address.expect("it listens"), key: OPERATOR.to_owned() };
    (Server(child), client)
}

/// One thing that is measured.
struct Series {
    name: &'static str,
    idle: Vec<f64>,
    busy: Vec<f64>,
}

impl Series {
    fn new(name: &'static str) -> Self {
        Self { name, idle: Vec::new(), busy: Vec::new() }
    }

    fn measure(&mut self, is_busy: bool, what: impl FnOnce()) {
        let start = Instant::now();
        what();
        let took = start.elapsed().as_secs_f64() * 1_000.0;
        if is_busy { self.busy.push(took) } else { self.idle.push(took) }
    }

    fn print(&mut self) {
        let mut line = format!("{:<22}", self.name);
        for part in [50, 99] {
            let (idle, busy) = (percentile(&mut self.idle, part), percentile(&mut self.busy, part));
            line += &format!("  p{part} {idle:8.2} -> {busy:8.2} ms, x{:5.2}", busy / idle);
        }
        println!("{line}  (n = {} and {})", self.idle.len(), self.busy.len());
    }
}

fn percentile(values: &mut [f64], part: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() * part / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// By the number of a tenant's attempts that run.
fn wait_until(tenant: &Client, wanted: impl Fn(u64) -> bool) {
    let running = || tenant.get("/usage")["quotas"]["attempts_running"]["used"].as_u64().expect("a number");
    while !wanted(running()) {
        std::thread::yield_now();
    }
}

/// Tenant A takes all that it can get; gives what is under way.
fn flood(hostile: &Client) -> Vec<String> {
    let start = |_| hostile.post("/workflows/trigger", &json!({"workflowId": "spin"}))["executionId"].clone();
    let ids: Vec<String> = (0..FLOOD).map(start).map(|id| id.as_str().expect("an id").to_owned()).collect();
    wait_until(hostile, |running| running > 0);
    ids
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().expect("the server's program");
    let rounds: usize = arguments.next().map_or(6, |text| text.parse().expect("a number"));
    let samples: usize = arguments.next().map_or(100, |text| text.parse().expect("a number"));
    let data = tempfile::tempdir().expect("a folder");
    let (_server, operator) = serve(&program, &data.path().join("data"));
    let (hostile, other) = (operator.tenant("hostile"), operator.tenant("other"));
    hostile.deploy("spin", "loops_forever");
    other.deploy("small", "echo");
    let small = || {
        let ended = other.post("/workflows/trigger?wait=60s", &json!({"workflowId": "small", "input": {"n": 1}}));
        assert_eq!(ended["status"], "completed", "{ended}");
    };
    (0..20).for_each(|_| small());
    let mut series = [Series::new("GET /healthz"), Series::new("GET /workflows/{id}"), Series::new("B: trigger?wait")];
    for round in 0..rounds * 2 {
        let is_busy = round % 2 == 1;
        let under_way = if is_busy { flood(&hostile) } else { Vec::new() };
        for _ in 0..samples {
            series[0].measure(is_busy, || drop(operator.get("/healthz")));
            series[1].measure(is_busy, || drop(other.get("/workflows/small")));
            series[2].measure(is_busy, small);
        }
        for id in under_way {
            hostile.post(&format!("/workflows/executions/{id}/cancel"), &json!({}));
        }
        wait_until(&hostile, |running| running == 0);
    }
    series.iter_mut().for_each(Series::print);
}
