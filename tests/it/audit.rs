//! The audit log: every operation that changes something leaves a line, and nothing else does.

use crate::described::DOCUMENT;
use crate::progress::under_way;
use crate::raw::Raw;
use crate::support::{Answer, Client, Server};
use crate::uploads::bomb;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What changes nothing that a list of its own does not tell of: starts, events, questions.
const UNTOLD: [&str; 5] = [
    "POST /workflows/trigger",
    "POST /workflows/validate",
    "POST /functions/execute",
    "POST /agents/{id}/assign",
    "POST /events",
];

/// The newest line.
fn newest(client: &Client) -> Value {
    client.get("/audit?limit=1").ok(200)["items"][0].clone()
}

/// Does every change once, in an order in which each can be done: `(operation, target, answer)` is told of each.
struct Changes<'a> {
    client: &'a Client,
    done: BTreeSet<String>,
}

impl Changes<'_> {
    /// An operation, as the description writes it, with these ids and this body.
    fn change(&mut self, operation: &str, ids: &[&str], body: &Value) -> Answer {
        let (method, template) = operation.split_once(' ').expect("a method and a path");
        let mut ids_left = ids.iter();
        let parts =
            template.split('/').map(|part| if part.starts_with('{') { ids_left.next().expect("an id") } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        let answer =
            self.client.send(method, &path, &[("content-type", "application/json")], body.to_string().as_bytes());
        assert!(answer.status < 300, "{operation}: {:#}", answer.body);
        let line = newest(self.client);
        let action = &DOCUMENT["paths"][template][method.to_ascii_lowercase()]["x-audit"];
        assert_eq!((&line["action"], &line["requestId"]), (action, &json!(answer.request_id)), "{operation}: {line:#}");
        assert_eq!(
            (&line["subject"], &line["outcome"], &line["keyId"]),
            (&json!("admin"), &json!("done"), &Value::Null)
        );
        assert_eq!(line["address"], "127.0.0.1");
        let id = answer.body["id"].as_str().unwrap_or_default();
        let named = ids.first().copied().unwrap_or(id);
        assert!(line["target"].as_str().is_some_and(|target| target.contains(named)), "{operation} {named}: {line:#}");
        self.done.insert(operation.to_owned());
        answer
    }
}

fn id(answer: &Value, key: &str) -> String {
    answer[key].as_str().unwrap_or_else(|| panic!("{key}: {answer:#}")).to_owned()
}

fn start(client: &Client, workflow: &str) -> String {
    id(&client.post("/workflows/trigger", &json!({"workflowId": workflow})).ok(200), "executionId")
}

fn definitions(all: &mut Changes<'_>) {
    let script = json!({"id": "f", "source": "export default () => { throw new Error('no') }"});
    all.change("POST /functions", &[], &script);
    let source = "export default input => input";
    let put = all.client.put_script("/functions/f", source);
    assert_eq!((put.status, newest(all.client)["action"].as_str()), (200, Some("function.deploy")));
    all.done.insert("PUT /functions/{id}".to_owned());
    all.change("POST /functions/{id}/rollback", &["f"], &json!({"version": 1}));
    let hook = json!({"type": "webhook", "config": {"path": "/webhooks/in"}});
    let clock = json!({"type": "schedule", "config": {"cron": "0 0 1 1 *"}});
    let fails =
        json!({"id": "w", "steps": [{"id": "a", "type": "function", "function": "f"}], "triggers": [clock, hook]});
    all.change("POST /workflows", &[], &fails);
    all.change("PUT /workflows/{id}", &["w"], &fails);
    let human = json!({"id": "h", "steps": [{"id": "a", "type": "human", "config": {}}]});
    all.client.post("/workflows", &human).ok(201);
    all.change("POST /agents", &[], &json!({"id": "a", "name": "A"}));
    all.change("PUT /agents/{id}", &["a"], &json!({"name": "B"}));
    all.change("DELETE /agents/{id}", &["a"], &json!({}));
    all.change("PUT /secrets/{name}", &["A"], &json!({"value": "planted-value"}));
    all.change("DELETE /secrets/{name}", &["A"], &json!({}));
    all.change("POST /secrets/rotate", &[], &json!({}));
    all.change("PUT /grants", &[], &json!({"events": ["**"]}));
    for place in ["config/{name}", "kv/{key}"] {
        all.change(&format!("PUT /{place}"), &["A"], &json!({"value": "v"}));
        all.change(&format!("DELETE /{place}"), &["A"], &json!({}));
    }
}

fn executions(all: &mut Changes<'_>) {
    let failed = id(&all.client.end(&start(all.client, "w")), "executionId");
    all.change("POST /workflows/executions/{id}/retry", &[&failed], &json!({}));
    all.client.end(&failed);
    all.change("POST /workflows/executions/{id}/rerun", &[&failed], &json!({}));
    let waits = start(all.client, "h");
    all.change("POST /workflows/executions/{id}/pause", &[&waits], &json!({}));
    all.change("POST /workflows/executions/{id}/resume", &[&waits], &json!({}));
    let listed = all.client.get(&format!("/approvals?execution={waits}")).ok(200);
    let approval = id(&listed["items"][0], "id");
    all.change("POST /approvals/{id}/links", &[&approval], &json!({}));
    all.change("POST /approvals/{id}", &[&approval], &json!({"approved": true}));
    all.change("POST /workflows/executions/{id}/cancel", &[&start(all.client, "h")], &json!({}));
    for action in ["pause", "resume", "run"] {
        all.change(&format!("POST /schedules/{{id}}/{action}"), &["w~0"], &json!({}));
    }
    let years = json!({"from": "2020-01-01T00:00:00Z", "to": "2021-01-02T00:00:00Z"});
    all.change("POST /schedules/{id}/backfill", &["w~0"], &years);
    let headers = [("content-type", "application/json")];
    let delivered = all.client.stranger().send("POST", "/webhooks/in", &headers, b"{}").ok(202);
    all.change("POST /webhook-deliveries/{id}/replay", &[&id(&delivered, "deliveryId")], &json!({}));
}

fn administration(all: &mut Changes<'_>) {
    let key = all.change("POST /keys", &[], &json!({"scopes": ["read"]})).ok(201);
    all.change("DELETE /keys/{id}", &[&id(&key, "id")], &json!({}));
    all.change("POST /tenants", &[], &json!({"id": "acme"}));
    let admin =
        all.change("POST /tenants/{id}/keys", &["acme"], &json!({"scopes": ["admin"], "subject": "boss"})).ok(201);
    let theirs = all.client.with_key(&id(&admin, "key"));
    assert_eq!(newest(&theirs)["action"], "tenant.key", "they see it, too");
    let other = theirs.post("/keys", &json!({"scopes": ["read"]})).ok(201);
    all.change("DELETE /tenants/{id}/keys/{key}", &["acme", &id(&other, "id")], &json!({}));
    assert_eq!(newest(&theirs)["action"], "tenant.revoke", "they see it, too");
    all.change("PUT /tenants/{id}/grants", &["acme"], &json!({"keyValue": "none"}));
    assert_eq!(newest(&theirs)["action"], "tenant.grants", "they see it, too");
    all.change("PATCH /tenants/{id}", &["acme"], &json!({"quotas": {"functions": 3}}));
    all.change("POST /tenants/{id}/suspend", &["acme"], &json!({}));
    all.change("POST /tenants/{id}/resume", &["acme"], &json!({}));
    theirs.put("/secrets/A", &json!({"value": "v"})).ok(200);
    let line = newest(&theirs);
    assert_eq!((&line["subject"], &line["keyId"]), (&json!("boss"), &admin["id"]));
    assert_eq!(newest(all.client)["action"], "tenant.resume", "nobody else sees theirs");
    all.change("DELETE /tenants/{id}", &["acme"], &json!({}));
    all.change("DELETE /workflows/{id}", &["w"], &json!({}));
    all.change("DELETE /functions/{id}", &["f"], &json!({}));
}

fn uploads(all: &mut Changes<'_>, server: &Server) {
    let mut raw = Raw::connect(server);
    raw.upload("PUT /functions/bomb", &bomb());
    let upload = under_way(all.client);
    all.change("DELETE /uploads/{id}", &[&id(&upload, "id")], &json!({}));
    let (status, _, body) = raw.answer();
    assert_eq!((status, &body["code"]), (409, &json!("upload_cancelled")));
}

#[test]
fn every_change_leaves_a_line() {
    let mut server = Server::start();
    let client = server.client.clone();
    let mut all = Changes { client: &client, done: BTreeSet::new() };
    definitions(&mut all);
    executions(&mut all);
    administration(&mut all);
    uploads(&mut all, &server);
    for (path, item) in DOCUMENT["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let name = format!("{} {path}", method.to_ascii_uppercase());
            let is_change = method != "get" && operation["x-scope"].is_string() && !UNTOLD.contains(&name.as_str());
            assert_eq!(operation["x-audit"].is_string(), is_change, "{name}");
            assert_eq!(all.done.contains(&name), is_change, "{name} is not among the changes of this test");
        }
    }
    let log = client.get("/audit?limit=200").ok(200);
    assert!(!log.to_string().contains("planted-value"));
    let lines = log["items"].as_array().map(Vec::len);
    server.kill();
    let server = server.restart();
    let again = server.client.get("/audit?limit=200").ok(200);
    assert_eq!((again["items"].as_array().map(Vec::len), &again["items"]), (lines, &log["items"]));
    server.client.put("/secrets/B", &json!({"value": "v"})).ok(200);
    assert_eq!(
        server.client.get("/audit?limit=1").ok(200)["items"][0]["target"],
        "B",
        "it goes on behind the last one"
    );
}

#[test]
fn the_log_is_asked_in_parts_and_what_is_refused_is_not_in_it() {
    let server = Server::start();
    let client = &server.client;
    for name in ["A", "B", "C"] {
        client.put(&format!("/secrets/{name}"), &json!({"value": "v"})).ok(200);
    }
    client.delete("/secrets/B").ok(200);
    client.delete("/secrets/B").error(404);
    client.put("/secrets/1", &json!({"value": "v"})).error(422);
    let reader = client.key_of("default", &["read"]);
    reader.delete("/secrets/A").error(403);
    assert_eq!(reader.get("/audit").error(403), "forbidden");
    let targets = |query: &str| -> Vec<String> {
        let part = client.get(&format!("/audit?{query}")).ok(200);
        part["items"].as_array().expect("items").iter().map(|line| id(line, "target")).collect()
    };
    assert_eq!(targets("action=secret"), ["B", "C", "B", "A"]);
    assert_eq!(targets("action=secret.put"), ["C", "B", "A"]);
    assert_eq!(targets("action=secre"), [""; 0]);
    assert_eq!(targets("subject=admin&action=secret&limit=1"), ["B"]);
    assert_eq!(targets("subject=nobody"), [""; 0]);
    assert_eq!(targets("since=2090-01-01T00:00:00Z"), [""; 0]);
    let first = client.get("/audit?action=secret&limit=2").ok(200);
    let next = first["nextCursor"].as_str().expect("more");
    assert_eq!(targets(&format!("action=secret&limit=2&cursor={next}")), ["B", "A"]);
    for query in ["cursor=x", "cursor=0", "since=yesterday", "limit=0"] {
        assert_eq!(client.get(&format!("/audit?{query}")).error(400), "invalid_request", "{query}");
    }
}
