//! Data and control flow outside of joins (D1-D9, C1-C6, C14-C17).

use super::*;
use crate::failure::{Source, code};

fn with_config(mut step: Value, config: Value) -> Value {
    step["config"] = config;
    step
}

#[test]
fn the_first_step_gets_the_input_unchanged_and_later_ones_the_merge() {
    let w = workflow(&json!([f("a", json!("x")), c("x", "true", json!("b"), Value::Null), f("b", Value::Null)]));
    for (input, first, second) in [
        (json!({"k": 1}), json!({"k": 1}), json!({"k": 1, "v": 2})),
        (json!(null), json!(null), json!({"input": null, "v": 2})),
        (json!([1]), json!([1]), json!({"input": [1], "v": 2})),
    ] {
        let world = ran(&w, &input, &|step, given, _| {
            if step == "a" {
                assert_eq!(given, &first);
                return Ok(json!({"v": 2}));
            }
            Ok(given.clone())
        });
        assert_eq!(world.result(), second);
    }
}

#[test]
fn a_condition_before_the_first_value_passes_the_input_unchanged() {
    let w = workflow(&json!([c("x", "result.k === 1 && input.k === 1", json!("a"), Value::Null), f("a", Value::Null)]));
    assert_eq!(ran(&w, &json!({"k": 1}), &|_, given, _| Ok(given.clone())).result(), json!({"k": 1}));
}

#[test]
fn config_input_replaces_the_merge_and_parameters_come_on_top() {
    for (config, expected) in [
        (json!({"input": "result.v"}), json!([1])),
        (json!({"input": {"got": "{{ result.v }}", "text": "v={{result.v[0]}}"}}), json!({"got": [1], "text": "v=1"})),
        (json!({"channel": "{{ input.k }}"}), json!({"k": "in", "v": [1], "channel": "in"})),
        (json!({"input": "result.v", "extra": 1}), json!({"input": [1], "extra": 1})),
    ] {
        let w = workflow(&json!([f("a", json!("b")), with_config(f("b", Value::Null), config.clone())]));
        let world = ran(&w, &json!({"k": "in"}), &|step, given, _| {
            Ok(if step == "a" { json!({"v": [1]}) } else { given.clone() })
        });
        assert_eq!(world.result(), expected, "{config}");
    }
}

#[test]
fn a_false_condition_without_else_ends_its_path_quietly() {
    let w = workflow(&json!([f("a", json!("x")), c("x", "false", json!("b"), Value::Null), f("b", Value::Null)]));
    let world = ran(&w, &json!({}), &own_id);
    assert_eq!(world.result(), json!("a"), "no path finished: the result of the one that ended last");
    assert_eq!(world.view()["steps"]["x"]["outcome"], false);
    assert_eq!(world.view()["steps"]["b"]["status"], "skipped");
}

#[test]
fn several_finished_paths_give_a_map() {
    let w = workflow(&json!([f("a", json!(["b", "c"])), f("b", Value::Null), f("c", Value::Null)]));
    assert_eq!(in_every_order(&w, &json!({}), &own_id), json!({"b": "b", "c": "c"}));
}

#[test]
fn output_fixes_the_shape() {
    let mut d = json!({"steps": [f("a", json!(["b", "c"])), f("b", Value::Null), f("c", Value::Null)]});
    d["output"] = json!("steps.c.result");
    assert_eq!(ran(&definition(&d), &json!({}), &own_id).result(), json!("c"));
    d["output"] = json!("nothing.here");
    assert_eq!(ran(&definition(&d), &json!({}), &own_id).error_code(), "expression_error");
}

#[test]
fn bare_names_come_from_result_then_input() {
    let w = workflow(&json!([
        f("a", json!("x")),
        c("x", "score > 1 && name === 'n'", json!("b"), json!("c")),
        f("b", Value::Null),
        f("c", Value::Null)
    ]));
    let world = ran(&w, &json!({"score": 0, "name": "n"}), &|step, _, _| {
        Ok(if step == "a" { json!({"score": 2}) } else { json!(step) })
    });
    assert_eq!(world.result(), json!("b"));
}

#[test]
fn an_unknown_name_is_a_failure_that_says_what_is_there() {
    let w = workflow(&json!([c("x", "nobody > 1", json!("a"), Value::Null), f("a", Value::Null)]));
    let world = ran(&w, &json!({"score": 0}), &own_id);
    assert_eq!(world.error_code(), "expression_error");
    let error = world.view()["error"].as_str().expect("text").to_owned();
    assert!(error.contains("nobody") && error.contains("score") && error.contains("steps"), "{error}");
}

#[test]
fn steps_shows_the_latest_run_that_this_path_has_passed() {
    let w = workflow(&json!([
        f("a", json!(["b", "c"])),
        f("b", json!("x")),
        f("c", json!("y")),
        c("x", "steps.b.result === 'b' && steps.c.status === 'pending'", json!("p"), Value::Null),
        f("p", Value::Null),
        c("y", "steps.a.attempts === 1 && steps.nowhere === undefined", json!("q"), Value::Null),
        f("q", Value::Null)
    ]));
    assert_eq!(in_every_order(&w, &json!({}), &own_id), json!({"p": "p", "q": "q"}));
}

#[test]
fn in_a_cycle_steps_shows_the_last_run_and_not_the_one_under_way() {
    let w = workflow(&json!([
        with_config(f("page", json!("more")), json!({"input": {"cursor": "{{ steps.page.result?.next }}"}})),
        c(
            "more",
            "result.next < 3 && (steps.more.status === 'pending') === (result.next === 1)",
            json!("page"),
            Value::Null
        )
    ]));
    let seen = std::cell::RefCell::new(Vec::new());
    let world = ran(&w, &json!({}), &|_, given, _| {
        seen.borrow_mut().push(given["cursor"].clone());
        Ok(json!({"next": given["cursor"].as_f64().unwrap_or(0.0) + 1.0}))
    });
    assert_eq!(seen.into_inner(), [Value::Null, json!(1), json!(2)]);
    assert_eq!(world.result(), json!({"next": 3.0}));
}

#[test]
fn retries_are_attempts_after_the_first() {
    let config = json!({"retries": 2, "retry": {"delay": 10, "backoff": "constant"}});
    let w = workflow(&json!([with_config(f("a", Value::Null), config)]));
    let world = ran(&w, &json!({}), &|_, _, attempt| {
        if attempt < 3 { Err(retryable("down")) } else { Ok(json!(attempt)) }
    });
    assert_eq!(world.result(), json!(3));
    assert_eq!(world.view()["steps"]["a"]["attempts"], 3);
    let world = ran(&w, &json!({}), &|_, _, _| Err(retryable("down")));
    assert_eq!((world.error_code(), &world.view()["steps"]["a"]["attempts"]), ("down", &json!(3)));
    let world = ran(&w, &json!({}), &|_, _, _| Err(failure("never")));
    assert_eq!((world.error_code(), &world.view()["steps"]["a"]["attempts"]), ("never", &json!(1)));
}

#[test]
fn a_pause_before_a_retry_is_seen_as_retrying() {
    let config = json!({"retries": 1, "retry": {"delay": "5s", "backoff": "constant"}});
    let w = workflow(&json!([with_config(f("a", Value::Null), config)]));
    let mut world = World::start(&w, &json!({}));
    world.step(0, &|_, _, _| Err(retryable("down")));
    assert_eq!((&world.view()["status"], &world.view()["state"]), (&json!("running"), &json!("retrying")));
    let not_before = Some(world.now.plus(5_000));
    assert_eq!(outstanding(&world.execution), [Command::RunAttempt { run: RunIx(0), attempt: 2, not_before }]);
    world.now = world.now.plus(5_000);
    assert_eq!(world.view()["state"], "running");
}

#[test]
fn a_guest_chooses_its_own_pause() {
    let w = workflow(&json!([with_config(f("a", Value::Null), json!({"retries": 1}))]));
    let mut world = World::start(&w, &json!({}));
    let after = |ms| Failure::reported("busy", "later".into(), None, Retry::Again { after_ms: Some(ms) });
    world.step(0, &|_, _, _| Err(after(u64::MAX)));
    let day = Some(world.now.plus(86_400_000));
    assert_eq!(outstanding(&world.execution), [Command::RunAttempt { run: RunIx(0), attempt: 2, not_before: day }]);
}

#[test]
fn a_handler_sees_the_failure_and_the_input() {
    let w = workflow(&json!([
        with_config(f("a", json!("b")), json!({"onError": "h"})),
        f("b", Value::Null),
        f("h", json!("x")),
        c("x", "error.code === 'bad' && error.step === 'a'", json!("n"), Value::Null),
        f("n", Value::Null)
    ]));
    let world = ran(&w, &json!({"k": 1}), &|step, given, _| match step {
        "a" => Err(failure("bad")),
        "h" => Ok(json!({"h": given})),
        _ => Ok(given["h"].clone()),
    });
    let error = json!({"code": "bad", "message": "bad happened", "step": "a", "attempt": 1});
    assert_eq!(world.result(), json!({"k": 1, "error": error, "input": {"k": 1}}));
    let view = world.view();
    assert_eq!((&view["status"], &view["handledErrors"][0]["step"]), (&json!("completed"), &json!("a")));
    assert_eq!(view["steps"]["b"]["status"], "skipped", "`next` is not taken");
}

#[test]
fn continue_goes_on_with_null() {
    let w = workflow(&json!([with_config(f("a", json!("b")), json!({"onError": "continue"})), f("b", Value::Null)]));
    let world = ran(&w, &json!({"k": 1}), &|step, given, _| {
        if step == "a" { Err(failure("bad")) } else { Ok(given.clone()) }
    });
    assert_eq!(world.result(), json!({"k": 1, "result": null}));
    assert_eq!(world.view()["handledErrors"][0]["code"], "bad");
}

#[test]
fn a_condition_that_throws_is_handled_too() {
    let x = json!({"id": "x", "type": "condition", "condition": "input.a.b.c", "config": {"onError": "h"}});
    let world_of = workflow(&json!([x, f("h", Value::Null)]));
    let world = ran(&world_of, &json!({"k": 1}), &|_, given, _| Ok(given["error"]["code"].clone()));
    assert_eq!(world.result(), json!("expression_error"));
}

#[test]
fn a_cycle_ends_at_the_budget() {
    let w = workflow(&json!([c("x", "true", json!("y"), Value::Null), c("y", "true", json!("x"), Value::Null)]));
    let limits = ExecutionLimits { step_runs: 50, ..ExecutionLimits::default() };
    let world = World::start_with(&w, &json!({}), limits);
    assert_eq!((world.error_code(), world.execution.runs.len()), (code::STEP_BUDGET_EXCEEDED, 50));
}

#[test]
fn a_journal_that_grows_too_long_ends_the_execution() {
    let w = workflow(&json!([f("a", json!("a"))]));
    for limits in [
        ExecutionLimits { journal_entries: 10, ..ExecutionLimits::default() },
        ExecutionLimits { journal_bytes: 30, ..ExecutionLimits::default() },
    ] {
        let mut world = World::start_with(&w, &json!({}), limits);
        world.run(|| 0, &own_id);
        assert_eq!(
            (world.error_code(), world.execution.lines),
            (code::STEP_BUDGET_EXCEEDED, if limits.journal_entries == 10 { 10 } else { 12 })
        );
    }
}

#[test]
fn the_whole_execution_has_a_timeout() {
    let w = definition(&json!({"timeout": "5s", "steps": [f("a", json!("b")), f("b", Value::Null)]}));
    let mut world = World::start(&w, &json!({}));
    assert_eq!(world.execution.deadline, Some(world.now.plus(5_000)));
    world.now = world.now.plus(5_000);
    assert!(world.happened(Entry::DeadlinePassed));
    assert_eq!(world.error_code(), code::EXECUTION_TIMEOUT);
    assert_eq!(
        (&world.view()["state"], &world.view()["steps"]["a"]["status"]),
        (&json!("timed_out"), &json!("cancelled"))
    );
    assert!(world.todo.is_empty(), "the attempt is stopped");
}

#[test]
fn the_third_abnormal_end_is_the_steps_failure() {
    let w = workflow(&json!([
        with_config(f("a", Value::Null), json!({"retries": 5, "onError": "h"})),
        f("h", Value::Null)
    ]));
    let mut world = World::start(&w, &json!({}));
    for _ in 0..3 {
        world.todo.clear();
        assert!(world.happened(Entry::AttemptLost { run: RunIx(0), attempt: 1 }));
    }
    world.run(|| 0, &|_, given, _| Ok(given["error"]["code"].clone()));
    assert_eq!(world.result(), json!("host_fault"));
    assert_eq!(world.view()["steps"]["a"]["attempts"], 1, "none of them counted");
    assert_eq!(world.execution.handled[0].source, Source::Host);
}

#[test]
fn the_idempotency_key_is_the_same_for_each_attempt_and_new_for_each_run() {
    let w = workflow(&json!([
        with_config(f("a", json!("x")), json!({"retries": 1})),
        c("x", "steps.a.result < 2", json!("a"), Value::Null)
    ]));
    let mut world = World::start(&w, &json!({}));
    let key = |world: &World<'_>, run| {
        call(&world.execution, world.workflow, RunIx(run), &world.secrets).expect("call").idempotency_key
    };
    let first = key(&world, 0);
    world.step(0, &|_, _, _| Err(retryable("down")));
    assert_eq!(key(&world, 0), first);
    world.step(0, &|_, _, _| Ok(json!(1)));
    let second = key(&world, 2);
    assert!(first.ends_with("/a/-/1") && second.ends_with("/a/-/2"), "{first} {second}");
}
