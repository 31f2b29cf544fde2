//! Outgoing requests to where nobody may go, and answers that never end.

use super::Attack;
use crate::arena::{Arena, Fate};
use crate::services::Service;
use crate::support::guest;
use serde_json::{Value, json};

/// The services of these tests are on this machine.
const LOCAL: &[&str] = &["--allow-network", "127.0.0.1/32"];

pub const ATTACKS: &[Attack] = &[
    Attack { name: "calls_loopback_in_other_spellings", args: &[], act: calls_loopback_in_other_spellings },
    Attack { name: "calls_the_server_itself", args: &[], act: calls_the_server_itself },
    Attack { name: "follows_a_redirect_inwards", args: LOCAL, act: follows_a_redirect_inwards },
    Attack { name: "reads_an_answer_in_drops", args: LOCAL, act: reads_an_answer_in_drops },
    Attack { name: "smuggles_a_request_in_the_path", args: LOCAL, act: smuggles_a_request_in_the_path },
    Attack { name: "names_another_host", args: LOCAL, act: names_another_host },
    Attack { name: "opens_connections_without_end", args: LOCAL, act: opens_connections_without_end },
];

/// A function that sends what its input says, to these targets.
fn caller(arena: &Arena, targets: &[&str]) -> String {
    let grants = json!({"http": targets}).to_string();
    arena.upload_granted(&guest("fixtures/calls_http"), &grants)
}

/// The target of a service, for any method.
fn to(service: &Service) -> String {
    format!("http://{}", service.address)
}

/// One request; the step may take two seconds.
fn call(arena: &Arena, function: &str, request: &Value) -> Fate {
    arena.step(function, request, "2s")
}

/// It failed, and not by the host's fault.
fn fails(fate: &Fate) -> &str {
    match fate {
        Fate::Failed(code) if code != "host_fault" => code,
        other => panic!("{other:?}"),
    }
}

/// Numbers that some readers take for an address.
fn calls_loopback_in_other_spellings(arena: &Arena) {
    let service = Service::answering("secret");
    let port = service.address.port();
    for host in [
        "localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "127.0.0.1.",
        "LOCALHOST",
        "localhost.",
        "[::1]",
        "[::]",
    ] {
        let target = format!("http://{host}:{port}");
        let Ok(id) = arena.try_upload_granted(&guest("fixtures/calls_http"), &json!({"http": [target]}).to_string())
        else {
            continue; // refused at the upload: as good
        };
        fails(&call(arena, &id, &json!({"url": target})));
    }
    assert_eq!(service.connections(), 0);
}

/// With nothing but a network between the function and the API of its own server.
fn calls_the_server_itself(arena: &Arena) {
    let target = arena.mallory.address.clone();
    let id = caller(arena, &[&target]);
    fails(&call(arena, &id, &json!({"url": format!("{target}/healthz")})));
}

fn follows_a_redirect_inwards(arena: &Arena) {
    let inside = Service::answering("secret");
    let location = format!("HTTP/1.1 302 Found\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", inside.address);
    let outside = Service::saying(location.into_bytes());
    let id = caller(arena, &[&to(&outside)]);
    let fate = call(arena, &id, &json!({"url": to(&outside)}));
    assert!(matches!(&fate, Fate::Answered(answer) if answer["status"] == 302), "{fate:?}");
    assert_eq!(inside.connections(), 0);
}

fn reads_an_answer_in_drops(arena: &Arena) {
    let service = Service::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nx".to_vec());
    service.stay_open();
    let id = caller(arena, &[&to(&service)]);
    // The guest may be quick enough to say itself that its time is over.
    fails(&call(arena, &id, &json!({"url": to(&service)})));
}

fn smuggles_a_request_in_the_path(arena: &Arena) {
    let service = Service::answering("hello");
    let id = caller(arena, &[&to(&service)]);
    for path in ["/a HTTP/1.1\r\nhost: y\r\n\r\nGET /smuggled", "/a b", "/\u{0}", "//x@y/", "/\r\n"] {
        call(arena, &id, &json!({"url": format!("{}{path}", to(&service))}));
    }
    assert!(!service.requests().contains("\nGET /smuggled"), "{}", service.requests());
}

/// The host header is the address that was granted.
fn names_another_host(arena: &Arena) {
    let service = Service::answering("hello");
    let id = caller(arena, &[&to(&service)]);
    call(arena, &id, &json!({"url": to(&service), "headers": [["host", "internal.example"]]}));
    let url = format!("http://internal.example@{}/", service.address);
    call(arena, &id, &json!({"url": url}));
    assert!(!service.requests().to_lowercase().contains("host: internal.example"), "{}", service.requests());
}

/// As many as there are attempts: the tenant has its number of connections, and the rest waits or fails.
fn opens_connections_without_end(arena: &Arena) {
    let service = Service::silent();
    let id = caller(arena, &[&to(&service)]);
    let steps = json!([
        {"id": "all", "type": "loop", "config": {"items": "input.items", "concurrency": 60}, "next": "one"},
        {"id": "one", "type": "function", "function": id, "config": {"input": {"url": to(&service)}, "timeout": "2s"}}]);
    let items: Vec<u32> = (0..60).collect();
    let ended = arena.run(&json!({"name": "connections", "steps": steps}), &json!({"items": items}));
    assert_eq!(ended["status"], "failed", "{ended:#}");
    // The service sees an end a moment later than the server, which gives the place to the next one.
    assert!(service.most_at_once() < 2 * 16, "{} connections at once", service.most_at_once());
}
