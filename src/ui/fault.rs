//! Errors for people: what was tried, why it failed, what to do.

use std::error::Error;

use super::view::{Block, Doc, Face, Text};

/// The lines `error:`, `cause:` (one for every cause that says something new) and `hint:`.
pub fn doc(error: &dyn Error, hint: Option<&str>) -> Doc {
    let mut said = error.to_string();
    let mut doc = Doc::new().with(line(Face::Bad, "error", &said));
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Many errors repeat their cause in their own words; once is enough.
        if !said.contains(&text) {
            doc = doc.with(line(Face::Strong, "cause", &text));
            said.push_str(&text);
        }
        cause = error.source();
    }
    match hint {
        Some(hint) => doc.with(line(Face::Strong, "hint", hint)),
        None => doc,
    }
}

/// An error that is only words.
pub fn words(error: &str, hint: Option<&str>) -> Doc {
    let doc = Doc::new().with(line(Face::Bad, "error", error));
    match hint {
        Some(hint) => doc.with(line(Face::Strong, "hint", hint)),
        None => doc,
    }
}

fn line(face: Face, label: &str, text: &str) -> Block {
    Block::Line(Text::of(face, format!("{label}:")).and(Face::Plain, format!(" {text}")))
}
