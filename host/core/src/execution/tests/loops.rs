//! Loops and branches (semantics C7-C13).

use super::*;
use crate::failure::code;

/// A loop step over `config`, with this body and what comes behind it.
fn each(id: &str, config: Value, body: Value) -> Value {
    json!({"id": id, "type": "loop", "config": config, "next": body})
}

/// `a` gives the items; `body` answers with its item, its index and what it was given.
fn over(items: Value, extra: Value) -> Workflow {
    let mut config = json!({"items": "input.items"});
    config.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    let _ = items;
    let mut body = f("body", Value::Null);
    body["config"] = json!({"input": {"item": "{{ item }}", "index": "{{ index }}", "loop": "{{ loop }}", "result": "{{ result }}"}});
    workflow(&json!([each("l", config, json!("body")), body, f("after", Value::Null)]))
}

fn item(_: &str, input: &Value, _: u32) -> Result<Value, Failure> {
    Ok(input["item"].clone())
}

#[test]
fn results_are_in_the_order_of_the_items_whatever_ends_first() {
    for concurrency in [1, 2, 3] {
        let w = over(json!([]), json!({"concurrency": concurrency}));
        let result = in_every_order(&w, &json!({"items": [10, 20, 30]}), &item);
        assert_eq!(result, json!([10, 20, 30]), "{concurrency} at once");
    }
}

#[test]
fn only_so_many_iterations_are_under_way_at_once() {
    let w = over(json!([]), json!({"concurrency": 2}));
    let mut world = World::start(&w, &json!({"items": [1, 2, 3, 4, 5]}));
    while !world.todo.is_empty() {
        assert!(world.todo.len() <= 2, "{:?}", world.todo);
        world.step(world.todo.len() - 1, &item);
    }
    assert_eq!(world.result(), json!([1, 2, 3, 4, 5]));
    assert_eq!(world.view()["steps"]["l"]["iterations"], json!(5));
}

#[test]
fn a_body_sees_its_item_and_its_loop() {
    let w = over(json!([]), json!({}));
    let seen = ran(&w, &json!({"items": ["a", "b"]}), &|_, input, _| Ok(input.clone())).result();
    assert_eq!(seen[1]["item"], json!("b"));
    assert_eq!(seen[1]["result"], json!("b"), "result is the item at the body's start");
    let l = &seen[1]["loop"];
    assert_eq!(
        (&l["index"], &l["count"], &l["first"], &l["last"]),
        (&json!(1), &json!(2), &json!(false), &json!(true))
    );
    assert_eq!(l["results"].as_array().map(Vec::len), Some(1), "the results so far");
    assert!(l.get("parent").is_none());
}

#[test]
fn done_follows_the_last_iteration_and_no_iteration_reaches_it_twice() {
    let w = workflow(&json!([
        each("l", json!({"items": "input.items", "done": "sum"}), json!("body")),
        f("body", json!("sum")), // reaching done's step ends the iteration
        f("sum", Value::Null),
    ]));
    let world = ran(&w, &json!({"items": [1, 2, 3]}), &|step, input, _| {
        Ok(if step == "sum" { json!({"got": input["result"]}) } else { json!(step) })
    });
    assert_eq!(world.result(), json!({"got": ["body", "body", "body"]}));
    assert_eq!(world.view()["steps"]["sum"]["runs"], json!(1));
}

#[test]
fn no_items_no_iterations() {
    let w = over(json!([]), json!({}));
    let world = World::start(&w, &json!({"items": []}));
    assert_eq!(world.result(), json!([]));
    assert_eq!(world.view()["steps"]["body"]["status"], json!("skipped"));
}

#[test]
fn an_object_gives_its_entries_and_anything_else_is_an_error() {
    let w = over(json!([]), json!({}));
    let entries = ran(&w, &json!({"items": {"x": 1, "y": 2}}), &item).result();
    assert_eq!(entries, json!([{"key": "x", "value": 1}, {"key": "y", "value": 2}]));
    for wrong in [json!(5), json!("text"), json!(null), json!(true)] {
        let world = World::start(&w, &json!({ "items": wrong }));
        assert_eq!(world.error_code(), code::EXPRESSION_ERROR);
    }
}

#[test]
fn too_many_items_fail_before_the_first_iteration_or_are_left_out() {
    let w = over(json!([]), json!({"maxIterations": 2}));
    let world = World::start(&w, &json!({"items": [1, 2, 3]}));
    assert_eq!(world.error_code(), code::MAX_ITERATIONS_EXCEEDED);
    assert_eq!(world.view()["steps"]["body"]["status"], json!("skipped"));
    let w = over(json!([]), json!({"maxIterations": 2, "overflow": "truncate"}));
    let world = ran(&w, &json!({"items": [1, 2, 3]}), &item);
    assert_eq!(world.result(), json!([1, 2]));
    assert_eq!(world.view()["steps"]["l"]["truncated"], json!(true));
}

#[test]
fn a_failed_iteration_fails_the_loop_unless_it_goes_on() {
    let bad = |_: &str, input: &Value, _: u32| {
        if input["item"] == json!(2) { Err(failure("bad")) } else { Ok(input["item"].clone()) }
    };
    let w = over(json!([]), json!({"concurrency": 3}));
    let mut world = World::start(&w, &json!({"items": [1, 2, 3]}));
    world.step(1, &bad);
    assert_eq!(world.error_code(), "bad");
    let steps = &world.view()["steps"];
    assert_eq!((&steps["l"]["status"], world.todo.len()), (&json!("failed"), 0), "siblings are stopped");
    let w = over(json!([]), json!({"continueOnError": true}));
    let world = ran(&w, &json!({"items": [1, 2, 3]}), &bad);
    let error = json!({"error": {"code": "bad", "message": "bad happened", "step": "body", "attempt": 1}});
    assert_eq!(world.result(), json!([1, error, 3]));
}

#[test]
fn a_loop_that_fails_is_handled_like_any_step() {
    let w = workflow(&json!([
        {"id": "l", "type": "loop", "config": {"items": "input.items", "concurrency": 2, "onError": "mend"}, "next": "body"},
        f("body", Value::Null),
        f("mend", Value::Null),
    ]));
    let world = ran(&w, &json!({"items": [1, 2, 3]}), &|step, input, _| match step {
        "mend" => Ok(json!({"mended": input["error"]["code"], "of": input["error"]["step"]})),
        _ => Err(failure("bad")),
    });
    assert_eq!(world.result(), json!({"mended": "bad", "of": "body"}));
    assert_eq!(world.view()["handledErrors"].as_array().map(Vec::len), Some(1));
    assert!(world.execution.frames.len() == 1, "nothing of the iterations is left");
}

#[test]
fn a_condition_is_asked_before_each_round() {
    let mut round = f("round", Value::Null);
    round["config"] = json!({"input": {"n": "{{ result.n ?? 0 }}", "index": "{{ index }}"}});
    let looped = json!({"id": "l", "type": "loop", "condition": "(result.n ?? 0) < 3", "next": "round", "config": {"done": "end"}});
    let w = workflow(&json!([looped, round, f("end", Value::Null)]));
    let world = ran(&w, &json!({}), &|step, input, _| match step {
        "round" => Ok(json!({"n": input["n"].as_f64().unwrap_or_default() + 1.0})),
        _ => Ok(input["result"].clone()),
    });
    assert_eq!(world.result(), json!([{"n": 1.0}, {"n": 2.0}, {"n": 3.0}]));
    let endless =
        json!({"id": "l", "type": "loop", "condition": "true", "next": "round", "config": {"maxIterations": 4}});
    let w = workflow(&json!([endless, f("round", json!("l"))]));
    let world = ran(&w, &json!({}), &own_id);
    assert_eq!(world.error_code(), code::MAX_ITERATIONS_EXCEEDED);
    assert_eq!(world.view()["steps"]["round"]["runs"], json!(4));
}

#[test]
fn loops_nest_and_see_their_parents() {
    let mut inner = f("inner", Value::Null);
    inner["config"] =
        json!({"input": {"at": "{{ `${loop.parent.index}.${index}` }}", "key": "{{ loop.parent.item.name }}"}});
    let w = workflow(&json!([
        each("outer", json!({"items": "input.groups", "concurrency": 2}), json!("members")),
        each("members", json!({"items": "item.members", "concurrency": 2}), json!("inner")),
        inner,
    ]));
    let input = json!({"groups": [{"name": "x", "members": [1, 2]}, {"name": "y", "members": [3]}]});
    let result = in_every_order(&w, &input, &|_, input, _| Ok(input.clone()));
    let at = |at: &str, key: &str| json!({"at": at, "key": key});
    assert_eq!(result, json!([[at("0.0", "x"), at("0.1", "x")], [at("1.0", "y")]]));
}

#[test]
fn keys_name_the_iteration_and_never_repeat() {
    let w = workflow(&json!([
        each("l", json!({"items": [1, 2], "done": "again"}), json!("body")),
        f("body", Value::Null),
        c("again", "steps.once.status == 'pending'", json!("once"), Value::Null),
        f("once", json!("l")),
    ]));
    let mut keys = Vec::new();
    let mut world = World::start(&w, &json!({}));
    while let Some((run, _)) = world.todo.front().copied() {
        keys.push(call(&world.execution, &w, run, &SecretValues::default()).expect("a call").idempotency_key);
        world.step(0, &own_id);
    }
    let short: Vec<&str> = keys.iter().filter_map(|key| key.split_once('/')).map(|(_, rest)| rest).collect();
    assert_eq!(short, ["body/0/1", "body/1/1", "once/-/1", "body/0/2", "body/1/2"]);
}

#[test]
fn a_fork_in_a_body_is_joined_within_its_iteration() {
    let w = workflow(&json!([
        each("l", json!({"items": [1, 2], "concurrency": 2}), json!(["x", "y"])),
        f("x", json!("j")),
        f("y", json!("j")),
        f("j", json!("l")), // back to the loop ends the iteration
    ]));
    let result = in_every_order(&w, &json!({}), &|step, input, _| {
        Ok(if step == "j" { json!([input["x"], input["y"]]) } else { json!(step) })
    });
    assert_eq!(result, json!([["x", "y"], ["x", "y"]]));
}

#[test]
fn a_body_that_ends_on_several_paths_gives_a_map() {
    let w = workflow(&json!([
        each("l", json!({"items": [1]}), json!(["x", "y"])),
        f("x", Value::Null),
        f("y", json!("l")),
    ]));
    assert_eq!(in_every_order(&w, &json!({}), &own_id), json!([{"x": "x", "y": "y"}]));
}

#[test]
fn a_join_outside_waits_for_the_loop() {
    let w = workflow(&json!([
        f("a", json!(["l", "b"])),
        each("l", json!({"items": [1, 2], "concurrency": 2, "done": "j"}), json!("body")),
        f("body", Value::Null),
        f("b", json!("j")),
        f("j", Value::Null),
    ]));
    let result = in_every_order(&w, &json!({}), &|step, input, _| {
        Ok(if step == "j" { json!({"l": input["l"], "b": input["b"]}) } else { json!(step) })
    });
    assert_eq!(result, json!({"l": ["body", "body"], "b": "b"}));
}

#[test]
fn a_loop_that_leads_back_to_one_around_it_ends() {
    let w = workflow(&json!([
        each("outer", json!({"items": [1, 2]}), json!("inner")),
        each("inner", json!({"items": [1, 2]}), json!("outer")),
    ]));
    let world = World::start(&w, &json!({}));
    assert_eq!(world.error_code(), code::STEP_BUDGET_EXCEEDED);
}

#[test]
fn branches_run_to_their_ends_and_give_a_map_by_first_step() {
    let w = workflow(&json!([
        {"id": "p", "type": "parallel", "next": "after", "config": {"branches": ["a", ["b", "c"]], "maxConcurrency": 1}},
        f("a", json!("a2")),
        f("a2", Value::Null),
        f("b", Value::Null),
        f("c", json!("after")), // reaching the parallel's next ends the branch
        f("after", Value::Null),
    ]));
    let mut world = World::start(&w, &json!({"n": 1}));
    assert_eq!(world.todo.len(), 1, "one branch at once");
    world.run(|| 0, &|step, input, _| Ok(if step == "after" { input.clone() } else { json!(step) }));
    assert_eq!(world.result(), json!({"n": 1, "a": "a2", "b": {"b": "b", "c": "c"}}));
    let status = |id: &str| world.view()["steps"][id]["runs"].clone();
    assert_eq!((status("after"), status("p")), (json!(1), json!(1)));
}

#[test]
fn what_branches_passed_is_seen_behind_the_parallel() {
    let mut after = f("after", Value::Null);
    after["config"] = json!({"input": {"b": "{{ steps.b.result }}"}});
    let w = workflow(&json!([
        {"id": "p", "type": "parallel", "next": "after", "config": {"branches": ["a", "b"]}},
        f("a", Value::Null),
        f("b", Value::Null),
        after,
    ]));
    let world = ran(&w, &json!({}), &|step, input, _| Ok(if step == "after" { input.clone() } else { json!(step) }));
    assert_eq!(world.result(), json!({"b": "b"}));
}

#[test]
fn a_plain_parallel_holds_branches_back() {
    let w = workflow(&json!([
        {"id": "p", "type": "parallel", "next": ["a", "b", "c"], "config": {"maxConcurrency": 2}},
        f("a", json!("j")), f("b", json!("j")), f("c", json!("j")), f("j", Value::Null),
    ]));
    let mut world = World::start(&w, &json!({}));
    while !world.todo.is_empty() {
        assert!(world.todo.len() <= 2);
        world.step(0, &|step, input, _| Ok(if step == "j" { input.clone() } else { json!(step) }));
    }
    assert_eq!(world.result(), json!({"a": "a", "b": "b", "c": "c"}));
}
