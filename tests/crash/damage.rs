//! Files that are cut, flipped or zeroed while no server runs: all that was acknowledged is served, or the server refuses to start and says
//! why, or what is damaged is named. Never in silence.

use crate::api::Api;
use crate::cycle::Place;
use crate::load::World;
use crate::memory::{Known, end, taken_back};
use crate::process::Manner;
use crate::report::{self, Mode};
use crate::seed::Draw;
use crate::settle::{Tally, judge, settle};
use crate::workflows::KINDS;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Executions that have ended, and ones that wait for an approval.
const ENDED: u64 = 40;
const WAITING: usize = 6;
/// A place of this size is zeroed.
const BLOCK: u64 = 4_096;

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// Only the first half is left.
    Halved,
    /// The last bytes are gone.
    Shortened,
    /// Nothing is left.
    Emptied,
    /// One bit is another one.
    Flipped,
    /// A block is zeros.
    Zeroed,
    /// All of it is zeros.
    Blanked,
    /// It is not there.
    Removed,
}

const DAMAGES: [Damage; 7] = [
    Damage::Halved,
    Damage::Shortened,
    Damage::Emptied,
    Damage::Flipped,
    Damage::Zeroed,
    Damage::Blanked,
    Damage::Removed,
];

/// What a server made of it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Fate {
    Served,
    Refused,
    Named,
}

pub fn damage(mode: Mode) -> Result<(), String> {
    let mut draw = Draw::of("damage");
    let folder = report::folder("damage");
    let (world, whole) = store(&folder, &mut draw)?;
    let (mut fates, mut faults) = (BTreeMap::<_, u64>::new(), Vec::new());
    let files = files(&whole);
    let times = mode.pick(24, 300);
    for time in 0..times {
        // Most of what there is to lose is in the index.
        let (name, path) = if draw.one_in(2) { index(&files) } else { draw.pick(&files) };
        let damage = *draw.pick(&DAMAGES);
        let place = Place { folder: folder.join("case"), data: folder.join("case/data") };
        let _ = fs::remove_dir_all(&place.folder);
        copy(&whole, &place.data).map_err(|error| error.to_string())?;
        let at = spoil(&place.data.join(path), damage, &mut draw).map_err(|error| error.to_string())?;
        match fate(&place, &world) {
            Ok(fate) => *fates.entry(fate).or_default() += 1,
            Err(wrong) => {
                // The first one stays to be looked at.
                let _ = fs::rename(&place.folder, folder.join(format!("fault-{}", faults.len())));
                faults.push(format!("{} {damage:?} at {at}: {wrong}", path.display()));
            }
        }
        report::progress(
            "damage",
            time + 1,
            times,
            &format!("{fates:?}, {} faults, last {name} {damage:?}", faults.len()),
        );
    }
    judge(&faults)?;
    report::row("files cut, flipped, zeroed, removed", times, &format!("{fates:?}"));
    report::done(&folder);
    Ok(())
}

/// A store with finished and waiting executions, all that was shown of them, and where it is.
fn store(folder: &Path, draw: &mut Draw) -> Result<(World, PathBuf), String> {
    let place = Place { folder: folder.to_owned(), data: folder.join("whole") };
    let world = World::new(draw, &[0, 200, 9_000]);
    place.deploy(&world)?;
    let (mut process, api) = place.start(&Manner::default())?;
    world.work(&api, ENDED, draw).finish();
    settle(&world, &api, &mut Tally::default())?;
    let approval = KINDS.iter().find(|kind| kind.id == "approval").ok_or("no approvals")?;
    for _ in 0..WAITING {
        world.start_one(&api, (approval, 0), "?wait=1s")?;
    }
    for (name, known) in world.memory.all() {
        world.look_at(&api, &name, &known)?;
    }
    judge(&world.memory.faults())?;
    let status = process.terminate();
    if status.success() { Ok((world, place.data)) } else { Err(format!("ended with {status}")) }
}

/// What a server makes of a damaged folder, or what is wrong with that.
fn fate(place: &Place, world: &World) -> Result<Fate, String> {
    let (mut process, api) = match place.start(&Manner::default()) {
        Ok(started) => started,
        Err(message) => {
            let says_why = message.lines().skip(1).any(|line| !line.trim().is_empty());
            return if says_why {
                Ok(Fate::Refused)
            } else {
                Err(format!("it refuses to start and does not say why: {message}"))
            };
        }
    };
    let mut fate = Fate::Served;
    let known: Vec<_> = world.memory.all();
    let seen: Vec<_> = known.iter().map(|(_, known)| look(&api, known)).collect();
    let log = process.logged();
    for ((name, known), seen) in known.iter().zip(seen) {
        let id = known.id.as_deref().unwrap_or_default();
        match seen {
            Ok(()) => {}
            Err((was_told, _)) if was_told || log.contains(id) => fate = Fate::Named,
            Err((_, what)) => return Err(format!("{name}: {id}: {what}")),
        }
    }
    if let Some(status) = process.ended() {
        let says_why = log.contains("stepwell:") || log.contains("ERROR") || log.contains("panicked");
        return if says_why {
            Ok(Fate::Named)
        } else {
            Err(format!("it ended with {status} and does not say why: {log}"))
        };
    }
    Ok(fate)
}

/// Whether an execution is served as it was shown. If not: whether the answer says that something is wrong, and what is.
fn look(api: &Api, known: &Known) -> Result<(), (bool, String)> {
    let id = known.id.as_deref().unwrap_or_default();
    let ask = |path: String| match api.get(&path) {
        Ok((200, body)) => Ok(body),
        // Who gets an error knows that something is wrong; who is told that there is nothing does not.
        Ok((status, body)) => Err((status >= 500, format!("{path} is answered {status}: {body}"))),
        // The server has ended; whether it said why is looked at later.
        Err(error) => Err((true, error)),
    };
    let status = ask(format!("/workflows/executions/{id}"))?;
    if known.end.is_some() && end(&status) != known.end {
        return Err((false, format!("it had ended as {:?}, and is shown as {status}", known.end)));
    }
    let history = ask(format!("/workflows/executions/{id}/history"))?;
    let lines = history["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    taken_back(&known.history, lines).map_or(Ok(()), |fault| Err((false, fault)))
}

/// The files of a folder, and what they are, relative to it.
fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(inner) = open.pop() {
        for entry in fs::read_dir(&inner).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(relative) = path.strip_prefix(folder)
                && path.metadata().is_ok_and(|file| file.len() > 0)
            {
                let name =
                    relative.components().take(2).map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>();
                found.push((name.join("/"), relative.to_owned()));
            }
        }
    }
    found.sort();
    found
}

fn index(files: &[(String, PathBuf)]) -> &(String, PathBuf) {
    files.iter().find(|(_, path)| path.ends_with("sled/db")).expect("an index")
}

/// Damages a file; where.
fn spoil(path: &Path, damage: Damage, draw: &mut Draw) -> std::io::Result<u64> {
    let file = File::options().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let at = draw.below(length);
    match damage {
        Damage::Halved => file.set_len(length / 2)?,
        Damage::Shortened => file.set_len(length - 1 - draw.below(length.min(BLOCK)).min(length - 1))?,
        Damage::Emptied => file.set_len(0)?,
        Damage::Flipped => {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            byte[0] ^= 1 << draw.below(8);
            file.write_all_at(&byte, at)?;
        }
        Damage::Zeroed => {
            let begin = at / BLOCK * BLOCK;
            file.write_all_at(&vec![0; BLOCK.min(length - begin) as usize], begin)?;
        }
        Damage::Blanked => file.write_all_at(&vec![0; length as usize], 0)?,
        Damage::Removed => fs::remove_file(path)?,
    }
    Ok(at)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
