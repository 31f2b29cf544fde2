//! Forks and joins (C3-C6, D4, D9), each under every order of its branches.

use super::*;

#[test]
fn a_join_gathers_a_map_by_predecessor() {
    let w = workflow(&json!([f("a", json!(["b", "c"])), f("b", json!("d")), f("c", json!("d")), f("d", Value::Null)]));
    let result = in_every_order(&w, &json!({}), &|step, input, _| {
        Ok(if step == "d" { json!([input["b"], input["c"]]) } else { json!(step) })
    });
    assert_eq!(result, json!(["b", "c"]));
}

#[test]
fn the_step_after_a_join_gets_the_plain_result() {
    let w = workflow(&json!([
        f("a", json!(["b", "c"])),
        f("b", json!("d")),
        f("c", json!("d")),
        f("d", json!("e")),
        f("e", Value::Null)
    ]));
    let result = in_every_order(&w, &json!({"in": 1}), &|step, input, _| {
        Ok(if step == "e" { input.clone() } else { json!({ "from": step }) })
    });
    assert_eq!(result, json!({"in": 1, "from": "d"}));
}

#[test]
fn a_dead_branch_never_blocks_and_the_map_keeps_its_shape() {
    for dead_first in [true, false] {
        // `x` ends quietly at its condition, either at once or after a function.
        let mut steps = vec![f("a", json!(["b", "x"])), f("b", json!("d")), f("d", Value::Null)];
        if dead_first {
            steps.push(c("x", "false", json!("d"), Value::Null));
        } else {
            steps.push(f("x", json!("y")));
            steps.push(c("y", "false", json!("d"), Value::Null));
        }
        let w = workflow(&Value::Array(steps));
        let result =
            in_every_order(&w, &json!({}), &|step, input, _| Ok(if step == "d" { input.clone() } else { json!(step) }));
        assert_eq!(result, json!({"b": "b"}), "dead first: {dead_first}");
    }
}

#[test]
fn exclusive_paths_merge_with_the_plain_result() {
    let w = workflow(&json!([
        f("a", json!("x")),
        c("x", "input.big", json!("b"), json!("c")),
        f("b", json!("d")),
        f("c", json!("d")),
        f("d", Value::Null)
    ]));
    for (big, by) in [(true, "b"), (false, "c")] {
        let world = ran(&w, &json!({ "big": big }), &|step, input, _| {
            Ok(if step == "d" { input["by"].clone() } else { json!({ "by": step }) })
        });
        assert_eq!(world.result(), json!(by));
    }
}

#[test]
fn two_by_two_joins_nest() {
    let w = workflow(&json!([
        f("a", json!(["b", "c", "d"])),
        f("b", json!("j")),
        f("c", json!("j")),
        f("d", json!("k")),
        f("j", json!("k")),
        f("k", Value::Null)
    ]));
    let result = in_every_order(&w, &json!({}), &|step, input, _| {
        Ok(match step {
            "j" => json!({"j": [input["b"], input["c"]]}),
            "k" => json!({"j": input["j"], "d": input["d"]}),
            other => json!(other),
        })
    });
    assert_eq!(result, json!({"j": {"j": ["b", "c"]}, "d": "d"}));
}

#[test]
fn an_inner_fork_is_gathered_by_its_own_join_first() {
    let w = workflow(&json!([
        f("a", json!(["b", "c"])),
        f("b", json!(["p", "q"])),
        f("p", json!("r")),
        f("q", json!("r")),
        f("r", json!("z")),
        f("c", json!("z")),
        f("z", Value::Null)
    ]));
    let result = in_every_order(&w, &json!({}), &|step, input, _| {
        Ok(match step {
            "r" => json!([input["p"], input["q"]]),
            "z" => json!({"r": input["r"], "c": input["c"]}),
            other => json!(other),
        })
    });
    assert_eq!(result, json!({"r": ["p", "q"], "c": "c"}));
}

#[test]
fn a_transparent_predecessor_passes_its_result_under_its_own_id() {
    let w = workflow(&json!([
        f("a", json!(["x", "b"])),
        c("x", "true", json!("d"), Value::Null),
        f("b", json!("d")),
        f("d", Value::Null)
    ]));
    let result =
        in_every_order(&w, &json!({}), &|step, input, _| Ok(if step == "d" { input.clone() } else { json!(step) }));
    assert_eq!(result, json!({"x": "a", "b": "b"}));
}

#[test]
fn a_fork_that_points_at_the_join_passes_under_its_own_id() {
    let w = workflow(&json!([f("a", json!(["b", "d"])), f("b", json!("d")), f("d", Value::Null)]));
    let result =
        in_every_order(&w, &json!({}), &|step, input, _| Ok(if step == "d" { input.clone() } else { json!(step) }));
    assert_eq!(result, json!({"a": "a", "b": "b"}));
}

#[test]
fn joins_that_wait_for_each_other_fire_in_the_order_of_steps() {
    // p and q can reach each other, and both are joins of the fork.
    let w = workflow(&json!([
        f("a", json!(["b", "c", "d", "e"])),
        f("b", json!("p")),
        f("c", json!("p")),
        f("d", json!("q")),
        f("e", json!("q")),
        f("p", json!("x")),
        c("x", "steps.q.status == 'pending'", json!("q"), Value::Null),
        f("q", json!("y")),
        c("y", "steps.p.status == 'pending'", json!("p"), Value::Null)
    ]));
    let mut world = World::start(&w, &json!({}));
    world.run(|| 0, &own_id);
    let started = |id: &str| world.execution.runs.iter().position(|run| w.step_id(run.step) == id);
    assert!(started("p") < started("q"), "p stands first");
}

#[test]
fn any_fires_at_the_first_and_absorbs_the_rest() {
    let mut d = f("d", Value::Null);
    d["config"] = json!({"join": "any"});
    let w = workflow(&json!([f("a", json!(["b", "c"])), f("b", json!("d")), f("c", json!("d")), d]));
    for (first, expected) in [(0, "b"), (1, "c")] {
        let mut world = World::start(&w, &json!({}));
        world.step(0, &own_id);
        world.step(first, &own_id);
        world.run(|| 0, &|step, input, _| Ok(if step == "d" { input.clone() } else { json!(step) }));
        assert_eq!(world.result(), json!({ expected: expected }));
        assert_eq!(world.view()["steps"]["d"]["runs"], 1);
        assert_eq!(world.view()["steps"]["c"]["status"], "completed", "siblings run on");
    }
}

#[test]
fn any_takes_one_even_if_several_arrive_at_once() {
    for (config, expected) in [
        (json!({"join": "any"}), json!({"b": "a"})),
        (json!({"join": {"count": 2}}), json!({"b": "a", "c": "a"})),
        (json!({"join": "any", "cancelRest": true}), json!({"b": "a"})),
        (json!({"join": "all"}), json!({"b": "a", "c": "a", "e": "a"})),
    ] {
        let mut d = f("d", Value::Null);
        d["config"] = config.clone();
        let branch = |id: &str| c(id, "true", json!("d"), Value::Null);
        let w = workflow(&json!([f("a", json!(["b", "c", "e"])), branch("b"), branch("c"), branch("e"), d]));
        let world = ran(&w, &json!({}), &|step, input, _| Ok(if step == "d" { input.clone() } else { json!(step) }));
        assert_eq!((world.result(), &world.view()["steps"]["d"]["runs"]), (expected, &json!(1)), "{config}");
    }
}

#[test]
fn a_late_branch_is_absorbed_even_if_nobody_else_is_left() {
    let mut d = f("d", Value::Null);
    d["config"] = json!({"join": "any"});
    let w = workflow(&json!([f("a", json!(["b", "c"])), f("b", json!("d")), f("c", json!("d")), d]));
    let mut world = World::start(&w, &json!({}));
    // a, b, then d to its end, and only then c.
    for at in [0, 0, 1, 0] {
        world.step(at, &own_id);
    }
    assert_eq!((world.result(), &world.view()["steps"]["d"]["runs"]), (json!("d"), &json!(1)));
}

#[test]
fn any_in_a_cycle_fires_again_while_a_branch_of_the_last_round_is_under_way() {
    let mut d = f("d", json!("x"));
    d["config"] = json!({"join": "any"});
    let w = workflow(&json!([
        f("a", json!(["b", "slow"])),
        f("b", json!("d")),
        f("slow", json!("d")),
        d,
        c("x", "result.round < 2", json!("a"), json!("end")),
        f("end", Value::Null)
    ]));
    let round = std::cell::Cell::new(0);
    let behaviour = |step: &str, _: &Value, _: u32| {
        round.set(round.get() + u32::from(step == "d"));
        Ok(json!({"at": step, "round": round.get()}))
    };
    let mut world = World::start(&w, &json!({}));
    let is_slow = |world: &World<'_>, run: RunIx| w.step_id(world.execution.run(run).expect("run").step) == "slow";
    while let Some(quick) = world.todo.iter().position(|(run, _)| !is_slow(&world, *run)) {
        world.step(quick, &behaviour);
    }
    assert_eq!(world.view()["steps"]["end"]["status"], "completed", "nobody waited for the slow ones");
    world.run(|| 0, &behaviour);
    assert_eq!((round.get(), world.result()), (2, json!({"at": "end", "round": 2})), "late branches are absorbed");
}

#[test]
fn cancel_rest_stops_the_siblings() {
    let mut d = f("d", Value::Null);
    d["config"] = json!({"join": {"count": 2}, "cancelRest": true});
    let w = workflow(&json!([
        f("a", json!(["b", "c", "e"])),
        f("b", json!("d")),
        f("c", json!("d")),
        f("e", json!("d")),
        d
    ]));
    let world = ran(&w, &json!({}), &|step, input, _| Ok(if step == "d" { input.clone() } else { json!(step) }));
    assert_eq!(world.result(), json!({"b": "b", "c": "c"}));
    assert_eq!(world.view()["steps"]["e"]["status"], "cancelled");
}

#[test]
fn a_failing_branch_cancels_its_siblings() {
    let w = workflow(&json!([f("a", json!(["b", "c"])), f("b", json!("d")), f("c", json!("d")), f("d", Value::Null)]));
    let world = ran(&w, &json!({}), &|step, _, _| if step == "b" { Err(failure("broken")) } else { Ok(json!(step)) });
    assert_eq!(world.error_code(), "broken");
    let steps = &world.view()["steps"];
    assert_eq!((&steps["b"]["status"], &steps["c"]["status"]), (&json!("failed"), &json!("cancelled")));
    assert_eq!(steps["d"]["status"], "skipped");
}

#[test]
fn an_arrival_over_on_error_is_never_gathered() {
    let mut b = f("b", json!("d"));
    b["config"] = json!({"onError": "d"});
    let w = workflow(&json!([f("a", json!(["b", "c"])), b, f("c", json!("d")), f("d", Value::Null)]));
    let world = ran(&w, &json!({}), &|step, input, _| match step {
        "b" => Err(failure("broken")),
        "d" => Ok(input.clone()),
        other => Ok(json!(other)),
    });
    assert_eq!(world.view()["steps"]["d"]["runs"], 2, "once for the failure, once for the branch");
    assert_eq!(world.view()["handledErrors"][0]["code"], "broken");
}

#[test]
fn a_cycle_through_the_fork_fires_the_join_once_a_round() {
    let w = workflow(&json!([
        f("a", json!(["b", "c"])),
        f("b", json!("j")),
        f("c", json!("j")),
        f("j", json!("x")),
        c("x", "steps.j.attempts == 1 && result.n < 3", json!("a"), json!("end")),
        f("end", Value::Null)
    ]));
    let count = std::cell::Cell::new(0);
    let world = ran(&w, &json!({}), &|step, _, _| {
        if step == "j" {
            count.set(count.get() + 1);
        }
        Ok(json!({"n": count.get(), "at": step}))
    });
    assert_eq!(count.get(), 3);
    assert_eq!(world.result(), json!({"n": 3, "at": "end"}));
    assert!(world.execution.groups.is_empty());
}

#[test]
fn a_joined_map_over_the_payload_limit_fails_the_join() {
    let w = workflow(&json!([f("a", json!(["b", "c"])), f("b", json!("d")), f("c", json!("d")), f("d", Value::Null)]));
    let limits = ExecutionLimits { payload_bytes: 100, ..ExecutionLimits::default() };
    let mut world = World::start_with(&w, &json!({}), limits);
    world.run(|| 0, &|_, _, _| Ok(json!("x".repeat(60))));
    assert_eq!(world.error_code(), "output_limit");
    assert_eq!(world.view()["errorDetails"]["step"], "d");
}
