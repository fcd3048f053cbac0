//! `compose logs`.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;

use super::follow::{self, Message, Printer, Reading};
use super::observed;
use super::scene::{self, Scene};
use crate::tools::docker::Session;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;
use crate::tools::docker::system::moment;

/// All of a log goes to standard output, as with the real tool: so that `| grep` finds what was written to standard error too.
const STDOUT: u8 = 1;

/// Shows it.
pub fn run(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let (api, (project, name)) = (scene.api()?, scene.project_or_name()?);
    let mut found = scene::containers(api, &name, project.as_ref(), &given.words)?;
    if let Some(index) = given.number("index").filter(|index| *index > 0) {
        if given.words.len() != 1 {
            return Err(Failure::new("--index requires one service to be selected"));
        }
        found.retain(|one| i64::from(one.number) == index);
    }
    let bound = |option: &str| given.text(option).filter(|text| !text.is_empty()).map(moment::asked).transpose();
    let reading = Reading {
        follow: given.on("follow"),
        tail: given.text_or_empty("tail").to_owned(),
        since: bound("since")?,
        until: bound("until")?,
        timestamps: given.on("timestamps"),
    };
    let names: Vec<String> = found.iter().map(|one| one.short_name().to_owned()).collect();
    let mut printer = Printer::new(scene.colours() && !given.on("no-color"), !given.on("no-log-prefix"), &names);
    if !reading.follow {
        for one in &found {
            follow::read(session, &one.id, &reading, &mut |_, line| printer.line(one.short_name(), STDOUT, &line))?;
        }
        return Ok(());
    }
    let (sender, messages) = channel();
    follow::listen(session, &name, &sender)?;
    let mut alive = BTreeSet::new();
    for one in &found {
        alive.insert(one.id.clone());
        follow::spawn(session, &one.id, reading.clone(), &sender)?;
    }
    while !alive.is_empty() {
        let Ok(message) = messages.recv() else { return Ok(()) };
        match message {
            Message::Line(id, _, line) => {
                if let Some(one) = found.iter().find(|one| one.id == id) {
                    printer.line(one.short_name(), STDOUT, &line);
                }
            }
            Message::Drained(id) => drop(alive.remove(&id)),
            // One that was there begins again where it stopped; a new one from its first line.
            Message::Started(id) if !alive.contains(&id) => {
                let again = found.iter().any(|one| one.id == id);
                if !again {
                    let meant = |one: &&observed::Container| one.id == id && (given.words.is_empty() || given.words.contains(&one.service));
                    let now = observed::containers(api, &name)?;
                    let Some(one) = now.iter().find(meant) else { continue };
                    found.push(one.clone());
                }
                let reading = Reading { tail: if again { "0".to_owned() } else { String::new() }, ..reading.clone() };
                alive.insert(id.clone());
                follow::spawn(session, &id, reading, &sender)?;
            }
            Message::Deaf => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}
