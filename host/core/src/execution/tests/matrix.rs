//! Every entry in every state: what changes, what is ignored, what is illegal.

use super::*;
use crate::execution::{AttemptUsage, Stale};

/// The states that an entry can meet.
fn states(w: &Workflow) -> Vec<(&'static str, Execution)> {
    let blank = Execution::blank(ExecutionId::from_bytes([1; 16]));
    let mut world = World::start(w, &json!({}));
    let first_attempt = world.execution.clone();
    world.step(0, &|_, _, _| Err(retryable("down")));
    let retrying = world.execution.clone();
    world.step(0, &own_id);
    let first_step_done = world.execution.clone();
    let mut failed = world.clone();
    failed.step(0, &|_, _, _| Err(failure("bad")));
    world.run(|| 0, &own_id);
    vec![
        ("blank", blank),
        ("first attempt", first_attempt),
        ("second attempt", retrying),
        ("second step", first_step_done),
        ("completed", world.execution),
        ("failed", failed.execution),
    ]
}

fn entries(w: &Workflow) -> Vec<(&'static str, Entry)> {
    let started = World::start(w, &json!({})).journal[0].1.clone();
    let (run, usage) = (RunIx(0), AttemptUsage::default());
    let succeeded = |attempt| Entry::StepSucceeded { run, attempt, output: Payload::null(), usage };
    vec![
        ("started", started),
        ("succeeded 1", succeeded(1)),
        ("succeeded 2", succeeded(2)),
        ("succeeded 3", succeeded(3)),
        ("failed 1", Entry::StepFailed { run, attempt: 1, failure: failure("bad"), chance: 0, usage }),
        ("lost 1", Entry::AttemptLost { run, attempt: 1 }),
        ("unknown run", Entry::AttemptLost { run: RunIx(99), attempt: 1 }),
        ("deadline", Entry::DeadlinePassed),
    ]
}

#[test]
fn transition_matrix() {
    let mut a = f("a", json!("b"));
    a["config"] = json!({"retries": 1});
    let w = definition(&json!({"timeout": 1000, "steps": [a, f("b", Value::Null)]}));
    let mut table = Vec::new();
    for (state, execution) in states(&w) {
        let row = entries(&w).into_iter().map(|(_, entry)| match apply(&execution, &w, Timestamp(5), &entry) {
            Ok(Applied::Changed { next, .. }) => {
                assert_eq!(next.lines, execution.lines + 1, "{state}: a change is one line");
                "changed"
            }
            Ok(Applied::Ignored(Stale::AttemptLost)) => "late attempt",
            Ok(Applied::Ignored(Stale::RunEnded)) => "run ended",
            Ok(Applied::Ignored(Stale::ExecutionEnded)) => "ended",
            Err(_) => "illegal",
        });
        table.push((state, row.collect::<Vec<_>>()));
    }
    let (yes, no, late, run, end) = ("changed", "illegal", "late attempt", "run ended", "ended");
    //                started  succ 1  succ 2  succ 3  failed  lost  unknown  deadline
    let expected = vec![
        ("blank", vec![yes, no, no, no, no, no, no, no]),
        ("first attempt", vec![no, yes, no, no, yes, yes, no, yes]),
        ("second attempt", vec![no, late, yes, no, late, late, no, yes]),
        ("second step", vec![no, run, run, run, run, run, no, yes]),
        ("completed", vec![no, end, end, end, end, end, end, end]),
        ("failed", vec![no, end, end, end, end, end, end, end]),
    ];
    assert_eq!(table, expected);
}

#[test]
fn a_deadline_that_was_never_set_cannot_pass() {
    let w = workflow(&json!([f("a", Value::Null)]));
    let world = World::start(&w, &json!({}));
    assert!(apply(&world.execution, &w, world.now, &Entry::DeadlinePassed).is_err());
}

#[test]
fn late_result_is_dropped() {
    let mut a = f("a", Value::Null);
    a["config"] = json!({"retries": 1});
    let w = workflow(&json!([a]));
    let mut world = World::start(&w, &json!({}));
    world.step(0, &|_, _, _| Err(retryable("down")));
    let late = Entry::StepSucceeded {
        run: RunIx(0),
        attempt: 1,
        output: Payload::from_value(&json!("late")),
        usage: AttemptUsage::default(),
    };
    assert!(!world.happened(late.clone()));
    world.step(0, &|_, _, attempt| Ok(json!(attempt)));
    assert!(!world.happened(late));
    assert_eq!(world.result(), json!(2));
}
