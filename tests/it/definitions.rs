//! Workflows after their creation: replaced, deleted, created again, and read as they were.

use crate::support::{Client, Server, failure, guest};
use serde_json::{Value, json};

fn asks(condition: &str) -> Value {
    json!({"name": "W", "steps": [{"id": "a", "type": "condition", "condition": condition}]})
}

/// A `PUT` with one more header.
fn put_if(client: &Client, header: (&str, &str), body: &Value) -> crate::support::Answer {
    let headers = [("content-type", "application/json"), header];
    client.send("PUT", "/workflows/w", &headers, body.to_string().as_bytes())
}

#[test]
fn a_put_creates_replaces_and_leaves_alone() {
    let server = Server::start();
    let client = &server.client;
    let created = client.put("/workflows/w", &asks("true"));
    assert_eq!((created.status, created.etag.as_str()), (201, "\"1\""), "{:#}", created.body);
    let same = client.put("/workflows/w", &asks("true"));
    assert_eq!((same.status, same.etag.as_str()), (200, "\"1\""));
    assert_eq!(same.body, created.body, "the same definition again changes nothing");
    let changed = client.put("/workflows/w", &asks("false"));
    assert_eq!((changed.status, changed.etag.as_str(), &changed.body["revision"]), (200, "\"2\"", &json!(2)));
    assert_eq!(changed.body["createdAt"], created.body["createdAt"]);
    let read = client.get("/workflows/w");
    assert_eq!((read.etag.as_str(), &read.body), ("\"2\"", &changed.body));
    assert_eq!(client.get("/workflows/w/revisions/1").ok(200), created.body);
    let started = client.run("w", &json!({}));
    assert_eq!(started["revision"], 2);
    assert_eq!(client.post("/workflows", &json!({"id": "other", "steps": asks("true")["steps"]})).etag, "\"1\"");
}

#[test]
fn what_a_put_does_not_take() {
    let server = Server::start();
    let client = &server.client;
    let other = json!({"id": "other", "steps": asks("true")["steps"]});
    let answer = client.put("/workflows/w", &other);
    assert_eq!((answer.error(400).as_str(), &answer.body["errors"][0]["field"]), ("invalid_request", &json!("id")));
    for id in ["-w", ".", "..%2fw", "a%20b", "%00", &"w".repeat(129)] {
        let status = client.put(&format!("/workflows/{id}"), &asks("true")).status;
        assert!([400, 404].contains(&status), "{id}: {status}");
    }
    for reserved in ["trigger", "executions", "validate"] {
        let answer = client.put(&format!("/workflows/{reserved}"), &asks("true"));
        assert!(answer.status == 405 || answer.error(409) == "id_taken", "{reserved}: {answer:?}");
    }
    assert_eq!(client.put("/workflows/w", &json!([])).error(400), "invalid_request");
    assert_eq!(client.put("/workflows/w", &json!({"steps": []})).error(422), "invalid_definition");
    assert_eq!(client.send("PUT", "/workflows/w", &[], b"{").error(400), "invalid_json");
    assert_eq!(client.get("/workflows/w").error(404), "workflow_not_found", "nothing came of these");
}

#[test]
fn preconditions_protect_from_lost_changes() {
    let server = Server::start();
    let client = &server.client;
    assert_eq!(put_if(client, ("if-match", "\"1\""), &asks("true")).error(412), "precondition_failed");
    assert_eq!(put_if(client, ("if-match", "*"), &asks("true")).error(412), "precondition_failed");
    put_if(client, ("if-none-match", "*"), &asks("true")).ok(201);
    let taken = put_if(client, ("if-none-match", "*"), &asks("false"));
    assert_eq!(taken.error(412), "precondition_failed");
    assert!(taken.body["message"].as_str().is_some_and(|text| text.contains("\"1\"")), "it says what is there");
    put_if(client, ("if-match", "\"7\", \"1\""), &asks("false")).ok(200);
    for tag in ["\"1\"", "W/\"2\"", "\"02\"", "\"\""] {
        assert_eq!(put_if(client, ("if-match", tag), &asks("1")).error(412), "precondition_failed", "{tag}");
    }
    for tag in ["2", "\"2", "* , \"2\"", "", ",", &format!("\"{}\"", "2".repeat(5_000))] {
        assert_eq!(put_if(client, ("if-match", tag), &asks("1")).error(400), "invalid_request", "{tag}");
    }
    let delete = |tag| client.send("DELETE", "/workflows/w", &[("if-match", tag)], b"");
    assert_eq!(delete("\"1\"").error(412), "precondition_failed");
    assert_eq!(delete("\"2\"").ok(200), json!({}));
}

#[test]
fn changes_at_the_same_time_are_revisions_one_after_the_other() {
    let server = Server::start();
    let answers: Vec<(u16, u64)> = std::thread::scope(|scope| {
        let put = |n: u32| {
            let client = server.client.clone();
            scope.spawn(move || client.put("/workflows/w", &asks(&format!("{n} > 0"))))
        };
        let all: Vec<_> = (0..8).map(put).collect();
        let answers = all.into_iter().map(|thread| thread.join().expect("answers"));
        answers.map(|answer| (answer.status, answer.body["revision"].as_u64().expect("a revision"))).collect()
    });
    let mut revisions: Vec<u64> = answers.iter().map(|(_, revision)| *revision).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=8).collect::<Vec<_>>());
    assert!(answers.iter().all(|(status, revision)| *status == if *revision == 1 { 201 } else { 200 }), "{answers:?}");
}

#[test]
fn revisions_are_listed_in_pages() {
    let server = Server::start();
    let client = &server.client;
    for n in 1..=11 {
        client.put("/workflows/w", &asks(&format!("{n} > 0")));
    }
    client.put("/workflows/w.x", &asks("true"));
    let whole = client.get("/workflows/w/revisions").ok(200);
    let numbers = |page: &Value| -> Vec<u64> {
        let items = page["items"].as_array().expect("items");
        items.iter().map(|item| item["revision"].as_u64().expect("a number")).collect()
    };
    assert_eq!((numbers(&whole), &whole["nextCursor"]), ((1..=11).collect(), &Value::Null));
    assert!(whole["items"][0].get("steps").is_none() && whole["items"][0]["name"] == "W", "{whole:#}");
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _ in 0..3 {
        let page = client.get(&format!("/workflows/w/revisions?limit=4{cursor}")).ok(200);
        seen.extend(numbers(&page));
        cursor = format!("&cursor={}", page["nextCursor"].as_str().unwrap_or("none"));
    }
    assert_eq!((seen, cursor.as_str()), ((1..=11).collect(), "&cursor=none"));
    let link = client.get("/workflows/w/revisions?limit=4").link;
    assert_eq!(link, "</workflows/w/revisions?limit=4&cursor=4>; rel=\"next\"");
    for path in ["w/revisions?cursor=x", "w/revisions?limit=-1", "w/revisions/x", "w/revisions/-1"] {
        assert_eq!(client.get(&format!("/workflows/{path}")).error(400), "invalid_request", "{path}");
    }
    assert_eq!(client.get("/workflows/w/revisions/12").error(404), "revision_not_found");
    assert_eq!(client.get("/workflows/none/revisions").error(404), "workflow_not_found");
}

#[test]
fn a_deleted_workflow_runs_on_where_it_ran_and_its_revisions_are_never_another_s() {
    let server = Server::start();
    let client = &server.client;
    client.upload("f", &guest("fixtures/fails_retryable"));
    let config = json!({"retries": 1, "retry": {"delay": "3s", "backoff": "constant"}});
    let first = json!({"name": "W", "steps": [{"id": "only", "type": "function", "function": "f", "config": config}]});
    client.put("/workflows/w", &first).ok(201);
    let started = client.post("/workflows/trigger", &json!({"workflowId": "w"})).ok(200);
    let id = started["executionId"].as_str().expect("id").to_owned();
    assert_eq!(client.delete("/workflows/w").ok(200), json!({}));
    assert_eq!(client.delete("/workflows/w").error(404), "workflow_not_found");
    assert_eq!(client.get("/workflows/w").error(404), "workflow_not_found");
    assert_eq!(client.get("/workflows").ok(200), json!([]));
    assert_eq!(client.post("/workflows/trigger", &json!({"workflowId": "w"})).error(404), "workflow_not_found");
    assert_eq!(client.delete("/functions/f").ok(200), json!({}));

    let server = server.kill_and_restart();
    let client = &server.client;
    assert_eq!(client.get("/workflows/w/revisions/1").ok(200)["steps"][0]["id"], "only");
    let again = client.put("/workflows/w", &asks("true"));
    assert_eq!((again.status, again.etag.as_str()), (201, "\"2\""), "numbers are not given twice");
    let ended = client.end(&id);
    assert_eq!((failure(&ended).0.as_str(), &ended["steps"]["only"]["attempts"]), ("service_busy", &json!(2)));
    assert_eq!((&ended["revision"], &client.run("w", &json!({}))["revision"]), (&json!(1), &json!(2)));
    assert_eq!(client.get("/workflows/w/revisions").ok(200)["items"].as_array().map(Vec::len), Some(2));
}
