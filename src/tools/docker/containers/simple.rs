//! Commands that ask one thing of one container, or of each of some.

use std::io::IsTerminal as _;

use serde_json::{Value, json};

use super::options;
use crate::oci::reference::Reference;
use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::{Failure, Result, each};
use crate::tools::docker::images::archives::{whole, writable};
use crate::tools::docker::images::in_path;
use crate::tools::docker::line::Given;
use crate::tools::docker::{Session, confirmed, say, system, warn};
use crate::ui::units;

fn path(name: &str, verb: &str) -> String {
    format!("/containers/{}{verb}", in_path(name.trim_matches('/')))
}

/// Asks `verb` of each container and prints its name.
pub fn each_of(session: &Session, given: &Given, verb: &str) -> Result {
    asked(session, given, verb, &|ask| ask)
}

fn asked(session: &Session, given: &Given, verb: &str, more: &dyn Fn(Ask<'_>) -> Ask<'_>) -> Result {
    each(&given.words, |name| {
        let path = path(name, &format!("/{verb}"));
        session.api()?.ask(more(Ask::post(&path)))?;
        say(&format!("{name}\n"));
        Ok(())
    })
}

fn stopping<'a>(ask: Ask<'a>, given: &Given) -> Ask<'a> {
    let seconds = given.number("timeout").or_else(|| given.number("time"));
    ask.maybe("signal", given.text("signal")).maybe("t", seconds.map(|seconds| seconds.to_string()))
}

/// `docker stop`.
pub fn stop(session: &Session, given: &Given) -> Result {
    asked(session, given, "stop", &|ask| stopping(ask, given))
}

/// `docker restart`.
pub fn restart(session: &Session, given: &Given) -> Result {
    asked(session, given, "restart", &|ask| stopping(ask, given))
}

/// `docker kill`.
pub fn kill(session: &Session, given: &Given) -> Result {
    asked(session, given, "kill", &|ask| ask.maybe("signal", given.text("signal")))
}

/// `docker rm`.
pub fn remove(session: &Session, given: &Given) -> Result {
    each(&given.words, |name| {
        if name.trim_matches('/').is_empty() {
            return Err(Failure::new("container name cannot be empty"));
        }
        let path = path(name, "");
        let ask = Ask::delete(&path).switch("v", given.on("volumes")).switch("link", given.on("link")).switch("force", given.on("force"));
        match session.api()?.ask(ask) {
            // Whoever forces wants it gone, and it is.
            Err(failure) if failure.is_absent() && given.on("force") => warn(&format!("{}\n", failure.message)),
            other => {
                other?;
                say(&format!("{name}\n"));
            }
        }
        Ok(())
    })
}

/// `docker wait`.
pub fn wait(session: &Session, given: &Given) -> Result {
    each(&given.words, |name| {
        let answer = session.api()?.json(Ask::post(&path(name, "/wait")))?;
        if let Some(why) = answer["Error"]["Message"].as_str().filter(|why| !why.is_empty()) {
            return Err(Failure::new(why));
        }
        say(&format!("{}\n", answer["StatusCode"].as_i64().unwrap_or(0)));
        Ok(())
    })
}

/// `docker rename`.
pub fn rename(session: &Session, given: &Given) -> Result {
    let (old, new) = (given.word(0).trim(), given.word(1).trim());
    if old.is_empty() || new.is_empty() {
        return Err(Failure::new("Error: Neither old nor new names may be empty"));
    }
    session
        .api()?
        .ask(Ask::post(&path(old, "/rename")).with("name", new))
        .map(drop)
        .map_err(|failure| Failure::new(format!("{}\nError: failed to rename container named {old}", failure.message)))
}

/// `docker top`.
pub fn top(session: &Session, given: &Given) -> Result {
    let ask_path = path(given.word(0), "/top");
    let wanted = given.words[1..].join(" ");
    let ask = Ask::get(&ask_path).maybe("ps_args", (!wanted.is_empty()).then_some(wanted));
    let answer = session.api()?.json(ask)?;
    let mut rows = vec![texts(&answer["Titles"])];
    rows.extend(answer["Processes"].as_array().into_iter().flatten().map(texts));
    // This table's columns are at least twenty wide.
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count() + 3).max().unwrap_or(0).max(20);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in &rows {
        let last = row.len().saturating_sub(1);
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(at, cell)| if at == last { (*cell).to_owned() } else { format!("{cell:<width$}", width = widths[at]) })
            .collect();
        say(&(cells.concat() + "\n"));
    }
    Ok(())
}

fn texts(cells: &Value) -> Vec<&str> {
    cells.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// `docker port`.
pub fn port(session: &Session, given: &Given) -> Result {
    let shown = session.api()?.json(Ask::get(&path(given.word(0), "/json")))?;
    let ports = shown["NetworkSettings"]["Ports"].as_object().cloned().unwrap_or_default();
    let places = |bindings: &Value| -> Vec<String> {
        let one = |binding: &Value| {
            let (address, port) = (binding["HostIp"].as_str().unwrap_or_default(), binding["HostPort"].as_str().unwrap_or_default());
            if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
        };
        bindings.as_array().into_iter().flatten().map(one).collect()
    };
    if let Some(wanted) = given.words.get(1) {
        let key = if wanted.contains('/') { wanted.clone() } else { format!("{wanted}/tcp") };
        let found = ports.get(&key).map(places).filter(|places| !places.is_empty());
        let found = found.ok_or_else(|| Failure::new(format!("Error: No public port '{wanted}' published for {}", given.word(0))))?;
        found.iter().for_each(|place| say(&format!("{place}\n")));
        return Ok(());
    }
    let mut lines: Vec<(u32, String)> = Vec::new();
    for (port, bindings) in &ports {
        let number = port.split('/').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        lines.extend(places(bindings).into_iter().map(|place| (number, format!("{port} -> {place}\n"))));
    }
    lines.sort();
    lines.iter().for_each(|(_, line)| say(line));
    Ok(())
}

/// `docker diff`.
pub fn diff(session: &Session, given: &Given) -> Result {
    if given.word(0).is_empty() {
        return Err(Failure::new("container name cannot be empty"));
    }
    let changes = session.api()?.json(Ask::get(&path(given.word(0), "/changes")))?;
    for change in changes.as_array().into_iter().flatten() {
        let kind = match change["Kind"].as_u64() {
            Some(1) => 'A',
            Some(2) => 'D',
            _ => 'C',
        };
        say(&format!("{kind} {}\n", change["Path"].as_str().unwrap_or_default()));
    }
    Ok(())
}

/// `docker export`.
pub fn export(session: &Session, given: &Given) -> Result {
    let place = given.text("output").filter(|place| !place.is_empty());
    if place.is_none() && std::io::stdout().is_terminal() {
        return Err(Failure::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
    }
    if let Some(place) = place {
        writable(place).map_err(|why| Failure::new(format!("failed to export container: {why}")))?;
    }
    let ask_path = path(given.word(0), "/export");
    let mut answer = session.api()?.ask(Ask::get(&ask_path))?;
    match place {
        Some(place) => whole(place, &mut |to| answer.copy(to)),
        None => answer.copy(&mut std::io::stdout().lock()),
    }
}

/// `docker commit`.
pub fn commit(session: &Session, given: &Given) -> Result {
    let mut ask = Ask::post("/commit").with("container", given.word(0));
    if let Some(name) = given.words.get(1) {
        let name = name.parse::<Reference>().map_err(|error| Failure::new(error.to_string()))?;
        if name.digest().is_some() {
            return Err(Failure::new("refusing to create a tag with a digest reference"));
        }
        let name = name.or_latest();
        ask = ask.with("repo", name.familiar_repository()).maybe("tag", name.tag().map(str::to_owned));
    }
    ask = ask.with("author", given.text_or_empty("author")).with("comment", given.text_or_empty("message"));
    for change in given.all("change") {
        ask = ask.with("changes", change.as_str());
    }
    ask = ask.with("pause", if given.still_on("pause") { "1" } else { "0" });
    let answer = session.api()?.json(ask.json(&Value::Null))?;
    say(&format!("{}\n", answer["Id"].as_str().unwrap_or_default()));
    Ok(())
}

/// `docker update`.
pub fn update(session: &Session, given: &Given) -> Result {
    let mut body = options::resources(given);
    if let Some(policy) = given.text("restart") {
        body["RestartPolicy"] = options::restart(policy).map_err(Failure::new)?;
    }
    if body == json!({}) {
        return Err(Failure::new("you must provide one or more flags when using this command"));
    }
    each(&given.words, |name| {
        let answer = session.api()?.json(Ask::post(&path(name, "/update")).json(&body))?;
        say(&format!("{name}\n"));
        answer["Warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).for_each(|warning| warn(&format!("{warning}\n")));
        Ok(())
    })
}

/// `docker container prune`.
pub fn prune(session: &Session, given: &Given) -> Result {
    if !given.on("force") && !confirmed("WARNING! This will remove all stopped containers.\nAre you sure you want to continue?") {
        return Ok(());
    }
    let bytes = system::prune_things(session, "/containers/prune", given.all("filter"), "ContainersDeleted", "Deleted Containers")?;
    say(&format!("Total reclaimed space: {}\n", units::precise(bytes)));
    Ok(())
}
