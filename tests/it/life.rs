//! The life of a server: first start, restart, shutdown, and starts that must fail.

use crate::order;
use crate::support::{KEY, Server, guest, program};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

#[test]
fn a_first_start_prints_an_admin_key_once() {
    let data = Arc::new(tempfile::tempdir().expect("folder"));
    let first = Server::on(Arc::clone(&data), vec![], None);
    let key = first.first_lines.iter().find_map(|line| line.split(": ").nth(1)).expect("a key").to_owned();
    assert!(key.starts_with("swk_") && key.len() > 40, "{key}");
    let mut client = first.client.clone();
    client.key.clone_from(&key);
    assert_eq!(client.get("/workflows").ok(200), json!([]));
    drop(first);
    let second = Server::on(Arc::clone(&data), vec![], None);
    assert!(second.first_lines.is_empty(), "{:?}", second.first_lines);
    client.address.clone_from(&second.client.address);
    assert_eq!(client.get("/workflows").ok(200), json!([]), "the key outlives the restart");
    drop(second);
    // The key is hashed at rest.
    let mut files = vec![data.path().to_owned()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).expect("folder").map(|entry| entry.expect("entry").path()));
        } else {
            let bytes = std::fs::read(&path).expect("reads");
            assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{}", path.display());
        }
    }
}

#[test]
fn the_data_folder_is_closed_to_others_and_to_a_second_server() {
    let server = Server::start();
    let folder = server.folder().path().join("data");
    assert_eq!(std::fs::metadata(&folder).expect("folder").permissions().mode() & 0o777, 0o700);
    let second = program().args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&folder).output().expect("runs");
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && message.contains("in use by another process"), "{message}");
}

#[test]
fn a_start_that_cannot_work_says_why() {
    let data = tempfile::tempdir().expect("folder");
    let file = data.path().join("file");
    std::fs::write(&file, "x").expect("writes");
    let fails = |args: &[&str], key: &str, why: &str| {
        let output = program().arg("serve").args(args).env("STEPWELL_ADMIN_KEY", key).output().expect("runs");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(why), "{message}");
        assert!(!message.contains(key), "a key never appears in a message: {message}");
    };
    let folder = data.path().join("data");
    let folder = folder.to_str().expect("text");
    fails(&["--data", file.to_str().expect("text")], KEY, "data folder");
    fails(&["--data", folder, "--listen", "nowhere:99999"], KEY, "cannot listen on nowhere:99999");
    fails(&["--data", folder], "too short", "32 printable");
}

#[test]
fn a_graceful_shutdown_lets_running_steps_end() {
    let mut server = Server::start();
    let id = order::deploy(&server.client);
    server.client.upload("slow", &guest("fixtures/sleeps"));
    let step = json!({"id": "a", "type": "function", "function": "slow", "config": {"timeout": "1s"}});
    server.client.post("/workflows", &json!({"id": "slow", "steps": [step]})).ok(201);
    let started = server.client.post("/workflows/trigger", &json!({"workflowId": "slow"})).ok(200);
    let path = format!("/workflows/executions/{}", started["executionId"].as_str().expect("id"));
    while server.client.get(&path).ok(200)["status"] == "pending" {}
    assert!(server.terminate(), "it ends well");
    let server = server.restart();
    let ended = server.client.get(&path).ok(200);
    assert_eq!(
        (&ended["status"], &ended["errorDetails"]["code"]),
        (&json!("failed"), &json!("function_timeout")),
        "its end was recorded before: {ended:#}"
    );
    assert_eq!(server.client.run(&id, &order::paid())["status"], "completed");
}
