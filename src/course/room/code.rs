//! The room's code: 80 random bits, as sixteen letters and digits that are told apart when read from a wall.

use std::fmt;
use std::str::FromStr;

use ring::hmac::{HMAC_SHA256, Key, sign, verify};

use crate::kernel::random;

/// Crockford's: no I, L, O, U.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 16;

/// Which end of the connection proves that it knows the code: one's proof is not the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Learner,
    Room,
}

/// The code of a room.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// One that nobody can guess.
    pub fn make() -> Code {
        // Of each random byte five bits: 16 times 5 are 80.
        Code(random::bytes::<LENGTH>().iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
    }

    /// The proof that `side` knows the code, on the connection whose own key is `bound`; in hexadecimal.
    pub fn proof(&self, side: Side, bound: &[u8; 32]) -> String {
        let tag = sign(&self.key(), &message(side, bound));
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether `proof` is that; compared in constant time.
    pub fn proves(&self, proof: &str, side: Side, bound: &[u8; 32]) -> bool {
        let pairs =
            proof.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
        let bytes: Option<Vec<u8>> = pairs.collect();
        bytes.is_some_and(|bytes| verify(&self.key(), &message(side, bound), &bytes).is_ok())
    }

    fn key(&self) -> Key {
        Key::new(HMAC_SHA256, self.0.as_bytes())
    }
}

fn message(side: Side, bound: &[u8; 32]) -> Vec<u8> {
    let side: &[u8] = match side {
        Side::Learner => b"learner",
        Side::Room => b"room",
    };
    [b"bottleship class 1 ", side, b" ", bound].concat()
}

impl FromStr for Code {
    type Err = String;

    /// As it is typed: in any case, with or without dashes and blanks, O for 0, I and L for 1.
    fn from_str(text: &str) -> Result<Code, String> {
        let letters = text.chars().filter(|letter| !matches!(letter, '-' | ' ')).map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        });
        let code: String = letters.collect();
        match code.len() == LENGTH && code.bytes().all(|letter| LETTERS.contains(&letter)) {
            true => Ok(Code(code)),
            false => Err(format!(
                "`{}` is no code of a room: it has {LENGTH} letters and digits, as in `7K3Q-9TB2-XW4H-C6PR`",
                super::wire::clean(text, 40)
            )),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<String> = self.0.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
        f.write_str(&groups.join("-"))
    }
}

/// A secret is in no log by accident.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = Code::make();
        let shown = code.to_string();
        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', ""),
            shown.replace('-', " "),
            shown.replace('0', "o").replace('1', "l"),
        ] {
            assert_eq!(typed.parse::<Code>().as_ref(), Ok(&code), "{typed}");
        }
        assert_ne!(code, Code::make());
        for wrong in ["", "7K3Q", "7K3Q-9TB2-XW4H-C6PU", "7K3Q-9TB2-XW4H-C6PRR", "\u{1b}[2J"] {
            let why = wrong.parse::<Code>().unwrap_err();
            assert!(!why.contains('\u{1b}'), "{why:?}");
        }
    }

    #[test]
    fn a_proof_is_good_for_one_side_of_one_connection_and_one_code() {
        let (code, here, there) = (Code::make(), [1; 32], [2; 32]);
        let proof = code.proof(Side::Learner, &here);
        assert!(code.proves(&proof, Side::Learner, &here));
        assert!(!code.proves(&proof, Side::Room, &here));
        assert!(!code.proves(&proof, Side::Learner, &there));
        assert!(!Code::make().proves(&proof, Side::Learner, &here));
        for garbage in ["", "zz", "é", &proof[..62], &format!("{proof}00")] {
            assert!(!code.proves(garbage, Side::Learner, &here), "{garbage:?}");
        }
    }
}
