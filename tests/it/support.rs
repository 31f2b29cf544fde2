//! A server of one's own for each test, and a client that shows what went wrong.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;
use ureq::Agent;

/// Long enough for `STEPWELL_ADMIN_KEY`.
pub const KEY: &str = "test-admin-key-0123456789-0123456789";

/// The program under test.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepwell"));
    for own in ["STEPWELL_ADMIN_KEY", "STEPWELL_MASTER_KEY", "STEPWELL_MASTER_KEY_FILE"] {
        command.env_remove(own);
    }
    // However full the disk of whoever runs the tests is.
    command.envs([("STEPWELL_DISK_LOW", "100"), ("STEPWELL_DISK_HIGH", "100")]);
    command.env("STEPWELL_LOG", "warn,stepwell::guest=warn");
    command
}

/// Where `cargo guests` leaves what it builds.
pub fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests")
}

/// All files in a folder, and in those within it.
pub fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_of(&path) } else { vec![path] }).collect()
}

/// The bytes of a guest: an example function's id, or `fixtures/<name>`.
pub fn guest(name: &str) -> Vec<u8> {
    let path = guests().join(format!("{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; build the guests with `cargo guests`", path.display()))
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    pub first_lines: Vec<String>,
    pub client: Client,
    data: std::sync::Arc<TempDir>,
    args: Vec<String>,
}

/// An answer: status, headers that matter, body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub request_id: String,
    pub link: String,
    pub etag: String,
    pub body: Value,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more arguments of `serve`.
    pub fn start_with(args: &[&str]) -> Self {
        let data = std::sync::Arc::new(tempfile::tempdir().expect("a folder"));
        Self::on(data, args.iter().map(|arg| (*arg).to_owned()).collect(), Some(KEY))
    }

    pub fn on(data: std::sync::Arc<TempDir>, args: Vec<String>, key: Option<&str>) -> Self {
        Self::spawn(program(), data, args, key)
    }

    /// With so much logged to a file.
    pub fn logging(file: std::fs::File, filter: &str) -> Self {
        Self::logging_on(std::sync::Arc::new(tempfile::tempdir().expect("a folder")), file, filter)
    }

    /// The same on this folder.
    pub fn logging_on(data: std::sync::Arc<TempDir>, file: std::fs::File, filter: &str) -> Self {
        let mut command = program();
        command.env("STEPWELL_LOG", filter).stderr(file);
        Self::spawn(command, data, vec![], Some(KEY))
    }

    fn spawn(mut command: Command, data: std::sync::Arc<TempDir>, args: Vec<String>, key: Option<&str>) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data.path().join("data")).args(&args);
        command.envs(key.map(|key| ("STEPWELL_ADMIN_KEY", key))).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let mut first_lines = Vec::new();
        let address = loop {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).expect("reads") > 0, "the server ended before it listened");
            if let Some(address) = line.trim_end().strip_prefix("listening on ") {
                break address.to_owned();
            }
            first_lines.push(line.trim_end().to_owned());
        };
        let client = Client { agent: agent(), address, key: key.unwrap_or_default().to_owned() };
        Self { child, _stdout: stdout, first_lines, client, data, args }
    }

    /// `kill -9`, and a new process on the same folder.
    pub fn kill_and_restart(mut self) -> Self {
        self.kill();
        Self::on(std::sync::Arc::clone(&self.data), self.args.clone(), Some(KEY))
    }

    /// A new process on the folder of one that has ended.
    pub fn restart(self) -> Self {
        Self::on(std::sync::Arc::clone(&self.data), self.args.clone(), Some(KEY))
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("kills");
        self.child.wait().expect("ends");
    }

    /// SIGTERM, and nothing else.
    pub fn signal_term(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signals");
    }

    /// SIGTERM; returns whether it ended well.
    pub fn terminate(&mut self) -> bool {
        self.signal_term();
        self.child.wait().expect("ends").success()
    }

    pub fn folder(&self) -> std::sync::Arc<TempDir> {
        std::sync::Arc::clone(&self.data)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("asks").is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).build().new_agent()
}

/// Speaks to a server.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    pub address: String,
    pub key: String,
}

impl Client {
    /// The same without a key, as strangers come.
    pub fn stranger(&self) -> Self {
        Self { key: String::new(), ..self.clone() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// The same with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// For the operator: a new tenant, and its first administrator.
    pub fn tenant(&self, id: &str) -> Self {
        self.post("/tenants", &json!({ "id": id })).ok(201);
        self.key_of(id, &["admin"])
    }

    /// For the operator: somebody with these scopes in a tenant.
    pub fn key_of(&self, id: &str, scopes: &[&str]) -> Self {
        let made =
            self.post(&format!("/tenants/{id}/keys"), &json!({ "scopes": scopes, "subject": "somebody" })).ok(201);
        self.with_key(made["key"].as_str().expect("a key"))
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"")
    }

    pub fn put_wasm(&self, path: &str, wasm: &[u8]) -> Answer {
        self.send("PUT", path, &[("content-type", "application/wasm")], wasm)
    }

    pub fn put_script(&self, path: &str, source: &str) -> Answer {
        self.send("PUT", path, &[("content-type", "text/javascript")], source.as_bytes())
    }

    /// Any request; headers given here come on top of the key's.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let (parts, text) = self.exchange(method, path, headers, body);
        let header = |name| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let (content_type, request_id) = (header("content-type"), header("x-request-id"));
        let (etag, link) = (header("etag"), header("link"));
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{method} {path} answered no JSON: {text:?}"));
        let answer = Answer { status: parts.status.as_u16(), content_type, request_id, etag, link, body };
        crate::described::check(method, path, &answer);
        answer
    }

    /// As [`Client::send`], for answers that need not be JSON.
    pub fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (ureq::http::response::Parts, String) {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.address));
        if !self.key.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_vec()).expect("a request");
        let response = self.agent.run(request).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let (parts, mut body) = response.into_parts();
        let bytes = body.with_config().limit(64 << 20).read_to_vec().expect("a body");
        (parts, String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Uploads a guest under an id; it must be accepted.
    pub fn upload(&self, id: &str, wasm: &[u8]) -> Value {
        self.put_wasm(&format!("/functions/{id}"), wasm).ok(200)
    }

    /// A workflow of one function step, triggered; its end.
    pub fn run_step(&self, function: &str, input: &Value, config: &Value) -> Value {
        let step = json!({"id": "only", "type": "function", "function": function, "config": config});
        let workflow = self.post("/workflows", &json!({"name": function, "steps": [step]})).ok(201);
        self.run(workflow["id"].as_str().expect("id"), input)
    }

    /// Triggers and waits for the end.
    pub fn run(&self, workflow: &str, input: &Value) -> Value {
        let started = self.post("/workflows/trigger", &json!({"workflowId": workflow, "input": input})).ok(200);
        self.end(started["executionId"].as_str().expect("id"))
    }

    /// Waits for the end of an execution.
    pub fn end(&self, id: &str) -> Value {
        for _ in 0..20 {
            let answer = self.get(&format!("/workflows/executions/{id}?wait=10s")).ok(200);
            if matches!(answer["status"].as_str(), Some("completed" | "failed")) {
                return answer;
            }
        }
        panic!("{id} does not end");
    }
}

impl Answer {
    /// The body, if the status is this one.
    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// The code, if it is an error with this status and in the one form that errors have.
    pub fn error(&self, status: u16) -> String {
        let body = &self.body;
        assert_eq!(
            (self.status, &body["statusCode"], &body["status"]),
            (status, &json!(status), &json!(status)),
            "{body:#}"
        );
        assert_eq!(self.content_type, "application/problem+json");
        for key in ["type", "title", "detail", "instance", "code", "message", "requestId"] {
            assert!(body[key].as_str().is_some_and(|text| !text.is_empty()), "{key} is missing: {body:#}");
        }
        assert!(body["errors"].is_array() && body["message"] == body["detail"], "{body:#}");
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// What an execution failed with: (code, message).
pub fn failure(ended: &Value) -> (String, String) {
    assert_eq!(ended["status"], "failed", "{ended:#}");
    let details = &ended["errorDetails"];
    let text = |key: &str| details[key].as_str().unwrap_or_default().to_owned();
    assert!(ended["error"].as_str().is_some_and(|error| error.contains(&text("message"))), "{ended:#}");
    (text("code"), text("message"))
}
