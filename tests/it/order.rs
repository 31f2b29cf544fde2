//! The seed's order workflow on Rust components, over HTTP: its three paths, and what clients see of them.

use crate::support::{Client, Server, failure, guest};
use serde_json::{Value, json};

/// `host/cli/src/demo/order-fulfillment.json` without the demo's retries: the seed's own.
pub fn definition() -> Value {
    let mut definition: Value =
        serde_json::from_str(include_str!("../../host/cli/src/demo/order-fulfillment.json")).expect("JSON");
    for step in definition["steps"].as_array_mut().expect("steps") {
        if step["type"] == "function" {
            step.as_object_mut().expect("a step").remove("config");
        }
    }
    definition
}

/// Uploads the seven functions and creates the workflow; gives its id.
pub fn deploy(client: &Client) -> String {
    let definition = definition();
    for id in definition["steps"].as_array().expect("steps").iter().filter_map(|step| step["function"].as_str()) {
        let function = client.put_wasm(&format!("/functions/{id}?function={id}"), &guest(id)).ok(200);
        assert_eq!((&function["id"], &function["name"], &function["version"]), (&json!(id), &json!(id), &json!(1)));
    }
    let workflow = client.post("/workflows", &definition).ok(201);
    workflow["id"].as_str().expect("id").to_owned()
}

pub fn paid() -> Value {
    json!({"orderId": "order-123", "total": 120, "email": "a@example.com"})
}

pub fn paid_result() -> Value {
    json!({"notify-customer": {"sent": true, "to": "a@example.com"}, "notify-warehouse": {"picked": "ship-order-123"}})
}

#[test]
fn the_order_workflow_completes_on_its_three_paths() {
    let server = Server::start();
    let id = deploy(&server.client);
    let ended = server.client.run(&id, &paid());
    assert_eq!((&ended["status"], &ended["result"]), (&json!("completed"), &paid_result()), "{ended:#}");
    assert_eq!(
        (&ended["steps"]["payment-failed"]["status"], &ended["steps"]["create-shipment"]["attempts"]),
        (&json!("skipped"), &json!(1))
    );
    assert_eq!((&ended["state"], &ended["trigger"]["by"]), (&json!("completed"), &json!("admin")));

    let declined = server.client.run(&id, &json!({"orderId": "order-9", "total": 9000, "email": "a@example.com"}));
    assert_eq!(declined["result"], json!({"notified": "order-9", "because": "declined"}), "{declined:#}");
    assert_eq!(declined["steps"]["update-inventory"]["status"], "skipped");

    let bad = server.client.run(&id, &json!({"total": 1}));
    assert_eq!(failure(&bad), ("bad_order".to_owned(), "orderId missing".to_owned()));
    assert!(bad["error"].as_str().expect("text").contains("orderId missing"));
    assert_eq!(
        (&bad["steps"]["validate"]["status"], &bad["steps"]["validate"]["attempts"]),
        (&json!("failed"), &json!(1))
    );
}

#[test]
fn the_history_tells_what_each_step_did() {
    let server = Server::start();
    let id = deploy(&server.client);
    let ended = server.client.run(&id, &paid());
    let path = format!("/workflows/executions/{}/history", ended["executionId"].as_str().expect("id"));
    let history = server.client.get(&path).ok(200);
    let items = history["items"].as_array().expect("items");
    assert_eq!(
        (&items[0]["entry"], &items[0]["seq"], &history["nextCursor"]),
        (&json!("started"), &json!(0), &Value::Null)
    );
    assert_eq!((&items[1]["step"], &items[1]["output"]["valid"]), (&json!("validate"), &json!(true)));
    assert!(items[1]["usage"]["fuel"].as_u64().is_some_and(|fuel| fuel > 0), "{history:#}");
    let part = server.client.get(&format!("{path}?cursor=1&limit=2")).ok(200);
    assert_eq!((part["items"].as_array().map(Vec::len), &part["nextCursor"]), (Some(2), &json!("3")));
}

#[test]
fn trigger_waits_if_asked_and_starts_once_per_key() {
    let server = Server::start();
    let id = deploy(&server.client);
    let body = json!({"workflowId": id, "input": paid(), "idempotencyKey": "order-123"});
    let ended = server.client.post("/workflows/trigger?wait=30s", &body).ok(200);
    assert_eq!(ended["result"], paid_result(), "{ended:#}");
    let again = server.client.post("/workflows/trigger", &body).ok(200);
    assert_eq!(again["executionId"], ended["executionId"]);
    let headers = [("content-type", "application/json"), ("idempotency-key", "order-123")];
    let other = json!({"workflowId": id, "input": {"orderId": "x"}}).to_string();
    assert_eq!(
        server.client.send("POST", "/workflows/trigger", &headers, other.as_bytes()).error(422),
        "idempotency_key_reused"
    );
}

#[test]
fn the_client_of_the_seed_gets_the_shapes_that_it_reads() {
    let server = Server::start();
    let client = &server.client;
    let id = deploy(client);
    let list = client.get("/workflows").ok(200);
    assert_eq!((list.as_array().map(Vec::len), &list[0]["id"]), (Some(1), &json!(id)));
    let one = client.get(&format!("/workflows/{id}")).ok(200);
    assert_eq!((&one["name"], one["steps"].as_array().map(Vec::len)), (&json!("Order Fulfillment Workflow"), Some(8)));
    assert_eq!((&one["revision"], &one["warnings"]), (&json!(1), &json!([])));
    let functions = client.get("/functions").ok(200);
    assert_eq!(functions.as_array().map(Vec::len), Some(7));
    let function = client.get("/functions/charge-payment").ok(200);
    assert_eq!((&function["kind"], &function["component"]), (&json!("component"), &json!("charge-payment")));
    assert!(function["description"].as_str().is_some_and(|text| text.contains("card")), "{function:#}");
    assert!(
        function["imports"]["wanted"]
            .as_array()
            .is_some_and(|imports| imports.contains(&json!("stepwell:function/log@1.0.0")))
    );
    let output = client.post("/functions/execute", &json!({"functionId": "charge-payment", "input": paid()})).ok(200);
    assert_eq!(output, json!({"status": "succeeded", "orderId": "order-123", "amount": 120}), "the raw output");
    let refused = client.post("/functions/execute", &json!({"functionId": "validate-order", "input": {}}));
    assert_eq!(refused.error(422), "bad_order");
    assert_eq!((&refused.body["retryable"], &refused.body["message"]), (&json!(false), &json!("orderId missing")));
}
