//! A cron expression, read as POSIX means it, as one or two schedules of the `cron` crate.

use super::Refused;
use super::field::{DAY_OF_MONTH, DAY_OF_WEEK, Field, HOUR, MINUTE, MONTH, SECOND};
use chrono::{NaiveDate, NaiveDateTime};
use std::str::FromStr as _;

/// `cron_bytes`: the longest expression. Every minute of an hour written out has 170 bytes; what is longer is no cron expression.
pub const CRON_BYTES: usize = 512;

/// When something is due, in local time.
#[derive(Debug, Clone)]
pub struct Cron {
    /// One; or two, of which either may fire: that of the days of the month, and that of the days of the week.
    dates: Vec<cron::Schedule>,
    /// Whether it is for every hour: then what the clock skips is left out rather than made up for.
    pub(super) every_hour: bool,
    /// Whether its minutes or hours follow the clock: then what the clock shows twice fires twice.
    pub(super) follows_clock: bool,
}

/// The fields of an expression, seconds first.
type Texts<'a> = [&'a str; 6];

impl Cron {
    /// Reads an expression of at most [`CRON_BYTES`]: five fields, six with seconds first, or `@daily` and the like.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(source: &str) -> Result<Self, Refused> {
        if source.len() > CRON_BYTES {
            let message =
                format!("the cron expression has {} bytes; at most {CRON_BYTES} (limit `cron_bytes`)", source.len());
            return Err(Refused { code: "too_large", message });
        }
        let [second, minute, hour, day, month, weekday] = texts(source.trim())?;
        let second = Field::read(second, &SECOND)?;
        let (minute, hour) = (Field::read(minute, &MINUTE)?, Field::read(hour, &HOUR)?);
        let (day, month) = (Field::read(day, &DAY_OF_MONTH)?, Field::read(month, &MONTH)?);
        let weekday = Field::read(weekday, &DAY_OF_WEEK)?;
        let time = format!("{} {} {}", second.list(0), minute.list(0), hour.list(0));
        let (day_list, month, weekday_list) = (day.list(0), month.list(0), weekday.list(1));
        // The crate wants both days to match, POSIX either of them.
        let dates = match (day.any, weekday.any) {
            (_, true) => vec![format!("{time} {day_list} {month} *")],
            (true, false) => vec![format!("{time} * {month} {weekday_list}")],
            (false, false) => vec![format!("{time} {day_list} {month} *"), format!("{time} * {month} {weekday_list}")],
        };
        let dates = dates.iter().map(|date| cron::Schedule::from_str(date)).collect::<Result<_, _>>();
        let dates = dates.map_err(|error| Refused::cron(format!("the cron expression cannot be read: {error}")))?;
        let cron = Self { dates, every_hour: hour.full, follows_clock: minute.follows || hour.follows };
        if cron.next_local(beginning()).is_some() {
            return Ok(cron);
        }
        let message = "the cron expression never fires: no such day is in any of its months";
        Err(Refused { code: "never_fires", message: message.to_owned() })
    }

    /// The first date and time behind this one.
    pub(super) fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let after = after.and_utc(); // no zone: local times as they would be if no clock were ever changed
        self.dates.iter().filter_map(|date| date.after(&after).next()).min().map(|next| next.naive_utc())
    }
}

/// A leap year has every day that there is.
fn beginning() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default().into()
}

fn texts(source: &str) -> Result<Texts<'_>, Refused> {
    if let Some(word) = source.strip_prefix('@') {
        return nickname(word);
    }
    let fields: Vec<&str> = source.split_whitespace().collect();
    match fields.as_slice() {
        [first, ..] if first.contains('=') => {
            Err(Refused::cron("a zone does not stand in the cron expression; write it in `timezone`"))
        }
        [minute, hour, day, month, weekday] => Ok(["0", minute, hour, day, month, weekday]),
        [second, minute, hour, day, month, weekday] => Ok([second, minute, hour, day, month, weekday]),
        other => Err(Refused::cron(format!(
            "a cron expression has 5 fields (minute, hour, day of month, month, day of week), or 6 with seconds before them; this one has {}",
            other.len()
        ))),
    }
}

fn nickname(word: &str) -> Result<Texts<'static>, Refused> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "hourly" => ["0", "0", "*", "*", "*", "*"],
        "daily" | "midnight" => ["0", "0", "0", "*", "*", "*"],
        "weekly" => ["0", "0", "0", "*", "*", "0"],
        "monthly" => ["0", "0", "0", "1", "*", "*"],
        "yearly" | "annually" => ["0", "0", "0", "1", "1", "*"],
        _ => {
            let word: String = word.chars().take(20).collect();
            return Err(Refused::cron(format!(
                "there is no `@{word}` here, only @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually; write five fields for anything else"
            )));
        }
    })
}
