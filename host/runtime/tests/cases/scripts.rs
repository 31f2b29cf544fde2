//! Scripts on the runner: what they get, what they may answer, and how each misbehaviour ends.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

use crate::common::{Sandbox, fault, invocation};
use serde_json::{Value, json};
use std::time::Duration;
use stepwell_core::failure::Retry;
use stepwell_engine::ports::{
    Artifact, Fault, InvocationLimits, Kind, NoHost, Outcome, Place, Prepared, RuntimeError, Unfit,
};

/// A sandbox in whose folder the runner's compiled code may lie already: it takes a second to make.
/// `STEPWELL_TEST_RUNNER` names another runner to be tested.
fn sandbox() -> Sandbox {
    Sandbox::with(|config| {
        config.cache_dir = concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled").into();
        if let Some(path) = std::env::var_os("STEPWELL_TEST_RUNNER") {
            config.runner = std::fs::read(path).expect("a runner").into();
        }
    })
}

async fn uploaded(sandbox: &Sandbox, source: &str) -> Result<Prepared, RuntimeError> {
    sandbox.upload_as(Artifact::script(source.to_owned())).await
}

async fn call_with(
    sandbox: &Sandbox,
    source: &str,
    input: &str,
    change: impl FnOnce(&mut InvocationLimits),
) -> Outcome {
    let prepared = uploaded(sandbox, source).await.unwrap_or_else(|error| panic!("{source}: {error}"));
    let mut invocation = invocation(&prepared, input);
    change(&mut invocation.limits);
    sandbox.runtime.invoke(invocation, NoHost::shared()).await
}

async fn call(sandbox: &Sandbox, source: &str, input: &str) -> Outcome {
    call_with(sandbox, source, input, |_| ()).await
}

/// The result of a function with this body.
async fn result(sandbox: &Sandbox, body: &str) -> Value {
    let outcome = call(sandbox, &format!("export default function (input, ctx) {{ {body} }}"), r#"{"a":1}"#).await;
    let result = outcome.result.unwrap_or_else(|fault| panic!("{body}: {fault:?}"));
    serde_json::from_str(result.as_str()).expect("JSON")
}

/// How a function with this body fails: code, message, details and whether it is tried again.
async fn failure(sandbox: &Sandbox, body: &str) -> (String, String, Value, Retry) {
    let outcome = call(sandbox, &format!("export default async function (input, ctx) {{ {body} }}"), "1").await;
    match fault(outcome) {
        Fault::Failed { code, message, details, retry } => {
            let details = details.map_or(Value::Null, |text| serde_json::from_str(text.as_str()).expect("JSON"));
            (code, message, details, retry)
        }
        other => panic!("{body}: {other:?}"),
    }
}

async fn refusal(sandbox: &Sandbox, source: &str) -> Unfit {
    match uploaded(sandbox, source).await {
        Err(RuntimeError::Unfit(unfit)) => {
            assert_eq!(unfit.code, "invalid_script", "{source}: {}", unfit.message);
            unfit
        }
        other => panic!("{source}: not refused: {other:?}"),
    }
}

const AGAIN: Retry = Retry::Again { after_ms: None };

#[tokio::test]
async fn a_function_gets_its_input_and_its_attempt() {
    let sandbox = sandbox();
    let prepared = uploaded(&sandbox, "export default (input) => input").await.expect("fits");
    assert_eq!(
        (prepared.kind, prepared.functions.len(), prepared.functions[0].name.as_deref()),
        (Kind::JavaScript, 1, None)
    );
    assert!(prepared.imports.is_empty());
    let seen = result(
        &sandbox,
        "const { log, permanent, retryable, ...facts } = ctx; return { input, facts, log: Object.keys(log) }",
    )
    .await;
    let facts = json!({
        "function": "", "executionId": "exec-1", "workflowId": "orders", "step": "charge", "iteration": [3, 1], "attempt": 2,
        "idempotencyKey": "key", "deadline": 1_700_000_000_000_u64, "traceparent": "00-1-2-01",
    });
    assert_eq!(seen, json!({"input": {"a": 1}, "facts": facts, "log": ["trace", "debug", "info", "warn", "error"]}));
}

#[tokio::test]
async fn results_are_json() {
    let sandbox = sandbox();
    for (body, expected) in [
        ("", json!(null)),
        ("return undefined", json!(null)),
        ("return null", json!(null)),
        ("return 'ü€😀'", json!("ü€😀")),
        ("return [1, 1.5, NaN, undefined]", json!([1, 1.5, null, null])),
        (
            "return { a: undefined, b: new Date(0), c: new Map([[1, 2]]) }",
            json!({"b": "1970-01-01T00:00:00.000Z", "c": {}}),
        ),
        ("return Promise.resolve(7)", json!(7)),
        ("return { then(done) { done('thenable') } }", json!("thenable")),
        ("return (async () => { let n = 0; for (let i = 0; i < 100; i++) n += await i; return n })()", json!(4950)),
        ("return new Promise((done) => queueMicrotask(() => done([...new Set([1, 1, 2])])))", json!([1, 2])),
    ] {
        assert_eq!(result(&sandbox, body).await, expected, "{body}");
    }
}

#[tokio::test]
async fn what_json_cannot_hold_is_an_invalid_output() {
    let sandbox = sandbox();
    for (body, word) in [
        ("const a = {}; a.a = a; return a", "circular"),
        ("return 1n", "BigInt"),
        ("return { n: 2n }", "BigInt"),
        ("return () => 1", "function"),
        ("return Symbol('x')", "symbol"),
        ("return { toJSON() { throw new Error('never') } }", "never"),
        ("return { toJSON() { throw null } }", "null"),
    ] {
        let (code, message, _, retry) = failure(&sandbox, body).await;
        assert_eq!((code.as_str(), retry), ("invalid_output", Retry::Never), "{body}: {message}");
        assert!(message.contains(word), "{body}: {message}");
    }
    // The host has the last word.
    assert!(matches!(fault(call(&sandbox, "export default () => '\\ud800'", "1").await), Fault::InvalidOutput(_)));
    let deep = "export default () => { let a = []; for (let i = 0; i < 200; i++) a = [a]; return a }";
    assert!(matches!(fault(call(&sandbox, deep, "1").await), Fault::InvalidOutput(_)));
    let large = "export default () => 'x'.repeat(300000)";
    assert_eq!(fault(call(&sandbox, large, "1").await), Fault::OutputLimit);
}

#[tokio::test]
async fn a_throw_is_retried_with_its_message_and_stack() {
    let sandbox = sandbox();
    let (code, message, details, retry) =
        failure(&sandbox, "\n function pay() { throw new TypeError('gateway down', { cause: 'timeout' }) }\n pay()")
            .await;
    assert_eq!((code.as_str(), message.as_str(), retry), ("function_error", "gateway down", AGAIN));
    assert_eq!((&details["name"], &details["cause"]), (&json!("TypeError"), &json!("timeout")));
    let stack = details["stack"].as_str().expect("a stack");
    assert!(stack.contains("pay") && stack.contains("function.js:2:"), "{stack}");
}

#[tokio::test]
async fn whatever_is_thrown_is_a_failure() {
    let sandbox = sandbox();
    for (body, expected) in [
        ("throw 'plain'", "the function threw plain"),
        ("throw 7", "the function threw 7"),
        ("throw undefined", "the function threw undefined"),
        ("throw null", "the function threw null"),
        ("throw Symbol('s')", "the function threw Symbol(s)"),
        ("throw { message: 'an object' }", "an object"),
        ("throw { code: 1 }", "the function threw {\"code\":1}"),
        (
            "throw { get message() { throw 1 }, toJSON() { throw 2 }, toString() { throw 3 } }",
            "the function threw an object",
        ),
        ("throw Object.create(null)", "the function threw {}"),
        ("throw new Error()", "the function threw Error"),
        (
            "const e = new Error('x'); Object.defineProperty(e, 'message', { get() { throw 1 } }); throw e",
            "the function threw Error",
        ),
        ("await Promise.reject(new Error('late'))", "late"),
        ("return missing.name", "missing is not defined"),
        ("return new Promise(() => { throw new Error('inside') })", "inside"),
    ] {
        let (code, message, _, retry) = failure(&sandbox, body).await;
        assert_eq!((code.as_str(), message.as_str(), retry), ("function_error", expected, AGAIN), "{body}");
    }
}

#[tokio::test]
async fn failures_have_the_code_and_the_details_that_the_function_gives() {
    let sandbox = sandbox();
    let given = failure(&sandbox, "throw ctx.permanent('card_declined', 'no money', { amount: 3 })").await;
    assert_eq!(given, ("card_declined".into(), "no money".into(), json!({"amount": 3}), Retry::Never));
    let given = failure(&sandbox, "throw ctx.retryable('busy', 'later', { details: [1], afterMs: 1500.5 })").await;
    assert_eq!(given, ("busy".into(), "later".into(), json!([1]), Retry::Again { after_ms: Some(1501) }));
    let given = failure(&sandbox, "throw ctx.retryable('busy', 'later')").await;
    assert_eq!(given, ("busy".into(), "later".into(), Value::Null, AGAIN));
    for nonsense in ["'soon'", "-1", "Infinity", "1e300", "null", "{}"] {
        let given =
            failure(&sandbox, &format!("throw ctx.retryable('busy', 'later', {{ afterMs: {nonsense} }})")).await;
        assert!(matches!(given.3, Retry::Again { after_ms: None | Some(0) }), "{nonsense}: {given:?}");
    }
    let given = failure(&sandbox, "try { throw ctx.permanent('a', 'b') } catch (e) { return Promise.reject(e) }").await;
    assert_eq!((given.0.as_str(), given.3), ("a", Retry::Never));
    let given = failure(&sandbox, "throw ctx.permanent('a', 'b', (() => { const c = {}; c.c = c; return c })())").await;
    assert_eq!(given.2, json!("details without JSON form"));
    let given = failure(&sandbox, "throw ctx.permanent('a', 'b', 'x'.repeat(1e6))").await;
    assert!(given.2.as_str().is_some_and(|text| text.contains("1000002 characters")), "{:?}", given.2);
    let given = failure(&sandbox, "throw ctx.permanent('a', 'b'.repeat(1e6))").await;
    assert!(given.1.len() < 5_000, "{}", given.1.len());
}

#[tokio::test]
async fn a_promise_that_never_settles_is_said() {
    let sandbox = sandbox();
    let (code, message, _, retry) = failure(&sandbox, "await new Promise(() => {})").await;
    assert_eq!((code.as_str(), retry), ("never_settled", Retry::Never));
    assert!(message.contains("never settles"), "{message}");
}

#[tokio::test]
async fn logs_and_the_console_go_to_the_log() {
    let sandbox = sandbox();
    let source = "console.log('top');
        export default (input, ctx) => {
            ctx.log.info('charged', { total: 12.5, order: 'o-1', deep: { a: [1] } });
            ctx.log.error({ not: 'text' });
            ctx.log.debug('lone \\ud800', 7);
            console.log('%s', 1, null, { a: 1 }, undefined, Symbol('s'));
            console.warn(new Error('odd'));
            const cyclic = {}; cyclic.me = cyclic;
            console.error(cyclic);
            ctx.log.trace();
        }";
    let log = call(&sandbox, source, "1").await.log;
    let lines: Vec<_> = log.iter().map(|line| (line.level, line.message.as_str())).collect();
    assert_eq!(lines[0], ("info", "top"));
    assert_eq!(lines[1], ("info", "charged"));
    let fields = [("total", "12.5"), ("order", "o-1"), ("deep", "{\"a\":[1]}")];
    assert_eq!(log[1].fields, fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(lines[2], ("error", "{\"not\":\"text\"}"));
    assert_eq!(lines[3], ("debug", "lone \u{fffd}"));
    assert_eq!(lines[4], ("info", "%s 1 null {\"a\":1} undefined Symbol(s)"));
    assert!(lines[5].0 == "warn" && lines[5].1.starts_with("Error: odd"), "{:?}", lines[5]);
    assert_eq!(lines[6], ("error", "[object Object]"));
    assert_eq!((lines[7], lines.len()), (("trace", "undefined"), 8));
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_costs_no_result() {
    let sandbox = sandbox();
    let outcome = call(&sandbox, "export default (i, ctx) => { for (let n = 0; n < 2000; n++) console.log('x'.repeat(5000)); ctx.log.info('y'.repeat(3e6), { z: 'z'.repeat(3e6) }); return 1 }", "1").await;
    assert_eq!(outcome.result.expect("answer").as_str(), "1");
    assert!(
        outcome.log.last().is_some_and(|line| line.message.starts_with("the log is cut")),
        "{:?}",
        outcome.log.last()
    );
}

#[tokio::test]
async fn every_attempt_is_alone() {
    let sandbox = sandbox();
    let source = "globalThis.calls = (globalThis.calls ?? 0) + 1; let own = 0; Array.prototype.seen = true;
        export default () => [globalThis.calls, ++own]";
    let prepared = uploaded(&sandbox, source).await.expect("fits");
    for _ in 0..5 {
        let outcome = sandbox.runtime.invoke(invocation(&prepared, "1"), NoHost::shared()).await;
        assert_eq!(outcome.result.expect("answer").as_str(), "[1,1]");
    }
    assert_eq!(result(&sandbox, "return [].seen ?? 'clean'").await, json!("clean"));
}

#[tokio::test]
async fn time_stands_and_chance_does_not() {
    let sandbox = sandbox();
    let source = "export default () => { const start = Date.now(); for (let i = 0; i < 1e5; i++); return [start, Date.now() - start, new Date().getTimezoneOffset(), Math.random(), Math.random()] }";
    let prepared = uploaded(&sandbox, source).await.expect("fits");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let outcome = sandbox.runtime.invoke(invocation(&prepared, "1"), NoHost::shared()).await;
        let [now, passed, zone, first, second]: [f64; 5] =
            serde_json::from_str(outcome.result.expect("answer").as_str()).expect("numbers");
        assert!(now > 1.7e12 && now < 1e13 && passed == 0.0 && zone == 0.0, "{now} {passed} {zone}");
        assert!((0.0..1.0).contains(&first) && (0.0..1.0).contains(&second));
        seen.extend([first.to_bits(), second.to_bits()]);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 6, "no number twice");
}

/// The engine is set up when the runner is built; nothing of that moment may be seen.
#[tokio::test]
async fn the_runner_remembers_nothing_of_its_own_beginning() {
    let sandbox = sandbox();
    let clocks =
        "return [performance.now(), performance.timeOrigin === Date.now(), new Date().getTime() === Date.now()]";
    assert_eq!(result(&sandbox, clocks).await, json!([0, true, true]));
    let order = "const a = {}; for (let i = 0; i < 100; i++) a['k' + i] = i; return [Object.keys(a).length, new Map(Object.entries(a)).get('k77'), [...new Set('stepwell')].join('')]";
    assert_eq!(result(&sandbox, order).await, json!([100, 77, "stepwl"]));
}

#[tokio::test]
async fn nothing_of_the_machine_is_in_reach() {
    let sandbox = sandbox();
    let names = "['process', 'require', 'fetch', 'setTimeout', 'std', 'os', 'Deno', 'scriptArgs', 'print'].filter((name) => name in globalThis)";
    assert_eq!(result(&sandbox, &format!("return {names}")).await, json!([]));
    for import in
        ["import 'fs'", "import os from 'os'", "import x from './other.js'", "import y from 'https://example.com/y.js'"]
    {
        let refusal = refusal(&sandbox, &format!("{import}; export default () => 1")).await;
        assert!(refusal.message.contains("a script is one file"), "{}", refusal.message);
    }
    let (_, message, ..) = failure(&sandbox, "await import('fs')").await;
    assert!(message.contains("cannot import 'fs'"), "{message}");
}

#[tokio::test]
async fn deep_recursion_is_a_range_error() {
    let sandbox = sandbox();
    let caught = "const f = (n) => { try { return f(n + 1) } catch (e) { return [n, e.constructor.name] } }; const [n, name] = f(0); return [n > 100, name]";
    assert_eq!(result(&sandbox, caught).await, json!([true, "RangeError"]));
    for body in [
        "const f = () => f() + 1; return f()",
        "const f = () => [1].map(f); return f()",
        "const f = () => JSON.stringify({ toJSON: f }); return f()",
        "const f = () => 'a'.replace(/a/, f); return f()",
        "const o = {}; Object.defineProperty(o, 'x', { get() { return o.x } }); return o.x",
        "const p = new Proxy({}, { get: (t, k, r) => r[k] }); return p.x",
        "class A { constructor() { new A() } } return new A()",
        "const f = (...a) => f(...a, ...a.slice(0, 10), 1, 2, 3); return f(1)",
        "let s = 'x'; for (let i = 0; i < 5000; i++) s = '(' + s + ')'; return eval('let x = 1;' + s)",
        "return new RegExp('('.repeat(20000) + ')'.repeat(20000)).test('')",
        "return JSON.parse('['.repeat(100000) + ']'.repeat(100000))",
        "let a = []; for (let i = 0; i < 100000; i++) a = [a]; return a",
        "return [1, 2].sort(function f() { return [1, 2].sort(f) })",
        "return /(a*)*b/.test('a'.repeat(100000)) ? 1 : (() => { throw new RangeError('none') })()",
    ] {
        let outcome = call(&sandbox, &format!("export default function (input, ctx) {{ {body} }}"), "1").await;
        match outcome.result {
            Err(Fault::Failed { code, .. }) => {
                assert!(code == "function_error" || code == "invalid_output", "{body}: {code}");
            }
            Err(Fault::StackOverflow | Fault::OutOfFuel | Fault::MemoryLimit) => {}
            Ok(result) => assert!(body.contains("RegExp") || body.contains("eval"), "{body}: {}", result.as_str()),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn limits_are_those_of_every_guest() {
    let sandbox = sandbox();
    let endless = "export default () => { for (;;); }";
    let little = |limits: &mut InvocationLimits| limits.fuel = 50_000_000;
    assert_eq!(fault(call_with(&sandbox, endless, "1", little).await), Fault::OutOfFuel);
    let promises = "export default async () => { for (;;) await 1 }";
    assert_eq!(fault(call_with(&sandbox, promises, "1", little).await), Fault::OutOfFuel);
    let short = |limits: &mut InvocationLimits| limits.timeout = Duration::from_millis(50);
    assert_eq!(fault(call_with(&sandbox, endless, "1", short).await), Fault::Timeout);
    for body in [
        "const a = []; for (;;) a.push(new Array(1000).fill({}))",
        "let s = 'x'; for (;;) s += s + s.length",
        "return new Uint8Array(512 * 1024 * 1024)",
        "return new Array(2 ** 27).fill(0)",
        "const a = []; try { for (;;) a.push('x'.repeat(1e6) + a.length) } catch { return 'survived' }",
    ] {
        let outcome = call(&sandbox, &format!("export default () => {{ {body} }}"), "1").await;
        match outcome.result {
            Err(Fault::MemoryLimit) => {}
            // The engine has a longest string of its own.
            Err(Fault::Failed { message, .. }) if body.contains("s += s") => {
                assert!(message.contains("string too long"), "{message}");
            }
            other => panic!("{body}: {other:?}"),
        }
        assert!(outcome.usage.memory_bytes <= 128 << 20);
    }
}

#[tokio::test]
async fn a_syntax_error_is_refused_with_its_place() {
    let sandbox = sandbox();
    let refusal_at = |source: &'static str| {
        let sandbox = &sandbox;
        async move { refusal(sandbox, source).await }
    };
    let found = refusal_at("export default function () {\n  return 1 +;\n}\n").await;
    assert_eq!(found.place.map(|place| place.line), Some(2), "{}", found.message);
    assert!(found.message.contains("SyntaxError") && found.message.contains("(line 2, column"), "{}", found.message);
    for source in [
        "export default function (",
        "export default () => { return `unfinished }",
        "{",
        "let a; let a; export default () => a",
        "export default () => 1; export default () => 2",
        "await = 1",
        "return 1",
    ] {
        let found = refusal_at(source).await;
        assert!(found.place.is_some(), "{source}: {}", found.message);
    }
}

#[tokio::test]
async fn what_is_no_function_is_refused() {
    let sandbox = sandbox();
    for source in [
        "",
        "  \n",
        "// nothing",
        "export const a = 1",
        "export default 1",
        "export default { run() {} }",
        "export function run() {}",
        "module.x",
        "export { x as default }; let x",
    ] {
        let found = refusal(&sandbox, source).await;
        let word = if source.starts_with("module") { "module is not defined" } else { "default export" };
        assert!(found.message.contains(word), "{source}: {}", found.message);
    }
    for (source, word) in [
        ("throw new Error('at once'); export default () => 1", "at once"),
        ("throw null; export default () => 1", "null"),
        ("await new Promise(() => {}); export default () => 1", "never settles"),
        ("for (;;); export default () => 1", "does not end"),
        ("const f = () => f(); f(); export default () => 1", "call stack"),
        ("const a = []; for (;;) a.push(new Uint8Array(1e7)); export default () => 1", "too much memory"),
        ("export default () => '\0'", "zero byte"),
    ] {
        let found = refusal(&sandbox, source).await;
        assert!(found.message.contains(word), "{source}: {}", found.message);
    }
    let thrown = refusal(&sandbox, "const a = 1;\n\nundefined.x;\nexport default () => a").await;
    assert_eq!(thrown.place.map(|place| place.line), Some(3), "{}", thrown.message);
    let latin = sandbox.upload_as(Artifact::script(&b"export default () => '\xe9'"[..])).await;
    assert!(
        matches!(latin, Err(RuntimeError::Unfit(Unfit { code: "invalid_script", message, .. })) if message.contains("not UTF-8 at byte 22"))
    );
}

#[tokio::test]
async fn every_way_to_export_a_function_is_accepted() {
    let sandbox = sandbox();
    for source in [
        "export default function named(input) { return input }",
        "export default async (input) => input",
        "function run(input) { return input } export { run as default, run }",
        "const run = await Promise.resolve((input) => input); export default run",
        "\u{feff}export default (input) => input",
        "#!/usr/bin/env node\nexport default (input) => input",
        "export default class { constructor() {} }",
    ] {
        let outcome = call(&sandbox, source, "[1]").await;
        if source.contains("class") {
            assert!(matches!(fault(outcome), Fault::Failed { .. }), "{source}");
        } else {
            assert_eq!(outcome.result.expect("answer").as_str(), "[1]", "{source}");
        }
    }
}

#[tokio::test]
async fn a_restart_runs_what_was_uploaded() {
    let sandbox = Sandbox::new();
    let prepared = uploaded(&sandbox, "export default (n) => n + 1").await.expect("fits");
    let sandbox = sandbox.restarted();
    let outcome = sandbox.runtime.invoke(invocation(&prepared, "41"), NoHost::shared()).await;
    assert_eq!(outcome.result.expect("answer").as_str(), "42");
    let again = uploaded(&sandbox, "export default (n) => n + 1").await.expect("fits");
    assert_eq!(again.digest, prepared.digest);
}

#[tokio::test]
async fn an_upload_of_the_runner_itself_is_judged_like_any_other() {
    let sandbox = Sandbox::new();
    uploaded(&sandbox, "export default () => 1").await.expect("the runner is compiled, and its code kept");
    let runner = include_bytes!("../../../../plugins/runner/runner.wasm");
    let refusal = sandbox.refusal(&runner[..]).await;
    assert_eq!((refusal.code, refusal.place), ("wrong_world", None::<Place>), "{}", refusal.message);
}
