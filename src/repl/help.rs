//! `:help`, from the table of verbs.

use super::course_verbs::two_columns;
use super::desk::Answer;
use super::verbs::{self, VERBS, Verb};
use crate::ui::{Doc, Face, Text, fault, markdown};

/// How the prompt is used, besides the verbs.
const PROMPT: &str = "
A line without a colon goes to your own shell on the host `bench`, a machine of your own that you can break: `:reset` mends it. An empty line shows the step again.

- right arrow takes the grey suggestion, Tab completes, arrow up goes through what you typed before
- `@HOST line` types a line on another host
- Ctrl-C, Ctrl-Z and full-screen programs work as in any terminal; Ctrl-D leaves the innermost shell
- Ctrl-] while a program runs: one course command, such as `check`; twice, the key goes to the program
- the prompt `bench+1:/# ` means: one shell deeper; `[2]` in it: the last line ended with exit code 2
";

/// All verbs, or one.
pub fn answer(name: &str) -> Answer {
    if name.is_empty() {
        return Answer::of(all());
    }
    match verbs::find(name) {
        Some(verb) => Answer::of(one(verb)),
        None => {
            let hint = verbs::nearest(name).map_or("`:help` lists all".to_owned(), |verb| format!("did you mean `:{}`?", verb.name));
            Answer::with(fault::words(&format!("there is no course command `:{name}`"), Some(&hint)), 2)
        }
    }
}

fn all() -> Doc {
    let rows = VERBS.iter().map(|verb| [usage(verb), verb.about.into()]).collect();
    markdown::parse(PROMPT).with(two_columns(["command", "what it does"], rows))
}

fn one(verb: &Verb) -> Doc {
    let doc = Doc::new().line(usage(verb).and(Face::Plain, format!(": {}", verb.about)));
    if verb.more.is_empty() { doc } else { doc.paragraph(markdown::inline(verb.more)) }
}

fn usage(verb: &Verb) -> Text {
    let takes = if verb.takes.is_empty() { String::new() } else { format!(" {}", verb.takes) };
    Text::of(Face::Strong, format!(":{}{takes}", verb.name))
}
