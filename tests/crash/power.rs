//! Loss of power under load, and the negative control: without the store's own syncs, the same trial must find a fault.

use crate::cycle::{Cycle, Place};
use crate::disk::{Disk, compile};
use crate::load::World;
use crate::process::Manner;
use crate::report::{self, Mode};
use crate::seed::Draw;
use crate::settle::{Tally, settle, still_there};
use std::path::Path;
use std::time::Duration;

/// What an execution carries: 0.2, 4, 8 and 200 KB.
const PADS: &[usize] = &[200, 4_000, 8_000, 200_000];
const MIB: u64 = 2_048;
/// Starts in one cycle.
const STARTS: u64 = 40;
/// One cycle in so many waits until all is done.
const SETTLES: u64 = 3;
const LONGEST: Duration = Duration::from_millis(1_500);
/// One cycle in so many has its functions in processes of their own.
const ISOLATED: u64 = 4;

/// The store's rails hold.
pub fn power(mode: Mode) -> Result<(), String> {
    let cuts = mode.pick(4, 40);
    let mut draw = Draw::of("power");
    let folder = report::folder("power");
    let (world, tally, ticks) = cut_again_and_again((&folder, cuts), &Manner::default(), &mut draw)?;
    let (effects, repeated) = world.ledger.sums();
    let came = format!(
        "payloads of 0.2, 4, 8 and 200 KB; {tally:?}, {ticks} occurrences of the schedule, {effects} effects, {repeated} of them repeated under their key"
    );
    report::row("loss of power", cuts, &came);
    report::done(&folder);
    Ok(())
}

/// They are what holds: without `fdatasync` the trial fails.
pub fn without_syncs(mode: Mode) -> Result<(), String> {
    let cuts = mode.pick(12, 30);
    let mut draw = Draw::of("power without syncs");
    let folder = report::folder("power-without-syncs");
    let preload = compile(&folder, "nosync.c", &["-shared", "-fPIC"])?;
    let preload = preload.to_string_lossy().into_owned();
    let manner = Manner { variables: vec![("LD_PRELOAD".to_owned(), preload)], ..Manner::default() };
    let Err(fault) = cut_again_and_again((&folder, cuts), &manner, &mut draw) else {
        return Err(format!(
            "{cuts} losses of power without a single fdatasync, and the verifier found nothing: it is blind"
        ));
    };
    let found = fault.lines().take(3).map(|line| line.chars().take(160).collect::<String>()).collect::<Vec<_>>();
    report::row(
        "the same without our fdatasync (must fail)",
        1,
        &format!("failed as it must: {}", found.join(" ").replace('|', "/")),
    );
    report::done(&folder);
    Ok(())
}

fn cut_again_and_again(
    (folder, cuts): (&Path, u64),
    manner: &Manner,
    draw: &mut Draw,
) -> Result<(World, Tally, usize), String> {
    let mut disk = Disk::new(folder, MIB)?;
    let place = Place { folder: folder.to_owned(), data: disk.mounted.join("data") };
    let world = World::open(draw, PADS);
    place.deploy(&world)?;
    let mut tally = Tally::default();
    for number in 0..cuts {
        let done = one((&mut disk, &place, manner), &world, draw, (number, &mut tally));
        done.map_err(|fault| format!("after {number} cuts: {fault}"))?;
        let (asked, _) = world.memory.sums();
        report::progress("power", number + 1, cuts, &format!("{asked} starts, {tally:?}"));
    }
    let (_process, api) = place.start(manner)?;
    settle(&world, &api, &mut tally)?;
    still_there(&world, &api)?;
    let ticks = world.settle_ticks(&api)?;
    Ok((world, tally, ticks))
}

fn one(
    (disk, place, manner): (&mut Disk, &Place, &Manner),
    world: &World,
    draw: &mut Draw,
    (number, tally): (u64, &mut Tally),
) -> Result<(), String> {
    let cycle = Cycle { world, starts: STARTS, settles: number % SETTLES == SETTLES - 1 };
    let manner = if number % ISOLATED == 0 { manner.clone().isolated() } else { manner.clone() };
    let (mut process, load) = cycle.begin(place.start(&manner)?, draw, tally)?;
    world.ledger.wait_for(1 + draw.below(150), LONGEST);
    disk.cut()?;
    process.kill();
    load.stop();
    disk.remount()
}
