//! When the server is killed: by a seed, so that a schedule can be asked for again.

use std::env;

/// Most kills in one run. The third abnormal end during one step run is that step's failure by design (C15).
const KILLS_PER_RUN: u32 = 2;
/// A run is looked at after less than so many milliseconds, and perhaps killed then: most cases take few.
const LOOK_MS: u64 = 24;

/// Draws the moments of the kills.
pub struct Kills {
    state: u64,
    left: u32,
}

impl Kills {
    /// `STEPWELL_CONFORMANCE_SEED`, or a seed that belongs to the case's name; it is printed.
    pub fn of(case: &str) -> Self {
        let given = env::var("STEPWELL_CONFORMANCE_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"));
        let seed =
            given.unwrap_or_else(|| case.bytes().fold(0, |seed: u64, byte| seed * 31 % 1_000_003 + u64::from(byte)));
        eprintln!("{case}: kills by STEPWELL_CONFORMANCE_SEED={seed}");
        Self { state: seed, left: 0 }
    }

    /// How often each case is played: `STEPWELL_CONFORMANCE_ROUNDS`, or once.
    pub fn rounds() -> u32 {
        env::var("STEPWELL_CONFORMANCE_ROUNDS").map_or(1, |rounds| rounds.parse().expect("rounds is a number"))
    }

    /// A run begins.
    pub fn begin(&mut self) {
        self.left = KILLS_PER_RUN;
    }

    /// How long to wait before the next look, milliseconds.
    pub fn look_ms(&mut self) -> u64 {
        self.draw() % LOOK_MS
    }

    /// Whether to kill now.
    pub fn is_now(&mut self) -> bool {
        let is_now = self.left > 0 && self.draw() % 3 < 2;
        self.left -= u32::from(is_now);
        is_now
    }

    /// `SplitMix64`.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
