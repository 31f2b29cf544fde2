//! The benches, as the table has them.

pub mod chain;
pub mod latency;
pub mod others;
pub mod profile;
pub mod syncs;
pub mod workflows;

use crate::report::Row;
use crate::restate::Programs;
use crate::stepwell::Paths;
use std::time::Duration;

/// What a run is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    pub paths: Paths,
    /// Without it, nothing is compared with Restate.
    pub restate: Option<Programs>,
    /// So many times, in turns with what is compared.
    pub rounds: usize,
    /// How long one number of clients asks.
    pub lasting: Duration,
    /// Only whether it all runs.
    pub short: bool,
}

/// What comes of a bench.
pub type Rows = anyhow::Result<Vec<Row>>;

/// Says how far it is.
pub fn progress(text: &str) {
    eprintln!("bench: {text}");
}
