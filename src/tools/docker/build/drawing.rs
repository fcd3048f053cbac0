//! What our engine tells of a build, as events for what draws builds.

use std::collections::HashMap;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::build::events::{Event, Listener as _};
use crate::build::progress::{Printer, Style};
use crate::tools::docker::api::Answer;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::{say, warn};

/// Draws a build on standard error, and gives the id of its image.
///
/// # Errors
/// The build fails; the words are the builder's.
pub fn draw(answer: &mut Answer<'_>, style: Style, id: &mut String) -> Result {
    let printer = Printer::new(style, Box::new(std::io::stderr()));
    let mut known = Known::default();
    while let Some(document) = answer.document()? {
        if let Some(text) = document["stream"].as_str() {
            say(text);
        }
        if let Some(image) = document["aux"]["ID"].as_str() {
            image.clone_into(id);
        }
        if let Some(message) = document["errorDetail"]["message"].as_str() {
            printer.finish(true);
            warn(&known.explained);
            return Err(Failure::new(message));
        }
        known.events(&document["bottleship"]).into_iter().for_each(|event| printer.tell(event));
    }
    printer.finish(false);
    warn(&known.explained);
    if matches!(style, Style::Plain | Style::Screen(_)) {
        warn(&known.warned());
    }
    Ok(())
}

/// Vertices by the names that they have on the wire.
#[derive(Default)]
struct Known {
    numbers: HashMap<String, (usize, Instant)>,
    warnings: Vec<String>,
    /// What the cache did, if that was asked for.
    explained: String,
}

impl Known {
    fn events(&mut self, document: &Value) -> Vec<Event> {
        self.explained.push_str(document["explanation"].as_str().unwrap_or_default());
        let list = |key: &str| document[key].as_array().cloned().unwrap_or_default();
        let mut events: Vec<Event> = list("vertexes").iter().flat_map(|vertex| self.vertex(vertex)).collect();
        for status in list("statuses") {
            if let Some((number, _)) = self.of(&status["vertex"]) {
                events.push(Event::Status(number, status["id"].as_str().unwrap_or_default().to_owned()));
            }
        }
        for log in list("logs") {
            let bytes = STANDARD.decode(log["data"].as_str().unwrap_or_default()).unwrap_or_default();
            events.extend(self.of(&log["vertex"]).map(|(number, began)| Event::Log(number, began.elapsed(), bytes)));
        }
        for warning in list("warnings") {
            let bytes = STANDARD.decode(warning["short"].as_str().unwrap_or_default()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if !self.warnings.contains(&text) {
                self.warnings.push(text);
            }
        }
        events
    }

    fn of(&self, digest: &Value) -> Option<(usize, Instant)> {
        self.numbers.get(digest.as_str()?).copied()
    }

    fn vertex(&mut self, vertex: &Value) -> Vec<Event> {
        let digest = vertex["digest"].as_str().unwrap_or_default();
        let mut events = Vec::new();
        let next = self.numbers.len() + 1;
        let (number, began) = *self.numbers.entry(digest.to_owned()).or_insert_with(|| {
            events.push(Event::Begun(next, vertex["name"].as_str().unwrap_or_default().to_owned()));
            (next, Instant::now())
        });
        if !vertex["completed"].is_null() {
            events.push(match vertex["error"].as_str() {
                Some("context canceled") => Event::Canceled(number),
                Some(why) => Event::Failed(number, why.to_owned()),
                None if vertex["cached"] == true => Event::Cached(number),
                None => Event::Done(number, began.elapsed()),
            });
        }
        events
    }

    /// What stands below a build with warnings.
    fn warned(&self) -> String {
        let count = match self.warnings.len() {
            0 => return String::new(),
            1 => "1 warning".to_owned(),
            several => format!("{several} warnings"),
        };
        let lines: String = self.warnings.iter().map(|warning| format!(" - {warning}\n")).collect();
        format!("\n {count} found (use --check to expand):\n{lines}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_become_events() {
        let mut known = Known::default();
        let begun = known.events(&json!({"vertexes": [{"digest": "a", "name": "one", "started": "x"}]}));
        assert_eq!(begun, [Event::Begun(1, "one".to_owned())]);
        let logged = known.events(&json!({"logs": [{"vertex": "a", "data": "aGk="}, {"vertex": "unknown", "data": "aGk="}]}));
        assert!(matches!(&logged[..], [Event::Log(1, _, bytes)] if bytes == b"hi"), "{logged:?}");
        let ended = known.events(&json!({"vertexes": [{"digest": "a", "completed": "x", "cached": true}, {"digest": "b", "name": "two", "completed": "x", "error": "why"}]}));
        assert_eq!(ended, [Event::Cached(1), Event::Begun(2, "two".to_owned()), Event::Failed(2, "why".to_owned())]);
        known.events(&json!({"warnings": [{"short": STANDARD.encode("Rule: text (line 1)")}]}));
        assert!(known.warned().contains("1 warning found") && known.warned().contains(" - Rule: text (line 1)\n"));
    }
}
