//! Secrets are planted wherever they may go, and looked for in everything that the server wrote: its folder, its log, its answers.

use crate::support::{Client, Server, guest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A secret that the function reads, one in a step's input, a webhook's, and one that is only named.
const PLANTED: [(&str, &str); 4] = [
    ("TOKEN", "planted-token/0123456789+~"),
    ("KEY", "planted-key \"9876543210\" \\"),
    ("HOOK", "planted-hook-abcdefghijk"),
    ("NAMED", "planted-named-lmnopqrstu"),
];

/// Every form in which a value may stand in a text.
fn forms() -> Vec<(String, Vec<u8>)> {
    let mut forms = Vec::new();
    for (name, value) in PLANTED {
        let percent: String = value
            .bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect();
        let quoted = json!(value).to_string();
        let mut texts = vec![value.to_owned(), percent, quoted[1..quoted.len() - 1].to_owned()];
        for before in ["", "x", "xx"] {
            let encoded = STANDARD.encode(format!("{before}{value}"));
            // Without the ends, whose characters hold bits of what is beside.
            texts.push(encoded[4..encoded.len() - 6].to_owned());
        }
        forms.extend(texts.into_iter().map(|text| (name.to_owned(), text.into_bytes())));
    }
    forms
}

fn search(place: &str, bytes: &[u8]) {
    for (name, form) in forms() {
        let found = bytes.windows(form.len()).position(|window| window == form);
        assert!(found.is_none(), "{name} stands in {place} as {:?}", String::from_utf8_lossy(&form));
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { all.push(entry.path()) }
        }
    }
    all
}

/// All that the API tells of the execution and of what is round it.
fn look_everywhere(client: &Client, id: &str) {
    for path in [
        format!("/workflows/executions/{id}"),
        format!("/workflows/executions/{id}/history"),
        format!("/workflows/executions/{id}/logs"),
        format!("/workflows/executions/{id}/events"),
        format!("/workflows/executions/{id}/timeline"),
        "/workflows/executions".to_owned(),
        "/workflows/w".to_owned(),
        "/workflows/w/revisions".to_owned(),
        "/functions/f".to_owned(),
        "/secrets".to_owned(),
        "/secrets/TOKEN".to_owned(),
        "/events".to_owned(),
        "/webhook-deliveries".to_owned(),
        "/kv".to_owned(),
        "/grants".to_owned(),
    ] {
        let (parts, text) = client.exchange("GET", &path, &[], b"");
        assert_eq!(parts.status.as_u16(), 200, "{path}: {text}");
        search(&path, text.as_bytes());
    }
}

#[test]
fn planted_secrets_are_found_nowhere() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let mut server = Server::logging(log.reopen().expect("a file"), "trace");
    let client = server.client.clone();
    for (name, value) in PLANTED {
        client.put(&format!("/secrets/{name}"), &json!({ "value": value })).ok(200);
    }
    let wanted = json!({
        "secrets": {"TOKEN": {"read": true}, "NAMED": {"hosts": ["api.example.com"]}}, "events": ["told.**"], "keyValue": "read",
    });
    let headers = [("content-type", "application/wasm"), ("stepwell-grants", &*wanted.to_string())];
    client.send("PUT", "/functions/f", &headers, &guest("fixtures/uses_capabilities")).ok(200);
    let says = json!([
        ["secret", "TOKEN"], ["log secret", "TOKEN"], ["publish secret", "TOKEN", "told.once"], ["reference", "NAMED"],
        ["config", "Bearer {{ secrets.KEY }}"], ["get", "{{ secrets.KEY }}"], ["publish as", "{{ secrets.KEY }}", "told.twice", {"key": "{{ secrets.KEY }}"}],
        ["length of secret", "TOKEN"],
    ]);
    let panics = json!([["panic with secret", "TOKEN"]]);
    let step = |id: &str, input: &serde_json::Value| json!({"id": id, "type": "function", "function": "f", "config": {"input": {"questions": input}, "onError": "continue"}});
    let mut first = step("says", &says);
    first["next"] = json!("panics");
    let hook = json!([{"type": "webhook", "config": {"path": "/webhooks/p", "secret": PLANTED[2].1}}]);
    client
        .post(
            "/workflows",
            &json!({"id": "w", "name": "w", "steps": [first, step("panics", &panics)], "triggers": hook}),
        )
        .ok(201);
    let ended = client.run("w", &json!({}));
    let said = &ended["steps"]["says"];
    assert_eq!(said["status"], "completed", "{ended:#}");
    let answers = ended.to_string();
    assert!(answers.contains("***"), "{ended:#}");
    assert!(answers.contains(&PLANTED[0].1.len().to_string()), "the function had the value: {ended:#}");
    let direct = client.post("/functions/execute", &json!({"functionId": "f", "input": says})).ok(200);
    search("a direct call", direct.to_string().as_bytes());
    let failed = client.post("/functions/execute", &json!({"functionId": "f", "input": panics}));
    assert_eq!(failed.error(422), "function_trapped");
    search("a failed call", failed.body.to_string().as_bytes());
    client.send("POST", "/webhooks/p", &[("x-hub-signature-256", "sha256=00")], b"{}");
    let id = ended["executionId"].as_str().expect("id");
    look_everywhere(&client, id);
    let logs = client.get(&format!("/workflows/executions/{id}/logs")).ok(200);
    assert!(logs.to_string().contains("the value is ***"), "{logs:#}");
    assert_eq!(
        client.post("/secrets/rotate", &json!({})).ok(200)["resealed"],
        6,
        "four secrets, and a webhook's twice"
    );
    let again = client.run("w", &json!({}));
    assert_eq!(again["steps"]["says"]["status"], "completed", "they open with the new key: {again:#}");
    server.kill();
    let all = files(server.folder().path());
    assert!(all.len() > 3, "{all:?}");
    for file in all {
        search(&file.display().to_string(), &std::fs::read(&file).expect("reads"));
    }
    let logged = std::fs::read(log.path()).expect("reads");
    assert!(logged.len() > 1_000);
    search("the log", &logged);
}
