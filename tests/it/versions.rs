//! Functions after their first upload: versions, rollback, deletion, and the names that steps call them by.

use crate::support::{Client, Server, guest};
use serde_json::{Value, json};

fn execute(client: &Client, id: &str) -> Value {
    client.post("/functions/execute", &json!({"functionId": id, "input": {"n": 1}})).ok(200)
}

#[test]
fn a_rollback_is_a_new_version_of_what_was() {
    let server = Server::start();
    let client = &server.client;
    let one = client.upload("f", &guest("fixtures/echo"));
    let two = client.put_wasm("/functions/f", &guest("fixtures/core_module"));
    assert_eq!((two.etag.as_str(), client.get("/functions/f").etag.as_str()), ("\"2\"", "\"2\""));
    let back = client.send("POST", "/functions/f/rollback", &[], b"");
    assert_eq!((back.status, back.etag.as_str(), &back.body["digest"]), (200, "\"3\"", &one["digest"]));
    assert_eq!((&back.body["version"], &back.body["name"]), (&json!(3), &one["name"]));
    assert_eq!(execute(client, "f")["input"], json!({"n": 1}), "it is called now");
    let forth = client.post("/functions/f/rollback", &json!({"version": 2})).ok(200);
    assert_eq!((&forth["version"], &forth["digest"]), (&json!(4), &two.body["digest"]));
    let same = client.post("/functions/f/rollback", &json!({"version": 2})).ok(200);
    assert_eq!(same["version"], 4, "what is current already changes nothing");

    let all = client.get("/functions/f/versions").ok(200);
    let versions: Vec<_> = all["items"].as_array().expect("items").iter().map(|item| item["version"].clone()).collect();
    assert_eq!((versions, &all["nextCursor"]), (vec![json!(1), json!(2), json!(3), json!(4)], &Value::Null));
    let page = client.get("/functions/f/versions?limit=3").ok(200);
    assert_eq!(page["nextCursor"], "3");
    let rest = client.get("/functions/f/versions?limit=3&cursor=3").ok(200);
    assert_eq!((&rest["items"][0]["version"], &rest["nextCursor"]), (&json!(4), &Value::Null));
}

#[test]
fn rollbacks_that_make_no_sense_are_refused() {
    let server = Server::start();
    let client = &server.client;
    client.upload("f", &guest("fixtures/echo"));
    assert_eq!(
        client.post("/functions/f/rollback", &json!({})).error(404),
        "version_not_found",
        "there is none before"
    );
    for version in [0, 7] {
        let answer = client.post("/functions/f/rollback", &json!({ "version": version }));
        assert_eq!(answer.error(404), "version_not_found");
    }
    for body in [json!([]), json!({"version": "1"}), json!({"version": -1}), json!({"version": 1.5}), json!(1)] {
        assert_eq!(client.post("/functions/f/rollback", &body).error(400), "invalid_request", "{body}");
    }
    assert_eq!(client.send("POST", "/functions/f/rollback", &[], b"{").error(400), "invalid_json");
    assert_eq!(client.post("/functions/none/rollback", &json!({})).error(404), "function_not_found");
    assert_eq!(client.get("/functions/none/versions").error(404), "function_not_found");
    assert_eq!(client.get("/functions/f/versions?cursor=x").error(400), "invalid_request");
}

#[test]
fn preconditions_hold_for_functions_too() {
    let server = Server::start();
    let client = &server.client;
    let wasm = |name: &str| guest(&format!("fixtures/{name}"));
    let put = |header, bytes: &[u8]| {
        client.send("PUT", "/functions/f", &[("content-type", "application/wasm"), header], bytes)
    };
    assert_eq!(put(("if-match", "\"1\""), &wasm("echo")).error(412), "precondition_failed");
    put(("if-none-match", "*"), &wasm("echo")).ok(200);
    assert_eq!(put(("if-none-match", "*"), &wasm("core_module")).error(412), "precondition_failed");
    put(("if-match", "\"1\""), &wasm("core_module")).ok(200);
    let old = [("if-match", "\"1\"")];
    assert_eq!(client.send("POST", "/functions/f/rollback", &old, b"").error(412), "precondition_failed");
    assert_eq!(client.send("DELETE", "/functions/f", &old, b"").error(412), "precondition_failed");
    assert_eq!(client.send("DELETE", "/functions/f", &[("if-match", "2")], b"").error(400), "invalid_request");
    assert_eq!(client.get("/functions/f").ok(200)["version"], 2);
}

#[test]
fn a_deleted_function_is_missing_until_it_is_uploaded_again() {
    let server = Server::start();
    let client = &server.client;
    client.upload("f", &guest("fixtures/core_module"));
    let step = json!([{"id": "a", "type": "function", "function": "f"}]);
    client.put("/workflows/w", &json!({ "steps": step })).ok(201);
    assert_eq!(client.delete("/functions/f").ok(200), json!({}));
    assert_eq!(client.delete("/functions/f").error(404), "function_not_found");
    assert_eq!(client.get("/functions/f").error(404), "function_not_found");
    assert_eq!(client.get("/functions").ok(200), json!([]));
    assert_eq!(client.post("/functions/f/rollback", &json!({"version": 1})).error(404), "function_not_found");
    assert_eq!(client.post("/workflows/trigger", &json!({"workflowId": "w"})).error(422), "missing_functions");
    assert_eq!(client.get("/functions/f/versions").ok(200)["items"][0]["version"], 1, "its history stays");
    let server = server.kill_and_restart();
    let again = server.client.upload("f", &guest("fixtures/core_module"));
    assert_eq!(again["version"], 2, "numbers are not given twice");
    assert_eq!(server.client.run("w", &json!({"a": 1}))["status"], "completed");
}

#[test]
fn dotted_names_are_ids_first_and_then_a_component_and_its_function() {
    let server = Server::start();
    let client = &server.client;
    let calls = |function: &str| {
        let step = json!({"id": "a", "type": "function", "function": function});
        client.post("/workflows", &json!({"name": "W", "steps": [step]})).ok(201)
    };
    // Several functions: each has an id of its own.
    client.upload("order", &guest("validate-order"));
    assert_eq!(calls("order.validate-order")["warnings"], json!([]));
    // One function, under the component's id.
    client.upload("my.service", &guest("fixtures/echo"));
    let workflow = calls("my.service.echo");
    assert_eq!(workflow["warnings"], json!([]));
    let ended = client.run(workflow["id"].as_str().expect("id"), &json!({"n": 1}));
    assert_eq!((&ended["status"], &ended["result"]["ctx"]["function"]), (&json!("completed"), &json!("echo")));
    assert_eq!(execute(client, "my.service.echo")["ctx"]["function"], "echo");
    for unknown in ["my.service.other", "my.service", "order", "other.echo"] {
        let warnings = calls(unknown)["warnings"].clone();
        assert_eq!(warnings[0]["code"] == "unregistered_function", unknown != "my.service", "{unknown}: {warnings}");
    }
    // The exact id wins.
    client.upload("my.service.echo", &guest("fixtures/core_module"));
    let ended = client.run(workflow["id"].as_str().expect("id"), &json!({"n": 1}));
    assert!(ended["status"] == "completed" && ended["result"].get("ctx").is_none(), "{ended:#}");
}
