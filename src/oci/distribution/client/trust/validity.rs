//! From when until when a certificate holds: two dates in its middle (RFC 5280, 4.1.2.5), read from DER (X.690).
//!
//! ```text
//! Certificate ::= SEQUENCE { tbs SEQUENCE { [0] version OPTIONAL, serial, algorithm, issuer, validity SEQUENCE { notBefore, notAfter }, ... }, ... }
//! ```

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Whether a certificate holds at `now` (seconds of Unix time). One whose dates cannot be read does: whoever verifies its signature refuses it.
pub fn holds(certificate: &[u8], now: u64) -> bool {
    dates(certificate).is_none_or(|(from, until)| i64::try_from(now).is_ok_and(|now| (from..=until).contains(&now)))
}

fn dates(certificate: &[u8]) -> Option<(i64, i64)> {
    let (_, outer, _) = element(certificate).filter(|one| one.0 == SEQUENCE)?;
    let (_, mut tbs, _) = element(outer).filter(|one| one.0 == SEQUENCE)?;
    if element(tbs)?.0 == VERSION {
        tbs = element(tbs)?.2;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        tbs = element(tbs)?.2;
    }
    let (_, validity, _) = element(tbs).filter(|one| one.0 == SEQUENCE)?;
    let (kind, from, rest) = element(validity)?;
    let (other, until, _) = element(rest)?;
    Some((time(kind, from)?, time(other, until)?))
}

/// The first element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if first & 0x80 == 0 {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let (octets, rest) = (count <= 4).then(|| rest.split_at_checked(count))??;
        (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`, in seconds of Unix time.
fn time(kind: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match kind {
        // Years from 50 on are of the last century.
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let moment = jiff::civil::DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    moment.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|moment| moment.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["registry".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_holds_from_its_first_date_to_its_last() {
        let day = 24 * 3600;
        // 2020-01-01 and 2021-01-01.
        let (from, until) = (1_577_836_800, 1_609_459_200);
        let one = certificate((2020, 1, 1), (2021, 1, 1));
        assert_eq!(dates(&one), Some((from, until)));
        assert!(holds(&one, from as u64) && holds(&one, until as u64));
        assert!(!holds(&one, from as u64 - 1) && !holds(&one, until as u64 + day));
        // Years from 2050 on are written with four digits.
        assert!(holds(&certificate((2020, 1, 1), (2060, 1, 1)), 2_800_000_000));
    }

    #[test]
    fn what_is_no_certificate_is_left_to_others() {
        let one = certificate((2020, 1, 1), (2021, 1, 1));
        for cut in 0..one.len().min(200) {
            assert!(dates(&one[..cut]).is_none());
        }
        assert!(holds(b"", 0) && holds(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], 0));
        assert_eq!(time(UTC_TIME, b"991332000000Z"), None);
    }
}
