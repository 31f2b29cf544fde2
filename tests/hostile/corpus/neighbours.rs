//! What belongs to another tenant.

use super::attacks;
use crate::arena::{Arena, Fate};
use crate::support::{Client, guest};
use serde_json::{Value, json};

attacks!(
    reads_secrets_of_another_tenant,
    reads_values_of_another_tenant,
    reads_configuration_of_another_tenant,
    climbs_out_of_its_own_keys,
    asks_for_ids_of_another_tenant,
    starts_workflows_of_another_tenant,
    publishes_into_another_tenant,
    answers_for_another_tenant,
    makes_keys_for_another_tenant,
    takes_slots_of_another_tenant,
    fills_its_own_store,
);

/// What only the other tenant knows.
const PLANTED: &str = "planted-7e9a41-of-acme";

/// A function of the attacker's that asks the host these questions; its grants name all that it may ever ask for.
fn ask(arena: &Arena, grants: &Value, questions: &Value) -> Vec<Value> {
    let id = arena.upload_granted(&guest("fixtures/uses_capabilities"), &grants.to_string());
    match arena.call(&id, questions) {
        Fate::Answered(Value::Array(answers)) => answers,
        other => panic!("{other:?}"),
    }
}

/// Nothing of the other tenant stands in the answers.
fn tells_nothing(answers: &[Value]) {
    assert!(!json!(answers).to_string().contains(PLANTED), "{answers:?}");
}

fn reads_secrets_of_another_tenant(arena: &Arena) {
    arena.acme.put("/secrets/ACME_KEY", &json!({"value": PLANTED})).ok(200);
    let grants = json!({"secrets": {"ACME_KEY": {"read": true}, "MINE": {"read": true}}});
    let answers = ask(arena, &grants, &json!([["secret", "ACME_KEY"], ["secret", "MINE"], ["secret", "NOT_GRANTED"]]));
    tells_nothing(&answers);
    assert_eq!(answers[2]["refused"], "denied", "{answers:?}");
    assert_eq!(arena.mallory.get("/secrets/ACME_KEY").error(404), "secret_not_found");
    assert_eq!(arena.acme.get("/secrets/ACME_KEY").ok(200)["name"], "ACME_KEY");
}

fn reads_values_of_another_tenant(arena: &Arena) {
    let writes = arena.acme.send(
        "PUT",
        "/functions/keeps",
        &[("content-type", "application/wasm"), ("stepwell-grants", r#"{"keyValue":"write"}"#)],
        &guest("fixtures/uses_capabilities"),
    );
    writes.ok(200);
    let kept = json!({"functionId": "keeps", "input": [["put", "shared/name", PLANTED]]});
    arena.acme.post("/functions/execute", &kept).ok(200);
    let grants = json!({"keyValue": "write"});
    let answers = ask(
        arena,
        &grants,
        &json!([["get", "shared/name"], ["keys", ""], ["put", "shared/name", "mine"], ["remove", "shared/name"]]),
    );
    tells_nothing(&answers);
    assert_eq!(answers[0], Value::Null);
    // Only its own are listed: other attacks may have left some.
    assert!(answers[1][0].as_array().is_some_and(|keys| !keys.contains(&json!("shared/name"))), "{}", answers[1]);
    let read = json!({"functionId": "keeps", "input": [["get", "shared/name"]]});
    assert_eq!(arena.acme.post("/functions/execute", &read).ok(200)[0][0], PLANTED);
}

fn reads_configuration_of_another_tenant(arena: &Arena) {
    arena.acme.put("/config/REGION", &json!({"value": PLANTED})).ok(200);
    let answers =
        ask(arena, &json!({"config": ["REGION"]}), &json!([["config", "REGION"], ["config", "../default/REGION"]]));
    tells_nothing(&answers);
    assert_eq!(answers[0], Value::Null);
}

/// Keys are names, not paths.
fn climbs_out_of_its_own_keys(arena: &Arena) {
    let names = ["", "../acme/x", "/", "a\u{0}b", "\u{1}", "a\nb", "\u{202e}x", &"k".repeat(10_000), "tenant-1/x"];
    let questions: Vec<Value> = names
        .iter()
        .flat_map(|name| [json!(["get", name]), json!(["put", name, "x"]), json!(["keys", name])])
        .collect();
    tells_nothing(&ask(arena, &json!({"keyValue": "write"}), &json!(questions)));
}

/// All that the other tenant has; each is unknown here.
fn asks_for_ids_of_another_tenant(arena: &Arena) {
    let started =
        arena.acme.post("/workflows/trigger", &json!({"workflowId": "honest-work", "input": {"number": 1}})).ok(200);
    let execution = started["executionId"].as_str().expect("id").to_owned();
    for path in [
        "/workflows/honest-work".to_owned(),
        "/workflows/honest-work/graph".to_owned(),
        "/workflows/honest-work/revisions".to_owned(),
        "/functions/honest".to_owned(),
        "/functions/honest/versions".to_owned(),
        format!("/workflows/executions/{execution}"),
        format!("/workflows/executions/{execution}/history"),
        format!("/workflows/executions/{execution}/logs"),
        format!("/workflows/executions/{execution}/timeline"),
    ] {
        let answer = arena.mallory.get(&path);
        assert_eq!(answer.status, 404, "{path}: {:#}", answer.body);
    }
    for control in ["cancel", "pause", "resume", "retry", "rerun"] {
        let answer = arena.mallory.post(&format!("/workflows/executions/{execution}/{control}"), &json!({}));
        assert_eq!(answer.error(404), "execution_not_found", "{control}");
    }
    for list in ["/workflows", "/functions"] {
        assert!(!arena.mallory.get(list).ok(200).to_string().contains("honest"), "{list}");
    }
}

fn starts_workflows_of_another_tenant(arena: &Arena) {
    let body = json!({"workflowId": "honest-work", "input": {}});
    assert_eq!(arena.mallory.post("/workflows/trigger", &body).error(404), "workflow_not_found");
    assert_eq!(
        arena.mallory.post("/functions/execute", &json!({"functionId": "honest", "input": 1})).error(404),
        "function_not_found"
    );
    // A child of the same name is one's own.
    let child = json!([{"id": "call", "type": "workflow", "config": {"workflow": "honest-work"}}]);
    let ended = arena.run(&json!({"name": "calls", "steps": child}), &json!({}));
    assert_eq!(ended["status"], "failed", "{ended:#}");
    // The same key of idempotency of two tenants is two keys.
    let headers = [("content-type", "application/json"), ("idempotency-key", "one")];
    let first = |client: &Client, body: &Value| {
        client.send("POST", "/workflows/trigger", &headers, body.to_string().as_bytes())
    };
    let theirs = first(&arena.acme, &json!({"workflowId": "honest-work", "input": {"number": 2}})).ok(200);
    arena
        .mallory
        .post(
            "/workflows",
            &json!({"id": "mine", "name": "mine", "steps": [{"id": "a", "type": "condition", "condition": "true"}]}),
        )
        .ok(201);
    let mine = first(&arena.mallory, &json!({"workflowId": "mine", "input": {}})).ok(200);
    assert_ne!(theirs["executionId"], mine["executionId"]);
}

/// The other tenant waits for events of this type: not for these.
fn publishes_into_another_tenant(arena: &Arena) {
    let definition = json!({"id": "listens", "name": "Listens", "steps": [{"id": "a", "type": "condition", "condition": "true"}],
        "triggers": [{"type": "event", "config": {"eventType": "order.**"}}]});
    arena.acme.post("/workflows", &definition).ok(201);
    let event = json!({"type": "order.placed", "source": "mallory", "data": {}});
    let published = arena.mallory.post("/events", &event);
    let id = published.body["id"].as_str().expect("id").to_owned();
    assert_eq!(arena.acme.get(&format!("/events/{id}")).status, 404);
    let own = arena.acme.post("/events", &json!({"type": "order.placed", "source": "acme", "data": {}}));
    assert!(own.status < 300);
    let started = arena.acme.get("/workflows/executions?workflow=listens&limit=100").ok(200);
    assert!(started["items"].as_array().expect("items").len() <= 1, "{started:#}");
}

fn answers_for_another_tenant(arena: &Arena) {
    let person = json!([{"id": "ask", "type": "human", "config": {"approvers": ["user:boss"]}}]);
    arena.acme.post("/workflows", &json!({"id": "asks", "name": "Asks", "steps": person})).ok(201);
    arena.acme.post("/workflows/trigger", &json!({"workflowId": "asks", "input": {}})).ok(200);
    let approvals = loop {
        let approvals = arena.acme.get("/approvals").ok(200);
        if !approvals["items"].as_array().expect("items").is_empty() {
            break approvals;
        }
    };
    let id = approvals["items"][0]["id"].as_str().expect("id").to_owned();
    assert!(arena.mallory.get("/approvals").ok(200)["items"].as_array().is_some_and(Vec::is_empty));
    assert_eq!(arena.mallory.get(&format!("/approvals/{id}")).error(404), "approval_not_found");
    let answer = arena.mallory.post(&format!("/approvals/{id}"), &json!({"approved": true}));
    assert_eq!(answer.status, 404, "{:#}", answer.body);
}

fn makes_keys_for_another_tenant(arena: &Arena) {
    for path in ["/tenants/acme/keys", "/tenants/default/keys"] {
        let answer = arena.mallory.post(path, &json!({"scopes": ["admin"]}));
        assert!([403, 404].contains(&answer.status), "{:#}", answer.body);
    }
    assert!([403, 404].contains(&arena.mallory.get("/tenants").status));
    assert!([403, 404].contains(&arena.mallory.post("/tenants/acme/suspend", &json!({})).status));
    assert!([403, 404].contains(&arena.mallory.delete("/tenants/acme").status));
}

/// Attempts that compute as long as they may wait in the attacker's own line.
fn takes_slots_of_another_tenant(arena: &Arena) {
    let spins = crate::guests::module("", "", "(loop $more (br $more)) unreachable");
    let id = arena.upload(&spins).expect("fits");
    let steps = json!([
        {"id": "all", "type": "loop", "config": {"items": "input.items", "concurrency": 50, "continueOnError": true}, "next": "one"},
        {"id": "one", "type": "function", "function": id}]);
    let items: Vec<u32> = (0..40).collect();
    let ended = arena.run(&json!({"name": "spins", "steps": steps}), &json!({"items": items}));
    assert!(["completed", "failed"].contains(&ended["status"].as_str().expect("a status")), "{ended:#}");
}

/// It has its own number of bytes, values and names: the rest is refused with the limit's name.
fn fills_its_own_store(arena: &Arena) {
    let value = "x".repeat(70_000);
    let answers = ask(arena, &json!({"keyValue": "write"}), &json!([["put", "large", value]]));
    assert_eq!(answers[0]["refused"], "limit", "{answers:?}");
    let many: Vec<Value> = (0..200).map(|n| json!(["put", format!("k{n}"), "v"])).collect();
    tells_nothing(&ask(arena, &json!({"keyValue": "write"}), &json!(many)));
}
