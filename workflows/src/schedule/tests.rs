//! The grammar of schedules and their times, row by row, summer time included.
//! The expected values are written by hand.
#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::Timestamp;
use proptest::prelude::*;

use super::Schedule;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next times after a moment, in the schedule's own zone, as `MM-DDTHH:MM:SS±HH`.
fn next(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::parse(text, zone).unwrap();
    let (mut after, anchor) = (at(after), at(after));
    let mut out = Vec::new();
    while let Some(due) = schedule.next_after(after, anchor).filter(|_| out.len() < count) {
        assert!(due > after, "{text}: {due} is not after {after}");
        let local = due.to_zoned(schedule.zone().clone());
        out.push(local.strftime("%m-%dT%H:%M:%S%:z").to_string().trim_end_matches(":00").to_owned());
        after = due;
    }
    out
}

#[test]
fn the_grammar_row_by_row() {
    // 2026-01-01 is a Thursday
    let table: &[(&str, &[&str])] = &[
        ("* * * * *", &["01-01T00:01:00+00", "01-01T00:02:00+00"]),
        ("*/20 * * * *", &["01-01T00:20:00+00", "01-01T00:40:00+00", "01-01T01:00:00+00"]),
        ("5/25 * * * *", &["01-01T00:05:00+00", "01-01T00:30:00+00", "01-01T00:55:00+00"]),
        (
            "10-12 3 * * *",
            &["01-01T03:10:00+00", "01-01T03:11:00+00", "01-01T03:12:00+00", "01-02T03:10:00+00"],
        ),
        ("10-14/2 3 * * *", &["01-01T03:10:00+00", "01-01T03:12:00+00", "01-01T03:14:00+00"]),
        ("1,3 2,4 * * *", &["01-01T02:01:00+00", "01-01T02:03:00+00", "01-01T04:01:00+00"]),
        ("0 0 ? * SUN", &["01-04T00:00:00+00", "01-11T00:00:00+00"]),
        (
            "0 0 ? * mon-Wed",
            &["01-05T00:00:00+00", "01-06T00:00:00+00", "01-07T00:00:00+00", "01-12T00:00:00+00"],
        ),
        ("0 0 1 FEB,apr *", &["02-01T00:00:00+00", "04-01T00:00:00+00", "02-01T00:00:00+00"]),
        ("0 0 31 * *", &["01-31T00:00:00+00", "03-31T00:00:00+00", "05-31T00:00:00+00"]),
        // both days restricted: either is enough
        ("0 0 3 * 1", &["01-03T00:00:00+00", "01-05T00:00:00+00", "01-12T00:00:00+00"]),
        // a star with a step is a restriction, one with the step 1 is none
        (
            "0 0 */30 * 1",
            &[
                "01-05T00:00:00+00",
                "01-12T00:00:00+00",
                "01-19T00:00:00+00",
                "01-26T00:00:00+00",
                "01-31T00:00:00+00",
            ],
        ),
        ("0 0 */1 * 1", &["01-05T00:00:00+00", "01-12T00:00:00+00"]),
        ("@hourly", &["01-01T01:00:00+00", "01-01T02:00:00+00"]),
        ("@daily", &["01-02T00:00:00+00", "01-03T00:00:00+00"]),
        ("@midnight", &["01-02T00:00:00+00"]),
        ("@weekly", &["01-04T00:00:00+00", "01-11T00:00:00+00"]),
        ("@monthly", &["02-01T00:00:00+00", "03-01T00:00:00+00"]),
        ("@yearly", &["01-01T00:00:00+00"]),
        ("@annually", &["01-01T00:00:00+00"]),
        ("@every 1h30m", &["01-01T01:30:00+00", "01-01T03:00:00+00"]),
        ("@every 300ms", &["01-01T00:00:01+00", "01-01T00:00:02+00"]),
        ("TZ=Asia/Tokyo 0 10 * * *", &["01-01T10:00:00+09", "01-02T10:00:00+09"]),
        ("CRON_TZ=Asia/Tokyo 0 10 * * *", &["01-01T10:00:00+09"]),
        ("  0   1 * *  *  ", &["01-01T01:00:00+00"]),
    ];
    for (text, expected) in table {
        let found = next(text, "", "2026-01-01T00:00:00Z", expected.len());
        assert_eq!(found, *expected, "{text}");
    }
    assert_eq!(next("0 6 * * *", "America/New_York", "2026-01-01T00:00:00Z", 1), ["01-01T06:00:00-05"]);
    // the prefix wins over the field
    assert_eq!(next("TZ=UTC 0 6 * * *", "Asia/Tokyo", "2026-01-01T00:00:00Z", 1), ["01-01T06:00:00+00"]);
}

#[test]
fn what_is_no_schedule() {
    for text in [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 0 *",
        "* * * 13 *",
        "* * * * 7",
        "22-2 * * * *",
        "* 22-2 * * *",
        "*/0 * * * *",
        "5/ * * * *",
        "/5 * * * *",
        "-5 * * * *",
        "5- * * * *",
        "a * * * *",
        "* * * foo *",
        "* * L * *",
        "* * * * mon#1",
        "1.5 * * * *",
        "+1 * * * *",
        ", * * * *",
        "@nightly",
        "@every",
        "@every soon",
        "@every 5",
        "@every -5s",
        "@Daily",
        "TZ=Mars/Base * * * * *",
        "TZ=UTC",
        "CRON_TZ= ",
        "99999999999 * * * *",
        "*/99999999999 * * * *",
    ] {
        assert!(Schedule::parse(text, "").is_err(), "{text}");
    }
    let why = Schedule::parse("0 22-2 * * *", "").unwrap_err().0;
    assert_eq!(why, "`22-2` is no hour: the range ends before it begins");
    assert!(Schedule::parse("* * * * *", "Mars/Base").unwrap_err().0.contains("Europe/Berlin"));
}

#[test]
fn days_that_are_rare_or_never_come() {
    assert_eq!(next("0 0 29 2 *", "", "2096-03-01T00:00:00Z", 1), ["02-29T00:00:00+00"]);
    assert!(next("0 0 30 2 *", "", "2026-01-01T00:00:00Z", 1).is_empty());
    assert!(next("* * 31 4 *", "", "2026-01-01T00:00:00Z", 1).is_empty());
    assert_eq!(next("* * * 12 *", "", "2026-01-01T00:00:00Z", 1), ["12-01T00:00:00+00"]);
}

/// Zones × changes: hours of the clock that do not exist or come twice.
#[test]
fn f28_each_local_time_is_due_once_over_a_change_of_the_clock() {
    // (zone, schedule, from, due)
    let table: &[(&str, &str, &str, &[&str])] = &[
        // Berlin: 02:00 → 03:00 on 29 March, 03:00 → 02:00 on 25 October
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-03-28T00:00:00Z",
            &["03-28T02:30:00+01", "03-29T03:00:00+02", "03-30T02:30:00+02"],
        ),
        ("Europe/Berlin", "0 2 * * *", "2026-03-28T12:00:00Z", &["03-29T03:00:00+02", "03-30T02:00:00+02"]),
        (
            "Europe/Berlin",
            "0,30 2,3 * * *",
            "2026-03-28T12:00:00Z",
            &["03-29T03:00:00+02", "03-29T03:30:00+02", "03-30T02:00:00+02"],
        ),
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", &["10-25T02:30:00+02", "10-26T02:30:00+01"]),
        (
            "Europe/Berlin",
            "*/30 2 * * *",
            "2026-10-24T12:00:00Z",
            &["10-25T02:00:00+02", "10-25T02:30:00+02", "10-26T02:00:00+01"],
        ),
        (
            "Europe/Berlin",
            "59 1,3 * * *",
            "2026-10-24T12:00:00Z",
            &["10-25T01:59:00+02", "10-25T03:59:00+01"],
        ),
        // New York: 02:00 → 03:00 on 8 March, 02:00 → 01:00 on 1 November
        (
            "America/New_York",
            "15 2 * * *",
            "2026-03-07T12:00:00Z",
            &["03-08T03:00:00-04", "03-09T02:15:00-04"],
        ),
        (
            "America/New_York",
            "15 1 * * *",
            "2026-10-31T12:00:00Z",
            &["11-01T01:15:00-04", "11-02T01:15:00-05"],
        ),
        // St. John's: half hours
        (
            "America/St_Johns",
            "30 2 * * *",
            "2026-03-07T12:00:00Z",
            &["03-08T03:00:00-02:30", "03-09T02:30:00-02:30"],
        ),
        // Lord Howe: a change of half an hour; 02:00 → 02:30 on 4 October, 02:00 → 01:30 on 5 April
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            "2026-10-03T00:00:00Z",
            &["10-04T02:30:00+11", "10-05T02:15:00+11"],
        ),
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2026-04-04T00:00:00Z",
            &["04-05T01:45:00+11", "04-06T01:45:00+10:30"],
        ),
        // Cairo: midnight does not exist on 24 April
        ("Africa/Cairo", "0 0 * * *", "2026-04-23T12:00:00Z", &["04-24T01:00:00+03", "04-25T00:00:00+03"]),
        // Apia left a whole day out: 30 December 2011
        (
            "Pacific/Apia",
            "0 12 * * *",
            "2011-12-29T00:00:00Z",
            &["12-29T12:00:00-10", "12-31T00:00:00+14", "12-31T12:00:00+14"],
        ),
        // Sydney: 02:00 → 03:00 on 4 October, 03:00 → 02:00 on 5 April
        (
            "Australia/Sydney",
            "30 2 * * *",
            "2026-10-03T00:00:00Z",
            &["10-04T03:00:00+11", "10-05T02:30:00+11"],
        ),
        (
            "Australia/Sydney",
            "30 2 * * *",
            "2026-04-04T00:00:00Z",
            &["04-05T02:30:00+11", "04-06T02:30:00+10"],
        ),
        // London and Lisbon: 01:00 → 02:00 on 29 March, 02:00 → 01:00 on 25 October
        ("Europe/London", "30 1 * * *", "2026-03-28T12:00:00Z", &["03-29T02:00:00+01", "03-30T01:30:00+01"]),
        ("Europe/Lisbon", "30 1 * * *", "2026-10-24T12:00:00Z", &["10-25T01:30:00+01", "10-26T01:30:00+00"]),
        // Kolkata never changes
        (
            "Asia/Kolkata",
            "30 2 * * *",
            "2026-03-28T12:00:00Z",
            &["03-29T02:30:00+05:30", "03-30T02:30:00+05:30"],
        ),
        // every hour goes by elapsed time: nothing is heaped, nothing is paused
        ("Europe/Berlin", "30 * * * *", "2026-03-29T00:00:00Z", &["03-29T01:30:00+01", "03-29T03:30:00+02"]),
        (
            "Europe/Berlin",
            "30 * * * *",
            "2026-10-25T00:00:00Z",
            &["10-25T02:30:00+02", "10-25T02:30:00+01", "10-25T03:30:00+01"],
        ),
        (
            "Australia/Lord_Howe",
            "*/20 * * * *",
            "2026-04-04T14:30:00Z",
            &["04-05T01:40:00+11", "04-05T01:40:00+10:30", "04-05T02:00:00+10:30"],
        ),
    ];
    for (zone, text, from, expected) in table {
        assert_eq!(next(text, zone, from, expected.len()), *expected, "{zone} {text} after {from}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "[-*/,?0-9a-zA-Z@= ]{0,24}", after in -62_000_000_000_i64..250_000_000_000) {
        if let Ok(schedule) = Schedule::parse(&text, "Europe/Berlin") {
            let after = Timestamp::from_second(after).unwrap();
            prop_assert!(schedule.next_after(after, after).is_none_or(|due| due > after));
        }
    }

    #[test]
    fn where_one_looks_from_does_not_matter(
        minute in 0..60, hour in 0..24, start in 1_750_000_000_i64..1_850_000_000, skip in 0_i64..90_000,
    ) {
        let schedule = Schedule::parse(&format!("{minute} {hour} * * *"), "America/New_York").unwrap();
        let start = Timestamp::from_second(start).unwrap();
        let due = schedule.next_after(start, start).unwrap();
        let between = start.checked_add(jiff::SignedDuration::from_secs(skip)).unwrap();
        let again = schedule.next_after(between, start).unwrap();
        if between < due { prop_assert_eq!(due, again) } else { prop_assert!(again > due) }
    }
}
