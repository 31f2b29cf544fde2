//! Guests that want memory, in large and in many small pieces.

use super::attacks;
use crate::arena::{Arena, Fate};
use crate::guests;
use crate::support::guest;

attacks!(
    allocates_without_end,
    starts_with_a_huge_memory,
    many_small_memories,
    many_memories_that_grow,
    many_tables,
    a_table_that_grows,
    many_core_instances,
    huge_data_segments,
);

/// The code of a guest that is refused at the upload or fails when it is called.
fn stopped(arena: &Arena, wasm: &[u8], codes: &[&str]) {
    let fate = arena.fate(wasm);
    let (Fate::Refused(code) | Fate::Failed(code)) = &fate else { panic!("{fate:?}") };
    assert!(codes.contains(&code.as_str()), "{fate:?}");
}

fn allocates_without_end(arena: &Arena) {
    assert_eq!(arena.fate(&guest("fixtures/allocates_without_end")), Fate::failed("memory_limit"));
}

fn starts_with_a_huge_memory(arena: &Arena) {
    // 200 MiB: less than a slot of the pool, more than an attempt may have.
    stopped(arena, &guests::module("", "(memory 3200)", "unreachable"), &["memory_limit", "component_too_complex"]);
    stopped(arena, &guests::module("", "(memory 65536)", "unreachable"), &["component_too_complex"]);
}

fn many_small_memories(arena: &Arena) {
    stopped(arena, &guests::module("", &"(memory 1)".repeat(90), "unreachable"), &["component_too_complex"]);
    stopped(arena, &guests::module("", &"(memory 1)".repeat(1_000), "unreachable"), &["invalid_wasm"]);
}

/// As many as a component may have: together they stay within the limit of one.
fn many_memories_that_grow(arena: &Arena) {
    let run = "(loop $more
        (br_if $more (i32.ne (i32.const -1) (memory.grow 0 (i32.const 16))))
        (br_if $more (i32.ne (i32.const -1) (memory.grow 1 (i32.const 16))))) (unreachable)";
    let fate = arena.fate(&guests::module("", "(memory 1)", run));
    assert_eq!(fate, Fate::failed("memory_limit"));
}

fn many_tables(arena: &Arena) {
    stopped(arena, &guests::module("", &"(table 1 funcref)".repeat(90), "unreachable"), &["component_too_complex"]);
    stopped(arena, &guests::module("", &"(table 1 funcref)".repeat(1_000), "unreachable"), &["invalid_wasm"]);
}

fn a_table_that_grows(arena: &Arena) {
    let run = "(loop $more
        (br_if $more (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 1000))))) (unreachable)";
    let fate = arena.fate(&guests::module("", "(table $t 1 funcref)", run));
    assert!(
        matches!(&fate, Fate::Failed(code) if ["function_trapped", "memory_limit", "out_of_fuel"].contains(&code.as_str())),
        "{fate:?}"
    );
}

fn many_core_instances(arena: &Arena) {
    let instances = "(core instance (instantiate $m))".repeat(5_000);
    let component = wat::parse_str(format!("(component (core module $m) {instances})")).expect("wat");
    assert!(["component_too_complex", "wrong_world", "invalid_wasm"].contains(&arena.refusal(&component).as_str()));
}

fn huge_data_segments(arena: &Arena) {
    // More bytes than the memory that they go to: a trap when it starts.
    let data = format!("(data (i32.const 65530) \"{}\")", "x".repeat(1 << 20));
    stopped(arena, &guests::module("", &data, "unreachable"), &["function_trapped"]);
}
