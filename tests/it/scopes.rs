//! Every operation of the description with a key of each scope: it is refused, or not, as `x-scope` says. A new route cannot forget it.

use crate::described::DOCUMENT;
use crate::support::{Client, Server};
use serde_json::Value;

/// All operations: method, path with made-up ids, the description.
fn operations() -> Vec<(String, String, &'static Value)> {
    let mut all = Vec::new();
    for (path, item) in DOCUMENT["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let parts = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
            all.push((method.to_ascii_uppercase(), parts.collect::<Vec<_>>().join("/"), operation));
        }
    }
    all
}

fn ask(client: &Client, method: &str, path: &str) -> (u16, String) {
    let (parts, body) = client.exchange(method, path, &[("content-type", "application/json")], b"{}");
    // A backup is no JSON.
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    (parts.status.as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn every_operation_asks_for_its_scope() {
    let server = Server::start();
    let operator = &server.client;
    operator.post("/tenants", &serde_json::json!({"id": "acme"})).ok(201);
    let holders: Vec<(&str, &str, Client)> = ["default", "acme"]
        .into_iter()
        .flat_map(|tenant| {
            let scopes = ["read", "trigger", "deploy", "approve", "admin"];
            scopes.into_iter().map(move |scope| (tenant, scope, operator.key_of(tenant, &[scope])))
        })
        .collect();
    let mut guarded = 0;
    for (method, path, operation) in operations() {
        let is_open =
            operation["security"].as_array().is_some_and(|all| all.iter().all(|one| one == &serde_json::json!({})));
        let Some(needed) = operation["x-scope"].as_str() else {
            assert!(is_open, "{method} {path} is not in the table of operations");
            continue;
        };
        guarded += 1;
        assert!(!is_open, "{method} {path} says that it needs no key, and a scope");
        assert_eq!(ask(&operator.stranger(), &method, &path), (401, "unauthorized".to_owned()), "{method} {path}");
        for (tenant, has, client) in &holders {
            let may = match needed {
                "operator" => (*tenant, *has) == ("default", "admin"),
                needed => *has == needed || *has == "admin",
            };
            let (status, code) = ask(client, &method, &path);
            let refused = (status, code.as_str()) == (403, "forbidden");
            assert_eq!(refused, !may, "{method} {path} needs {needed}; {has} of {tenant} got {status} {code}");
        }
    }
    assert!(guarded > 60, "{guarded}");
}

#[test]
fn a_refusal_names_the_scope_that_is_missing() {
    let server = Server::start();
    let reader = server.client.key_of("default", &["read"]);
    let refused = reader.post("/workflows", &serde_json::json!({}));
    assert!(refused.body["message"].as_str().is_some_and(|message| message.contains("`deploy`")), "{:#}", refused.body);
    let several = server.client.key_of("default", &["read", "trigger"]);
    several.get("/workflows").ok(200);
    assert_eq!(
        several.post("/workflows/trigger", &serde_json::json!({"workflowId": "x"})).error(404),
        "workflow_not_found"
    );
    assert_eq!(several.get("/secrets").error(403), "forbidden");
}
