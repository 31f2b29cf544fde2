//! The journal alone gives the state: for random workflows, functions and orders.

use super::*;
use crate::execution::replay;
use proptest::prelude::*;

/// A random definition of functions and conditions: any step may lead to any, so forks, joins, cycles and dead ends all occur.
fn any_definition() -> impl Strategy<Value = Value> {
    let targets = proptest::collection::btree_set(0usize..8, 0..4);
    let step = (any::<bool>(), targets.clone(), targets, 0u8..6, any::<u8>());
    proptest::collection::vec(step, 8).prop_map(|steps| {
        let ids =
            |set: &std::collections::BTreeSet<usize>| json!(set.iter().map(|i| format!("s{i}")).collect::<Vec<_>>());
        let steps = steps.iter().enumerate().map(|(i, (condition, next, otherwise, config, seed))| {
            let mut step = f(&format!("s{i}"), ids(next));
            step["config"] = json!({"retries": seed % 3});
            match config {
                0 => step["config"]["onError"] = json!("continue"),
                1 => step["config"]["onError"] = json!(format!("s{}", seed % 8)),
                2 => step["config"]["join"] = json!({"count": 1 + seed % 3}),
                3 => step["config"] = json!({"join": "any", "cancelRest": true}),
                _ => {}
            }
            if *condition {
                step["type"] = json!("condition");
                step["condition"] =
                    json!(format!("execution.id != '' && ({seed} % 2 == 0 || steps.s{i}.status == 'pending')"));
                step["config"]["else"] = ids(otherwise);
            }
            step
        });
        json!({ "steps": steps.collect::<Vec<_>>() })
    })
}

/// Decides by step, attempt and seed; about one in five fails.
fn behave(seed: u64, step: &str, attempt: u32) -> Result<Value, Failure> {
    let mixed = step
        .bytes()
        .fold(seed ^ u64::from(attempt), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    match mixed % 10 {
        0 => Err(failure("bad")),
        1 => Err(retryable("down")),
        _ => Ok(json!({ step: mixed % 100 })),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn replay_equals_live(definition in any_definition(), seed in any::<u64>(), order in proptest::collection::vec(any::<usize>(), 1..64)) {
        let w = super::definition(&definition);
        let limits = ExecutionLimits { step_runs: 60, journal_entries: 100, ..ExecutionLimits::default() };
        let mut world = World::start_with(&w, &json!({"seed": seed % 7}), limits);
        let (mut picks, mut lines) = (order.iter().cycle(), 0);
        while !world.todo.is_empty() {
            let at = *picks.next().unwrap_or(&0) % world.todo.len();
            world.step(at, &|step, _, attempt| behave(seed, step, attempt));
            lines += 1;
            // Every so often: what a restart would make of the journal so far.
            if lines % 7 == 0 || world.execution.is_ended() {
                let journal = world.journal.iter().map(|(at, entry)| (*at, entry));
                let replayed = replay(Execution::blank(world.execution.id), &w, journal).expect("replays");
                prop_assert_eq!(&replayed, &world.execution);
                let runs = |commands: Vec<Command>| {
                    let mut runs: Vec<_> = commands.into_iter().filter_map(|c| if let Command::RunAttempt { run, attempt, .. } = c { Some((run, attempt)) } else { None }).collect();
                    runs.sort_unstable();
                    runs
                };
                let mut todo: Vec<_> = world.todo.iter().copied().collect();
                todo.sort_unstable();
                prop_assert_eq!(runs(outstanding(&replayed)), todo, "a restart would do what is left to do");
            }
        }
        prop_assert!(world.execution.is_ended(), "stuck with {:#?}", world.execution.tokens);
    }
}

#[test]
fn entries_and_states_read_back_as_they_were_written() {
    let mut a = f("a", json!(["b", "c"]));
    a["config"] = json!({"retries": 1});
    let w = workflow(&json!([a, f("b", json!("d")), f("c", json!("d")), f("d", Value::Null)]));
    let mut world = World::start(&w, &json!({"n": 1.5}));
    world.step(0, &|_, _, _| Err(retryable("down")));
    world.step(0, &own_id);
    world.step(0, &own_id);
    for (_, entry) in &world.journal {
        let text = serde_json::to_string(entry).expect("writes");
        assert_eq!(&serde_json::from_str::<Entry>(&text).expect(&text), entry);
    }
    let text = serde_json::to_string(&world.execution).expect("writes");
    assert_eq!(serde_json::from_str::<Execution>(&text).expect("reads"), world.execution);
}
