//! Calls of hand-made guests: faults that no compiler's output shows, and what holds between calls.
#![allow(clippy::expect_used, reason = "these are tests")]

use crate::common::{Sandbox, fault, guests, invocation};
use std::time::Duration;
use stepwell_engine::ports::{Fault, Invocation, NoHost, Outcome};

/// A call that ends only when it is dropped.
async fn endless(sandbox: &Sandbox) -> Invocation {
    let prepared = sandbox.upload(guests::module("", "", "(loop $more (br $more)) unreachable")).await.expect("fits");
    let mut invocation = invocation(&prepared, "1");
    invocation.limits.timeout = Duration::from_secs(600);
    invocation.limits.fuel = u64::MAX;
    invocation
}

/// Calls until there is a slot, which a probe may hold for a moment.
async fn with_a_slot(sandbox: &Sandbox, invocation: &Invocation) -> Outcome {
    loop {
        let outcome = sandbox.runtime.invoke(invocation.clone(), NoHost::shared()).await;
        if outcome.result != Err(Fault::NoCapacity) {
            return outcome;
        }
    }
}

/// Returns once no slot is free.
async fn no_slot(sandbox: &Sandbox, probe: &Invocation) {
    while sandbox.runtime.invoke(probe.clone(), NoHost::shared()).await.result != Err(Fault::NoCapacity) {
        // The slot is free here, and whoever waits for it must get to see that: the next probe would take it again at once.
        tokio::task::yield_now().await;
    }
}

const LOG: &str = r#"(import "stepwell:function/log@1.0.0" "log" (func $log (param i32 i32 i32 i32 i32)))"#;

#[tokio::test]
async fn echo() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.call(guests::echo(), r#"{"a":"ü"}"#).await;
    assert_eq!(outcome.result.expect("answer").as_str(), r#"{"a":"ü"}"#);
    assert_eq!(outcome.usage.memory_bytes, 128 << 10);
}

#[tokio::test]
async fn an_answer_is_taken_over_before_the_guest_frees_it() {
    let sandbox = Sandbox::new();
    let frees = guests::module(
        "",
        r#"(func (export "cabi_post_stepwell:function/handler@1.0.0#run") (param i32)
            (memory.fill (i32.const 0) (i32.const 120) (i32.const 131072)))"#,
        "(call $ok (i32.load offset=72 (local.get $p)) (i32.load offset=76 (local.get $p)))",
    );
    assert_eq!(sandbox.call(frees, "[1,2]").await.result.expect("answer").as_str(), "[1,2]");
}

#[tokio::test]
async fn every_call_has_a_fresh_instance() {
    let sandbox = Sandbox::new();
    let counter = guests::module(
        "",
        r#"(global $calls (mut i32) (i32.const 0))"#,
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (i32.store8 (i32.const 300) (i32.add (global.get $calls) (i32.load8_u (i32.const 300))))
         (i32.store8 (i32.const 301) (i32.add (i32.const 48) (i32.load8_u (i32.const 300))))
         (call $ok (i32.const 301) (i32.const 1))",
    );
    for _ in 0..20 {
        assert_eq!(sandbox.call(counter.clone(), "1").await.result.expect("answer").as_str(), "1");
    }
}

#[tokio::test]
async fn memory_counts_from_the_first_page() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.call_with(guests::echo(), "1", |l| l.memory_bytes = 64 << 10).await;
    assert_eq!(fault(outcome), Fault::MemoryLimit);
    // It asks for more than it may have, is refused, and answers all the same: no fault.
    let modest = guests::module(
        "",
        "",
        "(drop (memory.grow (i32.const 4000))) (i32.store8 (i32.const 300) (i32.const 49)) (call $ok (i32.const 300) (i32.const 1))",
    );
    let outcome = sandbox.call(modest, "1").await;
    assert_eq!(outcome.result.expect("answer").as_str(), "1");
    assert_eq!(outcome.usage.memory_bytes, 128 << 10);
}

#[tokio::test]
async fn a_result_that_cannot_be_taken_over_is_the_guests_fault() {
    let sandbox = Sandbox::new();
    let far = guests::module("", "", "(call $ok (i32.const 131070) (i32.const 100))");
    assert_eq!(fault(sandbox.call(far, "1").await), Fault::OutputLimit);
    let nowhere = guests::module("", "", "(i32.const -8)");
    assert_eq!(fault(sandbox.call(nowhere, "1").await), Fault::OutputLimit);
}

#[tokio::test]
async fn a_log_line_is_escaped_and_its_flood_costs_fuel() {
    let sandbox = Sandbox::new();
    let said = guests::module(
        LOG,
        r#"(data (i32.const 1024) "\1b[31mred") (data (i32.const 1040) "\00\05\00\00\03\00\00\00\03\05\00\00\01\00\00\00") (data (i32.const 1280) "keyv")"#,
        "(call $log (i32.const 4) (i32.const 1024) (i32.const 8) (i32.const 1040) (i32.const 1))
         (call $ok (i32.load offset=72 (local.get $p)) (i32.load offset=76 (local.get $p)))",
    );
    let outcome = sandbox.call(said, "1").await;
    let line = &outcome.log[0];
    assert_eq!((line.level, line.message.as_str()), ("error", "\u{fffd}[31mred"));
    assert_eq!(line.fields, [("key".to_owned(), "v".to_owned())]);
    assert!(outcome.usage.fuel > 1_000, "the host's work is paid for: {}", outcome.usage.fuel);
    let flood = guests::module(
        LOG,
        "",
        "(loop $more (call $log (i32.const 0) (i32.const 70000) (i32.const 60000) (i32.const 0) (i32.const 0)) (br $more)) unreachable",
    );
    let outcome = sandbox.call_with(flood, "1", |l| l.fuel = 10_000_000).await;
    assert_eq!(fault(outcome), Fault::OutOfFuel);
}

#[tokio::test]
async fn a_trap_names_the_innermost_functions() {
    let sandbox = Sandbox::new();
    let deep = guests::module(
        "",
        "(func $inner (result i32) unreachable) (func $outer (result i32) (call $inner))",
        "(call $outer)",
    );
    let Fault::Trapped(text) = fault(sandbox.call(deep, "1").await) else { panic!("not a trap") };
    assert!(text.contains("unreachable") && text.ends_with("in inner < outer < run"), "{text}");
}

#[tokio::test]
async fn calls_beyond_the_slots_wait_their_turn() {
    let sandbox = Sandbox::with(|config| config.max_concurrent = 1);
    let endless = endless(&sandbox).await;
    let quick = invocation(&sandbox.upload(guests::echo()).await.expect("fits"), "1");
    tokio::select! {
        outcome = with_a_slot(&sandbox, &endless) => panic!("it ended: {outcome:?}"),
        () = no_slot(&sandbox, &quick) => {}
    }
}

#[tokio::test]
async fn dropping_the_call_stops_the_guest() {
    let sandbox = Sandbox::with(|config| {
        config.max_concurrent = 1;
        config.guest_threads = 1;
    });
    let endless = endless(&sandbox).await;
    let quick = invocation(&sandbox.upload(guests::echo()).await.expect("fits"), "1");
    tokio::select! {
        outcome = with_a_slot(&sandbox, &endless) => panic!("it ended: {outcome:?}"),
        () = no_slot(&sandbox, &quick) => {}
    }
    // The slot, and the only thread, come back.
    assert!(with_a_slot(&sandbox, &quick).await.result.is_ok());
}

#[tokio::test]
async fn computing_guests_leave_the_thread_to_others() {
    let sandbox = Sandbox::with(|config| config.guest_threads = 1);
    let endless = endless(&sandbox).await;
    let quick = invocation(&sandbox.upload(guests::echo()).await.expect("fits"), "1");
    let others = async {
        for _ in 0..10 {
            assert!(sandbox.runtime.invoke(quick.clone(), NoHost::shared()).await.result.is_ok());
        }
    };
    tokio::select! {
        outcome = sandbox.runtime.invoke(endless.clone(), NoHost::shared()) => panic!("it ended: {outcome:?}"),
        () = others => {}
    }
}

#[tokio::test]
async fn without_a_pool_it_works_the_same() {
    let sandbox = Sandbox::with(|config| config.pooling = false);
    assert!(sandbox.call(guests::echo(), "1").await.result.is_ok());
}

#[tokio::test]
async fn a_component_that_is_not_stored_is_the_hosts_fault() {
    let sandbox = Sandbox::new();
    let prepared = sandbox.upload(guests::echo()).await.expect("fits");
    let mut lost = invocation(&prepared, "1");
    lost.component = stepwell_core::ids::Digest([9; 32]);
    assert!(
        matches!(fault(sandbox.runtime.invoke(lost, NoHost::shared()).await), Fault::Host(m) if m.contains("not stored"))
    );
}
