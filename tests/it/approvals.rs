//! People through the front door: what they are asked, who may answer, and what bad answers get.

use crate::support::{Answer, Server};
use serde_json::{Value, json};

/// Starts a workflow of one human step: (execution, approval).
fn ask(server: &Server, name: &str, config: &Value) -> (String, Value) {
    let step = json!({"id": "ok", "name": "Release <b>now</b>?", "type": "human", "config": config});
    server.client.post("/workflows", &json!({"id": name, "name": name, "steps": [step]})).ok(201);
    let started = server.client.post("/workflows/trigger", &json!({"workflowId": name})).ok(200);
    let execution = started["executionId"].as_str().expect("id").to_owned();
    let listed = server.client.get(&format!("/approvals?status=pending&execution={execution}")).ok(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed:#}");
    (execution, listed["items"][0].clone())
}

fn say(server: &Server, approval: &Value, body: &Value) -> Answer {
    server.client.post(&format!("/approvals/{}", approval["id"].as_str().expect("id")), body)
}

#[test]
fn an_approval_is_shown_answered_and_decides() {
    let server = Server::start();
    let config = json!({"approvers": ["ann", "bob"], "requiredApprovals": 2, "timeout": "1h", "title": "{{ 1 + 1 }}"});
    let (execution, approval) = ask(&server, "two", &config);
    for (key, value) in [
        ("executionId", json!(execution)),
        ("workflowId", json!("two")),
        ("step", json!("ok")),
        ("status", json!("pending")),
        ("approvers", json!(["ann", "bob"])),
        ("requiredApprovals", json!(2)),
        ("decisions", json!([])),
        ("details", json!({"title": 2})),
    ] {
        assert_eq!(approval[key], value, "{key}: {approval:#}");
    }
    let path = format!("/approvals/{}", approval["id"].as_str().expect("id"));
    assert_eq!(server.client.get(&path).ok(200), approval);
    let first = say(&server, &approval, &json!({"approved": true, "by": "ann", "comment": "fine"})).ok(200);
    assert_eq!((&first["status"], &first["decisions"][0]["by"]), (&json!("pending"), &json!("ann")));
    let twice = say(&server, &approval, &json!({"approved": false, "by": "ann"}));
    assert_eq!(twice.error(409), "already_answered");
    let last = say(&server, &approval, &json!({"approved": true, "by": "bob", "data": {"n": 1}})).ok(200);
    assert_eq!(last["status"], "approved");
    assert_eq!(say(&server, &approval, &json!({"approved": true, "by": "bob"})).error(409), "approval_closed");
    assert_eq!(server.client.get(&path).ok(200), last);
    let ended = server.client.end(&execution);
    assert_eq!((&ended["result"]["approved"], &ended["result"]["data"]), (&json!(true), &json!({"n": 1})));
    assert_eq!(server.client.get("/approvals?status=pending").ok(200)["items"], json!([]));
    assert_eq!(server.client.get("/approvals?status=approved,rejected").ok(200)["items"], json!([last]));
}

#[test]
fn bad_answers_get_one_clear_refusal_and_change_nothing() {
    let server = Server::start();
    let form = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
    let (_, approval) = ask(&server, "form", &json!({"approvers": ["ann"], "form": form}));
    let ann = |more: Value| {
        let mut body = json!({"approved": true, "by": "ann", "data": {"n": 1}});
        body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        body
    };
    for (more, field) in [
        (json!({"approved": "yes"}), "approved"),
        (json!({"approved": null}), "approved"),
        (json!({"comment": 7}), "comment"),
        (json!({"comment": "x".repeat(4 * 1024 + 1)}), "comment"),
        (json!({"by": ["ann"]}), "by"),
        (json!({"by": ""}), "by"),
        (json!({"by": "a\nb"}), "by"),
        (json!({"by": "x".repeat(513)}), "by"),
    ] {
        let answer = say(&server, &approval, &ann(more.clone()));
        let error = (answer.error(400), &answer.body["errors"][0]["field"]);
        assert_eq!(error, ("invalid_request".to_owned(), &json!(field)), "{more}");
    }
    for by in ["eve", "Ann", "ann ", "group:x"] {
        assert_eq!(say(&server, &approval, &ann(json!({"by": by}))).error(403), "may_not_answer", "{by}");
    }
    for data in [json!({"n": "1"}), json!({}), json!(null), json!("n")] {
        let answer = say(&server, &approval, &ann(json!({"data": data})));
        assert_eq!(answer.error(422), "invalid_input", "{data}");
        let pointer = answer.body["errors"][0]["pointer"].as_str().expect("pointer");
        assert!(pointer.starts_with("/data"), "{:#}", answer.body);
    }
    let huge = json!({"data": {"n": 1, "x": "x".repeat(300 << 10)}});
    assert_eq!(say(&server, &approval, &ann(huge)).error(413), "payload_bytes");
    assert_eq!(say(&server, &approval, &json!([true])).error(400), "invalid_request");
    assert_eq!(say(&server, &approval, &json!({"by": "ann"})).error(400), "invalid_request");
    let path = format!("/approvals/{}", approval["id"].as_str().expect("id"));
    assert_eq!(server.client.get(&path).ok(200), approval);
    // What escapes need six times the room, and is short enough.
    let comment = "\u{1}".repeat(4 * 1024);
    assert_eq!(say(&server, &approval, &ann(json!({"comment": comment}))).ok(200)["status"], "approved");
}

#[test]
fn ids_and_filters_that_make_no_sense_are_refused() {
    let server = Server::start();
    for id in ["x", "appr-", "appr-01arz3ndektsv4rrffq69g5fav", "%00", "..%2f", "exec-01arz3ndektsv4rrffq69g5fav"] {
        assert_eq!(server.client.get(&format!("/approvals/{id}")).error(404), "approval_not_found", "{id}");
        let answer = server.client.post(&format!("/approvals/{id}"), &json!({"approved": true}));
        assert_eq!(answer.error(404), "approval_not_found", "{id}");
    }
    for query in ["status=open", "status=", "execution=1", "workflow=a%20b", "cursor=x", "limit=0", "limit=201"] {
        assert_eq!(server.client.get(&format!("/approvals?{query}")).error(400), "invalid_request", "{query}");
    }
    let mut anonymous = server.client.clone();
    anonymous.key = String::new();
    assert_eq!(anonymous.get("/approvals").error(401), "unauthorized");
}

#[test]
fn lists_go_on_where_they_ended() {
    let server = Server::start();
    let (_, first) = ask(&server, "many", &json!({}));
    for _ in 0..4 {
        server.client.post("/workflows/trigger", &json!({"workflowId": "many"})).ok(200);
    }
    let (mut path, mut seen) = ("/approvals?workflow=many&limit=2".to_owned(), Vec::new());
    loop {
        let answer = server.client.get(&path);
        let (link, part) = (answer.link.clone(), answer.ok(200));
        seen.extend(part["items"].as_array().expect("items").iter().map(|item| item["id"].clone()));
        let Some(next) = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) else { break };
        assert!(next.contains(part["nextCursor"].as_str().expect("cursor")), "{next}");
        path = next.to_owned();
    }
    assert_eq!((seen.len(), &seen[0]), (5, &first["id"]));
    assert!(server.client.get("/approvals?workflow=other").ok(200)["items"] == json!([]));
}

#[test]
fn a_kill_while_people_are_asked_forgets_nothing() {
    let server = Server::start();
    let config = json!({"approvers": ["ann", "bob"], "requiredApprovals": 2});
    let (execution, approval) = ask(&server, "patient", &config);
    let first = say(&server, &approval, &json!({"approved": true, "by": "ann"})).ok(200);
    let server = server.kill_and_restart();
    let path = format!("/approvals/{}", approval["id"].as_str().expect("id"));
    assert_eq!(server.client.get(&path).ok(200), first);
    assert_eq!(say(&server, &approval, &json!({"approved": true, "by": "ann"})).error(409), "already_answered");
    say(&server, &approval, &json!({"approved": true, "by": "bob"})).ok(200);
    assert_eq!(server.client.end(&execution)["result"]["approvedBy"], json!(["ann", "bob"]));
}
