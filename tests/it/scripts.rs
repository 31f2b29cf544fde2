//! Functions in JavaScript: uploads, calls, faults, and what is refused.

use crate::support::{Client, Server, failure};
use serde_json::{Value, json};

fn execute(client: &Client, id: &str, input: &Value) -> crate::support::Answer {
    client.post("/functions/execute", &json!({"functionId": id, "input": input}))
}

#[test]
fn a_script_is_a_function_like_any_other() {
    let server = Server::start();
    let client = &server.client;
    let source = "export default async function (input, ctx) {
        if (ctx.attempt < 3) throw new Error(`not yet, ${input.name}`);
        return { greeting: `hello ${input.name}`, key: ctx.idempotencyKey, step: ctx.step };
    }";
    let function = client.put_script("/functions/greet", source).ok(200);
    let expected = json!({
        "id": "greet", "name": "greet", "component": "greet", "version": 1, "size": source.len(), "kind": "javascript",
        "imports": {"wanted": [], "granted": []},
    });
    for (key, value) in expected.as_object().expect("object") {
        assert_eq!(function[key], *value, "{key}");
    }
    assert_eq!(
        function["digest"].as_str().map(str::len),
        client.get("/functions/greet").ok(200)["digest"].as_str().map(str::len)
    );
    let retry = json!({"retries": 2, "retry": {"delay": 1}});
    let ended = client.run_step("greet", &json!({"name": "Ada"}), &retry);
    assert_eq!((&ended["status"], &ended["steps"]["only"]["attempts"]), (&json!("completed"), &json!(3)), "{ended:#}");
    assert_eq!((&ended["result"]["greeting"], &ended["result"]["step"]), (&json!("hello Ada"), &json!("only")));
    // The same text again changes nothing; another is the next version, in the other way to upload.
    assert_eq!(client.put_script("/functions/greet", source).ok(200)["version"], 1);
    let body = json!({"id": "greet", "source": "export default (input) => input.name"});
    let next = client.post("/functions", &body).ok(201);
    assert_eq!((&next["version"], &next["kind"]), (&json!(2), &json!("javascript")));
    assert_eq!(execute(client, "greet", &json!({"name": "Bob"})).ok(200), "Bob");
    for kind in ["application/javascript", "Text/JavaScript; charset=utf-8"] {
        let answer = client.send("PUT", "/functions/other", &[("content-type", kind)], b"export default () => 1");
        assert_eq!(answer.ok(200)["kind"], "javascript");
    }
}

#[test]
fn a_running_execution_keeps_its_script() {
    let server = Server::start();
    let old = "export default (input, ctx) => { if (ctx.attempt < 2) throw new Error('again'); return 'old' }";
    server.client.put_script("/functions/f", old).ok(200);
    let step = json!({"id": "only", "type": "function", "function": "f", "config": {"retries": 1, "retry": {"delay": 1500, "backoff": "constant"}}});
    server.client.post("/workflows", &json!({"id": "w", "steps": [step]})).ok(201);
    let started = server.client.post("/workflows/trigger", &json!({"workflowId": "w"})).ok(200);
    server.client.put_script("/functions/f", "export default () => 'new'").ok(200);
    let server = server.kill_and_restart();
    let ended = server.client.end(started["executionId"].as_str().expect("id"));
    assert_eq!(ended["result"], "old", "{ended:#}");
    assert_eq!(execute(&server.client, "f", &json!(1)).ok(200), "new");
}

#[test]
fn faults_of_a_script_are_the_steps() {
    let server = Server::start();
    let client = &server.client;
    let body = "export default function (kind, ctx) {
        function pay() { throw new Error('gateway down') }
        switch (kind) {
            case 'throw': return pay();
            case 'permanent': throw ctx.permanent('card_declined', 'no money', { left: 3 });
            case 'pending': return new Promise(() => {});
            case 'cycle': { const a = {}; a.a = a; return a }
            case 'deep': { const f = () => f() + 1; return f() }
            case 'memory': { const a = []; for (;;) a.push(new Uint8Array(1e7)) }
            case 'loop': for (;;);
        }
    }";
    client.put_script("/functions/f", body).ok(200);
    for (kind, code, retryable) in [
        ("throw", "function_error", true),
        ("permanent", "card_declined", false),
        ("pending", "never_settled", false),
        ("cycle", "invalid_output", false),
        ("deep", "function_error", true),
        ("memory", "memory_limit", false),
        ("loop", "out_of_fuel", false),
    ] {
        let answer = execute(client, "f", &json!(kind));
        assert_eq!((answer.error(422).as_str(), &answer.body["retryable"]), (code, &json!(retryable)), "{kind}");
    }
    let thrown = execute(client, "f", &json!("throw")).body;
    assert_eq!(thrown["message"], "gateway down");
    assert!(
        thrown["details"]["stack"].as_str().is_some_and(|stack| stack.contains("pay (function.js:2")),
        "{thrown:#}"
    );
    let config = json!({"input": "'permanent'"});
    let (code, message) = failure(&client.run_step("f", &json!({}), &config));
    assert_eq!((code.as_str(), message.as_str()), ("card_declined", "no money"));
}

#[test]
fn what_is_no_script_is_refused() {
    let server = Server::start();
    let client = &server.client;
    let refused = |answer: crate::support::Answer| {
        assert_eq!(answer.error(422), "invalid_script", "{:#}", answer.body);
        assert_eq!(client.get("/functions/f").error(404), "function_not_found", "nothing was registered");
        answer.body
    };
    let syntax = refused(client.put_script("/functions/f", "export default () => {\n  let x = ;\n}"));
    let at = &syntax["errors"][0];
    assert_eq!(
        (&at["line"], &at["pointer"], &at["code"]),
        (&json!(2), &json!("/source"), &json!("invalid_script")),
        "{syntax:#}"
    );
    assert!(
        at["column"].is_u64() && syntax["message"].as_str().is_some_and(|text| text.contains("line 2")),
        "{syntax:#}"
    );
    let posted = refused(client.post("/functions", &json!({"id": "f", "source": "export default 1"})));
    assert!(posted["message"].as_str().is_some_and(|text| text.contains("default export")), "{posted:#}");
    for source in [
        "",
        "\0asm\x0d\0\x01\0",
        "for (;;);",
        "throw 1",
        "import 'fs'; export default () => 1",
        "await new Promise(() => {})",
    ] {
        refused(client.put_script("/functions/f", source));
    }
    refused(client.send("PUT", "/functions/f", &[("content-type", "text/javascript")], b"export default () => '\xff'"));
    let large = format!("export default () => 1 //{}", "x".repeat(1 << 20));
    assert_eq!(client.put_script("/functions/f", &large).error(413), "script_bytes");
    assert_eq!(client.post("/functions", &json!({"id": "f", "source": large})).error(413), "script_bytes");
    for body in [json!({"id": "f"}), json!({"id": "f", "source": "x", "wasm": ""}), json!({"id": "f", "source": 1})] {
        assert_eq!(client.post("/functions", &body).error(400), "invalid_request", "{body}");
    }
    let reserved = json!({"id": "execute", "source": "export default () => 1"});
    assert_eq!(client.post("/functions", &reserved).error(422), "id_reserved");
    let wasm = client.send("PUT", "/functions/f", &[("content-type", "application/wasm")], b"export default () => 1");
    assert_eq!(wasm.error(422), "invalid_wasm");
}

#[test]
fn the_largest_script_is_accepted_and_called() {
    let server = Server::start();
    let text = "x".repeat(450);
    let lines: String =
        (0..).map(|i| format!("const name{i} = [{i}, '{text}', (a) => a + {i}];\n")).take(2_000).collect();
    let source = format!("{lines}export default (input) => name1999[2](input)");
    assert!(source.len() > 900 << 10 && source.len() <= 1 << 20, "{}", source.len());
    server.client.put_script("/functions/f", &source).ok(200);
    assert_eq!(execute(&server.client, "f", &json!(1)).ok(200), 2_000);
}

#[test]
fn a_definition_may_bring_its_functions() {
    let server = Server::start();
    let client = &server.client;
    let step =
        |source: &str| json!([{"id": "only", "type": "function", "function": {"id": "double", "source": source}}]);
    let create = |id: &str, source: &str| client.post("/workflows", &json!({"id": id, "steps": step(source)}));
    let refused = create("w", "export default (");
    assert_eq!(refused.error(422), "invalid_definition");
    let at = &refused.body["errors"][0];
    assert_eq!((&at["pointer"], &at["code"]), (&json!("/steps/0/function/source"), &json!("invalid_script")), "{at:#}");
    assert_eq!(client.get("/workflows/w").error(404), "workflow_not_found", "nothing is left of it");
    let workflow = create("w", "export default ({ n }) => n * 2").ok(201);
    assert_eq!((&workflow["warnings"], &workflow["steps"][0]["function"]), (&json!([]), &json!({"id": "double"})));
    assert_eq!(client.run("w", &json!({"n": 21}))["result"], 42);
    assert_eq!(client.get("/functions/double").ok(200)["kind"], "javascript");
    let two = json!({"id": "v", "steps": [{"id": "only", "type": "function", "function": {"source": "x"}}]});
    assert_eq!(client.post("/workflows", &two).error(422), "invalid_definition", "without an id");
}

#[test]
fn the_example_works() {
    let server = Server::start();
    let path = stepwell_guests::root().join("plugins/examples/loyalty-discount.js");
    let source = std::fs::read_to_string(path).expect("the example");
    server.client.put_script("/functions/loyalty-discount", &source).ok(200);
    let of = |total: i32| execute(&server.client, "loyalty-discount", &json!({"total": total, "customerSince": 1990}));
    assert_eq!(of(200).ok(200), json!({"total": 180, "percent": 10}));
    assert_eq!(of(-1).error(422), "bad_total");
}
