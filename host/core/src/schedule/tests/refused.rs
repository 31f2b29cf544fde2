//! What is no expression and no zone, and what is said about it.

use crate::schedule::{CRON_BYTES, Cron, Zone};

#[test]
fn what_cannot_fire_is_refused_with_what_to_write() {
    for (cron, code, said) in [
        ("", "invalid_cron", "this one has 0"),
        ("* * * *", "invalid_cron", "this one has 4"),
        ("0 0 9 * * * 2026", "invalid_cron", "this one has 7"),
        ("60 * * * *", "invalid_cron", "\"60\" is no value of the minute field: it takes numbers from 0 to 59"),
        ("* 24 * * *", "invalid_cron", "hour field"),
        ("* * 0 * *", "invalid_cron", "day of month field: it takes numbers from 1 to 31"),
        ("* * * 13 *", "invalid_cron", "names from JAN to DEC"),
        ("* * * * 8", "invalid_cron", "0 to 7 (0 and 7 are Sunday)"),
        ("* * * * MONDAY", "invalid_cron", "names from SUN to SAT"),
        ("0 0 ? * *", "invalid_cron", "`?`, `L`, `W` and `#`"),
        ("0 0 L * *", "invalid_cron", "of other crons are not taken"),
        ("0 0 * * 1#2", "invalid_cron", "of other crons are not taken"),
        ("*/0 * * * *", "invalid_cron", "from 1 to 60"),
        ("*/90 * * * *", "invalid_cron", "from 1 to 60"),
        ("*/ * * * *", "invalid_cron", "step"),
        ("*/5/5 * * * *", "invalid_cron", "step"),
        ("5-1 * * * *", "invalid_cron", "goes backwards; write 5-59,0-1"),
        ("0 22-2 * * *", "invalid_cron", "write 22-23,0-2"),
        ("1,,2 * * * *", "invalid_cron", "\"\" is no value"),
        ("-1 * * * *", "invalid_cron", "\"\" is no value"),
        ("1- * * * *", "invalid_cron", "\"\" is no value"),
        ("+1 * * * *", "invalid_cron", "\"+1\" is no value"),
        ("007 * * * *", "invalid_cron", "\"007\" is no value"),
        ("٣ * * * *", "invalid_cron", "is no value"),
        ("TZ=Europe/Berlin 0 9 * * *", "invalid_cron", "`timezone`"),
        ("@reboot", "invalid_cron", "there is no `@reboot` here, only @hourly"),
        ("@every 5m", "invalid_cron", "write five fields"),
        ("0 0 30 2 *", "never_fires", "no such day"),
        ("0 0 31 2,4,6,9,11 *", "never_fires", "no such day"),
        (&"* ".repeat(CRON_BYTES), "too_large", "limit `cron_bytes`"),
        (&"1,".repeat(5 << 10), "too_large", "limit `cron_bytes`"),
    ] {
        let refused = Cron::parse(cron).expect_err(cron);
        assert_eq!(refused.code, code, "{cron}");
        assert!(refused.message.contains(said) && refused.message.len() < 400, "{cron}: {}", refused.message);
    }
    // A day of the week makes up for a day that does not exist.
    assert!(Cron::parse("0 0 30 2 MON").is_ok());
    assert!(Cron::parse("\t0  0 * *\n1 ").is_ok());
}

#[test]
fn an_unknown_zone_names_one_like_it() {
    for (name, meant) in [
        ("america/new_york", Some("America/New_York")),
        ("America/New York", Some("America/New_York")),
        ("America/NewYork", Some("America/New_York")),
        ("New_York", Some("America/New_York")),
        ("Europe/Berln", Some("Europe/Berlin")),
        ("Europe/Kiew", Some("Europe/Kiev")),
        ("utc", Some("UTC")),
        ("Mars/Olympus_Mons", None),
        ("+02:00", None),
        ("", None),
        (&"x".repeat(100_000), None),
    ] {
        let refused = Zone::parse(name).expect_err(name);
        assert_eq!(refused.code, "unknown_timezone");
        let said = meant.map(|meant| format!("did you mean {meant:?}"));
        assert!(said.as_ref().is_none_or(|said| refused.message.contains(said)), "{name}: {}", refused.message);
        assert!(said.is_some() || !refused.message.contains("did you mean"), "{name}: {}", refused.message);
        assert!(refused.message.len() < 200, "{}", refused.message.len());
    }
    assert_eq!(Zone::parse("Asia/Kathmandu").expect("a zone").name(), "Asia/Kathmandu");
}
