//! Which of two versions is the newer: by the rules of dpkg (deb-version(7)), apk (apk-package(5)) and rpm (rpm-version(7)).

use std::cmp::Ordering;

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Debian's: `epoch:upstream-revision`, `~` sorts before everything.
    Dpkg,
    /// Alpine's: numbers, one letter, suffixes with an order of their own, `-r` and the revision.
    Apk,
    /// Red Hat's: `epoch:version-release`, `~` sorts before and `^` behind the end.
    Rpm,
}

impl Rules {
    /// Compares two versions.
    pub fn compare(self, left: &str, right: &str) -> Ordering {
        match self {
            Rules::Dpkg => with_epoch(left, right, |left, right| parts(left, right, dpkg)),
            Rules::Rpm => with_epoch(left, right, |left, right| parts(left, right, rpm)),
            Rules::Apk => apk(left, right),
        }
    }
}

/// The numbers before the colons decide first; none is 0.
fn with_epoch(left: &str, right: &str, rest: impl Fn(&str, &str) -> Ordering) -> Ordering {
    let split = |text: &str| match text.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => {
            (epoch.trim_start_matches('0').to_owned(), rest.to_owned())
        }
        _ => (String::new(), text.to_owned()),
    };
    let ((left_epoch, left), (right_epoch, right)) = (split(left), split(right));
    number(&left_epoch, &right_epoch).then_with(|| rest(&left, &right))
}

/// The version, then what is behind the last dash.
fn parts(left: &str, right: &str, compare: impl Fn(&str, &str) -> Ordering) -> Ordering {
    let split = |text: &str| {
        text.rsplit_once('-').map_or((text.to_owned(), String::new()), |(version, rest)| (version.to_owned(), rest.to_owned()))
    };
    let ((left, left_rest), (right, right_rest)) = (split(left), split(right));
    compare(&left, &right).then_with(|| compare(&left_rest, &right_rest))
}

/// Two rows of digits as numbers, however long.
fn number(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// The longest start whose letters all fit, and the rest.
fn start(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|letter| !fits(letter)).unwrap_or(text.len()))
}

/// Parts without digits and parts of digits in turn. `~` before the end, the end before letters, letters before all else.
fn dpkg(mut left: &str, mut right: &str) -> Ordering {
    let order = |letter: Option<char>| match letter {
        Some('~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => letter as i64,
        Some(letter) => letter as i64 + 0x100,
    };
    while !left.is_empty() || !right.is_empty() {
        let ((left_text, left_rest), (right_text, right_rest)) =
            (start(left, |c| !c.is_ascii_digit()), start(right, |c| !c.is_ascii_digit()));
        let (mut one, mut other) = (left_text.chars(), right_text.chars());
        loop {
            let (first, second) = (one.next(), other.next());
            match order(first).cmp(&order(second)) {
                Ordering::Equal if first.is_none() => break,
                Ordering::Equal => {}
                decided => return decided,
            }
        }
        let ((one, after_left), (other, after_right)) =
            (start(left_rest, |c| c.is_ascii_digit()), start(right_rest, |c| c.is_ascii_digit()));
        match number(one, other) {
            Ordering::Equal => (left, right) = (after_left, after_right),
            decided => return decided,
        }
    }
    Ordering::Equal
}

/// Segments of letters or digits; what stands between them only separates.
fn rpm(mut left: &str, mut right: &str) -> Ordering {
    let separates = |c: char| !c.is_ascii_alphanumeric() && c != '~' && c != '^';
    loop {
        (left, right) = (start(left, separates).1, start(right, separates).1);
        for (mark, at_end) in [('~', Ordering::Less), ('^', Ordering::Greater)] {
            match (left.strip_prefix(mark), right.strip_prefix(mark)) {
                (Some(one), Some(other)) => return rpm(one, other),
                // `^` is behind the end of the other, but before anything more.
                (Some(_), None) => return if mark == '^' && !right.is_empty() { Ordering::Less } else { at_end },
                (None, Some(_)) => return if mark == '^' && !left.is_empty() { Ordering::Greater } else { at_end.reverse() },
                (None, None) => {}
            }
        }
        let (Some(first), Some(second)) = (left.chars().next(), right.chars().next()) else { return left.len().cmp(&right.len()) };
        // A number is newer than letters.
        match (first.is_ascii_digit(), second.is_ascii_digit()) {
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            _ => {}
        }
        let digits = first.is_ascii_digit();
        let fits = |c: char| if digits { c.is_ascii_digit() } else { c.is_ascii_alphabetic() };
        let ((one, left_rest), (other, right_rest)) = (start(left, fits), start(right, fits));
        match if digits { number(one, other) } else { one.cmp(other) } {
            Ordering::Equal => (left, right) = (left_rest, right_rest),
            decided => return decided,
        }
    }
}

/// The suffixes of apk, in their order; a version without one stands between `rc` and `cvs`.
const BEFORE: [&str; 4] = ["alpha", "beta", "pre", "rc"];
const AFTER: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];

/// A part of a version of apk. The derived order is the one that counts where two versions differ in kind: less comes before.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// `_alpha` and its like, which come before the version without them.
    Before(usize, u64),
    /// The end.
    End,
    /// `-r` and the revision.
    Revision(u64),
    /// `_p` and its like.
    After(usize, u64),
    Letter(char),
    Number(u64),
}

fn apk(left: &str, right: &str) -> Ordering {
    apk_parts(left).cmp(&apk_parts(right))
}

fn apk_parts(text: &str) -> Vec<Part> {
    let (text, revision) = text.rsplit_once("-r").map_or((text, None), |(text, revision)| (text, revision.parse().ok()));
    // Behind a tilde stands a hash of the source, which has no order.
    let text = text.split('~').next().unwrap_or(text);
    let mut pieces = text.split('_');
    let mut parts = Vec::new();
    for piece in pieces.next().unwrap_or_default().split('.') {
        let (digits, letters) = start(piece, |c| c.is_ascii_digit());
        parts.push(Part::Number(digits.parse().unwrap_or(0)));
        parts.extend(letters.chars().next().map(Part::Letter));
    }
    for piece in pieces {
        let (name, digits) = start(piece, |c| c.is_ascii_alphabetic());
        let count = digits.parse().unwrap_or(0);
        let known = |names: &[&str]| names.iter().position(|own| *own == name);
        match (known(&BEFORE), known(&AFTER)) {
            (Some(order), _) => parts.push(Part::Before(order, count)),
            (None, order) => parts.push(Part::After(order.unwrap_or(AFTER.len()), count)),
        }
    }
    parts.extend(revision.filter(|revision| *revision > 0).map(Part::Revision));
    parts.push(Part::End);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row in ascending order.
    fn ascend(rules: Rules, rows: &[&[&str]]) {
        for row in rows {
            for (at, one) in row.iter().enumerate() {
                for (other_at, other) in row.iter().enumerate() {
                    assert_eq!(rules.compare(one, other), at.cmp(&other_at), "{rules:?}: {one} and {other}");
                }
            }
        }
    }

    #[test]
    fn debian_counts_as_dpkg_does() {
        ascend(
            Rules::Dpkg,
            &[
                &["1.0~rc1-1", "1.0-1~bpo1", "1.0-1", "1.0-1+deb12u1", "1.0-2", "1.0a-1", "1.0+x-1", "1.0.1-1", "2-1", "1:0.1"],
                &["7.88.1-10", "7.88.1-10+deb12u4", "7.88.1-10+deb12u5", "7.88.1-11"],
                &["5.4.1-0.2", "5.6.1+really5.4.5-1"],
                &["1.9", "1.10", "1.10.0"],
                &["99999999999999999999998", "99999999999999999999999"],
            ],
        );
        assert_eq!(Rules::Dpkg.compare("0:1.0-0", "1.0"), Ordering::Equal);
        assert_eq!(Rules::Dpkg.compare("1.00", "1.0"), Ordering::Equal);
    }

    #[test]
    fn dpkg_itself_agrees() {
        let pieces = ["1", "2.0", "10", "~rc1", "+deb12u1", "a", "-1", "-2", ":3", "~", "0", ".", "1:2"];
        let mut state = 7_u32;
        let mut version = || {
            let mut text = "1".to_owned();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text += pieces[(state >> 16) as usize % pieces.len()];
            }
            text
        };
        let mut compared = 0;
        for _ in 0..150 {
            let (left, right) = (version(), version());
            let asked = |relation: &str| {
                let told = std::process::Command::new("dpkg").args(["--compare-versions", &left, relation, &right]).output().ok()?;
                // What dpkg does not take for a version at all (it warns) has no order.
                told.stderr.is_empty().then_some(told.status.success())
            };
            let (Some(less), Some(equal)) = (asked("lt"), asked("eq")) else { continue };
            let wanted = if equal {
                Ordering::Equal
            } else if less {
                Ordering::Less
            } else {
                Ordering::Greater
            };
            assert_eq!(Rules::Dpkg.compare(&left, &right), wanted, "{left} and {right}");
            compared += 1;
        }
        eprintln!("{compared} pairs were compared with dpkg (0: there is none here)");
    }

    #[test]
    fn alpine_counts_as_apk_does() {
        ascend(
            Rules::Apk,
            &[
                &[
                    "1.0_alpha1-r0",
                    "1.0_beta2-r0",
                    "1.0_rc1-r3",
                    "1.0-r0",
                    "1.0-r1",
                    "1.0_p1-r0",
                    "1.0a-r0",
                    "1.0b-r0",
                    "1.0.1-r0",
                    "1.1-r0",
                    "1.10-r0",
                ],
                &["1.1.1k-r0", "1.1.1l-r0", "1.1.1n-r0", "3.0.0-r0"],
                &["1.36.1-r2", "1.36.1-r15"],
            ],
        );
        assert_eq!(Rules::Apk.compare("1.2.3", "1.2.3-r0"), Ordering::Equal);
    }

    #[test]
    fn red_hat_counts_as_rpm_does() {
        ascend(
            Rules::Rpm,
            &[
                &["1.0~rc1-1", "1.0-1", "1.0^git1-1", "1.0a-1", "1.0.1-1", "1.1-1", "1.10-1", "2:0.1-1"],
                &["1.0-1.fc41", "1.0-1.fc42", "1.0-10.fc41"],
            ],
        );
        assert_eq!(Rules::Rpm.compare("1.0-1", "1_0-1"), Ordering::Equal);
        assert_eq!(Rules::Rpm.compare("1.05-1", "1.5-1"), Ordering::Equal);
    }
}
