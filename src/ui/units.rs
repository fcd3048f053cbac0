//! Sizes and ages as Docker's tables show them.

/// A size in units of 1000, with three significant digits: `7.8MB`, `124MB`, `0B`.
pub fn size(bytes: u64) -> String {
    sized(bytes, 3)
}

/// A size with four significant digits: `7.798MB`.
pub fn precise(bytes: u64) -> String {
    sized(bytes, 4)
}

/// A size in units of 1024: `1.5GiB`.
pub fn binary(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{}{}", significant(value, 4), UNITS[unit])
}

fn sized(bytes: u64, digits: usize) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{}{}", significant(value, digits), UNITS[unit])
}

/// As C's `%.*g` for numbers from 0 to 1000: so many significant digits, zeros at the end left out.
fn significant(value: f64, digits: usize) -> String {
    let before = if value < 1.0 { 1 } else { value.log10().floor() as usize + 1 };
    let text = format!("{value:.*}", digits.saturating_sub(before));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// How long ago: `Less than a second`, `5 seconds`, `About a minute`, `3 hours`, `2 weeks`, `8 months`.
pub fn age(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    // Docker rounds hours to the next half before it counts days.
    let rounded = (seconds + 1800) / 3600;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if rounded == 1 || hours == 0 => "About an hour".to_owned(),
        _ if rounded < 48 => format!("{rounded} hours"),
        _ if rounded < 24 * 7 * 2 => format!("{} days", rounded / 24),
        _ if rounded < 24 * 30 * 2 => format!("{} weeks", rounded / 24 / 7),
        _ if rounded < 24 * 365 * 2 => format!("{} months", rounded / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let table = [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (13_256, "13.3kB"),
            (7_797_760, "7.8MB"),
            (123_999_999, "124MB"),
            (1_100_000_000, "1.1GB"),
        ];
        for (bytes, shown) in table {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn ages_are_told_in_the_unit_that_people_use() {
        let day = 86400;
        let table = [
            (0, "Less than a second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (600, "10 minutes"),
            (3600, "About an hour"),
            (2 * 3600, "2 hours"),
            (47 * 3600, "47 hours"),
            (3 * day, "3 days"),
            (20 * day, "2 weeks"),
            (70 * day, "2 months"),
            (800 * day, "2 years"),
        ];
        for (seconds, shown) in table {
            assert_eq!(age(seconds), shown);
        }
    }
}
