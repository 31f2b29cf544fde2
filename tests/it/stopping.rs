//! Ends that somebody waits for, ends that are wanted at once, and starts that fail before they change anything.

use crate::raw::Raw;
use crate::support::{KEY, Server, guest, program};
use serde_json::json;
use std::net::TcpListener;
use std::sync::Arc;

/// A workflow whose one step is called and takes a minute.
fn sleeping(server: &Server) -> String {
    server.client.upload("slow", &guest("fixtures/sleeps"));
    let step = json!({"id": "a", "type": "function", "function": "slow", "config": {"timeout": "60s"}});
    server.client.post("/workflows", &json!({"id": "slow", "steps": [step]})).ok(201);
    let started = server.client.post("/workflows/trigger", &json!({"workflowId": "slow"})).ok(200);
    let path = format!("/workflows/executions/{}", started["executionId"].as_str().expect("id"));
    while server.client.get(&path).ok(200)["status"] != "running" {}
    path
}

#[test]
fn who_waits_is_answered_when_the_server_stops() {
    let mut server = Server::start();
    server.client.upload("again", &guest("fixtures/fails_retryable"));
    let config = json!({"retries": 1, "retry": {"delay": "1h", "maxDelay": "1h"}});
    let step = json!({"id": "a", "type": "function", "function": "again", "config": config});
    server.client.post("/workflows", &json!({"id": "w", "steps": [step]})).ok(201);
    let started = server.client.post("/workflows/trigger", &json!({"workflowId": "w"})).ok(200);
    let path = format!("/workflows/executions/{}", started["executionId"].as_str().expect("id"));
    let mut waiting = Raw::connect(&server);
    // The answer to the first of the two says that the server has read both.
    waiting.request("GET /healthz", "\r\n");
    waiting.request(&format!("GET {path}?wait=60s"), "\r\n");
    assert_eq!(waiting.answer().0, 200);
    assert!(server.terminate(), "it ends well");
    let (status, _, body) = waiting.answer();
    assert_eq!((status, &body["status"]), (200, &json!("running")), "as it stands");
}

#[test]
fn a_second_signal_ends_the_server_at_once_and_loses_nothing() {
    let mut server = Server::start();
    let path = sleeping(&server);
    server.signal_term();
    while server.client.get("/readyz").status == 200 {}
    assert!(!server.terminate(), "it says that it did not wait");
    let server = server.restart();
    assert_ne!(server.client.get(&path).ok(200)["status"], "failed");
}

#[test]
fn a_start_that_fails_at_the_address_makes_no_key() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("binds");
    let data = Arc::new(tempfile::tempdir().expect("folder"));
    let address = taken.local_addr().expect("address").to_string();
    let failed = program().args(["serve", "--listen", &address, "--data"]).arg(data.path().join("data")).output();
    let failed = failed.expect("runs");
    assert!(!failed.status.success() && String::from_utf8_lossy(&failed.stderr).contains("cannot listen on"));
    let server = Server::on(data, vec![], None);
    assert!(server.first_lines.iter().any(|line| line.contains("swk_")), "the first start that works shows the key");
}

#[test]
fn a_start_that_fails_at_the_address_runs_no_step() {
    let mut server = Server::start();
    let path = sleeping(&server);
    server.kill();
    let taken = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("address").to_string();
    for _ in 0..3 {
        let data = server.folder().path().join("data");
        let failed = program().args(["serve", "--listen", &address, "--data"]).arg(data).output().expect("runs");
        assert!(!failed.status.success());
    }
    let server = server.restart();
    let history = server.client.get(&format!("{path}/history")).ok(200);
    let lost = history["items"].as_array().expect("items").iter().filter(|line| line["entry"] == "attempt_lost");
    assert_eq!(lost.count(), 1, "only the kill counts: {history:#}");
}

#[test]
fn the_admin_key_is_on_no_command_line_and_in_no_log() {
    let data = tempfile::tempdir().expect("folder");
    let log = data.path().join("log");
    let file = std::fs::File::create(&log).expect("a file");
    let server = Server::logging(file, "trace");
    server.client.upload("echo", &guest("fixtures/echo"));
    server.client.post("/functions/execute", &json!({"functionId": "echo", "input": 1})).ok(200);
    let mut wrong = server.client.clone();
    wrong.key = KEY.replace("admin", "nimda");
    assert_eq!(wrong.get("/workflows").error(401), "unauthorized");
    let text = std::fs::read_to_string(&log).expect("reads");
    assert!(text.contains("TRACE") || text.contains("DEBUG"), "it was logged");
    assert!(!text.contains(KEY) && !text.contains(&wrong.key) && !text.contains('\u{1b}'), "{text}");
    let flag = program().args(["serve", "--admin-key", KEY]).output().expect("runs");
    assert!(!flag.status.success(), "a command line is for everybody to read");
}
