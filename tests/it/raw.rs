//! Bytes on a socket: what no well-behaved client sends.

use crate::support::{KEY, Server};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

/// A connection of one's own.
pub struct Raw(BufReader<TcpStream>);

impl Raw {
    pub fn connect(server: &Server) -> Self {
        let address = server.client.address.strip_prefix("http://").expect("an address");
        Self(BufReader::new(TcpStream::connect(address).expect("connects")))
    }

    pub fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("sends");
    }

    /// A whole request with a body of any bytes.
    pub fn upload(&mut self, line: &str, bytes: &[u8]) {
        self.request(line, &format!("content-type: application/wasm\r\ncontent-length: {}\r\n\r\n", bytes.len()));
        self.bytes(bytes);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("sends");
    }

    /// A whole request, with the key; `rest` is its headers, each ended by CRLF, an empty line, and its body.
    pub fn request(&mut self, line: &str, rest: &str) {
        self.send(&format!("{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{rest}"));
    }

    /// The status, the head and the body of the next answer, which must be JSON.
    pub fn answer(&mut self) -> (u16, String, Value) {
        let (status, head) = self.head();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        self.0.read_exact(&mut body).expect("reads");
        (status, head, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("no JSON: {body:?}")))
    }

    /// The status and the head of the next answer; its body is still to be read.
    pub fn head(&mut self) -> (u16, String) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).expect("reads") > 0, "the connection ended after {head:?}");
        }
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), head.to_ascii_lowercase())
    }

    /// The next piece of a body that comes in pieces; `None`: it is complete.
    pub fn chunk(&mut self) -> Option<String> {
        let (mut size, mut ending) = (String::new(), [0; 2]);
        self.0.read_line(&mut size).expect("reads");
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap_or_else(|_| panic!("no piece, but {size:?}"));
        let mut bytes = vec![0; size];
        self.0.read_exact(&mut bytes).expect("reads");
        self.0.read_exact(&mut ending).expect("reads");
        (size > 0).then(|| String::from_utf8(bytes).expect("text"))
    }

    /// Says that nothing more is sent.
    pub fn end(&mut self) {
        self.0.get_ref().shutdown(Shutdown::Write).expect("ends");
    }

    /// Whether the server ends the connection now.
    pub fn ends(&mut self) -> bool {
        self.0.read(&mut [0]).is_ok_and(|count| count == 0)
    }
}

#[test]
fn what_is_no_http_is_refused_in_json() {
    let mut server = Server::start();
    let headers: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(65 << 10));
    for (sent, status) in [
        ("nonsense\r\n\r\n", 400),
        ("GET /healthz HTTP/3.0\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\n\r\n", 400),
        ("POST /workflows HTTP/1.1\r\ncontent-length: many\r\n\r\n", 400),
        ("POST /workflows HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (&format!("GET /healthz HTTP/1.1\r\n{headers}\r\n"), 431),
        (&long, 431),
    ] {
        let mut raw = Raw::connect(&server);
        raw.send(sent);
        let (seen, _, body) = raw.answer();
        assert_eq!(
            (seen, &body["statusCode"], &body["code"]),
            (status, &json!(status), &json!("http_error")),
            "{sent:.40}"
        );
        assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        assert!(body["requestId"].as_str().is_some_and(|id| id.starts_with("req-")), "{body}");
        assert!(raw.ends());
    }
    assert!(server.is_alive());
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let server = Server::start();
    for (line, allowed) in [
        ("DELETE /workflows", "get,head,post"),
        ("PATCH /functions/x", "get,head,put,delete"),
        ("lower /healthz", "get,head"),
    ] {
        let mut raw = Raw::connect(&server);
        raw.request(line, "\r\n");
        let (status, head, body) = raw.answer();
        assert_eq!((status, &body["code"]), (405, &json!("method_not_allowed")));
        assert!(head.contains(&format!("allow: {allowed}\r\n")), "{head}");
    }
}

#[test]
fn a_body_that_will_be_refused_is_not_asked_for() {
    let server = Server::start();
    let mut raw = Raw::connect(&server);
    raw.request("POST /workflows", "content-length: 2000000\r\nexpect: 100-continue\r\n\r\n");
    let (status, _, body) = raw.answer();
    assert_eq!((status, &body["code"]), (413, &json!("definition")), "no 100 Continue before it");
    let mut raw = Raw::connect(&server);
    raw.request("PUT /functions/f", "content-length: 99999999999\r\n\r\n");
    let (status, _, body) = raw.answer();
    assert_eq!((status, &body["code"]), (413, &json!("component_bytes")), "before anything was sent");
}

#[test]
fn a_body_that_breaks_off_is_the_senders_fault() {
    let server = Server::start();
    let mut raw = Raw::connect(&server);
    raw.request("POST /workflows", "content-length: 100\r\n\r\n{");
    raw.end();
    assert_eq!(raw.answer().2["errors"][0]["field"], "body");
    let mut raw = Raw::connect(&server);
    raw.request("POST /workflows", "transfer-encoding: chunked\r\n\r\nzz\r\n");
    assert_eq!(raw.answer().0, 400);
}

#[test]
fn a_key_is_sent_once() {
    let server = Server::start();
    let mut raw = Raw::connect(&server);
    raw.request("GET /workflows", "authorization: Bearer another\r\n\r\n");
    assert_eq!(raw.answer().0, 401);
}

#[test]
fn requests_may_be_sent_ahead() {
    let server = Server::start();
    let mut raw = Raw::connect(&server);
    for n in 0..50 {
        raw.request("GET /healthz", &format!("x-request-id: ahead-{n}\r\n\r\n"));
    }
    for n in 0..50 {
        let (status, head, _) = raw.answer();
        assert!(status == 200 && head.contains(&format!("x-request-id: ahead-{n}\r\n")), "in order: {head}");
    }
}

#[test]
fn one_connection_too_many_is_told_so_and_the_next_one_is_served() {
    let server = Server::start_with(&["--connections", "2"]);
    let mut open = [Raw::connect(&server), Raw::connect(&server)];
    for raw in &mut open {
        raw.request("GET /healthz", "\r\n");
        assert_eq!(raw.answer().0, 200);
    }
    let mut third = Raw::connect(&server);
    third.request("GET /healthz", "\r\n");
    let (status, head, body) = third.answer();
    assert_eq!((status, &body["code"]), (503, &json!("connections")));
    assert!(head.contains("retry-after: 1\r\n"), "{head}");
    assert!(third.ends());
    drop(open);
    // The server sees their end at some moment; until then it says the same.
    let served = || {
        let mut raw = Raw::connect(&server);
        raw.request("GET /healthz", "\r\n");
        raw.answer().0 == 200
    };
    assert!((0..10_000).any(|_| served()), "the places are free again");
}

#[test]
fn a_refusal_before_the_body_leaves_the_connection_as_it_was() {
    let server = Server::start();
    let mut raw = Raw::connect(&server);
    for _ in 0..3 {
        // The tag is refused as soon as the head is read; the body follows.
        raw.request(
            "PUT /workflows/w",
            "if-match: nonsense\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n",
        );
        raw.send("{\"steps\": []}");
        assert_eq!(raw.answer().0, 400);
    }
    raw.request("GET /healthz", "\r\n");
    assert_eq!(raw.answer().0, 200);
}

#[test]
fn bodies_that_nobody_asked_for_leave_the_connection_as_it_was() {
    let server = Server::start();
    let mut raw = Raw::connect(&server);
    let path = "POST /workflows/executions/exec-01arz3ndektsv4rrffq69g5fav/pause";
    for _ in 0..2 {
        raw.request(path, "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
        assert_eq!(raw.answer().0, 404);
        // In pieces, read to its end and not.
        raw.request(path, "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
        assert_eq!(raw.answer().0, 404);
        let event = "{\"type\": \"a.b\", \"source\": \"s\", \"id\": \"e\"}";
        let chunks = format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
        raw.request(
            "POST /events",
            &format!("content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"),
        );
        assert!(raw.answer().0 < 300);
    }
    raw.request("GET /healthz", "\r\n");
    assert_eq!(raw.answer().0, 200);
}
