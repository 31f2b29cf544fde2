//! Guests that send requests where they must not, and as they must not; and servers that answer as they must not.

use super::Attack;
use crate::arena::Arena;
use crate::support::{failure, guest};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// The operator allows this machine, so that there is somebody to talk to.
const ALLOWED: &[&str] = &["--allow-network", "127.0.0.0/8"];

pub const ATTACKS: &[Attack] = &[
    Attack { name: "calls_the_metadata_service", args: ALLOWED, act: calls_the_metadata_service },
    Attack { name: "calls_this_machine", args: &[], act: calls_this_machine },
    Attack { name: "calls_addresses_in_disguise", args: ALLOWED, act: calls_addresses_in_disguise },
    Attack { name: "calls_hosts_that_are_not_granted", args: ALLOWED, act: calls_hosts_that_are_not_granted },
    Attack { name: "smuggles_headers", args: ALLOWED, act: smuggles_headers },
    Attack { name: "reads_an_answer_without_end", args: ALLOWED, act: reads_an_answer_without_end },
    Attack { name: "reads_headers_without_end", args: ALLOWED, act: reads_headers_without_end },
    Attack { name: "waits_for_an_answer_past_the_deadline", args: ALLOWED, act: waits_for_an_answer_past_the_deadline },
    Attack { name: "leaves_bodies_open_past_the_deadline", args: ALLOWED, act: leaves_bodies_open_past_the_deadline },
    Attack { name: "writes_nothing_for_ever", args: ALLOWED, act: writes_nothing_for_ever },
    Attack { name: "polls_an_answer_without_waiting", args: ALLOWED, act: polls_an_answer_without_waiting },
    Attack { name: "sends_requests_without_end", args: ALLOWED, act: sends_requests_without_end },
];

/// A server that says this, and then this again and again.
fn server(head: &'static str, part: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let (mut text, mut rest) = (Vec::new(), [0; 4096]);
                while !text.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut rest) {
                        Ok(read) if read > 0 => text.extend_from_slice(&rest[..read]),
                        _ => return,
                    }
                }
                let _ = stream.write_all(head.as_bytes());
                while !part.is_empty() && stream.write_all(part.as_bytes()).is_ok() {}
                while stream.read(&mut rest).is_ok_and(|read| read > 0) {}
            });
        }
    });
    address
}

/// The end of a workflow whose only step calls this guest, which may send to these places.
fn end(arena: &Arena, fixture: &str, granted: &[String], input: &Value) -> Value {
    let id = fixture.replace('_', "-");
    let grants = json!({"http": granted}).to_string();
    let headers = [("content-type", "application/wasm"), ("stepwell-grants", &*grants)];
    let wasm = guest(&format!("fixtures/{fixture}"));
    arena.mallory.send("PUT", &format!("/functions/{id}"), &headers, &wasm).ok(200);
    let step = json!({"id": "only", "type": "function", "function": id, "config": {"timeout": "3s"}});
    arena.run(&json!({"name": id, "steps": [step]}), input)
}

/// The code with which a request fails.
fn sent(arena: &Arena, granted: &str, request: &Value) -> String {
    failure(&end(arena, "calls_http", &[granted.to_owned()], request)).0
}

fn misuse(arena: &Arena, how: &str, head: &'static str) -> Value {
    let address = server(head, "");
    end(arena, "misuses_http", &[format!("http://{address}")], &json!({"how": how, "authority": address}))
}

fn calls_the_metadata_service(arena: &Arena) {
    for host in ["http://169.254.169.254", "http://[fd00:ec2::254]", "http://100.100.100.200"] {
        assert_eq!(sent(arena, host, &json!({"url": format!("{host}/latest/meta-data/")})), "http_denied");
    }
}

fn calls_this_machine(arena: &Arena) {
    let address = arena.mallory.address.strip_prefix("http://").expect("an address");
    let port = address.rsplit(':').next().expect("a port");
    for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]"] {
        let url = format!("http://{host}:{port}");
        assert_eq!(sent(arena, &url, &json!({"url": format!("{url}/healthz")})), "http_denied", "{host}");
    }
}

fn calls_addresses_in_disguise(arena: &Arena) {
    for host in ["[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"]
    {
        let url = format!("http://{host}:9");
        assert_eq!(sent(arena, &url, &json!({"url": url})), "http_denied", "{host}");
    }
    for host in ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[fe80::1%25lo]", "a@127.0.0.1", "127.0.0.1:9:9"] {
        let code = sent(arena, "http://127.0.0.1:9", &json!({"url": format!("http://{host}/")}));
        assert_eq!(code, "http_invalid_request", "{host}");
    }
}

fn calls_hosts_that_are_not_granted(arena: &Arena) {
    let (granted, other) = (server("", ""), server("", ""));
    for url in [format!("http://{other}"), format!("https://{granted}"), "http://example.com".to_owned()] {
        assert_eq!(sent(arena, &format!("http://{granted}"), &json!({"url": url})), "http_denied", "{url}");
    }
}

fn smuggles_headers(arena: &Arena) {
    let address = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "");
    let url = format!("http://{address}");
    for (name, value) in [
        ("x-a", "1\r\nx-b: 2"),
        ("x-a\r\nx-b", "1"),
        ("x-a", "1\n folded"),
        ("x-a", "1\u{0}"),
        ("host", "example.com"),
        ("transfer-encoding", "chunked"),
        ("content-length", "99"),
    ] {
        let code = sent(arena, &url, &json!({"url": url, "headers": [[name, value]]}));
        assert!(["http_invalid_request", "http_failed", "http_too_large"].contains(&code.as_str()), "{name}: {code}");
    }
    for path in ["/a b", "/a\r\nx: y", "/a HTTP/1.1\r\nhost: b\r\n\r\n"] {
        assert_eq!(sent(arena, &url, &json!({"url": format!("{url}{path}")})), "http_invalid_request", "{path:?}");
    }
}

fn reads_an_answer_without_end(arena: &Arena) {
    for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"] {
        let address = server(head, "10\r\n0123456789abcdef\r\n");
        let url = format!("http://{address}");
        let code = sent(arena, &url, &json!({"url": url}));
        assert!(["http_failed", "function_timeout"].contains(&code.as_str()), "{code}");
    }
    let address = server("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "a");
    let url = format!("http://{address}");
    assert_eq!(sent(arena, &url, &json!({"url": url})), "http_too_large");
}

fn reads_headers_without_end(arena: &Arena) {
    for (head, part) in [("HTTP/1.1 200 OK\r\n", "x-a: 1\r\n"), ("HTTP/1.1 200 OK\r\nx: ", "aaaaaaaaaaaaaaaa")] {
        let url = format!("http://{}", server(head, part));
        assert_eq!(sent(arena, &url, &json!({"url": url})), "http_too_large");
    }
    let url = format!("http://{}", server("", "HTTP/1.1 102 Processing\r\n\r\n"));
    assert_eq!(sent(arena, &url, &json!({"url": url})), "http_failed");
}

fn waits_for_an_answer_past_the_deadline(arena: &Arena) {
    let stalls = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    for (how, head) in [("waits_for_the_head", ""), ("waits_for_the_body", stalls)] {
        let ended = misuse(arena, how, head);
        // The request ends at the same moment as the attempt: the function may be just quick enough to say so.
        if ended["status"] != "completed" {
            assert_eq!(failure(&ended).0, "function_timeout");
        }
    }
}

fn leaves_bodies_open_past_the_deadline(arena: &Arena) {
    assert_eq!(failure(&misuse(arena, "leaves_the_body_open", "")).0, "function_timeout");
}

fn ends_by_a_limit(ended: &Value) {
    let code = failure(ended).0;
    assert!(["function_timeout", "out_of_fuel", "function_trapped"].contains(&code.as_str()), "{code}");
}

fn writes_nothing_for_ever(arena: &Arena) {
    ends_by_a_limit(&misuse(arena, "writes_nothing_for_ever", ""));
}

fn polls_an_answer_without_waiting(arena: &Arena) {
    ends_by_a_limit(&misuse(arena, "polls_without_end", ""));
}

fn sends_requests_without_end(arena: &Arena) {
    ends_by_a_limit(&misuse(arena, "sends_without_end", ""));
}
