//! Parameters: values that differ from learner to learner and from attempt to attempt, and stay the same in between.
//!
//! A value is drawn from a digest of (seed, unit, name), so nothing has to be stored but the seed, and adding a parameter to a lab does not
//! change the others.

use sha2::{Digest as _, Sha256};

use super::fields::{Complaints, Fields};
use super::text::Params;
use super::yaml::{Node, Value};

/// How a parameter is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Draw {
    /// So many hexadecimal digits.
    Hex(usize),
    /// One of these.
    Choice(Vec<String>),
    /// A number, both ends included.
    Range(u64, u64),
    /// A TCP port that nobody uses by custom: 20000 to 29999.
    Port,
}

/// A named parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    pub draw: Draw,
}

impl Draw {
    /// The value for a seed.
    pub fn value(&self, seed: &str, unit: &str, name: &str) -> String {
        let digest = Sha256::digest(format!("{seed}\0{unit}\0{name}"));
        let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        match self {
            Draw::Hex(digits) => digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..*digits.min(&64)].to_owned(),
            Draw::Choice(choices) => choices[(number % choices.len().max(1) as u64) as usize].clone(),
            Draw::Range(low, high) => (low + number % (high - low + 1)).to_string(),
            Draw::Port => (20_000 + number % 10_000).to_string(),
        }
    }
}

/// The seed of a learner's attempt. It says nothing about who that is.
pub fn seed_of(learner: &str, attempt: u32) -> String {
    let digest = Sha256::digest(format!("learner\0{learner}"));
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{short}-{attempt}")
}

/// Draws all parameters of a unit.
pub fn draw(params: &[Param], seed: &str, unit: &str) -> Params {
    params.iter().map(|param| (param.name.clone(), param.draw.value(seed, unit, &param.name))).collect()
}

/// Reads `params:`.
pub fn read(node: &Node, complaints: &mut Complaints) -> Vec<Param> {
    let Value::Map(map) = &node.value else {
        complaints.add(node.spot, "params", format!("must be a mapping, is {}", node.sort()), "write `params: {name: {hex: 8}}`");
        return Vec::new();
    };
    map.iter().filter_map(|(name, node)| Some(Param { name: name.clone(), draw: read_one(name, node, complaints)? })).collect()
}

fn read_one(name: &str, node: &Node, complaints: &mut Complaints) -> Option<Draw> {
    let path = format!("params.{name}");
    let reserved = super::text::OBSERVED.contains(&name);
    if reserved || !name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_') {
        complaints.add(node.spot, &path, "cannot be the name of a parameter", "use a-z, 0-9 and `_`; got, subject and seq are taken");
        return None;
    }
    let mut fields = Fields::open(node, &path, complaints)?;
    let hex = fields.number("hex", complaints).map(|digits| Draw::Hex(digits as usize));
    let choices = fields.texts("choice", complaints);
    let range = fields.texts("range", complaints);
    let port = fields.truth("port", complaints) == Some(true);
    let spot = fields.spot;
    fields.finish(complaints);
    let draw = match (hex, choices.is_empty(), range.as_slice(), port) {
        (Some(Draw::Hex(digits)), true, [], false) if (1..=64).contains(&digits) => Some(Draw::Hex(digits)),
        (None, false, [], false) => Some(Draw::Choice(choices)),
        (None, true, [low, high], false) => match (low.parse::<u64>(), high.parse::<u64>()) {
            (Ok(low), Ok(high)) if low < high && high < u64::MAX => Some(Draw::Range(low, high)),
            _ => None,
        },
        (None, true, [], true) => Some(Draw::Port),
        _ => None,
    };
    if draw.is_none() {
        let hint = "one of `{hex: 8}`, `{choice: [a, b]}`, `{range: [20, 60]}`, `{port: true}`";
        complaints.add(spot, &path, "is no parameter", hint);
    }
    draw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_sticky_and_differ_between_seeds() {
        let param = |name: &str, draw| Param { name: name.to_owned(), draw };
        let params = [
            param("token", Draw::Hex(8)),
            param("kind", Draw::Choice(vec!["a".into(), "b".into(), "c".into()])),
            param("limit", Draw::Range(20, 60)),
            param("port", Draw::Port),
        ];
        let one = draw(&params, "ada/1", "by-hand/x");
        assert_eq!(one, draw(&params, "ada/1", "by-hand/x"));
        assert_ne!(one["token"], draw(&params, "ada/2", "by-hand/x")["token"]);
        assert_eq!(one["token"].len(), 8);
        for seed in 0..200 {
            let drawn = draw(&params, &seed.to_string(), "u");
            assert!((20..=60).contains(&drawn["limit"].parse().unwrap()));
            assert!((20_000..30_000).contains(&drawn["port"].parse().unwrap()));
        }
    }
}
