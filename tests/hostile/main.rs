//! The hostile corpus: what strangers may try, each attack a test of its name, through the front door, while another tenant works.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

#[allow(dead_code, reason = "shared with the benchmark, which uses more of it")]
mod arena;
#[allow(dead_code, reason = "shared with the benchmark, which uses more of it")]
mod corpus;
#[path = "../it/described.rs"]
mod described;
#[path = "../../host/runtime/tests/common/guests.rs"]
mod guests;
mod services;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with the tests of `it`, which use more of it")]
mod support;
mod witness;

use arena::{Arena, Isolation};
use corpus::Attack;
use libtest_mimic::{Arguments, Trial};

/// An attack in one mode of isolation. The other tenant's executions must not notice.
fn trial(attack: &'static Attack, isolation: Isolation) -> Trial {
    Trial::test(format!("{}::{}", isolation.name(), attack.name), move || {
        let arena = Arena::new(isolation, attack.args);
        (attack.act)(&arena);
        arena.close();
        Ok(())
    })
}

fn main() {
    let attacks = corpus::all();
    let trials = Isolation::ALL.iter().flat_map(|isolation| attacks.iter().map(|attack| trial(attack, *isolation)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}
