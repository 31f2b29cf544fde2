//! What is another tenant's is not there: every operation that takes an id, with ids of somebody else.

use crate::described::DOCUMENT;
use crate::progress::under_way;
use crate::raw::Raw;
use crate::support::{Client, Server};
use crate::uploads::bomb;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Operations that make what is not there: the other tenant's stays as it is.
const MAKE: [&str; 6] = [
    "PUT /workflows/{id}",
    "PUT /functions/{id}",
    "PUT /agents/{id}",
    "PUT /secrets/{name}",
    "PUT /config/{name}",
    "PUT /kv/{key}",
];

fn id(answer: &Value, key: &str) -> String {
    answer[key].as_str().unwrap_or_else(|| panic!("{key}: {answer:#}")).to_owned()
}

/// One of everything; the ids by the first word of the path.
fn furnish(client: &Client) -> BTreeMap<&'static str, String> {
    client.put_script("/functions/f", "export default input => input").ok(200);
    let hook = json!({"type": "webhook", "config": {"path": "/webhooks/in"}});
    let clock = json!({"type": "schedule", "config": {"cron": "0 0 1 1 *"}});
    let steps = json!([{"id": "a", "type": "function", "function": "f", "next": "ask"}, {"id": "ask", "type": "human", "config": {}}]);
    client.post("/workflows", &json!({"id": "w", "steps": steps, "triggers": [clock, hook]})).ok(201);
    let started = client.post("/workflows/trigger", &json!({"workflowId": "w", "input": {"n": 1}})).ok(200);
    let execution = id(&started, "executionId");
    let approval = loop {
        let listed = client.get(&format!("/approvals?execution={execution}")).ok(200);
        if listed["items"][0]["id"].is_string() {
            break id(&listed["items"][0], "id");
        }
    };
    client.post("/agents", &json!({"id": "a", "name": "A"})).ok(201);
    client.put("/secrets/A", &json!({"value": "v"})).ok(200);
    client.put("/config/A", &json!({"value": "v"})).ok(200);
    client.put("/kv/k", &json!({"value": "v"})).ok(200);
    client.post("/events", &json!({"id": "e-1", "type": "a.b", "source": "s"})).ok(201);
    let key = id(&client.post("/keys", &json!({"scopes": ["read"]})).ok(201), "id");
    let list = client.get("/workflows/executions").ok(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    BTreeMap::from([
        ("workflows", "w".to_owned()),
        ("executions", execution),
        ("functions", "f".to_owned()),
        ("agents", "a".to_owned()),
        ("approvals", approval),
        ("secrets", "A".to_owned()),
        ("config", "A".to_owned()),
        ("kv", "k".to_owned()),
        ("events", "e-1".to_owned()),
        ("schedules", "w~0".to_owned()),
        ("keys", key),
    ])
}

/// A body that would do, if it were theirs.
fn body(operation: &str) -> Value {
    match operation {
        "POST /approvals/{id}" => json!({"approved": true}),
        "POST /functions/{id}/rollback" => json!({"version": 1}),
        "POST /schedules/{id}/backfill" => json!({"from": "2020-01-01T00:00:00Z", "to": "2021-01-02T00:00:00Z"}),
        _ => json!({}),
    }
}

#[test]
fn every_operation_answers_404_for_the_ids_of_another_tenant() {
    let server = Server::start();
    let (acme, beta) = (server.client.tenant("acme"), server.client.tenant("beta"));
    let mut ids = furnish(&acme);
    let headers = [("content-type", "application/json")];
    let delivered = server.client.stranger().send("POST", "/t/acme/webhooks/in", &headers, b"{}").ok(202);
    ids.insert("webhook-deliveries", id(&delivered, "deliveryId"));
    let (upload, bytes) = ("PUT /functions/bomb HTTP/1.1\r\nhost: x\r\ncontent-type: application/wasm\r\n", bomb());
    let mut uploading = Raw::connect(&server);
    uploading.send(&format!("{upload}authorization: Bearer {}\r\ncontent-length: {}\r\n\r\n", acme.key, bytes.len()));
    uploading.bytes(&bytes);
    ids.insert("uploads", id(&under_way(&acme), "id"));
    let seen = |client: &Client| {
        let paths = ["/workflows", "/functions", "/agents", "/secrets", "/events", "/keys", "/approvals", "/schedules"];
        let more = [format!("/workflows/executions/{}", ids["executions"]), "/webhook-deliveries".to_owned()];
        let more = more.into_iter().chain(["/config/A", "/kv/k"].map(str::to_owned));
        let all = paths.into_iter().map(str::to_owned).chain(more);
        all.map(|path| client.get(&path).ok(200)).collect::<Vec<Value>>()
    };
    // What follows from the two executions by itself is over then.
    while acme.get("/events").ok(200).as_array().map(Vec::len) != Some(3) {}
    let before = seen(&acme);
    let mut asked = 0;
    for (path, item) in DOCUMENT["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let name = format!("{} {path}", method.to_ascii_uppercase());
            let scope = operation["x-scope"].as_str();
            if !path.contains('{') || scope.is_none() || scope == Some("operator") || MAKE.contains(&name.as_str()) {
                continue;
            }
            let words: Vec<&str> = path.split('/').collect();
            let filled = words.iter().enumerate().map(|(at, word)| match *word {
                "{number}" => "1",
                word if word.starts_with('{') => ids.get(words[at - 1]).unwrap_or_else(|| panic!("an id for {name}")),
                word => word,
            });
            let address = filled.collect::<Vec<_>>().join("/");
            let method = method.to_ascii_uppercase();
            let answer = beta.send(&method, &address, &headers, body(&name).to_string().as_bytes());
            assert_eq!(answer.status, 404, "{name}: {:#}", answer.body);
            let code = answer.error(404);
            assert!(code.ends_with("_not_found") && code != "route_not_found", "{name}: {code}");
            asked += 1;
        }
    }
    assert!(asked > 35, "{asked}");
    drop(uploading);
    // Their own things under the same ids do not touch the others'.
    beta.put_script("/functions/f", "export default () => 'beta'").ok(200);
    beta.put("/secrets/A", &json!({"value": "beta"})).ok(200);
    beta.put("/config/A", &json!({"value": "beta"})).ok(200);
    beta.put("/kv/k", &json!({"value": "beta"})).ok(200);
    beta.put("/agents/a", &json!({"name": "beta"})).ok(201);
    let step = json!({"id": "a", "type": "function", "function": "f"});
    beta.put("/workflows/w", &json!({"steps": [step]})).ok(201);
    assert_eq!(beta.run("w", &json!({}))["result"], "beta");
    assert_eq!(seen(&acme), before);
    let trigger = json!({"workflowId": "w", "idempotencyKey": "same"});
    beta.post("/workflows/trigger", &trigger).ok(200);
    for list in ["/approvals", "/schedules", "/webhook-deliveries"] {
        assert_eq!(beta.get(list).ok(200)["items"], json!([]), "{list}");
    }
    assert_eq!(beta.get("/events").ok(200), json!([]));
}
