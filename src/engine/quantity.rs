//! Sizes as people write them, in options of log drivers and on docker's command line.

/// A size: `10m`, `1.5GB`, `-1`. In bytes; letters stand for powers of 1024.
///
/// # Errors
/// It is none.
pub fn bytes(text: &str) -> Result<i64, String> {
    if text == "-1" {
        return Ok(-1);
    }
    let wrong = || format!("invalid size: '{text}'");
    let number = text.find(|one: char| !(one.is_ascii_digit() || one == '.')).unwrap_or(text.len());
    let (value, unit) = text.split_at(number);
    let value: f64 = value.parse().map_err(|_| wrong())?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let letter = unit.trim_end_matches('b').trim_end_matches('i');
    let power = match letter {
        "" if ["", "b"].contains(&unit.as_str()) => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(format!("invalid suffix: '{unit}'")),
    };
    let all = value * 1024_f64.powi(power);
    // A float of this size is one that no i64 can hold.
    if all < i64::MAX as f64 { Ok(all as i64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, wanted) in
            [("0", 0), ("10", 10), ("1k", 1024), ("1.5kb", 1536), ("2 GiB", 2 << 30), ("1GB", 1 << 30), ("-1", -1), ("3b", 3)]
        {
            assert_eq!(bytes(text), Ok(wanted), "{text}");
        }
        assert_eq!(bytes("1x").unwrap_err(), "invalid suffix: 'x'");
        for wrong in ["x", "", "-2", "99999999999999999999g"] {
            assert_eq!(bytes(wrong).unwrap_err(), format!("invalid size: '{wrong}'"));
        }
    }
}
