//! The journal alone gives the state: for random workflows, functions and orders.

use super::*;
use crate::execution::replay;
use proptest::prelude::*;

/// What a random step is made of: type, targets on both sides, what its `config` says, and a number for everything else.
type Parts = (u8, std::collections::BTreeSet<usize>, std::collections::BTreeSet<usize>, u8, u8);

const STEPS: usize = 8;

fn any_parts() -> impl Strategy<Value = Vec<Parts>> {
    let targets = proptest::collection::btree_set(0..STEPS, 0..4);
    proptest::collection::vec((0u8..10, targets.clone(), targets, 0u8..6, any::<u8>()), STEPS)
}

/// A random definition of all types that need nobody outside: any step may lead to any, so forks, joins, cycles, dead ends, loops in
/// loops and branches in branches all occur. `onwards`: only to later steps, each condition on both sides, joins that wait for all.
fn built(parts: &[Parts], onwards: bool) -> Value {
    let steps = parts.iter().enumerate().map(|(i, (kind, next, otherwise, config, seed))| {
        let ids = |set: &std::collections::BTreeSet<usize>| {
            let there = set.iter().filter(|target| !onwards || **target > i);
            json!(there.map(|target| format!("s{target}")).collect::<Vec<_>>())
        };
        let mut step = f(&format!("s{i}"), ids(next));
        step["config"] = json!({"retries": seed % 3});
        match config {
            0 => step["config"]["onError"] = json!("continue"),
            1 if !onwards => step["config"]["onError"] = json!(format!("s{}", seed % 8)),
            2 if !onwards => step["config"]["join"] = json!({"count": 1 + seed % 3}),
            3 if !onwards => step["config"] = json!({"join": "any", "cancelRest": true}),
            _ => {}
        }
        let branches: Vec<Value> = ids(otherwise).as_array().cloned().unwrap_or_default();
        match kind {
            0 | 1 => {
                step["type"] = json!("condition");
                let met = format!("execution.id != '' && ({seed} % 2 == 0 || steps.s{i}.status == 'pending')");
                step["condition"] = json!(met);
                step["config"]["else"] = if onwards { ids(next) } else { ids(otherwise) };
            }
            2 | 3 => {
                step["type"] = json!("loop");
                step["config"]["items"] = json!([1, 2, 3][..usize::from(seed % 4)]);
                step["config"]["concurrency"] = json!(1 + seed % 3);
                step["config"]["continueOnError"] = json!(seed % 5 == 0);
                step["config"]["done"] = ids(otherwise);
            }
            4 => {
                step["type"] = json!("loop");
                step["condition"] = json!(format!("index < {}", seed % 4));
                step["config"]["done"] = ids(otherwise);
            }
            5 if !branches.is_empty() => {
                step["type"] = json!("parallel");
                step["config"]["branches"] = json!(branches);
                step["config"]["maxConcurrency"] = json!(1 + seed % 3);
            }
            6 => {
                step["type"] = json!("parallel");
                step["config"]["maxConcurrency"] = json!(1 + seed % 3);
            }
            _ => {}
        }
        step
    });
    json!({ "steps": steps.collect::<Vec<_>>() })
}

/// No step run has a double: one token, one visit, one run.
fn assert_runs_are_unique(world: &World<'_>) {
    let mut seen = std::collections::BTreeSet::new();
    for run in world.execution.runs.iter() {
        let key = crate::execution::run_key(world.workflow.step_id(run.step), &run.path, run.number);
        assert!(seen.insert(key.clone()), "{key} twice");
    }
    let mut succeeded = std::collections::BTreeSet::new();
    for (_, entry) in &world.journal {
        if let Entry::StepSucceeded { run, .. } = entry {
            assert!(succeeded.insert(*run), "{run:?} succeeded twice");
        }
    }
}

/// Decides by step, attempt and seed; about one in five fails.
fn behave(seed: u64, step: &str, attempt: u32) -> Result<Value, Failure> {
    let mixed = step
        .bytes()
        .fold(seed ^ u64::from(attempt), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    match mixed % 10 {
        0 => Err(failure("bad")),
        1 => Err(retryable("down")),
        2 => Ok(Value::Null),
        _ => Ok(json!({ step: mixed % 100 })),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn replay_equals_live(parts in any_parts(), seed in any::<u64>(), order in proptest::collection::vec(any::<usize>(), 1..64)) {
        let w = super::definition(&built(&parts, false));
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
                // And what an execution that was parked would come back as.
                let parked = serde_json::to_string(&world.execution).expect("writes");
                prop_assert_eq!(&serde_json::from_str::<Execution>(&parked).expect("reads"), &world.execution);
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
        assert_runs_are_unique(&world);
    }

    /// With joins that wait for all, and at most one step that fails: whoever comes first, the end is the same.
    #[test]
    fn the_order_never_matters(parts in any_parts(), seed in any::<u64>(), fails in 0usize..16, orders in proptest::collection::vec(proptest::collection::vec(any::<usize>(), 1..40), 3)) {
        let w = super::definition(&built(&parts, true));
        let limits = ExecutionLimits { step_runs: 400, journal_entries: 1_000, ..ExecutionLimits::default() };
        let failing = format!("s{fails}");
        let behave = |step: &str, _: &Value, _: u32| {
            if step == failing { Err(failure("bad")) } else { Ok(json!({ step: seed % 100 })) }
        };
        let mut ends = Vec::new();
        for order in &orders {
            let mut world = World::start_with(&w, &json!({"seed": seed % 7}), limits);
            let mut picks = order.iter().cycle();
            while !world.todo.is_empty() {
                let at = *picks.next().unwrap_or(&0) % world.todo.len();
                world.step(at, &behave);
            }
            prop_assert!(world.execution.is_ended(), "stuck with {:#?}", world.execution.tokens);
            assert_runs_are_unique(&world);
            ends.push(match &world.execution.phase {
                Phase::Completed(result) => result.as_str().to_owned(),
                Phase::Failed(error) => error.code.clone(),
                other => panic!("{other:?}"),
            });
        }
        prop_assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{ends:?}");
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
