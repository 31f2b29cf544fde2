//! A running server finds what is damaged in its store, although nobody asks for it.

use crate::support::{KEY, Server, files_of};
use serde_json::{Value, json};
use std::fs::File;
use tempfile::TempDir;

/// What the server says of its store, once it has looked at everything.
fn looked_through(server: &Server) -> Value {
    loop {
        let scrub = server.client.get("/store").ok(200)["scrub"].clone();
        if !scrub["endedAt"].is_null() {
            return scrub;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_damaged_value_is_told_of_with_its_execution_although_nobody_asked() {
    let off = || ["--scrub-every", "0"].map(str::to_owned).to_vec();
    let mut server = Server::on(TempDir::new().expect("a folder").into(), off(), Some(KEY));
    let client = &server.client;
    client.put_script("/functions/same", "export default (input) => input;").ok(200);
    let step = json!({"id": "only", "type": "function", "function": "same"});
    client.post("/workflows", &json!({"id": "large", "name": "large", "steps": [step]})).ok(201);
    let ended = client.run("large", &json!({"text": "x".repeat(20_000)}));
    let other = client.run("large", &json!({"text": "y".repeat(20_000)}));
    let scrub = client.get("/store").ok(200)["scrub"].clone();
    assert!(scrub["startedAt"].is_null() && scrub["endedAt"].is_null(), "it is off: {scrub}");
    let folder = server.folder();
    assert!(server.terminate());
    drop(server);

    let mut server = Server::on(folder.clone(), vec![], Some(KEY));
    let scrub = looked_through(&server);
    assert!(scrub["damaged"] == 0 && scrub["bytes"].as_u64() > Some(40_000), "{scrub}");
    assert!(server.terminate());
    drop(server);
    for value in files_of(&folder.path().join("data/store/files/values")) {
        let mut bytes = std::fs::read(&value).expect("bytes");
        if bytes.windows(8).any(|text| text == b"xxxxxxxx") {
            bytes[100] ^= 1;
            std::fs::write(value, bytes).expect("written");
        }
    }

    let log = folder.path().join("log");
    let mut server = Server::logging_on(folder.clone(), File::create(&log).expect("a log"), "warn");
    let scrub = looked_through(&server);
    let found = scrub["found"].as_array().expect("findings");
    let id = &ended["executionId"];
    assert!(!found.is_empty() && scrub["damaged"] == found.len(), "{scrub:#}");
    assert!(found.iter().all(|one| one["executionId"] == *id && one["tenant"] == "default"), "{scrub:#}");
    // The rest of the store is as it was.
    let path = format!("/workflows/executions/{}", other["executionId"].as_str().expect("an id"));
    assert_eq!(server.client.get(&path).ok(200)["status"], "completed");
    assert!(server.terminate());
    let log = std::fs::read_to_string(log).expect("text");
    assert!(log.contains("damaged data was found") && log.contains(id.as_str().expect("an id")), "{log}");
    drop(server);
    let server = Server::on(folder, vec![], Some(KEY));
    assert!(server.client.tenant("acme").get("/store").error(403) == "forbidden");
}
