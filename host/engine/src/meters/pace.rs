//! How fast things come and go, and for how long somebody is to stay away: pure, with the time as an argument.

use stepwell_core::time::Timestamp;

/// A token is kept in so many parts, so that a millisecond of a slow rate is not nothing.
const PARTS: u64 = 1_000;
/// The window over which a pace is measured, milliseconds.
const WINDOW_MS: f64 = 60_000.0;

/// Tokens that grow back at a rate, up to twice of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// Parts of tokens that are missing from a full bucket.
    missing: u64,
    at: Timestamp,
}

impl Bucket {
    /// Takes one token. `Err`: in so many milliseconds there will be one.
    pub fn take(&mut self, now: Timestamp, per_second: u64) -> Result<(), u64> {
        let per_second = per_second.max(1);
        // A rate per second is just as many parts per millisecond.
        self.missing = self.missing.saturating_sub(now.since(self.at).saturating_mul(per_second));
        self.at = now;
        let room = per_second.saturating_mul(2).saturating_mul(PARTS);
        // A rate that was lowered leaves no debt beyond an empty bucket.
        self.missing = self.missing.min(room);
        let after = self.missing.saturating_add(PARTS);
        if after > room {
            return Err((after - room).div_ceil(per_second));
        }
        self.missing = after;
        Ok(())
    }
}

/// How often something happens: a count that fades.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pace {
    count: f64,
    at: Timestamp,
}

impl Pace {
    /// It happened.
    pub fn happened(&mut self, now: Timestamp) {
        self.count = self.faded(now) + 1.0;
        self.at = now;
    }

    /// How long so many more take at the pace of late, seconds; `None` if nothing has happened of late.
    pub fn seconds_for(&self, more: u64, now: Timestamp) -> Option<f64> {
        let per_second = self.faded(now) * 1_000.0 / WINDOW_MS;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let more = more as f64;
        (per_second > f64::EPSILON).then(|| more / per_second)
    }

    fn faded(&self, now: Timestamp) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let gone = now.since(self.at) as f64;
        self.count * (-gone / WINDOW_MS).exp()
    }
}

/// `Retry-After` for a backlog, seconds: as long as it takes to drain, a little longer for some than for others so that they do not all
/// come back at once, from 1 to 60. `chance` is even over `u32`.
#[must_use]
pub fn stay_away(seconds: Option<f64>, chance: u32) -> u32 {
    let spread = 1.0 + f64::from(chance) / f64::from(u32::MAX) / 4.0;
    let wanted = seconds.map_or(60.0, |seconds| (seconds * spread).ceil()).clamp(1.0, 60.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 60")]
    let whole = wanted as u32;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_rate_at_once_and_then_the_rate() {
        let mut bucket = Bucket::default();
        let start = Timestamp(1_000_000);
        let taken = (0..100).filter(|_| bucket.take(start, 20).is_ok()).count();
        assert_eq!(taken, 40);
        assert_eq!(bucket.take(start, 20), Err(50), "a twentieth of a second");
        assert_eq!(bucket.take(start.plus(49), 20), Err(1));
        assert_eq!(bucket.take(start.plus(50), 20), Ok(()));
        let taken = (0..10_000).filter(|ms| bucket.take(start.plus(50 + ms), 20).is_ok()).count();
        assert_eq!(taken, 199, "ten seconds less one millisecond");
        assert_eq!(
            (0..100).filter(|_| bucket.take(start.plus(9_999_999), 20).is_ok()).count(),
            40,
            "no more is saved up"
        );
    }

    #[test]
    fn a_slow_rate_and_a_clock_that_goes_back() {
        let mut bucket = Bucket::default();
        let at = Timestamp(5_000_000);
        assert!(bucket.take(at, 1).is_ok() && bucket.take(at, 1).is_ok());
        assert_eq!(bucket.take(at, 1), Err(1_000));
        assert_eq!(bucket.take(Timestamp(1), 1), Err(1_000));
        assert!(bucket.take(Timestamp(1_001), 1).is_ok());
        let mut lowered = Bucket::default();
        (0..2_000).for_each(|_| assert!(lowered.take(at, 1_000).is_ok()));
        assert_eq!(lowered.take(at, 1), Err(1_000), "as if it had been so all along");
    }

    #[test]
    fn a_backlog_says_how_long_it_takes() {
        let mut pace = Pace::default();
        let at = |ms: u64| Timestamp(1_000_000 + ms);
        assert_eq!((pace.seconds_for(1, at(0)), stay_away(None, 0)), (None, 60));
        (0..6_000).for_each(|nth| pace.happened(at(nth * 100)));
        let seconds = pace.seconds_for(100, at(600_000)).expect("it drains");
        assert!((9.0..11.5).contains(&seconds), "ten a second: {seconds}");
        assert_eq!((stay_away(Some(10.0), 0), stay_away(Some(10.0), u32::MAX)), (10, 13));
        assert_eq!((stay_away(Some(0.001), 7), stay_away(Some(1e9), 7)), (1, 60));
    }
}
