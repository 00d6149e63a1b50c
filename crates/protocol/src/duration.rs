//! SurrealQL's duration text: `30s`, `1h30m`, `2w`.

use std::time::Duration;

const NANOSECOND: u128 = 1;
const MICROSECOND: u128 = 1_000 * NANOSECOND;
const MILLISECOND: u128 = 1_000 * MICROSECOND;
const SECOND: u128 = 1_000 * MILLISECOND;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;
const WEEK: u128 = 7 * DAY;
/// SurrealQL's year has 365 days.
const YEAR: u128 = 365 * DAY;

/// Largest first, so that formatting can take the biggest unit that fits.
const UNITS: [(&str, u128); 9] = [
    ("y", YEAR),
    ("w", WEEK),
    ("d", DAY),
    ("h", HOUR),
    ("m", MINUTE),
    ("s", SECOND),
    ("ms", MILLISECOND),
    ("µs", MICROSECOND),
    ("ns", NANOSECOND),
];

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("empty duration, expected a number and a unit such as `30s` or `1h30m`")]
    Empty,
    #[error("invalid duration `{text}`: expected a number at `{rest}`")]
    Number { text: String, rest: String },
    #[error("invalid duration `{text}`: expected one of ns, us, ms, s, m, h, d, w, y at `{rest}`")]
    Unit { text: String, rest: String },
    #[error("duration `{text}` is too long")]
    TooLong { text: String },
}

/// Reads a duration as SurrealQL writes it: numbers with the units `ns`, `us` (`µs`), `ms`, `s`, `m`, `h`, `d`, `w`
/// (7 days) and `y` (365 days), one after the other without spaces.
///
/// # Errors
/// Names the place where the text stops being a duration.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let too_long = || DurationError::TooLong { text: text.to_owned() };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, behind) = rest.split_at(digits);
        if number.is_empty() {
            return Err(DurationError::Number { text: text.to_owned(), rest: rest.to_owned() });
        }
        let letters = behind.len() - behind.trim_start_matches(char::is_alphabetic).len();
        let (unit, next) = behind.split_at(letters);
        let Some(scale) = scale_of(unit) else {
            return Err(DurationError::Unit { text: text.to_owned(), rest: behind.to_owned() });
        };
        let number: u128 = number.parse().map_err(|_| too_long())?;
        let part = number.checked_mul(scale).ok_or_else(too_long)?;
        total = total.checked_add(part).ok_or_else(too_long)?;
        rest = next;
    }
    let seconds = u64::try_from(total / SECOND).map_err(|_| too_long())?;
    Ok(Duration::new(seconds, (total % SECOND) as u32))
}

/// Writes a duration the way SurrealQL does; [`parse_duration`] reads it back unchanged.
pub fn format_duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0ns".to_owned();
    }
    let mut left = duration.as_nanos();
    let mut text = String::new();
    for (unit, scale) in UNITS {
        let count = left / scale;
        left %= scale;
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(unit);
        }
    }
    text
}

fn scale_of(unit: &str) -> Option<u128> {
    // Two Unicode letters look like µ: the micro sign, and the Greek mu that keyboards produce.
    let unit = if matches!(unit, "us" | "μs") { "µs" } else { unit };
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_unit() {
        let cases: [(&str, u128); 12] = [
            ("7ns", 7),
            ("7us", 7 * MICROSECOND),
            ("7µs", 7 * MICROSECOND),
            ("7μs", 7 * MICROSECOND),
            ("7ms", 7 * MILLISECOND),
            ("30s", 30 * SECOND),
            ("1h30m", HOUR + 30 * MINUTE),
            ("2d", 2 * DAY),
            ("2w", 2 * WEEK),
            ("1y", YEAR),
            (" 5m ", 5 * MINUTE),
            ("0s", 0),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_duration(text).map(|duration| duration.as_nanos()), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn says_where_a_text_stops_being_a_duration() {
        let cases = [
            ("", "empty duration, expected a number and a unit such as `30s` or `1h30m`"),
            ("30", "invalid duration `30`: expected one of ns, us, ms, s, m, h, d, w, y at ``"),
            ("1.5h", "invalid duration `1.5h`: expected one of ns, us, ms, s, m, h, d, w, y at `.5h`"),
            ("1h later", "invalid duration `1h later`: expected a number at ` later`"),
            ("-1s", "invalid duration `-1s`: expected a number at `-1s`"),
            ("5 minutes", "invalid duration `5 minutes`: expected one of ns, us, ms, s, m, h, d, w, y at ` minutes`"),
            ("999999999999999y", "duration `999999999999999y` is too long"),
        ];
        for (text, message) in cases {
            assert_eq!(parse_duration(text).map_err(|error| error.to_string()), Err(message.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(seconds: u64, nanos in 0u32..1_000_000_000) {
            let duration = Duration::new(seconds, nanos);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
            let _ = parse_duration(&text);
        }
    }
}
