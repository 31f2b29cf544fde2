//! Guests that wait, or make the host wait.

use super::attacks;
use crate::arena::{Arena, Fate};
use crate::guests;
use crate::support::guest;
use serde_json::json;

attacks!(
    sleeps_past_the_deadline,
    blocks_on_a_pollable_past_the_deadline,
    polls_a_thousand_pollables,
    polls_without_waiting_for_ever,
    reads_standard_input,
    waits_in_many_calls_at_once,
);

/// WASI as far as these need it. The names and types are WASI's own.
const WASI: &str = r#"
    package attack:waiting@1.0.0;
    world waits {
        import wasi:io/poll@0.2.6;
        import wasi:clocks/monotonic-clock@0.2.6;
        export stepwell:function/handler@1.0.0;
    }
    package wasi:io@0.2.6 {
        interface poll {
            resource pollable { ready: func() -> bool; block: func(); }
            poll: func(in: list<borrow<pollable>>) -> list<u32>;
        }
    }
    package wasi:clocks@0.2.6 {
        interface monotonic-clock {
            use wasi:io/poll@0.2.6.{pollable};
            type duration = u64;
            subscribe-duration: func(when: duration) -> pollable;
        }
    }
"#;

const IMPORTS: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/poll@0.2.6" "[method]pollable.ready" (func $ready (param i32) (result i32)))
    (import "wasi:io/poll@0.2.6" "poll" (func $poll (param i32 i32 i32)))"#;

/// A guest that waits by WASI's own means.
pub fn waits(run: &str) -> Vec<u8> {
    guests::in_world(WASI, "waits", (IMPORTS, "", run))
}

/// Runs a guest as a step with a timeout of half a second: its code.
fn step(arena: &Arena, wasm: &[u8]) -> String {
    let id = arena.upload(wasm).unwrap_or_else(|answer| panic!("{:#}", answer.body));
    let steps = json!([{"id": "only", "type": "function", "function": id, "config": {"timeout": "500ms"}}]);
    let ended = arena.run(&json!({"name": id, "steps": steps}), &json!({}));
    crate::support::failure(&ended).0
}

fn sleeps_past_the_deadline(arena: &Arena) {
    assert_eq!(step(arena, &guest("fixtures/sleeps")), "function_timeout");
}

fn blocks_on_a_pollable_past_the_deadline(arena: &Arena) {
    let run = "(call $block (call $after (i64.const 3600000000000))) unreachable";
    assert_eq!(step(arena, &waits(run)), "function_timeout");
    let longest = "(call $block (call $after (i64.const -1))) unreachable";
    assert_eq!(step(arena, &waits(longest)), "function_timeout");
}

/// More than the host keeps for one guest.
fn polls_a_thousand_pollables(arena: &Arena) {
    let run = "(local $at i32)
        (loop $more
            (i32.store (i32.add (i32.const 8192) (local.get $at)) (call $after (i64.const 3600000000000)))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (br_if $more (i32.lt_u (local.get $at) (i32.const 40000))))
        (call $poll (i32.const 8192) (i32.const 10000) (i32.const 0)) unreachable";
    let fate = arena.fate(&waits(run));
    assert!(matches!(&fate, Fate::Failed(code) if code == "function_trapped"), "{fate:?}");
}

/// Every question whether it is time yet is work for the host, and must be paid for.
fn polls_without_waiting_for_ever(arena: &Arena) {
    let run = "(local $never i32) (local.set $never (call $after (i64.const 3600000000000)))
        (loop $more (drop (call $ready (local.get $never))) (br $more)) unreachable";
    let code = step(arena, &waits(run));
    assert!(["out_of_fuel", "function_timeout"].contains(&code.as_str()), "{code}");
}

/// There is none: its end comes at once.
fn reads_standard_input(arena: &Arena) {
    let reads = guests::module(
        r#"(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))"#,
        "",
        "(i32.store (i32.const 512) (i32.const 1024)) (i32.store (i32.const 516) (i32.const 64))
         (i32.store (i32.const 600) (i32.const -1))
         (drop (call $read (i32.const 0) (i32.const 512) (i32.const 1) (i32.const 600)))
         (i32.store8 (i32.const 700) (i32.add (i32.const 48) (i32.load (i32.const 600))))
         (call $ok (i32.const 700) (i32.const 1))",
    );
    assert_eq!(arena.fate(&reads), Fate::Answered(json!(0)));
}

/// All slots of the attacker's are asleep: the other tenant has its own.
fn waits_in_many_calls_at_once(arena: &Arena) {
    let id = arena.upload(&waits("(call $block (call $after (i64.const -1))) unreachable")).expect("fits");
    let steps = json!([
        {"id": "all", "type": "loop", "config": {"items": "input.items", "concurrency": 100}, "next": "one"},
        {"id": "one", "type": "function", "function": id, "config": {"timeout": "2s"}}]);
    let items: Vec<u32> = (0..100).collect();
    let ended = arena.run(&json!({"name": "many", "steps": steps}), &json!({"items": items}));
    assert_eq!(ended["status"], "failed", "{ended:#}");
}
