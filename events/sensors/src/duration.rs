//! Go's duration texts (`1h30m`, `250ms`) and `Int64OrString` durations.
//! Does not wait.

use jiff::SignedDuration;
pub use runner_workflows::duration::parse;
use runner_workflows::spec::IntOrString;

/// Reads a number of nanoseconds or a duration text, as Argo's `Backoff.duration`.
///
/// # Errors
/// As [`parse`].
pub fn of(value: &IntOrString) -> Result<SignedDuration, String> {
    match value {
        IntOrString::Int(nanoseconds) => Ok(SignedDuration::from_nanos(*nanoseconds)),
        IntOrString::Text(text) => match text.trim().parse::<i64>() {
            Ok(nanoseconds) => Ok(SignedDuration::from_nanos(nanoseconds)),
            Err(_) => parse(text.trim()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn texts_are_read_as_go_reads_them() {
        let millis = |text: &str| parse(text).map(|d| d.as_millis());
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("1.5s"), Ok(1500));
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("-2s"), Ok(-2000));
        assert_eq!(millis("0"), Ok(0));
        for wrong in ["", "5", "s", "1d", "1..2s", "1s ", "99999999h99999999999999h"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
