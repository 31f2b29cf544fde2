//! The table, the changes of clocks, what is refused, what is caught up.

mod refused;
mod table;
mod triggers;

use super::{Moment, Plan, Timetable, plan};
use crate::definition::Catchup;
use crate::time::Timestamp;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect(text)
}

fn timetable(cron: &str, zone: &str) -> Timetable {
    Timetable::parse(cron, zone).unwrap_or_else(|refused| panic!("{cron} {zone}: {}", refused.message))
}

/// The occurrences behind a moment as the zone's clocks show them.
fn runs(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let timetable = timetable(cron, zone);
    let found = timetable.between(at(after), Timestamp(u64::MAX), count);
    found.into_iter().map(|at| timetable.shown(at)).collect()
}

#[test]
fn expressions_mean_what_others_mean_by_them() {
    assert!(table::TABLE.len() >= 70);
    for (cron, expected) in table::TABLE {
        let expected: Vec<String> =
            expected.split(", ").map(|text| format!("{}+00:00", text.replace(' ', "T"))).collect();
        assert_eq!(runs(cron, "UTC", table::AFTER, 4), expected, "{cron}");
    }
}

#[test]
fn clocks_that_jump_and_clocks_that_are_set_back() {
    let (york, london, howe, apia) = ("America/New_York", "Europe/London", "Australia/Lord_Howe", "Pacific/Apia");
    for (cron, zone, after, expected) in [
        // Over the jump: at the jump, once.
        ("30 2 * * *", york, "2026-03-07T12:00:00Z", "2026-03-08T03:00:00-04:00 2026-03-09T02:30:00-04:00"),
        ("0,30 2 * * *", york, "2026-03-07T12:00:00Z", "2026-03-08T03:00:00-04:00 2026-03-09T02:00:00-04:00"),
        ("0 2,3 * * *", york, "2026-03-07T12:00:00Z", "2026-03-08T03:00:00-04:00 2026-03-09T02:00:00-04:00"),
        ("*/15 2 * * *", york, "2026-03-07T12:00:00Z", "2026-03-08T03:00:00-04:00 2026-03-09T02:00:00-04:00"),
        ("0 */2 * * *", york, "2026-03-08T06:00:00Z", "2026-03-08T03:00:00-04:00 2026-03-08T04:00:00-04:00"),
        ("30 1 * * *", london, "2026-03-28T12:00:00Z", "2026-03-29T02:00:00+01:00 2026-03-30T01:30:00+01:00"),
        ("15 2 * * *", howe, "2026-10-03T12:00:00Z", "2026-10-04T02:30:00+11:00 2026-10-05T02:15:00+11:00"),
        ("0 9 * * *", apia, "2011-12-29T20:00:00Z", "2011-12-31T00:00:00+14:00 2011-12-31T09:00:00+14:00"),
        ("0 0 30 12 *", apia, "2011-06-01T00:00:00Z", "2011-12-31T00:00:00+14:00 2012-12-30T00:00:00+14:00"),
        // What comes every hour anyway: that hour is not there.
        ("30 * * * *", york, "2026-03-08T06:00:00Z", "2026-03-08T01:30:00-05:00 2026-03-08T03:30:00-04:00"),
        ("*/30 * * * *", york, "2026-03-08T06:10:00Z", "2026-03-08T01:30:00-05:00 2026-03-08T03:00:00-04:00"),
        ("0 * * * *", apia, "2011-12-30T08:30:00Z", "2011-12-29T23:00:00-10:00 2011-12-31T00:00:00+14:00"),
        // Set back: named times the first time only.
        ("30 1 * * *", york, "2026-10-31T12:00:00Z", "2026-11-01T01:30:00-04:00 2026-11-02T01:30:00-05:00"),
        ("30 1 * * *", york, "2026-11-01T06:10:00Z", "2026-11-02T01:30:00-05:00"),
        ("0,30 1 * * *", york, "2026-11-01T05:10:00Z", "2026-11-01T01:30:00-04:00 2026-11-02T01:00:00-05:00"),
        ("0 2 * * *", york, "2026-10-31T12:00:00Z", "2026-11-01T02:00:00-05:00 2026-11-02T02:00:00-05:00"),
        ("30 1 * * *", london, "2026-10-24T12:00:00Z", "2026-10-25T01:30:00+01:00 2026-10-26T01:30:00+00:00"),
        ("45 1 * * *", howe, "2026-04-04T06:00:00Z", "2026-04-05T01:45:00+11:00 2026-04-06T01:45:00+10:30"),
        // What follows the clock: both times.
        (
            "30 * * * *",
            york,
            "2026-11-01T04:45:00Z",
            "2026-11-01T01:30:00-04:00 2026-11-01T01:30:00-05:00 2026-11-01T02:30:00-05:00",
        ),
        (
            "*/30 1 * * *",
            york,
            "2026-11-01T05:10:00Z",
            "2026-11-01T01:30:00-04:00 2026-11-01T01:00:00-05:00 2026-11-01T01:30:00-05:00 2026-11-02T01:00:00-05:00",
        ),
        (
            "*/15 * * * *",
            howe,
            "2026-04-04T14:25:00Z",
            "2026-04-05T01:30:00+11:00 2026-04-05T01:45:00+11:00 2026-04-05T01:30:00+10:30 2026-04-05T01:45:00+10:30 2026-04-05T02:00:00+10:30",
        ),
        (
            "0 * * * *",
            london,
            "2026-10-24T23:30:00Z",
            "2026-10-25T01:00:00+01:00 2026-10-25T01:00:00+00:00 2026-10-25T02:00:00+00:00",
        ),
    ] {
        let expected: Vec<&str> = expected.split(' ').collect();
        assert_eq!(runs(cron, zone, after, expected.len()), expected, "{cron} {zone}");
    }
}

#[test]
fn what_follows_the_clock_fires_whenever_the_clock_shows_it() {
    for (zone, day) in [
        ("America/New_York", "2026-03-08"),
        ("America/New_York", "2026-11-01"),
        ("Europe/London", "2026-10-25"),
        ("Australia/Lord_Howe", "2026-04-04"),
        ("Australia/Lord_Howe", "2026-10-03"),
        ("Pacific/Apia", "2011-12-30"),
        ("Antarctica/Troll", "2026-10-25"),
    ] {
        let timetable = timetable("*/10 * * * *", zone);
        let (from, to) =
            (at(&format!("{day}T00:00:00Z")).0 - 43_200_000, at(&format!("{day}T23:59:59Z")).0 + 43_200_000);
        let shows = |at: &u64| timetable.shown(Timestamp(*at)).get(15..19) == Some("0:00");
        let expected: Vec<u64> = (from + 60_000..=to).step_by(60_000).filter(shows).collect();
        let found: Vec<u64> =
            timetable.between(Timestamp(from), Timestamp(to), 9_999).into_iter().map(|at| at.0).collect();
        assert_eq!(found, expected, "{zone} {day}");
    }
}

#[test]
fn the_calendar_ends_with_the_century() {
    let yearly = timetable("@yearly", "UTC");
    assert_eq!(yearly.next(at("2099-06-01T00:00:00Z")), Some(at("2100-01-01T00:00:00Z")));
    assert_eq!((yearly.next(at("2100-06-01T00:00:00Z")), yearly.next(Timestamp(u64::MAX))), (None, None));
    assert_eq!(yearly.next(Timestamp(0)), Some(at("1971-01-01T00:00:00Z")));
}

/// A field's text, and which values it has.
fn field(low: u32, high: u32) -> impl Strategy<Value = (String, Vec<u32>)> {
    let one = (low..=high).prop_map(|n| (n.to_string(), vec![n]));
    let range = (low..=high, low..=high, 1..=high - low + 1).prop_map(|(a, b, step)| {
        let (first, last) = (a.min(b), a.max(b));
        (format!("{first}-{last}/{step}"), (first..=last).step_by(step as usize).collect())
    });
    let any = Just(("*".to_owned(), (low..=high).collect()));
    prop_oneof![
        any,
        one,
        range.clone(),
        (range.clone(), range).prop_map(|(a, b): ((String, Vec<u32>), (String, Vec<u32>))| {
            (format!("{},{}", a.0, b.0), a.1.into_iter().chain(b.1).collect())
        })
    ]
}

proptest! {
    /// Minute by minute.
    #[test]
    fn the_next_occurrence_is_the_first_minute_that_fits(
        minute in field(0, 59), hour in field(0, 23), day in field(1, 31), month in field(1, 12), weekday in field(0, 7),
        start in 1_700_000_000u64..1_800_000_000,
    ) {
        use chrono::{DateTime, Datelike as _, Timelike as _};
        let cron = format!("{} {} {} {} {}", minute.0, hour.0, day.0, month.0, weekday.0);
        let Ok(timetable) = Timetable::parse(&cron, "UTC") else { return Ok(()) }; // never fires
        let fits = |second: &u64| {
            let at = DateTime::from_timestamp(*second as i64, 0).expect("a moment");
            let (of_month, of_week) = (day.1.contains(&at.day()), weekday.1.iter().any(|n| n % 7 == at.weekday().num_days_from_sunday()));
            let on_day = match (day.0 == "*", weekday.0 == "*") {
                (false, false) => of_month || of_week,
                (_, true) => of_month,
                (true, false) => of_week,
            };
            on_day && minute.1.contains(&at.minute()) && hour.1.contains(&at.hour()) && month.1.contains(&at.month())
        };
        let first = start / 60 * 60 + 60;
        let expected = (first..first + 5 * 86_400).step_by(60).find(fits);
        let found = timetable.next(Timestamp(start * 1_000)).map(|at| at.0 / 1_000).filter(|at| *at < first + 5 * 86_400);
        prop_assert_eq!(found, expected, "{}", cron);
    }

    /// However it is asked for.
    #[test]
    fn the_last_and_the_newest_are_the_end_of_all(
        cron in prop_oneof![Just("*/7 * * * *"), Just("30 1,2 * * *"), Just("0 12 * * 1"), Just("20 */10 1-3 * * *")],
        zone in prop_oneof![Just("UTC"), Just("America/New_York"), Just("Australia/Lord_Howe")],
        start in 1_772_000_000_000u64..1_776_000_000_000, span in 0u64..400_000_000, limit in 1usize..20,
    ) {
        let timetable = timetable(cron, zone);
        let (from, to) = (Timestamp(start), Timestamp(start + span));
        let all = timetable.between(from, to, usize::MAX);
        prop_assert!(all.windows(2).all(|two| two[0] < two[1]) && all.iter().all(|at| *at > from && *at <= to));
        prop_assert_eq!(timetable.last(from, to), all.last().copied());
        prop_assert_eq!(&timetable.newest(from, to, limit), &all[all.len().saturating_sub(limit)..]);
    }
}

#[test]
fn what_was_missed_is_caught_up_as_it_was_asked_for() {
    let hourly = timetable("0 * * * *", "UTC");
    let moment = |cursor: &str, since: &str, now: &str| Moment { cursor: at(cursor), since: at(since), now: at(now) };
    let planned = |catchup, moment| {
        let Plan { runs, missed } = plan(&hourly, catchup, moment);
        let hour = |at: Timestamp| at.rfc3339().get(8..13).map(str::to_owned).unwrap_or_default();
        (
            runs.into_iter().map(hour).collect::<Vec<_>>().join(" "),
            missed.map(|(first, last)| (hour(first), hour(last))),
        )
    };
    let span = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
    // Down from 10:30 to 14:30.
    let down = moment("2026-05-02T10:00:00Z", "2026-05-02T14:30:00Z", "2026-05-02T14:30:01Z");
    assert_eq!(planned(Catchup::None, down), (String::new(), span("02T11", "02T14")));
    assert_eq!(planned(Catchup::Latest, down), ("02T14".into(), span("02T11", "02T13")));
    assert_eq!(planned(Catchup::All, down), ("02T11 02T12 02T13 02T14".into(), None));
    // Up all the time, and a little late; the wall clock was set ahead.
    let late = moment("2026-05-02T10:00:00Z", "2026-05-01T00:00:00Z", "2026-05-02T11:00:59Z");
    for catchup in [Catchup::None, Catchup::Latest, Catchup::All] {
        assert_eq!(planned(catchup, late), ("02T11".into(), None));
    }
    let jumped = moment("2026-05-02T10:00:00Z", "2026-05-01T00:00:00Z", "2026-05-02T13:00:30Z");
    assert_eq!(planned(Catchup::None, jumped), ("02T13".into(), span("02T11", "02T12")));
    assert_eq!(planned(Catchup::Latest, jumped), ("02T12 02T13".into(), span("02T11", "02T11")));
    // Set back: what is done stays done.
    let back = moment("2026-05-02T10:00:00Z", "2026-05-02T09:00:00Z", "2026-05-02T08:00:00Z");
    assert_eq!(planned(Catchup::All, back), (String::new(), None));
    // Down for three days, for a hundred: a day back for the latest, the newest thousand of all.
    let weekly = timetable("0 0 * * 0", "UTC");
    let days = moment("2026-05-03T00:00:00Z", "2026-05-12T00:00:00Z", "2026-05-12T00:00:00Z");
    let Plan { runs, missed } = plan(&weekly, Catchup::Latest, days);
    assert_eq!((runs, missed), (vec![], Some((at("2026-05-10T00:00:00Z"), at("2026-05-10T00:00:00Z")))));
    let hundred = moment("2026-01-01T00:00:00Z", "2026-04-10T23:30:00Z", "2026-04-10T23:30:00Z");
    let Plan { runs, missed } = plan(&hourly, Catchup::All, hundred);
    assert_eq!((runs.len(), runs.last()), (super::CATCHUP_OCCURRENCES, Some(&at("2026-04-10T23:00:00Z"))));
    assert_eq!(missed.map(|(_, last)| last.plus(3_600_000)), runs.first().copied());
}
