//! Secrets: values go in, and come out nowhere.

use crate::support::{Answer, Client, KEY, Server, guest, program};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
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

/// Long enough that it stands nowhere by chance.
const PLANTED: &str = "planted-7f3c19e2a4-value";

/// Says what it was given in every way that there is, and fails if it is told to.
const TELLS: &str = "export default function (input, ctx) {
    console.log('printed', input.key);
    console.error(JSON.stringify({ key: input.key }));
    ctx.log.info(`logged ${input.key}`, { key: input.key, url: `https://host/?q=${encodeURIComponent(input.key)}` });
    if (input.fail === 'throw') throw new Error(`threw ${input.key}`);
    if (input.fail) throw ctx.permanent('told', `failed with ${input.key}`);
    return { key: input.key, nested: [{ text: `Bearer ${input.key}!` }], [input.key]: 1, length: input.key.length };
}";

/// A file of the data folder, or an answer, that holds the value or its base64.
fn holds(bytes: &[u8]) -> bool {
    let plain = PLANTED.as_bytes().to_vec();
    let encoded = (0..3).map(|before| {
        let text = STANDARD_NO_PAD.encode([&b"--"[..before.min(2)], PLANTED.as_bytes()].concat());
        text.as_bytes()[4..text.len() - 2].to_vec()
    });
    std::iter::once(plain).chain(encoded).any(|sought| bytes.windows(sought.len()).any(|window| window == sought))
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("lists") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { all.push(path) }
        }
    }
    all
}

/// A workflow that hands the secret to functions in all the ways that there are; returns how it ended.
fn run_telling(client: &Client, fail: &Value) -> Value {
    let ended = client.run("tell", &json!({ "fail": fail }));
    let id = ended["executionId"].as_str().expect("id");
    for path in [format!("/workflows/executions/{id}"), format!("/workflows/executions/{id}/history")] {
        let text = client.get(&path).ok(200).to_string();
        assert!(text.contains("***") && !holds(text.as_bytes()), "{path}: {text}");
    }
    ended
}

#[test]
fn a_planted_secret_is_found_nowhere_but_in_the_function() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let mut server = Server::logging(log.reopen().expect("opens"), "debug");
    let client = server.client.clone();
    let set = put(&client, "TOKEN", &json!({ "value": PLANTED })).ok(200);
    assert!(!holds(set.to_string().as_bytes()));
    client.put_script("/functions/tells", TELLS).ok(200);
    client.upload("echo", &guest("fixtures/echo"));
    client.upload("sleeps", &guest("fixtures/sleeps"));
    let tell = json!({"id": "tell", "type": "function", "function": "tells", "next": "after",
        "config": {"key": "{{ secrets.TOKEN }}", "onError": "handler"}});
    let steps = json!([tell, {"id": "after", "type": "function", "function": "echo"}, {"id": "handler", "type": "function", "function": "echo"}]);
    let created = client.post("/workflows", &json!({"id": "tell", "steps": steps})).ok(201);
    assert_eq!(created["warnings"], json!([]), "{created:#}");

    let ended = run_telling(&client, &Value::Null);
    let seen = &ended["result"]["input"];
    assert_eq!(
        (&seen["key"], &seen["nested"][0]["text"], &seen["***"]),
        (&json!("***"), &json!("Bearer ***!"), &json!(1))
    );
    assert_eq!(seen["length"], PLANTED.len(), "the function itself had the value");
    for fail in ["throw", "permanent"] {
        let ended = run_telling(&client, &json!(fail));
        let seen = &ended["result"]["input"];
        assert_eq!(seen["input"]["key"], "***", "{ended:#}");
        assert!(seen["error"]["message"].as_str().is_some_and(|message| message.contains("***")), "{ended:#}");
    }

    // Killed while a function holds the value.
    let slow = json!({"id": "a", "type": "function", "function": "sleeps",
        "config": {"key": "{{ secrets.TOKEN }}", "timeout": 2_000, "onError": "handler"}});
    let steps = json!([slow, {"id": "handler", "type": "function", "function": "echo"}]);
    client.post("/workflows", &json!({"id": "slow", "steps": steps})).ok(201);
    let started = client.post("/workflows/trigger", &json!({"workflowId": "slow"})).ok(200);
    let id = started["executionId"].as_str().expect("id").to_owned();
    while client.get(&format!("/workflows/executions/{id}")).ok(200)["status"] != "running" {}
    server.kill();
    search(&server, log.path());

    let server = server.restart();
    let ended = server.client.end(&id);
    assert_eq!(ended["result"]["input"]["input"]["key"], "***", "{ended:#}");
    let ended = run_telling(&server.client, &Value::Null);
    assert_eq!(ended["result"]["input"]["length"], PLANTED.len(), "it is still there");
    for path in ["/secrets", "/secrets/TOKEN", "/workflows", "/workflows/tell", "/functions"] {
        assert!(!holds(server.client.get(path).ok(200).to_string().as_bytes()), "{path}");
    }
    let folder = server.folder();
    drop(server);
    let found: Vec<_> =
        files(folder.path()).into_iter().filter(|path| holds(&std::fs::read(path).expect("reads"))).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// In the data folder and in the log.
fn search(server: &Server, log: &Path) {
    let all = files(server.folder().path());
    assert!(all.len() > 3, "{all:?}");
    let mut said = false;
    for path in all.iter().map(std::path::PathBuf::as_path).chain([log]) {
        let bytes = std::fs::read(path).expect("reads");
        assert!(!holds(&bytes), "{} holds the value", path.display());
        said |= path == log && bytes.windows(10).any(|window| window == b"logged ***");
    }
    assert!(said, "what the function logged is in the log, without the value");
}

#[test]
fn secrets_are_read_in_the_config_of_functions_only() {
    let server = Server::start();
    let steps = json!([
        {"id": "c", "type": "condition", "condition": "secrets.A === 'guess'", "next": "f"},
        {"id": "f", "type": "function", "function": "f", "config": {"all": "{{ secrets }}", "input": "secrets[input.name]"}}
    ]);
    let answer = server.client.post("/workflows", &json!({"id": "w", "steps": steps, "output": "secrets.A"}));
    assert_eq!(answer.error(422), "invalid_definition");
    let faults = answer.body["errors"].as_array().expect("errors");
    let faults: Vec<_> = faults.iter().map(|fault| (fault["pointer"].as_str(), fault["code"].as_str())).collect();
    for pointer in ["/output", "/steps/0/condition", "/steps/1/config", "/steps/1/config/input"] {
        assert!(faults.contains(&(Some(pointer), Some("secrets_not_allowed"))), "{pointer}: {faults:?}");
    }
    server.client.put_script("/functions/f", "export default input => input").ok(200);
    let step = json!({"id": "f", "type": "function", "function": "f", "config": {"key": "{{ secrets.NOT_SET }}", "retries": 5}});
    let created = server.client.post("/workflows", &json!({"id": "w", "steps": [step]})).ok(201);
    assert_eq!(
        (&created["warnings"][0]["code"], created["warnings"].as_array().map(Vec::len)),
        (&json!("unknown_secret"), Some(1))
    );
    let ended = server.client.run("w", &json!({}));
    let (code, message) = crate::support::failure(&ended);
    assert!(code == "unknown_secret" && message.contains("NOT_SET"), "{ended:#}");
}

#[test]
fn a_webhooks_secret_is_read_back_as_stars_and_lies_nowhere() {
    let mut server = Server::start();
    let config = json!({"path": "/webhooks/a", "method": "POST", "secret": PLANTED});
    let step = json!({"id": "f", "type": "function", "function": "f"});
    let trigger = json!({"type": "webhook", "config": config});
    let body = json!({"id": "w", "steps": [step], "triggers": [trigger]});
    let created = server.client.post("/workflows", &body).ok(201);
    assert_eq!(created["triggers"][0]["config"]["secret"], "***");
    assert_eq!(server.client.get("/workflows/w").ok(200)["triggers"], created["triggers"]);
    let mut stars = body.clone();
    stars["id"] = json!("v");
    stars["triggers"][0]["config"]["secret"] = json!("***");
    let refused = server.client.post("/workflows", &stars);
    assert_eq!(refused.error(422), "invalid_definition");
    assert_eq!(refused.body["errors"][0]["pointer"], "/triggers/0/config/secret");
    server.kill();
    for path in files(server.folder().path()) {
        assert!(!holds(&std::fs::read(&path).expect("reads")), "{}", path.display());
    }
}
