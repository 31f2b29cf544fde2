//! Crashes: the real server, a ledger outside of it, and everything that can happen to a process and its disk. README.md tells how.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

mod api;
mod clock;
mod cycle;
mod damage;
mod disk;
mod errors;
mod full;
mod kills;
mod ledger;
mod load;
mod memory;
mod outside;
mod power;
mod process;
mod report;
mod seed;
mod settle;
mod ticks;
mod verify;
mod verify_tests;
mod workflows;

use libtest_mimic::{Arguments, Trial};
use report::Mode;

/// A trial in the mode that the environment asks for. What the machine cannot do is not run, and that is said; unless it is promised.
fn trial(name: &'static str, missing: Option<String>, run: fn(Mode) -> Result<(), String>) -> Trial {
    let Some(missing) = missing else {
        return Trial::test(name, move || {
            run(Mode::of_environment()).map_err(|fault| format!("{name}: {fault}").into())
        });
    };
    let is_promised = std::env::var_os("STEPWELL_CRASH_ALL").is_some();
    eprintln!("NOT RUN: {name}: this machine does not have {missing}");
    Trial::test(name, move || Err(format!("this machine does not have {missing}").into()))
        .with_ignored_flag(!is_promised)
}

fn main() {
    let strace = (!disk::has("strace")).then(|| "the program strace".to_owned());
    let faketime = clock::library().is_none().then(|| "libfaketime".to_owned());
    let mut trials = vec![
        trial("kill", None, kills::kills),
        trial("power", disk::missing(), power::power),
        trial("power_without_syncs", disk::missing(), power::without_syncs),
        trial("full", disk::missing(), full::full),
        trial("errors", strace, errors::errors),
        trial("damage", None, damage::damage),
        trial("clock", faketime, clock::clock),
    ];
    trials.extend(verify_tests::all());
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    if let Some(table) = report::table() {
        eprintln!("the table is in {}", table.display());
    }
    conclusion.exit();
}
