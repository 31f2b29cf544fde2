//! Tenants through the front door: they come, stop for a while, go on, and go, and take nobody with them.

use crate::support::{Client, Server};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Long enough that it stands nowhere by chance.
const PLANTED: &str = "planted-51c0de-of-one-tenant";

fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut all, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("lists") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { all.push(path) }
        }
    }
    all
}

/// Asks until nothing is left of a deleted tenant.
fn gone(operator: &Client, id: &str) {
    while operator.get(&format!("/tenants/{id}")).status != 404 {}
}

#[test]
fn tenants_are_made_changed_listed_and_deleted() {
    let server = Server::start();
    let operator = &server.client;
    let first = operator.get("/tenants").ok(200);
    assert_eq!((&first["items"][0]["id"], &first["nextCursor"]), (&json!("default"), &Value::Null));
    let body = json!({"id": "acme", "name": "Acme & Co", "labels": {"plan": "b"}, "quotas": {"fuel": 5}});
    let made = operator.post("/tenants", &body).ok(201);
    assert_eq!((&made["status"], &made["quotas"]), (&json!("active"), &json!({"fuel": 5})));
    assert_eq!(operator.get("/tenants/acme").ok(200), made);
    assert_eq!(operator.post("/tenants", &body).error(409), "tenant_exists");
    operator.post("/tenants", &json!({"id": "b-2"})).ok(201);
    let page = operator.get("/tenants?limit=1").ok(200);
    assert_eq!((&page["items"], &page["nextCursor"]), (&json!([made]), &json!("acme")));
    let page = operator.get("/tenants?limit=1&cursor=acme").ok(200);
    assert_eq!((&page["items"][0]["id"], &page["nextCursor"]), (&json!("b-2"), &json!("b-2")));

    let changed = operator.patch("/tenants/acme", &json!({"name": null, "quotas": {"functions": 2}})).ok(200);
    assert_eq!((&changed["name"], &changed["labels"]), (&Value::Null, &json!({"plan": "b"})));
    assert_eq!(changed["quotas"], json!({"functions": 2}));
    for status in ["suspended", "active"] {
        let turned = operator.patch("/tenants/acme", &json!({ "status": status })).ok(200);
        assert_eq!((&turned["status"], &turned["quotas"]), (&json!(status), &changed["quotas"]));
    }
    let server = server.kill_and_restart();
    let operator = &server.client;
    assert_eq!(operator.get("/tenants/acme").ok(200), changed);
    assert_eq!(operator.delete("/tenants/acme").ok(200), json!({}));
    gone(operator, "acme");
    assert_eq!(operator.delete("/tenants/acme").error(404), "tenant_not_found");
}

#[test]
fn what_is_no_tenant_is_refused() {
    let server = Server::start();
    let operator = &server.client;
    let long = "x".repeat(64);
    for id in ["", "default", "A", "a_b", "a.b", "-a", "a-", "ä", "a/b", "..", "a\u{0}", &long] {
        assert_eq!(operator.post("/tenants", &json!({ "id": id })).error(400), "invalid_request", "{id}");
    }
    for body in [
        json!({}),
        json!({"id": 7}),
        json!({"id": "a", "quotas": {"unknown": 1}}),
        json!({"id": "a", "quotas": {"fuel": -1}}),
        json!({"id": "a", "name": "two\nlines"}),
        json!({"id": "a", "labels": {"a": 1}}),
        json!({"id": "a", "status": "active"}),
    ] {
        assert_eq!(operator.post("/tenants", &body).error(400), "invalid_request", "{body}");
    }
    for change in [json!({"status": "deleting"}), json!({"id": "b"}), json!({"status": null, "name": ""})] {
        assert_eq!(operator.patch("/tenants/default", &change).error(400), "invalid_request", "{change}");
    }
    assert_eq!(operator.post("/tenants/default/suspend", &json!({})).error(409), "default_tenant");
    assert_eq!(operator.delete("/tenants/default").error(409), "default_tenant");
    operator.patch("/tenants/default", &json!({"labels": {"a": "b"}})).ok(200);
    for path in ["/tenants/nobody", "/tenants/..%2fdefault", "/tenants/%00"] {
        assert_eq!(operator.get(path).error(404), "tenant_not_found", "{path}");
    }
}

#[test]
fn only_the_operator_has_to_do_with_tenants() {
    let server = Server::start();
    let theirs = server.client.tenant("acme");
    let ours = server.client.key_of("default", &["deploy", "trigger", "read", "approve"]);
    for client in [&theirs, &ours] {
        for id in ["acme", "default", "nobody"] {
            let path = format!("/tenants/{id}");
            let answers = [
                client.get("/tenants"),
                client.post("/tenants", &json!({"id": "new"})),
                client.get(&path),
                client.patch(&path, &json!({"quotas": {}})),
                client.delete(&path),
                client.post(&format!("{path}/suspend"), &json!({})),
                client.post(&format!("{path}/resume"), &json!({})),
                client.post(&format!("{path}/keys"), &json!({"scopes": ["admin"]})),
            ];
            for answer in answers {
                assert_eq!(answer.error(403), "forbidden");
            }
        }
    }
    assert_eq!(server.client.stranger().get("/tenants").error(401), "unauthorized");
    assert_eq!(server.client.get("/tenants/new").error(404), "tenant_not_found");
}

/// A workflow whose second step is not reached before the first has slept for a while.
fn slow(client: &Client) -> String {
    client.put_script("/functions/stamp", "export default () => ({ at: Date.now() })").ok(200);
    let steps = json!([
        {"id": "wait", "type": "wait", "config": {"duration": "300ms"}, "next": "after"},
        {"id": "after", "type": "function", "function": "stamp"}
    ]);
    client.post("/workflows", &json!({"id": "slow", "steps": steps})).ok(201);
    let started = client.post("/workflows/trigger", &json!({"workflowId": "slow", "input": {"n": 1}})).ok(200);
    started["executionId"].as_str().expect("id").to_owned()
}

#[test]
fn a_suspended_tenant_is_refused_and_goes_on_where_it_was() {
    let server = Server::start();
    let operator = server.client.clone();
    let client = operator.tenant("acme");
    let step = json!({"id": "only", "type": "condition", "condition": "true"});
    let hook = json!({"type": "webhook", "config": {"path": "/webhooks/in"}});
    client.post("/workflows", &json!({"id": "hooked", "steps": [step], "triggers": [hook]})).ok(201);
    let execution = slow(&client);
    operator.post("/tenants/acme/suspend", &json!({})).ok(200);

    assert_eq!(client.get("/workflows").error(403), "tenant_suspended");
    assert_eq!(client.post("/workflows/trigger", &json!({"workflowId": "slow"})).error(403), "tenant_suspended");
    let json = [("content-type", "application/json")];
    let hooked = operator.stranger().send("POST", "/t/acme/webhooks/in", &json, b"{}");
    assert_eq!(hooked.error(503), "tenant_suspended");
    // Over a restart, too; others are served all the time.
    let server = server.kill_and_restart();
    let (operator, client) = (&server.client, server.client.with_key(&client.key));
    assert_eq!(client.get("/workflows").error(403), "tenant_suspended");
    let own = slow(operator);
    assert_eq!(operator.end(&own)["status"], "completed");

    operator.post("/tenants/acme/resume", &json!({})).ok(200);
    let ended = client.end(&execution);
    assert_eq!(ended["status"], "completed", "{ended:#}");
    let hooked = operator.stranger().send("POST", "/t/acme/webhooks/in", &json, b"{}").ok(202);
    assert_eq!(client.end(hooked["executionId"].as_str().expect("id"))["status"], "completed");
    let deliveries = client.get("/webhook-deliveries").ok(200);
    assert_eq!(deliveries["items"].as_array().map(Vec::len), Some(1), "the refused one left nothing");
}

#[test]
fn nothing_begins_while_a_tenant_is_suspended_not_even_what_waited() {
    let server = Server::start();
    let operator = &server.client;
    let client = operator.tenant("acme");
    let execution = slow(&client);
    operator.post("/tenants/acme/suspend", &json!({})).ok(200);
    // As long as another one takes for the same.
    let own = operator.end(&slow(operator));
    operator.post("/tenants/acme/resume", &json!({})).ok(200);
    let theirs = client.end(&execution);
    let at = |ended: &Value| ended["result"]["at"].as_u64().expect("when it ran");
    assert!(at(&theirs) >= at(&own), "{theirs:#} {own:#}");
}

#[test]
fn callbacks_and_links_of_a_suspended_tenant_are_refused_without_loss() {
    let server = Server::start();
    let operator = &server.client;
    let client = operator.tenant("acme");
    let asks = "export default (input, ctx) => { ctx.log.info('asked', { url: ctx.callbackUrl }); return 1 };";
    client.put_script("/functions/asks", asks).ok(200);
    let step = json!({"id": "ask", "type": "function", "function": "asks", "config": {"async": true}});
    client.post("/workflows", &json!({"id": "ask", "steps": [step]})).ok(201);
    let human = json!({"id": "ok", "type": "human", "config": {}});
    client.post("/workflows", &json!({"id": "human", "steps": [human]})).ok(201);
    let start = |id: &str| {
        let started = client.post("/workflows/trigger", &json!({"workflowId": id})).ok(200);
        started["executionId"].as_str().expect("id").to_owned()
    };
    let (asking, human) = (start("ask"), start("human"));
    let url = loop {
        let logs = client.get(&format!("/workflows/executions/{asking}/logs")).ok(200).to_string();
        if let Some((_, rest)) = logs.split_once("/callbacks/") {
            break format!(
                "/callbacks/{}",
                rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').next().expect("a token")
            );
        }
    };
    let listed = client.get(&format!("/approvals?execution={human}")).ok(200);
    let approval = listed["items"][0]["id"].as_str().expect("id");
    let link = client.post(&format!("/approvals/{approval}/links"), &json!({})).ok(201);
    let link = link["url"].as_str().and_then(|url| url.split_once("/approve/")).expect("a link").1;
    let link = format!("/approve/{link}");

    operator.post("/tenants/acme/suspend", &json!({})).ok(200);
    let anyone = operator.stranger();
    assert_eq!(anyone.post(&url, &json!({"result": 2})).error(503), "tenant_suspended");
    assert_eq!(anyone.get(&link).error(403), "tenant_suspended");
    operator.post("/tenants/acme/resume", &json!({})).ok(200);
    anyone.post(&url, &json!({"result": 2})).ok(200);
    assert_eq!(client.end(&asking)["result"], 2);
    let (parts, _) = anyone.exchange("GET", &link, &[("accept", "text/html")], b"");
    assert_eq!(parts.status.as_u16(), 200);

    operator.delete("/tenants/acme").ok(200);
    assert_eq!(anyone.post(&url, &json!({"result": 2})).error(404), "callback_not_found");
    assert_eq!(anyone.get(&link).error(404), "link_not_found");
}

/// One of everything that leaves something on the disk.
fn furnish(client: &Client) {
    let echo = format!("export default input => input; // {PLANTED}");
    client.put_script("/functions/echo", &echo).ok(200);
    let step = json!({"id": "only", "type": "function", "function": "echo"});
    let hook = json!({"type": "webhook", "config": {"path": "/webhooks/in"}});
    let event = json!({"type": "event", "config": {"eventType": "a.b"}});
    client.post("/workflows", &json!({"id": "w", "steps": [step], "triggers": [hook, event]})).ok(201);
    for text in [PLANTED.to_owned(), format!("{PLANTED}{}", "x".repeat(20_000))] {
        client.run("w", &json!({ "text": text }));
    }
    client.post("/events", &json!({"type": "a.b", "source": "s", "data": {"text": PLANTED}})).ok(201);
    client.put("/secrets/A", &json!({"value": "v"})).ok(200);
    let human = json!({"id": "ok", "name": PLANTED, "type": "human", "config": {}});
    client.post("/workflows", &json!({"id": "human", "steps": [human]})).ok(201);
    client.post("/workflows/trigger", &json!({"workflowId": "human"})).ok(200);
}

/// Whether any file of its own, or what the store has in it, names the planted text.
fn is_readable(server: &Server, tenant: u32) -> bool {
    files(server.folder().path()).iter().any(|path| {
        let parts = path.to_string_lossy();
        parts.contains(&format!("/values/{tenant}/")) || parts.contains(&format!("/blobs/{tenant}/"))
    })
}

#[test]
fn a_deleted_tenant_leaves_nothing_and_its_id_is_free_for_a_new_one() {
    let server = Server::start();
    let operator = server.client.clone();
    let client = operator.tenant("acme");
    furnish(&client);
    furnish(&operator);
    assert!(client.key.starts_with("swk_2_") && is_readable(&server, 2));
    operator.delete("/tenants/acme").ok(200);
    assert_eq!(client.get("/workflows").error(401), "unauthorized");
    let json = [("content-type", "application/json")];
    let hooked = operator.stranger().send("POST", "/t/acme/webhooks/in", &json, b"{}");
    assert_eq!(hooked.error(404), "webhook_not_found");
    // In the middle of it, and at once again under the same id.
    let server = server.kill_and_restart();
    let operator = server.client.clone();
    let fresh = operator.tenant("acme");
    assert!(fresh.key.starts_with("swk_3_"), "{}", fresh.key);
    assert_eq!(fresh.get("/workflows").ok(200), json!([]));
    assert_eq!(fresh.get("/workflows/executions").ok(200)["items"], json!([]));
    assert_eq!(fresh.get("/secrets").ok(200)["items"], json!([]));
    operator.delete("/tenants/acme").ok(200);
    gone(&operator, "acme");
    assert!(!is_readable(&server, 2) && !is_readable(&server, 3));

    let server = server.kill_and_restart();
    let next = server.client.tenant("acme");
    assert!(next.key.starts_with("swk_4_"), "no number comes again: {}", next.key);
    assert_eq!(next.with_key(&client.key).get("/workflows").error(401), "unauthorized");
    assert_eq!(server.client.run("w", &json!({"text": "still there"}))["status"], "completed");
}

#[test]
fn what_runs_for_a_tenant_that_is_deleted_ends() {
    let server = Server::start();
    let operator = &server.client;
    let client = operator.tenant("acme");
    client.put_script("/functions/spins", "export default () => { for (;;) {} }").ok(200);
    let step =
        json!({"id": "only", "type": "function", "function": "spins", "config": {"timeout": "60s", "retries": 9}});
    client.post("/workflows", &json!({"id": "spins", "steps": [step]})).ok(201);
    let started = client.post("/workflows/trigger", &json!({"workflowId": "spins"})).ok(200);
    let id = started["executionId"].as_str().expect("id");
    while client.get(&format!("/workflows/executions/{id}")).ok(200)["steps"]["only"]["status"] != "running" {}
    operator.delete("/tenants/acme").ok(200);
    gone(operator, "acme");
    // Nothing of it comes back.
    let server = server.kill_and_restart();
    assert_eq!(server.client.get("/tenants/acme").error(404), "tenant_not_found");
    let own = slow(&server.client);
    assert_eq!(server.client.end(&own)["status"], "completed");
}
