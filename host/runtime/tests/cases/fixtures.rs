//! Guests compiled from Rust: one per misbehaviour, each with the fault that the port promises.
#![allow(clippy::panic, reason = "these are tests")]

use crate::common::{Sandbox, fault, guest, invocation};
use std::time::Duration;
use stepwell_core::failure::Retry;
use stepwell_engine::ports::{Fault, Kind, NoHost};

async fn fault_of(sandbox: &Sandbox, fixture: &str) -> Fault {
    fault(sandbox.call(guest(&format!("fixtures/{fixture}")), "null").await)
}

fn trapped(fault: &Fault) -> &str {
    match fault {
        Fault::Trapped(message) => message,
        other => panic!("not a trap: {other:?}"),
    }
}

#[tokio::test]
async fn echo_is_told_everything_and_is_heard() {
    let sandbox = Sandbox::new();
    let prepared = sandbox.upload(guest("fixtures/echo")).await.expect("fits");
    assert_eq!(prepared.kind, Kind::Component);
    assert_eq!(prepared.functions[0].name.as_deref(), Some("echo"));
    assert!(prepared.imports.contains(&"stepwell:function/log@1.0.0".to_owned()), "{:?}", prepared.imports);
    assert!(prepared.compile_ms > 0);
    let outcome = sandbox.runtime.invoke(invocation(&prepared, r#"{"a":[1.50]}"#), NoHost::shared()).await;
    let value = outcome.result.expect("answer").to_value();
    assert_eq!(value["input"], serde_json::json!({"a": [1.5]}));
    assert_eq!(
        value["ctx"],
        serde_json::json!({
            "function": "echo", "executionId": "exec-1", "workflowId": "orders", "step": "charge", "iteration": [3, 1],
            "attempt": 2, "idempotencyKey": "key", "deadlineMs": 1_700_000_000_000_u64, "traceparent": "00-1-2-01"
        })
    );
    let mut said: Vec<_> = outcome.log.iter().map(|line| (line.level, line.message.as_str())).collect();
    said.sort_unstable();
    assert_eq!(said, [("info", "echo to the log"), ("stderr", "echo to stderr"), ("stdout", "echo to stdout")]);
    let fields: Vec<_> = outcome.log.iter().flat_map(|line| line.fields.clone()).collect();
    assert_eq!(fields, [("attempt".to_owned(), "2".to_owned())]);
    assert!(outcome.usage.fuel > 0 && outcome.usage.memory_bytes >= 64 << 10 && !outcome.usage.elapsed.is_zero());
}

#[tokio::test]
async fn the_examples_fit_and_answer() {
    let sandbox = Sandbox::new();
    let example = guest("validate-order");
    let prepared = sandbox.upload(example).await.expect("fits");
    let mut invocation = invocation(&prepared, r#"{"orderId":"o-1"}"#);
    invocation.context.function = "validate-order".to_owned();
    let outcome = sandbox.runtime.invoke(invocation, NoHost::shared()).await;
    assert!(!matches!(outcome.result, Err(Fault::Host(_) | Fault::Trapped(_) | Fault::NoCapacity)), "{outcome:?}");
}

#[tokio::test]
async fn core_modules_are_wrapped() {
    let sandbox = Sandbox::new();
    for (fixture, name) in [("core_module", "core-module"), ("core_module_preview1", "core-module-preview1")] {
        let prepared = sandbox.upload(guest(&format!("fixtures/{fixture}"))).await.expect(fixture);
        assert_eq!((prepared.kind, prepared.functions[0].name.as_deref()), (Kind::CoreModule, Some(name)));
        let outcome = sandbox.runtime.invoke(invocation(&prepared, "1"), NoHost::shared()).await;
        assert!(outcome.result.is_ok(), "{fixture}: {outcome:?}");
        assert_eq!(outcome.log.len(), 1, "{fixture}");
        // What the adapter of preview 1 brings along as soon as a program prints: the reason why it is linked.
        let files = prepared.imports.iter().any(|import| import.starts_with("wasi:filesystem/"));
        assert_eq!(files, fixture == "core_module_preview1", "{:?}", prepared.imports);
    }
}

#[tokio::test]
async fn failures_are_as_the_guest_marked_them() {
    let sandbox = Sandbox::new();
    for (fixture, expected, retry, details) in [
        ("fails_permanent", "card_declined", Retry::Never, Some(r#"{"attempts":1,"reason":"expired"}"#)),
        ("fails_retryable", "service_busy", Retry::Again { after_ms: None }, None),
        ("fails_retryable_after", "service_busy", Retry::Again { after_ms: Some(1_500) }, None),
        ("fails_with_bad_details", "card_declined", Retry::Never, None),
    ] {
        let Fault::Failed { code, retry: marked, details: given, .. } = fault_of(&sandbox, fixture).await else {
            panic!("{fixture} did not fail as a function")
        };
        assert_eq!((code.as_str(), marked), (expected, retry), "{fixture}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(given.map(|details| details.to_value()), details.map(value), "{fixture}");
    }
    assert!(matches!(fault_of(&sandbox, "fails_with_plain_error").await, Fault::Failed { .. }));
    assert_eq!(fault_of(&sandbox, "fails_with_huge_texts").await, Fault::OutputLimit);
}

#[tokio::test]
async fn traps_carry_what_is_known() {
    let sandbox = Sandbox::new();
    let panic = fault_of(&sandbox, "panics").await;
    let text = trapped(&panic);
    assert!(
        text.starts_with("panicked at ") && text.contains("lib.rs:") && text.ends_with("no stock is left"),
        "{text}"
    );
    let trap = fault_of(&sandbox, "traps").await;
    assert!(trapped(&trap).contains("`unreachable` instruction"), "{trap:?}");
    for fixture in ["reads_out_of_bounds", "recurses_with_big_frames"] {
        let fault = fault_of(&sandbox, fixture).await;
        assert!(trapped(&fault).contains("out of bounds memory access"), "{fixture}: {fault:?}");
    }
}

#[tokio::test]
async fn each_limit_has_its_fault() {
    let sandbox = Sandbox::new();
    for (fixture, expected) in [
        ("recurses_without_end", Fault::StackOverflow),
        ("allocates_without_end", Fault::MemoryLimit),
        ("returns_100_mib", Fault::OutputLimit),
        ("returns_deep_json", Fault::OutputLimit),
        ("exits", Fault::Exited(1)),
        ("exits_with_success", Fault::Exited(0)),
    ] {
        assert_eq!(fault_of(&sandbox, fixture).await, expected, "{fixture}");
    }
    for fixture in ["returns_no_json", "returns_bad_utf8"] {
        assert!(matches!(fault_of(&sandbox, fixture).await, Fault::InvalidOutput(_)), "{fixture}");
    }
    let outcome = sandbox.call_with(guest("fixtures/returns_deep_json"), "null", |l| l.output_bytes = 4 << 20).await;
    assert!(matches!(fault(outcome), Fault::InvalidOutput(_)));
}

#[tokio::test]
async fn guests_without_an_end_meet_their_deadline_or_their_fuel() {
    let sandbox = Sandbox::new();
    for fixture in ["loops_forever", "sleeps", "starts_forever", "reads_random_bytes_without_end"] {
        let artifact = guest(&format!("fixtures/{fixture}"));
        let short = |l: &mut stepwell_engine::ports::InvocationLimits| {
            l.timeout = Duration::from_millis(30);
            l.fuel = u64::MAX;
        };
        assert_eq!(fault(sandbox.call_with(artifact, "null", short).await), Fault::Timeout, "{fixture}");
    }
    for fixture in ["loops_forever", "starts_forever"] {
        let artifact = guest(&format!("fixtures/{fixture}"));
        let outcome = sandbox.call_with(artifact, "null", |l| l.fuel = 1_000_000).await;
        assert_eq!(outcome.usage.fuel, 1_000_000);
        assert_eq!(fault(outcome), Fault::OutOfFuel, "{fixture}");
    }
}

#[tokio::test]
async fn floods_are_cut_and_do_no_harm() {
    let sandbox = Sandbox::new();
    for fixture in ["floods_log", "floods_stdout", "logs_a_huge_line"] {
        let outcome = sandbox.call(guest(&format!("fixtures/{fixture}")), "null").await;
        assert!(outcome.result.is_ok(), "{fixture}: {:?}", outcome.result);
        let bytes: usize = outcome.log.iter().map(|line| line.message.len()).sum();
        assert!(bytes < 65 << 10, "{fixture}: {bytes}");
        assert!(outcome.log.last().is_some_and(|line| line.message.starts_with("the log is cut")), "{fixture}");
    }
}

#[tokio::test]
async fn ordinary_code_runs_and_files_are_out_of_reach() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.call(guest("fixtures/uses_a_hash_map"), r#"["a","b","a"]"#).await;
    assert_eq!(outcome.result.expect("answer").to_value(), serde_json::json!({"a": 2, "b": 1}));
    assert!(matches!(fault_of(&sandbox, "reads_a_file").await, Fault::Failed { .. }));
}

#[tokio::test]
async fn other_worlds_are_refused_with_the_name_that_is_wrong() {
    let sandbox = Sandbox::new();
    for (fixture, word) in [
        ("unknown_import", "it imports acme:vault/keys@1.0.0, which this server does not know"),
        ("wrong_export", "it does not export stepwell:function/handler@1.x (it exports answer)"),
        ("wasi_command", "(it exports wasi:cli/run@"),
    ] {
        let refusal = sandbox.refusal(guest(&format!("fixtures/{fixture}"))).await;
        assert_eq!(refusal.code, "wrong_world");
        assert!(refusal.message.contains(word), "{fixture}: {}", refusal.message);
    }
}
