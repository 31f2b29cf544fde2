//! Garbage, truncated and huge requests: each gets an error in the one form that errors have, with a code that stays.

use crate::support::Server;
use serde_json::{Value, json};

fn step(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": "f"})
}

#[test]
fn every_route_answers_errors_as_json() {
    let mut server = Server::start();
    let client = server.client.clone();
    for (method, path, status, code) in [
        ("GET", "/", 404, "route_not_found"),
        ("GET", "/nothing/here", 404, "route_not_found"),
        ("DELETE", "/workflows", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("GET", "/workflows/unknown", 404, "workflow_not_found"),
        ("GET", "/workflows/%2e%2e%2fetc", 404, "workflow_not_found"),
        ("GET", "/workflows/%ff", 400, "invalid_request"),
        ("GET", "/workflows/executions/exec-01hzz", 404, "execution_not_found"),
        ("GET", "/workflows/executions/exec-01arz3ndektsv4rrffq69g5fav", 404, "execution_not_found"),
        ("GET", "/workflows/executions/exec-01arz3ndektsv4rrffq69g5fav?wait=soon", 400, "invalid_request"),
        ("GET", "/workflows/executions/exec-01arz3ndektsv4rrffq69g5fav/history?cursor=x", 400, "invalid_request"),
        ("GET", "/functions/unknown", 404, "function_not_found"),
        ("PUT", "/functions/a%2Fb", 422, "invalid_id"),
    ] {
        let answer = client.send(method, path, &[], b"");
        assert_eq!(answer.error(status), code, "{method} {path}");
        assert!(answer.request_id.starts_with("req-"), "{answer:?}");
    }
    let answer = client.send("GET", "/nothing", &[("x-request-id", "mine-1")], b"");
    assert_eq!((answer.request_id.as_str(), &answer.body["requestId"]), ("mine-1", &json!("mine-1")));
    assert!(server.is_alive());
}

#[test]
fn a_key_is_needed_and_is_not_told_apart() {
    let server = Server::start();
    let mut client = server.client.clone();
    assert_eq!(client.get("/healthz").ok(200)["status"], "ok");
    assert_eq!(client.get("/readyz").ok(200)["status"], "ready");
    for key in ["", "wrong", "test-admin-key-0123456789-012345678", &"x".repeat(5_000)] {
        key.clone_into(&mut client.key);
        for path in ["/workflows", "/functions", "/workflows/executions/exec-01arz3ndektsv4rrffq69g5fav"] {
            assert_eq!(client.get(path).error(401), "unauthorized");
        }
    }
}

#[test]
fn bodies_that_are_no_json_are_refused() {
    let server = Server::start();
    let json = [("content-type", "application/json")];
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for (body, code) in [
        ("", "invalid_request"),
        ("{", "invalid_json"),
        ("nonsense", "invalid_json"),
        (r#"{"name": "\ud800"}"#, "invalid_json_value"),
        (r#"{"n": 1e400}"#, "invalid_json_value"),
        (deep.as_str(), "json_depth"),
    ] {
        for path in ["/workflows", "/workflows/trigger", "/functions", "/functions/execute"] {
            assert_eq!(server.client.send("POST", path, &json, body.as_bytes()).error(400), code, "{path} {body:.40}");
        }
    }
    let not_utf8 = server.client.send("POST", "/workflows", &json, b"{\"name\": \"\xff\"}");
    assert_eq!(not_utf8.error(400), "invalid_request");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(server.client.send("POST", "/workflows", &form, b"a=b").error(415), "unsupported_media_type");
}

#[test]
fn wrong_shapes_name_their_field() {
    let server = Server::start();
    for (path, body, field) in [
        ("/workflows", json!([1]), "body"),
        ("/workflows", json!({"id": "a/b", "steps": [step("a")]}), "id"),
        ("/workflows/trigger", json!({}), "body"),
        ("/workflows/trigger", json!({"workflowId": 7}), "workflowId"),
        ("/functions/execute", json!({"functionId": ["x"]}), "functionId"),
    ] {
        let answer = server.client.post(path, &body);
        assert_eq!(answer.error(400), "invalid_request", "{path} {body}");
        assert_eq!(answer.body["errors"][0]["field"], field, "{path} {body}: {}", answer.body);
    }
}

#[test]
fn a_bad_definition_names_all_its_faults_at_once() {
    let server = Server::start();
    let definition = json!({"name": 5, "timeout": "soon", "output": "1 +", "steps": [
        {"id": "a", "type": "function", "next": "nowhere"},
        {"id": "a", "type": "condition", "condition": "result.x ==="},
        {"id": "b", "type": "quantum"},
        {"id": "c", "type": "function", "function": "f", "next": ["b", "b", 7], "config": {"retries": -1, "timeout": {}, "onError": "gone", "join": "most"}},
        {"type": "function", "function": "f"},
        "what"
    ], "triggers": [{"type": "wish"}]});
    let answer = server.client.post("/workflows", &definition);
    assert_eq!(answer.error(422), "invalid_definition");
    let pointers: Vec<_> = answer.body["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| e["pointer"].as_str().expect("pointer"))
        .collect();
    for pointer in [
        "/name",
        "/timeout",
        "/output",
        "/steps/0/function",
        "/steps/0/next",
        "/steps/1/id",
        "/steps/1/condition",
        "/steps/2/type",
        "/steps/3/next/2",
        "/steps/3/config/retries",
        "/steps/3/config/timeout",
        "/steps/3/config/onError",
        "/steps/3/config/join",
        "/steps/4/id",
        "/steps/5",
        "/triggers/0/type",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} is missing in {pointers:?}");
    }
    for steps in [json!(null), json!([]), json!({}), json!("x")] {
        assert_eq!(
            server.client.post("/workflows", &json!({"name": "n", "steps": steps})).error(422),
            "invalid_definition"
        );
    }
    let unknown = server.client.post("/workflows", &json!({"name": "n", "steps": [{"id": "a", "type": "teleport"}]}));
    assert_eq!(
        (unknown.error(422).as_str(), &unknown.body["errors"][0]["code"]),
        ("invalid_definition", &json!("unknown_type"))
    );
}

#[test]
fn huge_definitions_and_inputs_are_refused_with_the_limit_by_name() {
    let server = Server::start();
    let client = &server.client;
    let many: Vec<Value> = (0..2_001).map(|n| step(&format!("s{n}"))).collect();
    let answer = client.post("/workflows", &json!({"name": "many", "steps": many}));
    assert_eq!(
        (answer.error(422).as_str(), &answer.body["errors"][0]["code"]),
        ("invalid_definition", &json!("too_many"))
    );
    let long = client.post("/workflows", &json!({"name": "x".repeat(2 << 20), "steps": [step("a")]}));
    assert_eq!(long.error(413), "definition");
    let targets: Vec<String> = (0..400).map(|n| format!("s{n}")).collect();
    let dense: Vec<Value> = (0..400)
        .map(|n| json!({"id": format!("s{n}"), "type": "function", "function": "f", "next": targets}))
        .collect();
    let answer = client.post("/workflows", &json!({"name": "dense", "steps": dense}));
    assert!([413, 422].contains(&answer.status), "{:.200}", answer.body.to_string());
    client
        .post("/workflows", &json!({"id": "w", "steps": [{"id": "a", "type": "condition", "condition": "true"}]}))
        .ok(201);
    for (bytes, status) in [(250 << 10, 200), (257 << 10, 413), (5 << 20, 413)] {
        let answer = client.post("/workflows/trigger", &json!({"workflowId": "w", "input": "x".repeat(bytes)}));
        assert_eq!(answer.status, status, "{bytes}: {:.200}", answer.body.to_string());
        assert!(status == 200 || answer.error(413) == "payload_bytes");
    }
}

#[test]
fn what_is_not_registered_cannot_start() {
    let server = Server::start();
    let client = &server.client;
    let created = client.post("/workflows", &json!({"name": "Later", "steps": [step("a")]})).ok(201);
    assert_eq!(created["warnings"][0]["code"], "unregistered_function");
    let answer = client.post("/workflows/trigger", &json!({"workflowId": "later"}));
    assert_eq!((answer.error(422).as_str(), &answer.body["errors"][0]["message"]), ("missing_functions", &json!("f")));
    assert_eq!(client.post("/workflows/trigger", &json!({"workflowId": "never"})).error(404), "workflow_not_found");
    assert_eq!(client.post("/workflows", &json!({"id": "later", "steps": [step("a")]})).error(409), "id_taken");
}
