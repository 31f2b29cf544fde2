//! What was used is counted by day, told, and still known after a restart.

use crate::support::{Server, guest};
use serde_json::{Value, json};

#[test]
fn usage_is_told_by_day_and_outlives_the_process() {
    let mut server = Server::start();
    let client = &server.client;
    let empty = client.get("/usage").ok(200);
    assert_eq!((&empty["items"], &empty["month"]["steps"]), (&json!([]), &json!(0)));
    assert_eq!(empty["quotas"]["executions_unfinished"], json!({"used": 0, "limit": null}));
    client.upload("echo", &guest("fixtures/echo"));
    let steps = json!([{"id": "a", "type": "function", "function": "echo", "next": "b"}, {"id": "b", "type": "wait", "config": {"duration": "1h"}}]);
    client.post("/workflows", &json!({"id": "one", "steps": steps})).ok(201);
    let id = client.post("/workflows/trigger", &json!({"workflowId": "one"})).ok(200)["executionId"].clone();
    let id = id.as_str().expect("an id").to_owned();
    let waits = || client.get(&format!("/workflows/executions/{id}")).ok(200)["state"] == "waiting_timer";
    while !waits() {
        std::thread::yield_now();
    }
    let used = client.get("/usage").ok(200);
    let month = &used["month"];
    assert_eq!((&month["steps"], &month["executions"]), (&json!(1), &json!(1)));
    assert!(month["fuel"].as_u64() > Some(0) && month["bytes"].as_u64() > Some(1_000), "{used}");
    let quotas = &used["quotas"];
    assert_eq!((&quotas["executions_unfinished"]["used"], &quotas["functions"]["used"]), (&json!(1), &json!(1)));
    let stored = quotas["stored_bytes"]["used"].as_u64().expect("a number");
    assert!(stored > guest("fixtures/echo").len() as u64, "the component is kept: {stored}");
    assert!(server.terminate());
    let server = server.restart();
    let later = server.client.get("/usage").ok(200);
    for field in ["steps", "executions", "fuel", "memorySeconds"] {
        assert_eq!(later["month"][field], month[field], "{field}");
    }
    assert_eq!(later["quotas"]["executions_unfinished"]["used"], json!(1), "it waits still");
    server.client.post(&format!("/workflows/executions/{id}/cancel"), &json!({})).ok(200);
    let after = server.client.get("/usage").ok(200);
    assert_eq!(after["quotas"]["executions_unfinished"]["used"], json!(0));
    let day = after["items"][0]["day"].as_str().expect("a day").to_owned();
    let of = |query: &str| server.client.get(&format!("/usage?{query}"));
    assert_eq!(of(&format!("from={day}&to={day}")).ok(200)["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(of("from=2001-01-01&to=2001-12-31").ok(200)["items"], json!([]));
    for bad in ["from=yesterday", "to=2026-02-30", "from=2001-01-01&to=2003-01-01"] {
        assert_eq!(of(bad).error(400), "invalid_request", "{bad}");
    }
}

#[test]
fn a_workflow_with_a_limit_shows_why_its_executions_wait() {
    let server = Server::start();
    let client = &server.client;
    let steps = json!([{"id": "ask", "type": "human"}]);
    let made =
        client.post("/workflows", &json!({"id": "one", "limit": {"key": "input.customer", "max": 1}, "steps": steps}));
    assert_eq!(made.ok(201)["warnings"], json!([]));
    let start = |customer: u32| {
        let body = json!({"workflowId": "one", "input": {"customer": customer}});
        client.post("/workflows/trigger", &body).ok(200)["executionId"].as_str().expect("an id").to_owned()
    };
    let (first, second, other) = (start(1), start(1), start(2));
    let shown = |id: &str| -> Value { client.get(&format!("/workflows/executions/{id}")).ok(200) };
    let state = |id: &str, wanted: &str| {
        while shown(id)["state"] != wanted {
            std::thread::yield_now();
        }
    };
    state(&first, "waiting_approval");
    state(&other, "waiting_approval");
    let waits = shown(&second);
    assert_eq!((&waits["status"], &waits["state"]), (&json!("pending"), &json!("queued")));
    assert_eq!(waits["limit"], json!({"key": "1", "max": 1, "waiting": true}));
    client.post(&format!("/workflows/executions/{first}/cancel"), &json!({})).ok(200);
    state(&second, "waiting_approval");
    assert_eq!(shown(&second)["limit"]["waiting"], json!(false));
}

/// A workflow whose executions wait for people, and that webhooks and events start.
fn waiting() -> Value {
    let triggers = json!([
        {"type": "event", "config": {"eventType": "order.placed"}},
        {"type": "webhook", "config": {"path": "/webhooks/orders"}}
    ]);
    json!({"id": "one", "steps": [{"id": "ask", "type": "human"}], "triggers": triggers})
}

#[test]
fn whoever_has_used_up_a_quota_is_told_and_nothing_that_waits_is_lost() {
    let server = Server::start();
    let operator = &server.client;
    let acme = operator.tenant("acme");
    operator.patch("/tenants/acme", &json!({"quotas": {"executions_unfinished": 2}})).ok(200);
    acme.post("/workflows", &waiting()).ok(201);
    let start = || acme.post("/workflows/trigger", &json!({"workflowId": "one"}));
    let first = start().ok(200)["executionId"].as_str().expect("an id").to_owned();
    start().ok(200);
    assert_eq!(start().error(429), "executions_unfinished");
    let (parts, _) = acme.exchange(
        "POST",
        "/workflows/trigger",
        &[("content-type", "application/json")],
        br#"{"workflowId": "one"}"#,
    );
    let after = parts.headers.get("retry-after").and_then(|after| after.to_str().ok()?.parse::<u32>().ok());
    assert!(after.is_some_and(|after| (1..=60).contains(&after)), "{after:?}");
    // An event waits, a webhook is to be sent again.
    let event = acme.post("/events", &json!({"type": "order.placed", "source": "shop"})).ok(201);
    assert_eq!(acme.stranger().post("/t/acme/webhooks/orders", &json!({})).error(429), "executions_unfinished");
    let used = operator.get("/tenants/acme/usage").ok(200);
    assert_eq!(used["quotas"]["executions_unfinished"], json!({"used": 2, "limit": 2}));
    assert_eq!(acme.get("/tenants/acme/usage").error(403), "forbidden");
    acme.post(&format!("/workflows/executions/{first}/cancel"), &json!({})).ok(200);
    let path = format!("/events/{}", event["id"].as_str().expect("an id"));
    while acme.get(&path).ok(200)["started"].as_array().is_none_or(Vec::is_empty) {
        std::thread::yield_now();
    }
    assert_eq!(start().error(429), "executions_unfinished", "the event has taken the place");
    operator.patch("/tenants/acme", &json!({"quotas": {"starts_per_second": 1}})).ok(200);
    let refused = (0..9).map(|_| start()).find(|answer| answer.status == 429).expect("more than two at once");
    assert_eq!(refused.error(429), "starts_per_second");
    operator.patch("/tenants/acme", &json!({"quotas": {"fuel_per_month": 0}})).ok(200);
    assert_eq!(start().error(429), "fuel_per_month");
    operator.patch("/tenants/acme", &json!({"quotas": {"stored_bytes": 0}})).ok(200);
    assert_eq!(start().error(429), "stored_bytes");
    let refused = operator.patch("/tenants/acme", &json!({"quotas": {"weight": 0}}));
    assert_eq!(
        (refused.body["errors"][0]["field"].clone(), refused.error(400).as_str()),
        (json!("quotas.weight"), "invalid_request")
    );
}

#[test]
fn values_that_functions_keep_count_as_stored() {
    let server = Server::start();
    let stored = || server.client.get("/usage").ok(200)["quotas"]["stored_bytes"]["used"].as_u64().expect("a number");
    let before = stored();
    server.client.put("/kv/large", &json!({"value": "x".repeat(50_000)})).ok(200);
    let with = stored();
    assert!(with >= before + 50_000, "{before} {with}");
    server.client.put("/kv/large", &json!({"value": "x".repeat(20_000)})).ok(200);
    let less = stored();
    assert!((before + 20_000..before + 40_000).contains(&less), "{before} {less}");
    server.client.delete("/kv/large").ok(200);
    assert!(stored() < before + 10_000, "nothing of it is left");
}
