//! Everything in the store is read again and checked, slowly, again and again: what has rotted is told while a backup still has it, and not
//! when somebody needs it years later.
//!
//! A pass takes turns with what others write as retention does, reads no faster than it may, and changes nothing: an execution with a damaged
//! line may well go on (its state is in memory, or in a snapshot), and what to do is for the operator to say.

use crate::engine::Engine;
use crate::ports::{Damage, Scrubbed};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stepwell_core::time::Timestamp;

/// Bytes of one part, about: as much as a disk reads in a moment.
const PART_BYTES: u64 = 256 << 10;
/// Damaged things that are told of one by one; more are only counted.
const FOUND: usize = 100;
/// Whatever the pace, passes do not follow each other at once: milliseconds.
const LEAST_PAUSE_MS: u64 = 1_000;

/// How often, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubPace {
    /// From the beginning of one pass to the next one; zero: never. The first one begins with the server.
    pub every: Duration,
    /// Bytes per second, at least 1.
    pub bytes_per_second: u64,
}

impl Default for ScrubPace {
    fn default() -> Self {
        Self { every: Duration::from_secs(86_400), bytes_per_second: 8 << 20 }
    }
}

impl ScrubPace {
    /// How long so many bytes may take, milliseconds.
    fn lasts(self, bytes: u64) -> u64 {
        bytes.saturating_mul(1_000) / self.bytes_per_second.max(1)
    }

    /// When the pass after one that began and ended so begins; `None`: never.
    fn next(self, began: Timestamp, ended: Timestamp) -> Option<Timestamp> {
        let every = u64::try_from(self.every.as_millis()).unwrap_or(u64::MAX);
        (every > 0).then(|| began.plus(every).max(ended.plus(LEAST_PAUSE_MS)))
    }
}

/// What is known of the store's health.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// When the last pass began; `None`: there was none since the server started.
    pub began: Option<Timestamp>,
    /// When the last whole pass ended.
    pub ended: Option<Timestamp>,
    /// Values that the last pass has read, and their bytes.
    pub read: (u64, u64),
    /// How many damaged ones there are: those of the pass under way, or of the one before if those were more.
    pub damaged: u64,
    /// The first of them, in the order of their places.
    pub found: Vec<Damage>,
}

/// The passes since the server started.
#[derive(Default)]
pub(crate) struct Scrubs(Mutex<Passes>);

/// Pure; times are given.
#[derive(Default)]
struct Passes {
    report: ScrubReport,
    number: u64,
    /// Damaged things of the pass under way, and of the whole one before it.
    counts: (u64, u64),
    /// By place, with the pass that saw it last.
    found: BTreeMap<String, (u64, Damage)>,
}

impl Passes {
    fn begin(&mut self, now: Timestamp) {
        self.number += 1;
        self.counts.0 = 0;
        (self.report.began, self.report.read) = (Some(now), (0, 0));
    }

    /// Those that are to be told of now: not more than [`FOUND`] of a pass.
    fn take(&mut self, part: &Scrubbed) -> Vec<Damage> {
        self.report.read.0 = self.report.read.0.saturating_add(part.values);
        self.report.read.1 = self.report.read.1.saturating_add(part.bytes);
        let mut told = Vec::new();
        for damage in &part.damaged {
            self.counts.0 += 1;
            if self.counts.0 <= FOUND as u64 {
                told.push(damage.clone());
            }
            if self.found.len() < FOUND || self.found.contains_key(&damage.at) {
                self.found.insert(damage.at.clone(), (self.number, damage.clone()));
            }
        }
        told
    }

    /// The pass saw everything: what it has not found again is well, or gone.
    fn end(&mut self, now: Timestamp) {
        let number = self.number;
        self.found.retain(|_, (seen, _)| *seen == number);
        self.counts.1 = self.counts.0;
        self.report.ended = Some(now);
    }

    fn report(&self) -> ScrubReport {
        let found = self.found.values().map(|(_, damage)| damage.clone()).collect();
        ScrubReport { damaged: self.counts.0.max(self.counts.1), found, ..self.report.clone() }
    }
}

impl Engine {
    /// What the passes since the start of the server have seen.
    #[must_use]
    pub fn scrubbed(&self) -> ScrubReport {
        self.with_passes(|passes| passes.report())
    }

    /// Returns only when the server stops, or if nothing is to be read.
    pub(crate) async fn watch_scrub(&self) {
        let (clock, pace) = (&self.inner.ports.clock, self.inner.limits.scrub);
        let mut began = clock.now();
        while self.accepting().is_ok() && !pace.every.is_zero() {
            self.scrub_once(began, pace).await;
            let Some(next) = pace.next(began, clock.now()) else { return };
            clock.sleep_until(next).await;
            began = clock.now();
        }
    }

    /// One pass, unless the server stops or the store's thread ends under it.
    async fn scrub_once(&self, began: Timestamp, pace: ScrubPace) {
        let clock = &self.inner.ports.clock;
        self.with_passes(|passes| passes.begin(began));
        let mut place = None;
        while self.accepting().is_ok() {
            let from = clock.now();
            let part = match self.step(self.inner.ports.store.scrub(place, PART_BYTES)).await {
                Ok(part) => part,
                Err(error) => {
                    return tracing::error!(%error, "the store cannot be read through; the next pass tries again");
                }
            };
            for Damage { at, what, execution } in self.with_passes(|passes| passes.take(&part)) {
                let execution = execution.map(|key| key.id.to_string());
                tracing::error!(
                    at,
                    what,
                    execution,
                    "damaged data was found; GET /store tells of it, a backup may have it"
                );
            }
            if part.next.is_none() {
                return self.with_passes(|passes| passes.end(clock.now()));
            }
            place = part.next;
            clock.sleep_until(from.plus(pace.lasts(part.bytes))).await;
        }
    }

    fn with_passes<T>(&self, what: impl FnOnce(&mut Passes) -> T) -> T {
        what(&mut self.inner.scrubs.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(bytes: u64, damaged: &[&str]) -> Scrubbed {
        let damage = |at: &&str| Damage { at: (*at).to_owned(), what: "rotten".to_owned(), execution: None };
        Scrubbed { values: 1, bytes, damaged: damaged.iter().map(damage).collect(), next: None }
    }

    fn places(report: &ScrubReport) -> Vec<&str> {
        report.found.iter().map(|damage| damage.at.as_str()).collect()
    }

    #[test]
    fn what_a_pass_found_is_told_until_a_whole_one_does_not_find_it() {
        let mut passes = Passes::default();
        assert_eq!(passes.report(), ScrubReport::default());
        passes.begin(Timestamp(1));
        assert_eq!(passes.take(&part(10, &["b", "a"])).len(), 2);
        passes.end(Timestamp(5));
        let report = passes.report();
        assert_eq!((report.damaged, places(&report)), (2, vec!["a", "b"]));
        assert_eq!((report.began, report.ended, report.read), (Some(Timestamp(1)), Some(Timestamp(5)), (1, 10)));
        passes.begin(Timestamp(11));
        let report = passes.report();
        assert_eq!((report.damaged, places(&report), report.ended), (2, vec!["a", "b"], Some(Timestamp(5))));
        assert_eq!(passes.take(&part(10, &["b"])).len(), 1, "it is told of again");
        passes.end(Timestamp(15));
        assert_eq!((passes.report().damaged, places(&passes.report())), (1, vec!["b"]));
        passes.begin(Timestamp(21));
        passes.end(Timestamp(25));
        assert_eq!((passes.report().damaged, passes.report().found), (0, vec![]));
    }

    #[test]
    fn many_are_counted_and_some_of_them_told() {
        let mut passes = Passes::default();
        passes.begin(Timestamp(1));
        let names: Vec<String> = (0..FOUND * 3).map(|number| format!("{number:05}")).collect();
        let told = names.iter().map(|name| passes.take(&part(1, &[name])).len()).sum::<usize>();
        assert_eq!((told, passes.report().found.len(), passes.report().damaged), (FOUND, FOUND, FOUND as u64 * 3));
    }

    #[test]
    fn the_pace_is_kept_and_a_pass_begins_every_day() {
        let pace = ScrubPace { every: Duration::from_secs(10), bytes_per_second: 1 << 20 };
        assert_eq!((pace.lasts(1 << 20), pace.lasts(1 << 18), pace.lasts(0)), (1_000, 250, 0));
        assert_eq!(pace.next(Timestamp(5), Timestamp(6)), Some(Timestamp(10_005)));
        assert_eq!(
            pace.next(Timestamp(5), Timestamp(20_000)),
            Some(Timestamp(20_000 + LEAST_PAUSE_MS)),
            "one took longer"
        );
        assert_eq!(ScrubPace { every: Duration::ZERO, ..pace }.next(Timestamp(5), Timestamp(6)), None);
    }
}
