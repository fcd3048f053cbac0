//! A learner in a room: after every line the room is told where they are, if they have joined one.
//!
//! The file that says so is looked at after each line, so that joining and leaving in another terminal counts at once.

use std::path::{Path, PathBuf};

use super::course_verbs::needs;
use super::desk::{Answer, Desk};
use crate::course::room::{Facts, Joined, SENT, Watched};
use crate::ui::{Doc, Face, Text, markdown};

/// The room, if there is one.
#[derive(Default)]
pub struct Attendance {
    /// The state folder; none where nobody can be in a room: a demo is no learner.
    state: Option<PathBuf>,
    watched: Option<Watched>,
}

impl Desk {
    /// From now on the room that was joined with this state folder is told where the learner is.
    pub(super) fn attend_from(&mut self, state: &Path) {
        self.attendance.state = Some(state.to_owned());
        self.attend();
    }

    /// Something was typed: tells the room, if one is joined. Never waits for it.
    pub(super) fn attend(&mut self) {
        let Some(state) = &self.attendance.state else { return };
        let joined = Joined::read(state);
        if self.attendance.watched.as_ref().map(|watched| &watched.joined) != joined.as_ref() {
            if let Some(before) = self.attendance.watched.take() {
                before.part();
            }
            self.attendance.watched = joined.and_then(|_| Watched::start(state));
        }
        // What is done in a copy is nobody's business, and does not count.
        if self.session.view().playing {
            return;
        }
        if let Some(watched) = &self.attendance.watched {
            watched.tell(self.facts());
        }
    }

    /// Whether a room is told.
    pub(super) fn is_watched(&self) -> bool {
        self.attendance.watched.is_some()
    }

    fn facts(&self) -> Facts {
        let (view, sums) = (self.session.view(), self.session.sums());
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let check = self.session.checked().map(|(step, verdict)| format!("{step}: {}", verdict.word()));
        Facts {
            unit: view.unit,
            step: view.id,
            number: number(view.number),
            of: number(view.of),
            check: check.unwrap_or_default(),
            points: sums.points,
            hints: number(sums.hints),
            done: number(sums.done),
        }
    }

    /// Who sees what; none where nobody does.
    pub(super) fn attendance(&self) -> Option<Doc> {
        let watched = self.attendance.watched.as_ref()?;
        let joined = &watched.joined;
        let seen_as = match (&joined.name, joined.number) {
            (Some(name), _) => format!("as `{name}`"),
            (None, Some(number)) => format!("as learner {number}"),
            (None, None) => "as a number".to_owned(),
        };
        let note = format!("The room `{}` at {} sees you {seen_as}: {SENT} `:class leave` ends that.", joined.room, joined.address);
        let doc = Doc::new().paragraph(markdown::inline(&note));
        Some(match watched.trouble() {
            Some(why) => doc.line(Text::of(Face::Caution, "not now:").and(Face::Plain, format!(" {why}"))),
            None => doc,
        })
    }

    /// `:class`
    pub(super) fn class(&mut self, words: &str) -> Answer {
        match (words, self.attendance()) {
            ("", Some(doc)) => Answer::of(doc),
            ("", None) => {
                Answer::of(Doc::new().paragraph(markdown::inline("Nobody sees your progress. `bottleship class join` joins a room.")))
            }
            ("leave", Some(_)) => self.leave_class(),
            ("leave", None) => needs("you are in no room", "`bottleship class join ADDRESS CODE` joins one"),
            _ => needs("`:class` takes `leave` or nothing", "`:class` says who sees your progress"),
        }
    }

    fn leave_class(&mut self) -> Answer {
        // First the file: nothing more is told, whether the room is there or not.
        let forgotten = self.attendance.state.as_deref().map_or(Ok(()), Joined::forget);
        if let Some(watched) = self.attendance.watched.take() {
            watched.leave();
        }
        match forgotten {
            Ok(()) => Answer::of(Doc::new().paragraph("Nobody sees your progress any more.")),
            Err(error) => Answer::with(crate::ui::fault::doc(&error, None), 1),
        }
    }
}
