//! What a tenant can make large, deep or slow without ever breaking a limit by one step.

use super::*;
use crate::execution::{AttemptUsage, history_line};
use crate::payload::JSON_DEPTH;

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(0), |inner, _| json!([inner]))
}

/// What a restart makes of the state that is kept at the end.
fn read_back(world: &World<'_>) -> Execution {
    let text = serde_json::to_string(&world.execution).expect("writes");
    serde_json::from_str(&text).expect("reads back")
}

#[test]
fn a_joined_map_over_the_payload_limit_fails_a_condition_too() {
    let w = workflow(&json!([
        f("a", json!(["b", "c"])),
        f("b", json!("d")),
        f("c", json!("d")),
        c("d", "result == null", json!("e"), Value::Null),
        f("e", Value::Null)
    ]));
    let limits = ExecutionLimits { payload_bytes: 100, ..ExecutionLimits::default() };
    let mut world = World::start_with(&w, &json!({}), limits);
    world.run(|| 0, &|_, _, _| Ok(json!("x".repeat(60))));
    assert_eq!((world.error_code(), &world.view()["errorDetails"]["step"]), ("output_limit", &json!("d")));
}

#[test]
fn joins_cannot_nest_without_end() {
    // Each round of conditions alone puts the result one level deeper.
    let w = workflow(&json!([
        c("a", "true", json!(["b", "x"]), Value::Null),
        c("b", "true", json!("j"), Value::Null),
        c("x", "false", json!("j"), Value::Null),
        c("j", "true", json!("a"), Value::Null)
    ]));
    let world = World::start(&w, &json!({}));
    assert_eq!(world.error_code(), "output_limit");
    assert!(world.execution.runs.len() < 4 * (JSON_DEPTH + 2), "{} runs", world.execution.runs.len());
}

#[test]
fn handlers_of_handlers_do_not_wrap_their_inputs_without_end() {
    let mut a = f("a", Value::Null);
    a["config"] = json!({"onError": "a"});
    let w = workflow(&json!([a]));
    let limits = ExecutionLimits { step_runs: 1_000, payload_bytes: 10_000, ..ExecutionLimits::default() };
    let mut world = World::start_with(&w, &json!({"text": "x".repeat(5_000)}), limits);
    let largest = std::cell::Cell::new((0, 0));
    world.run(|| 0, &|_, input, _| {
        let payload = Payload::from_value(input);
        let (bytes, depth) = largest.get();
        largest.set((bytes.max(payload.as_str().len()), depth.max(payload.depth())));
        Err(failure("bad"))
    });
    let (bytes, depth) = largest.get();
    assert!(bytes < 40_000 && depth <= JSON_DEPTH + 1, "{bytes} bytes, {depth} levels");
    assert_eq!(world.error_code(), "step_budget_exceeded");
}

#[test]
fn a_deep_input_under_a_handler_leaves_a_state_that_reads_back() {
    // The handler is a condition: what it was given becomes the result of the execution.
    let mut a = f("a", Value::Null);
    a["config"] = json!({"onError": "h"});
    let w = workflow(&json!([a, c("h", "true", Value::Null, Value::Null)]));
    let world = ran(&w, &nested(JSON_DEPTH), &|_, _, _| Err(failure("bad")));
    assert_eq!(world.result()["error"]["code"], "bad");
    assert_eq!(read_back(&world), world.execution);
}

#[test]
fn results_and_details_as_deep_as_json_may_be_are_shown() {
    let mut a = f("a", json!("b"));
    a["config"] = json!({"onError": "continue"});
    let w = workflow(&json!([a, f("b", Value::Null)]));
    let details = Some(Payload::from_value(&nested(JSON_DEPTH)));
    let bad = Failure::reported("bad", "no".into(), details, Retry::Never);
    let world = ran(&w, &json!({}), &|_, _, _| Err(bad.clone()));
    let text = crate::execution::view(&world.execution, &w, world.now, true);
    assert!(text.contains("handledErrors") && text.contains("errorDetails"), "{text}");
    let (run, usage) = (RunIx(0), AttemptUsage::default());
    let output = Payload::from_value(&nested(JSON_DEPTH));
    let line = history_line(1, world.now, &Entry::StepSucceeded { run, attempt: 1, output, usage }, |_| None);
    assert_eq!((&line["entry"], line["output"].is_array()), (&json!("step_succeeded"), true));
}

#[test]
fn conditions_that_never_end_stop_before_they_take_the_server_s_time() {
    // Each evaluation costs much, and there is no function between them.
    let much = vec!["input.text.length"; 20].join(" + ");
    let w = workflow(&json!([c("x", &format!("{much} > 0"), json!("x"), Value::Null)]));
    let world = World::start(&w, &json!({"text": "x".repeat(200_000)}));
    assert_eq!(world.error_code(), "step_budget_exceeded");
    assert!(world.execution.runs.len() < 9_000, "before the budget of step runs: {}", world.execution.runs.len());
    assert_eq!(world.view()["errorDetails"]["step"], "x");
}

#[test]
fn a_guests_details_count_for_the_journal() {
    let mut a = f("a", json!("a"));
    a["config"] = json!({"onError": "continue"});
    let w = workflow(&json!([a]));
    let limits = ExecutionLimits { journal_bytes: 5_000, ..ExecutionLimits::default() };
    let mut world = World::start_with(&w, &json!({}), limits);
    let details = Some(Payload::from_value(&json!("x".repeat(1_000))));
    let bad = Failure::reported("bad", "no".into(), details, Retry::Never);
    world.run(|| 0, &|_, _, _| Err(bad.clone()));
    assert_eq!((world.error_code(), world.execution.lines), ("step_budget_exceeded", 6));
}

#[test]
fn a_definition_whose_forks_would_take_minutes_to_analyse_is_refused() {
    let dense = |steps: usize, targets: usize| {
        let next = |i: usize| (1..=targets).map(|k| format!("s{}", (i * 7 + k * 31) % steps)).collect::<Vec<_>>();
        let steps = (0..steps).map(|i| f(&format!("s{i}"), json!(next(i))));
        check("dense", 1, &json!({"steps": steps.collect::<Vec<_>>()}))
    };
    let faults = dense(2_000, 9).expect_err("refused");
    assert_eq!((faults[0].pointer.as_str(), faults[0].code), ("/steps", "too_many"));
    assert!(dense(60, 9).is_ok());
}
