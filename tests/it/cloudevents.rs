//! CloudEvents 1.0 over HTTP: structured, in batches, binary.

use crate::raw::Raw;
use crate::support::{Answer, Server};
use serde_json::{Value, json};

fn event(id: &str) -> Value {
    json!({"specversion": "1.0", "type": "order.placed", "source": "shop", "id": id, "subject": "order/1", "data": {"total": 5}})
}

fn send(server: &Server, kind: &str, body: &Value) -> Answer {
    server.client.send("POST", "/events", &[("content-type", kind)], body.to_string().as_bytes())
}

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json; charset=utf-8";

#[test]
fn events_come_in_all_three_forms_and_start_workflows() {
    let server = Server::start();
    let steps = json!([{"id": "only", "type": "condition", "condition": "true"}]);
    let trigger = json!({"type": "event", "config": {"eventType": "order.placed"}, "condition": "total === 5"});
    server.client.post("/workflows", &json!({"id": "w", "steps": steps, "triggers": [trigger]})).ok(201);
    let structured = send(&server, STRUCTURED, &event("s-1")).ok(201);
    assert_eq!((&structured["data"], &structured["metadata"]), (&json!({"total": 5}), &json!({"subject": "order/1"})));
    assert_eq!(send(&server, STRUCTURED, &event("s-1")).ok(200), structured);
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-type", "order.placed"),
        ("ce-source", "shop"),
        ("ce-id", "b%2d1"),
        ("ce-subject", "order/1"),
        ("content-type", "application/json"),
    ];
    let binary = server.client.send("POST", "/events", &headers, br#"{"total": 5}"#).ok(201);
    assert_eq!(
        (&binary["id"], &binary["data"], &binary["metadata"]["subject"]),
        (&json!("b-1"), &json!({"total": 5}), &json!("order/1"))
    );
    let batch = send(&server, BATCH, &json!([event("s-1"), event("n-1"), event("n-2")])).ok(201);
    let ids: Vec<_> = batch.as_array().expect("a list").iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids, ["s-1", "n-1", "n-2"]);
    assert_eq!(send(&server, BATCH, &json!([event("n-1"), event("n-2")])).status, 200);
    assert_eq!(send(&server, BATCH, &json!([])).ok(200), json!([]));
    for id in ["s-1", "b-1", "n-1", "n-2"] {
        let shown = server.client.get(&format!("/events/{id}")).ok(200);
        assert_eq!(shown["started"].as_array().map(Vec::len), Some(1), "{shown:#}");
    }
    let accept = [("accept", "application/json;q=0.5, application/cloudevents+json")];
    let shown = server.client.send("GET", "/events/s-1", &accept, b"");
    assert_eq!(shown.content_type, STRUCTURED);
    let shown = shown.ok(200);
    for (name, value) in event("s-1").as_object().expect("an object") {
        assert_eq!(&shown[name], value, "{shown:#}");
    }
    assert!(shown.get("started").is_none());
}

#[test]
fn bad_events_are_named_field_by_field_and_nothing_is_kept() {
    let server = Server::start();
    let fields = |answer: Answer| {
        assert_eq!(answer.error(400), "invalid_request");
        let errors = answer.body["errors"].as_array().expect("errors");
        errors.iter().map(|error| error["field"].as_str().expect("a field").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(fields(send(&server, STRUCTURED, &json!({}))), ["specversion", "type", "source", "id"]);
    assert_eq!(fields(send(&server, STRUCTURED, &json!([]))), ["body"]);
    let mut bad = event("1");
    bad["specversion"] = json!("2.0");
    bad["type"] = Value::Null;
    assert_eq!(fields(send(&server, STRUCTURED, &bad)), ["specversion", "type"]);
    let mut spaced = event("1");
    spaced["type"] = json!("a b");
    assert_eq!(fields(send(&server, STRUCTURED, &spaced)), ["type"]);
    assert_eq!(
        fields(send(&server, BATCH, &json!([event("1"), spaced, {}]))),
        ["[1].type", "[2].specversion", "[2].type", "[2].source", "[2].id"]
    );
    assert_eq!(fields(send(&server, BATCH, &json!({}))), ["body"]);
    let mut raw = Raw::connect(&server);
    raw.request(
        "POST /events",
        "ce-specversion: 1.0\r\nce-type: a\r\nce-type: b\r\nce-source: s\r\nce-id: 1\r\ncontent-length: 0\r\n\r\n",
    );
    let (status, _, body) = raw.answer();
    assert_eq!((status, &body["errors"][0]["field"]), (400, &json!("ce-type")), "{body:#}");
    let missing = server.client.send("POST", "/events", &[("ce-type", "a"), ("ce-source", "s"), ("ce-id", "1")], b"");
    assert_eq!(fields(missing), ["ce-specversion"]);
    let own = json!({"specversion": "1.0", "type": "stepwell.execution.failed", "source": "s", "id": "1"});
    assert_eq!(send(&server, BATCH, &json!([event("1"), own])).error(422), "reserved_type");
    let many: Vec<Value> = (0..10_000).map(|n| event(&n.to_string())).collect();
    let answer = send(&server, BATCH, &json!(many));
    assert_eq!(answer.error(413), "event_batch");
    assert!(answer.body["message"].as_str().is_some_and(|message| message.contains("10000")), "{}", answer.body);
    let mut large = event("2");
    large["data"] = json!("x".repeat(256 << 10));
    assert_eq!(send(&server, BATCH, &json!([event("1"), large])).error(413), "payload_bytes");
    assert_eq!(send(&server, STRUCTURED, &large).error(413), "payload_bytes");
    let answer = send(&server, "application/cloudevents+xml", &event("1"));
    assert_eq!(answer.error(415), "unsupported_media_type");
    assert_eq!(server.client.get("/events").ok(200), json!([]));
}
