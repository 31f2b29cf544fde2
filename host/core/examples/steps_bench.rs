//! Prints what one step costs in executions of 10, 100, 1,000 and 10,000 steps: the core alone, first as it happens, then replayed
//! from the journal. The time of a step must not grow with the number of steps before it or beside it.
//!
//! `cargo run --release -p stepwell-core --example steps_bench`. The machine should have nothing else to do.
#![allow(clippy::expect_used, clippy::disallowed_methods, reason = "a measurement, not a part of the server")]

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Instant;
use stepwell_core::definition::{Workflow, check};
use stepwell_core::execution::{
    Applied, AttemptUsage, Command, Entry, Execution, ExecutionLimits, Phase, Pin, RunIx, Started, Trigger, apply,
    call, replay,
};
use stepwell_core::ids::{Digest, ExecutionId, TenantId};
use stepwell_core::payload::Payload;
use stepwell_core::secrets::SecretValues;
use stepwell_core::time::Timestamp;

/// Above the defaults, which are for one tenant: a loop of 10,000 rounds has a step run for itself.
const LIMITS: ExecutionLimits = ExecutionLimits {
    step_runs: 100_000,
    journal_entries: 100_000,
    journal_bytes: 1 << 30,
    payload_bytes: 4 << 20,
    child_depth: 16,
};
/// Steps of one definition; longer chains go round (2,000 is the limit).
const CHAIN: usize = 1_000;
/// Each measurement is repeated until so many steps have run, and the best counts.
const STEPS: usize = 200_000;

fn main() {
    println!("{:<32}{:>8}{:>12}{:>12}{:>8}{:>8}", "", "steps", "live us", "replay us", "ratio", "ratio");
    table("chain", &[10, 100, 1_000, 10_000], chain);
    table("loop, one step a round", &[10, 100, 1_000, 10_000], looped);
    table("fan-out, joined", &[10, 100, 1_000], |n| fan_out(n, true));
    table("fan-out, each branch ends", &[10, 100, 1_000], |n| fan_out(n, false));
    table("items, all at once", &[10, 100], items);
}

/// One line for each size: microseconds of a step, and how many times those of the first line.
fn table(name: &str, sizes: &[usize], definition: fn(usize) -> Value) {
    let mut first = None;
    for size in sizes {
        let workflow = check("bench", 1, &definition(*size)).expect("a definition").workflow;
        let (live, replayed) = best(&workflow, *size);
        let (first_live, first_replayed) = *first.get_or_insert((live, replayed));
        let ratios = (live / first_live, replayed / first_replayed);
        println!("{name:<32}{size:>8}{live:>12.2}{replayed:>12.2}{:>8.2}{:>8.2}", ratios.0, ratios.1);
    }
}

/// Microseconds of a step, as it happens and replayed.
fn best(workflow: &Workflow, steps: usize) -> (f64, f64) {
    let each = |start: Instant| start.elapsed().as_secs_f64() * 1e6 / steps as f64;
    let (mut live, mut replayed) = (f64::MAX, f64::MAX);
    for _ in 0..(STEPS / steps).clamp(3, 1_000) {
        let start = Instant::now();
        let (execution, journal) = run(workflow);
        live = live.min(each(start));
        let start = Instant::now();
        let again = replay(Execution::blank(execution.id), workflow, journal.iter().map(|(at, entry)| (*at, entry)));
        replayed = replayed.min(each(start));
        assert_eq!(again.expect("replays").lines, execution.lines);
    }
    (live, replayed)
}

/// All that a host would report, with functions that answer at once.
fn run(workflow: &Workflow) -> (Execution, Vec<(Timestamp, Entry)>) {
    let (now, secrets) = (Timestamp(1_000_000), SecretValues::default());
    let mut execution = Execution::blank(ExecutionId::from_bytes([1; 16]));
    let mut journal = Vec::new();
    let mut entries = VecDeque::from([Entry::Started(Box::new(started(workflow)))]);
    let mut todo = VecDeque::new();
    while let Some(entry) = entries.pop_front().or_else(|| answer(&execution, workflow, todo.pop_front()?, &secrets)) {
        let Applied::Changed { next, commands } = apply(&execution, workflow, now, &entry).expect("legal") else {
            continue;
        };
        execution = *next;
        journal.push((now, entry));
        todo.extend(commands.into_iter().filter_map(|command| match command {
            Command::RunAttempt { run, attempt, .. } => Some((run, attempt)),
            _ => None,
        }));
    }
    assert!(matches!(execution.phase, Phase::Completed(_)), "{:?}", execution.phase);
    (execution, journal)
}

fn answer(
    execution: &Execution,
    workflow: &Workflow,
    (run, attempt): (RunIx, u32),
    secrets: &SecretValues,
) -> Option<Entry> {
    call(execution, workflow, run, secrets).expect("an input");
    let output = Payload::parse(r#"{"ok":true}"#).expect("JSON");
    Some(Entry::StepSucceeded { run, attempt, output, usage: AttemptUsage::default() })
}

fn started(workflow: &Workflow) -> Started {
    let pin = |id: &&str| {
        (
            (*id).to_owned(),
            Pin {
                component: Digest([0; 32]),
                function: (*id).to_owned(),
                grants: stepwell_core::grants::Grants::default(),
                effect_free: true,
            },
        )
    };
    Started {
        tenant: TenantId::DEFAULT,
        workflow: workflow.id.clone(),
        revision: workflow.revision,
        trigger: Trigger::api(None),
        input: Payload::parse(r#"{"order":"o-1"}"#).expect("JSON"),
        event: None,
        pins: workflow.functions().iter().map(pin).collect(),
        limits: LIMITS,
        parent: None,
        depth: 0,
        hops: 0,
        rerun: None,
    }
}

fn step(id: &str, next: &Value) -> Value {
    json!({"id": id, "type": "function", "function": "work", "next": next})
}

/// One step after the other; beyond [`CHAIN`] in several rounds.
fn chain(steps: usize) -> Value {
    let length = steps.min(CHAIN);
    let next = |i: usize| if i + 1 < length { json!(format!("s{}", i + 1)) } else { Value::Null };
    let mut all: Vec<Value> = (0..length).map(|i| step(&format!("s{i}"), &next(i))).collect();
    if steps > length {
        let rounds = json!({"items": (0..steps / length).collect::<Vec<_>>()});
        all.insert(0, json!({"id": "rounds", "type": "loop", "next": "s0", "config": rounds}));
    }
    json!({ "steps": all })
}

/// A loop whose body is one step.
fn looped(rounds: usize) -> Value {
    let config = json!({"maxIterations": rounds.max(1_000)});
    let rounds = json!({"id": "rounds", "type": "loop", "condition": format!("index < {rounds}"), "next": "work", "config": config});
    json!({"steps": [rounds, step("work", &Value::Null)]})
}

/// One step, then so many beside each other, which meet in one or end.
fn fan_out(branches: usize, joined: bool) -> Value {
    let names: Vec<String> = (0..branches).map(|i| format!("b{i}")).collect();
    let next = if joined { json!("join") } else { Value::Null };
    let mut all = vec![step("fork", &json!(names))];
    all.extend(names.iter().map(|name| step(name, &next)));
    if joined {
        all.push(step("join", &Value::Null));
    }
    json!({ "steps": all })
}

/// A loop over so many items, all under way at once.
fn items(count: usize) -> Value {
    let config = json!({"items": (0..count).collect::<Vec<_>>(), "concurrency": count});
    let rounds = json!({"id": "rounds", "type": "loop", "next": "work", "config": config});
    json!({"steps": [rounds, step("work", &Value::Null)]})
}
