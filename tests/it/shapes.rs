//! Bodies, ids and lists of odd shapes: each gets one clear answer of a sensible size.

use crate::support::{Server, guest};
use serde_json::{Value, json};
use std::fmt::Write as _;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[test]
fn a_list_is_not_taken_for_an_object() {
    let server = Server::start();
    server.client.upload("echo", &guest("fixtures/echo"));
    for (path, body) in [
        ("/functions/execute", json!(["echo", 1])),
        ("/workflows/trigger", json!(["w", {}])),
        ("/functions", json!(["f"])),
        ("/functions/execute", json!(null)),
    ] {
        let answer = server.client.post(path, &body);
        assert_eq!(
            (answer.error(400).as_str(), &answer.body["errors"][0]["field"]),
            ("invalid_request", &json!("body"))
        );
        assert_eq!(answer.body["message"], "the body is not a JSON object");
    }
}

#[test]
fn a_byte_order_mark_is_passed_over_and_a_compressed_body_is_not() {
    let server = Server::start();
    server.client.upload("echo", &guest("fixtures/echo"));
    let body = "\u{feff}{\"functionId\": \"echo\", \"input\": 7}";
    assert_eq!(server.client.send("POST", "/functions/execute", &JSON, body.as_bytes()).ok(200)["input"], 7);
    let headers = [JSON[0], ("content-encoding", "gzip")];
    let answer = server.client.send("POST", "/functions/execute", &headers, b"\x1f\x8b");
    assert_eq!(answer.error(415), "unsupported_media_type");
}

#[test]
fn a_long_id_is_not_sent_back_whole() {
    let server = Server::start();
    let id = "ü".repeat(5_000);
    for (path, body) in [
        ("/workflows/trigger", json!({"workflowId": id})),
        ("/functions/execute", json!({"functionId": id, "input": 1})),
    ] {
        let answer = server.client.post(path, &body);
        answer.error(404);
        let message = answer.body["message"].as_str().expect("text");
        assert!(message.len() < 5_000 && message.ends_with('…'), "{message}");
    }
}

#[test]
fn odd_step_ids_are_kept_or_refused_but_never_confused() {
    let server = Server::start();
    server.client.upload("f", &guest("fixtures/core_module"));
    let create = |id: &str| {
        let steps = json!([{"id": id, "type": "function", "function": "f"}]);
        server.client.post("/workflows", &json!({"name": "n", "steps": steps}))
    };
    for id in ["a.b", "~1", "..", "ü", "__proto__", "constructor", "steps", "0", "😀", "{{x}}"] {
        let workflow = create(id).ok(201);
        let ended = server.client.run(workflow["id"].as_str().expect("id"), &json!({"a": 1}));
        assert_eq!(
            (&ended["status"], &ended["steps"][id]["status"]),
            (&json!("completed"), &json!("completed")),
            "{id}"
        );
    }
    for id in ["", "a b", "a/b", "\0", "\u{1b}[2J", "</script>", &"a".repeat(129)] {
        assert_eq!(create(id).error(422), "invalid_definition", "{id:?}");
    }
}

#[test]
fn waits_and_pages_that_make_no_sense_are_refused() {
    let server = Server::start();
    let path = "/workflows/executions/exec-01arz3ndektsv4rrffq69g5fav";
    for query in [
        "wait=",
        "wait",
        "wait=-1",
        "wait=1e9h",
        "wait=NaN",
        "wait=99999999999999999999",
        "wait=1s&wait=2s",
        "wait=%ff",
    ] {
        assert_eq!(server.client.get(&format!("{path}?{query}")).error(400), "invalid_request", "{query}");
    }
    for query in ["limit=-1", "limit=1e3", "limit=99999999999999999999", "cursor=", "cursor=-1", "cursor=4294967296"] {
        assert_eq!(server.client.get(&format!("{path}/history?{query}")).error(400), "invalid_request", "{query}");
    }
    // The longest number there is means the longest wait that there is.
    assert_eq!(server.client.get(&format!("{path}?wait=18446744073709551615")).error(404), "execution_not_found");
}

/// `count` steps: the first, then all others beside each other or one after the other, then the last.
fn steps(count: usize, parallel: bool) -> Value {
    let next = |at: usize| match at {
        0 if parallel => json!((1..count - 1).map(|n| format!("s{n}")).collect::<Vec<_>>()),
        _ if at + 1 == count => Value::Null,
        _ if parallel => json!(format!("s{}", count - 1)),
        _ => json!(format!("s{}", at + 1)),
    };
    let step = |at: usize| json!({"id": format!("s{at}"), "type": "function", "function": "f", "next": next(at)});
    (0..count).map(step).collect()
}

#[test]
fn two_thousand_steps_run_and_one_more_is_too_many() {
    let server = Server::start();
    server.client.upload("f", &guest("fixtures/core_module"));
    for (id, parallel) in [("chain", false), ("fork", true)] {
        server.client.post("/workflows", &json!({"id": id, "steps": steps(2_000, parallel)})).ok(201);
        let ended = server.client.run(id, &json!({"a": 1}));
        assert_eq!((&ended["status"], &ended["error"]), (&json!("completed"), &Value::Null));
        assert_eq!(ended["steps"]["s1999"]["status"], "completed");
    }
    let answer = server.client.post("/workflows", &json!({"id": "more", "steps": steps(2_001, false)}));
    assert_eq!(answer.error(422), "invalid_definition");
    assert!(answer.body["message"].as_str().is_some_and(|text| text.contains("limit `definition`")));
}

#[test]
fn a_long_list_of_workflows_is_one_json_array() {
    let server = Server::start();
    let mut text = String::new();
    for n in 0..5 {
        write!(text, "{n}").expect("writes");
        let steps = json!([{"id": "a", "type": "function", "function": "f"}]);
        server
            .client
            .post("/workflows", &json!({"id": format!("w{n}"), "description": text.repeat(10_000), "steps": steps}))
            .ok(201);
    }
    let all = server.client.get("/workflows").ok(200);
    let ids: Vec<_> = all.as_array().expect("a list").iter().map(|workflow| workflow["id"].clone()).collect();
    assert_eq!(ids, ["w0", "w1", "w2", "w3", "w4"]);
    assert_eq!(all[4], server.client.get("/workflows/w4").ok(200));
}

#[test]
fn the_same_upload_many_times_at_once_is_compiled_once() {
    let server = Server::start();
    let wasm = guest("fixtures/echo");
    let uploads: Vec<_> = (0..8)
        .map(|n| {
            let (client, wasm) = (server.client.clone(), wasm.clone());
            std::thread::spawn(move || client.upload(&format!("f{n}"), &wasm)["compileMs"].clone())
        })
        .collect();
    let times: Vec<_> = uploads.into_iter().map(|upload| upload.join().expect("uploads")).collect();
    assert_eq!(times.iter().filter(|ms| **ms != 0).count(), 1, "{times:?}");
}
