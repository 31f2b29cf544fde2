//! `POST /workflows/validate`: everything about a definition at once, and nothing stored.

use crate::support::Server;
use serde_json::{Value, json};

fn step(id: &str, next: &Value) -> Value {
    json!({"id": id, "type": "condition", "condition": "true", "next": next})
}

#[test]
fn joins_bodies_and_warnings_are_named_and_nothing_is_stored() {
    let server = Server::start();
    let client = &server.client;
    let script = json!({"id": "brought", "source": "export default () => 1"});
    let definition = json!({"name": "W", "steps": [
        step("start", &json!(["left", "right"])),
        {"id": "left", "type": "function", "function": "missing", "next": "meet"},
        {"id": "right", "type": "function", "function": script, "next": "meet", "config": {"retires": 3}},
        step("meet", &json!("each")),
        {"id": "each", "type": "loop", "next": "body", "config": {"items": "[1, 2]", "done": "last"}},
        step("body", &json!(null)),
        step("last", &json!(null)),
        step("lost", &json!(null)),
    ]});
    let answer = client.post("/workflows/validate", &definition).ok(200);
    assert_eq!((&answer["valid"], &answer["errors"]), (&json!(true), &json!([])), "{answer:#}");
    let fork = json!([{"step": "start", "list": "next"}]);
    assert_eq!(answer["joins"], json!([{"step": "meet", "within": null, "forks": fork}]));
    let body = json!([{"step": "each", "body": ["body"], "first": ["body"], "then": ["last"]}]);
    assert_eq!((&answer["loops"], &answer["parallels"], &answer["unreachable"]), (&body, &json!([]), &json!(["lost"])));
    let warned = |code: &str| {
        let all = answer["warnings"].as_array().expect("list").iter();
        all.filter(|warning| warning["code"] == code).map(|warning| warning["pointer"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(warned("unregistered_function"), ["/steps/1/function"], "{answer:#}");
    assert_eq!((warned("unreachable_step").len(), warned("near_miss").len()), (1, 1), "{answer:#}");
    assert_eq!(client.get("/workflows").ok(200), json!([]));
    assert_eq!(client.get("/functions").ok(200), json!([]));
}

#[test]
fn all_faults_come_at_once_with_their_places() {
    let server = Server::start();
    let client = &server.client;
    let definition = json!({"id": "validate", "inputSchema": {"type": 7}, "steps": [
        {"id": "a", "type": "condition", "condition": "1 +", "next": "nowhere"},
        {"id": "b", "type": "nonsense"},
        {"id": "a", "type": "wait", "config": {"duration": "1s"}},
        {"id": "s", "type": "function", "function": {"id": "f", "source": "export default ("}},
        {"id": "w", "type": "function", "function": {"id": "g", "wasm": "?"}},
        {"id": "h", "type": "human", "config": {"form": {"minimum": "x"}}},
    ], "triggers": [{"type": "webhook", "config": {"path": "/webhooks/x", "secret": "***"}}]});
    let answer = client.post("/workflows/validate", &definition).ok(200);
    assert_eq!(answer["valid"], false);
    let pointers: Vec<&str> =
        answer["errors"].as_array().expect("list").iter().filter_map(|error| error["pointer"].as_str()).collect();
    for pointer in [
        "/id",
        "/inputSchema/type",
        "/steps/0/condition",
        "/steps/0/next",
        "/steps/1/type",
        "/steps/2/id",
        "/triggers/0/config/secret",
        "/steps/4/function/wasm",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} in {answer:#}");
    }
    let all = answer["errors"].as_array().expect("list");
    assert!(all.iter().all(|error| error["message"].as_str().is_some_and(|text| !text.is_empty())), "{answer:#}");
    assert_eq!((&answer["joins"], &answer["loops"]), (&json!([]), &json!([])));
    let script =
        json!({"steps": [{"id": "s", "type": "function", "function": {"id": "f", "source": "export default ("}}]});
    let answer = client.post("/workflows/validate", &script).ok(200);
    assert_eq!(
        (&answer["errors"][0]["pointer"], &answer["errors"][0]["code"]),
        (&json!("/steps/0/function/source"), &json!("invalid_script"))
    );
    for (body, status) in [("[]", 400), ("{", 400), ("", 400), ("7", 400)] {
        let json_type = [("content-type", "application/json")];
        assert_eq!(client.send("POST", "/workflows/validate", &json_type, body.as_bytes()).status, status, "{body}");
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = client.send("POST", "/workflows/validate", &[("content-type", "application/json")], deep.as_bytes());
    assert_eq!(answer.error(400), "json_depth");
    assert_eq!(client.get("/workflows/validate").error(405), "method_not_allowed");
}
