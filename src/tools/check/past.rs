//! Whether a thing that is gone was there: an engine tells it in its events, as far back as it remembers.

use serde_json::{Value, json};

use crate::tools::docker::Asked;

/// The longest story that is read.
const LONGEST: usize = 16 << 20;

/// Whether the engine remembers the end of `TYPE/NAME`.
pub fn was_there(engine: &Asked, thing: &str) -> bool {
    let Some((sort, name)) = thing.split_once('/') else { return false };
    let action = if sort == "image" { ["untag", "delete"].as_slice() } else { &["destroy"] };
    let filters = json!({ "type": [sort], "event": action }).to_string();
    let now = jiff::Timestamp::now();
    let until = format!("{}.{:09}", now.as_second(), now.subsec_nanosecond());
    let told = engine.bytes("/events", &[("since", "0"), ("until", &until), ("filters", &filters)], LONGEST);
    let Ok(Some(told)) = told else { return false };
    let events = told.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    events.into_iter().any(|event| is_about(&event, name))
}

fn is_about(event: &Value, name: &str) -> bool {
    let actor = &event["Actor"];
    let names = [&actor["ID"], &actor["Attributes"]["name"]];
    names.iter().filter_map(|value| value.as_str()).any(|known| known == name || known == format!("{name}:latest"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_known_by_its_name_or_its_id() {
        let event = |id: &str, name: &str| json!({ "Actor": { "ID": id, "Attributes": { "name": name } } });
        assert!(is_about(&event("ab12", "web"), "web") && is_about(&event("rows", ""), "rows"));
        assert!(is_about(&event("sha256:1", "app:latest"), "app"));
        assert!(!is_about(&event("ab12", "web2"), "web"));
    }
}
