//! `:check`: the facts of the step, now and for as long as they must hold.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::error::Error;
use super::super::fact::{Fact, Kind};
use super::super::judge::{self, Context, Finding, observed, say};
use super::super::unit::{Block, Step};
use super::super::view::{CheckView, FactView, MistakeView, StepState, Verdict};
use super::super::world::{Live, Once, UNSEEN, World};
use super::Session;
use crate::journal::{Event, Log};
use crate::kernel::poll;

/// How often a fact that must hold is looked at again.
const AGAIN: Duration = Duration::from_millis(25);

/// A fact with what was found about it.
pub(in crate::course) struct Judged<'f> {
    pub fact: &'f Fact,
    pub finding: Finding,
    pub held: Option<Duration>,
    pub not_here: Option<String>,
}

/// The story of a step that may be over: the journal, and after which event the step began in it.
#[derive(Debug, Clone, Copy)]
pub(in crate::course) struct Past<'l> {
    pub log: &'l Log,
    pub since: u64,
}

/// Judges all facts of a step at one moment.
pub(in crate::course) fn judge_step<'f>(
    step: &'f Step,
    world: &mut dyn World,
    context: &Context<'_>,
    missing: &dyn Fn(&Fact) -> Option<String>,
) -> Vec<Judged<'f>> {
    let mut once = Once::new(world);
    let judged = |fact| {
        let not_here = missing(fact);
        let finding = match &not_here {
            Some(_) => Finding::bare(Verdict::Pass, String::new()),
            None => judge::judge(fact, &mut once, context),
        };
        Judged { fact, finding, held: None, not_here }
    };
    step.facts.iter().map(judged).collect()
}

/// The worst verdict.
pub(in crate::course) fn worst(facts: &[Judged<'_>]) -> Verdict {
    facts.iter().filter(|judged| judged.not_here.is_none()).map(|judged| judged.finding.verdict).max().unwrap_or(Verdict::Pass)
}

impl Session {
    /// `:check`.
    ///
    /// # Errors
    /// The step has nothing to check, or the journal cannot be read.
    pub fn check(&mut self) -> Result<CheckView, Error> {
        if self.current().facts.is_empty() {
            return Err(Error::NotNow { why: "this step has nothing to check".to_owned(), hint: "`:next` goes on".to_owned() });
        }
        self.keep_verb(":check".to_owned())?;
        self.moment.settle(&self.place)?;
        self.follow_journal()?;
        let mut view = self.judge_current();
        let passed = view.verdict == Verdict::Pass;
        if passed && self.unit.lab && self.step + 1 == self.unit.steps.len() && self.parked.is_none() {
            self.judge_whole_lab(&mut view);
        }
        self.record_check(&mut view)?;
        Ok(view)
    }

    fn context<'c>(&'c self, step: &'c Step, place: &'c str) -> Context<'c> {
        let given =
            self.progress.seen(&self.unit.id).and_then(|unit| unit.steps.get(&step.id)).and_then(|standing| standing.answer.as_deref());
        Context {
            log: &self.moment.log,
            since_step: self.moment.since_step,
            since_unit: self.moment.since_unit,
            given,
            shell: self.place.shell.pid(),
            step: place,
            baseline: &self.moment.baseline,
            facts: &step.facts,
        }
    }

    /// Judges any step of the unit in a world, as it would be if it had just begun. For the prover.
    pub(in crate::course) fn judge_at(&self, step: usize, world: &mut dyn World) -> Vec<FactView> {
        self.judge_past(step, world, &Past { log: &self.moment.log, since: self.moment.since_step })
    }

    /// As [`Session::judge_at`], with the story that the journal told then.
    pub(in crate::course) fn judge_past(&self, step: usize, world: &mut dyn World, past: &Past<'_>) -> Vec<FactView> {
        let step = &self.unit.steps[step];
        let place = format!("{}#{}", self.unit.id, step.id);
        let context = Context { log: past.log, since_step: past.since, ..self.context(step, &place) };
        judge_step(step, world, &context, &|fact| self.not_here(step, fact)).iter().map(view).collect()
    }

    /// As a check does it, with `hold`, in a world of the prover's.
    pub(in crate::course) fn judge_holding(&self, step: usize, world: &mut dyn World, past: &Past<'_>) -> Verdict {
        let step = &self.unit.steps[step];
        let place = format!("{}#{}", self.unit.id, step.id);
        let context = Context { log: past.log, since_step: past.since, ..self.context(step, &place) };
        let mut judged = judge_step(step, world, &context, &|fact| self.not_here(step, fact));
        if worst(&judged) == Verdict::Pass {
            hold(&mut judged, world, &context);
        }
        worst(&judged)
    }

    /// Why a fact of a step does not apply on this machine.
    fn not_here(&self, step: &Step, fact: &Fact) -> Option<String> {
        self.missing(&step.needs).or_else(|| self.missing(&fact.needs))
    }

    /// What happened so far, and after which event the current step began. For the prover.
    pub(in crate::course) fn story(&self) -> Past<'_> {
        Past { log: &self.moment.log, since: self.moment.since_step }
    }

    /// Why this machine lacks one of these abilities; none if it has them all.
    pub fn missing(&self, needs: &[String]) -> Option<String> {
        let missing = self.place.bottle.abilities().missing(needs);
        missing.first().map(|(_, reason)| reason.clone())
    }

    pub(super) fn judge_current(&self) -> CheckView {
        self.judge_now(self.step, true)
    }

    /// What a check of a step would say now, without waiting for `hold` and without keeping anything: for authors. `None` where nothing is checked.
    pub fn look_at_step(&self, step: usize) -> Option<CheckView> {
        let has_facts = self.unit.steps.get(step).is_some_and(|step| !step.facts.is_empty());
        has_facts.then(|| self.judge_now(step, false))
    }

    fn judge_now(&self, at: usize, holding: bool) -> CheckView {
        let step = &self.unit.steps[at];
        let place = format!("{}#{}", self.unit.id, step.id);
        let context = self.context(step, &place);
        let mut world = Live { bottle: &self.place.bottle };
        check_of(&self.unit.id, step, &mut world, &context, &|fact| self.not_here(step, fact), holding)
    }

    /// A pass once earned stays: later steps may undo what earlier ones made. Only what its author marks `lasting: true` is looked at again when the last
    /// step passes: a state must still be there, and an invariant must have held at every look since its step began.
    fn judge_whole_lab(&self, view: &mut CheckView) {
        let mut world = Live { bottle: &self.place.bottle };
        let last = self.unit.steps.len() - 1;
        for step in &self.unit.steps[..last] {
            let place = format!("{}#{}", self.unit.id, step.id);
            let context = Context { since_step: self.moment.since_unit, ..self.context(step, &place) };
            let missing = |fact: &Fact| {
                let other = (!lasts(fact)).then(|| "need not hold at the end".to_owned());
                other.or_else(|| self.missing(&step.needs)).or_else(|| self.missing(&fact.needs))
            };
            for judged in judge_step(step, &mut world, &context, &missing) {
                if judged.not_here.is_none() && judged.finding.verdict != Verdict::Pass {
                    view.verdict = view.verdict.max(judged.finding.verdict);
                    let mut fact = self::view(&judged);
                    fact.id = format!("{}#{}", step.id, fact.id);
                    fact.points = 0;
                    view.facts.push(fact);
                }
            }
        }
        if view.verdict != Verdict::Pass {
            view.debrief = None;
        }
    }

    /// Journals the check, and keeps a pass.
    fn record_check(&mut self, view: &mut CheckView) -> Result<(), Error> {
        let state = self.standing().and_then(|standing| standing.state);
        let counts = self.parked.is_none();
        if counts {
            // Who has seen the solution does the step for the sake of it.
            if state == Some(StepState::Revealed) {
                view.points = 0;
            }
            let points = view.points;
            let standing = self.standing_mut();
            standing.checks += 1;
            if view.verdict == Verdict::Pass {
                standing.points = standing.points.max(points);
                standing.state = Some(if state == Some(StepState::Revealed) { StepState::Revealed } else { StepState::Done });
            }
            self.save()?;
            self.checked = Some((view.step.clone(), view.verdict));
        }
        let place = self.place_name();
        if view.verdict == Verdict::Pass && counts && self.unit.lab {
            match self.unit.steps.get(self.step + 1).map(|step| step.title.clone()) {
                Some(goal) => {
                    self.step += 1;
                    self.moment.activate(&self.place, &self.unit, self.step)?;
                    self.remember_place()?;
                    view.next = Some(goal);
                }
                None => view.unit_done = true,
            }
        }
        let mut event = Event::new("check", "check", place);
        event.data = json!({
            "verdict": view.verdict, "took_us": view.took.as_micros() as u64, "mistake": view.mistake.as_ref().map(|mistake| &mistake.id),
            "points": view.points, "of": view.of,
            "facts": view.facts.iter().map(|fact| json!({ "id": fact.id, "verdict": fact.verdict, "got": fact.got, "say": fact.say,
                "not_here": fact.not_here, "points": fact.points, "events": fact.events })).collect::<Vec<_>>(),
        });
        self.place.bottle.emit(&event)?;
        Ok(())
    }

    /// After a line: a look at every fact that an invariant of the step is about, or a lasting one of an earlier step, written into the journal.
    pub(super) fn look_at_invariants(&mut self, cause: u64) -> Result<(), Error> {
        let mut world = Live { bottle: &self.place.bottle };
        let mut once = Once::new(&mut world);
        let mut events = Vec::new();
        for (at, step) in self.unit.steps[..=self.step].iter().enumerate() {
            let place = format!("{}#{}", self.unit.id, step.id);
            let context = self.context(step, &place);
            for fact in watched(step, at == self.step) {
                let finding = judge::judge(fact, &mut once, &context);
                let mut event = Event { cause, ..Event::new("check", "look", format!("{place}#{}", fact.id)) };
                event.data = json!({ "verdict": finding.verdict, "got": finding.got });
                events.push(event);
            }
        }
        events.iter().try_for_each(|event| self.place.bottle.emit(event).map(drop).map_err(Error::from))
    }

    /// A step without facts is done when its commands were typed and its questions answered.
    pub(super) fn step_done_by_typing(&mut self) -> Result<(), Error> {
        let step = self.current();
        let asks = step.blocks.iter().any(|block| matches!(block, Block::Run { .. } | Block::Quiz(_) | Block::Predict(_)));
        if step.facts.is_empty() && asks && self.standing().is_none_or(|standing| standing.state.is_none()) && self.all_typed_and_answered()
        {
            self.standing_mut().state = Some(StepState::Done);
            self.save()?;
        }
        Ok(())
    }

    /// Whether the commands of the step that apply here were typed, and its questions answered.
    pub(super) fn all_typed_and_answered(&self) -> bool {
        let step = self.current();
        let none = BTreeMap::new();
        let answered = self.standing().map_or(&none, |standing| &standing.questions);
        step.blocks.iter().all(|block| match block {
            Block::Run { commands, needs, .. } => {
                self.missing(needs).is_some()
                    || commands.iter().all(|command| self.moment.typed.iter().any(|typed| typed == command.text.trim()))
            }
            Block::Quiz(question) | Block::Predict(question) => answered.contains_key(&question.id),
            _ => true,
        })
    }
}

/// A check of a step in any world, as it is shown. `missing` says why a fact does not apply there; `holding`: what must hold for a while is looked at
/// for as long.
pub(in crate::course) fn check_of(
    unit: &str,
    step: &Step,
    world: &mut dyn World,
    context: &Context<'_>,
    missing: &dyn Fn(&Fact) -> Option<String>,
    holding: bool,
) -> CheckView {
    let began = Instant::now();
    let mut judged = judge_step(step, world, context, missing);
    judged.iter_mut().for_each(set_aside_unseen);
    let mut took = began.elapsed();
    if holding && worst(&judged) == Verdict::Pass {
        hold(&mut judged, world, context);
    }
    let verdict = if judged.iter().all(|judged| judged.not_here.is_some()) { Verdict::Vacuous } else { worst(&judged) };
    let began = Instant::now();
    let mistake = (verdict != Verdict::Pass && verdict != Verdict::Error).then(|| mistake(step, world, context, missing)).flatten();
    took += began.elapsed();
    let facts: Vec<FactView> = judged.iter().map(view).collect();
    CheckView {
        unit: unit.to_owned(),
        step: step.id.clone(),
        verdict,
        points: points(step, &facts),
        of: step.points,
        facts,
        mistake,
        debrief: step.debrief.clone().filter(|_| verdict == Verdict::Pass),
        took,
        unit_done: false,
        next: None,
    }
}

/// What a world says that it cannot show at all is no error: the fact does not apply there.
fn set_aside_unseen(judged: &mut Judged<'_>) {
    let why = judged.finding.got.strip_prefix(UNSEEN).filter(|_| judged.finding.verdict == Verdict::Error);
    if let Some(why) = why.map(str::to_owned) {
        judged.not_here = Some(why);
        judged.finding = Finding::bare(Verdict::Pass, String::new());
    }
}

fn mistake(step: &Step, world: &mut dyn World, context: &Context<'_>, missing: &dyn Fn(&Fact) -> Option<String>) -> Option<MistakeView> {
    let mut once = Once::new(world);
    step.mistakes.iter().filter(|mistake| missing(&mistake.when).is_none()).find_map(|mistake| {
        let finding = judge::judge(&mistake.when, &mut once, context);
        (finding.verdict == Verdict::Pass).then(|| MistakeView {
            id: mistake.id.clone(),
            say: observed(&mistake.say, &finding),
            hint: mistake.hint,
        })
    })
}

/// Whether a fact of an earlier step must hold at the end of the lab too. What happened cannot happen otherwise any more, and what is gone has no
/// baseline in a later step.
fn lasts(fact: &Fact) -> bool {
    fact.lasting && !matches!(fact.kind, Kind::History(_) | Kind::Never { .. } | Kind::Gone(_))
}

/// The facts that the invariants of a step are about: all of them in the current step, the lasting ones of one before.
fn watched(step: &Step, current: bool) -> impl Iterator<Item = &Fact> {
    let of = |fact: &Fact| if let Kind::Invariant { of } = &fact.kind { Some(of.clone()) } else { None };
    let names: Vec<String> = step.facts.iter().filter(|fact| current || fact.lasting).filter_map(of).collect();
    step.facts.iter().filter(move |fact| names.contains(&fact.id))
}

/// Looks again and again at the facts that must hold for a while; the first look that fails ends it.
///
/// Nothing announces that a fact stops to hold, so it is looked at at short intervals of uneven length: what comes and goes in a rhythm of its own is
/// met in both states. A process that ends and is started anew between two looks is found out by its number: one of those that the fact rested on
/// at first must stay to the end.
fn hold(judged: &mut [Judged<'_>], world: &mut dyn World, context: &Context<'_>) {
    let longest = judged.iter().filter(|judged| judged.not_here.is_none()).map(|judged| judged.fact.hold).max().unwrap_or_default();
    let began = Instant::now();
    let mut fails = false;
    while began.elapsed() < longest && !fails {
        let left = longest.saturating_sub(began.elapsed()).min(uneven());
        // poll(2) on nothing is the clock; a pause cut short only means one look more.
        let _ = poll::readable(&[], Some(left));
        let mut once = Once::new(world);
        for judged in judged
            .iter_mut()
            .filter(|judged| judged.not_here.is_none() && began.elapsed() <= judged.fact.hold + AGAIN && !judged.fact.hold.is_zero())
        {
            judged.held = Some(began.elapsed().min(judged.fact.hold));
            judged.finding = again(&judged.finding, judge::judge(judged.fact, &mut once, context));
            fails |= judged.finding.verdict != Verdict::Pass;
        }
    }
}

/// The time to the next look: from a fifth of [`AGAIN`] to all of it.
fn uneven() -> Duration {
    let digits = crate::kernel::xray::now() / 1000 % 1000;
    AGAIN / 5 + (AGAIN - AGAIN / 5) * digits as u32 / 1000
}

/// What the next look adds to what was found before.
fn again(before: &Finding, mut now: Finding) -> Finding {
    if now.verdict != Verdict::Pass || before.who.is_empty() {
        return now;
    }
    let stayed: Vec<u64> = now.who.iter().copied().filter(|pid| before.who.contains(pid)).collect();
    if stayed.is_empty() {
        let numbers = |list: &[u64]| list.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        now.got = format!("process {}, and a moment later process {}: it does not stay", numbers(&before.who), numbers(&now.who));
        now.verdict = Verdict::NotYet;
    }
    now.who = stayed;
    now
}

fn view(judged: &Judged<'_>) -> FactView {
    FactView {
        id: judged.fact.id.clone(),
        verdict: judged.finding.verdict,
        // Of what does not apply here nothing was seen.
        say: if judged.not_here.is_some() { String::new() } else { say(judged.fact, &judged.finding) },
        got: judged.finding.got.clone(),
        points: judged.fact.points,
        events: judged.finding.events.clone(),
        held: judged.held,
        not_here: judged.not_here.clone(),
    }
}

/// The step's points, shared out to its facts by their own points; facts that do not apply here give theirs to the others.
fn points(step: &Step, facts: &[FactView]) -> u32 {
    let counted = || facts.iter().filter(|fact| fact.not_here.is_none());
    let all: u32 = counted().map(|fact| fact.points).sum();
    let reached: u32 = counted().filter(|fact| fact.verdict == Verdict::Pass).map(|fact| fact.points).sum();
    (step.points * reached).checked_div(all).unwrap_or(0)
}
