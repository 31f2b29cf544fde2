//! What of a schedule is to be run now: what is due, and what was missed (semantics T7).

use super::Timetable;
use crate::definition::Catchup;
use crate::time::Timestamp;

/// `catchup_occurrences`: with `all`, at most so many missed occurrences are run, the latest: what was down for a month must not come
/// back with a month's work at once.
pub const CATCHUP_OCCURRENCES: usize = 1_000;
/// With `latest`, how old a missed occurrence may be, milliseconds.
const LATEST_MS: u64 = 86_400_000;
/// What is later than this was missed, milliseconds: the clock has jumped, or the machine slept.
const LATE_MS: u64 = 60_000;
/// Occurrences that are due now and planned together: a minute of one each second.
const DUE: usize = 100;

/// When it is.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Everything up to here is done with.
    pub cursor: Timestamp,
    /// Since when somebody has been watching.
    pub since: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// These occurrences are run, in this order.
    pub runs: Vec<Timestamp>,
    /// From the first to the last of these, occurrences were missed that are not run.
    pub missed: Option<(Timestamp, Timestamp)>,
}

/// What is to be run of a timetable at a moment.
#[must_use]
pub fn plan(timetable: &Timetable, catchup: Catchup, Moment { cursor, since, now }: Moment) -> Plan {
    // The last moment that counts as missed.
    let late = Timestamp(since.0.max(now.0.saturating_sub(LATE_MS)).min(now.0).saturating_sub(1));
    let mut runs = match catchup {
        Catchup::None => Vec::new(),
        Catchup::Latest => {
            let from = Timestamp(cursor.0.max(now.0.saturating_sub(LATEST_MS)));
            timetable.last(from, late).into_iter().collect()
        }
        Catchup::All => timetable.newest(cursor, late, CATCHUP_OCCURRENCES),
    };
    let until = runs.first().map_or(late, |first| Timestamp(first.0.saturating_sub(1)));
    let missed = timetable.next(cursor).filter(|first| *first <= until);
    let missed = missed.map(|first| (first, timetable.last(cursor, until).unwrap_or(first)));
    runs.extend(timetable.between(cursor.max(late), now, DUE));
    Plan { runs, missed }
}
