//! API keys through the front door: shown once, revoked at once, never more than their maker's.

use crate::support::Server;
use serde_json::{Value, json};

#[test]
fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    let mut server = Server::start();
    let admin = server.client.clone();
    let body = json!({"name": "CI", "subject": "ci@example.com", "scopes": ["deploy", "read"], "groups": ["finance"], "expiresIn": "90d"});
    let made = admin.post("/keys", &body).ok(201);
    let text = made["key"].as_str().expect("a key").to_owned();
    assert!(text.starts_with("swk_1_") && text.len() == 78, "{text}");
    assert_eq!((&made["scopes"], &made["groups"]), (&json!(["read", "deploy"]), &json!(["group:finance"])));
    assert_eq!((&made["createdBy"], &made["lastUsedAt"]), (&json!("admin"), &Value::Null));
    let id = made["id"].as_str().expect("id").to_owned();
    let shown = admin.get(&format!("/keys/{id}")).ok(200);
    assert!(shown.get("key").is_none() && shown["expiresAt"].is_string(), "{shown:#}");
    let hint = shown["hint"].as_str().expect("a hint");
    assert_eq!(hint, format!("swk_1_…{}", &text[74..]));

    let ci = admin.with_key(&text);
    ci.get("/workflows").ok(200);
    while admin.get(&format!("/keys/{id}")).ok(200)["lastUsedAt"].is_null() {}
    assert_eq!(ci.get("/keys").error(403), "forbidden");
    assert_eq!(ci.post("/keys", &json!({"scopes": ["read"]})).error(403), "forbidden");

    admin.delete(&format!("/keys/{id}")).ok(200);
    assert_eq!(ci.get("/workflows").error(401), "unauthorized");
    assert_eq!(admin.get(&format!("/keys/{id}")).error(404), "key_not_found");
    assert_eq!(admin.delete(&format!("/keys/{id}")).error(404), "key_not_found");
    // The text is nowhere on the disk.
    let kept = admin.post("/keys", &json!({"scopes": ["read"]})).ok(201);
    let text = kept["key"].as_str().expect("a key").to_owned();
    assert_eq!(kept["subject"], kept["id"], "a key without a subject speaks for itself");
    server.kill();
    let mut folders = vec![server.folder().path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("lists") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("reads");
                let found = bytes.windows(64).any(|part| part == &text.as_bytes()[6..70]);
                assert!(!found, "{}", path.display());
            }
        }
    }
    let server = server.restart();
    server.client.with_key(&text).get("/workflows").ok(200);
}

#[test]
fn keys_are_listed_in_the_order_of_their_making_and_only_the_tenants_own() {
    let server = Server::start();
    let admin = server.client.tenant("acme");
    let ids: Vec<Value> =
        (0..3).map(|_| admin.post("/keys", &json!({"scopes": ["read"]})).ok(201)["id"].clone()).collect();
    let first = admin.get("/keys?limit=2").ok(200);
    assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
    let next = admin.get(&format!("/keys?limit=2&cursor={}", first["nextCursor"].as_str().expect("more"))).ok(200);
    assert_eq!(next["nextCursor"], Value::Null);
    let listed: Vec<&Value> = [&first, &next]
        .into_iter()
        .flat_map(|page| page["items"].as_array().expect("items"))
        .map(|key| &key["id"])
        .collect();
    assert!(listed.len() == 4 && ids.iter().all(|id| listed.contains(&id)), "{listed:?}");
    assert!(!first.to_string().contains("\"key\""));
    assert_eq!(server.client.get("/keys").ok(200)["items"], json!([]));
    for id in ids.iter().map(|id| id.as_str().expect("id")) {
        assert_eq!(server.client.get(&format!("/keys/{id}")).error(404), "key_not_found");
        assert_eq!(server.client.delete(&format!("/keys/{id}")).error(404), "key_not_found");
    }
    for id in ["x", "key-", "key-..", "key-%2F", "key-00000000000000000000000000000000"] {
        assert_eq!(admin.get(&format!("/keys/{id}")).error(404), "key_not_found", "{id}");
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let server = Server::start();
    let admin = &server.client;
    for body in [
        json!({}),
        json!({"scopes": []}),
        json!({"scopes": ["root"]}),
        json!({"scopes": ["read"], "subject": ""}),
        json!({"scopes": ["read"], "subject": "group:finance"}),
        json!({"scopes": ["read"], "subject": "a\u{1b}[0m"}),
        json!({"scopes": ["read"], "groups": [""]}),
        json!({"scopes": ["read"], "expiresAt": "2020-01-01T00:00:00Z"}),
        json!({"scopes": ["read"], "expiresAt": "tomorrow"}),
        json!({"scopes": ["read"], "expiresIn": "0s"}),
        json!({"scopes": ["read"], "expiresIn": "1d", "expiresAt": "2090-01-01T00:00:00Z"}),
        json!({"scopes": ["read"], "tenant": "acme"}),
    ] {
        assert_eq!(admin.post("/keys", &body).error(400), "invalid_request", "{body}");
    }
    let good = admin.post("/keys", &json!({"scopes": ["read"]})).ok(201)["key"].as_str().expect("a key").to_owned();
    let other_tenant = good.replacen("swk_1_", "swk_2_", 1);
    let (cut, longer, upper) = (&good[..good.len() - 1], format!("{good}0"), good.to_uppercase());
    for key in [&other_tenant, cut, &longer, &upper, "swk_", "swk_1_", &good[4..], &"x".repeat(600)] {
        assert_eq!(admin.with_key(key).get("/workflows").error(401), "unauthorized", "{key}");
    }
    let soon = admin.post("/keys", &json!({"scopes": ["read"], "expiresIn": "1500ms"})).ok(201);
    let soon = admin.with_key(soon["key"].as_str().expect("a key"));
    while soon.get("/workflows").status == 200 {}
    assert_eq!(soon.get("/workflows").error(401), "key_expired");
}

#[test]
fn a_tenant_has_so_many_keys() {
    let server = Server::start();
    let admin = server.client.tenant("acme");
    for _ in 1..1_000 {
        admin.post("/keys", &json!({"scopes": ["read"]})).ok(201);
    }
    assert_eq!(admin.post("/keys", &json!({"scopes": ["read"]})).error(429), "api_keys");
    server.client.post("/keys", &json!({"scopes": ["read"]})).ok(201);
}
