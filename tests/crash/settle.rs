//! After a crash: what was acknowledged is there at once, and in the end all of it is done, and done right.

use crate::api::{Api, must};
use crate::load::World;
use crate::memory::Known;
use crate::verify::{Found, Outcome, verify};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Looks at executions that have not ended, of half a second each, without any of them ending.
const PATIENCE: usize = 120;
/// How often a start that is refused is asked for again, and the pause between.
const REPEATS: usize = 60;
const PAUSE: Duration = Duration::from_millis(250);
/// More faults than this are not shown.
const SHOWN: usize = 20;

/// What was verified.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub completed: usize,
    pub given_up: usize,
}

/// Everything that was acknowledged and is not yet verified is there, with all that was shown of it.
pub fn presence(world: &World, api: &Api) -> Result<(), String> {
    for (name, known) in world.memory.unsettled() {
        world.look_at(api, &name, &known)?;
    }
    judge(&world.memory.faults())
}

/// Waits until all executions have ended, and verifies them.
pub fn settle(world: &World, api: &Api, tally: &mut Tally) -> Result<(), String> {
    let mut faults = Vec::new();
    let unanswered = repeat(world, api)?;
    let open = world.memory.unsettled();
    if !unanswered.is_empty() {
        faults.push(format!("never acknowledged, asked again in vain: {unanswered:?}"));
    }
    let ended = ends(world, api, &open, &mut faults)?;
    // With what they were told meanwhile.
    let open = world.memory.unsettled();
    for (name, known) in &open {
        let (Some(id), Some(status)) = (&known.id, ended.get(name)) else { continue };
        let found = Found { status: status.clone(), history: history(api, id)? };
        match verify(name, known, &found, &world.ledger.effects(name)) {
            Ok(Outcome::Completed) => tally.completed += 1,
            Ok(Outcome::GivenUp) => tally.given_up += 1,
            Err(wrong) => faults.extend(wrong),
        }
        world.memory.saw(name, status);
        world.memory.settled(name);
    }
    faults.extend(world.memory.faults());
    judge(&faults)
}

/// Asks again until all is acknowledged; what never is. A server may refuse for some seconds after a disk has room again.
fn repeat(world: &World, api: &Api) -> Result<Vec<String>, String> {
    let mut left = Vec::new();
    for _ in 0..REPEATS {
        world.repeat(api)?;
        left = world.memory.unsettled();
        left.retain(|(_, known)| known.id.is_none());
        if left.is_empty() {
            break;
        }
        std::thread::park_timeout(PAUSE);
    }
    Ok(left.into_iter().map(|(name, _)| name).collect())
}

/// How they ended, by name.
fn ends(
    world: &World,
    api: &Api,
    open: &[(String, Known)],
    faults: &mut Vec<String>,
) -> Result<BTreeMap<String, Value>, String> {
    let mut ended = BTreeMap::new();
    let mut patience = PATIENCE;
    let mut waiting: Vec<_> = open.iter().filter_map(|(name, known)| Some((name, known.id.as_ref()?))).collect();
    while let Some((name, id)) = waiting.first().copied() {
        world.answer(api, || true)?;
        world.tell(api, || true)?;
        match api.get(&format!("/workflows/executions/{id}?wait=500ms"))? {
            (200, status) if matches!(status["status"].as_str(), Some("completed" | "failed")) => {
                ended.insert(name.clone(), status);
                waiting.swap_remove(0);
                patience = PATIENCE;
            }
            (200, status) if patience == 0 => {
                faults.push(format!("{name}: {id} does not end: {status}"));
                waiting.swap_remove(0);
            }
            (200 | 503, _) => {
                patience = patience.saturating_sub(1);
                waiting.rotate_left(1);
            }
            (status, body) => {
                faults.push(format!("{name}: {id} was acknowledged, and is answered {status}: {body}"));
                waiting.swap_remove(0);
            }
        }
    }
    Ok(ended)
}

/// A whole history.
fn history(api: &Api, id: &str) -> Result<Vec<Value>, String> {
    let answer = must(api.get(&format!("/workflows/executions/{id}/history")), 200)?;
    Ok(answer["items"].as_array().cloned().unwrap_or_default())
}

/// At the end of a run: what was verified earlier is still so.
pub fn still_there(world: &World, api: &Api) -> Result<(), String> {
    for (name, known) in world.memory.all() {
        let Some(id) = known.id else { continue };
        match api.get(&format!("/workflows/executions/{id}"))? {
            (200, status) => world.memory.saw(&name, &status),
            (status, body) => world.memory.fault(format!("{name}: {id} was there, and is answered {status}: {body}")),
        }
    }
    judge(&world.memory.faults())
}

/// Nothing is wrong, or this is.
pub fn judge(faults: &[String]) -> Result<(), String> {
    if faults.is_empty() {
        return Ok(());
    }
    let shown: Vec<_> = faults.iter().take(SHOWN).map(|fault| format!("  {fault}")).collect();
    Err(format!("{} faults:\n{}", faults.len(), shown.join("\n")))
}
