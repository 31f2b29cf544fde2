//! Chance that can be had again: what a run draws follows from its seed.

use std::env;
use std::hash::{BuildHasher as _, RandomState};

/// Draws numbers (`SplitMix64`).
pub struct Draw(u64);

impl Draw {
    /// `STEPWELL_CRASH_SEED`, or a fresh seed; it is printed.
    pub fn of(trial: &str) -> Self {
        let given = env::var("STEPWELL_CRASH_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(trial) % 1_000_000_000);
        eprintln!("{trial}: STEPWELL_CRASH_SEED={seed}");
        Self(seed)
    }

    /// Another source, which does not depend on how often this one is asked.
    pub fn branch(&mut self) -> Self {
        Self(self.next())
    }

    /// One of `0..bound`; 0 if there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or_default()
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        all.get(self.below(all.len() as u64) as usize).expect("there is something to pick")
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
