//! Failing syncs: the n-th `fdatasync` or `fsync` of a thread answers EIO, for all n up to a bound.

use crate::cycle::{Cycle, Place};
use crate::load::World;
use crate::process::Manner;
use crate::report::{self, Mode};
use crate::seed::Draw;
use crate::settle::{Tally, settle, still_there};
use std::fs;
use std::time::Duration;

const STARTS: u64 = 12;
/// The server has got so far, or has ended: then it is killed.
const EVENTS: u64 = 40;
const LONGEST: Duration = Duration::from_millis(2_500);

/// How servers took it.
#[derive(Debug, Default)]
struct Taken {
    not_started: u64,
    ended: u64,
    never_failed: u64,
    /// sled's own syncs: it logs them, and nothing depends on them.
    went_on: u64,
}

pub fn errors(mode: Mode) -> Result<(), String> {
    let bound = mode.pick(10, 80);
    let mut draw = Draw::of("errors");
    let folder = report::folder("errors");
    let place = Place { folder: folder.clone(), data: folder.join("data") };
    let world = World::new(&mut draw, &[0, 4_000]);
    place.deploy(&world)?;
    let (mut tally, mut taken) = (Tally::default(), Taken::default());
    for number in 1..=bound {
        one(&place, &world, &mut draw, (number, &mut taken))
            .map_err(|fault| format!("sync {number} failed: {fault}"))?;
        let (_process, api) = place.start(&Manner::default())?;
        settle(&world, &api, &mut tally).map_err(|fault| format!("after sync {number} had failed: {fault}"))?;
        report::progress("errors", number, bound, &format!("{tally:?}, {taken:?}"));
    }
    let (_process, api) = place.start(&Manner::default())?;
    still_there(&world, &api)?;
    report::row("EIO on the n-th sync of a thread, n = 1, 2, ...", bound, &format!("{tally:?}; {taken:?}"));
    report::done(&folder);
    Ok(())
}

fn one(place: &Place, world: &World, draw: &mut Draw, (number, taken): (u64, &mut Taken)) -> Result<(), String> {
    let trace = place.folder.join("trace");
    let inject = format!("inject=fdatasync,fsync:error=EIO:when={number}");
    let words = ["strace", "-f", "-qq", "-e", "trace=fdatasync,fsync", "-e", &inject, "-o", &trace.to_string_lossy()];
    let manner = Manner { before: words.iter().map(|word| (*word).to_owned()).collect(), ..Manner::default() };
    let injected = || fs::read_to_string(&trace).unwrap_or_default().matches("(INJECTED)").count();
    let started = match place.start(&manner) {
        Ok(started) => started,
        Err(message) => {
            taken.not_started += 1;
            let says_so = message.contains("fdatasync") || message.contains("fsync") || message.contains("error 5");
            return if says_so { Ok(()) } else { Err(format!("it does not start, and does not say why: {message}")) };
        }
    };
    let cycle = Cycle { world, starts: STARTS, settles: false };
    let log = started.0.logged().len();
    let Ok((mut process, load)) = cycle.begin(started, draw, &mut Tally::default()) else {
        // It has ended while it was asked; the next server is held to what it has said.
        taken.ended += 1;
        return Ok(());
    };
    world.ledger.wait_for(EVENTS, LONGEST);
    let ended = process.ended();
    process.kill();
    load.stop();
    let said = process.logged();
    match (ended, injected()) {
        (Some(_), _) if said.get(log..).is_some_and(|said| said.contains("sync")) => taken.ended += 1,
        (Some(status), _) => return Err(format!("it ended with {status}, and does not say why: {said}")),
        (None, 0) => taken.never_failed += 1,
        (None, _) => taken.went_on += 1,
    }
    Ok(())
}
