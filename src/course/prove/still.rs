//! What differs between two moments of a world, and P7: looking changes nothing.
//!
//! A snapshot is one instant of a world in which the programs of the lab live their own lives: one of them may be between two of its children just
//! then. So each side of a comparison is looked at several times, and a difference counts only if it is there between every two looks, in a
//! thing that stands still on both sides.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::session::{Session, diff};
use super::super::view::DiffLine;
use super::super::world::{Live, Look, World as _};
use super::{Outcome, Prover, Row, exempt};
use crate::bottle::Probe;
use crate::kernel::poll;

/// How long from one look at a side to the next, in milliseconds. They differ, so that a program with a rhythm of its own is not met in the same
/// moment of it each time.
const PAUSES: [u64; 3] = [230, 170, 310];
/// And further ones, once a difference was seen.
const LONGER: [u64; 10] = [90, 370, 130, 450, 210, 290, 70, 530, 150, 330];
/// How many checks may change nothing.
const CHECKS: usize = 20;

/// One side of a comparison: a world looked at several times.
#[derive(Clone)]
pub(super) struct Looks(Vec<Value>);

impl Looks {
    /// # Errors
    /// The world is gone.
    pub(super) fn take(session: &Session) -> Result<Looks, String> {
        let mut looks = Looks(vec![snapshot(session)?]);
        looks.go_on(session, &PAUSES)?;
        Ok(looks)
    }

    fn go_on(&mut self, session: &Session, pauses: &[u64]) -> Result<(), String> {
        for pause in pauses {
            // poll(2) on nothing is the clock.
            poll::readable(&[], Some(Duration::from_millis(*pause))).map_err(|error| error.to_string())?;
            self.0.push(snapshot(session)?);
        }
        Ok(())
    }

    /// What changes while nobody does anything.
    fn restless(&self) -> BTreeSet<String> {
        self.0.windows(2).flat_map(|pair| diff(&pair[0], &pair[1])).map(|line| line.what).collect()
    }
}

impl Looks {
    /// The same without the digests of images: one that is built again has the time of that build in it, and so another digest.
    pub(super) fn without_digests(&self) -> Looks {
        Looks(self.0.iter().map(without_digests).collect())
    }
}

fn without_digests(snapshot: &Value) -> Value {
    let mut things = Map::new();
    for (name, thing) in snapshot.as_object().into_iter().flatten() {
        match name.strip_prefix("image/") {
            None => drop(things.insert(name.clone(), thing.clone())),
            // Of images without a name only their number is left.
            Some(image) => {
                let name = image.split('@').next().unwrap_or(image);
                let count = things.entry(format!("image/{name}")).or_insert_with(|| json!({ "times": 0 }));
                count["times"] = (count["times"].as_u64().unwrap_or(0) + 1).into();
            }
        }
    }
    things.into()
}

/// What differs lastingly between a side and the world as it is now, looked at for longer once a difference was seen; and how many things do not
/// stand still. `only` takes from a side what is to be compared.
///
/// # Errors
/// The world is gone.
pub(super) fn differs_now(before: &Looks, session: &Session, only: fn(&Looks) -> Looks) -> Result<(Vec<DiffLine>, usize), String> {
    let mut after = Looks::take(session)?;
    let told = differences(&only(before), &only(&after));
    if told.0.is_empty() {
        return Ok(told);
    }
    after.go_on(session, &LONGER)?;
    Ok(differences(&only(before), &only(&after)))
}

/// What differs lastingly between two sides, and how many things do not stand still.
fn differences(before: &Looks, after: &Looks) -> (Vec<DiffLine>, usize) {
    let (Some(one), Some(other)) = (before.0.last(), after.0.last()) else { return (Vec::new(), 0) };
    let mut lasting = diff(one, other);
    for old in &before.0 {
        for new in &after.0 {
            let there: BTreeSet<String> = diff(old, new).into_iter().map(|line| line.what).collect();
            lasting.retain(|line| there.contains(&line.what));
        }
    }
    let restless: BTreeSet<String> = before.restless().union(&after.restless()).cloned().collect();
    lasting.retain(|line| !restless.contains(&line.what));
    (lasting, restless.len())
}

/// P7: twenty checks leave the world as it was, but for what changes without anybody looking.
pub(super) fn prove(prover: &mut Prover<'_>, session: &Session, subject: &str, rows: &mut Vec<Row>) {
    let unit = session.unit().clone();
    let outcome = match changed_by_checks(session) {
        Ok((lines, restless)) => match (lines.first(), unit.steps.iter().find_map(|step| exempt(step, "P7"))) {
            (None, _) if restless == 0 => Outcome::Proved(format!("{CHECKS} checks, the same snapshot")),
            (None, _) => Outcome::Proved(format!("{CHECKS} checks; {restless} things change by themselves")),
            (Some(_), Some(reason)) => Outcome::Exempt(reason),
            (Some(line), None) => Outcome::Failed(format!("{} {} {}", line.sign, line.what, line.detail)),
        },
        Err(error) => Outcome::Failed(error),
    };
    prover.row(rows, &unit.id, "P7", subject, outcome);
}

fn changed_by_checks(session: &Session) -> Result<(Vec<DiffLine>, usize), String> {
    let before = Looks::take(session)?;
    for _ in 0..CHECKS {
        for at in 0..session.unit().steps.len() {
            session.judge_at(at, &mut Live { bottle: session.bottle() });
        }
    }
    differs_now(&before, session, Looks::clone)
}

fn snapshot(session: &Session) -> Result<Value, String> {
    Live { bottle: session.bottle() }.look("bench", &Look::Probe(Probe::Snapshot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_was_built_again_is_the_same_by_its_name() {
        let one = json!({"image/app:1": {"manifest": "a"}, "image/<none>@aa": {}, "image/<none>@bb": {}, "host": {}});
        let again = json!({"image/app:1": {"manifest": "b"}, "image/<none>@cc": {}, "image/<none>@dd": {}, "host": {}});
        assert_eq!(without_digests(&one), without_digests(&again));
        assert_ne!(without_digests(&one), without_digests(&json!({"image/app:1": {}, "image/<none>@aa": {}, "host": {}})));
    }

    #[test]
    fn a_moment_between_two_children_is_no_difference() {
        let there = json!({"process/sleep": 1, "file//a": 1});
        let between = json!({"file//a": 1});
        let told = |before: &[&Value], after: &[&Value]| {
            let side = |looks: &[&Value]| Looks(looks.iter().map(|look| (*look).clone()).collect());
            differences(&side(before), &side(after)).0.into_iter().map(|line| format!("{} {}", line.sign, line.what)).collect::<Vec<_>>()
        };
        assert!(told(&[&there, &there], &[&between, &there]).is_empty());
        assert!(told(&[&between, &there], &[&there, &there]).is_empty());
        assert_eq!(told(&[&there, &there], &[&between, &between]), ["- process/sleep"], "it is gone for good");
        let written = json!({"process/sleep": 1, "file//a": 2});
        assert_eq!(told(&[&there, &there], &[&written, &written]), ["~ file//a"]);
        assert!(told(&[&there, &written], &[&there, &there]).is_empty(), "it changes by itself");
    }
}
