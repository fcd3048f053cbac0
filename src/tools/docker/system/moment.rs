//! Times as docker shows and reads them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::quantity;
use crate::ui::units;

fn zoned(seconds: i64) -> Zoned {
    Timestamp::from_second(seconds).unwrap_or_default().to_zoned(TimeZone::system())
}

/// `2026-11-21 18:02:13 +0000 UTC`.
pub fn local(seconds: i64) -> String {
    zoned(seconds).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

/// The same in UTC, with a fraction of the second.
pub fn utc(seconds: i64, fraction: &str) -> String {
    let zoned = Timestamp::from_second(seconds).unwrap_or_default().to_zoned(TimeZone::UTC);
    format!("{}{fraction} +0000 UTC", zoned.strftime("%Y-%m-%d %H:%M:%S"))
}

/// `2026-11-21T18:02:13Z`.
pub fn standard(seconds: i64) -> String {
    let zoned = zoned(seconds);
    if zoned.offset().seconds() == 0 {
        zoned.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    } else {
        zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

/// With nine digits behind the point: `2026-11-21T18:02:13.000000001Z`.
pub fn nanoseconds(nanoseconds: i64) -> String {
    let zoned = Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default().to_zoned(TimeZone::system());
    let zone = if zoned.offset().seconds() == 0 { "Z".to_owned() } else { zoned.strftime("%:z").to_string() };
    format!("{}.{:09}{zone}", zoned.strftime("%Y-%m-%dT%H:%M:%S"), zoned.subsec_nanosecond())
}

/// `3 hours ago`; what has no time has none.
pub fn ago(seconds: i64) -> String {
    if seconds <= 0 { "N/A".to_owned() } else { format!("{} ago", since(seconds)) }
}

/// How long it is since then.
pub fn since(seconds: i64) -> String {
    // What is made in the future was made now.
    units::age(u64::try_from(Timestamp::now().as_second() - seconds).unwrap_or(0))
}

/// `--since` and `--until` as the API takes them: seconds of Unix time. It may be a time ago (`10m`), Unix time, or a date.
///
/// # Errors
/// It is none of them.
pub fn asked(text: &str) -> Result<String> {
    if text.parse::<f64>().is_ok() {
        return Ok(text.to_owned());
    }
    if let Ok(ago) = quantity::duration(text) {
        let then = i128::from(Timestamp::now().as_second()) - i128::from(ago / 1_000_000_000);
        return Ok(then.to_string());
    }
    let stamp = text.parse::<Timestamp>().ok().or_else(|| {
        // Without a zone it is ours; without a time it is midnight.
        let moment = text.parse::<jiff::civil::DateTime>().or_else(|_| format!("{text}:00").parse()).ok()?;
        Some(moment.to_zoned(TimeZone::system()).ok()?.timestamp())
    });
    let stamp = stamp.ok_or_else(|| Failure::new(format!("failed to parse value as time or duration: {text:?}")))?;
    Ok(format!("{}.{:09}", stamp.as_second(), stamp.subsec_nanosecond()))
}

/// A time as documents have it, in seconds; 0 where there is none.
pub fn read(text: &str) -> i64 {
    text.parse::<Timestamp>().map_or(0, Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_spellings() {
        for (text, wanted) in
            [("1700000000", "1700000000"), ("1700000000.5", "1700000000.5"), ("2023-11-14T22:13:20Z", "1700000000.000000000")]
        {
            assert_eq!(asked(text).unwrap(), wanted);
        }
        let ago: i64 = asked("1h").unwrap().parse().unwrap();
        assert!((Timestamp::now().as_second() - ago - 3600).abs() < 5);
        assert!(asked("2023-11-14").is_ok() && asked("2023-11-14T10:00:00").is_ok() && asked("yesterday").is_err());
    }
}
