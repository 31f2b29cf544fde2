//! One field of a cron expression: what it may hold, and what it means.

use super::Refused;

/// What is known of a field.
pub(super) struct Kind {
    pub name: &'static str,
    low: u8,
    high: u8,
    /// Names for its values, from the lowest on.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

pub(super) const SECOND: Kind = Kind { name: "second", low: 0, high: 59, names: &[] };
pub(super) const MINUTE: Kind = Kind { name: "minute", low: 0, high: 59, names: &[] };
pub(super) const HOUR: Kind = Kind { name: "hour", low: 0, high: 23, names: &[] };
pub(super) const DAY_OF_MONTH: Kind = Kind { name: "day of month", low: 1, high: 31, names: &[] };
pub(super) const MONTH: Kind = Kind { name: "month", low: 1, high: 12, names: &MONTHS };
/// Sunday is 0, and 7 as well.
pub(super) const DAY_OF_WEEK: Kind = Kind { name: "day of week", low: 0, high: 6, names: &DAYS };

/// Sunday as the end of a week.
const LATE_SUNDAY: u8 = 7;

impl Kind {
    fn is_week(&self) -> bool {
        self.high == DAY_OF_WEEK.high
    }
}

/// The values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// A bit for each.
    bits: u64,
    /// Whether it is `*`: for days, that this field does not restrict them.
    pub any: bool,
    /// Whether it has all values.
    pub full: bool,
    /// Whether it begins with `*`, or has all values: it follows the clock rather than naming times.
    pub follows: bool,
}

impl Field {
    /// Reads a field: a list of `*`, values, ranges, each perhaps with a step.
    pub fn read(text: &str, kind: &Kind) -> Result<Self, Refused> {
        let mut field = Self { bits: 0, any: false, full: false, follows: text.starts_with('*') };
        for item in text.split(',') {
            let (base, step) = match item.split_once('/') {
                Some((base, step)) => (base, Some(step)),
                None => (item, None),
            };
            let width = kind.high - kind.low + 1;
            let pace = step.map_or(Ok(1), |step| pace(step, width, kind))?;
            let (first, last) = range(base, step.is_some(), kind)?;
            field.any |= base == "*" && pace == 1;
            field.bits |= (first..=last).step_by(usize::from(pace)).fold(0, |bits, value| bits | 1 << value);
        }
        if kind.is_week() && field.has(LATE_SUNDAY) {
            field.bits = (field.bits & !(1 << LATE_SUNDAY)) | 1;
        }
        field.full = (kind.low..=kind.high).all(|value| field.has(value));
        field.follows |= field.full;
        Ok(field)
    }

    fn has(self, value: u8) -> bool {
        (self.bits >> value) & 1 == 1
    }

    /// As the `cron` crate writes them, each value that much later: `1,2,5`.
    pub fn list(self, later: u8) -> String {
        let values = (0..64).filter(|value| self.has(*value)).map(|value| (value + later).to_string());
        values.collect::<Vec<_>>().join(",")
    }
}

/// The step behind a `/`.
fn pace(text: &str, width: u8, kind: &Kind) -> Result<u8, Refused> {
    let pace = number(text).filter(|pace| (1..=width).contains(pace));
    pace.ok_or_else(|| {
        let name = kind.name;
        Refused::cron(format!(
            "the step {text:?} of the {name} field: a whole number from 1 to {width} stands behind a `/`"
        ))
    })
}

/// The first and the last value. A single value with a step behind it goes on to the end of the field.
fn range(base: &str, stepped: bool, kind: &Kind) -> Result<(u8, u8), Refused> {
    if base == "*" {
        return Ok((kind.low, kind.high));
    }
    let Some((first, last)) = base.split_once('-') else {
        let only = value(base, kind)?;
        return Ok((only, if stepped { kind.high.max(only) } else { only }));
    };
    let (first, mut last) = (value(first, kind)?, value(last, kind)?);
    if kind.is_week() && last == 0 && first > 0 {
        last = LATE_SUNDAY;
    }
    if first > last {
        let (name, low, high) = (kind.name, kind.low, kind.high);
        let message =
            format!("the range {base:?} of the {name} field goes backwards; write {first}-{high},{low}-{last}");
        return Err(Refused::cron(message));
    }
    Ok((first, last))
}

fn value(text: &str, kind: &Kind) -> Result<u8, Refused> {
    let named = (kind.low..).zip(kind.names).find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(value, _)| value);
    let high = if kind.is_week() { LATE_SUNDAY } else { kind.high };
    if let Some(value) = named.or_else(|| number(text).filter(|value| (kind.low..=high).contains(value))) {
        return Ok(value);
    }
    let (name, low) = (kind.name, kind.low);
    let or = match kind.names {
        [first, .., last] => format!(", or names from {} to {}", first.to_ascii_uppercase(), last.to_ascii_uppercase()),
        [] | [_] => String::new(),
    };
    let sunday = if high == LATE_SUNDAY { " (0 and 7 are Sunday)" } else { "" };
    let text: String = text.chars().take(20).collect();
    Err(Refused::cron(format!(
        "{text:?} is no value of the {name} field: it takes numbers from {low} to {high}{sunday}{or}; lists `1,2`, ranges `1-5`, steps `*/2` or `1-9/2` \
         (`?`, `L`, `W` and `#` of other crons are not taken)"
    )))
}

/// One or two digits.
fn number(text: &str) -> Option<u8> {
    let fine = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fine.then(|| text.parse().ok())?
}
