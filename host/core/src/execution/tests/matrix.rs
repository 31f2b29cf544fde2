//! Every entry in every state: what changes, what is ignored, what is illegal.

use super::*;
use crate::execution::{Answer, AttemptUsage, Reported, Stale};

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
    let (mut paused, mut cancelled) = (world.clone(), world.clone());
    paused.happened(Entry::Paused { by: None });
    cancelled.happened(Entry::Cancelled { by: None, reason: None });
    world.run(|| 0, &own_id);
    vec![
        ("blank", blank),
        ("first attempt", first_attempt),
        ("second attempt", retrying),
        ("second step", first_step_done),
        ("paused", paused.execution),
        ("completed", world.execution),
        ("failed", failed.execution),
        ("cancelled", cancelled.execution),
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
        ("timer", Entry::TimerFired { run }),
        ("answer", Entry::ApprovalAnswered { run, answer: answer() }),
        ("event", Entry::EventReceived { run, event: Payload::empty_object() }),
        ("child", Entry::ChildEnded { run, attempt: 1, outcome: Reported::Succeeded(Payload::null()) }),
        ("callback", Entry::CallbackReceived { run, attempt: 1, outcome: Reported::Succeeded(Payload::null()) }),
        ("cancelled", Entry::Cancelled { by: None, reason: None }),
        ("paused", Entry::Paused { by: None }),
        ("resumed", Entry::Resumed { by: None }),
        ("retried", Entry::Retried { by: None }),
    ]
}

fn answer() -> Answer {
    Answer { by: "a@example.com".into(), groups: vec![], approved: true, comment: None, data: None }
}

#[test]
fn transition_matrix() {
    let mut a = f("a", json!("b"));
    a["config"] = json!({"retries": 1});
    let w = definition(&json!({"timeout": 1000, "steps": [a, f("b", Value::Null)]}));
    let mut table = Vec::new();
    for (state, execution) in states(&w) {
        let row = entries(&w).into_iter().map(|(_, entry)| match apply(&execution, &w, Timestamp(2_000_000), &entry) {
            Ok(Applied::Changed { next, .. }) => {
                assert_eq!(next.lines, execution.lines + 1, "{state}: a change is one line");
                "changed"
            }
            Ok(Applied::Ignored(Stale::AttemptLost)) => "late attempt",
            Ok(Applied::Ignored(Stale::RunEnded)) => "run ended",
            Ok(Applied::Ignored(Stale::ExecutionEnded)) => "ended",
            Ok(Applied::Ignored(Stale::NotFailed)) => "not failed",
            Ok(Applied::Ignored(Stale::WasCancelled)) => "was cancelled",
            Ok(Applied::Ignored(Stale::NoChange)) => "no change",
            Ok(Applied::Ignored(other)) => panic!("{other:?}"),
            Err(_) => "illegal",
        });
        table.push((state, row.collect::<Vec<_>>()));
    }
    let (yes, no, late, run, end) = ("changed", "illegal", "late attempt", "run ended", "ended");
    let (not, was, same) = ("not failed", "was cancelled", "no change");
    // started, succeeded 1, 2, 3, failed, lost, unknown run, deadline | timer, answer, event, child, callback, cancelled, paused, resumed, retried
    let expected = vec![
        ("blank", vec![yes, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no]),
        ("first attempt", vec![no, yes, no, no, yes, yes, no, yes, run, run, run, run, yes, yes, yes, same, not]),
        ("second attempt", vec![no, late, yes, no, late, late, no, yes, run, run, run, run, late, yes, yes, same, not]),
        ("second step", vec![no, run, run, run, run, run, no, yes, run, run, run, run, run, yes, yes, same, not]),
        ("paused", vec![no, run, run, run, run, run, no, yes, run, run, run, run, run, yes, same, yes, not]),
        ("completed", vec![no, end, end, end, end, end, end, end, end, end, end, end, end, end, end, end, not]),
        ("failed", vec![no, end, end, end, end, end, end, end, end, end, end, end, end, end, end, end, yes]),
        ("cancelled", vec![no, end, end, end, end, end, end, end, end, end, end, end, end, end, end, end, was]),
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
