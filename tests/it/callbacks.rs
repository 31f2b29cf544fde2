//! Steps that somebody outside completes, through the front door.

use crate::support::{Client, Server, failure};
use serde_json::{Value, json};

/// Answers the address of its callback.
const TELLS: &str = "export default (input, ctx) => ({ url: ctx.callbackUrl ?? null });";

#[test]
fn bad_callbacks_are_refused_without_a_key_and_without_repeating_the_token() {
    let server = Server::start();
    let mut anyone = server.client.clone();
    anyone.key = String::new();
    for token in ["x", "%00", &"A".repeat(200), &"A".repeat(9_000)] {
        let answer = anyone.post(&format!("/callbacks/{token}"), &json!({"result": 1}));
        assert_eq!(answer.error(404), "callback_not_found");
        assert!(!answer.body["message"].as_str().expect("text").contains("AAAA"));
    }
    for body in [
        json!({}),
        json!({"result": 1, "failure": {"message": "m"}}),
        json!({"failure": "m"}),
        json!({"failure": {"message": 7}}),
        json!({"failure": {}}),
        json!([1]),
    ] {
        assert_eq!(anyone.post("/callbacks/x", &body).error(400), "invalid_request", "{body}");
    }
    // Whose it is stands in the token: without one, the most that any tenant may have counts.
    let huge = json!({"result": "x".repeat(5 << 20)});
    assert_eq!(anyone.post("/callbacks/x", &huge).error(413), "payload_bytes");
    assert_eq!(anyone.get("/callbacks/x").error(405), "method_not_allowed");
}

#[test]
fn a_function_that_is_not_asynchronous_has_no_callback() {
    let server = Server::start();
    server.client.put_script("/functions/tells", TELLS).ok(200);
    let ended = server.client.run_step("tells", &json!({}), &json!({}));
    assert_eq!(ended["result"]["url"], Value::Null, "{ended:#}");
}

/// Hands the address of its callback to whoever reads its log, as it would to a payment provider.
const ASKS: &str =
    "export default (input, ctx) => { ctx.log.info('asked', { url: ctx.callbackUrl }); return 'not yet' };";

/// Starts a workflow whose first step waits for its callback: its execution.
fn ask(server: &Server, config: &Value) -> String {
    server.client.put_script("/functions/asks", ASKS).ok(200);
    server.client.put_script("/functions/after", "export default (input) => ({ seen: input.paid })").ok(200);
    let mut config = config.clone();
    config["async"] = json!(true);
    let ask = json!({"id": "ask", "type": "function", "function": "asks", "next": "after", "config": config});
    let after = json!({"id": "after", "type": "function", "function": "after"});
    let workflow = server.client.post("/workflows", &json!({"name": "ask", "steps": [ask, after]})).ok(201);
    let started = server.client.post("/workflows/trigger", &json!({"workflowId": workflow["id"]})).ok(200);
    started["executionId"].as_str().expect("id").to_owned()
}

/// The path of the callback that this attempt has handed out.
fn handed_out(server: &Server, execution: &str, attempt: usize) -> String {
    loop {
        let logs = server.client.get(&format!("/workflows/executions/{execution}/logs")).ok(200);
        let line = logs["items"].get(attempt - 1).cloned().unwrap_or_default();
        if let Some(url) = line["fields"]["url"].as_str() {
            return url.strip_prefix(&server.client.address).expect("where this server is reached").to_owned();
        }
    }
}

/// Somebody who has nothing but the address.
fn anyone(server: &Server) -> Client {
    let mut anyone = server.client.clone();
    anyone.key = String::new();
    anyone
}

#[test]
fn whoever_has_the_address_completes_the_step_once_also_after_a_kill() {
    let server = Server::start();
    let execution = ask(&server, &json!({}));
    let path = handed_out(&server, &execution, 1);
    let waiting = server.client.get(&format!("/workflows/executions/{execution}")).ok(200);
    assert_eq!(waiting["status"], "running", "{waiting:#}");
    let server = server.kill_and_restart();
    let anyone = anyone(&server);
    // A token is good as it was made, and no other way.
    let (start, token) = path.split_at(path.len() - 43);
    let other = if token.starts_with('A') { "B" } else { "A" };
    for damaged in [format!("{start}{other}{}", &token[1..]), path[..path.len() - 1].to_owned(), format!("{path}A")] {
        assert_eq!(anyone.post(&damaged, &json!({"result": "stolen"})).error(404), "callback_not_found", "{damaged}");
    }
    let paid = json!({"paid": [1, "ü"]});
    assert_eq!(anyone.post(&path, &json!({"result": paid})).ok(200), json!({}));
    assert_eq!(anyone.post(&path, &json!({"result": "again"})).error(409), "callback_used");
    let ended = server.client.end(&execution);
    assert_eq!((&ended["status"], &ended["result"]["seen"]), (&json!("completed"), &paid["paid"]), "{ended:#}");
    assert_eq!(anyone.post(&path, &json!({"failure": {"message": "too late"}})).error(409), "callback_used");
    assert_eq!(server.client.end(&execution), ended, "nothing has changed");
}

#[test]
fn a_failure_from_outside_is_tried_again_with_an_address_of_its_own() {
    let server = Server::start();
    let execution = ask(&server, &json!({"retries": 1, "retry": {"delay": "1ms"}}));
    let (anyone, first) = (anyone(&server), handed_out(&server, &execution, 1));
    anyone.post(&first, &json!({"failure": {"message": "bank closed"}})).ok(200);
    let second = handed_out(&server, &execution, 2);
    assert_ne!(first, second);
    assert_eq!(anyone.post(&first, &json!({"result": 1})).error(409), "callback_used");
    let declined =
        json!({"code": "declined", "message": "no money", "retryable": false, "details": {"reason": "limit"}});
    anyone.post(&second, &json!({ "failure": declined })).ok(200);
    let ended = server.client.end(&execution);
    assert_eq!(failure(&ended), ("declined".to_owned(), "no money".to_owned()));
    assert_eq!(
        (&ended["errorDetails"]["attempt"], &ended["errorDetails"]["details"]),
        (&json!(2), &json!({"reason": "limit"})),
        "{ended:#}"
    );
}

#[test]
fn a_callback_that_comes_after_the_timeout_changes_nothing() {
    let server = Server::start();
    let execution = ask(&server, &json!({"timeout": "1s"}));
    let path = handed_out(&server, &execution, 1);
    let ended = server.client.end(&execution);
    assert_eq!(failure(&ended).0, "function_timeout");
    assert_eq!(anyone(&server).post(&path, &json!({"result": 1})).error(409), "callback_used");
    assert_eq!(server.client.end(&execution), ended);
}
