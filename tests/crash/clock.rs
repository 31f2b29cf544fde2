//! The clock is set forward and back by a day, between runs and in the middle of them.

use crate::api::must;
use crate::cycle::{Cycle, Place};
use crate::load::World;
use crate::process::Manner;
use crate::report::{self, Mode};
use crate::seed::Draw;
use crate::settle::{Tally, settle, still_there};
use crate::workflows::KINDS;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STARTS: u64 = 40;
const LONGEST: Duration = Duration::from_millis(1_000);
/// How far the clock is off, as libfaketime reads it.
const OFFSETS: [&str; 3] = ["-1d", "+0", "+1d"];
/// Later than any of them by more than anything waits: here all timers are due.
const IN_THE_END: &str = "+90000s";
/// Where Debian puts libfaketime, by architecture.
const LIBRARIES: &str = "/usr/lib";

/// libfaketime for programs with threads.
pub fn library() -> Option<PathBuf> {
    let architectures = fs::read_dir(LIBRARIES).ok()?.flatten().map(|entry| entry.path());
    architectures.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file())
}

pub fn clock(mode: Mode) -> Result<(), String> {
    let cycles = mode.pick(5, 50);
    let mut draw = Draw::of("clock");
    let folder = report::folder("clock");
    let place = Place { folder: folder.clone(), data: folder.join("data") };
    let world = World::new(&mut draw, &[0]);
    place.deploy(&world)?;
    let library = library().ok_or("libfaketime is not there")?;
    let hand = folder.join("clock");
    let manner = manner(&library, &hand);
    check_that_it_jumps(&place, &world, (&manner, &hand))?;
    let (mut tally, mut jumps) = (Tally::default(), 0u64);
    for cycle in 0..cycles {
        let done = one(&place, &world, &mut draw, (&manner, &hand));
        jumps += done.map_err(|fault| format!("cycle {cycle}: {fault}"))?;
        // Idempotency keys expire: what was not answered is asked for again while they all are valid.
        set(&hand, "-1d")?;
        let (mut process, api) = place.start(&manner)?;
        world.repeat(&api)?;
        set(&hand, IN_THE_END)?;
        process.kill();
        let (_process, api) = place.start(&manner)?;
        settle(&world, &api, &mut tally).map_err(|fault| format!("cycle {cycle}: {fault}"))?;
        report::progress("clock", cycle + 1, cycles, &format!("{jumps} jumps, {tally:?}"));
    }
    let (_process, api) = place.start(&Manner::default())?;
    still_there(&world, &api)?;
    report::row("the clock set forward and back by a day", jumps, &format!("in {cycles} runs with kills; {tally:?}"));
    report::done(&folder);
    Ok(())
}

/// The server does see another day.
fn check_that_it_jumps(place: &Place, world: &World, (manner, hand): (&Manner, &Path)) -> Result<(), String> {
    set(hand, "-1d")?;
    let (_process, api) = place.start(manner)?;
    let mut days = Vec::new();
    for offset in ["-1d", "+1d"] {
        set(hand, offset)?;
        world.start_one(&api, (&KINDS[0], 0), "?wait=5s")?;
        let all = world.memory.all();
        let id = all.last().and_then(|(_, known)| known.id.clone()).unwrap_or_default();
        let status = must(api.get(&format!("/workflows/executions/{id}")), 200)?;
        days.push(status["startedAt"].as_str().unwrap_or_default().chars().take(10).collect::<String>());
    }
    if days[0] < days[1] { Ok(()) } else { Err(format!("libfaketime has no effect: {days:?}")) }
}

/// Some work under a clock that jumps once or twice, and a kill. How often it jumped.
fn one(place: &Place, world: &World, draw: &mut Draw, (manner, hand): (&Manner, &Path)) -> Result<u64, String> {
    let mut offset = *draw.pick(&OFFSETS);
    set(hand, offset)?;
    let cycle = Cycle { world, starts: STARTS, settles: false };
    let (mut process, load) = cycle.begin(place.start(manner)?, draw, &mut Tally::default())?;
    let jumps = 1 + draw.below(2);
    for _ in 0..jumps {
        world.ledger.wait_for(draw.below(50), LONGEST);
        let others: Vec<_> = OFFSETS.into_iter().filter(|other| *other != offset).collect();
        offset = *draw.pick(&others);
        set(hand, offset)?;
    }
    world.ledger.wait_for(draw.below(50), LONGEST);
    let ended = process.ended();
    process.kill();
    load.stop();
    match ended {
        None => Ok(jumps + 1),
        Some(status) => Err(format!("it ended with {status} when its clock was set: {}", process.logged())),
    }
}

/// With a clock that follows what is in the file `hand`. Only the time of day jumps, as when somebody sets it.
fn manner(library: &Path, hand: &Path) -> Manner {
    let variables = [
        ("LD_PRELOAD", library.to_string_lossy().into_owned()),
        ("FAKETIME_TIMESTAMP_FILE", hand.to_string_lossy().into_owned()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    Manner { variables: variables.map(|(name, value)| (name.to_owned(), value)).into(), ..Manner::default() }
}

/// Whoever reads the file sees the old offset or the new one.
fn set(hand: &Path, offset: &str) -> Result<(), String> {
    let draft = hand.with_extension("new");
    let written = fs::write(&draft, offset).and_then(|()| fs::rename(&draft, hand));
    written.map_err(|error| error.to_string())
}
