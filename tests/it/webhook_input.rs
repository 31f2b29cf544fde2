//! Webhooks that nobody should send: each gets a clear error, a line in the log of deliveries, and starts nothing.

use crate::raw::Raw;
use crate::support::Server;
use serde_json::{Value, json};

fn server_with(config: &Value) -> Server {
    let server = Server::start();
    let steps = json!([{"id": "only", "type": "condition", "condition": "true"}]);
    let triggers = json!([{"type": "webhook", "config": config}]);
    server.client.post("/workflows", &json!({"id": "w", "steps": steps, "triggers": triggers})).ok(201);
    server
}

fn refused(server: &Server) -> Vec<Value> {
    let list = server.client.get("/webhook-deliveries?status=refused&limit=200").ok(200);
    assert_eq!(server.client.get("/workflows/executions").ok(200)["items"], json!([]), "nothing is started");
    list["items"].as_array().expect("items").clone()
}

#[test]
fn addresses_and_methods_that_are_none() {
    let server = server_with(&json!({"path": "/webhooks/a", "method": "PUT"}));
    let client = server.client.stranger();
    for path in [
        "/webhooks/b",
        "/webhooks/a/",
        "/webhooks/a/b",
        "/webhooks/A",
        "/webhooks/%61",
        "/webhooks//a",
        "/webhooks/..%2fa",
        "/t/tenant-2/webhooks/a",
        "/t/tenant-01/webhooks/a",
        "/t/nobody/webhooks/a",
        "/webhooks/%ff",
        "/webhooks/%00",
    ] {
        let answer = client.send("PUT", path, &[], b"{}");
        assert_eq!(answer.error(404), "webhook_not_found", "{path}");
    }
    assert_eq!(client.send("PUT", "/webhooks", &[], b"{}").error(404), "route_not_found");
    assert_eq!(client.send("PUT", "/webhooks/", &[], b"{}").status, 404);
    let mut raw = Raw::connect(&server);
    for method in ["POST", "GET", "DELETE", "OPTIONS", "put", "BREW"] {
        raw.request(&format!("{method} /webhooks/a"), "content-length: 0\r\n\r\n");
        let (status, head, body) = raw.answer();
        assert_eq!((status, &body["code"]), (405, &json!("method_not_allowed")), "{method}");
        assert!(head.contains("allow: put\r\n"), "{head}");
    }
    assert_eq!(refused(&server), Vec::<Value>::new());
}

#[test]
fn bodies_that_are_too_long_or_none() {
    let server = server_with(&json!({"path": "/webhooks/a"}));
    let client = server.client.stranger();
    let send = |kind: &str, body: &[u8]| client.send("POST", "/webhooks/a", &[("content-type", kind)], body);
    let long = "x".repeat((256 << 10) + 1);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let quotes = "\"".repeat(200 << 10);
    for (kind, body, status, code) in [
        ("text/plain", long.as_bytes(), 413, "payload_bytes"),
        ("application/json", b"{", 400, "invalid_json"),
        ("application/json", deep.as_bytes(), 400, "json_depth"),
        ("application/json", b"\"\\ud800\"", 400, "invalid_json_value"),
        ("application/json", b"\xff", 400, "invalid_request"),
        ("application/octet-stream", b"\xff\xfe", 415, "unsupported_media_type"),
    ] {
        assert_eq!(send(kind, body).error(status), code);
        assert_eq!(refused(&server)[0]["code"], code);
    }
    // As JSON, each of these has a second character.
    assert_eq!(send("text/plain", quotes.as_bytes()).error(413), "payload_bytes");
    assert_eq!(refused(&server)[0]["code"], "payload_bytes");
    let packed = [("content-encoding", "gzip")];
    let answer = client.send("POST", "/webhooks/a", &packed, b"x");
    assert_eq!(answer.error(415), "unsupported_media_type");
    let mut raw = Raw::connect(&server);
    raw.request("POST /webhooks/a", "content-length: 99999999999\r\n\r\n");
    let (status, _, body) = raw.answer();
    assert_eq!((status, &body["code"]), (413, &json!("payload_bytes")), "before anything was sent");
    assert_eq!(refused(&server)[0]["code"], "payload_bytes");
}

#[test]
fn requests_that_break_off_and_heads_without_end() {
    let mut server = server_with(&json!({"path": "/webhooks/a", "secret": "s"}));
    let mut raw = Raw::connect(&server);
    raw.request("POST /webhooks/a", "content-length: 100\r\n\r\n{");
    raw.end();
    assert_eq!(raw.answer().2["errors"][0]["field"], "body");
    assert_eq!(refused(&server)[0]["code"], "invalid_request");
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("stripe-signature: {}\r\n", "v1=00,".repeat(12_000));
    for headers in [many, long] {
        let mut raw = Raw::connect(&server);
        raw.request("POST /webhooks/a", &format!("content-length: 0\r\n{headers}\r\n"));
        assert_eq!(raw.answer().0, 431);
    }
    // Long, but within the limits: looked at in a moment.
    for header in ["stripe-signature: t=1,", "webhook-signature: ", "x-hub-signature-256: sha256="] {
        let mut raw = Raw::connect(&server);
        let value = "v1=00,".repeat(9_000);
        raw.request("POST /webhooks/a", &format!("content-length: 0\r\n{header}{value}\r\n\r\n"));
        let (status, _, body) = raw.answer();
        assert_eq!(status, 401, "{body:#}");
    }
    // Half a body, and no end: the connection stays, and others are served.
    let mut slow = Raw::connect(&server);
    slow.request("POST /webhooks/a", "content-length: 100\r\n\r\n{");
    assert_eq!(server.client.get("/healthz").status, 200);
    drop(slow);
    assert!(server.is_alive());
}

#[test]
fn a_secret_is_in_no_answer_and_no_delivery() {
    let planted = "planted-7f3c19e2a4-value";
    let server = server_with(&json!({"path": "/webhooks/a", "secret": planted}));
    let client = server.client.stranger();
    let headers = [("x-api-key", planted), ("x-hub-signature-256", "sha256=00"), ("x-secret", planted)];
    let answer = client.send("POST", "/webhooks/a", &headers, b"{}");
    assert!(!answer.body.to_string().contains(planted), "{}", answer.body);
    for line in refused(&server) {
        assert!(!line.to_string().contains(planted), "{line:#}");
    }
    assert!(!server.client.get("/workflows/w").ok(200).to_string().contains(planted));
}
