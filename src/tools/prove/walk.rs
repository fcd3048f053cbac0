//! `bottleship prove --walk`: one learner's whole way through the course, at the real prompt on a real terminal.
//!
//! ```text
//!  a part: prompt ─ lesson ─ :next ─ lesson ─ ... ─ lab ─ :next ─ ... ─ :quit      the next part: the prompt again, without saying where
//!  a lesson's step: :predict, the commands as they are shown, :quiz, :check, :next
//!  a lab: the lines of its first solution that applies here
//! ```
//!
//! What the other proofs show of each unit alone is shown here of the way: one state folder, one learner with their own parameters, and every unit is
//! reached from the one before by `:next`, never by its name. A sitting ends with each part: the prompt must open again where the learner was. At the end
//! `:report` has to say that all is done, and the doctor that nothing is left.
//!
//! What is typed waits for the prompt's own marks. A check that says `not yet` is asked again for a moment, as a person would.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::terminal::{LEARNER, Prompt, Start};
use crate::bottle::{Abilities, Bottle, Mode, Spec};
use crate::course::console::Console;
use crate::course::library::part_of;
use crate::course::progress::Standing;
use crate::course::prove::{Outcome, Row, load};
use crate::course::unit::{Block, Question, RightAnswer, Step, Unit};
use crate::course::{Course, Error, params};
use crate::kernel::poll;

/// How long a step may be `not yet` after its last command, and how often it is looked at.
const SETTLED: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(50);
/// All of it on a machine that has nothing else to do.
const WHOLE: Duration = Duration::from_secs(600);

/// A walk.
pub struct Walk<'w> {
    pub course: &'w Course,
    /// Where the course was read from, for prompts that read it again.
    pub folder: Option<&'w Path>,
    /// The learner's state folder.
    pub state: PathBuf,
    pub bottle: &'w Spec,
    /// How often a unit where the way broke off is tried again at the end.
    pub retries: u32,
    /// Called with each row as it comes.
    pub tell: &'w mut dyn FnMut(&Row),
}

/// The way itself.
struct Way<'w> {
    course: &'w Course,
    folder: Option<&'w Path>,
    state: &'w Path,
    rootless: bool,
    abilities: Abilities,
    /// None between two sittings.
    prompt: Option<Prompt>,
    /// How many there were.
    sittings: u32,
    /// Lines that were typed.
    lines: usize,
}

impl Walk<'_> {
    /// Walks; gives a row for each unit, and one each for the progress, the doctor and the time.
    ///
    /// # Errors
    /// No bottle runs here.
    pub fn run(self) -> Result<Vec<Row>, Error> {
        let mut times = Times { lap: Instant::now(), whole: Duration::ZERO, share: Duration::ZERO };
        let abilities = abilities(self.bottle)?;
        let rootless = self.bottle.mode == Some(Mode::Rootless);
        let mut way =
            Way { course: self.course, folder: self.folder, state: &self.state, rootless, abilities, prompt: None, sittings: 0, lines: 0 };
        let mut rows = Vec::new();
        let mut add = |unit: &str, subject: String, outcome: Outcome| {
            let row = Row { unit: unit.to_owned(), proof: "walk", subject, outcome };
            (self.tell)(&row);
            rows.push(row);
        };
        let units: Vec<&str> = self.course.units().iter().map(|entry| entry.example.id.as_str()).collect();
        let mut broken = Vec::new();
        for (at, unit) in units.iter().enumerate() {
            match way.unit(unit, units.get(at + 1).copied()) {
                Ok(told) => add(unit, told, Outcome::Proved(String::new())),
                Err(why) => broken.push((*unit, why)),
            }
            times.lap(load());
        }
        for (unit, why) in broken {
            let again = (0..self.retries).find_map(|_| way.again(unit).ok());
            add(unit, again.clone().unwrap_or_default(), if again.is_some() { Outcome::Flaky(why) } else { Outcome::Failed(why) });
        }
        add("all", format!("progress, {} lines typed", way.lines), outcome(way.progress()));
        add("all", "doctor".to_owned(), outcome(way.doctor()));
        times.lap(load());
        add("all", "time".to_owned(), times.judge());
        Ok(rows)
    }
}

/// How long the walk takes.
struct Times {
    /// When the last unit ended.
    lap: Instant,
    whole: Duration,
    /// Its share of the processors: each unit's time by how many programs wanted one at its end. What runs beside a walk may come and go. A walk waits more
    /// than it works, so this is less than it would take alone: what is held to the limit beside others is lenient, and only alone is it the promise.
    share: Duration,
}

impl Times {
    /// Counts what has gone by since the last call, while so many programs wanted each processor.
    fn lap(&mut self, load: f64) {
        let took = self.lap.elapsed();
        self.lap += took;
        self.count(took, load);
    }

    fn count(&mut self, took: Duration, load: f64) {
        self.whole += took;
        self.share += took.div_f64(load.max(1.0));
    }

    fn judge(&self) -> Outcome {
        let (whole, share, limit) = (self.whole.as_secs(), self.share.as_secs(), poll::stretched(WHOLE));
        let told = if whole == share {
            format!("{whole} s")
        } else {
            format!("{whole} s beside other programs, its share of the processors {share} s")
        };
        if self.share > limit { Outcome::Failed(format!("{told}, more than {}", limit.as_secs())) } else { Outcome::Proved(told) }
    }
}

fn outcome(found: Result<String, String>) -> Outcome {
    found.map_or_else(Outcome::Failed, Outcome::Proved)
}

/// What the prompt's bottles can do here.
fn abilities(spec: &Spec) -> Result<Abilities, Error> {
    let spec = Spec { name: format!("walk-{}", std::process::id()), hosts: vec!["bench".to_owned()], ..spec.clone() };
    let bottle = Bottle::boot(&spec)?;
    let abilities = bottle.abilities().clone();
    bottle.shutdown()?;
    Ok(abilities)
}

impl Way<'_> {
    /// One unit from its first step on, and the step to `next`; gives what was done.
    fn unit(&mut self, id: &str, next: Option<&str>) -> Result<String, String> {
        let walked = self.sit_down(id).and_then(|()| self.walk(id, next));
        if walked.is_err() {
            // Where its terminal is gone the prompt ends by itself. The next unit begins with a new one.
            self.prompt = None;
        }
        walked
    }

    fn walk(&mut self, id: &str, next: Option<&str>) -> Result<String, String> {
        let (unit, drawn) = self.course.unit(id, &params::seed_of(LEARNER, 0)).map_err(|error| error.to_string())?;
        let before = self.lines;
        if unit.lab {
            let consoles = self.course.consoles(id, false, &drawn).map_err(|error| error.to_string())?;
            self.lab(&unit, consoles.into_iter().map(|(_, console)| console))?;
        } else {
            for step in &unit.steps {
                self.step(&unit, step).map_err(|why| format!("{}: {why}", step.id))?;
            }
        }
        match next {
            Some(next) => self.is_at(next)?,
            None if !self.prompt()?.shown().contains("the last step of the course") => {
                return Err(format!("`:next` does not say that this was the last step: {}", self.prompt()?.shown()));
            }
            None => {}
        }
        if next.is_none_or(|next| part_of(next) != part_of(id)) {
            self.leave()?;
        }
        Ok(format!("{} steps, {} lines", unit.steps.len(), self.lines - before))
    }

    /// A unit where the way broke off, from its beginning.
    fn again(&mut self, id: &str) -> Result<String, String> {
        self.leave()?;
        let units = self.course.units();
        let at = units.iter().position(|entry| entry.example.id == id).unwrap_or(0);
        let next = units.get(at + 1).map(|entry| entry.example.id.clone());
        self.unit(id, next.as_deref())
    }

    /// Opens the prompt where the learner was, if none is open. Only where the way has broken off it is told where.
    fn sit_down(&mut self, id: &str) -> Result<(), String> {
        if self.prompt.is_none() {
            let lost = !self.standing().unit.is_empty() && self.is_at(id).is_err();
            let unit = lost.then_some(id);
            self.sittings += 1;
            // A world that was given up may still be ending: each sitting has one of another name.
            let name = format!("sitting-{}", self.sittings);
            let start = Start { name: &name, state: self.state, course: self.folder, rootless: self.rootless, unit, seed: None };
            self.prompt = Some(start.prompt()?);
        }
        self.is_at(id)
    }

    fn leave(&mut self) -> Result<(), String> {
        self.prompt.take().map_or(Ok(()), Prompt::quit)
    }

    fn prompt(&mut self) -> Result<&mut Prompt, String> {
        self.prompt.as_mut().ok_or_else(|| "no prompt is open".to_owned())
    }

    /// A line of a lesson or lab; gives its status.
    fn types(&mut self, text: &str, nested: bool) -> Result<i32, String> {
        self.lines += 1;
        let typed = self.prompt()?.lesson_line(text, nested);
        typed.map_err(|why| format!("`{}`: {why}", text.lines().next().unwrap_or_default()))
    }

    /// A course command that has to go well.
    fn verb(&mut self, text: &str) -> Result<(), String> {
        match self.types(text, false)? {
            0 => Ok(()),
            status => Err(format!("`{text}` ends with {status}: {}", self.prompt()?.shown())),
        }
    }

    /// Why this machine has not what is needed.
    fn missing(&self, needs: &[String]) -> bool {
        !self.abilities.missing(needs).is_empty()
    }

    fn step(&mut self, unit: &Unit, step: &Step) -> Result<(), String> {
        if !self.missing(&unit.world.needs) && !self.missing(&step.needs) {
            for block in &step.blocks {
                self.block(block)?;
            }
            if !step.facts.is_empty() {
                self.check()?;
            }
        }
        self.verb(":next")
    }

    fn block(&mut self, block: &Block) -> Result<(), String> {
        match block {
            Block::Run { needs, .. } if self.missing(needs) => {}
            Block::Run { commands, nested, .. } => {
                for command in commands {
                    let there = if command.host == "bench" { String::new() } else { format!("@{} ", command.host) };
                    // How the lesson's commands end is for P12 to compare, and for the check.
                    self.types(&format!("{there}{}", command.text), *nested)?;
                }
            }
            Block::Predict(question) => self.verb(&answer("predict", question))?,
            // What only the world knows may be answered wrongly.
            Block::Quiz(question) if matches!(question.answer, RightAnswer::Run(_)) => {
                self.types(&answer("quiz", question), false)?;
            }
            Block::Quiz(question) => self.verb(&answer("quiz", question))?,
            Block::Prose(_) | Block::Output { .. } => {}
        }
        Ok(())
    }

    /// `:check` until it passes, or has said something else for too long. Where nothing applies, `:next` knows.
    fn check(&mut self) -> Result<(), String> {
        let began = Instant::now();
        while self.types(":check", false)? != 0 && began.elapsed() < poll::stretched(SETTLED) && !self.prompt()?.shown().contains("vacuous")
        {
            // Nothing announces that a program has become what it is to be; poll(2) on nothing is the clock.
            poll::readable(&[], Some(AGAIN)).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// A lab, by the first solution that applies here.
    fn lab(&mut self, unit: &Unit, mut consoles: impl Iterator<Item = Console>) -> Result<(), String> {
        if self.missing(&unit.world.needs) {
            return unit.steps.iter().try_for_each(|_| self.verb(":next"));
        }
        let console = consoles.find(|console| !self.missing(&console.needs)).ok_or("it has no solution for this machine")?;
        for line in &console.lines {
            self.lines += 1;
            let prompt = self.prompt()?;
            prompt.line(&line.text).map_err(|why| format!("line {}: `{}`: {why}", line.number, line.text))?;
            if line.text.trim() == ":check" && prompt.status() != 0 {
                return Err(format!("line {}: {}", line.number, prompt.shown()));
            }
        }
        self.verb(":next")
    }

    fn standing(&self) -> Standing {
        let path = self.state.join("progress").join(format!("{LEARNER}.json"));
        // Before the first prompt there is none.
        std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    fn is_at(&self, unit: &str) -> Result<(), String> {
        let standing = self.standing();
        if standing.unit == unit { Ok(()) } else { Err(format!("the learner is at {}#{}, not at {unit}", standing.unit, standing.step)) }
    }

    /// All that this machine has must be done, and `:report` must say so.
    fn progress(&mut self) -> Result<String, String> {
        self.leave()?;
        let (done, of) = self.standing().steps(self.course);
        let last = self.standing().unit;
        self.sit_down(&last)?;
        self.verb(":report")?;
        let shown = self.prompt()?.shown();
        self.leave()?;
        let told = format!("{done} of {of} steps");
        if done == of && shown.contains("(100%)") { Ok(told) } else { Err(format!("{told}; `:report` ends: {}", end_of(&shown))) }
    }

    /// Nothing of the learner's bottles may be left on the machine.
    fn doctor(&self) -> Result<String, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = std::process::Command::new(program);
        let said = command.args(["doctor"]).env("BOTTLESHIP_STATE", self.state).output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        let last = text.lines().last().unwrap_or_default().to_owned();
        if said.status.success() { Ok(last) } else { Err(text) }
    }
}

/// `:predict ID N`, rightly as far as that is known beforehand.
fn answer(verb: &str, question: &Question) -> String {
    let right = match &question.answer {
        RightAnswer::Choices(choices) => choices.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
        RightAnswer::Run(_) => "1".to_owned(),
    };
    format!(":{verb} {} {right}", question.id)
}

/// The last words of a text.
fn end_of(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    words[words.len().saturating_sub(40)..].join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_is_held_to_its_share_of_the_processors() {
        let walked = |laps: &[(u64, f64)]| {
            let mut times = Times { lap: Instant::now(), whole: Duration::ZERO, share: Duration::ZERO };
            laps.iter().for_each(|(seconds, load)| times.count(Duration::from_secs(*seconds), *load));
            times.judge()
        };
        assert_eq!(walked(&[(300, 0.2), (299, 1.0)]), Outcome::Proved("599 s".to_owned()));
        assert_eq!(walked(&[(300, 0.2), (500, 1.0)]), Outcome::Failed("800 s, more than 600".to_owned()));
        assert_eq!(
            walked(&[(300, 1.0), (500, 2.0)]),
            Outcome::Proved("800 s beside other programs, its share of the processors 550 s".to_owned())
        );
        assert!(matches!(walked(&[(3000, 2.0)]), Outcome::Failed(_)));
    }
}
