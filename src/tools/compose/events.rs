//! `compose events` and `compose wait`.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::observed::label;
use super::scene::{self, Scene};
use super::{down, work};
use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;
use crate::tools::docker::system::moment;
use crate::tools::docker::{Session, say};

/// `compose events`.
pub fn run(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let (api, (_, name)) = (scene.api()?, scene.project_or_name()?);
    let filters = [format!("label={}={name}", label::PROJECT), "type=container".to_owned()];
    let bound = |option: &str| given.text(option).filter(|text| !text.is_empty()).map(moment::asked).transpose();
    let ask = Ask::get("/events").filters(&filters).maybe("since", bound("since")?).maybe("until", bound("until")?);
    let mut answer = api.ask(ask)?;
    while let Some(event) = answer.document()? {
        let attributes = &event["Actor"]["Attributes"];
        let service = attributes[label::SERVICE].as_str().unwrap_or_default();
        let oneoff = attributes[label::ONEOFF].as_str() == Some("True");
        if oneoff || (!given.words.is_empty() && !given.words.iter().any(|word| word == service)) {
            continue;
        }
        say(&if given.on("json") { document(&event, service) } else { line(&event) });
    }
    Ok(())
}

/// Attributes that are no labels of Compose's own.
fn told(event: &Value) -> Vec<(String, String)> {
    let attributes = event["Actor"]["Attributes"].as_object().into_iter().flatten();
    let mut all: Vec<(String, String)> = attributes
        .filter(|(name, _)| !name.starts_with("com.docker.compose."))
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    all.sort();
    all
}

/// `2026-11-21 18:02:13.000000 container start ID (image=..., name=...)`.
fn line(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let more: Vec<String> = told(event).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let time = stamp(event);
    let time = time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
    format!("{time} {} {} {} ({})\n", text("Type"), text("Action"), event["Actor"]["ID"].as_str().unwrap_or_default(), more.join(", "))
}

fn stamp(event: &Value) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(event["timeNano"].as_i64().unwrap_or(0))).unwrap_or_default()
}

fn document(event: &Value, service: &str) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let attributes: serde_json::Map<String, Value> = told(event).into_iter().map(|(name, value)| (name, value.into())).collect();
    let time = moment::nanoseconds(event["timeNano"].as_i64().unwrap_or(0));
    let id = event["Actor"]["ID"].as_str().unwrap_or_default();
    let document = json!({
        "action": text("Action"), "attributes": attributes, "id": id, "service": service, "time": time, "type": text("Type"),
    });
    format!("{document}\n")
}

/// `compose wait`: ends with the code of the last container that has ended.
pub fn wait(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let (api, (project, name)) = (scene.api()?, scene.project_or_name()?);
    let found = scene::containers(api, &name, project.as_ref(), &given.words)?;
    if found.is_empty() {
        return Err(Failure::new(format!("no containers for project {name:?}")));
    }
    let code = Mutex::new(0);
    let first = given.on("down-project");
    let done = work::each(session, Some(found.len()), &found, &|session, one| {
        let answer = session.api()?.json(Ask::post(&format!("/containers/{}/wait", one.id)))?;
        let ended = answer["StatusCode"].as_i64().unwrap_or(0);
        say(&format!("container {:?} exited with status code {ended}\n", one.name));
        if let Ok(mut code) = code.lock() {
            *code = ended;
        }
        if first {
            // The first one ends the wait of the others: they end with the project.
            let all = Given::default();
            down::down(&session.another()?, &all)?;
        }
        Ok(())
    });
    done?;
    let code = code.into_inner().unwrap_or(0);
    if code == 0 { Ok(()) } else { Err(Failure::silent((code & 0xff) as u8)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_without_the_labels_of_compose() {
        let event = json!({
            "Type": "container", "Action": "start", "timeNano": 1_700_000_000_000_000_000_i64,
            "Actor": {"ID": "abc", "Attributes": {"name": "x-web-1", "image": "base:1", label::SERVICE: "web"}},
        });
        assert!(line(&event).ends_with(" container start abc (image=base:1, name=x-web-1)\n"), "{}", line(&event));
        let told: Value = serde_json::from_str(&document(&event, "web")).unwrap();
        assert_eq!((&told["service"], &told["attributes"]), (&"web".into(), &json!({"image": "base:1", "name": "x-web-1"})));
    }
}
