//! Steps that somebody outside completes, through the front door.

use crate::support::Server;
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
    let huge = json!({"result": "x".repeat(400 << 10)});
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
