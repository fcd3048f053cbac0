//! `:report WORDS`: a file that lets the authors see what the learner saw.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::course_verbs::place;
use crate::course::Session;
use crate::journal;

/// Events of the journal that go into a report.
const TAIL: usize = 200;

/// Writes the report; gives its path.
///
/// # Errors
/// The file could not be written.
pub fn write(session: &Session, words: &str) -> std::io::Result<PathBuf> {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let path = session.bottle().dir().join(format!("report-{seconds}.md"));
    std::fs::write(&path, text(session, words))?;
    Ok(path)
}

fn text(session: &Session, words: &str) -> String {
    let mut text = format!("# Report about {}\n\n{words}\n\n", place(session));
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(text, "- version: {}", env!("CARGO_PKG_VERSION"));
    for (name, reason) in session.bottle().abilities().iter() {
        let _ = writeln!(text, "- {name}: {}", reason.unwrap_or("yes"));
    }
    let events = journal::reader::read(session.bottle().journal()).unwrap_or_default();
    let _ = writeln!(text, "\nThe last {} of {} events:\n\n```", events.len().min(TAIL), events.len());
    for event in &events[events.len().saturating_sub(TAIL)..] {
        let _ = writeln!(text, "{}", serde_json::json!(event));
    }
    text.push_str("```\n");
    text
}
