//! Workflows from bytes: any step may lead to any, so that forks, joins, cycles, dead ends, loops in loops all occur.

use arbitrary::{Result, Unstructured};
use serde_json::{Value, json};

/// Most steps.
const STEPS: usize = 8;

/// A definition; most may be run.
///
/// # Errors
/// If the bytes cannot be read on.
pub fn any(chance: &mut Unstructured<'_>) -> Result<Value> {
    let count = chance.int_in_range(1..=STEPS)?;
    let steps = (0..count).map(|at| step(chance, at, count)).collect::<Result<Vec<_>>>()?;
    let mut definition = json!({ "steps": steps });
    if chance.ratio(1, 8)? {
        definition["timeout"] = json!(chance.int_in_range(1..=10_000)?);
    }
    if chance.ratio(1, 8)? {
        definition["output"] = json!(chance.choose(&["result", "steps.s1", "input.n + 1", "missing", "steps"])?);
    }
    Ok(definition)
}

fn ids(chance: &mut Unstructured<'_>, count: usize) -> Result<Value> {
    let mut found = std::collections::BTreeSet::new();
    for _ in 0..chance.int_in_range(0..=3)? {
        found.insert(format!("s{}", chance.int_in_range(0..=count - 1)?));
    }
    Ok(json!(found))
}

fn step(chance: &mut Unstructured<'_>, at: usize, count: usize) -> Result<Value> {
    let (next, other) = (ids(chance, count)?, ids(chance, count)?);
    let some = chance.int_in_range(0..=count - 1)?;
    let number: u8 = chance.arbitrary()?;
    let mut step = json!({"id": format!("s{at}"), "type": "function", "function": "f", "next": next});
    let mut config = common(chance, some, number)?;
    match chance.int_in_range(0..=13)? {
        0 | 1 => {
            let conditions = ["true", "false", "result.n % 2 == 0", "steps.s1.status == 'completed'", "missing"];
            step["type"] = json!("condition");
            step["condition"] = json!(chance.choose(&conditions)?);
            config["else"] = other;
        }
        2 | 3 => {
            step["type"] = json!("loop");
            let items = [json!(1), json!({"a": 2}), json!("{{ input.n }}")];
            config["items"] = json!(items[..usize::from(number % 4)]);
            config["concurrency"] = json!(1 + number % 3);
            config["continueOnError"] = json!(number % 5 == 0);
            config["done"] = other;
        }
        4 => {
            step["type"] = json!("loop");
            step["condition"] = json!(format!("index < {}", number % 4));
            config["done"] = other;
        }
        5 | 6 => {
            step["type"] = json!("parallel");
            if other.as_array().is_some_and(|ids| !ids.is_empty()) {
                config["branches"] = other;
            }
            config["maxConcurrency"] = json!(1 + number % 3);
        }
        7 => waits(&mut step, &mut config, number),
        8 => {
            step["type"] = json!("event");
            config["eventType"] = json!("a.*");
            config["match"] = json!(chance.choose(&["true", "event.data.n == input.n", "event.missing.x"])?);
            config["timeout"] = json!(u32::from(number) + 1);
            config["onTimeout"] = json!(chance.choose(&["next", "fail", "s0"])?);
        }
        9 => {
            step["type"] = json!("workflow");
            config["workflow"] = json!("child");
        }
        10 => {
            step["type"] = json!("human");
            config["approvers"] = json!(["a", "b", "group:c"]);
            config["requiredApprovals"] = json!(1 + number % 2);
            config["rejectOn"] = json!(chance.choose(&["first", "impossible"])?);
            config["timeout"] = json!(u32::from(number) + 1);
            config["onTimeout"] = json!(chance.choose(&["next", "fail", "s0"])?);
        }
        11 => config["async"] = json!(true),
        12 => config["input"] = json!({"n": "{{ result.n }}", "all": "{{ steps }}"}),
        _ => {}
    }
    step["config"] = config;
    Ok(step)
}

/// What every type takes.
fn common(chance: &mut Unstructured<'_>, some: usize, number: u8) -> Result<Value> {
    Ok(match chance.int_in_range(0..=7)? {
        0 => json!({"onError": "continue"}),
        1 => json!({"onError": format!("s{some}")}),
        2 => json!({"join": {"count": 1 + number % 3}}),
        3 => json!({"join": "any", "cancelRest": true}),
        4 => json!({"retries": number % 3}),
        _ => json!({}),
    })
}

fn waits(step: &mut Value, config: &mut Value, number: u8) {
    step["type"] = json!("wait");
    config["duration"] = json!(u32::from(number));
}
