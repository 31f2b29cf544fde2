//! Ways out of the sandbox, and into what belongs to others.

use super::attacks;
use crate::arena::{Arena, Fate};
use crate::guests;
use crate::support::guest;
use serde_json::json;

attacks!(
    reads_a_file,
    imports_sockets,
    imports_what_nobody_has,
    imports_the_runner_of_scripts,
    looks_for_an_environment,
    reads_beyond_its_memory,
    finds_nothing_of_the_call_before,
);

fn reads_a_file(arena: &Arena) {
    let fate = arena.fate(&guest("fixtures/reads_a_file"));
    assert!(matches!(fate, Fate::Failed(_)), "{fate:?}");
}

fn imports_sockets(arena: &Arena) {
    for name in ["tcp", "udp", "instance-network", "ip-name-lookup", "network"] {
        let component = wat::parse_str(format!("(component (import \"wasi:sockets/{name}@0.2.0\" (instance)))"));
        assert_eq!(arena.refusal(&component.expect("wat")), "wrong_world", "{name}");
    }
}

fn imports_what_nobody_has(arena: &Arena) {
    assert_eq!(arena.fate(&guest("fixtures/unknown_import")), Fate::refused("wrong_world"));
}

/// The runner's world is for the server's own guest.
fn imports_the_runner_of_scripts(arena: &Arena) {
    let component = wat::parse_str("(component (import \"stepwell:script/runner@1.0.0\" (instance)))").expect("wat");
    assert_eq!(arena.refusal(&component), "wrong_world");
}

fn looks_for_an_environment(arena: &Arena) {
    let reads = guests::module(
        r#"(import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))"#,
        "",
        "(drop (call $sizes (i32.const 600) (i32.const 604)))
         (i32.store8 (i32.const 700) (i32.add (i32.const 48) (i32.load (i32.const 600))))
         (call $ok (i32.const 700) (i32.const 1))",
    );
    assert_eq!(arena.fate(&reads), Fate::Answered(json!(0)));
}

fn reads_beyond_its_memory(arena: &Arena) {
    assert_eq!(arena.fate(&guest("fixtures/reads_out_of_bounds")), Fate::failed("function_trapped"));
    // The last byte before four gigabytes: the farthest that an address can say.
    let far = guests::module("", "", "(drop (i64.load offset=4294967287 (i32.const -1))) unreachable");
    assert_eq!(arena.fate(&far), Fate::failed("function_trapped"));
}

/// A slot of the pool is used again and again. Each call writes a mark all over its memory and looks for one first.
fn finds_nothing_of_the_call_before(arena: &Arena) {
    let run = "(local $at i32) (local $found i32)
        (drop (memory.grow (i32.const 64)))
        (local.set $at (i32.const 65536))
        (loop $more
            (local.set $found (i32.or (local.get $found) (i32.load (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (br_if $more (i32.lt_u (local.get $at) (i32.const 4194304))))
        (memory.fill (i32.const 65536) (i32.const 119) (i32.const 4128768))
        (i32.store8 (i32.const 700) (i32.add (i32.const 48) (i32.ne (i32.const 0) (local.get $found))))
        (call $ok (i32.const 700) (i32.const 1))";
    let id = arena.upload(&guests::module("", "", run)).expect("fits");
    for _ in 0..40 {
        assert_eq!(arena.call(&id, &json!({})), Fate::Answered(json!(0)));
    }
}
