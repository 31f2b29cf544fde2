//! Retry, pause and resume: what begins again, and what does not begin.

use super::*;

#[test]
fn a_retry_has_all_its_tries_and_its_time_again() {
    let mut a = f("a", Value::Null);
    a["config"] = json!({"retries": 1});
    let w = definition(&json!({"timeout": "1h", "steps": [a]}));
    let mut world = World::start(&w, &json!({}));
    for _ in 0..2 {
        world.step(0, &|_, _, _| Err(retryable("down")));
    }
    assert_eq!(world.error_code(), "down");
    world.now = world.now.plus(1_800_000);
    assert!(world.happened(Entry::Retried { by: None }));
    let deadline = world.now.plus(3_600_000);
    assert_eq!(world.execution.deadline, Some(deadline));
    assert!(world.commands.contains(&Command::WatchDeadline { at: deadline }));
    world.step(0, &|_, _, _| Err(retryable("down")));
    assert_eq!(world.execution.phase, Phase::Running, "it may fail once more");
    world.run(|| 0, &|_, _, attempt| Ok(json!(attempt)));
    assert_eq!(world.result(), json!(4));
}

#[test]
fn nothing_begins_while_it_is_paused_and_all_of_it_afterwards() {
    let w = workflow(&json!([f("a", json!(["b", "c"])), f("b", Value::Null), f("c", Value::Null)]));
    let mut world = World::start(&w, &json!({}));
    assert!(world.happened(Entry::Paused { by: None }));
    world.step(0, &own_id);
    assert!(world.todo.is_empty(), "what ran has ended, and nothing follows");
    assert_eq!(outstanding(&world.execution), []);
    assert!(world.happened(Entry::Resumed { by: None }));
    assert_eq!(world.todo.len(), 2);
    world.run(|| 0, &own_id);
    assert!(matches!(world.execution.phase, Phase::Completed(_)));
}
