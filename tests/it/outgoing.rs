//! Outgoing requests through the front door: what is granted and allowed arrives, everything else is refused before it is sent.

use crate::support::{Client, Server, failure, guest, program};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, sync_channel};

/// A service on this machine: it keeps each request, and answers it.
struct Service {
    port: u16,
    heard: Receiver<String>,
}

impl Service {
    fn new(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (tell, heard) = sync_channel(16);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (mut text, mut part) = (String::new(), [0; 4096]);
                while !text.contains("\r\n\r\n") {
                    match stream.read(&mut part) {
                        Ok(read) if read > 0 => text.push_str(&String::from_utf8_lossy(&part[..read])),
                        _ => break,
                    }
                }
                let _ = tell.send(text);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { port, heard }
    }

    fn was_left_alone(&self) -> bool {
        self.heard.try_recv().is_err()
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-mine: 1\r\n\r\nhello";

pub fn upload(client: &Client, grants: &Value) {
    let headers = [("content-type", "application/wasm"), ("stepwell-grants", &*grants.to_string())];
    client.send("PUT", "/functions/calls-http", &headers, &guest("fixtures/calls_http")).ok(200);
}

/// Runs a workflow whose only step sends this request.
pub fn run(client: &Client, request: &Value) -> Value {
    client.run_step("calls-http", request, &json!({}))
}

/// Code and log line of a request that is refused.
fn refused(client: &Client, url: &str) -> (String, String) {
    let ended = run(client, &json!({"url": url}));
    let id = ended["executionId"].as_str().expect("an id");
    let logs = client.get(&format!("/workflows/executions/{id}/logs")).ok(200);
    let line = logs["items"][0]["message"].as_str().unwrap_or_default().to_owned();
    (failure(&ended).0, line)
}

#[test]
fn a_function_calls_a_service_that_is_granted_and_allowed() {
    let service = Service::new(OK);
    let server = Server::start_with(&["--allow-network", "127.0.0.0/8"]);
    let (client, url) = (&server.client, format!("http://127.0.0.1:{}", service.port));
    upload(client, &json!({"http": [&url]}));
    let ended =
        run(client, &json!({"method": "POST", "url": format!("{url}/a?b=c"), "body": "{}", "headers": [["x-a", "1"]]}));
    let result = &ended["result"];
    assert_eq!((&result["status"], &result["body"]), (&json!(200), &json!("hello")), "{ended:#}");
    assert!(result["headers"].as_array().is_some_and(|all| all.contains(&json!(["x-mine", "1"]))), "{ended:#}");
    let heard = service.heard.recv().expect("a request");
    let host = format!("\r\nhost: 127.0.0.1:{}\r\n", service.port);
    for part in
        ["POST /a?b=c HTTP/1.1\r\n", &host, "\r\nx-a: 1\r\n", "\r\ncontent-length: 2\r\n", "\r\nidempotency-key: "]
    {
        assert!(heard.contains(part), "{part:?} in {heard}");
    }
    assert!(!heard.to_ascii_lowercase().contains("bearer"), "{heard}");
}

#[test]
fn this_machine_and_its_network_are_out_of_reach_unless_the_operator_allows_them() {
    let service = Service::new(OK);
    let server = Server::start();
    let (client, port) = (&server.client, service.port);
    let places =
        ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "0.0.0.0"];
    let mut urls: Vec<_> = places.iter().map(|place| format!("http://{place}:{port}")).collect();
    urls.push("http://169.254.169.254".to_owned());
    upload(client, &json!({"http": urls}));
    for url in &urls {
        let (code, line) = refused(client, &format!("{url}/latest/meta-data"));
        assert_eq!(code, "http_denied", "{url}");
        assert!(line.contains("may not be reached") && line.contains("--allow-network"), "{url}: {line}");
    }
    for spelling in ["2130706433", "0x7f.1", "0177.0.0.1", "127.1"] {
        assert_eq!(refused(client, &format!("http://{spelling}:{port}/")).0, "http_invalid_request", "{spelling}");
    }
    assert!(service.was_left_alone());
}

#[test]
fn what_is_allowed_still_has_to_be_granted() {
    let (service, other) = (Service::new(OK), Service::new(OK));
    let server = Server::start_with(&["--allow-network", "127.0.0.1"]);
    let client = &server.client;
    upload(client, &json!({"http": [format!("GET http://127.0.0.1:{}", service.port)]}));
    let (code, line) = refused(client, &format!("http://127.0.0.1:{}/", other.port));
    assert_eq!(code, "http_denied");
    assert!(
        line.contains(&format!("http://127.0.0.1:{}", other.port)),
        "the grant that is missing is in the line: {line}"
    );
    let ended = run(client, &json!({"method": "DELETE", "url": format!("http://127.0.0.1:{}/", service.port)}));
    assert_eq!(failure(&ended).0, "http_denied");
    assert!(service.was_left_alone() && other.was_left_alone());
    // One address was allowed, not its network.
    upload(client, &json!({"http": ["http://127.0.0.2:80"]}));
    assert_eq!(refused(client, "http://127.0.0.2/").0, "http_denied");
}

#[test]
fn a_redirect_to_elsewhere_is_not_followed() {
    let service = Service::new("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/admin\r\ncontent-length: 0\r\n\r\n");
    let server = Server::start_with(&["--allow-network", "127.0.0.0/8"]);
    let url = format!("http://127.0.0.1:{}", service.port);
    upload(&server.client, &json!({"http": [&url]}));
    let ended = run(&server.client, &json!({"url": url}));
    assert_eq!(ended["result"]["status"], 302, "{ended:#}");
}

#[test]
fn functions_in_processes_of_their_own_send_by_the_same_way() {
    let service = Service::new(OK);
    let server = Server::start_with(&["--allow-network", "127.0.0.0/8", "--isolation", "process"]);
    let url = format!("http://127.0.0.1:{}", service.port);
    upload(&server.client, &json!({"http": [&url, "http://169.254.169.254"]}));
    assert_eq!(run(&server.client, &json!({"url": url}))["result"]["body"], "hello");
    assert_eq!(refused(&server.client, "http://169.254.169.254/").0, "http_denied");
}

#[test]
fn flags_that_are_none_are_told_at_the_start() {
    let data = tempfile::tempdir().expect("a folder");
    let file = data.path().join("ca.pem");
    std::fs::write(&file, "no certificate").expect("written");
    let file = file.display().to_string();
    for (flag, value, words) in [
        ("--allow-network", "internal", "it is a network such as 10.0.0.0/8"),
        ("--trust-ca", file.as_str(), "there is no certificate in it"),
        ("--trust-ca", "/does/not/exist", "--trust-ca /does/not/exist"),
        ("--http-connections", "0", "1..=1024"),
    ] {
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", flag, value, "--data"]).arg(data.path().join("data"));
        let ended = command.output().expect("starts");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && said.contains(words), "{flag} {value}: {said}");
    }
}
