//! What may reach a terminal, and what decides about colour.
//! Does not start the binary.

use runner_cli::output::color::Hints;
use runner_cli::output::text::{clean, cut, pad, plain, width};
use runner_cli::output::time;

#[test]
fn v12_control_sequences_of_steps_do_not_reach_the_terminal() {
    for (given, want) in [
        ("plain", "plain"),
        ("\u{1b}[31mred\u{1b}[0m", "red"),
        ("\u{1b}[2J\u{1b}[Hcleared", "cleared"),
        ("\u{1b}]0;title\u{7}text", "text"),
        ("\u{1b}]52;c;c2VjcmV0\u{1b}\\text", "text"),
        ("\u{1b}]8;;http://evil\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
        ("\u{1b}Pdevice\u{1b}\\text", "text"),
        ("\u{1b}ctext", "text"),
        ("\u{1b}(0text", "text"),
        ("\u{9b}2Jtext", "text"),
        ("100%\rhidden", "100%␍hidden"),
        ("line\r", "line"),
        ("bell\u{7}", "bell\\u{7}"),
        ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ("a\u{2066}b", "a\\u{2066}b"),
        ("\u{1b}", ""),
        ("\u{1b}[", ""),
        ("\u{1b}[31", ""),
        ("tab\there", "tab\there"),
        ("grüße 世界", "grüße 世界"),
    ] {
        assert_eq!(clean(given, false), want, "{given:?}");
    }
}

#[test]
fn v12_colours_stay_where_they_are_wanted_and_never_leak() {
    assert_eq!(clean("\u{1b}[1;31mred", true), "\u{1b}[1;31mred\u{1b}[0m");
    assert_eq!(clean("\u{1b}[31mred\u{1b}[2Jx", true), "\u{1b}[31mredx\u{1b}[0m");
    // only colours: private parameters are no colours
    assert_eq!(clean("\u{1b}[>4mx", true), "x");
}

#[test]
fn v12_nothing_that_clean_lets_through_is_a_control_character() {
    for first in 0_u32..0x500 {
        for rest in ["", "[31mx", "]0;x\u{7}", "x", "[?25l"] {
            let Some(first) = char::from_u32(first) else { continue };
            let line = clean(&format!("{first}{rest}"), false);
            assert!(line.chars().all(|c| !c.is_control() || c == '\t'), "{first:?}{rest:?} → {line:?}");
        }
    }
    assert_eq!(plain("a\tb\nc"), "a b c");
}

#[test]
fn widths_are_columns() {
    assert_eq!(width("世界"), 4);
    assert_eq!(cut("世界世界", 5), "世界…");
    assert_eq!(cut("short", 5), "short");
    assert_eq!(cut("longer", 5), "long…");
    assert_eq!(pad("✔", 3), "✔  ");
}

fn hints(set: &[(&str, &str)], tty: bool, off: bool) -> Hints {
    Hints::read(
        |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
        tty,
        off,
    )
}

#[test]
fn colour_follows_the_conventions() {
    assert!(hints(&[], true, false).color());
    assert!(!hints(&[], false, false).color(), "not a terminal");
    assert!(!hints(&[], true, true).color(), "--no-color");
    assert!(!hints(&[("NO_COLOR", "1")], true, false).color());
    assert!(hints(&[("NO_COLOR", "")], true, false).color(), "empty means unset");
    assert!(!hints(&[("TERM", "dumb")], true, false).color());
    assert!(!hints(&[("CI", "true")], true, false).color());
    assert!(hints(&[("CI", "true"), ("FORCE_COLOR", "1")], false, false).color());
    assert!(!hints(&[("FORCE_COLOR", "0")], false, false).color());
    assert!(!hints(&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], true, false).color());
}

#[test]
fn only_a_real_terminal_is_redrawn() {
    assert!(hints(&[], true, false).redraw());
    assert!(hints(&[("NO_COLOR", "1")], true, false).redraw(), "without colour it is still a terminal");
    for set in [("TERM", "dumb"), ("CI", "1")] {
        assert!(!hints(&[set], true, false).redraw());
    }
    assert!(!hints(&[("FORCE_COLOR", "1")], false, false).redraw());
}

#[test]
fn durations_are_read_and_written() {
    let seconds = |text: &str| time::parse(text).map(|d| d.as_secs());
    assert_eq!(seconds("90"), Ok(90));
    assert_eq!(seconds("1h30m"), Ok(5400));
    assert_eq!(seconds("7d"), Ok(604_800));
    for bad in ["", "x", "1x", "h", "-5s", "99999999999999999999s", "9223372036854775807d"] {
        assert!(time::parse(bad).is_err(), "{bad}");
    }
    let short = |millis: i64| time::short(jiff::SignedDuration::from_millis(millis));
    for (millis, want) in [
        (0, "0.0s"),
        (340, "0.3s"),
        (1000, "1s"),
        (1250, "1.2s"),
        (12_900, "12s"),
        (60_000, "1m"),
        (185_000, "3m5s"),
        (-5000, "0s"),
    ] {
        assert_eq!(short(millis), want, "{millis}");
    }
}
