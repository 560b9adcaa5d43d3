//! Durations in Go's syntax.

use std::time::Duration;

/// Parses a duration in Go's syntax: `1h30m`, `90s`, `1.5s`, `300ms`.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; use one like 1h30m, 90s or 500ms");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let number_end = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .ok_or_else(wrong)?;
        let (number, behind) = rest.split_at(number_end);
        let unit_end = behind
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(wrong()),
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = behind;
    }
    // Go's durations are nanoseconds in 63 bits: about 292 years.
    if text.is_empty() || total.as_nanos() > i64::MAX.unsigned_abs().into() {
        return Err(wrong());
    }
    Ok(total)
}

/// Parses a duration in Go's syntax; returns it in nanoseconds.
pub fn parse_nanos(text: &str) -> Result<u64, String> {
    parse(text).map(nanos)
}

/// Returns a duration in nanoseconds, as geth's TOML has them; `u64::MAX` for a longer one.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_in_the_syntax_of_go() {
        assert_eq!(parse("3h0m0s"), Ok(Duration::from_secs(3 * 3600)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        for wrong in [
            "",
            "5",
            "h",
            "1x",
            "1.2.3s",
            "-1s",
            "1e9s",
            "99999999999999h",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
