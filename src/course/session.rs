//! A learner at a unit: the current step, the world, and the verbs.
//!
//! The session owns the bottle and the learner's shell; the prompt types into the shell and tells the session about each line. Nothing advances
//! by itself. A move to another step than the next makes a fresh world: boot, set-up, and the recorded lines of the steps before, replayed.

mod checks;
mod headless;
mod looking;
mod moves;
mod questions;
mod reload;
mod show;
mod waiting;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

pub(in crate::course) use checks::{Past, check_of};
pub(in crate::course) use looking::diff;

use super::error::Error;
use super::judge;
use super::library::Course;
use super::place::{BENCH, Place};
use super::progress::{Progress, StepStanding, Typed, UnitStanding};
use super::unit::{Step, Unit};
use super::view::{AnswerView, CheckView, Effect, StepView, Verdict};
use super::world::Live;
use crate::bottle::shell::{Ready, Shell, Size};
use crate::bottle::{Bottle, Looking, Probe};
use crate::journal::{Event, Log, Reader};

/// How a session is to start.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The state root; progress lies in `progress/` below it.
    pub state: PathBuf,
    /// A course folder instead of the one in the binary.
    pub course: Option<PathBuf>,
    /// The unit to open, `ID` or `ID#STEP`; the last one if not given.
    pub unit: Option<String>,
    /// Who learns; parameters depend on it. The user's name if not given.
    pub learner: Option<String>,
    /// Parameters are drawn from this instead of learner and attempt: for proofs and grading.
    pub seed: Option<String>,
    /// What the bottle is to be; its hosts come from the unit.
    pub bottle: crate::bottle::Spec,
    /// The size of the terminal.
    pub size: Option<Size>,
    /// Becomes readable when lines that are typed without a person are to be given up, in the middle too.
    pub stop: Option<Arc<OwnedFd>>,
    /// Steps before the one that is opened are replayed as the unit has them, whatever was typed in them: a demo that goes back is the demo again.
    pub as_written: bool,
}

/// A learner at a unit.
pub struct Session {
    course: Course,
    progress: Progress,
    options: Options,
    unit: Unit,
    step: usize,
    place: Place,
    moment: Moment,
    /// The graded world while a copy made by `:play` is in front.
    parked: Option<(Place, Moment)>,
    /// Only for lines typed without a prompt.
    in_program: headless::InProgram,
    /// Predictions that the last lines have answered.
    scored: Vec<AnswerView>,
    /// The step that was checked last in the learner's own world, and the verdict.
    checked: Option<(String, Verdict)>,
}

/// What is known of the world since the step and the unit began in it.
#[derive(Debug)]
struct Moment {
    log: Log,
    reader: Reader,
    since_step: u64,
    since_unit: u64,
    /// Which things of `gone` facts were there when the step began.
    baseline: BTreeMap<String, bool>,
    /// The world as the step began: see [`Moment::settle`].
    snapshot: Value,
    /// Lines typed in this step.
    typed: Vec<String>,
    /// Those of them that were typed on bench, and whether keys were typed while they ran: what makes a copy of this world out of a fresh one.
    here: Vec<(String, bool)>,
    /// In a copy: how many hints of the step were shown. (Elsewhere the progress knows.)
    hints: usize,
    /// How many of what there were before the last line.
    census: Value,
    /// The looks that will answer for `snapshot` and `census`, while their answers were not yet read.
    looking: Option<(Looking, Looking)>,
}

/// The result of a verb that moves.
#[derive(Debug)]
pub struct Moved {
    /// Where the learner is now.
    pub view: StepView,
    /// The world and its shell are new: take [`Session::shell`] again.
    pub fresh: bool,
    /// Lines of earlier steps that were replayed; with the status each ended with.
    pub replayed: Vec<(String, i32)>,
    /// `:next` was refused: the check that says why.
    pub refused: Option<CheckView>,
}

impl Session {
    /// Opens the course and the learner's progress, boots the world of the current unit and sets it up.
    ///
    /// # Errors
    /// There is no such unit, its file has mistakes, or its world could not be made.
    pub fn start(options: Options) -> Result<Session, Error> {
        let course = Course::open(options.course.as_deref())?;
        Session::start_in(course, options)
    }

    /// As [`Session::start`], with a course that was read already.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn start_in(course: Course, options: Options) -> Result<Session, Error> {
        let learner = options.learner.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "learner".to_owned());
        let mut progress = Progress::open(&options.state, &learner)?;
        let (id, step) = first_place(&course, &progress, options.unit.as_deref())?;
        let unit = open_unit(&course, &mut progress, &options, &id)?;
        let step = step.map_or(Ok(0), |step| find_step(&unit, &step))?;
        let (place, moment, _) = moves::make(&course, &progress, &options, &unit, step, &options.bottle.name)?;
        let mut session = Session {
            course,
            progress,
            options,
            unit,
            step,
            place,
            moment,
            parked: None,
            in_program: headless::InProgram::default(),
            scored: Vec::new(),
            checked: None,
        };
        session.remember_place()?;
        Ok(session)
    }

    /// The learner's shell on bench. After a verb that returns `fresh = true` it is a new one, waiting at its prompt (see [`Session::ready`]).
    pub fn shell(&mut self) -> &mut Shell {
        &mut self.place.shell
    }

    /// How the shell waited when this session's world was made: what the prompt shows first.
    pub fn ready(&self) -> Ready {
        self.place.ready.clone()
    }

    /// The world.
    pub fn bottle(&self) -> &Bottle {
        &self.place.bottle
    }

    /// Asks the world anew which hosts there are: another terminal may have added one.
    ///
    /// # Errors
    /// The world is gone.
    pub fn learn_hosts(&mut self) -> Result<(), Error> {
        Ok(self.place.bottle.learn_hosts()?)
    }

    /// A line is about to be typed (on any host): journals it, and keeps it in the learner's history. Returns the number of its event.
    ///
    /// # Errors
    /// The journal or the history cannot be written.
    pub fn line(&mut self, host: &str, line: &str) -> Result<u64, Error> {
        if self.parked.is_none() {
            let typed = self.entry_of(host, line, false);
            self.progress.typed(typed)?;
        }
        self.moment.settle(&self.place)?;
        self.moment.typed.push(line.trim().to_owned());
        if host == BENCH {
            self.moment.here.push((line.to_owned(), false));
        }
        let mut event = Event::new("you", "line", line);
        host.clone_into(&mut event.host);
        event.data = json!({ "step": self.place_name() });
        Ok(self.place.bottle.emit(&event)?)
    }

    /// A course command was typed: one that the step shows counts as typed.
    ///
    /// # Errors
    /// Progress cannot be written.
    pub fn said(&mut self, line: &str) -> Result<(), Error> {
        self.moment.typed.push(line.trim().to_owned());
        self.step_done_by_typing()
    }

    /// The line has ended: journals it, looks at the step's invariants, and tells what it changed in the world.
    ///
    /// # Errors
    /// The journal cannot be written, or the world is gone.
    pub fn line_end(&mut self, seq: u64, status: i32) -> Result<Effect, Error> {
        let mut event = Event { cause: seq, ..Event::new("you", "line.end", "") };
        event.data = json!({ "status": status });
        self.place.bottle.emit(&event)?;
        self.keep_steering()?;
        self.look_at_invariants(seq)?;
        self.predictions()?;
        self.step_done_by_typing()?;
        self.effect(seq)
    }

    /// The predictions that lines have answered since this was last asked.
    pub fn scored(&mut self) -> Vec<AnswerView> {
        std::mem::take(&mut self.scored)
    }

    /// The unit with this learner's parameters.
    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// The position of the current step.
    pub fn position(&self) -> usize {
        self.step
    }

    /// Ends the world; progress is on the disk already.
    ///
    /// # Errors
    /// Something of the world could not be removed.
    pub fn end(self) -> Result<(), Error> {
        let Session { place, parked, .. } = self;
        let Place { shell, bottle, .. } = place;
        drop(shell);
        bottle.shutdown()?;
        if let Some((Place { shell, bottle, .. }, _)) = parked {
            drop(shell);
            bottle.shutdown()?;
        }
        Ok(())
    }

    /// `unit#step`.
    fn place_name(&self) -> String {
        format!("{}#{}", self.unit.id, self.current().id)
    }

    fn current(&self) -> &Step {
        &self.unit.steps[self.step]
    }

    fn entry_of(&self, host: &str, line: &str, anew: bool) -> Typed {
        let attempt = self.progress.seen(&self.unit.id).map_or(0, |unit| unit.attempt);
        Typed {
            unit: self.unit.id.clone(),
            attempt,
            step: self.current().id.clone(),
            host: host.to_owned(),
            line: line.to_owned(),
            anew,
            verb: false,
            steered: false,
        }
    }

    /// Keeps that keys were typed while a line on bench ran: typed again without them, it may never end by itself.
    fn keep_steering(&mut self) -> Result<(), Error> {
        let Some((line, steered)) = self.moment.here.last_mut().filter(|_| self.place.shell.steered()) else { return Ok(()) };
        *steered = true;
        let line = line.clone();
        if self.parked.is_some() {
            return Ok(());
        }
        let entry = Typed { steered: true, ..self.entry_of(BENCH, &line, false) };
        self.progress.typed(entry)
    }

    /// Keeps a course command that grading needs.
    fn keep_verb(&mut self, line: String) -> Result<(), Error> {
        if self.parked.is_some() {
            return Ok(());
        }
        let typed = Typed { verb: true, ..self.entry_of(BENCH, &line, false) };
        self.progress.typed(typed)
    }

    fn standing(&self) -> Option<&StepStanding> {
        self.progress.seen(&self.unit.id)?.steps.get(&self.current().id)
    }

    /// The standing of the current step, to be changed; call [`Session::save`] afterwards.
    fn standing_mut(&mut self) -> &mut StepStanding {
        let id = self.current().id.clone();
        self.unit_standing_mut().steps.entry(id).or_default()
    }

    fn unit_standing_mut(&mut self) -> &mut UnitStanding {
        self.progress.standing.units.entry(self.unit.id.clone()).or_default()
    }

    /// Writes the progress; what is done in a copy does not count.
    fn save(&mut self) -> Result<(), Error> {
        if self.parked.is_some() {
            return Ok(());
        }
        // Takes down what its steps are now: by that they are found again under another name.
        self.progress.unit(&self.course, &self.unit.id);
        self.progress.save()
    }

    fn remember_place(&mut self) -> Result<(), Error> {
        self.progress.standing.unit.clone_from(&self.unit.id);
        self.progress.standing.step = self.current().id.clone();
        self.save()
    }

    /// Reads what the journal got since the last look.
    fn follow_journal(&mut self) -> Result<(), Error> {
        let events = self.moment.reader.more()?;
        self.moment.log.extend(events);
        Ok(())
    }
}

/// The last place, or the one asked for, or the first.
fn first_place(course: &Course, progress: &Progress, asked: Option<&str>) -> Result<(String, Option<String>), Error> {
    if let Some(asked) = asked {
        let (unit, step) = asked.split_once('#').map_or((asked, None), |(unit, step)| (unit, Some(step.to_owned())));
        return Ok((course.entry(unit)?.example.id.clone(), step));
    }
    let standing = &progress.standing;
    if let Ok(entry) = course.entry(&standing.unit) {
        let step = entry.example.step(&standing.step).map(|_| standing.step.clone());
        return Ok((entry.example.id.clone(), step));
    }
    let first = course.units().first().ok_or_else(|| match course.broken() {
        [] => Error::NotNow {
            why: "the course has no lesson and no lab".to_owned(),
            hint: "give a course folder with `--course DIR`".to_owned(),
        },
        broken => Error::Course(broken.iter().flat_map(|broken| broken.problems.clone()).collect()),
    })?;
    Ok((first.example.id.clone(), None))
}

/// A unit with this learner's parameters.
fn open_unit(course: &Course, progress: &mut Progress, options: &Options, id: &str) -> Result<Unit, Error> {
    let attempt = progress.unit(course, id).attempt;
    let seed = options.seed.clone().unwrap_or_else(|| super::params::seed_of(&progress.learner, attempt));
    Ok(course.unit(id, &seed)?.0)
}

fn find_step(unit: &Unit, step: &str) -> Result<usize, Error> {
    let number = step.parse::<usize>().ok().filter(|number| (1..=unit.steps.len()).contains(number));
    unit.step(step).or(number.map(|number| number - 1)).ok_or_else(|| {
        let names = unit.steps.iter().map(|step| step.id.as_str());
        Error::Unknown { what: "step", name: step.to_owned(), nearest: super::fields::nearest(step, names).map(str::to_owned) }
    })
}

impl Moment {
    /// Begins to watch a world in which `step` begins now.
    fn begin(place: &Place, unit: &Unit, step: usize, since_unit: Option<u64>) -> Result<Moment, Error> {
        let mut reader = Reader::open(place.bottle.journal())?;
        let mut log = Log::default();
        log.extend(reader.more()?);
        let since_unit = since_unit.unwrap_or_else(|| log.last());
        let mut moment = Moment {
            log,
            reader,
            since_step: 0,
            since_unit,
            baseline: BTreeMap::new(),
            snapshot: Value::Null,
            typed: Vec::new(),
            here: Vec::new(),
            census: Value::Null,
            hints: 0,
            looking: None,
        };
        moment.activate(place, unit, step)?;
        Ok(moment)
    }

    /// The things of `gone` facts that were written since the step began: as they are now.
    fn look_for_new_things(&mut self, place: &Place, step: &Step) {
        let mut world = Live { bottle: &place.bottle };
        for fact in &step.facts {
            self.baseline.entry(fact.id.clone()).or_insert_with(|| judge::is_there(fact, &mut world));
        }
    }

    /// A step begins now: only what happens from here on counts for it.
    fn activate(&mut self, place: &Place, unit: &Unit, step: usize) -> Result<(), Error> {
        let current = &unit.steps[step];
        self.since_step = place.bottle.emit(&Event::new("course", "step", format!("{}#{}", unit.id, current.id)))?;
        let mut world = Live { bottle: &place.bottle };
        for fact in &current.facts {
            let there = judge::is_there(fact, &mut world);
            let earlier = fact.since == super::fact::Since::Unit && self.baseline.get(&fact.id) == Some(&true);
            self.baseline.insert(fact.id.clone(), there || earlier);
        }
        let bench = place.bottle.host(BENCH)?;
        self.looking = Some((bench.begin_probe(&Probe::Snapshot)?, bench.begin_probe(&Probe::Census)?));
        self.typed.clear();
        self.here.clear();
        Ok(())
    }

    /// Waits until the world is whole, and reads how it was as the step began. All that goes on while the learner reads the step; so this must come
    /// before anything is typed or judged.
    fn settle(&mut self, place: &Place) -> Result<(), Error> {
        place.bottle.await_hosts()?;
        let Some((snapshot, census)) = self.looking.take() else { return Ok(()) };
        let bench = place.bottle.host(BENCH)?;
        // Without a snapshot there is no `:diff`; that is no reason not to begin.
        self.snapshot = Live { bottle: &place.bottle }.snapshot(bench, &snapshot).unwrap_or_default();
        self.census = bench.end_probe(&census)?;
        Ok(())
    }
}
