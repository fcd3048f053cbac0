//! The course commands that ask the session: each asks, and shows what it says.

use super::desk::{Answer, Desk, aside};
use super::{containers, views, why, zoom};
use crate::course::library::part_of;
use crate::course::session::Moved;
use crate::course::view::{UnitLine, Verdict};
use crate::course::{Error, Session};
use crate::ui::{Block, Doc, Face, Table, Text, fault, markdown};

/// Where an answer needs words and has none.
pub(super) fn needs(what: &str, example: &str) -> Answer {
    Answer::with(fault::words(what, Some(example)), 2)
}

impl Desk {
    fn moved(&mut self, moved: Result<Moved, Error>, word: &str) -> Answer {
        let moved = match moved {
            Ok(moved) => moved,
            // To have come to the end is no error.
            Err(Error::End) => {
                let note =
                    "This was the last step of the course. `:report` shows where you stand, `:list` everything there is, `:quit` leaves.";
                return Answer::of(Doc::new().paragraph(markdown::inline(note)));
            }
            Err(error) => return error.into(),
        };
        if let Some(check) = &moved.refused {
            let hint = "`:next` goes on when the step is done; `:hint` helps, `:skip` goes on without it.";
            return Answer::with(views::check(check).paragraph(markdown::inline(hint)), 1);
        }
        let mut doc = Doc::new();
        if moved.fresh {
            doc = doc.then(aside(if word.is_empty() { "A fresh world." } else { word }));
        }
        for (line, status) in &moved.replayed {
            let ended = if *status == 0 { String::new() } else { format!("  [{status}]") };
            doc = doc.then(aside(format!("  replayed: {}{ended}", line.lines().next().unwrap_or_default())));
        }
        Answer { fresh: moved.fresh, ..Answer::of(doc.then(views::step(&moved.view, self.style.colour))) }
    }

    pub(super) fn next(&mut self, _: &str) -> Answer {
        let moved = self.session.next();
        self.moved(moved, "")
    }

    pub(super) fn back(&mut self, _: &str) -> Answer {
        let moved = self.session.back();
        self.moved(moved, "")
    }

    pub(super) fn goto(&mut self, to: &str) -> Answer {
        if to.is_empty() {
            return needs("`:goto` needs a place to go to", "`:map` shows the steps here, `:list` all lessons and labs");
        }
        let moved = self.session.goto(to);
        self.moved(moved, "")
    }

    pub(super) fn reset(&mut self, _: &str) -> Answer {
        let moved = self.session.reset();
        self.moved(moved, "A fresh world, as the step began.")
    }

    pub(super) fn play(&mut self, _: &str) -> Answer {
        let moved = self.session.play();
        self.moved(moved, "A copy of the world. Nothing in it counts; `:done` leaves it.")
    }

    pub(super) fn done(&mut self, _: &str) -> Answer {
        let moved = self.session.done();
        self.moved(moved, "Back in your own world.")
    }

    pub(super) fn skip(&mut self, _: &str) -> Answer {
        let moved = self.session.skip();
        self.moved(moved, "")
    }

    pub(super) fn check(&mut self, _: &str) -> Answer {
        match self.session.check() {
            Ok(check) => Answer::with(views::check(&check), i32::from(check.verdict != Verdict::Pass)),
            Err(error) => error.into(),
        }
    }

    pub(super) fn hint(&mut self, _: &str) -> Answer {
        self.session.hint().map_or_else(Answer::from, |hint| Answer::of(views::hint(&hint)))
    }

    pub(super) fn why(&mut self, of: &str) -> Answer {
        let traced = self.tracer.is_some();
        let log = match self.session.log() {
            Ok(log) => log,
            Err(error) => return error.into(),
        };
        let told = why::doc(log, of, traced);
        let line = log.after(0).rfind(|event| event.kind == "line").map(|event| event.subject.clone()).unwrap_or_default();
        let container = containers::doc(self.session.bottle(), &self.host, &line, of);
        match told.map(|doc| doc.then(container.clone().unwrap_or_default())).or(container) {
            Some(doc) => Answer::of(doc),
            None if of.is_empty() => needs("nothing has happened yet", "type something first"),
            None => needs(&format!("no event is about `{of}`"), "`:why` alone is about the last line; `:why NUMBER` about one event"),
        }
    }

    pub(super) fn diff(&mut self, _: &str) -> Answer {
        self.session.diff().map_or_else(Answer::from, |lines| Answer::of(views::diff(&lines)))
    }

    pub(super) fn predict(&mut self, choice: &str) -> Answer {
        if choice.is_empty() {
            return needs("`:predict` needs the number of your answer", "`:predict 2`; an empty line shows the question again");
        }
        self.session.predict(choice).map_or_else(Answer::from, |answer| Answer::of(views::answer(&answer)))
    }

    pub(super) fn quiz(&mut self, answer: &str) -> Answer {
        if answer.is_empty() {
            return needs("`:quiz` needs the number of your answer", "`:quiz 2`, or `:quiz 1,3`; an empty line shows the question again");
        }
        let answered = self.session.quiz(answer);
        answered.map_or_else(Answer::from, |answer| Answer::with(views::answer(&answer), i32::from(answer.question.right == Some(false))))
    }

    pub(super) fn answer(&mut self, text: &str) -> Answer {
        if text.is_empty() {
            return needs("`:answer` needs your answer", "`:answer WORDS`");
        }
        self.session
            .answer(text)
            .map_or_else(Answer::from, |()| Answer::of(Doc::new().line(markdown::inline("Noted. `:check` looks at it."))))
    }

    pub(super) fn note(&mut self, text: &str) -> Answer {
        if text.is_empty() {
            return needs("`:note` needs words to keep", "`:note chroot needs the libraries too`");
        }
        self.session
            .note(text)
            .map_or_else(Answer::from, |()| Answer::of(Doc::new().line(markdown::inline("Kept. `:report` shows your notes."))))
    }

    pub(super) fn reveal(&mut self, _: &str) -> Answer {
        match self.session.reveal() {
            Ok(lines) => Answer::of(Doc::new().with(Block::Code(lines.join("\n")))),
            Err(error) => error.into(),
        }
    }

    pub(super) fn list(&mut self, which: &str) -> Answer {
        let units = self.session.list();
        let current = part_of(&self.session.view().unit).to_owned();
        let mut parts: Vec<&str> = units.iter().map(|unit| part_of(&unit.id)).collect();
        parts.dedup();
        let is_known = |name: &str| self.session.broken().iter().any(|broken| part_of(&broken.id) == name);
        let wanted = |unit: &&UnitLine| match which {
            "all" => true,
            "" => part_of(&unit.id) == current,
            "labs" => part_of(&unit.id) == current && unit.lab,
            "lessons" => part_of(&unit.id) == current && !unit.lab,
            name => part_of(&unit.id) == name,
        };
        let listed: Vec<&UnitLine> = units.iter().filter(wanted).collect();
        if listed.is_empty() && !matches!(which, "labs" | "lessons") && !is_known(which) {
            return needs(
                &format!("the course has no part `{which}`"),
                &format!("its parts: {}; or `labs`, `lessons`, `all`", parts.join(", ")),
            );
        }
        Answer::of(views::list(&listed, &units).then(views::left_out(self.session.broken())))
    }

    pub(super) fn map(&mut self, _: &str) -> Answer {
        Answer::of(views::map(&self.session.map()))
    }

    pub(super) fn zoom(&mut self, words: &str) -> Answer {
        match words {
            "on" => self.zoom_on(),
            "off" => {
                let was_on = self.tracer.take().is_some();
                Answer::of(aside(if was_on { "Your shell is no longer traced." } else { "Your shell was not traced." }))
            }
            "" => zoom::answer(self.session.bottle(), &self.host, self.last_line, self.tracer.is_some()),
            "net" => super::wiring::answer(self.session.bottle(), &self.host),
            _ => needs("`:zoom` takes `on`, `off`, `net` or nothing", "`:zoom` opens the last line, `:zoom net` the host's network"),
        }
    }

    fn zoom_on(&mut self) -> Answer {
        if self.tracer.is_some() {
            return Answer::of(aside("Your shell is traced already."));
        }
        let host = self.host.clone();
        let Some(pid) = self.shell().pid() else {
            return Answer::with(fault::words("this shell cannot be traced: its process is not known", None), 1);
        };
        let attached = self.session.bottle().host(&host).and_then(|host| super::tracer::Tracer::attach(host, pid));
        match attached {
            Ok(tracer) => {
                self.tracer = Some(tracer);
                let note = "From the next line on, the kernel calls of your shell and of all that it starts are recorded. `:zoom` shows them, `:zoom off` ends it.";
                Answer::of(Doc::new().paragraph(markdown::inline(note)))
            }
            Err(error) => error.into(),
        }
    }

    pub(super) fn host(&mut self, name: &str) -> Answer {
        if name.is_empty() {
            if let Err(error) = self.session.learn_hosts() {
                return error.into();
            }
            let hosts: Vec<String> = self.session.bottle().hosts().map(|host| host.name().to_owned()).collect();
            let lines = hosts.iter().map(|host| if *host == self.host { format!("> {host}") } else { format!("  {host}") });
            return Answer::of(lines.fold(Doc::new(), Doc::line));
        }
        let before = std::mem::replace(&mut self.host, name.to_owned());
        match self.open_host() {
            Ok(()) => Answer::default(),
            Err(answer) => {
                self.host = before;
                answer
            }
        }
    }

    pub(super) fn quit(&mut self, _: &str) -> Answer {
        Answer { quit: true, ..Answer::default() }
    }

    pub(super) fn help(&mut self, name: &str) -> Answer {
        super::help::answer(name.trim_start_matches(':'))
    }

    pub(super) fn fidelity(&mut self, _: &str) -> Answer {
        Answer::of(super::fidelity::doc(&self.session, self.internet_real))
    }

    pub(super) fn report(&mut self, words: &str) -> Answer {
        let standing = views::report(&self.session.report());
        if words.is_empty() {
            return Answer::of(standing);
        }
        match super::report::write(&self.session, words) {
            Ok(path) => {
                let text = Text::plain("Written: ")
                    .and(Face::Code, path.display().to_string())
                    .and(Face::Plain, ". Nothing was sent; read it before you give it to anybody.");
                Answer::of(Doc::new().paragraph(text))
            }
            Err(error) => Answer::with(fault::doc(&error, None), 1),
        }
    }
}

/// A table of two columns.
pub(super) fn two_columns(heads: [&str; 2], rows: Vec<[Text; 2]>) -> Block {
    Block::Table(Table { heads: heads.map(str::to_owned).into(), rows: rows.into_iter().map(Vec::from).collect() })
}

/// The unit and the step where a session is: `by-hand/chroot#enter`.
pub(super) fn place(session: &Session) -> String {
    let view = session.view();
    format!("{}#{}", view.unit, view.id)
}
