//! `kill -9` at random moments, also while the server starts; one store for all of them.

use crate::cycle::{Cycle, Place};
use crate::load::World;
use crate::process::{Manner, Process};
use crate::report::{self, Mode};
use crate::seed::Draw;
use crate::settle::{Tally, settle, still_there};
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
/// One cycle in so many has its functions in processes of their own.
const ISOLATED: u64 = 4;

pub fn kills(mode: Mode) -> Result<(), String> {
    let cycles = mode.pick(20, 200);
    let mut draw = Draw::of("kill");
    let folder = report::folder("kill");
    let place = Place { folder: folder.clone(), data: folder.join("data") };
    let world = World::open(&mut draw, &[0, 0, 0, 200, 4_000, 9_000]);
    place.deploy(&world)?;
    let (mut tally, mut startups) = (Tally::default(), 0u64);
    let special = draw.below(STARTUP_KILLS);
    for cycle in 0..cycles {
        if cycle % STARTUP_KILLS == special {
            kill_during_start(&place, &mut draw);
            startups += 1;
        }
        one(&place, &world, &mut draw, (cycle, &mut tally)).map_err(|fault| format!("cycle {cycle}: {fault}"))?;
        let (asked, _) = world.memory.sums();
        report::progress("kill", cycle + 1, cycles, &format!("{asked} starts, {tally:?}"));
    }
    let (_process, api) = place.start(&Manner::default())?;
    settle(&world, &api, &mut tally)?;
    still_there(&world, &api)?;
    let ticks = world.settle_ticks(&api)?;
    let (effects, repeated) = world.ledger.sums();
    let (kills, isolated) = (cycles + startups, cycles.div_ceil(ISOLATED));
    report::row(
        "kill -9",
        kills,
        &format!(
            "{startups} during start-up, {isolated} with functions in processes; {tally:?}, {ticks} occurrences of the schedule, {effects} effects, {repeated} of them repeated under their key"
        ),
    );
    report::done(&folder);
    Ok(())
}

/// A server that is killed at a random moment, after it has taken up what the one before has left.
fn one(place: &Place, world: &World, draw: &mut Draw, (number, tally): (u64, &mut Tally)) -> Result<(), String> {
    let cycle = Cycle { world, starts: STARTS, settles: number % SETTLES == SETTLES - 1 };
    let manner = if number % ISOLATED == 0 { Manner::default().isolated() } else { Manner::default() };
    let (mut process, load) = cycle.begin(place.start(&manner)?, draw, tally)?;
    world.ledger.wait_for(draw.below(150), LONGEST);
    process.kill();
    load.stop();
    Ok(())
}

fn kill_during_start(place: &Place, draw: &mut Draw) {
    let mut process = Process::spawn(&place.folder, &place.data, &Manner::default());
    thread::park_timeout(Duration::from_millis(draw.below(STARTUP_MS)));
    process.kill();
}
