//! Uploads while they go on: what is told of them, and how they are ended.

use crate::following::{Event, Events};
use crate::isolation::is_gone;
use crate::raw::Raw;
use crate::support::{Client, KEY, Server, guest};
use crate::uploads::{bomb, compiler};
use serde_json::{Value, json};

/// The tenant's upload that is under way, once there is one.
pub fn under_way(client: &Client) -> Value {
    loop {
        if let Some(upload) = client.get("/uploads").ok(200)["items"].as_array().and_then(|items| items.first()) {
            return upload.clone();
        }
    }
}

/// An upload whose progress is asked for.
fn follow(server: &Server, line: &str, (kind, body): (&str, &[u8])) -> (String, Events) {
    let mut raw = Raw::connect(server);
    let length = body.len();
    raw.request(
        line,
        &format!("accept: text/event-stream\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"),
    );
    raw.bytes(body);
    Events::of(raw)
}

fn all(mut events: Events) -> Vec<Event> {
    std::iter::from_fn(|| events.next()).collect()
}

/// The phases, each once, and the last event.
fn told(events: &[Event]) -> (Vec<&str>, &Event) {
    let (last, phases) = events.split_last().expect("events");
    let mut kinds: Vec<&str> = phases.iter().map(|event| event.kind.as_str()).collect();
    kinds.dedup();
    assert!(phases.iter().all(|event| event.data["phase"] == event.kind.as_str()));
    (kinds, last)
}

const WASM: &str = "application/wasm";

#[test]
fn an_upload_tells_how_far_it_is_and_ends_with_its_answer() {
    let server = Server::start();
    let (head, events) = follow(&server, "PUT /functions/echo", (WASM, &guest("fixtures/echo")));
    let events = all(events);
    let (phases, last) = told(&events);
    assert_eq!(phases, ["received", "waiting", "scanning", "compiling", "storing"]);
    let id = events[0].data["id"].as_str().expect("an id");
    assert!(id.starts_with("upl-") && head.contains(&format!("stepwell-upload: {id}\r\n")), "{head}");
    let done: Vec<(u64, u64)> = events
        .iter()
        .filter(|event| event.kind == "compiling")
        .map(|event| (event.data["compiled"].as_u64().expect("n"), event.data["functions"].as_u64().expect("n")))
        .collect();
    assert!(done.len() > 2 && done.is_sorted() && done.iter().all(|(done, of)| done <= of), "{done:?}");
    assert_eq!((last.kind.as_str(), &last.data["version"], &last.data["id"]), ("done", &json!(1), &json!("echo")));
    assert!(last.data["compileMs"].as_u64() > Some(0) && last.data["grants"]["wanted"].is_object(), "{:#}", last.data);
    let mut plain = server.client.upload("echo", &guest("fixtures/echo"));
    plain["compileMs"] = last.data["compileMs"].clone();
    assert_eq!(last.data, plain, "it is the answer that others get");
    let line = &server.client.get("/audit?limit=1").ok(200)["items"][0];
    assert_eq!((&line["action"], &line["target"]), (&json!("function.deploy"), &json!("echo")));

    let (_, again) = follow(&server, "PUT /functions/echo", (WASM, &guest("fixtures/echo")));
    assert_eq!(told(&all(again)).0, ["received", "storing"], "it was compiled before");
    let script = json!({"id": "f", "source": "export default input => input"}).to_string();
    let (head, events) = follow(&server, "POST /functions", ("application/json", script.as_bytes()));
    let events = all(events);
    let (phases, last) = told(&events);
    assert_eq!((phases, last.data["id"].as_str()), (vec!["received", "scanning", "storing"], Some("f")));
    let line = &server.client.get("/audit?limit=1").ok(200)["items"][0];
    assert_eq!((&line["action"], &line["target"]), (&json!("function.deploy"), &json!("f")));
    let request = format!("x-request-id: {}\r\n", line["requestId"].as_str().expect("a request"));
    assert!(head.contains(&request), "{head}");
    assert_eq!(server.client.get("/uploads").ok(200)["items"], json!([]));
}

#[test]
fn an_upload_that_is_refused_ends_with_its_error() {
    let server = Server::start();
    let (_, events) = follow(&server, "PUT /functions/f", (WASM, b"hello"));
    let events = all(events);
    let (_, last) = told(&events);
    assert_eq!((last.kind.as_str(), &last.data["code"]), ("error", &json!("invalid_wasm")));
    let as_others = server.client.put_wasm("/functions/f", b"hello").body;
    for field in ["statusCode", "message", "errors", "instance"] {
        assert_eq!(last.data[field], as_others[field], "{field}");
    }
    assert_eq!(server.client.get("/audit").ok(200)["items"], json!([]), "nothing changed");
    // What is wrong with the request itself has its own status.
    let headers = [("content-type", "text/x-python"), ("accept", "text/event-stream")];
    assert_eq!(server.client.send("PUT", "/functions/f", &headers, b"x").error(415), "unsupported_media_type");
}

#[test]
fn an_upload_is_ended_by_its_tenant_and_nobody_else() {
    let server = Server::start();
    let stranger = server.client.tenant("acme");
    let (_, mut events) = follow(&server, "PUT /functions/bomb", (WASM, &bomb()));
    while events.next().expect("more").kind != "compiling" {}
    let child = compiler(&server);
    let upload = under_way(&server.client);
    assert_eq!(
        (&upload["function"], &upload["phase"], &upload["by"]),
        (&json!("bomb"), &json!("compiling"), &json!("admin"))
    );
    let path = format!("/uploads/{}", upload["id"].as_str().expect("an id"));
    assert_eq!(stranger.get("/uploads").ok(200)["items"], json!([]));
    assert_eq!(stranger.delete(&path).error(404), "upload_not_found");
    assert!(!is_gone(child));
    server.client.delete(&path).ok(200);
    let last = all(events).pop().expect("an end");
    assert_eq!(
        (last.kind.as_str(), &last.data["code"], &last.data["status"]),
        ("error", &json!("upload_cancelled"), &json!(409))
    );
    while !is_gone(child) {}
    assert_eq!(server.client.get("/functions/bomb").error(404), "function_not_found");
    assert_eq!(server.client.delete(&path).error(404), "upload_not_found");
    server.client.upload("echo", &guest("fixtures/echo"));
}

/// Two uploads of one tenant, of which the second waits for the compiler; both hang up.
fn hang_up(accept: &str) {
    let server = Server::start();
    let bytes = bomb();
    let [first, second] = [(); 2].map(|()| {
        let mut raw = Raw::connect(&server);
        raw.send(&format!(
            "PUT /functions/bomb HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{accept}content-type: {WASM}\r\ncontent-length: {}\r\n\r\n",
            bytes.len()
        ));
        raw.bytes(&bytes);
        raw
    });
    let child = compiler(&server);
    while server.client.get("/uploads").ok(200)["items"].as_array().map(Vec::len) != Some(2) {}
    drop((first, second));
    while !is_gone(child) {}
    while server.client.get("/uploads").ok(200)["items"] != json!([]) {}
    // The second may have had its turn for the moment between.
    while !crate::isolation::children(&server, "compile-component").is_empty() {}
    assert_eq!(server.client.get("/functions/bomb").error(404), "function_not_found");
    assert_eq!(server.client.get("/audit").ok(200)["items"], json!([]));
    server.client.upload("echo", &guest("fixtures/echo"));
}

#[test]
fn who_hangs_up_ends_the_compilation() {
    hang_up("");
}

#[test]
fn who_hangs_up_while_progress_is_told_ends_the_compilation() {
    hang_up("accept: text/event-stream\r\n");
}
