//! What growth costs: `cargo bench --profile dev --bench growth` (or `-- 10000` for a short run, `-- 1000 10000 100000 1000000` for all).
//!
//! Waiting executions of four kinds (a person, a timer, an event, a child) are made by the real server, one of each; then the store is filled
//! with copies of them, through the store's port. At each size the real server is started: how long until it is ready, what it holds in
//! memory (the store's cache is 64 MiB), how many durable executions a second it carries out beside an empty server in the same run, and what lists
//! and histories take.
#![allow(clippy::expect_used, clippy::panic, reason = "whoever runs it wants to see what went wrong")]
#![allow(clippy::disallowed_methods, reason = "it measures time, and waits")]

#[path = "../it/described.rs"]
mod described;
mod fill;
mod measure;
#[path = "../hostile/resident.rs"]
mod resident;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with the tests of `it`, which use more of it")]
mod support;

use fill::{Template, fill};
use measure::{Figures, measure};
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

/// Without sizes on the command line: a minute.
const SHORT: [usize; 2] = [1_000, 10_000];

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|size| size.parse().ok()).collect();
    let sizes = if sizes.is_empty() { SHORT.to_vec() } else { sizes };
    let (full, empty) = (prepared(), prepared());
    let template = Template::read(&full.path().join("data/store"));
    println!("{}", Figures::HEAD);
    let mut stored = 0;
    for size in sizes {
        let began = Instant::now();
        fill(&full.path().join("data/store"), &template, stored..size.max(stored));
        stored = size.max(stored);
        eprintln!("{stored} waiting executions stored, the last in {:.1?}", began.elapsed());
        println!("{}", measure(&full, &empty, stored));
    }
}

/// A folder with definitions, and one waiting execution of each kind, parked.
fn prepared() -> Arc<TempDir> {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    fill::prepare(&folder);
    folder
}
