//! A disk that is getting full: what is refused, and what still works.

use crate::support::{KEY, Server, guest};
use serde_json::json;

/// The same folder, with these marks.
fn again(mut server: Server, low: &str, high: &str) -> Server {
    let data = server.folder();
    assert!(server.terminate());
    drop(server);
    let args = ["--disk-low", low, "--disk-high", high, "--disk-spare", "0"].map(str::to_owned).to_vec();
    Server::on(data, args, Some(KEY))
}

#[test]
fn little_room_refuses_what_is_new_and_none_refuses_all_but_ends() {
    let server = Server::start();
    let client = &server.client;
    client.upload("validate-order", &guest("validate-order"));
    let approval = json!({"id": "ask", "type": "human", "config": {"title": "May it?"}});
    let workflow = json!({"id": "asks", "name": "asks", "steps": [approval]});
    client.post("/workflows", &workflow).ok(201);
    let started: Vec<_> = (0..4)
        .map(|_| client.post("/workflows/trigger", &json!({"workflowId": "asks"})).ok(200)["executionId"].clone())
        .map(|id| id.as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(client.get("/store").ok(200)["disk"]["state"], "ok");

    // Any disk has used one part in a hundred.
    let server = again(server, "1", "100");
    let client = &server.client;
    assert_eq!(client.get("/readyz").ok(200)["status"], "disk_low");
    let disk = client.get("/store").ok(200)["disk"].clone();
    assert!(disk["state"] == "low" && disk["totalBytes"].as_u64() > disk["freeBytes"].as_u64(), "{disk}");
    let refused = |code: &str| {
        let (trigger, event) = (json!({"workflowId": "asks"}), json!({"type": "a", "source": "b"}));
        assert_eq!(client.post("/workflows/trigger", &trigger).error(503), code);
        assert_eq!(client.post("/events", &event).error(503), code);
        assert_eq!(client.put("/workflows/other", &json!({"name": "other", "steps": []})).error(503), code);
        assert_eq!(client.put_wasm("/functions/other", b"\0asm\r\0\x01\0").error(503), code);
        assert_eq!(client.post("/functions/execute", &json!({"functionId": "validate-order"})).error(503), code);
        assert_eq!(client.stranger().post("/webhooks/any", &json!({})).error(503), code);
    };
    refused("disk_low");
    let (parts, _) = client.exchange("POST", "/events", &[("content-type", "application/json")], b"{}");
    assert_eq!(parts.headers.get("retry-after").and_then(|value| value.to_str().ok()), Some("30"));
    client.post(&format!("/workflows/executions/{}/pause", started[0]), &json!({})).ok(200);
    let pending = |id: &str| {
        let found = client.get(&format!("/approvals?status=pending&execution={id}")).ok(200);
        found["items"][0]["id"].as_str().expect("an approval").to_owned()
    };
    client.post(&format!("/approvals/{}", pending(&started[1])), &json!({"approved": true})).ok(200);
    assert_eq!(client.end(&started[1])["status"], "completed");

    let server = again(server, "1", "1");
    let client = &server.client;
    assert_eq!(client.get("/readyz").ok(200)["status"], "disk_full");
    let resume = client.post(&format!("/workflows/executions/{}/resume", started[0]), &json!({}));
    assert_eq!(resume.error(503), "disk_full");
    assert_eq!(client.post("/workflows/trigger", &json!({"workflowId": "asks"})).error(503), "disk_full");
    client.post(&format!("/workflows/executions/{}/cancel", started[2]), &json!({})).ok(200);
    let approval =
        client.get(&format!("/approvals?status=pending&execution={}", started[3])).ok(200)["items"][0]["id"].clone();
    let approval = approval.as_str().expect("an approval");
    client.post(&format!("/approvals/{approval}"), &json!({"approved": true})).ok(200);
    assert_eq!(client.end(&started[3])["status"], "completed");
    client.delete("/functions/validate-order.charge-payment").ok(200);

    let server = again(server, "100", "100");
    server.client.post("/workflows/trigger", &json!({"workflowId": "asks"})).ok(200);
}
