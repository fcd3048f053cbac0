//! From the course's view models to blocks of text. No sentence of a check is made here: those are attributes of the facts.

use std::collections::BTreeSet;

use crate::course::library::{Broken, part_of};
use crate::course::view::{
    AnswerView, BlockView, CheckView, CommandView, DiffLine, Effect, FactView, HintView, MapLine, QuestionView, ReportView, StepState,
    StepView, UnitLine, Verdict,
};
use crate::ui::{Block, Doc, Face, Table, Text, markdown};

/// A step: where one is, what to read, what to type, how to go on. `suggests`: the editor shows the next command in grey.
pub fn step(view: &StepView, suggests: bool) -> Doc {
    let mut doc = Doc::new();
    if let Some(intro) = &view.intro {
        // A lesson's own text begins with its title, a lab's does not.
        if !intro.trim_start().starts_with("# ") {
            doc = doc.heading(1, view.unit_title.clone());
        }
        doc = doc.then(markdown::parse(intro));
    }
    let place = format!("{} {}, step {} of {}", if view.lab { "Lab" } else { "Lesson" }, view.unit, view.number, view.of);
    let place = Text::of(Face::Dim, place).and(Face::Dim, state_note(view));
    doc = doc.line(place).heading(2, markdown::inline(&view.title));
    for (need, reason) in &view.missing {
        doc = doc.line(Text::of(Face::Caution, "not here:").and(Face::Plain, format!(" this needs {need}; {reason}")));
    }
    for block in &view.blocks {
        doc = block_of(doc, block);
    }
    doc.paragraph(Text::of(Face::Dim, forward(view, suggests)))
}

fn state_note(view: &StepView) -> String {
    let state = match view.state {
        StepState::Open => "",
        state => state_word(state),
    };
    let playing = if view.playing { "in the copy made by :play" } else { "" };
    [state, playing].into_iter().filter(|note| !note.is_empty()).map(|note| format!(", {note}")).collect()
}

/// How to go on, in one line.
fn forward(view: &StepView, suggests: bool) -> String {
    let mut ways = Vec::new();
    if suggests && view.suggestion().is_some() {
        ways.push("right arrow takes the suggested command");
    }
    if view.checked && view.state != StepState::Done {
        ways.push(":check looks whether it is done");
    }
    if view.hints > view.hints_shown && view.state == StepState::Open {
        ways.push(":hint helps");
    }
    ways.push(":next goes on");
    let mut line = ways.join("; ");
    if let Some(first) = line.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    format!("{line}.")
}

fn block_of(doc: Doc, block: &BlockView) -> Doc {
    match block {
        BlockView::Prose(text) => doc.then(markdown::parse(text)),
        BlockView::Run { commands, not_here: None } => doc.with(Block::Code(commands.iter().map(command).collect::<Vec<_>>().join("\n"))),
        BlockView::Run { commands, not_here: Some(why) } => doc
            .line(Text::of(Face::Caution, "not here:").and(Face::Plain, format!(" {why}")))
            .with(Block::Code(commands.iter().map(command).collect::<Vec<_>>().join("\n"))),
        // What differs from run to run is `[..]` in the lesson's file; a reader sees that something is left out.
        BlockView::Output { text } => doc.with(Block::Quote(Doc::new().with(Block::Verbatim(text.replace("[..]", "…"))))),
        BlockView::Predict(question) => doc.then(ask(question, "predict")),
        BlockView::Quiz(question) => doc.then(ask(question, "quiz")),
    }
}

fn command(command: &CommandView) -> String {
    let host = if command.host.is_empty() || command.host == "bench" { String::new() } else { format!("@{} ", command.host) };
    let mut lines = command.line.lines();
    let first = format!("{}$ {host}{}", if command.nested { "  " } else { "" }, lines.next().unwrap_or_default());
    lines.fold(first, |text, line| format!("{text}\n> {line}"))
}

fn ask(question: &QuestionView, verb: &str) -> Doc {
    let choices = question.choices.iter().map(|choice| Doc::new().paragraph(markdown::inline(choice))).collect();
    let given: Vec<String> = question.given.iter().map(usize::to_string).collect();
    let state = match question.right {
        Some(right) => format!("You answered {}: {}.", given.join(", "), if right { "right" } else { "not right" }),
        None if !given.is_empty() => format!("You answered {}. What is right shows when you have run the commands.", given.join(", ")),
        None => format!("Answer with `:{verb} NUMBER`."),
    };
    Doc::new().paragraph(markdown::inline(&question.ask)).with(Block::List(Some(1), choices)).paragraph(markdown::inline(&state))
}

/// How a prediction came out, after the line that showed it.
pub fn predicted(view: &AnswerView) -> Doc {
    Doc::new().line(Text::of(Face::Dim, "Your prediction:")).then(answer(view))
}

/// The answer to a question, and why.
pub fn answer(view: &AnswerView) -> Doc {
    let (face, word) = match view.question.right {
        Some(true) => (Face::Good, "right"),
        Some(false) => (Face::Caution, "not right"),
        None => return Doc::new().line("Noted. Now run the commands and see."),
    };
    let mut text = Text::of(face, word);
    if !view.right.is_empty() && view.question.right == Some(false) {
        let shown = view.right.iter().map(|number| match view.question.choices.get(number.wrapping_sub(1)) {
            Some(choice) => format!("{number} ({choice})"),
            None => number.to_string(),
        });
        text = text.and(Face::Plain, format!(": it is {}", shown.collect::<Vec<_>>().join(", ")));
    }
    let doc = Doc::new().line(text);
    view.why.as_ref().map_or(doc.clone(), |why| doc.then(markdown::parse(why)))
}

fn verdict_face(verdict: Verdict) -> Face {
    match verdict {
        Verdict::Pass => Face::Good,
        Verdict::NotYet | Verdict::Vacuous => Face::Caution,
        Verdict::Fail | Verdict::Error => Face::Bad,
    }
}

/// A check: the verdict of the step, every fact with what was seen, a recognised mistake, the debrief.
pub fn check(view: &CheckView) -> Doc {
    let mut doc = verdicts(view);
    if let Some(next) = &view.next {
        doc = doc.paragraph(Text::of(Face::Strong, "Next: ").and(Face::Plain, markdown::inline(next).words()));
    }
    if view.verdict == Verdict::Pass && view.next.is_none() && !view.unit_done {
        doc = doc.paragraph(Text::of(Face::Dim, ":next goes on."));
    }
    if view.unit_done {
        doc =
            doc.paragraph(Text::of(Face::Good, "Done.").and(Face::Plain, " `:next` goes on to the next lesson or lab, `:list` shows all."));
    }
    doc
}

/// A check without the way on from it.
pub fn verdicts(view: &CheckView) -> Doc {
    let mut head = Text::of(Face::Strong, format!("{}: ", view.step)).and(verdict_face(view.verdict), view.verdict.word());
    if view.of > 0 {
        head = head.and(Face::Plain, format!(", {} of {} points", view.points, view.of));
    }
    let mut doc = Doc::new().line(head);
    for (at, fact) in view.facts.iter().enumerate() {
        // That a group is not there is said once, however many facts are about it.
        let told = |other: &FactView| {
            fact.verdict != Verdict::Pass && !fact.say.is_empty() && (other.verdict, &other.say) == (fact.verdict, &fact.say)
        };
        if !view.facts[..at].iter().any(told) {
            doc = doc.line(fact_line(fact));
        }
    }
    if let Some(mistake) = &view.mistake {
        doc = doc.then(markdown::parse(&mistake.say));
        if let Some(hint) = mistake.hint {
            doc = doc.line(Text::of(Face::Dim, format!("Hint {hint} helps here: `:hint`.")));
        }
    }
    if let Some(debrief) = &view.debrief {
        doc = doc.then(markdown::parse(debrief));
    }
    doc
}

fn fact_line(fact: &FactView) -> Text {
    let say = if fact.say.is_empty() { &fact.id } else { &fact.say };
    if let Some(why) = &fact.not_here {
        return Text::of(Face::Caution, "  not here").and(Face::Plain, format!(": {say} ({why})"));
    }
    let mut text = Text::of(verdict_face(fact.verdict), format!("  {}", fact.verdict.word())).and(Face::Plain, format!(": {say}"));
    if let Some(held) = fact.held {
        text = text.and(Face::Dim, format!(" (held for {:.1} s)", held.as_secs_f64()));
    }
    if !fact.events.is_empty() {
        let events: Vec<String> = fact.events.iter().map(u64::to_string).collect();
        let word = if events.len() == 1 { "event" } else { "events" };
        text = text.and(Face::Dim, format!(" ({word} {})", events.join(", ")));
    }
    text
}

/// A hint.
pub fn hint(view: &HintView) -> Doc {
    let which = format!("Hint {} of {}{}", view.level, view.of, if view.again { ", once more: there are no others" } else { "" });
    let doc = Doc::new().line(Text::of(Face::Dim, which)).then(markdown::parse(&view.text));
    let more = "What else helps: `:why` after a `:check`, `:reveal` shows the solution, `:skip` goes on without the step.";
    if view.again { doc.paragraph(markdown::inline(more)) } else { doc }
}

/// `:list`: the units that were asked for, and where in the whole course (`all`) they stand.
pub fn list(units: &[&UnitLine], all: &[UnitLine]) -> Doc {
    let mut table = Table { heads: ["", "id", "steps", "title"].map(str::to_owned).into(), rows: Vec::new() };
    for unit in units {
        let mark = if unit.current { ">" } else { "" };
        let done = unit.done >= unit.of && unit.of > 0;
        let progress = if done {
            Text::of(Face::Good, format!("{}/{} done", unit.done, unit.of))
        } else {
            format!("{}/{}", unit.done, unit.of).into()
        };
        let title = markdown::inline(&unit.title).and(Face::Dim, format!(" ({})", unit_note(unit)));
        // Several things may be missing for the same reason.
        let reasons: BTreeSet<&str> = unit.missing.iter().map(|(_, reason)| reason.as_str()).collect();
        let title =
            reasons.iter().fold(title, |title, reason| title.and(Face::Caution, " not here:").and(Face::Plain, format!(" {reason}")));
        table.rows.push(vec![mark.into(), Text::of(Face::Strong, unit.id.clone()), progress, title]);
    }
    let doc = if units.is_empty() { Doc::new().paragraph("There is none here.") } else { Doc::new().with(Block::Table(table)) };
    let doc = doc.paragraph(markdown::inline("`:goto ID` goes there. `>` is where you are."));
    if units.len() == all.len() {
        doc
    } else {
        doc.with(Block::Table(parts(all))).paragraph(markdown::inline("`:list PART` shows another part, `:list all` everything."))
    }
}

fn parts(all: &[UnitLine]) -> Table {
    let mut table = Table { heads: ["part", "lessons", "labs", "steps done"].map(str::to_owned).into(), rows: Vec::new() };
    for units in all.chunk_by(|one, other| part_of(&one.id) == part_of(&other.id)) {
        let labs = units.iter().filter(|unit| unit.lab).count();
        let (done, of) = units.iter().fold((0, 0), |(done, of), unit| (done + unit.done, of + unit.of));
        let numbers = [(units.len() - labs).to_string(), labs.to_string(), format!("{done}/{of}")];
        let name = Text::of(Face::Strong, part_of(&units[0].id).to_owned());
        table.rows.push([name].into_iter().chain(numbers.map(Text::from)).collect());
    }
    table
}

/// Below `:list`: the units that are not in it, with everything that is wrong with their files.
pub fn left_out(broken: &[Broken]) -> Doc {
    broken.iter().fold(Doc::new(), |doc, broken| {
        broken.problems.iter().fold(doc, |doc, problem| doc.line(left_out_line(&broken.id, &problem.to_string())))
    })
}

/// At the start: the same in short, so that the first step is not pushed out of sight.
pub fn left_out_shortly(broken: &[Broken]) -> Doc {
    let doc = broken.iter().fold(Doc::new(), |doc, broken| {
        let more = match broken.problems.len() {
            0 | 1 => String::new(),
            of => format!("; and {} more, see `:list`", of - 1),
        };
        let first = broken.problems.first().map(ToString::to_string).unwrap_or_default();
        doc.line(left_out_line(&broken.id, &format!("{first}{more}")))
    });
    if broken.is_empty() { doc } else { doc.paragraph("All other lessons and labs are there.") }
}

fn left_out_line(id: &str, why: &str) -> Text {
    Text::of(Face::Caution, "left out:").and(Face::Plain, " ").and(Face::Strong, id.to_owned()).and(Face::Plain, format!(": {why}"))
}

fn unit_note(unit: &UnitLine) -> String {
    let mut notes = Vec::new();
    notes.extend(unit.lab.then(|| "lab".to_owned()));
    notes.push(format!("{} min", unit.minutes));
    notes.extend((!unit.needs.is_empty()).then(|| format!("after {}", unit.needs.join(", "))));
    notes.join(", ")
}

fn state_word(state: StepState) -> &'static str {
    match state {
        StepState::Open => "open",
        StepState::Done => "done",
        StepState::Skipped => "skipped",
        StepState::Revealed => "revealed",
        StepState::NotHere => "not here",
    }
}

/// `:map`.
pub fn map(steps: &[MapLine]) -> Doc {
    let mut table = Table { heads: ["", "step", "state", "title"].map(str::to_owned).into(), rows: Vec::new() };
    for step in steps {
        let face = if step.state == StepState::Done { Face::Good } else { Face::Plain };
        let mark = if step.current { ">" } else { "" };
        table.rows.push(vec![
            mark.into(),
            Text::of(Face::Strong, step.id.clone()),
            Text::of(face, state_word(step.state)),
            markdown::inline(&step.title),
        ]);
    }
    Doc::new().with(Block::Table(table)).paragraph(markdown::inline("`:goto STEP` goes there. `>` is where you are."))
}

/// `:diff`.
pub fn diff(lines: &[DiffLine]) -> Doc {
    if lines.is_empty() {
        return Doc::new().line("Nothing differs from the world as the step began.");
    }
    lines.iter().fold(Doc::new(), |doc, line| {
        let face = match line.sign {
            '+' => Face::Good,
            '-' => Face::Bad,
            _ => Face::Caution,
        };
        let detail = if line.detail.is_empty() { String::new() } else { format!("  {}", line.detail) };
        // `file//srv`, as facts name it, is the kind and the name.
        let (kind, name) = line.what.split_once('/').unwrap_or(("", &line.what));
        let kind = match line.sort.as_deref() {
            Some("dir") => "folder",
            Some("char" | "block") => "device",
            Some(sort) => sort,
            None => kind,
        };
        let what = format!("{kind} {name}");
        doc.line(Text::of(face, line.sign.to_string()).and(Face::Plain, format!(" {what}{detail}")))
    })
}

/// The line after a command that changed the world; none when it did not.
pub fn effect(effect: &Effect) -> Option<Doc> {
    let mut parts: Vec<String> =
        effect.changes.iter().filter(|(_, by)| *by != 0).map(|(what, by)| format!("{by:+} {}", plural(what, *by))).collect();
    parts.extend(effect.turned.iter().map(|(name, from, to)| format!("{name}: {from} -> {to}")));
    (!parts.is_empty()).then(|| Doc::new().line(Text::of(Face::Dim, parts.join(" "))))
}

fn plural(what: &str, by: i64) -> String {
    match what {
        _ if by.abs() == 1 => what.to_owned(),
        _ if what.ends_with("ss") => format!("{what}es"),
        _ => format!("{what}s"),
    }
}

/// `:report`: where one stands.
pub fn report(view: &ReportView) -> Doc {
    let heads = ["unit", "steps", "points", "hints", "quiz", "note"].map(str::to_owned).into();
    let rows = view.units.iter().map(|unit| {
        let notes = [("skipped", unit.skipped), ("revealed", unit.revealed), ("not here", unit.not_here)];
        let notes: Vec<String> = notes.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
        let steps = format!("{}/{}", unit.done, unit.of);
        let points = format!("{}/{}", unit.points, unit.points_of);
        let quiz = if unit.quiz_of == 0 { String::new() } else { format!("{}/{}", unit.quiz_right, unit.quiz_of) };
        vec![
            Text::of(Face::Strong, unit.id.clone()),
            steps.into(),
            points.into(),
            unit.hints.to_string().into(),
            quiz.into(),
            notes.join(", ").into(),
        ]
    });
    // Rounded down: 100 % is all of it.
    let percent = (100 * view.done).checked_div(view.steps).unwrap_or(0);
    let whole = format!("{} of {} steps of the course are done ({percent}%).", view.done, view.steps);
    let mut doc = Doc::new()
        .with(Block::Table(Table { heads, rows: rows.collect() }))
        .paragraph(format!("{} of {} points.", view.points, view.of))
        .paragraph(whole);
    if !view.notes.is_empty() {
        doc = doc
            .heading(2, "Your notes")
            .with(Block::List(None, view.notes.iter().map(|note| Doc::new().paragraph(note.clone())).collect()));
    }
    doc
}
