//! What functions log, read back over HTTP.

use crate::support::{Server, guest};
use serde_json::{Value, json};

fn path(ended: &Value) -> String {
    format!("/workflows/executions/{}/logs", ended["executionId"].as_str().expect("id"))
}

#[test]
fn lines_are_kept_by_step_and_outlive_the_process() {
    let server = Server::start();
    let client = &server.client;
    client.upload("echo", &guest("fixtures/echo"));
    client.upload("quiet", &guest("fixtures/core_module"));
    let step = |id: &str, function: &str, next: Value| json!({"id": id, "type": "function", "function": function, "next": next});
    let steps = json!([
        step("one", "echo", json!("two")),
        step("two", "quiet", json!("three")),
        step("three", "echo", Value::Null)
    ]);
    client.put("/workflows/w", &json!({ "steps": steps })).ok(201);
    let ended = client.run("w", &json!({"a": 1}));
    assert_eq!(ended["status"], "completed", "{ended:#}");
    let logs = client.get(&path(&ended)).ok(200);
    let items = logs["items"].as_array().expect("items");
    let mut levels: Vec<&str> = items.iter().map(|item| item["level"].as_str().expect("a level")).collect();
    levels.sort_unstable();
    assert_eq!(
        (levels, &logs["nextCursor"]),
        (vec!["info", "info", "info", "stderr", "stderr", "stdout", "stdout"], &Value::Null)
    );
    let line = items.iter().find(|item| item["level"] == "info").expect("a line");
    assert_eq!((&line["message"], &line["fields"]["attempt"]), (&json!("echo to the log"), &json!("1")));
    assert_eq!((&line["step"], &line["attempt"]), (&json!("one"), &json!(1)));
    assert!(line["at"].as_str().is_some_and(|at| at.ends_with('Z')) && line["run"].is_u64(), "{line}");

    let server = server.kill_and_restart();
    let client = &server.client;
    assert_eq!(client.get(&path(&ended)).ok(200), logs);
    let one = client.get(&format!("{}?step=three", path(&ended))).ok(200);
    assert!(
        one["items"].as_array().is_some_and(|items| items.len() == 3 && items.iter().all(|i| i["step"] == "three"))
    );
    assert_eq!(client.get(&format!("{}?step=none", path(&ended))).ok(200), json!({"items": [], "nextCursor": null}));
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..4 {
        let page = client.get(&format!("{}?limit=2{cursor}", path(&ended))).ok(200);
        seen.extend(page["items"].as_array().expect("items").clone());
        cursor = page["nextCursor"].as_str().map_or_else(String::new, |next| format!("&cursor={next}"));
    }
    assert_eq!((&Value::Array(seen), cursor.as_str()), (&logs["items"], ""));
}

#[test]
fn a_flood_is_cut_and_says_so() {
    let server = Server::start();
    let client = &server.client;
    client.upload("f", &guest("fixtures/floods_log"));
    let ended = client.run_step("f", &json!({}), &json!({}));
    let (mut lines, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("{}?{cursor}", path(&ended))).ok(200);
        lines.extend(page["items"].as_array().expect("items").clone());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("cursor={next}");
    }
    assert!((100..100_000).contains(&lines.len()), "{}", lines.len());
    assert_ne!(lines.last().expect("lines")["message"], "one of many", "the last line says that there was more");
}

#[test]
fn lines_of_failed_attempts_are_kept_and_strange_pages_refused() {
    let server = Server::start();
    let client = &server.client;
    client.upload("f", &guest("fixtures/panics"));
    let config = json!({"retries": 1, "retry": {"delay": 1, "backoff": "constant"}});
    let ended = client.run_step("f", &json!({}), &config);
    let logs = client.get(&path(&ended)).ok(200);
    let attempts: Vec<_> =
        logs["items"].as_array().expect("items").iter().map(|item| item["attempt"].clone()).collect();
    assert!(attempts.contains(&json!(1)) && attempts.contains(&json!(2)), "{logs:#}");
    for query in
        ["cursor=x", "cursor=1", "cursor=-1.0", "cursor=1.", "cursor=1.99999999999999999999999", "limit=-1", "limit=x"]
    {
        assert_eq!(client.get(&format!("{}?{query}", path(&ended))).error(400), "invalid_request", "{query}");
    }
    assert_eq!(client.get(&format!("{}?cursor=4294967295.9", path(&ended))).ok(200)["items"], json!([]));
    let unknown = "/workflows/executions/exec-01arz3ndektsv4rrffq69g5fav/logs";
    assert_eq!(client.get(unknown).error(404), "execution_not_found");
}
