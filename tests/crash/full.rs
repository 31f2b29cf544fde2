//! A disk that is full in the middle of commits, and has room again afterwards.

use crate::api::Api;
use crate::cycle::{Cycle, Place};
use crate::disk::Disk;
use crate::load::World;
use crate::process::{Manner, Process};
use crate::report::{self, Mode};
use crate::seed::Draw;
use crate::settle::{Tally, settle, still_there};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

const MIB: u64 = 512;
/// Starts in one cycle: enough to use up what is left.
const STARTS: u64 = 60;
const LONGEST: Duration = Duration::from_millis(1_000);
/// So much is left at most when the disk is filled up: less than what the work of a cycle writes.
const LEFT: u64 = 600_000;
/// Looks at a server that has room again, a tenth of a second each, before it is started again.
const LOOKS: usize = 30;

/// How servers took it.
#[derive(Debug, Default)]
struct Taken {
    /// It refused, and went on by itself when there was room.
    went_on: u64,
    /// It refused everything until it was started again, and said so.
    started_again: u64,
    /// It ended, with a message.
    ended: u64,
    /// It could not start on a full disk, and said so.
    not_started: u64,
}

pub fn full(mode: Mode) -> Result<(), String> {
    let times = mode.pick(3, 20);
    let mut draw = Draw::of("full");
    let folder = report::folder("full");
    let disk = Disk::new(&folder, MIB)?;
    let place = Place { folder: folder.clone(), data: disk.mounted.join("data") };
    let world = World::new(&mut draw, &[0, 4_000, 8_000, 50_000]);
    place.deploy(&world)?;
    let (mut tally, mut taken) = (Tally::default(), Taken::default());
    for time in 0..times {
        let filled = one((&disk, &place), &world, &mut draw, (&mut tally, &mut taken));
        filled.map_err(|fault| format!("filled up for the {}. time: {fault}", time + 1))?;
        report::progress("full", time + 1, times, &format!("{tally:?}, {taken:?}"));
    }
    let (process, api) = place.start(&Manner::default())?;
    settle(&world, &api, &mut tally)?;
    still_there(&world, &api)?;
    // The folder can only go when nothing is mounted in it.
    drop((process, disk));
    let (_, refused) = world.memory.sums();
    report::row("disk full in mid-commit", times, &format!("{tally:?}, {refused} starts refused; {taken:?}"));
    report::done(&folder);
    Ok(())
}

fn one(
    (disk, place): (&Disk, &Place),
    world: &World,
    draw: &mut Draw,
    (tally, taken): (&mut Tally, &mut Taken),
) -> Result<(), String> {
    let cycle = Cycle { world, starts: STARTS, settles: true };
    let (process, api) = place.start(&Manner::default())?;
    let (mut process, load) = cycle.begin((process, api.clone()), draw, tally)?;
    world.ledger.wait_for(draw.below(60), LONGEST);
    let filler = disk.mounted.join("filler");
    fill(&filler, disk.free().saturating_sub(draw.below(LEFT)));
    // Until all starts are made, or the server is gone.
    load.finish();
    if process.ended().is_none() && draw.one_in(3) {
        start_while_full(&mut process, place, taken)?;
    }
    let ended = process.ended().is_some();
    fs::remove_file(&filler).map_err(|error| error.to_string())?;
    if ended {
        taken.ended += 1;
        return said_why(&process);
    }
    if goes_on(&api) {
        taken.went_on += 1;
        return settle(world, &api, tally);
    }
    taken.started_again += 1;
    said_why(&process)
}

/// Whether a server commits again.
fn goes_on(api: &Api) -> bool {
    let is_ready = || api.get("/readyz").is_ok_and(|(status, _)| status == 200);
    (0..LOOKS).any(|_| {
        std::thread::park_timeout(Duration::from_millis(100));
        is_ready()
    })
}

/// A start on a full disk succeeds, or says what is missing.
fn start_while_full(process: &mut Process, place: &Place, taken: &mut Taken) -> Result<(), String> {
    process.kill();
    let Err(message) = place.start(&Manner::default()) else { return Ok(()) };
    taken.not_started += 1;
    if says_why(&message) {
        Ok(())
    } else {
        Err(format!("it does not start on a full disk, and does not say why: {message}"))
    }
}

fn said_why(process: &Process) -> Result<(), String> {
    let log = process.logged();
    if says_why(&log) { Ok(()) } else { Err(format!("nothing in the log says that the disk is full: {log}")) }
}

fn says_why(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["no space", "space", "storage full", "disk"].iter().any(|word| text.contains(word))
}

/// So many bytes, or until there is no room.
fn fill(path: &Path, bytes: u64) {
    let Ok(mut file) = File::create(path) else { return };
    let part = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let count = left.min(part.len() as u64) as usize;
        if file.write_all(&part[..count]).is_err() {
            break;
        }
        left -= count as u64;
    }
    // What is only in the kernel's memory takes no room yet.
    let _ = file.sync_all();
}
