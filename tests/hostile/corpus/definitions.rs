//! Workflows that are made to grow, to run for ever, or to keep the checker busy.

use super::attacks;
use crate::arena::Arena;
use crate::support::failure;
use serde_json::{Value, json};

attacks!(
    a_loop_without_end,
    a_cycle_without_end,
    a_workflow_that_starts_itself,
    events_that_go_in_circles,
    twenty_thousand_forks,
    a_template_that_doubles,
    a_result_that_doubles,
    an_expression_of_depth_100_000,
    an_expression_without_end,
    a_catastrophic_pattern_in_a_schema,
    a_schema_that_refers_to_itself,
    a_schema_bomb,
    names_with_markup,
    prototypes_in_expressions,
);

/// A definition of these steps.
fn steps(name: &str, steps: impl Into<Value>) -> Value {
    json!({"name": name, "steps": steps.into()})
}

/// It is refused with faults, or with a limit; never otherwise.
fn refused(arena: &Arena, definition: &Value) {
    let answer = arena.mallory.post("/workflows", definition);
    assert!([400, 413, 422].contains(&answer.status), "{:#}", answer.body);
    answer.error(answer.status);
}

/// It ends, with one of these codes.
fn fails(arena: &Arena, definition: &Value, codes: &[&str]) {
    let (code, message) = failure(&arena.run(definition, &json!({"items": [1, 2, 3]})));
    assert!(codes.contains(&code.as_str()), "{code}: {message}");
}

fn a_loop_without_end(arena: &Arena) {
    let endless = json!([
        {"id": "rounds", "type": "loop", "config": {"while": "true"}, "next": "again"},
        {"id": "again", "type": "condition", "condition": "true"}]);
    fails(arena, &steps("endless", endless), &["max_iterations_exceeded", "step_budget_exceeded"]);
}

fn a_cycle_without_end(arena: &Arena) {
    let cycle = json!([
        {"id": "a", "type": "condition", "condition": "true", "next": "b"},
        {"id": "b", "type": "condition", "condition": "true", "next": "a"}]);
    fails(arena, &steps("cycle", cycle), &["step_budget_exceeded"]);
}

fn a_workflow_that_starts_itself(arena: &Arena) {
    let itself = json!([{"id": "again", "type": "workflow", "config": {"workflow": "ouroboros"}}]);
    fails(arena, &steps("ouroboros", itself), &["depth_limit"]);
}

fn events_that_go_in_circles(arena: &Arena) {
    let definition = json!({"name": "circle", "steps": [{"id": "a", "type": "condition", "condition": "true"}],
        "triggers": [{"type": "event", "config": {"eventType": "stepwell.execution.completed"}}]});
    let id = arena.mallory.post("/workflows", &definition).ok(201)["id"].as_str().expect("id").to_owned();
    let ended = arena.mallory.run(&id, &json!({}));
    assert_eq!(ended["status"], "completed");
    // It goes round as often as the other tenant's executions end, and each round at most as often as the limit of hops.
    arena.mallory.delete(&format!("/workflows/{id}")).ok(200);
}

fn twenty_thousand_forks(arena: &Arena) {
    let target: Vec<String> = (0..20_000).map(|n| format!("s{n}")).collect();
    let mut all = vec![json!({"id": "fork", "type": "condition", "condition": "true", "next": target})];
    all.extend(
        (0..20_000).map(|n| json!({"id": format!("s{n}"), "type": "condition", "condition": "true", "next": "fork"})),
    );
    refused(arena, &steps("forks", Value::Array(all)));
    let wide: Vec<Value> = (0..1_900)
        .map(|n| {
            json!({"id": format!("s{n}"), "type": "condition", "condition": "true",
                        "next": (0..1_900).filter(|m| m % 100 == n % 100).map(|m| format!("s{m}")).collect::<Vec<_>>()})
        })
        .collect();
    refused(arena, &steps("wide", Value::Array(wide)));
}

/// Sixty doublings of a text would be more bytes than there are.
fn a_template_that_doubles(arena: &Arena) {
    arena.mallory.put_script("/functions/takes", "export default input => input").ok(200);
    let mut expression = "'xxxxxxxxxxxxxxxx'".to_owned();
    for _ in 0..5 {
        expression = format!("({expression}).repeat(1000)");
    }
    let step = json!([{"id": "a", "type": "function", "function": "takes", "config": {"input": {"a": format!("{{{{ {expression} }}}}")}}}]);
    fails(arena, &steps("doubles", step), &["expression_error"]);
}

/// Each step hands on twice what it got.
fn a_result_that_doubles(arena: &Arena) {
    let source = "export default ({ a }) => ({ a: a ? a + a : 'x'.repeat(1000) })";
    arena.mallory.put_script("/functions/double", source).ok(200);
    let chain: Vec<Value> = (0..30)
        .map(|n| {
            let mut step = json!({"id": format!("s{n}"), "type": "function", "function": "double"});
            if n < 29 {
                step["next"] = json!(format!("s{}", n + 1));
            }
            step
        })
        .collect();
    fails(arena, &steps("chain", Value::Array(chain)), &["output_limit", "payload_bytes", "expression_error"]);
}

fn an_expression_of_depth_100_000(arena: &Arena) {
    for expression in [
        "(".repeat(100_000),
        format!("{}1", "!".repeat(100_000)),
        "a?".repeat(2_000),
        "[".repeat(2_000),
        "a.".repeat(2_000),
    ] {
        refused(arena, &steps("deep", json!([{"id": "a", "type": "condition", "condition": expression}])));
    }
}

fn an_expression_without_end(arena: &Arena) {
    let items: Vec<u32> = (0..1_000).collect();
    let nested = "input.items.map(a => input.items.map(b => input.items.map(c => a + b + c).length).length).length > 0";
    let definition = steps("endless expression", json!([{"id": "a", "type": "condition", "condition": nested}]));
    let (code, _) = failure(&arena.run(&definition, &json!({"items": items})));
    assert_eq!(code, "expression_error");
}

fn a_catastrophic_pattern_in_a_schema(arena: &Arena) {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}});
    let definition = json!({"name": "pattern", "inputSchema": schema, "steps": [{"id": "a", "type": "condition", "condition": "true"}]});
    let answer = arena.mallory.post("/workflows", &definition);
    if answer.status == 201 {
        let input = json!({"workflowId": "pattern", "input": {"a": format!("{}b", "a".repeat(100_000))}});
        assert!([400, 422].contains(&arena.mallory.post("/workflows/trigger", &input).status));
    } else {
        answer.error(422);
    }
    let huge = json!({"type": "string", "pattern": "(((a{1,1000}){1,1000}){1,1000})"});
    refused(
        arena,
        &json!({"name": "pattern", "inputSchema": huge, "steps": [{"id": "a", "type": "condition", "condition": "true"}]}),
    );
}

fn a_schema_that_refers_to_itself(arena: &Arena) {
    for schema in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"$ref": "http://127.0.0.1:1/schema"}),
        json!({"$ref": "file:///etc/passwd"}),
    ] {
        let definition = json!({"name": "self", "inputSchema": schema, "steps": [{"id": "a", "type": "condition", "condition": "true"}]});
        let answer = arena.mallory.put("/workflows/self", &definition);
        if answer.status < 300 {
            let started = arena.mallory.post("/workflows/trigger", &json!({"workflowId": "self", "input": {}}));
            assert!(started.status < 500, "{:#}", started.body);
        } else {
            answer.error(422);
        }
    }
}

/// Each definition asks for the next one twice: 2^30 checks of one value.
fn a_schema_bomb(arena: &Arena) {
    let mut definitions = serde_json::Map::new();
    for n in 0..30 {
        let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
        definitions.insert(format!("d{n}"), json!({"allOf": [next, next]}));
    }
    definitions.insert("d30".to_owned(), json!({"type": "object"}));
    let schema = json!({"$ref": "#/$defs/d0", "$defs": definitions});
    let definition = json!({"name": "bomb", "inputSchema": schema, "steps": [{"id": "a", "type": "condition", "condition": "true"}]});
    let answer = arena.mallory.post("/workflows", &definition);
    if answer.status == 201 {
        let started = arena.mallory.post("/workflows/trigger", &json!({"workflowId": "bomb", "input": {}}));
        assert!([400, 413, 422].contains(&started.status), "{:#}", started.body);
    } else {
        answer.error(answer.status);
    }
}

/// Pictures are documents that a browser runs.
fn names_with_markup(arena: &Arena) {
    let name = "</text><script>alert(1)</script>\"'&\u{1b}[31m";
    let step = json!([{"id": "a", "name": name, "type": "condition", "condition": "input.a < '</script>'"}]);
    let mut definition = steps(name, step);
    definition["id"] = json!("markup");
    let answer = arena.mallory.post("/workflows", &definition);
    if answer.status != 201 {
        answer.error(422);
        return;
    }
    for kind in ["image/svg+xml", "text/vnd.mermaid"] {
        let (_, picture) = arena.mallory.exchange("GET", "/workflows/markup/graph", &[("accept", kind)], b"");
        assert!(!picture.contains("<script>") && !picture.contains('\u{1b}'), "{kind}: {picture}");
    }
}

fn prototypes_in_expressions(arena: &Arena) {
    for expression in [
        "input.__proto__.x",
        "input.constructor.constructor('return 1')()",
        "''.constructor.fromCharCode(1)",
        "this.x",
        "globalThis",
        "input['__proto__']",
    ] {
        let definition = steps("prototypes", json!([{"id": "a", "type": "condition", "condition": expression}]));
        let answer = arena.mallory.put("/workflows/prototypes", &definition);
        if answer.status < 300 {
            let ended = arena.mallory.run("prototypes", &json!({}));
            assert!(ended["status"] == "failed" || ended["result"] != true, "{expression}: {ended:#}");
        } else {
            answer.error(422);
        }
    }
}
