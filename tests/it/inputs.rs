//! Inputs that do not match their schema start nothing; schemas that cannot be used are no definition's.

use crate::support::{Client, Server, guest};
use serde_json::{Value, json};

fn create(client: &Client, schema: &Value) -> crate::support::Answer {
    let steps = json!([{"id": "a", "type": "condition", "condition": "true"}]);
    client.put("/workflows/w", &json!({"inputSchema": schema, "steps": steps}))
}

fn trigger(client: &Client, workflow: &str, input: &Value) -> crate::support::Answer {
    client.post("/workflows/trigger", &json!({"workflowId": workflow, "input": input}))
}

#[test]
fn an_input_is_checked_against_the_workflow_s_schema() {
    let server = Server::start();
    let client = &server.client;
    let schema = json!({
        "type": "object", "required": ["id"],
        "properties": {"id": {"type": "string", "pattern": "^o-\\d+$"}, "lines": {"items": {"$ref": "#/$defs/line"}}},
        "$defs": {"line": {"properties": {"count": {"type": "integer", "minimum": 1}}}}
    });
    assert_eq!(create(client, &schema).ok(201)["inputSchema"], schema);
    trigger(client, "w", &json!({"id": "o-1", "lines": [{"count": 2}]})).ok(200);
    let answer = trigger(client, "w", &json!({"id": "planted", "lines": [{"count": 1}, {"count": 0}]}));
    assert_eq!(answer.error(422), "invalid_input");
    let mut places: Vec<_> =
        answer.body["errors"].as_array().expect("errors").iter().map(|e| e["pointer"].clone()).collect();
    places.sort_by_key(Value::to_string);
    assert_eq!(places, [json!("/id"), json!("/lines/1/count")]);
    assert!(!answer.body.to_string().contains("planted"), "an answer does not repeat what was sent");
    let nothing = client.post("/workflows/trigger", &json!({"workflowId": "w"}));
    assert_eq!((nothing.error(422).as_str(), &nothing.body["errors"][0]["pointer"]), ("invalid_input", &json!("")));
    let many = trigger(client, "w", &json!({"id": "o-1", "lines": vec![json!({"count": 0}); 500]}));
    assert_eq!((many.error(422).as_str(), many.body["errors"].as_array().map(Vec::len)), ("invalid_input", Some(20)));
    let server = server.kill_and_restart();
    assert_eq!(trigger(&server.client, "w", &json!(1)).error(422), "invalid_input");
}

#[test]
fn without_one_the_first_function_s_schema_counts_if_it_gets_the_input_as_it_is() {
    let server = Server::start();
    let client = &server.client;
    client.upload("order", &guest("validate-order"));
    let function = client.get("/functions/order.validate-order").ok(200);
    assert!(function["inputSchema"].is_object(), "{function:#}");
    let step =
        |config: Value| json!({"id": "a", "type": "function", "function": "order.validate-order", "config": config});
    for (id, first, status) in [
        ("plain", step(json!({"retries": 0})), 422),
        ("mapped", step(json!({"input": {"n": "{{ input.n }}"}})), 200),
        ("parameters", step(json!({"extra": 1})), 200),
        ("condition", json!({"id": "c", "type": "condition", "condition": "true", "next": "a"}), 200),
    ] {
        let steps = if id == "condition" { json!([first, step(json!({}))]) } else { json!([first]) };
        client.put(&format!("/workflows/{id}"), &json!({ "steps": steps })).ok(201);
        assert_eq!(trigger(client, id, &json!(["no order"])).status, status, "{id}");
    }
    // The workflow's own schema stands in its place.
    client.put("/workflows/own", &json!({"inputSchema": true, "steps": [step(json!({}))]})).ok(201);
    trigger(client, "own", &json!(["no order"])).ok(200);
}

#[test]
fn schemas_that_cannot_be_used_are_faults_with_their_place() {
    let server = Server::start();
    let client = &server.client;
    for (schema, pointer) in [
        (json!("string"), ""),
        (json!({"type": "text"}), "/type"),
        (json!({"$ref": "http://127.0.0.1:1/schema.json"}), "/$ref"),
        (json!({"$ref": "file:///etc/passwd"}), "/$ref"),
        (json!({"allOf": [{"$ref": "#"}]}), ""),
        (json!({"properties": {"a": {"pattern": "(?=x)"}}}), "/properties/a/pattern"),
        (json!({"$schema": "http://json-schema.org/draft-04/schema#"}), "/$schema"),
        (json!({"enum": vec!["a long value of an enum"; 5_000]}), ""),
        ((0..100).fold(json!(true), |inner, _| json!({"not": inner})), ""),
    ] {
        let answer = create(client, &schema);
        assert_eq!(answer.error(422), "invalid_definition");
        let fault = &answer.body["errors"][0];
        let expected = (json!("invalid_schema"), json!(format!("/inputSchema{pointer}")));
        assert_eq!((fault["code"].clone(), fault["pointer"].clone()), expected, "{fault}");
    }
    let answer = client.put("/workflows/w", &json!({"inputSchema": 1, "steps": [{"id": "a", "type": "nothing"}]}));
    assert_eq!(answer.body["errors"].as_array().map(Vec::len), Some(2), "all faults at once: {:#}", answer.body);
    create(client, &Value::Null).ok(201);
}

#[test]
fn hostile_schemas_and_inputs_cost_nobody_else_anything() {
    let mut server = Server::start();
    let client = server.client.clone();
    // Each level of the input doubles the work.
    let half = json!({"properties": {"a": {"$ref": "#"}}});
    create(&client, &json!({"allOf": [half, half]})).ok(201);
    let nested = |depth: usize| (0..depth).fold(json!({}), |inner, _| json!({"a": inner}));
    trigger(&client, "w", &nested(5)).ok(200);
    assert_eq!(trigger(&client, "w", &nested(100)).error(422), "invalid_input");
    // A pattern that backtracking engines choke on.
    create(&client, &json!({"pattern": "^(a+)+$"})).ok(200);
    assert_eq!(trigger(&client, "w", &json!(format!("{}b", "a".repeat(100_000)))).error(422), "invalid_input");
    assert!(server.is_alive());
}

#[test]
fn a_trace_goes_on_through_steps_and_children() {
    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let server = Server::start();
    let client = &server.client;
    client.upload("echo", &guest("fixtures/echo"));
    let function = json!([{"id": "a", "type": "function", "function": "echo"}]);
    client.put("/workflows/inner", &json!({"steps": function})).ok(201);
    let child = json!([{"id": "c", "type": "workflow", "config": {"workflow": "inner"}}]);
    client.put("/workflows/outer", &json!({"steps": child})).ok(201);
    let seen = |workflow: &str, trace: &str| {
        let headers = [("content-type", "application/json"), ("traceparent", trace)];
        let body = json!({"workflowId": workflow}).to_string();
        let ended = client.send("POST", "/workflows/trigger?wait=30s", &headers, body.as_bytes()).ok(200);
        assert_eq!(ended["status"], "completed", "{ended:#}");
        (ended["trigger"]["traceparent"].clone(), ended["result"]["ctx"]["traceparent"].clone())
    };
    let mut spans = std::collections::BTreeSet::new();
    for workflow in ["inner", "outer"] {
        let (started, given) = seen(workflow, GIVEN);
        assert_eq!(started, GIVEN);
        let given = given.as_str().expect("a trace").to_owned();
        assert!(given.starts_with(&GIVEN[..36]) && given.ends_with("-01") && given != GIVEN, "{given}");
        assert!(spans.insert(given), "each attempt has a span of its own");
    }
    // What is no trace is left alone, as the standard has it.
    assert_eq!(seen("inner", "nonsense"), (json!(null), json!(null)));
    let headers = [("content-type", "application/json"), ("traceparent", GIVEN)];
    let body = json!({"functionId": "echo", "input": 1}).to_string();
    let direct = client.send("POST", "/functions/execute", &headers, body.as_bytes()).ok(200);
    assert_eq!(direct["ctx"]["traceparent"], GIVEN);
}
