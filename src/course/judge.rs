//! Judging a fact: looking where it says, and comparing. Nothing here changes the world, and nothing waits.

mod containers;
mod history;
mod images;
mod process;
mod select;
mod state;
mod words;

use std::collections::BTreeMap;

pub(in crate::course) use history::fits;

use super::fact::{Fact, Kind, Since};
use super::text::{Params, fill};
use super::view::Verdict;
use super::world::World;
use crate::bottle::Probe;
use crate::journal::Log;

/// How much of an observed value a learner is shown.
const SHOWN: usize = 240;

/// What a fact is judged by besides the world.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    /// The journal.
    pub log: &'c Log,
    /// The last event before the step, and before the unit, began.
    pub since_step: u64,
    pub since_unit: u64,
    /// What the learner gave with `:answer` since the step began.
    pub given: Option<&'c str>,
    /// The learner's own shell.
    pub shell: Option<i32>,
    /// `unit/step`, the subject of look events.
    pub step: &'c str,
    /// Which things of `gone` facts were there when the step (or unit) began, by fact id.
    pub baseline: &'c BTreeMap<String, bool>,
    /// The facts of the step, for opportunities.
    pub facts: &'c [Fact],
}

impl Context<'_> {
    fn since(&self, fact: &Fact) -> u64 {
        if fact.since == Since::Unit { self.since_unit } else { self.since_step }
    }
}

/// What was found about a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    /// The value observed, on one line.
    pub got: String,
    /// What it was observed on.
    pub subject: String,
    /// Events that it rests on.
    pub events: Vec<u64>,
    /// What kind of file it was observed on.
    pub sort: String,
    /// The processes that it rests on: while it must hold, one of them must stay.
    pub who: Vec<u64>,
    /// Where the thing that a value was to be observed on is not there: a sentence that says so, to stand in the place of one with `{got}` in it.
    pub missing: String,
}

impl Finding {
    /// A verdict without anything seen.
    pub fn bare(verdict: Verdict, got: String) -> Finding {
        Finding { verdict, got, subject: String::new(), events: Vec::new(), sort: String::new(), who: Vec::new(), missing: String::new() }
    }
}

/// What a kind found: whether it holds, and whether the thing is there at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    holds: bool,
    absent: bool,
    got: String,
    subject: String,
    events: Vec<u64>,
    sort: String,
    who: Vec<u64>,
    missing: String,
}

impl State {
    fn of(holds: bool, got: impl Into<String>) -> State {
        State { holds, got: got.into(), ..State::default() }
    }

    fn absent(got: impl Into<String>) -> State {
        State { absent: true, got: got.into(), ..State::default() }
    }

    /// Says in a sentence of its own what is not there.
    fn missing(mut self, sentence: impl Into<String>) -> State {
        self.missing = sentence.into();
        self
    }

    fn on(mut self, subject: impl Into<String>) -> State {
        self.subject = subject.into();
        self
    }

    /// Rests on these processes.
    fn by(mut self, processes: &[serde_json::Value]) -> State {
        self.who = processes.iter().filter_map(|process| process["pid"].as_u64()).collect();
        self
    }

    /// Was seen on a file of this kind.
    fn sort(mut self, sort: impl Into<String>) -> State {
        self.sort = sort.into();
        self
    }
}

/// Why a fact could not be evaluated.
type Unknown = String;

/// Judges one fact now. `hold` is the caller's business.
pub fn judge(fact: &Fact, world: &mut dyn World, context: &Context<'_>) -> Finding {
    match look(fact, world, context) {
        Err(error) => Finding::bare(Verdict::Error, one_line(&error)),
        Ok((verdict, state)) => Finding {
            verdict,
            got: one_line(&state.got),
            subject: one_line(&state.subject),
            events: state.events,
            sort: state.sort,
            who: state.who,
            missing: one_line(&state.missing),
        },
    }
}

fn look(fact: &Fact, world: &mut dyn World, context: &Context<'_>) -> Result<(Verdict, State), Unknown> {
    let since = context.since(fact);
    // Where there is no world nothing can be said, not even about the past: the journal may have been cut with it.
    select::probe(world, &fact.host, Probe::Name)?;
    match &fact.kind {
        Kind::Never { event, opportunity } => {
            if let Some(state) = history::first(event, context.log, since) {
                return Ok((Verdict::Fail, state));
            }
            let chance = context.facts.iter().find(|other| other.id == *opportunity);
            let chance = chance.map(|other| judge(other, world, context).verdict);
            match chance {
                Some(Verdict::Pass) => Ok((Verdict::Pass, State::of(true, "it never happened"))),
                Some(Verdict::Error) | None => Err(format!("the opportunity `{opportunity}` could not be evaluated")),
                Some(_) => Ok((Verdict::Vacuous, State::of(false, "no opportunity yet"))),
            }
        }
        Kind::Invariant { of } => {
            // A history of looks says nothing about a world that cannot be looked at now.
            if let Some(other) = context.facts.iter().find(|other| other.id == *of) {
                let now = judge(other, world, context);
                if now.verdict == Verdict::Error {
                    return Err(now.got);
                }
            }
            Ok(history::invariant(&format!("{}#{of}", context.step), context.log, since))
        }
        Kind::History(events) => {
            let state = history::sequence(events, context.log, since);
            Ok((verdict(fact, &state), state))
        }
        Kind::Gone(thing) => {
            let state = state::exists(thing, &fact.host, world)?;
            let there = state.holds != fact.invert;
            if !there && context.baseline.get(&fact.id) != Some(&true) {
                return Ok((Verdict::Vacuous, State::of(false, "it was never there")));
            }
            let state = State { holds: !state.holds, absent: false, ..state };
            Ok((verdict(fact, &state), state))
        }
        _ => {
            let state = state::look(fact, world, context)?;
            Ok((verdict(fact, &state), state))
        }
    }
}

/// Whether the thing of a `gone` fact is there: the baseline.
pub fn is_there(fact: &Fact, world: &mut dyn World) -> bool {
    matches!(&fact.kind, Kind::Gone(thing) if state::exists(thing, &fact.host, world).is_ok_and(|state| state.holds))
}

fn verdict(fact: &Fact, state: &State) -> Verdict {
    match (state.holds != fact.invert, &fact.not_yet, &fact.fail) {
        (true, ..) => Verdict::Pass,
        (false, Some(_), Some(_)) if !state.absent => Verdict::Fail,
        (false, None, Some(_)) => Verdict::Fail,
        _ => Verdict::NotYet,
    }
}

/// What a learner is told: the fact's own words with what was observed.
pub fn say(fact: &Fact, finding: &Finding) -> String {
    let words = match finding.verdict {
        Verdict::Pass => match &fact.pass {
            Some(words) => words.as_str(),
            None => return words::holds(fact, finding),
        },
        Verdict::Error => return format!("could not be evaluated: {}", finding.got),
        Verdict::Vacuous => fact.not_yet.as_ref().map_or("Nothing was proved yet: {got}.", String::as_str),
        Verdict::NotYet => fact.not_yet.as_ref().or(fact.fail.as_ref()).map_or("", String::as_str),
        Verdict::Fail => fact.fail.as_ref().or(fact.not_yet.as_ref()).map_or("", String::as_str),
    };
    // "The limit of the group is no such group" is no sentence: a value can be told only of what is there.
    if !finding.missing.is_empty() && words.contains("{got}") {
        return finding.missing.clone();
    }
    observed(words, finding)
}

/// Fills in `{got}`, `{subject}`, `{seq}`.
pub fn observed(words: &str, finding: &Finding) -> String {
    let seq = finding.events.last().map(u64::to_string).unwrap_or_default();
    let subject = if finding.subject.is_empty() { "it" } else { &finding.subject };
    let values = [("got", finding.got.as_str()), ("subject", subject), ("seq", seq.as_str())];
    fill(words, &values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Params>())
}

/// A value as text, on one line.
pub fn plain(value: &serde_json::Value) -> String {
    one_line(&select::text(value))
}

/// One line, not too long, no control characters: it will stand in a sentence on a terminal.
fn one_line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|letter: char| letter.is_whitespace() || letter.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    if line.chars().count() <= SHOWN { line } else { line.chars().take(SHOWN).chain("...".chars()).collect() }
}

#[cfg(test)]
mod tests;
