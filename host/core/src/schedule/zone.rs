//! Time zones: which moments a local time stands for.

use super::Refused;
use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset as _, SecondsFormat, TimeDelta, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};

/// An IANA time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

/// Longer names have no near miss.
const NAME_BYTES: usize = 40;
/// No zone is further from UTC, hours: two such spans around a local time have its moments between them.
const FARTHEST_HOURS: i64 = 16;

/// What a local time stands for. All moments are in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moments {
    /// One moment.
    Once(NaiveDateTime),
    /// The clocks are set back over it.
    Twice { first: NaiveDateTime, second: NaiveDateTime, change: Change },
    /// The clocks jump over it.
    Never(Change),
}

/// A moment at which the clocks are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// The moment.
    pub at: NaiveDateTime,
    /// What the clocks would have shown.
    pub from: NaiveDateTime,
    /// What they show.
    pub to: NaiveDateTime,
}

impl Zone {
    /// UTC, which is meant where no zone is given.
    pub const UTC: Self = Self(Tz::UTC);

    /// Looks a name up, such as `Europe/Berlin`.
    ///
    /// # Errors
    /// It is no zone; the message names one that looks like it.
    pub fn parse(name: &str) -> Result<Self, Refused> {
        if let Ok(zone) = name.parse() {
            return Ok(Self(zone));
        }
        let shown: String = name.chars().take(NAME_BYTES).collect();
        let meant = nearest(name).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
        let message = format!("{shown:?} is no IANA time zone, such as \"Europe/Berlin\" or \"UTC\"{meant}");
        Err(Refused { code: "unknown_timezone", message })
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What the clocks show at a moment.
    pub(super) fn local(self, at: NaiveDateTime) -> NaiveDateTime {
        self.0.from_utc_datetime(&at).naive_local()
    }

    /// RFC 3339 with the zone's offset at that moment, to the second.
    pub(super) fn shown(self, at: NaiveDateTime) -> String {
        self.0.from_utc_datetime(&at).to_rfc3339_opts(SecondsFormat::Secs, false)
    }

    /// The moments at which the clocks show this.
    pub(super) fn moments(self, local: NaiveDateTime) -> Moments {
        match self.0.from_local_datetime(&local) {
            MappedLocalTime::Single(at) => Moments::Once(at.naive_utc()),
            MappedLocalTime::Ambiguous(first, second) => {
                let before = TimeDelta::seconds(first.offset().fix().local_minus_utc().into());
                let (first, second) = (first.naive_utc(), second.naive_utc());
                let at = earliest((first, second), |at| self.local(at) != at + before);
                Moments::Twice { first, second, change: self.change(at, before) }
            }
            MappedLocalTime::None => {
                let span = TimeDelta::hours(FARTHEST_HOURS);
                let at = earliest((local - span, local + span), |at| self.local(at) > local);
                let second_before = at - TimeDelta::seconds(1);
                Moments::Never(self.change(at, self.local(second_before) - second_before))
            }
        }
    }

    fn change(self, at: NaiveDateTime, before: TimeDelta) -> Change {
        Change { at, from: at + before, to: self.local(at) }
    }
}

/// The earliest second behind the first of two moments at which something is true that is true from then on.
fn earliest((first, last): (NaiveDateTime, NaiveDateTime), is_true: impl Fn(NaiveDateTime) -> bool) -> NaiveDateTime {
    let (mut low, mut high) = (first.and_utc().timestamp(), last.and_utc().timestamp());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let at = DateTime::from_timestamp(middle, 0).map_or(last, |at| at.naive_utc());
        if is_true(at) { high = middle } else { low = middle }
    }
    DateTime::from_timestamp(high, 0).map_or(last, |at| at.naive_utc())
}

/// The zone that was probably meant: written in another case, by its city alone, or with a slip.
fn nearest(name: &str) -> Option<&'static str> {
    let plain = |name: &str| name.trim().replace([' ', '-'], "_").to_ascii_lowercase();
    let wanted = plain(name);
    if wanted.is_empty() || wanted.len() > NAME_BYTES {
        return None;
    }
    let city = |zone: &str| zone.rsplit('/').next().map_or_else(String::new, plain);
    let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
    let same = names().find(|zone| plain(zone) == wanted).or_else(|| names().find(|zone| city(zone) == wanted));
    same.or_else(|| {
        let distance = |zone: &str| strsim::damerau_levenshtein(&plain(zone), &wanted);
        let near = names().filter(|zone| zone.len().abs_diff(wanted.len()) <= 2);
        let (far, zone) = near.map(|zone| (distance(zone), zone)).min()?;
        (far <= 2).then_some(zone)
    })
}
