//! The moments of a schedule in its zone, through all changes of the clocks.
//!
//! | The clocks | Times that are named (`30 2 * * *`) | What follows the clock (`*/15 * * * *`, `30 * * * *`) |
//! |---|---|---|
//! | jump ahead over it | at the jump, once | every hour: left out, the hour is not there; otherwise at the jump, once |
//! | are set back over it | the first time only | both times |

use super::zone::{Change, Moments};
use super::{Cron, Refused, Zone};
use crate::time::Timestamp;
use chrono::{DateTime, NaiveDateTime, TimeDelta};

/// How many local times in a row may be no occurrence: those at one change of the clocks are passed over at once, and few follow each
/// other so closely.
const TRIES: usize = 64;

/// A cron expression in a zone.
#[derive(Debug, Clone)]
pub struct Timetable {
    cron: Cron,
    zone: Zone,
}

impl Timetable {
    /// This expression in this zone.
    #[must_use]
    pub fn new(cron: Cron, zone: Zone) -> Self {
        Self { cron, zone }
    }

    /// Reads both.
    ///
    /// # Errors
    /// The first of both that is refused.
    pub fn parse(cron: &str, zone: &str) -> Result<Self, Refused> {
        Ok(Self::new(Cron::parse(cron)?, Zone::parse(zone)?))
    }

    /// Its zone.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// The first occurrence behind a moment; `None`: there is none before the year 2100 ends.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = moment(after)?;
        let local = self.zone.local(after);
        let next = self.in_order(after, local);
        let next = match self.zone.moments(local) {
            // Between the two times that the clocks show this: they will be set back before they go on.
            Moments::Twice { first, change, .. } if first == after && self.cron.follows_clock => {
                next.filter(|next| *next < change.at).or_else(|| self.second_time(change)).or(next)
            }
            Moments::Once(_) | Moments::Twice { .. } | Moments::Never(_) => next,
        };
        next.map(timestamp)
    }

    /// The first occurrence behind a moment, if the clocks are not set back before.
    fn in_order(&self, after: NaiveDateTime, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut from = local;
        for _ in 0..TRIES {
            let wanted = self.cron.next_local(from)?;
            from = match self.zone.moments(wanted) {
                Moments::Once(at) => return Some(at),
                Moments::Twice { first, .. } if first > after => return Some(first),
                Moments::Twice { second, .. } if self.cron.follows_clock => return Some(second),
                Moments::Twice { change, .. } => just_before(change.from),
                Moments::Never(change) if self.cron.every_hour => just_before(change.to),
                Moments::Never(change) => return Some(change.at),
            };
        }
        None
    }

    /// The first occurrence among the local times that come again behind this change.
    fn second_time(&self, change: Change) -> Option<NaiveDateTime> {
        let wanted = self.cron.next_local(just_before(change.to))?;
        (wanted < change.from).then(|| change.at + (wanted - change.to))
    }

    /// The occurrences behind `after` up to `to`, the earliest first, at most so many.
    #[must_use]
    pub fn between(&self, after: Timestamp, to: Timestamp, limit: usize) -> Vec<Timestamp> {
        let next = |at: &Timestamp| self.next(*at).filter(|next| *next <= to);
        std::iter::successors(next(&after), next).take(limit).collect()
    }

    /// The last occurrence behind `after` up to `to`.
    #[must_use]
    pub fn last(&self, after: Timestamp, to: Timestamp) -> Option<Timestamp> {
        self.next(self.latest((after, to), |at| self.next(at).is_some_and(|next| next <= to))?)
    }

    /// As [`Timetable::between`], but the latest ones if there are more.
    #[must_use]
    pub fn newest(&self, after: Timestamp, to: Timestamp, limit: usize) -> Vec<Timestamp> {
        let all = self.between(after, to, limit.saturating_add(1));
        if all.len() <= limit {
            return all;
        }
        let too_many = |at| self.between(at, to, limit.saturating_add(1)).len() > limit;
        let from = self.latest((after, to), too_many).map_or(after, |at| at.plus(1_000));
        self.between(from, to, limit)
    }

    /// The last second of a span at which something is true that is true up to there; `None`: it is not even true at its beginning.
    fn latest(&self, (from, to): (Timestamp, Timestamp), is_true: impl Fn(Timestamp) -> bool) -> Option<Timestamp> {
        if !is_true(from) {
            return None;
        }
        let (mut low, mut high) = (0, to.since(from).div_ceil(1_000));
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if is_true(from.plus(middle * 1_000)) { low = middle } else { high = middle }
        }
        Some(from.plus(low * 1_000))
    }

    /// A moment as the clocks of the zone show it: RFC 3339 with its offset.
    #[must_use]
    pub fn shown(&self, at: Timestamp) -> String {
        moment(at).map_or_else(|| at.rfc3339(), |at| self.zone.shown(at))
    }
}

/// Whole seconds, which is what occurrences are.
fn moment(at: Timestamp) -> Option<NaiveDateTime> {
    let seconds = i64::try_from(at.0 / 1_000).ok()?;
    DateTime::from_timestamp(seconds, 0).map(|at| at.naive_utc())
}

fn timestamp(at: NaiveDateTime) -> Timestamp {
    Timestamp(u64::try_from(at.and_utc().timestamp_millis()).unwrap_or(0))
}

fn just_before(local: NaiveDateTime) -> NaiveDateTime {
    local - TimeDelta::seconds(1)
}
