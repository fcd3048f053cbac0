//! Sizes, times and limits as people write them in options.

// The engine reads sizes too, in the options of its log drivers.
pub use crate::engine::quantity::bytes;

/// A time as Go writes it: `1m30s`, `500ms`, `1.5h`. In nanoseconds.
///
/// # Errors
/// It is none.
pub fn duration(text: &str) -> Result<i64, String> {
    const UNITS: [(&str, f64); 7] = [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];
    let (sign, mut rest) = text.strip_prefix('-').map_or((1.0, text.trim_start_matches('+')), |rest| (-1.0, rest));
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(format!("time: invalid duration {text:?}"));
    }
    let mut all = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|one: char| !(one.is_ascii_digit() || one == '.')).unwrap_or(rest.len());
        let value: f64 = rest[..digits].parse().map_err(|_| format!("time: invalid duration {text:?}"))?;
        rest = &rest[digits..];
        let letters = rest.find(|one: char| one.is_ascii_digit() || one == '.').unwrap_or(rest.len());
        let unit = &rest[..letters];
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(if unit.is_empty() {
                format!("time: missing unit in duration {text:?}")
            } else {
                format!("time: unknown unit {unit:?} in duration {text:?}")
            });
        };
        all += value * factor;
        rest = &rest[letters..];
    }
    Ok((sign * all) as i64)
}

/// A number of processors, in billionths: `1.5`.
///
/// # Errors
/// It is none, or has more than nine digits behind the point.
pub fn processors(text: &str) -> Result<i64, String> {
    let wrong = || format!("failed to parse {text} as a rational number");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || text.is_empty() {
        return Err(wrong());
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 9 {
        return Err("value is too precise".to_owned());
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
    let fraction: i64 = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
    whole.checked_mul(1_000_000_000).and_then(|whole| whole.checked_add(fraction)).ok_or_else(wrong)
}

/// `nofile=1024:2048`: name, soft, hard.
///
/// # Errors
/// It is none.
pub fn ulimit(text: &str) -> Result<(String, i64, i64), String> {
    const NAMES: [&str; 15] = [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ];
    let Some((name, limits)) = text.split_once('=') else { return Err(format!("invalid ulimit argument: {text}")) };
    if !NAMES.contains(&name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let number = |part: &str| part.parse::<i64>().map_err(|_| format!("strconv.ParseInt: parsing {part:?}: invalid syntax"));
    let (soft, hard) = match limits.split_once(':') {
        Some((_, hard)) if hard.contains(':') => {
            return Err(format!("too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`"));
        }
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(limits)?, number(limits)?),
    };
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(format!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"));
    }
    Ok((name.to_owned(), soft, hard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_limits_are_read_as_docker_reads_them() {
        for (text, wanted) in [("1m30s", 90_000_000_000), ("1.5h", 5_400_000_000_000), ("0", 0), ("5ms", 5_000_000)] {
            assert_eq!(duration(text), Ok(wanted), "{text}");
        }
        assert_eq!(duration("5").unwrap_err(), "time: missing unit in duration \"5\"");
        assert_eq!(duration("5x").unwrap_err(), "time: unknown unit \"x\" in duration \"5x\"");
        assert_eq!((processors("1.5"), processors(".25")), (Ok(1_500_000_000), Ok(250_000_000)));
        assert!(processors("x").is_err() && processors("1.0000000001").is_err());
        assert_eq!(ulimit("nofile=5:6").unwrap(), ("nofile".to_owned(), 5, 6));
        assert!(ulimit("nofile").is_err() && ulimit("frob=1").is_err() && ulimit("nofile=6:5").is_err());
    }
}
