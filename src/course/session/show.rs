//! The verbs that show: the step, the list, the map, the report.

use super::super::library::Broken;
use super::super::unit::{Block, Step, Unit};
use super::super::view::{BlockView, CommandView, MapLine, ReportLine, ReportView, StepState, StepView, Sums, UnitLine, Verdict};
use super::Session;

impl Session {
    /// The current step.
    pub fn view(&self) -> StepView {
        let step = self.current();
        let standing = self.standing();
        let mut needs = self.unit.world.needs.clone();
        needs.extend(step.needs.iter().cloned());
        let missing = self.place.bottle.abilities().missing(&needs);
        let state = standing.and_then(|standing| standing.state);
        StepView {
            unit: self.unit.id.clone(),
            unit_title: self.unit.title.clone(),
            lab: self.unit.lab,
            id: step.id.clone(),
            title: step.title.clone(),
            number: self.step + 1,
            of: self.unit.steps.len(),
            intro: (self.step == 0 && !self.unit.intro.is_empty()).then(|| self.unit.intro.clone()),
            blocks: step.blocks.iter().map(|block| self.block(block)).collect(),
            points: step.points,
            checked: !step.facts.is_empty(),
            state: state.unwrap_or(if missing.is_empty() { StepState::Open } else { StepState::NotHere }),
            missing,
            hints: step.hints.len(),
            hints_shown: standing.map_or(0, |standing| standing.hints),
            playing: self.parked.is_some(),
        }
    }

    fn block(&self, block: &Block) -> BlockView {
        match block {
            Block::Prose(text) => BlockView::Prose(text.clone()),
            Block::Output { text, .. } => BlockView::Output { text: text.clone() },
            Block::Predict(question) => BlockView::Predict(self.question_view(question)),
            Block::Quiz(question) => BlockView::Quiz(self.question_view(question)),
            Block::Run { commands, needs, nested, .. } => {
                let missing = self.place.bottle.abilities().missing(needs);
                let not_here = missing.first().map(|(_, reason)| reason.clone());
                let commands = commands.iter().map(|command| CommandView {
                    line: command.text.clone(),
                    host: command.host.clone(),
                    nested: *nested,
                    typed: self.moment.typed.iter().any(|typed| typed == command.text.trim()),
                });
                BlockView::Run { commands: commands.collect(), not_here }
            }
        }
    }

    /// `:list`
    pub fn list(&self) -> Vec<UnitLine> {
        self.course.units().iter().map(|entry| self.unit_line(&entry.example)).collect()
    }

    /// The lessons and labs that are left out because their files have mistakes.
    pub fn broken(&self) -> &[Broken] {
        self.course.broken()
    }

    fn unit_line(&self, unit: &Unit) -> UnitLine {
        let done = |unit: &Unit| unit.steps.iter().filter(|step| self.state_of(unit, step) != StepState::Open).count();
        let undone = |id: &&String| self.course.entry(id).is_ok_and(|entry| done(&entry.example) < entry.example.steps.len());
        UnitLine {
            id: unit.id.clone(),
            title: unit.title.clone(),
            lab: unit.lab,
            minutes: unit.minutes,
            done: done(unit),
            of: unit.steps.len(),
            current: unit.id == self.unit.id,
            needs: unit.needs.iter().filter(undone).cloned().collect(),
            missing: self.place.bottle.abilities().missing(&unit.world.needs),
        }
    }

    fn state_of(&self, unit: &Unit, step: &Step) -> StepState {
        let standing = self.progress.seen(&unit.id).and_then(|unit| unit.steps.get(&step.id));
        standing.and_then(|standing| standing.state).unwrap_or(StepState::Open)
    }

    /// `:map`
    pub fn map(&self) -> Vec<MapLine> {
        let line = |(at, step): (usize, &Step)| MapLine {
            id: step.id.clone(),
            title: step.title.clone(),
            state: self.state_of(&self.unit, step),
            current: at == self.step,
            points: step.points,
        };
        self.unit.steps.iter().enumerate().map(line).collect()
    }

    /// What the learner has done so far, in numbers.
    pub fn sums(&self) -> Sums {
        let steps = || self.progress.standing.units.values().flat_map(|unit| unit.steps.values());
        Sums {
            points: steps().map(|step| step.points).sum(),
            hints: steps().map(|step| step.hints).sum(),
            done: steps().filter(|step| step.state == Some(StepState::Done)).count(),
        }
    }

    /// The step that was checked last since the prompt was opened, and the verdict.
    pub fn checked(&self) -> Option<&(String, Verdict)> {
        self.checked.as_ref()
    }

    /// `:report`
    pub fn report(&self) -> ReportView {
        let units: Vec<ReportLine> = self
            .course
            .units()
            .iter()
            .filter(|entry| self.progress.seen(&entry.example.id).is_some())
            .map(|entry| self.report_line(&entry.example))
            .collect();
        let (done, steps) = self.progress.standing.steps(&self.course);
        ReportView {
            done,
            steps,
            points: units.iter().map(|unit| unit.points).sum(),
            of: units.iter().map(|unit| unit.points_of).sum(),
            units,
            notes: self.progress.standing.notes.clone(),
        }
    }

    fn report_line(&self, unit: &Unit) -> ReportLine {
        let standing = self.progress.seen(&unit.id);
        let count = |state| unit.steps.iter().filter(|step| self.state_of(unit, step) == state).count();
        let steps = || standing.into_iter().flat_map(|standing| standing.steps.values());
        let questions = || steps().flat_map(|step| step.questions.values());
        ReportLine {
            id: unit.id.clone(),
            title: unit.title.clone(),
            done: count(StepState::Done),
            skipped: count(StepState::Skipped),
            revealed: count(StepState::Revealed),
            not_here: count(StepState::NotHere),
            of: unit.steps.len(),
            points: steps().map(|step| step.points).sum(),
            points_of: unit.points(),
            hints: steps().map(|step| step.hints).sum(),
            quiz_right: questions().filter(|given| given.right == Some(true)).count(),
            quiz_of: questions().count(),
        }
    }
}
