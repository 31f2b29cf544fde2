//! People, moments, events, children, callbacks (semantics H1-H5, C21, C22).

use super::*;
use crate::execution::{Answer, Kept, Reported, Stale, approval_view, child_start, event_matches, kept_for};
use crate::failure::code;

fn human(config: Value) -> Workflow {
    workflow(&json!([{"id": "h", "type": "human", "config": config, "next": "after"}, f("after", Value::Null)]))
}

fn answer(by: &str, approved: bool) -> Entry {
    let answer = Answer { by: by.into(), groups: vec![], approved, comment: Some(format!("{by} says so")), data: None };
    Entry::ApprovalAnswered { run: RunIx(0), answer }
}

fn verdict(world: &World<'_>, entry: &Entry) -> Option<Stale> {
    match apply(&world.execution, world.workflow, world.now, entry).expect("legal") {
        Applied::Changed { .. } => None,
        Applied::Ignored(stale) => Some(stale),
    }
}

#[test]
fn enough_people_have_to_approve() {
    let w = human(json!({"approvers": ["a", "b", "c", "a"], "requiredApprovals": 2, "title": "Pay {{ input.n }}?"}));
    let mut world = World::start(&w, &json!({"n": 5}));
    assert_eq!(world.view()["state"], json!("waiting_approval"));
    assert!(world.execution.is_idle());
    let shown = approval_view(&world.execution, &w, RunIx(0)).expect("an approval");
    assert_eq!((&shown["details"]["title"], &shown["approvers"]), (&json!("Pay 5?"), &json!(["a", "b", "c"])));
    assert_eq!(verdict(&world, &answer("x", true)), Some(Stale::MayNotAnswer));
    assert!(world.happened(answer("a", true)));
    assert_eq!(verdict(&world, &answer("a", true)), Some(Stale::AlreadyAnswered));
    assert!(world.happened(answer("b", true)));
    assert_eq!(verdict(&world, &answer("c", true)), Some(Stale::RunEnded), "too late");
    world.run(|| 0, &|_, input, _| Ok(input.clone()));
    let result = world.result();
    assert_eq!((&result["approved"], &result["approvedBy"]), (&json!(true), &json!(["a", "b"])));
    assert_eq!((&result["comment"], result["decisions"].as_array().map(Vec::len)), (&json!("b says so"), Some(2)));
}

#[test]
fn the_first_rejection_ends_it_unless_only_an_impossible_one_does() {
    let w = human(json!({"approvers": ["a", "b", "c"], "requiredApprovals": 2}));
    let mut world = World::start(&w, &json!({}));
    world.happened(answer("a", false));
    world.run(|| 0, &|_, input, _| Ok(input.clone()));
    assert_eq!(world.result()["approved"], json!(false));
    let w = human(json!({"approvers": ["a", "b", "c"], "requiredApprovals": 2, "rejectOn": "impossible"}));
    let mut world = World::start(&w, &json!({}));
    world.happened(answer("a", false));
    assert_eq!(world.view()["state"], json!("waiting_approval"), "two others can still approve");
    world.happened(answer("b", false));
    world.run(|| 0, &|_, input, _| Ok(input.clone()));
    assert_eq!(world.result()["approved"], json!(false));
}

#[test]
fn nobody_answers_in_time() {
    for (on_timeout, expected) in [(Value::Null, "after"), (json!("late"), "late")] {
        let mut w = json!([
            {"id": "h", "type": "human", "config": {"timeout": "1h"}, "next": "after"},
            f("after", Value::Null),
            f("late", Value::Null),
        ]);
        w[0]["config"]["onTimeout"] = on_timeout;
        let w = workflow(&w);
        let mut world = World::start(&w, &json!({}));
        assert_eq!(verdict(&world, &Entry::TimerFired { run: RunIx(0) }), Some(Stale::TooEarly));
        assert_eq!(world.execution.next_wake(), Some(world.now.plus(3_600_000)));
        world.now = world.now.plus(3_600_000);
        assert!(world.happened(Entry::TimerFired { run: RunIx(0) }));
        assert_eq!(verdict(&world, &answer("a", true)), Some(Stale::RunEnded));
        world.run(|| 0, &|step, input, _| Ok(json!([step, input["approved"], input["timedOut"]])));
        assert_eq!(world.result(), json!([expected, false, true]));
    }
    let w = human(json!({"timeout": 1000, "onTimeout": "fail"}));
    let mut world = World::start(&w, &json!({}));
    world.now = world.now.plus(1_000);
    world.happened(Entry::TimerFired { run: RunIx(0) });
    assert_eq!(world.error_code(), code::APPROVAL_TIMEOUT);
}

#[test]
fn a_wait_passes_its_result_on() {
    let w = workflow(&json!([
        f("a", json!("w")),
        {"id": "w", "type": "wait", "config": {"duration": "{{ input.ms }}"}, "next": "b"},
        f("b", Value::Null),
    ]));
    let mut world = World::start(&w, &json!({"ms": 500}));
    world.step(0, &own_id);
    assert_eq!(world.view()["state"], json!("waiting_timer"));
    world.now = world.now.plus(500);
    world.happened(Entry::TimerFired { run: RunIx(1) });
    world.run(|| 0, &|_, input, _| Ok(input["result"].clone()));
    assert_eq!(world.result(), json!("a"));
    let world = World::start(&w, &json!({"ms": "a while"}));
    let mut world = world;
    world.step(0, &own_id);
    assert_eq!(world.error_code(), code::EXPRESSION_ERROR);
}

#[test]
fn an_event_step_takes_the_event_that_matches() {
    let w = workflow(&json!([
        {"id": "e", "type": "event", "config": {"eventType": "payment.*", "match": "event.data.order === input.order"}, "next": "a"},
        f("a", Value::Null),
    ]));
    let mut world = World::start(&w, &json!({"order": 7}));
    assert!(world.commands.contains(&Command::Subscribe { run: RunIx(0) }));
    let event =
        |kind: &str, order: u32| Payload::from_value(&json!({"type": kind, "source": "s", "data": {"order": order}}));
    let matches =
        |world: &World<'_>, event: &Payload| event_matches(&world.execution, &w, RunIx(0), event).expect("evaluates");
    assert!(!matches(&world, &event("payment.done", 8)) && !matches(&world, &event("order.done", 7)));
    let right = event("payment.done", 7);
    assert!(matches(&world, &right));
    world.happened(Entry::EventReceived { run: RunIx(0), event: right });
    assert!(world.commands.contains(&Command::Unsubscribe { run: RunIx(0) }));
    world.run(|| 0, &|_, input, _| Ok(input["data"].clone()));
    assert_eq!(world.result(), json!({"order": 7}));
}

fn child(config: Value) -> Workflow {
    workflow(&json!([{"id": "c", "type": "workflow", "config": config}]))
}

#[test]
fn a_child_is_started_once_and_its_end_is_the_steps() {
    let w = child(json!({"workflow": "other", "input": {"n": "{{ input.n + 1 }}"}, "retries": 1}));
    let mut world = World::start(&w, &json!({"n": 1}));
    let (parent, start) = child_start(&world.execution, &w, RunIx(0)).expect("waits");
    let start = start.expect("evaluates");
    assert_eq!((start.workflow.as_str(), start.input.as_str(), start.depth), ("other", r#"{"n":2}"#, 1));
    let again = child_start(&world.execution, &w, RunIx(0)).and_then(|(_, start)| start.ok()).expect("waits");
    assert_eq!(again.child, start.child, "starting it again is the same child");
    let failed = Reported::Failed { failure: retryable("down"), chance: u32::MAX };
    world.happened(Entry::ChildEnded { run: RunIx(0), attempt: parent.attempt, outcome: failed });
    assert!(child_start(&world.execution, &w, RunIx(0)).is_some());
    world.now = world.now.plus(1_000);
    assert!(world.happened(Entry::TimerFired { run: RunIx(0) }), "the pause is over");
    let (parent, start) = child_start(&world.execution, &w, RunIx(0)).expect("waits");
    assert_ne!(start.expect("evaluates").child, again.child, "another attempt is another child");
    let late = Entry::ChildEnded { run: RunIx(0), attempt: 1, outcome: Reported::Succeeded(Payload::null()) };
    assert_eq!(verdict(&world, &late), Some(Stale::AttemptLost));
    let done = Reported::Succeeded(Payload::from_value(&json!("done")));
    world.happened(Entry::ChildEnded { run: RunIx(0), attempt: parent.attempt, outcome: done });
    assert_eq!(world.result(), json!("done"));
}

#[test]
fn a_cancelled_parent_cancels_its_child() {
    let w = child(json!({"workflow": "other"}));
    let mut world = World::start(&w, &json!({}));
    let id = child_start(&world.execution, &w, RunIx(0)).and_then(|(_, start)| start.ok()).expect("waits").child;
    world.happened(Entry::Cancelled { by: Some("me".into()), reason: Some("no longer needed".into()) });
    assert!(world.commands.contains(&Command::CancelChild { child: id }));
    let view = world.view();
    assert_eq!((&view["state"], &view["status"]), (&json!("cancelled"), &json!("failed")));
    assert_eq!(view["error"], json!("the execution was cancelled by me: no longer needed"));
}

#[test]
fn somebody_else_completes_a_step() {
    let mut a = f("a", Value::Null);
    a["config"] = json!({"async": true, "timeout": 1000, "retries": 1});
    let w = workflow(&json!([a]));
    let mut world = World::start(&w, &json!({}));
    let early = world.clone();
    world.step(0, &own_id);
    assert_eq!(world.view()["state"], json!("waiting_callback"));
    let callback = |attempt| Entry::CallbackReceived {
        run: RunIx(0),
        attempt,
        outcome: Reported::Succeeded(Payload::from_value(&json!("from outside"))),
    };
    let mut timed_out = world.clone();
    assert!(world.happened(callback(1)));
    assert_eq!(world.result(), json!("from outside"));
    // Before the function returned.
    let mut early = early;
    assert!(early.happened(callback(1)));
    assert_eq!((early.result(), early.todo.len()), (json!("from outside"), 0));
    // Not in time: the function is called again, and the old callback is void.
    timed_out.now = timed_out.now.plus(1_000);
    assert!(timed_out.happened(Entry::TimerFired { run: RunIx(0) }));
    assert_eq!(verdict(&timed_out, &callback(1)), Some(Stale::AttemptLost));
    assert_eq!(timed_out.todo.len(), 1);
}

#[test]
fn a_pause_holds_back_what_is_new_and_a_resume_asks_for_it() {
    let w = workflow(&json!([f("a", json!(["b", "c"])), f("b", Value::Null), f("c", Value::Null)]));
    let mut world = World::start(&w, &json!({}));
    world.happened(Entry::Paused { by: Some("me".into()) });
    assert_eq!(world.view()["state"], json!("paused"));
    world.step(0, &own_id);
    assert!(world.todo.is_empty() && outstanding(&world.execution).is_empty(), "nothing new begins");
    world.happened(Entry::Resumed { by: None });
    assert_eq!(world.todo.len(), 2);
    world.run(|| 0, &own_id);
    assert_eq!(world.result(), json!({"b": "b", "c": "c"}));
}

#[test]
fn a_retry_runs_what_failed_and_keeps_what_is_done() {
    let w = workflow(&json!([
        f("a", json!(["b", "l"])),
        f("b", json!("j")),
        {"id": "l", "type": "loop", "config": {"items": [1, 2, 3], "done": "j"}, "next": "body"},
        f("body", Value::Null),
        f("j", Value::Null),
    ]));
    let mut world = World::start(&w, &json!({}));
    let ran = std::cell::RefCell::new(Vec::new());
    let failing = |step: &str, input: &Value, attempt: u32| {
        ran.borrow_mut().push(format!("{step}{attempt}"));
        if step == "body" && input["result"] == json!(2) && attempt == 1 {
            Err(failure("bad"))
        } else {
            Ok(json!(step))
        }
    };
    while !world.todo.is_empty() {
        world.step(world.todo.len() - 1, &failing);
    }
    assert_eq!((world.error_code(), &world.view()["steps"]["l"]["status"]), ("bad", &json!("failed")));
    let key = |world: &World<'_>| {
        world
            .todo
            .iter()
            .map(|(run, _)| call(&world.execution, &w, *run, &SecretValues::default()).expect("call").idempotency_key)
            .collect::<Vec<_>>()
    };
    assert!(world.happened(Entry::Retried { by: None }));
    assert!(key(&world).iter().any(|key| key.ends_with("/body/1/1")), "the same key as before: {:?}", key(&world));
    world.run(|| 0, &failing);
    assert!(matches!(world.execution.phase, Phase::Completed(_)));
    let count = |step: &str| ran.borrow().iter().filter(|ran| ran.starts_with(step)).count();
    assert_eq!((count("a"), count("body"), count("j")), (1, 4, 1), "{:?}", ran.borrow());
    assert_eq!(world.view()["steps"]["l"]["iterations"], json!(3));
}

#[test]
fn a_rerun_takes_over_what_came_before() {
    let w = workflow(&json!([
        f("a", json!("l")),
        {"id": "l", "type": "loop", "config": {"items": [1, 2, 3], "done": "z"}, "next": "x"},
        f("x", json!("y")),
        f("y", Value::Null),
        f("z", Value::Null),
    ]));
    let mut first = World::start(&w, &json!({}));
    while !first.todo.is_empty() {
        first.step(0, &own_id);
    }
    let kept = kept_for(&first.execution, &w, w.find("x")).expect("reached");
    let names: Vec<&str> = kept.keys().map(String::as_str).collect();
    assert_eq!(names, ["a/-/1", "x/0/1", "x/1/1", "y/0/1", "y/1/1"], "the last iteration runs again");
    assert!(kept.values().all(|kept| matches!(kept, Kept::Result(_))));
    let rerun = super::Rerun { of: first.execution.id, from: Some("x".into()), kept };
    let mut again = World::begin(&w, &json!({}), (ExecutionLimits::default(), Some(rerun)));
    let mut ran = Vec::new();
    while let Some((run, _)) = again.todo.front().copied() {
        ran.push(w.step_id(again.execution.run(run).expect("run").step).to_owned());
        again.step(0, &own_id);
    }
    assert_eq!(ran, ["x", "y", "z"]);
    assert_eq!(again.result(), json!("z"));
    assert!(kept_for(&first.execution, &w, None).expect("from the start").is_empty());
}
