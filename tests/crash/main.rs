//! Crashes: the real server, a ledger outside of it, and everything that can happen to a process and its disk. README.md tells how.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

mod api;
mod kills;
mod ledger;
mod load;
mod memory;
mod process;
mod report;
mod seed;
mod settle;
mod verify;
mod verify_tests;
mod workflows;

use libtest_mimic::{Arguments, Failed, Trial};
use report::Mode;

/// A trial in the mode that the environment asks for.
fn trial(name: &str, run: fn(Mode) -> Result<(), String>) -> Trial {
    Trial::test(name, move || run(Mode::of_environment()).map_err(Failed::from))
}

fn main() {
    let mut trials = vec![trial("kill", kills::kills)];
    trials.extend(verify_tests::all());
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    if let Some(table) = report::table() {
        eprintln!("the table is in {}", table.display());
    }
    conclusion.exit();
}
