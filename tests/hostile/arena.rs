//! Where an attack takes place: a server, the tenant that attacks, and another one that works.

use crate::support::{Answer, Client, Server, failure};
use crate::witness::{Witness, prepare};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Enough for a tenth of a second of computing: an attacker may have more, but it would be more of the same.
const FUEL: &str = "300000000";

/// How guests are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// By the sandbox alone.
    Thread,
    /// By the sandbox, in a process of the tenant's own.
    Process,
}

impl Isolation {
    pub const ALL: [Self; 2] = [Self::Thread, Self::Process];

    pub fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Process => "process",
        }
    }
}

/// What came of an attempt to run something.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// The upload was refused, with this code.
    Refused(String),
    /// The call failed, with this code.
    Failed(String),
    /// It answered.
    Answered(Value),
}

impl Fate {
    /// A code of a failed call.
    pub fn failed(code: &str) -> Self {
        Self::Failed(code.to_owned())
    }

    /// A code of a refused upload.
    pub fn refused(code: &str) -> Self {
        Self::Refused(code.to_owned())
    }
}

pub struct Arena {
    server: Server,
    /// The tenant that attacks.
    pub mallory: Client,
    /// The tenant that must not notice.
    pub acme: Client,
    witness: Mutex<Option<Witness>>,
    uploads: AtomicU32,
}

impl Arena {
    pub fn new(isolation: Isolation, args: &[&str]) -> Self {
        let mut all = args.to_vec();
        if !args.contains(&"--fuel") {
            all.extend(["--fuel", FUEL]);
        }
        all.extend(["--isolation", isolation.name()]);
        let server = Server::start_with(&all);
        let (mallory, acme) = (server.client.tenant("mallory"), server.client.tenant("acme"));
        // Both go as fast as they can, which is faster than a tenant may by default.
        for tenant in ["mallory", "acme"] {
            server
                .client
                .patch(&format!("/tenants/{tenant}"), &json!({"quotas": {"starts_per_second": 5_000}}))
                .ok(200);
        }
        prepare(&acme);
        let witness = Mutex::new(Some(Witness::start(acme.clone())));
        Self { server, mallory, acme, witness, uploads: AtomicU32::new(0) }
    }

    /// Where the server's own files are.
    pub fn folder(&self) -> std::path::PathBuf {
        self.server.folder().path().join("data")
    }

    /// The other tenant stops working: how long each of its executions took.
    pub fn pause(&self) -> Vec<Duration> {
        let working = self.witness.lock().expect("nobody panicked").take();
        working.map_or_else(Vec::new, Witness::stop)
    }

    /// The other tenant goes on.
    pub fn resume(&self) {
        *self.witness.lock().expect("nobody panicked") = Some(Witness::start(self.acme.clone()));
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The server is there, and the other tenant has worked all the time.
    pub fn close(mut self) {
        let worked = self.pause();
        assert!(!worked.is_empty() && self.server.is_alive());
        assert_eq!(self.acme.get("/readyz").ok(200)["status"], "ready");
    }

    /// Uploads under a fresh id.
    pub fn upload(&self, wasm: &[u8]) -> Result<String, Box<Answer>> {
        let id = format!("attack-{}", self.uploads.fetch_add(1, Ordering::Relaxed));
        let answer = self.mallory.put_wasm(&format!("/functions/{id}"), wasm);
        if answer.status == 200 { Ok(id) } else { Err(Box::new(answer)) }
    }

    /// The code with which an upload is refused.
    pub fn refusal(&self, wasm: &[u8]) -> String {
        match self.upload(wasm) {
            Err(answer) => answer.error(422),
            Ok(id) => panic!("{id} was accepted"),
        }
    }

    /// Uploads a component and calls it once.
    pub fn fate(&self, wasm: &[u8]) -> Fate {
        self.fate_with(wasm, &json!({"n": 1}))
    }

    /// The same with this input.
    pub fn fate_with(&self, wasm: &[u8], input: &Value) -> Fate {
        match self.upload(wasm) {
            Ok(id) => self.call(&id, input),
            Err(answer) => Fate::Refused(answer.error(422)),
        }
    }

    /// Uploads a script and calls it once.
    pub fn script(&self, source: &str) -> Fate {
        match self.upload_script(source) {
            Ok(id) => self.call(&id, &json!({"n": 1})),
            Err(answer) => Fate::Refused(answer.error(422)),
        }
    }

    /// Uploads a script under a fresh id.
    pub fn upload_script(&self, source: &str) -> Result<String, Box<Answer>> {
        let id = format!("script-{}", self.uploads.fetch_add(1, Ordering::Relaxed));
        let answer = self.mallory.put_script(&format!("/functions/{id}"), source);
        if answer.status == 200 { Ok(id) } else { Err(Box::new(answer)) }
    }

    /// Calls a function directly.
    pub fn call(&self, id: &str, input: &Value) -> Fate {
        let answer = self.mallory.post("/functions/execute", &json!({"functionId": id, "input": input}));
        if answer.status == 200 { Fate::Answered(answer.body) } else { Fate::Failed(answer.error(422)) }
    }

    /// Uploads a function that asks for grants; it must be accepted.
    pub fn upload_granted(&self, wasm: &[u8], grants: &str) -> String {
        self.try_upload_granted(wasm, grants).unwrap_or_else(|answer| panic!("{:#}", answer.body))
    }

    /// The same of one that may be refused.
    pub fn try_upload_granted(&self, wasm: &[u8], grants: &str) -> Result<String, Box<Answer>> {
        let id = format!("granted-{}", self.uploads.fetch_add(1, Ordering::Relaxed));
        let headers = [("content-type", "application/wasm"), ("stepwell-grants", grants)];
        let answer = self.mallory.send("PUT", &format!("/functions/{id}"), &headers, wasm);
        match answer.status {
            200 => Ok(id),
            400..500 => Err(Box::new(answer)),
            _ => panic!("{:#}", answer.body),
        }
    }

    /// Calls a function as the only step of a workflow, with this input and a timeout.
    pub fn step(&self, function: &str, input: &Value, timeout: &str) -> Fate {
        let config = json!({"input": input, "timeout": timeout});
        let steps = json!([{"id": "only", "type": "function", "function": function, "config": config}]);
        let name = format!("step-{}", self.uploads.fetch_add(1, Ordering::Relaxed));
        let mut ended = self.run(&json!({"name": name, "steps": steps}), &json!({}));
        if ended["status"] == "completed" {
            return Fate::Answered(ended["result"].take());
        }
        Fate::Failed(failure(&ended).0)
    }

    /// A workflow of the attacker's, started; its end.
    pub fn run(&self, definition: &Value, input: &Value) -> Value {
        let workflow = self.mallory.post("/workflows", definition).ok(201);
        self.mallory.run(workflow["id"].as_str().expect("id"), input)
    }
}
