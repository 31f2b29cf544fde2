//! `stepwell tenant`, `stepwell key` and `stepwell audit`, as operators call them.

use crate::support::{Client, KEY, Server, program};
use serde_json::Value;

/// What it prints, if it ends well.
fn run(client: &Client, key: &str, args: &[&str]) -> Result<String, String> {
    let mut command = program();
    command.args(args).args(["--server", &client.address]).env("STEPWELL_API_KEY", key);
    let output = command.output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn the_operator_manages_tenants_and_keys_from_the_command_line() {
    let server = Server::start();
    let (client, ok) = (&server.client, |args: &[&str]| run(&server.client, KEY, args).expect("ends well"));
    ok(&["tenant", "create", "acme", "--name", "Acme & Co"]).lines().next().expect("a heading");
    assert_eq!(client.get("/tenants/acme").status, 200);
    ok(&["tenant", "create", "beta"]);
    let listed = ok(&["tenant", "list"]);
    assert!(listed.contains("acme") && listed.contains("default") && listed.contains("active"), "{listed}");
    let key =
        ok(&["key", "create", "--tenant", "beta", "--scopes", "read,admin", "--subject", "boss", "--expires-in", "1d"]);
    let key = key.trim().to_owned();
    assert!(key.starts_with("swk_3_"), "the key alone: {key}");
    client.with_key(&key).put("/secrets/A", &serde_json::json!({"value": "v"})).ok(200);
    let keys = run(client, &key, &["key", "list", "--json"]).expect("ends well");
    let keys: Value = serde_json::from_str(&keys).expect("JSON");
    let id = keys[0]["id"].as_str().expect("an id");
    let changes = run(client, &key, &["audit", "--action", "secret"]).expect("ends well");
    assert!(changes.contains("secret.put") && changes.contains("boss") && changes.lines().count() == 2, "{changes}");
    assert!(run(client, &key, &["tenant", "list"]).is_err_and(|said| said.contains("403")));

    assert!(ok(&["tenant", "suspend", "beta"]).contains("suspended"));
    assert!(run(client, &key, &["key", "list"]).is_err_and(|said| said.contains("suspended")));
    assert!(ok(&["tenant", "resume", "beta"]).contains("active"));
    run(client, &key, &["key", "revoke", id]).expect("ends well");
    assert!(run(client, &key, &["key", "list"]).is_err_and(|said| said.contains("401")));
    assert!(run(client, KEY, &["tenant", "delete", "beta"]).is_err_and(|said| said.contains("--yes")));
    ok(&["tenant", "delete", "beta", "--yes"]);
    let audit = ok(&["audit"]);
    assert!(audit.contains("tenant.delete") && !audit.contains('\u{1b}'), "{audit}");
    assert!(run(client, KEY, &["tenant", "show", "a/b"]).is_err_and(|said| said.contains("is no id")));
}
