//! Timelines of executions that were played through.

use super::hostile::assert_harmless;
use crate::execution::tests::{World, retryable, workflow};
use crate::execution::{AttemptUsage, Entry, RunIx};
use crate::payload::Payload;
use crate::picture::{About, BARS, Bars, Status, Story, Timeline, timeline_svg};
use crate::time::Timestamp;
use serde_json::{Value, json};

fn at(ms: u64) -> Timestamp {
    Timestamp(1_000_000 + ms)
}

fn succeeded(run: u32, attempt: u32, output: &Value, elapsed_ms: u64) -> Entry {
    let usage = AttemptUsage { elapsed_us: elapsed_ms * 1_000, ..AttemptUsage::default() };
    Entry::StepSucceeded { run: RunIx(run), attempt, output: Payload::from_value(output), usage }
}

fn timeline(world: &World<'_>, now: u64) -> Timeline {
    let mut bars = Bars::new(&world.execution, world.workflow, at(now));
    for (at, entry) in &world.journal {
        bars.line(*at, entry);
    }
    let story = Story { id: "exec-01".to_owned(), status: "running".to_owned(), duration_ms: now, ..Story::default() };
    bars.timeline(About { id: "w".to_owned(), name: "W".to_owned(), revision: 1 }, story)
}

fn steps() -> Value {
    json!([
        {"id": "list", "type": "function", "function": "list", "next": "each", "config": {"retries": 2, "retry": {"delay": 400, "backoff": "constant"}}},
        {"id": "each", "type": "loop", "next": "price", "config": {"items": "result", "done": "ask"}},
        {"id": "price", "type": "function", "function": "price"},
        {"id": "ask", "type": "human", "config": {}},
    ])
}

#[test]
fn bars_tell_attempts_from_the_time_between_them() {
    let workflow = workflow(&steps());
    let mut world = World::start(&workflow, &json!({}));
    world.now = at(100);
    let usage = AttemptUsage { elapsed_us: 80_000, ..AttemptUsage::default() };
    world.happened(Entry::StepFailed { run: RunIx(0), attempt: 1, failure: retryable("busy"), chance: 0, usage });
    let pausing = timeline(&world, 200);
    assert_eq!((pausing.bars[0].status, pausing.bars[0].spans.len()), (Status::Running, 1), "{pausing:?}");
    let again = timeline(&world, 700);
    let last = again.bars[0].spans.last().expect("the second attempt");
    assert_eq!((last.attempt, last.status, last.from_ms, last.to_ms), (2, Status::Running, 500, 700));
    world.now = at(900);
    world.happened(succeeded(0, 2, &json!([1, 2]), 350));
    for (run, ms) in [(2, 1_000), (3, 1_300)] {
        world.now = at(ms);
        world.happened(succeeded(run, 1, &json!(7), 90));
    }
    let waiting = timeline(&world, 5_000);
    let told: Vec<_> = waiting
        .bars
        .iter()
        .map(|bar| (bar.step.as_str(), bar.path.as_str(), bar.status, bar.from_ms, bar.to_ms))
        .collect();
    assert_eq!(
        told,
        [
            ("list", "", Status::Completed, 0, 900),
            ("each", "", Status::Completed, 900, 1_300),
            ("price", "0", Status::Completed, 900, 1_000),
            ("price", "1", Status::Completed, 1_000, 1_300),
            ("ask", "", Status::Waiting, 1_300, 5_000),
        ]
    );
    let spans: Vec<_> = waiting.bars[0].spans.iter().map(|span| (span.status, span.from_ms, span.to_ms)).collect();
    assert_eq!(spans, [(Status::Failed, 20, 100), (Status::Completed, 550, 900)]);
    let svg = timeline_svg(&waiting);
    assert_harmless(&svg);
    assert!(svg.contains("price [1]") || svg.contains("Price [1]"), "{svg}");
    assert!(svg.contains("3.7 s · waiting") && svg.contains("attempt 1: failed, 80 ms"), "{svg}");
}

#[test]
fn a_long_execution_has_so_many_bars_and_says_what_is_left_out() {
    let workflow = workflow(&json!([
        {"id": "each", "type": "loop", "next": "price", "config": {"items": "input"}},
        {"id": "price", "type": "function", "function": "price"},
    ]));
    let items = vec![0; BARS + 50];
    let mut world = World::start(&workflow, &json!(items));
    for run in 1..=items.len() {
        world.now = at(run as u64);
        world.happened(succeeded(u32::try_from(run).expect("small"), 1, &json!(null), 1));
    }
    let long = timeline(&world, 1_000);
    assert_eq!((long.bars.len(), long.left_out), (BARS, 51));
    let svg = timeline_svg(&long);
    assert_harmless(&svg);
    assert!(svg.contains("and 51 runs later"), "{svg}");
}
