//! A store with damaged rows: lists go on past them, and the log says which they are.

use crate::support::{KEY, Server};
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use stepwell_core::ids::ExecutionId;
use stepwell_engine::ports::DocumentKind;

/// How keys of documents of the first tenant begin.
fn document(kind: DocumentKind, key: &str) -> Vec<u8> {
    [&[b'd', 0, 0, 0, 1, kind as u8], key.as_bytes()].concat()
}

/// Changes the last byte of each row whose key ends so and begins with this letter; there must be one for each.
fn damage(data: &Path, keys: &[Vec<u8>]) {
    let tree = sled::open(data.join("store/sled")).expect("opens");
    let rows: Vec<_> = tree.iter().map(|row| row.expect("reads")).collect();
    for wanted in keys {
        let (first, rest) = wanted.split_first().expect("a letter");
        let mut found = rows.iter().filter(|(key, _)| key.first() == Some(first) && key.ends_with(rest));
        let (key, value) = found.next().expect("there is such a row");
        let mut bad = value.to_vec();
        *bad.last_mut().expect("not empty") ^= 1;
        tree.insert(key, bad).expect("writes");
    }
    tree.flush().expect("writes");
}

fn names<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    let mut names: Vec<_> =
        list.as_array().expect("a list").iter().map(|item| item[field].as_str().expect("text")).collect();
    names.sort_unstable();
    names
}

/// All parts of a list, one by one: its items, and what it says of damaged ones.
fn in_parts(server: &Server, path: &str) -> (Vec<Value>, Vec<Value>) {
    let (mut items, mut damaged, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let part = server.client.get(&format!("{path}?limit=1{cursor}")).ok(200);
        items.extend(part["items"].as_array().expect("items").clone());
        damaged.extend(part["damaged"].as_array().into_iter().flatten().cloned());
        let Some(next) = part["nextCursor"].as_str() else { return (items, damaged) };
        cursor = format!("&cursor={next}");
    }
}

#[test]
fn lists_leave_damaged_items_out_and_go_on_behind_them() {
    let mut server = Server::start();
    let client = &server.client;
    let (mut executions, mut events) = (Vec::new(), Vec::new());
    for name in ["a", "b", "c"] {
        client.put_script(&format!("/functions/{name}"), "export default (input) => input;").ok(200);
        client.put(&format!("/secrets/{name}"), &json!({"value": "sealed"})).ok(200);
        client.put(&format!("/config/{name}"), &json!({"value": "text"})).ok(200);
        let steps = json!([{"id": "only", "type": "condition", "condition": "1 < 2"}]);
        client.post("/workflows", &json!({"id": name, "name": name, "steps": steps})).ok(201);
        let event = client.post("/events", &json!({"type": "seen", "source": "test"})).ok(201);
        events.push(event["id"].as_str().expect("id").to_owned());
        executions.push(client.run(name, &json!({}))["executionId"].as_str().expect("id").to_owned());
    }
    let folder = server.folder();
    assert!(server.terminate());
    drop(server);
    let second: ExecutionId = executions[1].parse().expect("an id");
    let record = [&b"e"[..], &second.to_bytes()].concat();
    let kinds = [DocumentKind::Workflow, DocumentKind::Function, DocumentKind::Secret, DocumentKind::Config];
    let rows = kinds.map(|kind| document(kind, "b")).into_iter();
    damage(
        &folder.path().join("data"),
        &rows.chain([document(DocumentKind::Event, &events[1]), record]).collect::<Vec<_>>(),
    );

    let log = folder.path().join("log");
    let mut server = Server::logging_on(folder.clone(), File::create(&log).expect("a log"), "warn");
    let client = &server.client;
    assert_eq!(names(&client.get("/workflows").ok(200), "id"), ["a", "c"]);
    assert_eq!(names(&client.get("/functions").ok(200), "id"), ["a", "c"]);
    for (path, field) in [("/secrets", "name"), ("/config", "name")] {
        assert_eq!(names(&client.get(path).ok(200)["items"], field), ["a", "c"], "{path}");
        assert_eq!(in_parts(&server, path).0.len(), 2, "{path}");
    }
    let seen = client.get("/events?type=seen").ok(200);
    let ours: Vec<_> = seen.as_array().expect("a list").iter().map(|event| &event["id"]).collect();
    assert_eq!(ours, [events[2].as_str(), events[0].as_str()]);
    let path = "/workflows/executions";
    let whole = client.get(path).ok(200);
    assert_eq!(whole["damaged"], json!([executions[1]]));
    assert_eq!(names(&whole["items"], "executionId").len(), 2);
    let (items, damaged) = in_parts(&server, path);
    assert_eq!((items.len(), damaged), (2, vec![json!(executions[1])]));
    assert_eq!(client.get(&format!("{path}?status=completed")).ok(200)["damaged"], json!([executions[1]]));
    assert!(client.get(&format!("{path}?workflow=a")).ok(200).get("damaged").is_none());
    // Whoever asks for one of them is told.
    assert_eq!(client.get(&format!("{path}/{}", executions[1])).error(500), "internal");
    assert_eq!(client.get("/workflows/b").error(500), "internal");
    assert_eq!(client.run("a", &json!({}))["status"], "completed");
    assert!(server.terminate());
    let log = std::fs::read_to_string(log).expect("text");
    for one in [executions[1].as_str(), events[1].as_str(), "left out of a list"] {
        assert!(log.contains(one), "{one}: {log}");
    }
    drop(Server::on(folder, vec![], Some(KEY)));
}
