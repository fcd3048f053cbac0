//! The verbs that move: between steps, between worlds.

use super::super::error::Error;
use super::super::library::Course;
use super::super::place::{BENCH, Place};
use super::super::progress::Progress;
use super::super::typing::{Outcome, Typing};
use super::super::unit::{Block, Step, Unit};
use super::super::view::{StepState, Verdict};
use super::{Moment, Moved, Options, Session, find_step, open_unit};
use crate::bottle::shell::Ready;
use crate::journal::Event;

/// A line to type again, and whether the learner typed keys while it ran.
type Again = (String, bool);

/// Lines of earlier steps that were replayed, with the status each ended with.
type Replayed = Vec<(String, i32)>;

/// A fresh world in which `step` of `unit` begins: boot, set-up, the lines of the steps before.
pub(super) fn make(
    course: &Course,
    progress: &Progress,
    options: &Options,
    unit: &Unit,
    step: usize,
    name: &str,
) -> Result<(Place, Moment, Replayed), Error> {
    let entry = course.entry(&unit.id)?;
    let mut place = Place::make(course, entry, unit, options, name)?;
    let since_unit = place.bottle.emit(&Event::new("course", "unit", &unit.id))?;
    let lines = lines_before(course, progress, options, unit, step, &place)?;
    let replayed = replay(&mut place, &lines, options)?;
    let moment = Moment::begin(&place, unit, step, Some(since_unit))?;
    Ok((place, moment, replayed))
}

/// What leads to the beginning of `step`: what the learner typed in the steps before, and for a step in which nothing was typed the course's own lines.
fn lines_before(
    course: &Course,
    progress: &Progress,
    options: &Options,
    unit: &Unit,
    step: usize,
    place: &Place,
) -> Result<Vec<Again>, Error> {
    let attempt = progress.seen(&unit.id).map_or(0, |unit| unit.attempt);
    let ids: Vec<&str> = unit.steps[..step].iter().map(|step| step.id.as_str()).collect();
    let typed = progress.replay(&unit.id, attempt, &ids);
    let mut lines = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        let here = typed.iter().filter(|typed| typed.step == *id && typed.host == BENCH && !typed.verb);
        let own: Vec<Again> = here.map(|typed| (typed.line.clone(), typed.steered)).collect();
        let state = progress.seen(&unit.id).and_then(|unit| unit.steps.get(*id)).and_then(|step| step.state);
        // Lines of a step that was never finished, or was passed over, do not lead to the next one.
        if state == Some(StepState::Done) && !own.is_empty() && !options.as_written {
            lines.extend(own);
        } else {
            // Course commands are the prompt's, not the shell's.
            let verb = |line: &str| line.strip_prefix(':').is_some_and(|rest| rest.starts_with(char::is_alphabetic));
            lines.extend(official(course, unit, at, place)?.into_iter().filter(|line| !verb(line)).map(|line| (line, false)));
        }
    }
    Ok(lines)
}

/// The course's own lines of a step: its commands in a lesson, its part of the solution in a lab.
pub(super) fn official(course: &Course, unit: &Unit, step: usize, place: &Place) -> Result<Vec<String>, Error> {
    if !unit.lab {
        return Ok(commands(&unit.steps[step], place).filter(|(_, host)| host == BENCH).map(|(line, _)| line).collect());
    }
    let entry = course.entry(&unit.id)?;
    let params = unit.drawn.clone();
    let consoles = course.consoles(&entry.example.id, false, &params)?;
    let fitting = consoles.into_iter().find(|(_, console)| place.bottle.abilities().missing(&console.needs).is_empty());
    let Some((_, console)) = fitting else { return Ok(Vec::new()) };
    let mut parts: Vec<Vec<String>> = vec![Vec::new()];
    for line in console.lines {
        match line.text.trim() {
            ":check" => parts.push(Vec::new()),
            text if text.starts_with(':') => {}
            _ => parts.last_mut().into_iter().for_each(|part| part.push(line.text.clone())),
        }
    }
    Ok(parts.get(step).cloned().unwrap_or_default())
}

/// The commands of a lesson's step that apply here, with their hosts.
fn commands<'s>(step: &'s Step, place: &'s Place) -> impl Iterator<Item = (String, String)> + 's {
    step.blocks
        .iter()
        .filter_map(|block| match block {
            Block::Run { commands, needs, .. } if place.bottle.abilities().missing(needs).is_empty() => Some(commands),
            _ => None,
        })
        .flatten()
        .map(|command| (command.text.clone(), command.host.clone()))
}

/// Types lines into the shell, journalled as a replay.
fn replay(place: &mut Place, lines: &[Again], options: &Options) -> Result<Replayed, Error> {
    if !lines.is_empty() {
        place.bottle.await_hosts()?;
    }
    let mut replayed = Vec::new();
    let mut last: Option<Ready> = None;
    let mut typing = Typing::new(&mut place.shell).until(&options.stop);
    for (line, steered) in lines {
        let event = Event { data: serde_json::json!({ "replay": true }), host: BENCH.to_owned(), ..Event::new("course", "line", line) };
        let seq = place.bottle.emit(&event)?;
        let outcome = typing.again(line, *steered)?;
        let status = match &outcome {
            Outcome::Ready(ready) => ready.status,
            Outcome::Program | Outcome::Gone => 0,
        };
        let end = Event { cause: seq, data: serde_json::json!({ "status": status }), ..Event::new("course", "line.end", "") };
        place.bottle.emit(&end)?;
        replayed.push((line.clone(), status));
        match outcome {
            Outcome::Ready(ready) => last = Some(ready),
            Outcome::Program => {}
            Outcome::Gone => break,
        }
    }
    if let Some(ready) = last {
        place.ready = ready;
    }
    Ok(replayed)
}

impl Session {
    /// `:next`: the next step, or the next unit after the last. A step with facts that is not done is checked first, and may refuse.
    ///
    /// # Errors
    /// There is nothing after the last unit, or the next world could not be made.
    pub fn next(&mut self) -> Result<Moved, Error> {
        let state = self.standing().and_then(|standing| standing.state);
        let mut applies = self.applies();
        if state.is_none() && applies && !self.current().facts.is_empty() {
            let step = self.step;
            let check = self.check()?;
            // A check that found nothing to look at here keeps nobody.
            applies = check.facts.iter().any(|fact| fact.not_here.is_none());
            if applies && check.verdict != Verdict::Pass {
                return Ok(Moved { view: self.view(), fresh: false, replayed: Vec::new(), refused: Some(check) });
            }
            if self.step != step {
                // A lab has gone on by its check.
                return Ok(self.stay());
            }
        }
        if self.parked.is_none() && self.standing().and_then(|standing| standing.state).is_none() {
            self.standing_mut().state = Some(if applies { StepState::Done } else { StepState::NotHere });
            self.save()?;
        }
        // Behind the check that it made: whoever replays sees the check first, and then goes on as it was.
        if !self.unit.lab {
            self.keep_verb(":next".to_owned())?;
        }
        self.forward()
    }

    /// Whether this machine has what the step needs: the unit, the step itself, and some of the commands that it shows.
    fn applies(&self) -> bool {
        let here = |needs: &[String]| self.missing(needs).is_none();
        let step = self.current();
        let shown = step.blocks.iter().filter_map(|block| if let Block::Run { needs, .. } = block { Some(needs) } else { None });
        let none_here = shown.clone().next().is_some() && !shown.clone().any(|needs| here(needs));
        here(&self.unit.world.needs) && here(&step.needs) && !none_here
    }

    /// To the next step in the same world, or to the next unit in a fresh one.
    pub(super) fn forward(&mut self) -> Result<Moved, Error> {
        if self.step + 1 < self.unit.steps.len() {
            self.step += 1;
            self.moment.activate(&self.place, &self.unit, self.step)?;
            self.remember_place()?;
            return Ok(self.stay());
        }
        let units = self.course.units();
        let at = units.iter().position(|entry| entry.example.id == self.unit.id).unwrap_or(0);
        match units.get(at + 1).map(|entry| entry.example.id.clone()) {
            Some(next) => self.open(&next, 0),
            None => Err(Error::End),
        }
    }

    /// `:back`: the step before, as it began.
    ///
    /// # Errors
    /// This is the first step of the course, or the world could not be made.
    pub fn back(&mut self) -> Result<Moved, Error> {
        if self.step > 0 {
            let unit = self.unit.id.clone();
            return self.open(&unit, self.step - 1);
        }
        let units = self.course.units();
        let at = units.iter().position(|entry| entry.example.id == self.unit.id).unwrap_or(0);
        let before = at.checked_sub(1).and_then(|at| units.get(at)).map(|entry| (entry.example.id.clone(), entry.example.steps.len() - 1));
        match before {
            Some((unit, step)) => self.open(&unit, step),
            None => Err(Error::NotNow { why: "this is the first step of the course".to_owned(), hint: "`:next` goes on".to_owned() }),
        }
    }

    /// `:goto STEP`, `:goto UNIT`, `:goto UNIT#STEP`.
    ///
    /// # Errors
    /// There is no such place, or its world could not be made.
    pub fn goto(&mut self, to: &str) -> Result<Moved, Error> {
        let to = to.trim().trim_start_matches('#');
        if let Ok(step) = find_step(&self.unit, to) {
            let unit = self.unit.id.clone();
            return self.open(&unit, step);
        }
        let (unit, step) = to.split_once('#').map_or((to, None), |(unit, step)| (unit, Some(step)));
        let entry = match self.course.entry(unit) {
            Ok(entry) => entry,
            // A slip is more often in a step of this unit than in another unit.
            Err(_)
                if find_step(&self.unit, to)
                    .is_err_and(|error| error.hint().is_some_and(|hint| hint.contains('`') && hint.starts_with("did"))) =>
            {
                return find_step(&self.unit, to).map(|_| self.stay());
            }
            Err(error) => return Err(error),
        };
        let step = step.map_or(Ok(0), |step| find_step(&entry.example, step))?;
        let unit = entry.example.id.clone();
        self.open(&unit, step)
    }

    /// `:reset`: the current step as it began, in a fresh world. What was typed in it no longer counts; it stays in the history.
    ///
    /// # Errors
    /// The world could not be made; the old one is still there.
    pub fn reset(&mut self) -> Result<Moved, Error> {
        if self.parked.is_none() {
            let anew = self.entry_of(BENCH, "", true);
            self.progress.typed(anew)?;
            self.standing_mut().answer = None;
            self.save()?;
        }
        let unit = self.unit.id.clone();
        self.open(&unit, self.step)
    }

    /// Opens a step in a fresh world. The old world ends when the new one is there.
    pub(super) fn open(&mut self, id: &str, step: usize) -> Result<Moved, Error> {
        let unit = open_unit(&self.course, &mut self.progress, &self.options, id)?;
        let name = self.other_name();
        let (place, moment, replayed) = make(&self.course, &self.progress, &self.options, &unit, step, &name)?;
        (self.unit, self.step, self.moment) = (unit, step, moment);
        let old = std::mem::replace(&mut self.place, place);
        self.in_program = super::headless::InProgram::default();
        self.remember_place()?;
        let Place { shell, bottle, .. } = old;
        drop(shell);
        bottle.shutdown()?;
        Ok(Moved { view: self.view(), fresh: true, replayed, refused: None })
    }

    /// A name that no world of this session has: the new one is made before the old one ends.
    fn other_name(&self) -> String {
        let base = &self.options.bottle.name;
        let taken = [Some(self.place.bottle.name()), self.parked.as_ref().map(|(place, _)| place.bottle.name())];
        let names = [base.clone(), format!("{base}-b"), format!("{base}-c")];
        names.into_iter().find(|name| !taken.contains(&Some(name.as_str()))).unwrap_or_else(|| format!("{base}-d"))
    }

    pub(super) fn stay(&self) -> Moved {
        Moved { view: self.view(), fresh: false, replayed: Vec::new(), refused: None }
    }

    /// `:play`: a second world, made like this one; nothing in it counts.
    ///
    /// # Errors
    /// A copy is open already, or the world could not be made.
    pub fn play(&mut self) -> Result<Moved, Error> {
        if self.parked.is_some() {
            return Err(Error::NotNow { why: "this is a copy already".to_owned(), hint: "`:done` leaves it".to_owned() });
        }
        let name = self.other_name();
        let (mut place, mut moment, mut replayed) = make(&self.course, &self.progress, &self.options, &self.unit, self.step, &name)?;
        moment.settle(&place)?;
        // The copy is as far as the original: the lines of this step too.
        let lines = self.moment.here.clone();
        replayed.extend(replay(&mut place, &lines, &self.options)?);
        (moment.typed, moment.here) = (self.moment.typed.clone(), lines);
        moment.hints = self.standing().map_or(0, |standing| standing.hints);
        let graded = (std::mem::replace(&mut self.place, place), std::mem::replace(&mut self.moment, moment));
        self.parked = Some(graded);
        Ok(Moved { view: self.view(), fresh: true, replayed, refused: None })
    }

    /// `:done`: leaves the copy.
    ///
    /// # Errors
    /// There is none.
    pub fn done(&mut self) -> Result<Moved, Error> {
        let Some((place, moment)) = self.parked.take() else {
            return Err(Error::NotNow { why: "this is no copy".to_owned(), hint: "`:play` makes one".to_owned() });
        };
        self.moment = moment;
        let Place { shell, bottle, .. } = std::mem::replace(&mut self.place, place);
        drop(shell);
        bottle.shutdown()?;
        Ok(Moved { view: self.view(), fresh: true, replayed: Vec::new(), refused: None })
    }

    /// `:skip`: passes over the step; the next one begins as if it had been done the course's way.
    ///
    /// # Errors
    /// This is a copy, or the next world could not be made.
    pub fn skip(&mut self) -> Result<Moved, Error> {
        if self.parked.is_some() {
            return Err(Error::NotNow { why: "nothing can be skipped in a copy".to_owned(), hint: "`:done` leaves it".to_owned() });
        }
        if self.standing().and_then(|standing| standing.state).is_none() {
            self.standing_mut().state = Some(StepState::Skipped);
            self.save()?;
        }
        if self.step + 1 < self.unit.steps.len() {
            let unit = self.unit.id.clone();
            return self.open(&unit, self.step + 1);
        }
        self.forward()
    }

    /// `:reveal`: the step's part of the solution, as lines to type. The step counts as revealed, whatever is typed afterwards.
    ///
    /// # Errors
    /// There is no solution to show.
    pub fn reveal(&mut self) -> Result<Vec<String>, Error> {
        let lines = official(&self.course, &self.unit, self.step, &self.place)?;
        if lines.is_empty() {
            return Err(Error::NotNow { why: "this step has no commands to show".to_owned(), hint: "`:hint` may help".to_owned() });
        }
        if self.parked.is_none() && self.standing().and_then(|standing| standing.state) != Some(StepState::Done) {
            let standing = self.standing_mut();
            standing.state = Some(StepState::Revealed);
            standing.points = 0;
            self.save()?;
        }
        Ok(lines)
    }
}
