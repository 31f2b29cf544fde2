//! `kill -9` between and during steps: nothing is lost, everything completes.

use crate::order;
use crate::support::{Client, Server, guest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Lines of a history by kind.
fn kinds(client: &Client, id: &str) -> BTreeMap<String, usize> {
    let history = client.get(&format!("/workflows/executions/{id}/history")).ok(200);
    let mut kinds = BTreeMap::new();
    for line in history["items"].as_array().expect("items") {
        *kinds.entry(line["entry"].as_str().expect("entry").to_owned()).or_default() += 1;
    }
    kinds
}

#[test]
fn a_kill_between_two_attempts_loses_nothing() {
    let server = Server::start();
    order::deploy(&server.client);
    let mut retried: Value = order::definition();
    retried["steps"][1]["config"] = json!({"retries": 1, "retry": {"delay": "300ms", "backoff": "constant"}});
    retried["id"] = json!("retried");
    server.client.post("/workflows", &retried).ok(201);
    let mut input = order::paid();
    input["card"] = json!("tok_gateway_down_once");
    let started = server.client.post("/workflows/trigger", &json!({"workflowId": "retried", "input": input})).ok(200);
    let id = started["executionId"].as_str().expect("id");
    while !kinds(&server.client, id).contains_key("step_failed") {}
    let server = server.kill_and_restart();
    let ended = server.client.end(id);
    assert_eq!((&ended["result"], &ended["steps"]["process-payment"]["attempts"]), (&order::paid_result(), &json!(2)));
}

#[test]
fn a_kill_during_a_step_runs_it_again_uncounted() {
    let server = Server::start();
    server.client.upload("slow", &guest("fixtures/sleeps"));
    let step = json!({"id": "a", "type": "function", "function": "slow", "config": {"timeout": "1s", "onError": "b"}});
    let handler = json!({"id": "b", "type": "function", "function": "echo"});
    server.client.upload("echo", &guest("fixtures/echo"));
    server.client.post("/workflows", &json!({"id": "w", "steps": [step, handler]})).ok(201);
    let started = server.client.post("/workflows/trigger", &json!({"workflowId": "w"})).ok(200);
    let id = started["executionId"].as_str().expect("id");
    while server.client.get(&format!("/workflows/executions/{id}")).ok(200)["status"] != "running" {}
    let server = server.kill_and_restart();
    let ended = server.client.end(id);
    assert_eq!((&ended["status"], &ended["steps"]["a"]["attempts"]), (&json!("completed"), &json!(1)), "{ended:#}");
    assert_eq!(ended["handledErrors"][0]["code"], "function_timeout");
    assert_eq!(kinds(&server.client, id)["attempt_lost"], 1, "the loss is in the journal");
}

#[test]
fn a_function_that_takes_the_process_with_it_three_times_is_the_steps_failure() {
    // What an abort of the host's process would do: the process ends whenever this step is seen to run.
    let mut server = Server::start();
    server.client.upload("poison", &guest("fixtures/sleeps"));
    let step = json!({"id": "a", "type": "function", "function": "poison"});
    server.client.post("/workflows", &json!({"id": "w", "steps": [step]})).ok(201);
    let started = server.client.post("/workflows/trigger", &json!({"workflowId": "w"})).ok(200);
    let id = started["executionId"].as_str().expect("id").to_owned();
    for end in 1..=3 {
        let path = format!("/workflows/executions/{id}");
        while server.client.get(&path).ok(200)["status"] == "pending" {}
        server = server.kill_and_restart();
        assert_eq!(kinds(&server.client, &id)["attempt_lost"], end);
    }
    let ended = server.client.end(&id);
    let details = &ended["errorDetails"];
    assert_eq!(
        (&details["code"], &details["source"], &details["step"]),
        (&json!("host_fault"), &json!("host"), &json!("a"))
    );
}

#[test]
fn kills_under_load_lose_no_acknowledged_order() {
    let mut server = Server::start();
    let id = order::deploy(&server.client);
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let (client, id) = (server.client.clone(), id.clone());
        let answered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&answered);
        let starting = std::thread::spawn(move || {
            let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
            let mut acknowledged = Vec::new();
            for n in 0..500 {
                let body = json!({"workflowId": id, "input": order::paid(), "idempotencyKey": format!("{round}-{n}")});
                let sent = agent.post(format!("{}/workflows/trigger", client.address));
                let answer = sent.header("authorization", format!("Bearer {}", client.key)).send_json(&body);
                // The server is killed under this loop: what was not answered was not acknowledged.
                let Ok(mut answer) = answer else { break };
                let Ok(body) = answer.body_mut().read_json::<Value>() else { break };
                acknowledged.push(body["executionId"].as_str().expect("id").to_owned());
                count.fetch_add(1, Ordering::SeqCst);
            }
            acknowledged
        });
        // Killed at some moment in the life of the orders: later in each round.
        while answered.load(Ordering::SeqCst) < 5 + round * 15 && !starting.is_finished() {
            server.client.get("/healthz").ok(200);
        }
        server.kill();
        acknowledged.extend(starting.join().expect("joins"));
        server = server.restart();
    }
    assert!(acknowledged.len() > 20, "only {} orders were acknowledged", acknowledged.len());
    for id in &acknowledged {
        let ended = server.client.end(id);
        assert_eq!((&ended["status"], &ended["result"]), (&json!("completed"), &order::paid_result()), "{ended:#}");
        let kinds = kinds(&server.client, id);
        assert_eq!((kinds["started"], kinds["step_succeeded"]), (1, 6), "each result is recorded once: {kinds:?}");
    }
}
