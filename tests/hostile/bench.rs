//! What the attacks cost those who are not attacked: `cargo bench --profile dev --bench wall`.
//!
//! For each way of isolation, on one server: another tenant's workflow while nothing else happens and while the whole corpus is played, in
//! turns; and the server's memory before and after ten thousand hostile calls. All figures are ratios of one run. With
//! `-- latency thread` only this part in this way: `latency`, `memory`; `thread`, `process`. With names of attacks, these again and again.
#![allow(clippy::expect_used, clippy::panic, reason = "whoever runs it wants to see what went wrong")]

mod arena;
mod corpus;
#[path = "../it/described.rs"]
mod described;
#[path = "../../host/runtime/tests/common/guests.rs"]
mod guests;
mod resident;
mod services;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with the tests of `it`, which use more of it")]
mod support;
mod witness;

use arena::{Arena, Isolation};
use corpus::Attack;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Attacks of one round; idle rounds lie between.
const ROUND: usize = 10;
/// Attackers at a time.
const ATTACKERS: usize = 2;
/// The other tenant's executions of an idle round.
const IDLE: usize = 200;
/// Hostile calls whose memory is measured, and calls before the first look.
const CALLS: usize = 10_000;
const WARM: usize = 2_000;

const PARTS: [&str; 2] = ["latency", "memory"];

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let has = |name: &str, among: &[&str]| {
        asked.iter().any(|given| given == name) || !asked.iter().any(|given| among.contains(&given.as_str()))
    };
    for isolation in Isolation::ALL {
        let name = isolation.name();
        if !has(name, &Isolation::ALL.map(Isolation::name)) {
            continue;
        }
        if has("latency", &PARTS) {
            let (idle, attacked) = latencies(isolation, &attacks(&asked));
            let (idle, attacked) = (Spread::of(idle), Spread::of(attacked));
            println!(
                "{name}: p50 {:.1} ms idle, {:.1} attacked; p99 {:.1} ms of {} idle, {:.1} of {} attacked: {:.2} times",
                idle.median,
                attacked.median,
                idle.worst,
                idle.count,
                attacked.worst,
                attacked.count,
                attacked.worst / idle.worst
            );
        }
        if has("memory", &PARTS) {
            let (before, after) = memory(isolation);
            println!("{name}: {before:.1} MiB resident before, {after:.1} after: {:.3} times", after / before);
        }
    }
}

/// Those that are asked for, over and over, or all. Attacks that bring servers, or arguments of their own, are for the tests.
fn attacks(asked: &[String]) -> Vec<&'static Attack> {
    let all: Vec<_> = corpus::all().into_iter().filter(|attack| attack.args.is_empty()).collect();
    let some: Vec<_> = all.iter().copied().filter(|attack| asked.iter().any(|name| name == attack.name)).collect();
    if some.is_empty() { all } else { some.iter().copied().cycle().take(5 * ROUND).collect() }
}

/// Milliseconds.
struct Spread {
    median: f64,
    /// The 99th percentile.
    worst: f64,
    count: usize,
}

impl Spread {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_secs_f64() * 1_000.0;
        Self { median: at(50), worst: at(99), count: took.len() }
    }
}

/// The other tenant's executions, idle and while attacks go on.
fn latencies(isolation: Isolation, attacks: &[&Attack]) -> (Vec<Duration>, Vec<Duration>) {
    let arena = Arena::new(isolation, &[]);
    arena.pause();
    let (mut idle, mut attacked) = (Vec::new(), Vec::new());
    for (round, part) in attacks.chunks(ROUND).enumerate() {
        idle.extend((0..IDLE).map(|number| witness::work(&arena.acme, number)));
        arena.resume();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..ATTACKERS {
                scope.spawn(|| play(&arena, part, &next));
            }
        });
        let took = arena.pause();
        let (first, last) = (part[0].name, part[part.len() - 1].name);
        eprintln!(
            "{}: {} of {} attacks, from {first} to {last}: p99 {:.1} ms",
            isolation.name(),
            round * ROUND + part.len(),
            attacks.len(),
            Spread::of(took.clone()).worst
        );
        attacked.extend(took);
    }
    arena.resume();
    arena.close();
    (idle, attacked)
}

fn play(arena: &Arena, attacks: &[&Attack], next: &AtomicUsize) {
    while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
        // Some look at the codes of the server's numbers, which differ when others attack at the same time: the tests see to them.
        if catch_unwind(AssertUnwindSafe(|| (attack.act)(arena))).is_err() {
            eprintln!("{}: not as expected beside others", attack.name);
        }
    }
}

/// MiB of the server and its children, before and after.
fn memory(isolation: Isolation) -> (f64, f64) {
    let arena = Arena::new(isolation, &["--fuel", "20000000"]);
    arena.pause();
    let functions = corpus::cheap(&arena);
    calls(&arena, &functions, WARM);
    let before = resident::mebibytes(arena.pid());
    for part in 1..=10 {
        calls(&arena, &functions, CALLS / 10);
        eprintln!(
            "{}: {} hostile calls, {:.1} MiB",
            isolation.name(),
            part * CALLS / 10,
            resident::mebibytes(arena.pid())
        );
    }
    let after = resident::mebibytes(arena.pid());
    arena.resume();
    arena.close();
    (before, after)
}

/// So many calls of these functions, several at a time.
fn calls(arena: &Arena, functions: &[String], count: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    arena.call(&functions[number % functions.len()], &serde_json::json!({"n": number}));
                }
            });
        }
    });
}
