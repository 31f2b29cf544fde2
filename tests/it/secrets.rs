//! Secrets: values go in, and come out nowhere.

use crate::support::{Answer, Client, KEY, Server, program};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Output, Stdio};

fn put(client: &Client, name: &str, body: &Value) -> Answer {
    let json = [("content-type", "application/json")];
    client.send("PUT", &format!("/secrets/{name}"), &json, body.to_string().as_bytes())
}

#[test]
fn a_secret_is_set_listed_and_deleted_and_its_value_is_never_answered() {
    let server = Server::start();
    let client = &server.client;
    assert_eq!(client.get("/secrets").ok(200), json!({"items": [], "nextCursor": null}));
    let first = put(client, "API_KEY", &json!({"value": "planted-1"})).ok(200);
    let second = put(client, "API_KEY", &json!({"value": "planted-2"})).ok(200);
    assert_eq!((&first["name"], &first["version"]), (&json!("API_KEY"), &json!(1)));
    assert_eq!((&second["version"], &second["createdAt"]), (&json!(2), &first["createdAt"]));
    assert_eq!(client.get("/secrets/API_KEY").ok(200), second);
    put(client, "B", &json!({"value": "planted-3"})).ok(200);
    let page = client.get("/secrets?limit=1").ok(200);
    assert_eq!((&page["items"], &page["nextCursor"]), (&json!([second]), &json!("API_KEY")));
    let page = client.get("/secrets?limit=1&cursor=API_KEY").ok(200);
    assert_eq!((&page["items"][0]["name"], &page["nextCursor"]), (&json!("B"), &json!(null)));
    for answer in [client.get("/secrets"), client.get("/secrets/B")] {
        let text = answer.ok(200).to_string();
        assert!(!text.contains("planted") && !text.contains("value"), "{text}");
    }
    assert_eq!(client.send("DELETE", "/secrets/B", &[], b"").ok(200), json!({}));
    assert_eq!(client.send("DELETE", "/secrets/B", &[], b"").error(404), "secret_not_found");
    assert_eq!(client.get("/secrets/B").error(404), "secret_not_found");
}

#[test]
fn bad_secrets_are_refused_and_not_repeated() {
    let server = Server::start();
    let client = &server.client;
    let long = "x".repeat(129);
    for name in ["1A", "a-b", "a.b", "a%2Fb", "a%00b", "%C3%BC", &long] {
        assert_eq!(put(client, name, &json!({"value": "v"})).error(422), "invalid_secret_name", "{name}");
        assert_eq!(client.get(&format!("/secrets/{name}")).error(404), "secret_not_found", "{name}");
    }
    for body in [
        json!({}),
        json!({"value": null}),
        json!({"value": ""}),
        json!({"value": " "}),
        json!({"value": 8_675_309}),
        json!({"value": ["8675309"]}),
        json!({"value": {"8675309": "8675309"}}),
        json!(["8675309"]),
        json!("8675309"),
    ] {
        let answer = put(client, "A", &body);
        assert_eq!(answer.error(400), "invalid_request", "{body}");
        assert!(!answer.body.to_string().contains("8675309"), "{}", answer.body);
    }
    let json = [("content-type", "application/json")];
    let cut = client.send("PUT", "/secrets/A", &json, br#"{"value": "8675309"#);
    assert_eq!(cut.error(400), "invalid_json");
    assert!(!cut.body.to_string().contains("8675309"), "{}", cut.body);
    assert_eq!(put(client, "A", &json!({"value": "x".repeat((32 << 10) + 1)})).error(413), "secret_bytes");
    assert_eq!(put(client, "A", &json!({"value": "x".repeat(1 << 20)})).error(413), "secret_bytes");
    put(client, "A", &json!({"value": "\u{1}".repeat(32 << 10)})).ok(200);
    assert_eq!(client.get("/secrets?cursor=a-b").error(400), "invalid_request");
    assert_eq!(client.get("/secrets?limit=many").error(400), "invalid_request");
    assert_eq!(client.send("POST", "/secrets/A", &json, b"{}").error(405), "method_not_allowed");
    let mut nobody = client.clone();
    nobody.key.clear();
    assert_eq!(nobody.get("/secrets").error(401), "unauthorized");
    assert_eq!(put(&nobody, "A", &json!({"value": "v"})).error(401), "unauthorized");
}

#[test]
fn the_first_start_makes_a_master_key_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut server = Server::start();
    put(&server.client, "A", &json!({"value": "v"})).ok(200);
    let folder = server.folder();
    let path = folder.path().join("data/master.key");
    let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    server.kill();
    let key = std::fs::read_to_string(&path).expect("reads");
    // The same key from elsewhere is the same key.
    std::fs::remove_file(&path).expect("removes");
    let elsewhere = folder.path().join("key");
    std::fs::write(&elsewhere, &key).expect("writes");
    let args = vec!["--master-key-file".to_owned(), elsewhere.display().to_string()];
    let server = Server::on(folder, args, Some(KEY));
    assert_eq!(server.client.get("/secrets/A").ok(200)["version"], 1);
    assert!(!path.exists(), "no second key is made");
}

/// A start that is expected to fail.
fn refused(data: &Path, variables: &[(&str, &str)]) -> String {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).env("STEPWELL_ADMIN_KEY", KEY);
    command.envs(variables.iter().copied()).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().expect("runs");
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert!(!status.success() && stdout.is_empty(), "it started: {said}");
    said
}

#[test]
fn a_wrong_or_lost_master_key_refuses_the_start() {
    let mut server = Server::start();
    put(&server.client, "A", &json!({"value": "v"})).ok(200);
    let folder = server.folder();
    let data = folder.path().join("data");
    server.kill();
    let other = "ab".repeat(32);
    assert!(refused(&data, &[("STEPWELL_MASTER_KEY", &other)]).contains("not the master key"));
    for bad in ["", "secret-but-short", &"zz".repeat(32)] {
        let said = refused(&data, &[("STEPWELL_MASTER_KEY", bad)]);
        assert!(said.contains("holds no master key") && (bad.is_empty() || !said.contains(bad)), "{said}");
    }
    let file = folder.path().join("key");
    std::fs::write(&file, "x".repeat(5_000)).expect("writes");
    let path = file.display().to_string();
    assert!(refused(&data, &[("STEPWELL_MASTER_KEY_FILE", &path)]).contains("holds no master key"));
    assert!(refused(&data, &[("STEPWELL_MASTER_KEY_FILE", "/nowhere/key")]).contains("cannot be used"));
    let both = [("STEPWELL_MASTER_KEY_FILE", path.as_str()), ("STEPWELL_MASTER_KEY", other.as_str())];
    assert!(refused(&data, &both).contains("two master keys"));
    let key = std::fs::read(data.join("master.key")).expect("reads");
    std::fs::remove_file(data.join("master.key")).expect("removes");
    assert!(refused(&data, &[]).contains("put the file back"));
    assert!(!data.join("master.key").exists(), "no new key is made for old data");
    std::fs::write(data.join("master.key"), key).expect("writes");
    let server = server.restart();
    assert_eq!(server.client.get("/secrets/A").ok(200)["version"], 1);
}
