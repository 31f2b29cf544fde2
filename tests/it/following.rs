//! `GET /workflows/executions/{id}/events`, read from the socket: journals as they grow.

use crate::raw::Raw;
use crate::support::{Client, Server};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    id: Option<String>,
    pub kind: String,
    pub data: Value,
}

/// An answer that goes on.
pub struct Events {
    raw: Raw,
    text: String,
    read: VecDeque<Event>,
}

impl Events {
    fn open(server: &Server, id: &str, headers: &str) -> Self {
        Self::at(server, &format!("/workflows/executions/{id}/events"), headers)
    }

    fn at(server: &Server, path: &str, headers: &str) -> Self {
        let mut raw = Raw::connect(server);
        raw.request(&format!("GET {path}"), &format!("{headers}\r\n"));
        Self::of(raw).1
    }

    /// What a request that was sent is answered: the head, and the events.
    pub fn of(mut raw: Raw) -> (String, Self) {
        let (status, head) = raw.head();
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("content-type: text/event-stream\r\n") && head.contains("cache-control: no-cache\r\n"));
        assert!(
            head.contains("x-accel-buffering: no\r\n") && head.contains("transfer-encoding: chunked\r\n"),
            "{head}"
        );
        (head, Self { raw, text: String::new(), read: VecDeque::new() })
    }

    /// As [`Events::of`]; `None`: it is refused.
    fn answered(mut raw: Raw) -> Option<Self> {
        (raw.head().0 == 200).then(|| Self { raw, text: String::new(), read: VecDeque::new() })
    }

    /// `None`: the answer is complete.
    pub fn next(&mut self) -> Option<Event> {
        while self.read.is_empty() {
            self.text += &self.raw.chunk()?;
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                self.read.extend(event(block));
                self.text = rest.to_owned();
            }
        }
        self.read.pop_front()
    }

    /// The lines up to the end, and what the end says; then the answer is complete.
    fn rest(&mut self) -> (Vec<Value>, Value) {
        let mut lines = Vec::new();
        loop {
            let event = self.next().expect("an end comes before the answer is complete");
            if event.kind == "end" {
                assert_eq!((event.id, self.next()), (None, None));
                return (lines, event.data);
            }
            assert_eq!(
                (event.id, event.data["entry"].as_str()),
                (Some(event.data["seq"].to_string()), Some(&*event.kind))
            );
            lines.push(event.data);
        }
    }
}

/// `None` for a comment.
fn event(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let values = block.lines().filter_map(|line| line.split_once(':').filter(|(key, _)| *key == name));
        values.map(|(_, value)| value.trim_start().to_owned()).next()
    };
    let data = serde_json::from_str(&field("data")?).expect("JSON");
    Some(Event { id: field("id"), kind: field("event").expect("a kind"), data })
}

fn history(client: &Client, id: &str) -> Vec<Value> {
    let history = client.get(&format!("/workflows/executions/{id}/history")).ok(200);
    history["items"].as_array().expect("items").clone()
}

/// An execution of: a function, a question, a function.
fn asking(client: &Client) -> String {
    client.put_script("/functions/f", "export default (input) => ({ n: input.n })").ok(200);
    let steps = json!([
        {"id": "before", "type": "function", "function": "f", "next": "who"},
        {"id": "who", "type": "human", "next": "after"},
        {"id": "after", "type": "function", "function": "f"}
    ]);
    client.put("/workflows/ask", &json!({ "steps": steps })).ok(201);
    start(client, "ask")
}

fn start(client: &Client, workflow: &str) -> String {
    let started = client.post("/workflows/trigger", &json!({"workflowId": workflow, "input": {"n": 1}})).ok(200);
    started["executionId"].as_str().expect("id").to_owned()
}

fn answer(client: &Client) {
    let approval = loop {
        let pending = client.get("/approvals?status=pending").ok(200);
        if let Some(id) = pending["items"][0]["id"].as_str() {
            break id.to_owned();
        }
    };
    client.post(&format!("/approvals/{approval}"), &json!({"approved": true})).ok(200);
}

#[test]
fn lines_come_as_they_become_durable_and_are_those_of_the_history() {
    let server = Server::start();
    let client = &server.client;
    let id = asking(client);
    let mut live = Events::open(&server, &id, "");
    let first = [live.next(), live.next()].map(|event| event.expect("an event").kind);
    assert_eq!(first, ["started", "step_succeeded"]);
    answer(client);
    let (lines, end) = live.rest();
    client.end(&id);
    let all = history(client, &id);
    assert_eq!(
        (lines, end),
        (all[2..].to_vec(), json!({"executionId": id, "status": "completed", "state": "completed"}))
    );
    // The connection is still good.
    live.raw.request("GET /healthz", "\r\n");
    assert_eq!(live.raw.answer().0, 200);
    // It has ended: the same once more, from the store.
    assert_eq!(Events::open(&server, &id, "").rest().0, all);
}

#[test]
fn a_reader_goes_on_where_it_was_whatever_happened_to_the_server() {
    let server = Server::start();
    let id = asking(&server.client);
    let mut seen: Vec<Value> = Vec::new();
    let mut events = Events::open(&server, &id, "");
    seen.extend((0..2).map(|_| events.next().expect("an event").data));
    let server = server.kill_and_restart();
    let last = seen.last().expect("a line")["seq"].to_string();
    let mut events = Events::open(&server, &id, &format!("last-event-id: {last}\r\n"));
    answer(&server.client);
    seen.extend(events.rest().0);
    server.client.end(&id);
    assert_eq!(seen, history(&server.client, &id));
    let path = format!("/workflows/executions/{id}/events?lastEventId=1");
    assert_eq!(Events::at(&server, &path, "").rest().0, seen[2..]);
    assert_eq!(Events::at(&server, &path, "last-event-id: 2\r\n").rest().0, seen[3..], "the header is newer");
    assert_eq!(Events::at(&server, &path, "last-event-id: 4000000000\r\n").rest().0, [Value::Null; 0]);
}

#[test]
fn what_cannot_be_followed_is_refused_in_json() {
    let server = Server::start();
    let client = &server.client;
    let id = asking(client);
    let path = format!("/workflows/executions/{id}/events");
    for wrong in ["x", "-1", "1.5", "4294967296", "1, 2", "%00"] {
        let answer = client.send("GET", &path, &[("last-event-id", wrong)], b"");
        assert_eq!(
            (answer.error(400).as_str(), &answer.body["errors"][0]["field"]),
            ("invalid_request", &json!("Last-Event-ID"))
        );
    }
    let unknown = "/workflows/executions/exec-01arz3ndektsv4rrffq69g5fav/events";
    assert_eq!(client.get(unknown).error(404), "execution_not_found");
    assert_eq!(client.get("/workflows/executions/x/events").error(404), "execution_not_found");
    let mut nobody = client.clone();
    nobody.key = "swk_nobody".to_owned();
    assert_eq!(nobody.get(&path).error(401), "unauthorized");
    assert_eq!(client.post(&path, &json!({})).error(405), "method_not_allowed");
}

#[test]
fn streams_are_counted_and_places_come_back() {
    let server = Server::start();
    let client = &server.client;
    let id = asking(client);
    let path = format!("/workflows/executions/{id}/events");
    for _ in 0..200 {
        let mut raw = Raw::connect(&server);
        raw.request(&format!("HEAD {path}"), "\r\n");
        assert_eq!(raw.head().0, 200, "an answer without a body takes no place for long");
    }
    let mut open = Vec::new();
    let refused = loop {
        let mut raw = Raw::connect(&server);
        raw.request(&format!("GET {path}"), "\r\n");
        let (status, head) = raw.head();
        if status != 200 {
            break (status, head);
        }
        open.push(raw);
    };
    assert!(refused.0 == 429 && refused.1.contains("retry-after: 1\r\n"), "{refused:?}");
    assert_eq!((open.len(), client.get(&path).error(429).as_str()), (128, "event_streams"));
    // What else there is goes on.
    assert_eq!(client.get(&format!("/workflows/executions/{id}")).ok(200)["status"], "running");
    drop(open);
    let served = || {
        let mut raw = Raw::connect(&server);
        raw.request(&format!("GET {path}"), "\r\n");
        raw.head().0 == 200
    };
    assert!((0..10_000).any(|_| served()), "the places are free again");
}

/// Memory of a process that is its own, KiB.
fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn who_reads_slowly_is_fed_from_the_store() {
    let server = Server::start();
    let client = &server.client;
    client.put_script("/functions/long", "export default () => 'x'.repeat(200 * 1024)").ok(200);
    let steps = json!([
        {"id": "all", "type": "loop", "config": {"items": (0..100).collect::<Vec<_>>()}, "next": "one"},
        {"id": "one", "type": "function", "function": "long", "next": "drop"},
        {"id": "drop", "type": "function", "function": "short"}
    ]);
    client.put_script("/functions/short", "export default () => 1").ok(200);
    client.put("/workflows/long", &json!({ "steps": steps })).ok(201);
    let id = start(client, "long");
    assert_eq!(client.end(&id)["status"], "completed");
    let before = resident_kib(&server);
    // Twenty megabytes each, and nobody reads more than the head.
    let mut open: Vec<Events> = (0..40).map(|_| Events::open(&server, &id, "")).collect();
    let mut last = open.pop().expect("one of them");
    let (lines, end) = last.rest();
    let long = lines.iter().filter(|line| line["output"].as_str().is_some_and(|text| text.len() == 200 << 10)).count();
    assert_eq!((long, &end["status"]), (100, &json!("completed")), "one that reads gets all of it");
    let grown = resident_kib(&server).saturating_sub(before);
    assert!(grown < 200 << 10, "{grown} KiB for 39 readers that read nothing");
    drop(open);
}

#[test]
fn a_shutdown_ends_the_answer_cleanly() {
    let mut server = Server::start();
    let id = asking(&server.client);
    let mut events = Events::open(&server, &id, "");
    assert!(events.next().is_some() && events.next().is_some());
    assert!(server.terminate(), "it ends well, and at once");
    assert_eq!(events.next(), None, "complete, without an end: whoever connects again goes on");
    assert!(events.raw.ends());
}

/// The events of an execution that waits for somebody, read with this key; `None`: the key is refused already.
fn read_with(server: &Server, id: &str, key: &str) -> Option<Events> {
    let mut raw = Raw::connect(server);
    raw.send(&format!(
        "GET /workflows/executions/{id}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"
    ));
    let mut events = Events::answered(raw)?;
    while events.next().expect("a line").kind != "started" {}
    Some(events)
}

fn ends_unfinished(mut events: Events) {
    while let Some(event) = events.next() {
        assert_ne!(event.kind, "end");
    }
}

#[test]
fn an_answer_ends_with_the_standing_of_who_reads_it() {
    let server = Server::start();
    let (operator, acme) = (&server.client, server.client.tenant("acme"));
    let step = json!({"id": "a", "type": "human", "config": {}});
    acme.post("/workflows", &json!({"id": "w", "steps": [step]})).ok(201);
    let started = acme.post("/workflows/trigger", &json!({"workflowId": "w"})).ok(200);
    let id = started["executionId"].as_str().expect("an id");
    let key = |body: &Value| {
        let made = acme.post("/keys", body).ok(201);
        (made["id"].as_str().expect("an id").to_owned(), made["key"].as_str().expect("a key").to_owned())
    };
    let (first, second) = (key(&json!({"scopes": ["read"]})), key(&json!({"scopes": ["read"]})));
    let revoked = read_with(&server, id, &first.1).expect("it counts");
    let mut stays = read_with(&server, id, &second.1).expect("it counts");
    // The operator sees another tenant's keys, and revokes one; under another tenant there is none.
    let listed = operator.get("/tenants/acme/keys?limit=2").ok(200);
    assert_eq!((listed["items"].as_array().map(Vec::len), listed["nextCursor"].is_string()), (Some(2), true));
    assert_eq!(operator.delete(&format!("/tenants/default/keys/{}", first.0)).error(404), "key_not_found");
    assert_eq!(operator.delete(&format!("/tenants/nobody/keys/{}", first.0)).error(404), "tenant_not_found");
    operator.delete(&format!("/tenants/acme/keys/{}", first.0)).ok(200);
    ends_unfinished(revoked);
    assert!(read_with(&server, id, &first.1).is_none());
    acme.post(&format!("/workflows/executions/{id}/pause"), &json!({})).ok(200);
    while stays.next().expect("it goes on").kind != "paused" {}
    // One that expires while it is read.
    let short = ["2s", "20s", "60s"]
        .into_iter()
        .find_map(|time| read_with(&server, id, &key(&json!({"scopes": ["read"], "expiresIn": time})).1));
    ends_unfinished(short.expect("one of them counted"));
    operator.post("/tenants/acme/suspend", &json!({})).ok(200);
    ends_unfinished(stays);
}
