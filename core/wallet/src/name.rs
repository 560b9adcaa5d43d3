//! Names of key files.

use std::time::{SystemTime, UNIX_EPOCH};

use actoreum_primitives::Address;

/// Number of days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: u64 = 719_468;
const DAYS_IN_400_YEARS: u64 = 146_097;

/// Returns geth's name for a key file, `UTC--<created>--<address>`:
/// `2016-03-22T12-57-55.920751759Z` with hyphens instead of the colons of ISO 8601, and an address
/// of 40 hex digits.
pub(crate) fn file_name(address: &Address, created: SystemTime) -> String {
    let since = created.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = civil(since.as_secs() / 86_400);
    let second = since.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let nanos = since.subsec_nanos();
    let address = hex::encode(address);
    format!(
        "UTC--{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}.{nanos:09}Z--{address}"
    )
}

/// Converts days since 1970 to year, month and day of the Gregorian calendar. Years are counted
/// from March, so that the leap day is the last day of a year.
fn civil(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + DAYS_BEFORE_1970;
    let era = days / DAYS_IN_400_YEARS;
    let day_of_era = days % DAYS_IN_400_YEARS;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = match month_from_march {
        0..=9 => (month_from_march + 3, 0),
        _ => (month_from_march - 9, 1),
    };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn vectors_names_are_geths() {
        let address = Address::repeat_byte(0xab);
        let name = |seconds, nanos| file_name(&address, UNIX_EPOCH + Duration::new(seconds, nanos));
        let hex = "ab".repeat(20);
        assert_eq!(
            name(1_458_651_475, 920_751_759),
            format!("UTC--2016-03-22T12-57-55.920751759Z--{hex}")
        );
        assert_eq!(
            name(951_782_399, 5),
            format!("UTC--2000-02-28T23-59-59.000000005Z--{hex}")
        );
        assert_eq!(name(951_782_400, 0)[5..15], *"2000-02-29");
        assert_eq!(name(4_107_542_400, 0)[5..15], *"2100-03-01");
        assert_eq!(name(0, 0)[5..15], *"1970-01-01");
    }
}
