//! `kill -9` at random moments, also while the server starts; one store for all of them.

use crate::load::World;
use crate::process::{Manner, Process};
use crate::report::{self, Mode};
use crate::seed::Draw;
use crate::settle::{Tally, presence, settle, still_there};
use crate::workflows;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// One cycle in so many has a kill during the start of the server.
const STARTUP_KILLS: u64 = 20;
/// One cycle in so many waits until all is done. The others are killed in the middle of what the one before has left.
const SETTLES: u64 = 3;
/// Starts in one cycle.
const STARTS: u64 = 40;
/// No moment is further away.
const LONGEST: Duration = Duration::from_millis(1_500);
/// A server is killed before so many milliseconds of its start.
const STARTUP_MS: u64 = 400;

pub fn kills(mode: Mode) -> Result<(), String> {
    let cycles = mode.pick(20, 200);
    let mut draw = Draw::of("kill");
    let folder = report::folder("kill");
    let data = folder.join("data");
    let world = World::new(&mut draw, &[0, 0, 0, 200, 4_000, 9_000]);
    let (mut process, api) = Process::start(&folder, &data, &Manner::default())?;
    workflows::deploy(&api, &world.ledger.address)?;
    process.kill();
    let (mut tally, mut startups) = (Tally::default(), 0u64);
    let special = draw.below(STARTUP_KILLS);
    for cycle in 0..cycles {
        if cycle % STARTUP_KILLS == special {
            kill_during_start(&folder, &data, &mut draw);
            startups += 1;
        }
        one(&folder, &world, &mut draw, (cycle, &mut tally)).map_err(|fault| format!("cycle {cycle}: {fault}"))?;
        let (asked, _) = world.memory.sums();
        report::progress("kill", cycle + 1, cycles, &format!("{asked} starts, {tally:?}"));
    }
    let (_process, api) = Process::start(&folder, &data, &Manner::default())?;
    settle(&world, &api, &mut tally)?;
    still_there(&world, &api)?;
    let (effects, repeated) = world.ledger.sums();
    let kills = cycles + startups;
    report::row(
        "kill -9",
        kills,
        &format!(
            "{startups} during start-up; {tally:?}, {effects} effects, {repeated} of them repeated under their key"
        ),
    );
    report::done(&folder);
    Ok(())
}

/// A server that is killed at a random moment, and what the one before has left.
fn one(folder: &Path, world: &World, draw: &mut Draw, (cycle, tally): (u64, &mut Tally)) -> Result<(), String> {
    let (mut process, api) = Process::start(folder, &folder.join("data"), &Manner::default())?;
    presence(world, &api)?;
    if cycle % SETTLES == SETTLES - 1 {
        settle(world, &api, tally)?;
    } else {
        world.repeat(&api)?;
    }
    let load = world.work(&api, STARTS, draw);
    world.ledger.wait_for(draw.below(150), LONGEST);
    process.kill();
    load.stop();
    Ok(())
}

fn kill_during_start(folder: &Path, data: &Path, draw: &mut Draw) {
    let mut process = Process::spawn(folder, data, &Manner::default());
    thread::park_timeout(Duration::from_millis(draw.below(STARTUP_MS)));
    process.kill();
}
