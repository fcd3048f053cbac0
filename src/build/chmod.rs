//! `--chmod`: octal as `755`, or symbolic as `u=rwX,go-w`, see chmod(1).

use super::error::{Error, Result};

/// A change of permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These bits, whatever was there.
    To(u32),
    /// One clause after the other.
    Clauses(Vec<Clause>),
}

/// `go-w`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// For whom, as bits of all three digits: `u` is 0o4700.
    who: u32,
    operator: char,
    /// The bits, as if for everybody.
    bits: u32,
    /// `X`: executable for folders and for what is executable for somebody.
    if_executable: bool,
}

impl Change {
    /// Reads one.
    ///
    /// # Errors
    /// It is neither octal nor symbolic.
    pub fn read(text: &str) -> Result<Self> {
        let wrong =
            || Error::new(format!("invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777, or symbolic"));
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).map_err(|_| wrong())?;
            return if mode <= 0o7777 { Ok(Change::To(mode)) } else { Err(wrong()) };
        }
        text.split(',').map(clause).collect::<Option<Vec<Clause>>>().map(Change::Clauses).ok_or_else(wrong)
    }

    /// The bits that come of `mode`.
    pub fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        match self {
            Change::To(mode) => *mode,
            Change::Clauses(clauses) => clauses.iter().fold(mode, |mode, clause| clause.apply(mode, is_folder)),
        }
    }
}

impl Clause {
    fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        let executable = self.if_executable && (is_folder || mode & 0o111 != 0);
        let bits = (self.bits | if executable { 0o111 } else { 0 }) & self.who;
        match self.operator {
            '+' => mode | bits,
            '-' => mode & !bits,
            _ => mode & !self.who | bits,
        }
    }
}

fn clause(text: &str) -> Option<Clause> {
    let at = text.find(['+', '-', '='])?;
    let (names, rest) = text.split_at(at);
    let mut who = 0;
    for name in names.chars() {
        who |= match name {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let mut clause =
        Clause { who: if names.is_empty() { 0o7777 } else { who }, operator: rest.chars().next()?, bits: 0, if_executable: false };
    for letter in rest[1..].chars() {
        match letter {
            'r' => clause.bits |= 0o444,
            'w' => clause.bits |= 0o222,
            'x' => clause.bits |= 0o111,
            's' => clause.bits |= 0o6000,
            't' => (clause.bits, clause.who) = (clause.bits | 0o1000, clause.who | 0o1000),
            'X' => clause.if_executable = true,
            _ => return None,
        }
    }
    Some(clause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_by_number_and_by_letter() {
        for (text, from, folder, to) in [
            ("755", 0o600, false, 0o755),
            ("0400", 0o777, false, 0o400),
            ("4755", 0, false, 0o4755),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("go-w,o=", 0o666, false, 0o640),
            ("a=rX", 0o600, false, 0o444),
            ("a=rX", 0o700, true, 0o555),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u+s", 0o755, false, 0o4755),
            ("+t", 0o777, true, 0o1777),
        ] {
            assert_eq!(Change::read(text).unwrap().apply(from, folder), to, "{text}");
        }
        for text in ["999", "77777", "u", "x+r", "u+q", "u+x,", "rwx"] {
            assert!(Change::read(text).is_err(), "{text}");
        }
    }
}
