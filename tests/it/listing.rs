//! `GET /workflows/executions`: what is in the list, in which order, part by part, and what is refused.

use crate::support::{Server, guest};
use serde_json::{Value, json};

const PATH: &str = "/workflows/executions";

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().expect("items").iter().map(|item| item["executionId"].as_str().expect("id")).collect()
}

/// Two workflows: one that ends well, one that fails; `count` executions in turn. The ids, newest first.
fn run_some(server: &Server, count: usize) -> Vec<String> {
    server.client.upload("echo", &guest("fixtures/echo"));
    let step = |condition: &str| json!([{"id": "only", "type": "condition", "condition": condition}]);
    server.client.post("/workflows", &json!({"id": "good", "steps": step("1 < 2")})).ok(201);
    server.client.post("/workflows", &json!({"id": "bad", "steps": step("nothing.of.the.kind")})).ok(201);
    let mut ids = Vec::new();
    for n in 0..count {
        let ended = server.client.run(["good", "bad"][n % 2], &json!({"n": n}));
        ids.push(ended["executionId"].as_str().expect("id").to_owned());
    }
    ids.sort_unstable();
    ids.reverse();
    ids
}

#[test]
fn executions_are_listed_by_workflow_and_status_in_parts() {
    let server = Server::start();
    let newest_first = run_some(&server, 9);
    let mut server = server;
    for round in 0..2 {
        let get = |query: &str| server.client.get(&format!("{PATH}{query}")).ok(200);
        let all = get("");
        // Of two in one millisecond the smaller id comes first: compared as sets, then by their times.
        let mut listed = ids(&all);
        let times: Vec<_> =
            all["items"].as_array().expect("items").iter().map(|item| item["startedAt"].clone()).collect();
        assert!(times.is_sorted_by(|a, b| a.as_str() >= b.as_str()), "{times:?}");
        listed.sort_unstable();
        listed.reverse();
        assert_eq!((listed, &all["nextCursor"]), (newest_first.iter().map(String::as_str).collect(), &Value::Null));

        for (query, count) in [
            ("?workflow=good", 5),
            ("?workflow=bad", 4),
            ("?status=failed", 4),
            ("?status=completed,failed", 9),
            ("?status=running,pending", 0),
            ("?workflow=good&status=failed", 0),
            ("?workflow=nobodys", 0),
            ("?since=1970-01-01T00:00:00Z", 9),
            ("?since=2999-01-01T00:00:00%2B02:00", 0),
        ] {
            let list = get(query);
            assert_eq!((ids(&list).len(), &list["nextCursor"]), (count, &Value::Null), "{query} in round {round}");
        }
        server = server.kill_and_restart();
    }
}

#[test]
fn a_listed_execution_has_neither_steps_nor_result() {
    let server = Server::start();
    run_some(&server, 2);
    for workflow in ["good", "bad"] {
        let list = server.client.get(&format!("{PATH}?workflow={workflow}")).ok(200);
        let listed = list["items"][0].clone();
        let id = listed["executionId"].as_str().expect("id");
        let mut whole = server.client.get(&format!("{PATH}/{id}")).ok(200);
        let whole = whole.as_object_mut().expect("an object");
        whole.retain(|key, _| key != "steps" && key != "result");
        assert_eq!(listed, Value::Object(whole.clone()));
    }
}

#[test]
fn parts_follow_each_other_by_their_links() {
    let server = Server::start();
    run_some(&server, 9);
    for limit in [1, 2, 9, 200] {
        let (mut path, mut found) = (format!("{PATH}?limit={limit}&workflow=good"), Vec::new());
        loop {
            let answer = server.client.get(&path);
            let link = answer.link.clone();
            let list = answer.ok(200);
            found.extend(ids(&list).into_iter().map(str::to_owned));
            assert_eq!(list["nextCursor"].is_null(), link.is_empty());
            let Some(next) = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) else {
                break;
            };
            assert!(next.ends_with(list["nextCursor"].as_str().expect("a cursor")), "{next}");
            path = next.to_owned();
        }
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 5, "parts of {limit}");
    }
}

#[test]
fn an_execution_under_way_is_listed_as_it_is_now() {
    let server = Server::start();
    server.client.upload("f", &guest("fixtures/fails_retryable"));
    let config = json!({"retries": 3, "retry": {"delay": "1h", "maxDelay": "1h", "backoff": "constant"}});
    let steps = json!([{"id": "only", "type": "function", "function": "f", "config": config}]);
    server.client.post("/workflows", &json!({"id": "slow", "steps": steps})).ok(201);
    let body = json!({"workflowId": "slow", "input": {}});
    let started = server.client.post("/workflows/trigger?wait=2s", &body).ok(200);
    assert_eq!(started["state"], "retrying", "{started:#}");
    let list = server.client.get(&format!("{PATH}?status=running")).ok(200);
    assert_eq!(list["items"][0]["state"], "retrying", "{list:#}");
    assert_eq!(ids(&list), [started["executionId"].as_str().expect("id")]);
    assert_eq!(ids(&server.client.get(&format!("{PATH}?status=pending")).ok(200)), [""; 0]);
}

#[test]
fn questions_that_make_no_sense_are_refused_by_name() {
    let server = Server::start();
    for (query, field) in [
        ("status=", "status"),
        ("status=done", "status"),
        ("status=failed,", "status"),
        ("status=Failed", "status"),
        ("since=", "since"),
        ("since=yesterday", "since"),
        ("since=1700000000000", "since"),
        ("since=2026-01-01", "since"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=1e1", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("cursor=", "cursor"),
        ("cursor=0", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("cursor=%00", "cursor"),
        ("limit=1&limit=2", "query"),
        ("workflow=%ff", "workflow"),
        ("workflow=", "workflow"),
        ("workflow=a%00b", "workflow"),
    ] {
        let answer = server.client.get(&format!("{PATH}?{query}"));
        assert_eq!(
            (answer.error(400).as_str(), &answer.body["errors"][0]["field"]),
            ("invalid_request", &json!(field)),
            "{query}"
        );
    }
    assert_eq!(server.client.post(PATH, &json!({})).error(405), "method_not_allowed");
    let mut stranger = server.client.clone();
    stranger.key = "somebody".to_owned();
    assert_eq!(stranger.get(PATH).error(401), "unauthorized");
}
