//! Guests that say, ask or hold too much.

use super::attacks;
use crate::arena::{Arena, Fate};
use crate::guests;
use crate::support::guest;
use serde_json::json;

attacks!(
    floods_the_log,
    floods_standard_output,
    logs_one_huge_line,
    asks_for_random_bytes_for_ever,
    holds_handles_without_end,
    calls_the_log_for_ever,
);

/// The lines that an execution of one step left.
fn logged(arena: &Arena, fixture: &str) -> usize {
    let id = arena.upload(&guest(&format!("fixtures/{fixture}"))).expect("fits");
    let ended =
        arena.run(&json!({"name": id, "steps": [{"id": "only", "type": "function", "function": id}]}), &json!({}));
    let path = format!("/workflows/executions/{}/logs?limit=1000", ended["executionId"].as_str().expect("id"));
    arena.mallory.get(&path).ok(200).to_string().len()
}

fn floods_the_log(arena: &Arena) {
    assert!(logged(arena, "floods_log") < 1 << 20);
}

fn floods_standard_output(arena: &Arena) {
    assert!(logged(arena, "floods_stdout") < 1 << 20);
}

fn logs_one_huge_line(arena: &Arena) {
    assert!(logged(arena, "logs_a_huge_line") < 1 << 20);
}

fn asks_for_random_bytes_for_ever(arena: &Arena) {
    let fate = arena.fate(&guest("fixtures/reads_random_bytes_without_end"));
    assert!([Fate::failed("out_of_fuel"), Fate::failed("function_timeout")].contains(&fate), "{fate:?}");
}

fn holds_handles_without_end(arena: &Arena) {
    let run = "(loop $more (drop (call $after (i64.const 1))) (br $more)) unreachable";
    let fate = arena.fate(&super::waiting::waits(run));
    assert_eq!(fate, Fate::failed("function_trapped"));
}

/// Lines of no bytes: nothing is kept, but each costs.
fn calls_the_log_for_ever(arena: &Arena) {
    let import = r#"(import "stepwell:function/log@1.0.0" "log" (func $log (param i32 i32 i32 i32 i32)))"#;
    let run = "(loop $more
        (call $log (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (br $more)) unreachable";
    assert_eq!(arena.fate(&guests::module(import, "", run)), Fate::failed("out_of_fuel"));
}
