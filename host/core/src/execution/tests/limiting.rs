//! `limit {key, max}`: an execution waits for its place, and begins by an entry.

use super::*;
use crate::execution::step_limit;

fn limited(limit: Value) -> Workflow {
    definition(&json!({"timeout": 1000, "limit": limit, "steps": [f("a", Value::Null)]}))
}

#[test]
fn it_waits_without_a_deadline_and_begins_when_it_is_told() {
    let w = limited(json!({"key": "input.customer", "max": 3}));
    let mut world = World::start(&w, &json!({"customer": {"id": 7}}));
    assert_eq!(world.commands, [Command::AwaitPlace]);
    assert!(world.execution.waits_for_place() && world.execution.is_idle() && world.execution.deadline.is_none());
    assert_eq!(outstanding(&world.execution), [Command::AwaitPlace]);
    assert_eq!(world.execution.limited.as_ref().map(|l| (l.key.as_str(), l.max)), Some((r#"{"id":7}"#, 3)));
    world.now = world.now.plus(60_000);
    assert!(world.happened(Entry::Admitted));
    assert!(world.commands.contains(&Command::TakePlace) && !world.execution.waits_for_place());
    assert_eq!(world.execution.deadline, Some(world.now.plus(1_000)), "waiting does not count");
    assert!(!world.happened(Entry::Admitted), "once");
    world.run(|| 0, &|_, _, _| Ok(json!("done")));
    assert_eq!(world.result(), json!("done"));
}

#[test]
fn it_may_be_cancelled_or_paused_while_it_waits() {
    let w = limited(json!(2));
    let mut world = World::start(&w, &json!({}));
    assert_eq!(world.execution.limited.as_ref().map(|limited| limited.key.as_str()), Some(""));
    assert!(world.happened(Entry::Paused { by: None }) && world.happened(Entry::Admitted));
    assert!(world.todo.is_empty());
    assert!(world.happened(Entry::Resumed { by: None }) && world.todo.len() == 1);
    let mut world = World::start(&w, &json!({}));
    assert!(world.happened(Entry::Cancelled { by: None, reason: None }));
    assert!(world.commands.contains(&Command::AnnounceEnd));
    assert!(!world.happened(Entry::Admitted));
}

#[test]
fn a_key_that_cannot_be_told_or_is_too_long_fails_it() {
    for (key, input) in [("input.no.such", json!({})), ("input.text", json!({"text": "x".repeat(257)}))] {
        let w = limited(json!({"key": key, "max": 1}));
        let mut world = World::start(&w, &json!(input));
        assert_eq!(world.error_code(), "expression_error", "{key}");
        assert!(world.happened(Entry::Retried { by: None }));
        assert_eq!(world.error_code(), "expression_error", "and does so again");
    }
}

#[test]
fn a_step_has_a_key_of_its_own() {
    let mut a = f("a", json!("b"));
    a["config"] = json!({"limit": {"key": "mail-{{ input.to }}", "max": 2}});
    let w = workflow(&json!([a, f("b", Value::Null)]));
    let mut world = World::start(&w, &json!({"to": "ann"}));
    assert_eq!(step_limit(&world.execution, &w, RunIx(0)), Some(Ok(("mail-ann".to_owned(), 2))));
    world.step(0, &|_, _, _| Ok(json!(1)));
    assert_eq!(step_limit(&world.execution, &w, RunIx(1)), None);
}

#[test]
fn what_is_no_limit_is_refused() {
    let faults = |limit: Value| {
        let steps = json!([f("a", Value::Null)]);
        let faults = check("test", 1, &json!({"limit": limit, "steps": steps})).expect_err("refused");
        faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect::<Vec<_>>()
    };
    let one = |pointer: &str, code| vec![(pointer.to_owned(), code)];
    assert_eq!(faults(json!("5")), one("/limit", "wrong_type"));
    assert_eq!(faults(json!(0)), one("/limit", "out_of_range"));
    assert_eq!(faults(json!({"key": "input.a"})), one("/limit/max", "out_of_range"));
    assert_eq!(faults(json!({"max": 1.5})), one("/limit/max", "out_of_range"));
    assert_eq!(faults(json!({"key": 5, "max": 1})), one("/limit/key", "wrong_type"));
    assert_eq!(faults(json!({"key": "input.", "max": 1})), one("/limit/key", "invalid_expression"));
    assert_eq!(faults(json!({"key": "{{ secrets.A }}", "max": 1})), one("/limit/key", "secrets_not_allowed"));
}
