//! The engine in simulated worlds: README.md says what goes wrong in them and what must hold all the same.
#![allow(clippy::expect_used, clippy::panic, clippy::large_futures, reason = "these are tests")]

mod blocks;
mod book;
mod chance;
mod commits;
mod functions;
mod gate;
mod host;
mod invariants;
mod people;
mod plan;
mod seed;
mod store;
mod trace;
mod weather;
mod world;

use std::ops::Range;

/// How many seeds there are without `STEPWELL_SIM_SEEDS`.
const SEEDS: u64 = 1_000;
/// The seeds are played in so many tests, so that each processor has something to do.
const PARTS: u64 = 4;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// Plays seeds, or the one that is asked for.
fn play(seeds: Range<u64>) {
    let one = number("STEPWELL_SIM_SEED");
    let shown = std::env::var_os("STEPWELL_SIM_TRACE").is_some();
    let seeds = one.map_or(seeds.clone(), |one| if seeds.start == 0 { one..one + 1 } else { 0..0 });
    let (mut failed, mut executions) = (Vec::new(), 0);
    for seed in seeds {
        match seed::play(seed, shown) {
            Ok(report) if report.breaches.is_empty() => executions += report.executions,
            Ok(report) => failed.push((seed, report.breaches.join("\n    "))),
            Err(why) => failed.push((seed, why)),
        }
        if failed.len() == 5 {
            break;
        }
    }
    println!("{executions} executions");
    let told = failed.iter().map(|(seed, why)| {
        format!(
            "seed {seed} breaks a rule:\n    {why}\n  \
             replay it: STEPWELL_SIM_SEED={seed} STEPWELL_SIM_TRACE=1 cargo nextest run --workspace --test sim --no-capture -E 'test(seeds_1)'"
        )
    });
    let told: Vec<String> = told.collect();
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

fn part(number_of_part: u64) -> Range<u64> {
    let all = number("STEPWELL_SIM_SEEDS").unwrap_or(SEEDS);
    all * number_of_part / PARTS..all * (number_of_part + 1) / PARTS
}

#[test]
fn seeds_1() {
    play(part(0));
}

#[test]
fn seeds_2() {
    play(part(1));
}

#[test]
fn seeds_3() {
    play(part(2));
}

#[test]
fn seeds_4() {
    play(part(3));
}

#[test]
fn a_seed_is_always_the_same_world() {
    for seed in 0..20 {
        let digest = |_| seed::play(seed, false).expect("is played").digest;
        let both = [0, 1].map(digest);
        assert_eq!(both[0], both[1], "seed {seed} is played in two ways");
    }
}
