//! Guests that never stop computing, wherever the host lets them begin.

use super::attacks;
use crate::arena::{Arena, Fate};
use crate::guests;
use crate::support::guest;

attacks!(
    loops_in_run,
    loops_in_start,
    loops_in_initialize,
    loops_in_realloc,
    loops_after_the_answer,
    loops_in_memory_fill,
    loops_in_memory_copy,
    loops_in_table_fill,
    grows_and_fails_for_ever,
    recurses_without_end,
    recurses_with_big_frames,
    recurses_through_a_table,
);

fn loops_in_run(arena: &Arena) {
    assert_eq!(arena.fate(&guests::module("", "", "(loop $more (br $more)) unreachable")), Fate::failed("out_of_fuel"));
}

fn loops_in_start(arena: &Arena) {
    let start = "(func $begin (loop $more (br $more))) (start $begin)";
    assert_eq!(arena.fate(&guests::module("", start, "unreachable")), Fate::failed("out_of_fuel"));
}

fn loops_in_initialize(arena: &Arena) {
    let initialize = "(func (export \"_initialize\") (loop $more (br $more)))";
    assert_eq!(arena.fate(&guests::module("", initialize, "unreachable")), Fate::failed("out_of_fuel"));
    assert_eq!(arena.fate(&guest("fixtures/starts_forever")), Fate::failed("out_of_fuel"));
}

/// The host calls the allocator when it hands over the input.
fn loops_in_realloc(arena: &Arena) {
    let looping = guests::embedded(
        r#"(module (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (loop $more (br $more)) unreachable)
            (func (export "stepwell:function/handler@1.0.0#run") (param i32) (result i32) unreachable))"#,
    );
    assert_eq!(arena.fate(&looping), Fate::failed("out_of_fuel"));
}

/// What frees an answer is the guest's code as well.
fn loops_after_the_answer(arena: &Arena) {
    let frees =
        r#"(func (export "cabi_post_stepwell:function/handler@1.0.0#run") (param i32) (loop $more (br $more)))"#;
    let echo = "(call $ok (i32.load offset=72 (local.get $p)) (i32.load offset=76 (local.get $p)))";
    assert_eq!(arena.fate(&guests::module("", frees, echo)), Fate::failed("out_of_fuel"));
}

fn loops_in_memory_fill(arena: &Arena) {
    let run = "(drop (memory.grow (i32.const 512)))
        (loop $more (memory.fill (i32.const 0) (i32.const 1) (i32.const 33554432)) (br $more)) unreachable";
    assert_eq!(arena.fate(&guests::module("", "", run)), Fate::failed("out_of_fuel"));
}

fn loops_in_memory_copy(arena: &Arena) {
    let run = "(drop (memory.grow (i32.const 512)))
        (loop $more (memory.copy (i32.const 1) (i32.const 0) (i32.const 33554430)) (br $more)) unreachable";
    assert_eq!(arena.fate(&guests::module("", "", run)), Fate::failed("out_of_fuel"));
}

fn loops_in_table_fill(arena: &Arena) {
    let run = "(loop $more (table.fill $t (i32.const 0) (ref.null func) (i32.const 50000)) (br $more)) unreachable";
    assert_eq!(arena.fate(&guests::module("", "(table $t 50000 funcref)", run)), Fate::failed("out_of_fuel"));
}

/// Each refused growth is work for the host.
fn grows_and_fails_for_ever(arena: &Arena) {
    let run = "(loop $more (drop (memory.grow (i32.const 65535))) (br $more)) unreachable";
    let fate = arena.fate(&guests::module("", "", run));
    assert!([Fate::failed("out_of_fuel"), Fate::failed("memory_limit")].contains(&fate), "{fate:?}");
}

fn recurses_without_end(arena: &Arena) {
    assert_eq!(arena.fate(&guest("fixtures/recurses_without_end")), Fate::failed("stack_overflow"));
}

fn recurses_with_big_frames(arena: &Arena) {
    assert_eq!(arena.fate(&guest("fixtures/recurses_with_big_frames")), Fate::failed("function_trapped"));
}

fn recurses_through_a_table(arena: &Arena) {
    let items = "(type $none (func)) (table $t 1 funcref) (elem (i32.const 0) $down)
        (func $down (call_indirect $t (type $none) (i32.const 0)))";
    assert_eq!(arena.fate(&guests::module("", items, "(call $down) unreachable")), Fate::failed("stack_overflow"));
}
