//! The verbs that answer and ask: hints, answers, predictions, quizzes, notes.

use serde_json::json;

use super::super::error::Error;
use super::super::place::BENCH;
use super::super::progress::Given;
use super::super::unit::{Block, Question, RightAnswer};
use super::super::view::{AnswerView, HintView, QuestionView};
use super::super::world;
use super::Session;
use crate::journal::Event;

impl Session {
    /// `:hint`: the next level; the last one again when all were shown. Counted.
    ///
    /// # Errors
    /// The step has no hints.
    pub fn hint(&mut self) -> Result<HintView, Error> {
        let hints = self.current().hints.clone();
        if hints.is_empty() {
            return Err(Error::NotNow { why: "this step has no hints".to_owned(), hint: "`:reveal` shows how it is done".to_owned() });
        }
        let playing = self.parked.is_some();
        let shown = if playing { self.moment.hints } else { self.standing().map_or(0, |standing| standing.hints) }.min(hints.len());
        let level = (shown + 1).min(hints.len());
        if playing {
            self.moment.hints = level;
        } else {
            self.standing_mut().hints = level;
            self.save()?;
        }
        self.place.bottle.emit(&Event { data: json!({ "level": level }), ..Event::new("course", "hint", self.place_name()) })?;
        Ok(HintView { level, of: hints.len(), text: hints[level - 1].clone(), again: shown == hints.len() })
    }

    /// `:answer TEXT`
    ///
    /// # Errors
    /// The journal or the progress cannot be written.
    pub fn answer(&mut self, text: &str) -> Result<(), Error> {
        self.keep_verb(format!(":answer {}", text.trim()))?;
        self.place.bottle.emit(&Event { data: json!({ "text": text }), ..Event::new("you", "answer", text) })?;
        self.standing_mut().answer = Some(text.trim().to_owned());
        self.save()
    }

    /// `:predict N`: taken down before the run; scored when the commands of the step were typed.
    ///
    /// # Errors
    /// The step asks for no prediction, or the choice does not exist.
    pub fn predict(&mut self, choice: &str) -> Result<AnswerView, Error> {
        let (question, choices) = self.question(choice, false)?;
        let known = self.given(&question.id).filter(|given| given.right.is_some());
        if known.is_some() {
            return Err(Error::NotNow { why: "this prediction was scored already".to_owned(), hint: "`:next` goes on".to_owned() });
        }
        self.keep(&question.id, Given { choices, right: None })?;
        let answer = self.score_if_run(&question)?;
        self.step_done_by_typing()?;
        Ok(answer)
    }

    /// A prediction becomes known once its commands were run.
    fn score_if_run(&mut self, question: &Question) -> Result<AnswerView, Error> {
        let run_is_over = self.current().commands().next().is_none() || self.commands_typed();
        if !run_is_over {
            return Ok(AnswerView { question: self.question_view(question), right: Vec::new(), why: None });
        }
        self.score(question)
    }

    /// Scores the predictions of the step once its commands were typed; the step then shows how they came out.
    pub(super) fn predictions(&mut self) -> Result<(), Error> {
        if !self.commands_typed() {
            return Ok(());
        }
        let open: Vec<Question> = self
            .current()
            .blocks
            .iter()
            .filter_map(|block| if let Block::Predict(question) = block { Some(question.clone()) } else { None })
            .filter(|question| self.given(&question.id).is_some_and(|given| given.right.is_none()))
            .collect();
        for question in &open {
            let answer = self.score(question)?;
            self.scored.push(answer);
        }
        Ok(())
    }

    fn commands_typed(&self) -> bool {
        self.current().commands().all(|command| self.moment.typed.iter().any(|typed| typed == command.text.trim()))
    }

    /// `:quiz N`, `:quiz ID N`, `:quiz 1,3`
    ///
    /// # Errors
    /// The step has no such question, or the choice does not exist.
    pub fn quiz(&mut self, answer: &str) -> Result<AnswerView, Error> {
        let (question, choices) = self.question(answer, true)?;
        self.keep(&question.id, Given { choices, right: None })?;
        let answer = self.score(&question)?;
        self.step_done_by_typing()?;
        Ok(answer)
    }

    fn score(&mut self, question: &Question) -> Result<AnswerView, Error> {
        let mut right = self.right_choices(question)?;
        right.sort_unstable();
        let mut given = self.given(&question.id).map(|given| given.choices.clone()).unwrap_or_default();
        given.sort_unstable();
        let is_right = given == right;
        self.keep(&question.id, Given { choices: given, right: Some(is_right) })?;
        self.place.bottle.emit(&Event {
            data: json!({ "right": is_right }),
            ..Event::new("course", "question", format!("{}#{}", self.place_name(), question.id))
        })?;
        Ok(AnswerView { question: self.question_view(question), right, why: Some(question.why.clone()) })
    }

    /// The right choices; of a question about the world, the one that its command prints.
    pub(in crate::course) fn right_choices(&self, question: &Question) -> Result<Vec<usize>, Error> {
        let command = match &question.answer {
            RightAnswer::Choices(choices) => return Ok(choices.clone()),
            RightAnswer::Run(command) => command,
        };
        let printed = super::super::judge::plain(&world::run(self.place.bottle.host(BENCH)?, command)?["text"]);
        let found = question.choices.iter().position(|choice| choice.trim() == printed);
        found.map(|at| vec![at + 1]).ok_or_else(|| Error::Setup {
            unit: self.place_name(),
            command: command.clone(),
            said: format!("`{printed}`, which is none of the choices"),
        })
    }

    /// Which question is meant, and the choices given: `2`, `1,3`, `ID 2`.
    fn question(&self, words: &str, quiz: bool) -> Result<(Question, Vec<usize>), Error> {
        let questions: Vec<&Question> = self
            .current()
            .blocks
            .iter()
            .filter_map(|block| match block {
                Block::Quiz(question) if quiz => Some(question),
                Block::Predict(question) if !quiz => Some(question),
                _ => None,
            })
            .collect();
        let (id, numbers) = match words.trim().rsplit_once(' ') {
            Some((id, numbers)) if questions.iter().any(|question| question.id == id.trim()) => (Some(id.trim()), numbers),
            _ => (None, words.trim()),
        };
        let unanswered = questions.iter().find(|question| self.given(&question.id).is_none());
        let question = match id {
            Some(id) => questions.iter().find(|question| question.id == id),
            None => unanswered.or(questions.last()),
        };
        let Some(question) = question else {
            let what = if quiz { "question" } else { "prediction" };
            return Err(Error::NotNow { why: format!("this step has no {what}"), hint: "an empty line shows the step again".to_owned() });
        };
        let choices: Option<Vec<usize>> = numbers
            .split([',', ' '])
            .filter(|number| !number.is_empty())
            .map(|number| number.parse().ok().filter(|number| (1..=question.choices.len()).contains(number)))
            .collect();
        match choices.filter(|choices| !choices.is_empty()) {
            Some(choices) => Ok(((*question).clone(), choices)),
            None => Err(Error::NotNow {
                why: format!("`{numbers}` is no choice of this question"),
                hint: format!("a number from 1 to {}", question.choices.len()),
            }),
        }
    }

    fn given(&self, id: &str) -> Option<&Given> {
        self.standing()?.questions.get(id)
    }

    fn keep(&mut self, id: &str, given: Given) -> Result<(), Error> {
        self.standing_mut().questions.insert(id.to_owned(), given);
        self.save()
    }

    pub(super) fn question_view(&self, question: &Question) -> QuestionView {
        let given = self.given(&question.id).cloned().unwrap_or_default();
        QuestionView {
            id: question.id.clone(),
            ask: question.ask.clone(),
            choices: question.choices.clone(),
            given: given.choices,
            right: given.right,
        }
    }

    /// `:note TEXT`
    ///
    /// # Errors
    /// The progress cannot be written.
    pub fn note(&mut self, text: &str) -> Result<(), Error> {
        self.progress.standing.notes.push(format!("{}: {text}", self.place_name()));
        self.save()
    }
}
