//! The verifier: what must hold of an execution after any crash. Pure, so that it is shown below that it finds what it must.

use crate::ledger::Effect;
use crate::memory::{Known, end, taken_back};
use crate::outside::Hears;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The third loss of one step run is its failure (semantics C15).
const STRIKES: usize = 3;

/// What the server says of an execution in the end.
pub struct Found {
    pub status: Value,
    pub history: Vec<Value>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Completed,
    /// Lost three times in the same step: failed, as it is specified.
    GivenUp,
}

/// Verifies an execution that has ended; all that is wrong with it.
pub fn verify(name: &str, known: &Known, found: &Found, effects: &[Effect]) -> Result<Outcome, Vec<String>> {
    let mut faults = Vec::new();
    faults.extend(taken_back(&known.history, &found.history));
    if let (Some(before), now) = (&known.end, end(&found.status))
        && now.as_ref() != Some(before)
    {
        faults.push(format!("it was shown to have ended as {before}, and is now {now:?}"));
    }
    if found.history.iter().zip(0u64..).any(|(line, seq)| line["seq"] != seq) {
        faults.push("its history has gaps".to_owned());
    }
    let results = results(&found.history, &mut faults);
    let outcome = outcome(found, &mut faults);
    if outcome == Outcome::Completed {
        complete(known, &results, effects, &mut faults);
    }
    heard(name, (known, outcome == Outcome::Completed), effects, &mut faults);
    check_effects(known, &results, effects, &mut faults);
    if faults.is_empty() {
        return Ok(outcome);
    }
    let id = known.id.as_deref().unwrap_or("no id");
    Err(faults.into_iter().map(|fault| format!("{name} ({}, {id}): {fault}", known.kind.id)).collect())
}

/// The results of each step. None may be recorded twice for one run.
fn results<'a>(history: &'a [Value], faults: &mut Vec<String>) -> BTreeMap<&'a str, Vec<&'a Value>> {
    let (mut results, mut runs): (BTreeMap<_, Vec<_>>, BTreeSet<_>) = Default::default();
    for line in history.iter().filter(|line| line["entry"] == "step_succeeded") {
        let step = line["step"].as_str().unwrap_or_default();
        results.entry(step).or_default().push(&line["output"]);
        if !runs.insert(line["run"].as_u64()) {
            faults.push(format!("the result of step {step}, run {}, is recorded twice", line["run"]));
        }
    }
    results
}

fn outcome(found: &Found, faults: &mut Vec<String>) -> Outcome {
    if found.status["status"] == "completed" {
        return Outcome::Completed;
    }
    let mut losses: BTreeMap<_, usize> = BTreeMap::new();
    for line in found.history.iter().filter(|line| line["entry"] == "attempt_lost") {
        *losses.entry(line["run"].as_u64()).or_default() += 1;
    }
    let was_lost = losses.values().any(|count| *count >= STRIKES);
    if found.status["errorDetails"]["code"] != "host_fault" || !was_lost {
        faults.push(format!("it did not complete: {}", found.status));
    }
    Outcome::GivenUp
}

/// All results and all effects of an execution that has completed.
fn complete(known: &Known, results: &BTreeMap<&str, Vec<&Value>>, effects: &[Effect], faults: &mut Vec<String>) {
    for (step, count) in known.kind.results {
        let recorded = results.get(step).map_or(0, Vec::len);
        // The step that starts a child ends with another kind of line.
        if recorded != *count && !(*step == "c" && known.kind.of_child.is_some()) {
            faults.push(format!("step {step} has {recorded} results instead of {count}"));
        }
    }
    let seen: BTreeSet<_> =
        effects.iter().filter_map(|effect| place(&effect.key)).map(|(_, step, at)| (step, at)).collect();
    for (step, iterations) in
        known.kind.effects.iter().copied().chain(known.kind.of_child.map(|step| (step, &["-"][..])))
    {
        for iteration in iterations.iter().filter(|iteration| !seen.contains(&(step, **iteration))) {
            faults.push(format!("the effect of step {step}, iteration {iteration}, never reached the ledger"));
        }
    }
}

/// Execution, step and iteration of an idempotency key.
fn place(key: &str) -> Option<(&str, &str, &str)> {
    let mut parts = key.split('/');
    Some((parts.next()?, parts.next()?, parts.next()?))
}

/// Each effect under one key, with one content, on behalf of what was recorded.
fn check_effects(known: &Known, results: &BTreeMap<&str, Vec<&Value>>, effects: &[Effect], faults: &mut Vec<String>) {
    let (mut keys, mut bodies, mut children) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for effect in effects {
        let Some((execution, step, iteration)) = place(&effect.key) else {
            faults.push(format!("an effect has the key {:?}", effect.key));
            continue;
        };
        if known.kind.of_child == Some(step) {
            children.insert(execution);
        } else if known.id.as_deref() != Some(execution) {
            faults.push(format!("execution {execution} worked for the same start"));
        }
        let first = *keys.entry((step, iteration)).or_insert(&effect.key);
        if *first != effect.key {
            faults.push(format!("one effect has the keys {first} and {}", effect.key));
        }
        let body = *bodies.entry(&effect.key).or_insert(&effect.body);
        if *body != effect.body {
            faults.push(format!("under {}, the ledger was told {body}, and then {}", effect.key, effect.body));
        }
        told(effect, results, faults);
    }
    if children.len() > 1 {
        faults.push(format!("one step started several executions: {children:?}"));
    }
}

/// The word from outside is one that was sent; if one was acknowledged, it is that.
fn heard(name: &str, (known, is_completed): (&Known, bool), effects: &[Effect], faults: &mut Vec<String>) {
    let heard: Vec<_> = effects.iter().filter_map(|effect| effect.body.get("heard")).collect();
    if known.kind.hears != Hears::Nothing && is_completed && heard.is_empty() {
        faults.push("it completed without the word that it waits for".to_owned());
    }
    let sent: BTreeSet<_> = (1..=known.said.tries).map(|n| format!("{name}/{n}")).collect();
    for word in heard {
        let text = word.as_str().unwrap_or_default();
        if !sent.contains(text) {
            faults.push(format!("it has heard {word}, which nobody said"));
        }
        if let Some(taken) = known.said.taken.as_ref().filter(|taken| *taken != text) {
            faults.push(format!("it has heard {word}, although {taken:?} was acknowledged"));
        }
    }
}

/// What an effect told of earlier steps is what their history says.
fn told(effect: &Effect, results: &BTreeMap<&str, Vec<&Value>>, faults: &mut Vec<String>) {
    let Some(told) = effect.body["told"].as_object() else { return };
    for (step, said) in told {
        let Some([recorded]) = results.get(step.as_str()).map(Vec::as_slice) else {
            if results.contains_key(step.as_str()) || !said.is_null() && step != "c" {
                faults.push(format!("{} tells of {step} what no history says: {said}", effect.key));
            }
            continue;
        };
        let fact = recorded.get("lot").or_else(|| recorded.get("body")).unwrap_or(&Value::Null);
        if fact != said {
            faults.push(format!("{} tells {said} of step {step}, whose recorded result is {fact}", effect.key));
        }
    }
}
