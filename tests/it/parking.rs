//! Executions that wait for long leave the memory; nobody outside notices, not even across `kill -9`.

use crate::support::Server;
use serde_json::{Value, json};

fn start(server: &Server, name: &str, step: &Value) -> String {
    server.client.post("/workflows", &json!({"id": name, "steps": [step]})).ok(201);
    let started = server.client.post("/workflows/trigger", &json!({"workflowId": name})).ok(200);
    started["executionId"].as_str().expect("id").to_owned()
}

fn wait(duration: &str) -> Value {
    json!({"id": "pause", "type": "wait", "config": {"duration": duration}})
}

#[test]
fn what_waits_for_long_goes_on_in_the_next_process() {
    let server = Server::start();
    let human = json!({"id": "ok", "type": "human", "config": {"approvers": ["ann"], "timeout": "1d"}});
    let asked = start(&server, "asked", &human);
    // Longer than what a server waits for in memory.
    let timed = start(&server, "timed", &wait("8s"));
    // By then both have been quiet for long enough to leave the memory (`engine/parking`).
    let short = start(&server, "short", &wait("3s"));
    server.client.end(&short);
    let server = server.kill_and_restart();
    let pending = server.client.get("/approvals?status=pending").ok(200);
    assert_eq!(
        (pending["items"].as_array().map(Vec::len), &pending["items"][0]["executionId"]),
        (Some(1), &json!(asked)),
        "{pending:#}"
    );
    let running = server.client.get("/workflows/executions?status=running").ok(200);
    let mut listed: Vec<&str> =
        running["items"].as_array().expect("items").iter().filter_map(|item| item["executionId"].as_str()).collect();
    listed.sort_unstable();
    let mut both = [asked.as_str(), timed.as_str()];
    both.sort_unstable();
    assert_eq!(listed, both, "{running:#}");
    let seen = server.client.get(&format!("/workflows/executions/{asked}")).ok(200);
    assert_eq!((&seen["status"], &seen["state"]), (&json!("running"), &json!("waiting_approval")), "{seen:#}");
    let path = format!("/approvals/{}", pending["items"][0]["id"].as_str().expect("id"));
    server.client.post(&path, &json!({"approved": true, "by": "ann"})).ok(200);
    assert_eq!(server.client.end(&asked)["result"]["approvedBy"], json!(["ann"]));
    assert_eq!(server.client.end(&timed)["status"], "completed");
}
