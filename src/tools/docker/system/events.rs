//! `docker events`.

use serde_json::{Value, json};

use super::moment;
use crate::template::{How, Missing, Template, Zero};
use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;
use crate::tools::docker::{Session, say};

/// Shows them until the engine, `--until` or the person ends it.
pub fn run(session: &Session, given: &Given) -> Result {
    let template = match given.text("format") {
        None | Some("") => None,
        Some("json") => Some("{{json .}}"),
        Some(format) => Some(format),
    };
    let template = template.map(Template::read).transpose();
    let template = template.map_err(|error| Failure::new(format!("Error parsing format: {error}")).code(64))?;
    // A template that asks for what no event has fails before anything is waited for.
    let how = How { zero, ..How::plain(Missing::Field("*events.Message")) };
    let raw = given.text("format").is_some_and(|format| format.trim() == "json" || format.trim() == "{{json .}}");
    if let Some(template) = &template {
        template.render(&named(&Value::Null), how).map_err(|(_, error)| Failure::new(format!("Error parsing format: {error}")).code(64))?;
    }
    let bound = |name: &str| given.text(name).map(moment::asked).transpose();
    let ask = Ask::get("/events").filters(given.all("filter")).maybe("since", bound("since")?).maybe("until", bound("until")?);
    let mut answer = session.api()?.ask(ask)?;
    while let Some(event) = answer.document()? {
        let text = match &template {
            Some(_) if raw => event.to_string(),
            Some(template) => template.render(&named(&event), how).map_err(|(_, error)| Failure::new(error))?,
            None => line(&event),
        };
        say(&(text + "\n"));
    }
    Ok(())
}

/// What an event does not say of the thing that it is about: that is a map, and each event fills in what it knows.
fn zero(holder: &str, _: &str) -> Option<Zero> {
    (holder == "Attributes").then_some(Zero { value: Value::Null, shown: "<no value>" })
}

/// An event with the names that Go has for its fields; without one, the event that says nothing.
fn named(event: &Value) -> Value {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let actor = &event["Actor"];
    json!({
        "Status": text("status"), "ID": text("id"), "From": text("from"), "Type": text("Type"), "Action": text("Action"), "Scope": text("scope"),
        "Actor": {"ID": actor["ID"].as_str().unwrap_or_default(), "Attributes": actor["Attributes"].as_object().cloned().unwrap_or_default()},
        "Time": event["time"].as_i64().unwrap_or(0), "TimeNano": event["timeNano"].as_i64().unwrap_or(0),
    })
}

/// Time, type, action, id, and in brackets whatever else is said of it.
fn line(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let time = match event["timeNano"].as_i64() {
        Some(nanoseconds) if nanoseconds != 0 => moment::nanoseconds(nanoseconds),
        _ => moment::nanoseconds(event["time"].as_i64().unwrap_or(0).saturating_mul(1_000_000_000)),
    };
    let mut line = format!("{time} {} {} {}", text("Type"), text("Action"), event["Actor"]["ID"].as_str().unwrap_or_default());
    let mut more: Vec<String> = event["Actor"]["Attributes"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    more.sort();
    if !more.is_empty() {
        line += &format!(" ({})", more.join(", "));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_does_not_say_is_no_mistake_of_the_format() {
        let shown = |format: &str, event: &Value| {
            Template::read(format).expect("a template").render(&named(event), How { zero, ..How::plain(Missing::Field("*events.Message")) })
        };
        let event = json!({"Type": "network", "Actor": {"ID": "1", "Attributes": {"name": "web"}}});
        let format = "{{.Type}} {{.Actor.Attributes.name}} {{.Actor.Attributes.image}}{{if .Actor.Attributes.image}}x{{end}}";
        assert_eq!(shown(format, &event).as_deref(), Ok("network web <no value>"));
        assert_eq!(shown(format, &Value::Null).as_deref(), Ok(" <no value> <no value>"), "before the first event comes");
        assert!(shown("{{.Actor.Nothing}}", &event).is_err());
    }
}
