//! Requests: JSON, ids, headers, signatures, connections.

use super::attacks;
use crate::arena::Arena;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

attacks!(
    json_of_depth_100_000,
    numbers_beyond_numbers,
    duplicate_keys,
    lone_surrogates_and_nul,
    ids_that_climb,
    ids_with_unicode_tricks,
    bodies_larger_than_allowed,
    headers_without_end,
    requests_smuggled_behind_others,
    connections_that_never_speak,
    hostile_cron_strings,
    hostile_webhook_bodies,
    cursors_made_up,
    idempotency_keys_without_end,
);

/// The routes that take JSON.
const ROUTES: [(&str, &str); 9] = [
    ("POST", "/workflows"),
    ("POST", "/workflows/validate"),
    ("POST", "/workflows/trigger"),
    ("POST", "/functions"),
    ("POST", "/functions/execute"),
    ("POST", "/events"),
    ("POST", "/agents"),
    ("PUT", "/secrets/A"),
    ("PUT", "/workflows/w"),
];

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// Every route refuses this body as the sender's fault.
fn refused_everywhere(arena: &Arena, body: &[u8]) {
    for (method, path) in ROUTES {
        let answer = arena.mallory.send(method, path, &JSON, body);
        assert!((400..500).contains(&answer.status), "{method} {path}: {:#}", answer.body);
        answer.error(answer.status);
    }
}

fn json_of_depth_100_000(arena: &Arena) {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        refused_everywhere(arena, deep.as_bytes());
        refused_everywhere(arena, format!("{{\"workflowId\":\"w\",\"type\":\"a\",\"input\":{deep}}}").as_bytes());
        refused_everywhere(arena, open.repeat(100_000).as_bytes());
    }
}

fn numbers_beyond_numbers(arena: &Arena) {
    arena.mallory.put_script("/functions/takes", "export default input => input").ok(200);
    for number in ["1e400", "-1e400", "1e-99999999999999999999", "1E+9999"] {
        let body = format!(
            "{{\"workflowId\":\"honest-work\",\"functionId\":\"takes\",\"type\":\"a.b\",\"source\":\"s\",\"input\":{number},\"data\":{number}}}"
        );
        for (method, path) in ROUTES {
            let answer = arena.mallory.send(method, path, &JSON, body.as_bytes());
            assert!(answer.status < 500, "{method} {path} {number}: {:#}", answer.body);
        }
    }
    let long = format!("{{\"functionId\":\"takes\",\"input\":{}}}", "9".repeat(100_000));
    let answer = arena.mallory.send("POST", "/functions/execute", &JSON, long.as_bytes());
    assert!(answer.status < 500, "{:#}", answer.body);
}

fn duplicate_keys(arena: &Arena) {
    // Whoever checks one and uses the other is deceived. Here all readers see the same.
    let body = br#"{"workflowId":"none","workflowId":"honest-work","input":{"number":1,"number":2}}"#;
    let answer = arena.acme.send("POST", "/workflows/trigger?wait=10s", &JSON, body);
    assert!([200, 400, 404].contains(&answer.status), "{:#}", answer.body);
    if answer.status == 200 {
        assert_eq!(answer.body["result"]["input"]["number"], 2, "{:#}", answer.body);
    }
}

fn lone_surrogates_and_nul(arena: &Arena) {
    for text in [r#""\ud800""#, r#""\udfff\ud800""#, "\"\u{0}\"", "\"\\u0000\"", "\"\u{feff}\""] {
        let body = format!(
            "{{\"functionId\":{text},\"workflowId\":{text},\"type\":{text},\"source\":{text},\"id\":{text},\"name\":{text},\"value\":{text}}}"
        );
        for (method, path) in ROUTES {
            let answer = arena.mallory.send(method, path, &JSON, body.as_bytes());
            assert!(answer.status < 500, "{method} {path} {text}: {:#}", answer.body);
        }
    }
    refused_everywhere(arena, b"{\"a\":\"\xff\xfe\"}");
}

/// Each way to name something.
fn each_id(arena: &Arena, id: &str) {
    for prefix in [
        "/workflows/",
        "/functions/",
        "/workflows/executions/",
        "/secrets/",
        "/events/",
        "/approvals/",
        "/agents/",
        "/schedules/",
    ] {
        for (method, body) in [("GET", ""), ("DELETE", ""), ("PUT", "{\"value\":\"x\"}")] {
            let answer = arena.mallory.send(method, &format!("{prefix}{id}"), &JSON, body.as_bytes());
            assert!((400..500).contains(&answer.status), "{method} {prefix}{id}: {:#}", answer.body);
        }
    }
}

fn ids_that_climb(arena: &Arena) {
    for id in [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f%2e%2e",
        "%2fetc%2fpasswd",
        "a%00b",
        "%00",
        "..%5c..",
        "%2e",
        "%ff%fe",
        "a%0d%0ab",
    ] {
        each_id(arena, id);
    }
    assert!(!arena.folder().join("../x").exists());
}

fn ids_with_unicode_tricks(arena: &Arena) {
    // Another direction of writing, letters that look like others, no width, two forms of one letter, no character at all.
    for id in
        ["%E2%80%AEcod", "%D0%B0dmin", "a%E2%80%8Bb", "e%CC%81", "%EF%BF%BF", "%F0%9F%92%A9", "%C2%A0", "K%E2%84%AA"]
    {
        each_id(arena, id);
    }
    each_id(arena, &"a".repeat(5_000));
}

fn bodies_larger_than_allowed(arena: &Arena) {
    arena.mallory.put_script("/functions/takes", "export default input => input").ok(200);
    let huge = format!("{{\"functionId\":\"takes\",\"input\":\"{}\"}}", "x".repeat(8 << 20));
    for (method, path) in ROUTES {
        let answer = arena.mallory.send(method, path, &JSON, huge.as_bytes());
        assert!((400..500).contains(&answer.status), "{method} {path}: {:#}", answer.body);
    }
}

/// A connection of one's own: what comes back until the server ends it or nothing more comes.
fn raw(arena: &Arena, bytes: &[u8]) -> String {
    let address = arena.mallory.address.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("connects");
    // The server may answer and close before everything is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.take(1 << 20).read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn headers_without_end(arena: &Arena) {
    let many = "x-a: b\r\n".repeat(20_000);
    let long = format!("x-a: {}\r\n", "b".repeat(1 << 20));
    for headers in [many, long] {
        let answer = raw(arena, format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let path = "/".repeat(1 << 20);
    let answer = raw(arena, format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
}

/// Two lengths, or a length and pieces: whoever reads one of them finds a second request in the body.
fn requests_smuggled_behind_others(arena: &Arena) {
    let inner = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    for headers in [
        format!("content-length: 0\r\ncontent-length: {}\r\n", inner.len()),
        format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", inner.len()),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".to_owned(),
        format!("content-length: +{}\r\n", inner.len()),
        format!("content-length : {}\r\n", inner.len()),
    ] {
        let answer = raw(arena, format!("POST /events HTTP/1.1\r\nhost: x\r\n{headers}\r\n{inner}").as_bytes());
        assert!(!answer.contains("/smuggled"), "{headers}: {answer}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{headers}: {answer}");
    }
}

fn connections_that_never_speak(arena: &Arena) {
    let address = arena.mallory.address.strip_prefix("http://").expect("an address");
    let silent: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(address).expect("connects")).collect();
    let mut slow: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(address).expect("connects")).collect();
    for stream in &mut slow {
        let _ = stream.write_all(b"POST /events HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{");
    }
    assert_eq!(arena.mallory.get("/healthz").ok(200)["status"], "ok");
    drop((silent, slow));
}

fn hostile_cron_strings(arena: &Arena) {
    let many = "1,".repeat(100_000);
    for cron in [
        "",
        "* * * *",
        "60 * * * *",
        "*/0 * * * *",
        "0 0 31 2 *",
        "99999999999999999999 * * * *",
        "1-0 * * * *",
        "\u{0} * * * *",
        "@reboot",
        &many,
    ] {
        let schedule = json!({"type": "schedule", "config": {"cron": cron}});
        let step = json!({"id": "a", "type": "condition", "condition": "true"});
        let answer = arena.mallory.post("/workflows", &json!({"name": "c", "steps": [step], "triggers": [schedule]}));
        assert_eq!(answer.error(422), "invalid_definition", "{cron:.40}");
    }
}

fn hostile_webhook_bodies(arena: &Arena) {
    let secret = json!({"provider": "hmac", "secret": "a-webhook-secret-of-32-characters"});
    let step = json!({"id": "a", "type": "condition", "condition": "true"});
    let mut config = secret;
    config["path"] = json!("/webhooks/hostile");
    let definition = json!({"name": "hook", "steps": [step], "triggers": [{"type": "webhook", "config": config}]});
    let made = arena.mallory.post("/workflows", &definition);
    assert!([201, 422].contains(&made.status), "{:#}", made.body);
    let deep = "[".repeat(100_000);
    for body in ["", "{", "\u{0}", &deep, "a=1&a=2&%ff=%zz"] {
        for signature in ["", "sha256=", "sha256=00", &"0".repeat(100_000)] {
            let headers = [("content-type", "application/json"), ("x-signature", signature)];
            if signature.len() < 8_000 {
                let answer = arena.mallory.stranger().send("POST", "/webhooks/hostile", &headers, body.as_bytes());
                assert!((400..500).contains(&answer.status), "{:#}", answer.body);
            }
        }
    }
}

fn cursors_made_up(arena: &Arena) {
    for cursor in ["x", "%00", "..", "999999999999999999999", "%F0%9F%92%A9", &"a".repeat(4_000)] {
        for list in ["/workflows/executions", "/events", "/approvals", "/secrets", "/webhook-deliveries"] {
            let answer = arena.mallory.get(&format!("{list}?cursor={cursor}&limit=10"));
            assert!(answer.status < 500, "{list} {cursor}: {:#}", answer.body);
        }
    }
    for limit in ["0", "-1", "99999999999999999999", "x"] {
        let answer = arena.mallory.get(&format!("/workflows/executions?limit={limit}"));
        assert!(answer.status < 500, "{limit}: {:#}", answer.body);
    }
}

fn idempotency_keys_without_end(arena: &Arena) {
    let body: Value = json!({"workflowId": "honest-work", "input": {}});
    for key in ["", &"k".repeat(256), &"k".repeat(6_000)] {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let answer = arena.acme.send("POST", "/workflows/trigger", &headers, body.to_string().as_bytes());
        assert_eq!(answer.error(400), "invalid_request", "{} bytes", key.len());
    }
}
