//! `stepwell fsck`, `backup`, `restore`, `export`, `import` and `du`, as operators call them.

use crate::support::{KEY, Server, files_of, program};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use tempfile::TempDir;

fn run(args: &[&str]) -> Output {
    program().args(args).env("STEPWELL_API_KEY", KEY).output().expect("runs")
}

/// What it prints, if it ends well.
fn ok(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn fsck(data: &Path) -> (Option<i32>, Value) {
    let output = run(&["fsck", "--json", "--data", text(data)]);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// A server with a finished execution of a large input, one that waits for somebody, and a secret.
fn used() -> (Server, String, String) {
    let server = Server::start();
    let client = &server.client;
    client.put_script("/functions/same", "export default (input) => input;").ok(200);
    client.put("/secrets/TOKEN", &json!({"value": "a secret that is sealed"})).ok(200);
    let step = json!({"id": "only", "type": "function", "function": "same"});
    client.post("/workflows", &json!({"id": "large", "name": "large", "steps": [step]})).ok(201);
    let ask = json!({"id": "ask", "type": "human", "config": {"title": "May it?"}});
    client.post("/workflows", &json!({"id": "asks", "name": "asks", "steps": [ask]})).ok(201);
    let ended = client.run("large", &json!({"text": "x".repeat(20_000)}));
    assert_eq!(ended["status"], "completed", "{ended}");
    let waits = client.post("/workflows/trigger", &json!({"workflowId": "asks"})).ok(200);
    let id = |value: &Value, field: &str| value[field].as_str().expect("an id").to_owned();
    let (ended, waits) = (id(&ended, "executionId"), id(&waits, "executionId"));
    (server, ended, waits)
}

/// A server on this folder has what `used` made, and goes on with it.
fn goes_on(data: Arc<TempDir>, ended: &str, waits: &str) {
    let server = Server::on(data, vec![], Some(KEY));
    let client = &server.client;
    let found = client.get(&format!("/workflows/executions/{ended}")).ok(200);
    assert_eq!(found["status"], "completed", "{found}");
    assert_eq!(client.get("/secrets").ok(200)["items"][0]["name"], "TOKEN");
    let asked = client.get(&format!("/approvals?status=pending&execution={waits}")).ok(200)["items"][0]["id"].clone();
    client.post(&format!("/approvals/{}", asked.as_str().expect("an approval")), &json!({"approved": true})).ok(200);
    assert_eq!(client.end(waits)["status"], "completed");
    assert_eq!(client.run("large", &json!({"text": "again"}))["status"], "completed");
}

/// A folder for another server that has the same master key.
fn another(data: &Path) -> Arc<TempDir> {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let new = folder.path().join("data");
    std::fs::create_dir(&new).expect("a folder");
    std::fs::copy(data.join("master.key"), new.join("master.key")).expect("a key");
    folder
}

#[test]
fn a_backup_of_a_running_server_is_restored_elsewhere() {
    let (mut server, ended, waits) = used();
    let folder = server.folder();
    let (data, file) = (folder.path().join("data"), folder.path().join("saved"));
    let said = ok(&["backup", text(&file), "--server", &server.client.address]);
    assert!(said.contains("read back and whole"), "{said}");
    assert!(!run(&["backup", text(&file), "--server", &server.client.address]).status.success(), "it is there already");
    let stranger = server.client.tenant("acme");
    assert_eq!(stranger.get("/store/backup").error(403), "forbidden");
    assert_eq!(stranger.get("/store/sizes").error(403), "forbidden");
    // What comes after the backup is not in it, and the server has not stopped.
    server.client.delete("/secrets/TOKEN").ok(200);
    assert!(server.terminate());

    let restored = another(&data);
    let new = restored.path().join("data");
    ok(&["restore", text(&file), "--data", text(&new)]);
    assert!(!run(&["restore", text(&file), "--data", text(&new)]).status.success(), "it is not empty any more");
    assert_eq!(fsck(&new).0, Some(0));
    goes_on(restored, &ended, &waits);
}

#[test]
fn an_export_is_json_and_becomes_a_server_again() {
    let (mut server, ended, waits) = used();
    let folder = server.folder();
    let (data, file) = (folder.path().join("data"), folder.path().join("lines"));
    let refused = run(&["export", text(&file), "--data", text(&data)]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("in use"), "{refused:?}");
    assert!(server.terminate());
    ok(&["export", text(&file), "--data", text(&data)]);
    let exported = std::fs::read_to_string(&file).expect("text");
    let lines: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["stepwell"], "export");
    assert!(lines.iter().any(|line| line["execution"]["id"] == ended.as_str()));
    assert!(!exported.contains("a secret that is sealed"));

    let imported = another(&data);
    let new = imported.path().join("data");
    ok(&["import", text(&file), "--data", text(&new)]);
    let (code, report) = fsck(&new);
    assert_eq!((code, &report["findings"]), (Some(0), &json!([])));
    goes_on(imported, &ended, &waits);
}

#[test]
fn a_check_finds_a_flipped_byte_and_names_the_execution() {
    let (mut server, ended, _) = used();
    let data = server.folder().path().join("data");
    assert_eq!(fsck(&data).0, Some(2), "a server has it open");
    assert_eq!(fsck(&data.join("none")).0, Some(2));
    let sizes = ok(&["du", "--json", "--server", &server.client.address]);
    let sizes: Value = serde_json::from_str(&sizes).expect("JSON");
    let of = &sizes["tenants"][0];
    assert!(of["id"] == "default" && of["journals"]["bytes"].as_u64() > Some(20_000), "{of:#}");
    assert!(server.terminate());
    let (code, report) = fsck(&data);
    assert!(code == Some(0) && report["executions"] == 2 && report["found"] == 0, "{report:#}");
    let table = ok(&["du", "--data", text(&data)]);
    assert!(table.contains("documents: secret") && table.contains("compiled"), "{table}");

    let values: Vec<PathBuf> = files_of(&data.join("store/files/values"));
    let value = values.first().expect("a large value");
    let mut bytes = std::fs::read(value).expect("bytes");
    bytes[100] ^= 1;
    std::fs::write(value, bytes).expect("written");
    let (code, report) = fsck(&data);
    assert_eq!(code, Some(1));
    let found = report["findings"].as_array().expect("findings");
    assert!(found.iter().any(|finding| finding["execution"] == ended.as_str()), "{report:#}");
    let said = run(&["fsck", "--data", text(&data)]);
    assert!(String::from_utf8_lossy(&said.stdout).contains(&ended), "{said:?}");
}
