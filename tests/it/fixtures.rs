//! One misbehaving guest each: its stable code, a message that helps, and a server that does not mind.

use crate::support::{Answer, Server, failure, guest};
use serde_json::{Value, json};

/// Uploads a fixture and runs it as a workflow's only step. Afterwards the server still runs another tenant's... another function.
fn run_with(args: &[&str], name: &str, config: &Value) -> Value {
    let mut server = Server::start_with(args);
    let client = server.client.clone();
    client.upload(name, &guest(&format!("fixtures/{name}")));
    let ended = client.run_step(name, &json!({"n": 1}), config);
    assert!(server.is_alive());
    client.upload("witness", &guest("fixtures/echo"));
    let echoed = client.post("/functions/execute", &json!({"functionId": "witness", "input": "still here"})).ok(200);
    assert_eq!(echoed["input"], "still here", "the server is untouched");
    ended
}

fn run(name: &str) -> Value {
    run_with(&[], name, &json!({}))
}

fn code(name: &str) -> String {
    failure(&run(name)).0
}

/// An upload that is refused: its code and message.
fn refused(name: &str) -> (String, String) {
    let server = Server::start();
    let answer: Answer = server.client.put_wasm(&format!("/functions/{name}"), &guest(&format!("fixtures/{name}")));
    let code = answer.error(422);
    assert_eq!(server.client.get("/functions").ok(200), json!([]), "nothing was registered");
    (code, answer.body["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
pub fn allocates_without_end() {
    assert_eq!(code("allocates_without_end"), "memory_limit");
}

/// What is granted, and to whom, is in `outgoing`; here nothing is.
#[test]
pub fn calls_http() {
    let server = Server::start();
    server.client.upload("calls_http", &guest("fixtures/calls_http"));
    let ended = server.client.run_step("calls_http", &json!({"url": "http://127.0.0.1:1/"}), &json!({}));
    assert_eq!(failure(&ended).0, "http_denied");
}

#[test]
pub fn misuses_http() {
    let server = Server::start();
    server.client.upload("misuses_http", &guest("fixtures/misuses_http"));
    let input = |how: &str| json!({"how": how, "authority": "127.0.0.1:1"});
    let ended = server.client.run_step("misuses_http", &input("forgets_its_requests"), &json!({}));
    assert_eq!(ended["result"], "forgotten");
    let ended = server.client.run_step("misuses_http", &input("leaves_the_body_open"), &json!({"timeout": "1s"}));
    assert_eq!(failure(&ended).0, "function_timeout");
}

#[test]
pub fn core_module() {
    assert_eq!(run("core_module")["status"], "completed");
}

#[test]
pub fn core_module_preview1() {
    assert_eq!(run("core_module_preview1")["status"], "completed");
}

#[test]
pub fn echo() {
    let server = Server::start();
    server.client.upload("echo", &guest("fixtures/echo"));
    let ended = server.client.run_step("echo", &json!({"n": 1.50, "s": "ü\u{1F600}"}), &json!({}));
    let (seen, id) = (&ended["result"], ended["executionId"].as_str().expect("id"));
    assert_eq!(seen["input"], json!({"n": 1.5, "s": "ü\u{1F600}"}));
    let ctx = &seen["ctx"];
    assert_eq!((&ctx["executionId"], &ctx["workflowId"]), (&json!(id), &json!("echo")));
    assert_eq!((&ctx["step"], &ctx["attempt"], &ctx["iteration"]), (&json!("only"), &json!(1), &json!([])));
    assert_eq!(ctx["idempotencyKey"], json!(format!("{id}/only/-/1")));
    assert!(ctx["deadlineMs"].as_u64().is_some_and(|ms| ms > 1_700_000_000_000));
}

#[test]
pub fn exits() {
    assert_eq!(code("exits"), "function_exited");
}

#[test]
pub fn exits_with_success() {
    assert_eq!(code("exits_with_success"), "function_exited");
}

#[test]
pub fn fails_permanent() {
    let ended = run_with(&[], "fails_permanent", &json!({"retries": 3}));
    assert_eq!(failure(&ended).0, "card_declined");
    assert_eq!(ended["steps"]["only"]["attempts"], 1, "not tried again");
    assert!(ended["errorDetails"]["details"].is_object(), "{ended:#}");
}

#[test]
pub fn fails_retryable() {
    let config = json!({"retries": 2, "retry": {"delay": 1, "backoff": "constant"}});
    let ended = run_with(&[], "fails_retryable", &config);
    assert_eq!((failure(&ended).0.as_str(), &ended["steps"]["only"]["attempts"]), ("service_busy", &json!(3)));
    assert_eq!(ended["errorDetails"]["attempt"], 3);
}

#[test]
pub fn fails_retryable_after() {
    let config = json!({"retries": 1, "retry": {"delay": 1, "backoff": "constant"}});
    let server = Server::start();
    server.client.upload("f", &guest("fixtures/fails_retryable_after"));
    let ended = server.client.run_step("f", &json!({}), &config);
    assert_eq!(ended["steps"]["only"]["attempts"], 2);
    let path = format!("/workflows/executions/{}/history", ended["executionId"].as_str().expect("id"));
    let history = server.client.get(&path).ok(200);
    let failure = &history["items"][1]["failure"];
    assert_eq!(failure["retry_after_ms"], 1500, "the guest's own pause: {history:#}");
}

#[test]
pub fn fails_with_bad_details() {
    let ended = run("fails_with_bad_details");
    failure(&ended);
    assert!(ended["errorDetails"].get("details").is_none(), "details that are no JSON are left out: {ended:#}");
}

#[test]
pub fn fails_with_huge_texts() {
    let ended = run("fails_with_huge_texts");
    assert_eq!(failure(&ended).0, "output_limit");
    assert!(ended.to_string().len() < 16 << 10, "and nothing huge is kept");
}

#[test]
pub fn fails_with_plain_error() {
    assert_eq!(code("fails_with_plain_error"), "function_error");
}

#[test]
pub fn floods_log() {
    assert_eq!(run("floods_log")["status"], "completed");
}

#[test]
pub fn floods_stdout() {
    assert_eq!(run("floods_stdout")["status"], "completed");
}

#[test]
pub fn logs_a_huge_line() {
    assert_eq!(run("logs_a_huge_line")["status"], "completed");
}

#[test]
pub fn loops_forever() {
    let by_fuel = run_with(&["--fuel", "200000000"], "loops_forever", &json!({}));
    assert_eq!(failure(&by_fuel).0, "out_of_fuel");
    let by_time = run_with(&[], "loops_forever", &json!({"timeout": "200ms"}));
    assert_eq!(failure(&by_time).0, "function_timeout");
}

#[test]
pub fn panics() {
    let (code, message) = failure(&run("panics"));
    assert_eq!(code, "function_trapped");
    assert!(message.contains("panicked at") && message.contains(".rs:"), "the place reaches the host: {message}");
}

#[test]
pub fn reads_a_file() {
    // The operator's disk is out of reach, whichever way the guest was linked.
    let server = Server::start();
    let answer = server.client.put_wasm("/functions/f", &guest("fixtures/reads_a_file"));
    if answer.status == 200 {
        let ended = server.client.run_step("f", &json!({}), &json!({}));
        assert!(!ended.to_string().contains("root:"), "{ended:#}");
    } else {
        assert_eq!(answer.error(422), "wrong_world");
    }
}

#[test]
pub fn reads_out_of_bounds() {
    assert_eq!(code("reads_out_of_bounds"), "function_trapped");
}

#[test]
pub fn reads_random_bytes_without_end() {
    let ended = run_with(&[], "reads_random_bytes_without_end", &json!({"timeout": "300ms"}));
    assert!(["function_timeout", "out_of_fuel"].contains(&failure(&ended).0.as_str()));
}

#[test]
pub fn recurses_with_big_frames() {
    assert_eq!(code("recurses_with_big_frames"), "function_trapped");
}

#[test]
pub fn recurses_without_end() {
    assert_eq!(code("recurses_without_end"), "stack_overflow");
}

#[test]
pub fn returns_100_mib() {
    assert!(["output_limit", "memory_limit"].contains(&code("returns_100_mib").as_str()));
}

#[test]
pub fn returns_bad_utf8() {
    assert_eq!(code("returns_bad_utf8"), "invalid_output");
}

#[test]
pub fn returns_deep_json() {
    assert!(["invalid_output", "output_limit"].contains(&code("returns_deep_json").as_str()));
}

#[test]
pub fn returns_no_json() {
    let (code, message) = failure(&run("returns_no_json"));
    assert_eq!(code, "invalid_output");
    assert!(message.contains("JSON"), "{message}");
}

#[test]
pub fn sleeps() {
    let ended = run_with(&[], "sleeps", &json!({"timeout": "200ms"}));
    assert_eq!(failure(&ended).0, "function_timeout");
}

#[test]
pub fn starts_forever() {
    let ended = run_with(&[], "starts_forever", &json!({"timeout": "200ms"}));
    assert_eq!(failure(&ended).0, "function_timeout", "limits hold before the first call");
}

#[test]
pub fn traps() {
    let (code, message) = failure(&run("traps"));
    assert_eq!(code, "function_trapped");
    assert!(message.contains("unreachable"), "{message}");
}

#[test]
pub fn unknown_import() {
    let (code, message) = refused("unknown_import");
    assert_eq!(code, "wrong_world");
    assert!(message.contains("acme:vault/keys"), "it says which import: {message}");
}

#[test]
pub fn uses_a_hash_map() {
    let server = Server::start();
    server.client.upload("count", &guest("fixtures/uses_a_hash_map"));
    let ended = server.client.run_step("count", &json!(["a", "b", "a"]), &json!({}));
    assert_eq!(ended["result"], json!({"a": 2, "b": 1}), "{ended:#}");
}

#[test]
pub fn wasi_command() {
    let (code, message) = refused("wasi_command");
    assert_eq!(code, "wrong_world");
    assert!(message.contains("stepwell:function/handler"), "it says what is missing: {message}");
}

#[test]
pub fn wrong_export() {
    let (code, message) = refused("wrong_export");
    assert_eq!(code, "wrong_world");
    assert!(message.contains("stepwell:function/handler"), "it says what is missing: {message}");
}

#[test]
pub fn uses_capabilities() {
    let server = Server::start();
    server.client.upload("f", &guest("fixtures/uses_capabilities"));
    let questions = json!([["config", "REGION"], ["secret", "TOKEN"], ["put", "k", "v"], ["publish", "a.b", {}]]);
    let answers = server.client.post("/functions/execute", &json!({"functionId": "f", "input": questions})).ok(200);
    let refused = answers.as_array().expect("answers").iter().filter(|answer| answer["refused"] == "denied");
    assert_eq!(refused.count(), 4, "{answers:#}");
}

#[test]
pub fn adds_one() {
    let server = Server::start();
    server.client.upload("f", &guest("fixtures/adds_one"));
    assert_eq!(server.client.run_step("f", &json!({"n": 41}), &json!({}))["result"], json!({"n": 42}));
}

#[test]
pub fn may_write() {
    let server = Server::start();
    let headers = [("content-type", "application/wasm"), ("stepwell-grants", r#"{"keyValue": "write"}"#)];
    server.client.send("PUT", "/functions/f", &headers, &guest("fixtures/may_write")).ok(200);
    let ended = server.client.run_step("f", &json!({"n": 41, "write": "sum"}), &json!({}));
    assert_eq!(ended["result"], json!({"n": 42}), "{ended:#}");
    assert_eq!(server.client.get("/kv/sum").ok(200)["value"], "42");
}
