//! What starts by itself starts for every tenant: also for one that came while the server ran, and again after a restart.

use crate::support::{Client, Server};
use serde_json::{Value, json};

/// A workflow with every trigger, of one step.
fn deploy(client: &Client) {
    let step = json!({"id": "only", "type": "condition", "condition": "true"});
    let triggers = json!([
        {"type": "schedule", "config": {"cron": "* * * * * *"}},
        {"type": "webhook", "config": {"path": "/webhooks/in"}},
        {"type": "event", "config": {"eventType": "a.b"}}
    ]);
    client.post("/workflows", &json!({"id": "w", "steps": [step], "triggers": triggers})).ok(201);
    let step = json!({"id": "only", "type": "condition", "condition": "true"});
    let ends = json!([{"type": "event", "config": {"eventType": "stepwell.execution.completed"}}]);
    client.post("/workflows", &json!({"id": "ends", "enabled": false, "steps": [step], "triggers": ends})).ok(201);
}

/// How many executions a trigger of this type has started.
fn started(client: &Client, kind: &str) -> usize {
    let list = client.get("/workflows/executions?workflow=w&limit=200").ok(200);
    let items = list["items"].as_array().expect("items");
    items.iter().filter(|item| item["trigger"]["type"] == kind).count()
}

fn each_starts(server: &Server, client: &Client, tenant: &str) {
    let before = ["schedule", "webhook", "event"].map(|kind| started(client, kind));
    client.post("/events", &json!({"type": "a.b", "source": "s"})).ok(201);
    let hook = format!("/t/{tenant}/webhooks/in");
    let json = [("content-type", "application/json")];
    server.client.stranger().send("POST", &hook, &json, b"{}").ok(202);
    for (kind, before) in ["schedule", "webhook", "event"].into_iter().zip(before) {
        while started(client, kind) <= before {}
    }
    // The server's own events are published for each tenant, too.
    let own = || client.get("/events?type=stepwell.execution.completed").ok(200);
    while own() == json!([]) {}
}

#[test]
fn every_loop_works_for_a_tenant_that_came_while_the_server_ran() {
    let server = Server::start();
    let acme = server.client.tenant("acme");
    deploy(&acme);
    each_starts(&server, &acme, "acme");
    assert_eq!(server.client.get("/workflows/executions").ok(200)["items"], json!([]), "nobody else's");
    let server = server.kill_and_restart();
    let acme = server.client.with_key(&acme.key);
    each_starts(&server, &acme, "acme");
    let beta = server.client.tenant("beta");
    deploy(&beta);
    each_starts(&server, &beta, "beta");
    for address in ["/webhooks/in", "/t/default/webhooks/in", "/t/tenant-2/webhooks/in", "/t/2/webhooks/in"] {
        let answer = server.client.stranger().send("POST", address, &[("content-type", "application/json")], b"{}");
        assert_eq!(answer.error(404), "webhook_not_found", "{address}");
    }
}

#[test]
fn a_schedule_does_not_fire_for_a_suspended_tenant_and_catches_up_by_its_own_rule() {
    let server = Server::start();
    let operator = &server.client;
    let acme = operator.tenant("acme");
    let fired = |client: &Client| -> Vec<Value> {
        let shown = client.get("/schedules/w~0").ok(200);
        shown["firings"].as_array().expect("a list").clone()
    };
    deploy(&acme);
    while fired(&acme).is_empty() {}
    operator.post("/tenants/acme/suspend", &json!({})).ok(200);
    // As long as another one's takes to fire three times.
    deploy(operator);
    while fired(operator).len() < 3 {}
    operator.post("/tenants/acme/resume", &json!({})).ok(200);
    let so_far = fired(&acme).len();
    while fired(&acme).len() <= so_far {}
}
