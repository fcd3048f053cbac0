//! `up` in the foreground: what services write, who is alive, Ctrl-C.
//!
//! ```text
//!  logs of web-1 ─┐
//!  logs of db-1  ─┤
//!  events        ─┼── messages ──> loop: prints, counts who is alive, aborts, stops
//!  Ctrl-C        ─┤
//!  start         ─┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::signal::unix::{SignalKind, signal};

use super::follow::{Message, Printer, Reading, listen, spawn};
use super::observed::{self, Container};
use super::scene::Scene;
use super::{down, watch};
use crate::compose::types::Project;
use crate::tools::docker::Session;
use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::say;
use crate::tools::docker::system::moment;

/// Tells of Ctrl-C from now on, instead of ending by it.
fn catch(to: &Sender<Message>) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        // The handlers are there when this returns.
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let to = to.clone();
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if to.send(Message::Interrupt).is_err() {
                    return;
                }
            }
        });
    });
    Ok(())
}

/// What ends all when one ends.
#[derive(Debug, Default)]
pub struct OnExit {
    /// Any end.
    pub any: bool,
    /// An end with an error.
    pub failure: bool,
    /// The service whose code is that of the whole.
    pub code_from: Option<String>,
}

/// What `up` in the foreground looks at.
pub struct Followed {
    /// The project.
    pub project: String,
    /// Its services that are up.
    pub services: BTreeSet<String>,
    /// Those whose output is shown.
    pub shown: BTreeSet<String>,
    /// Names in colours.
    pub colours: bool,
    /// Names in front of lines.
    pub prefixes: bool,
    /// Times in front of lines.
    pub timestamps: bool,
    /// What ends all when one ends.
    pub on_exit: OnExit,
    /// Seconds before a container that stops is killed.
    pub timeout: Option<i64>,
}

/// A container in the loop.
struct Alive {
    name: String,
    service: String,
    shown: bool,
    /// Whether everything that it wrote was printed.
    drained: bool,
    /// How it ended.
    died: Option<i64>,
    /// Whether it runs, as far as we heard.
    up: bool,
    /// Whether we have heard of its start, or it ran already.
    heard: bool,
    /// It runs again already, and what it wrote before is not all printed.
    again: bool,
    /// The next follower reads from this moment on.
    since: Option<String>,
}

struct Loop<'a> {
    scene: &'a Scene<'a>,
    followed: &'a Followed,
    known: BTreeMap<String, Alive>,
    printer: Printer,
    sender: Sender<Message>,
    begun: bool,
    aborting: bool,
    /// How often somebody has pressed Ctrl-C.
    interrupts: usize,
    code: Option<i64>,
    code_from: Option<String>,
}

/// Shows what `start` starts, until all of it has ended or somebody ends it.
///
/// # Errors
/// It does not start; or the code of a container is that of the whole.
pub fn up(
    scene: &Scene<'_>,
    followed: &Followed,
    names: &BTreeMap<String, String>,
    start: &(dyn Fn(&Scene<'_>) -> Result + Sync),
    sources: Option<&Project>,
) -> Result {
    let api = scene.api()?;
    let (sender, messages) = channel();
    let found: Vec<Container> = observed::containers(api, &followed.project)?;
    let mut own = Loop {
        scene,
        followed,
        known: BTreeMap::new(),
        printer: Printer::new(followed.colours, followed.prefixes, &[]),
        sender: sender.clone(),
        begun: false,
        aborting: false,
        interrupts: 0,
        code: None,
        code_from: followed.on_exit.code_from.clone(),
    };
    for one in found.iter().filter(|one| !one.oneoff && followed.services.contains(&one.service)) {
        own.know(one)?;
    }
    let mut attached: Vec<String> =
        own.known.iter().filter(|(id, one)| one.shown && names.contains_key(*id)).map(|(_, one)| one.name.clone()).collect();
    attached.sort();
    own.printer = Printer::new(followed.colours, followed.prefixes, &attached);
    listen(scene.session, &followed.project, &sender)?;
    catch(&sender)?;
    say(&format!("Attaching to {}\n", attached.join(", ")));
    for one in found.iter().filter(|one| ["running", "paused", "restarting"].contains(&one.state.as_str())) {
        own.follow(&one.id, true)?;
    }
    if let Some(project) = sources {
        watch::spawn(scene, project)?;
    }
    std::thread::scope(|scope| {
        let begins = sender.clone();
        // Nobody may listen any more.
        scope.spawn(move || drop(begins.send(Message::Begun(start(scene)))));
        own.run(scope, &messages, names)
    })
}

impl<'a> Loop<'a> {
    /// A container of the project.
    fn know(&mut self, one: &Container) -> Result {
        let since = if one.is_running() || one.state == "created" { None } else { ended_at(self.scene.session, &one.id)? };
        let alive = Alive {
            name: one.short_name().to_owned(),
            service: one.service.clone(),
            shown: self.followed.shown.contains(&one.service),
            drained: true,
            died: None,
            up: false,
            heard: false,
            again: false,
            since,
        };
        self.known.insert(one.id.clone(), alive);
        Ok(())
    }

    /// Begins to follow a container; `ran`: it ran before, and only what comes now counts.
    fn follow(&mut self, id: &str, ran: bool) -> Result {
        let Some(one) = self.known.get_mut(id) else { return Ok(()) };
        one.up = true;
        one.heard = true;
        one.died = None;
        one.drained = !one.shown;
        if one.shown {
            let tail = if ran { "0".to_owned() } else { String::new() };
            let reading = Reading { follow: true, tail, since: one.since.clone(), until: None, timestamps: self.followed.timestamps };
            spawn(self.scene.session, id, reading, &self.sender)?;
        }
        Ok(())
    }

    /// Everything was started. What we have not heard of yet has its news under way.
    fn begun(&mut self, all: bool, names: &BTreeMap<String, String>) {
        self.begun = true;
        for (_, one) in self.known.iter_mut().filter(|(id, one)| all && names.contains_key(*id) && !one.heard) {
            one.up = true;
        }
    }

    fn run<'s>(&mut self, scope: &'s std::thread::Scope<'s, '_>, messages: &Receiver<Message>, names: &BTreeMap<String, String>) -> Result
    where
        'a: 's,
    {
        while let Ok(message) = messages.recv() {
            match message {
                Message::Line(id, stream, line) => {
                    if let Some(one) = self.known.get(&id).filter(|_| !self.aborting) {
                        self.printer.line(&one.name, stream, &line);
                    }
                }
                Message::Started(id) => self.started(&id)?,
                Message::Drained(id) => {
                    if let Some(one) = self.known.get_mut(&id) {
                        one.drained = true;
                    }
                    self.ended(scope, &id)?;
                }
                Message::Died(id, code, nanoseconds) => {
                    if let Some(one) = self.known.get_mut(&id) {
                        one.died = Some(code);
                        one.since = Some(format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000));
                    }
                    self.ended(scope, &id)?;
                }
                Message::Interrupt => self.interrupted(scope),
                Message::Begun(Err(failure)) if !self.aborting => return Err(failure),
                Message::Begun(done) => self.begun(done.is_ok(), names),
                Message::Deaf => return Err(Failure::new("the engine has closed its events: is it still there?")),
                Message::Stopped(done) => {
                    if self.interrupts > 0 {
                        return Err(Failure::silent(130));
                    }
                    done?;
                }
            }
            if self.begun && self.is_over() {
                return self.outcome();
            }
        }
        self.outcome()
    }

    /// Nobody whose output is shown runs any more. While everything is stopped that is not yet the end.
    fn is_over(&self) -> bool {
        let left = |one: &&Alive| if self.aborting { one.up } else { one.up && (one.shown || self.followed.shown.is_empty()) };
        self.interrupts == 0 && !self.known.values().any(|one| left(&one))
    }

    fn outcome(&self) -> Result {
        match self.code.unwrap_or(0) {
            0 => Ok(()),
            code => Err(Failure::silent((code & 0xff) as u8)),
        }
    }

    fn started(&mut self, id: &str) -> Result {
        if !self.known.contains_key(id) {
            // One that somebody else has made meanwhile, or that was made anew.
            let found = observed::containers(self.scene.api()?, &self.followed.project)?;
            let Some(one) = found.iter().find(|one| one.id == id && !one.oneoff && self.followed.services.contains(&one.service)) else {
                return Ok(());
            };
            self.know(one)?;
        }
        if let Some(one) = self.known.get_mut(id).filter(|one| one.died.is_some()) {
            one.again = true;
            return Ok(());
        }
        self.follow(id, false)
    }

    /// A container has ended and all of its lines are printed: says so, and does what is wanted then.
    fn ended<'s>(&mut self, scope: &'s std::thread::Scope<'s, '_>, id: &str) -> Result
    where
        'a: 's,
    {
        let Some(one) = self.known.get_mut(id) else { return Ok(()) };
        let Some(code) = one.died.filter(|_| one.drained) else { return Ok(()) };
        one.died = None;
        let follow = std::mem::take(&mut one.again);
        let again = follow || restarts(self.scene.session, id)?;
        one.up = again;
        let (name, service, shown) = (one.name.clone(), one.service.clone(), one.shown);
        if !self.aborting && shown {
            let more = if again { " (restarting)" } else { "" };
            self.printer.status(&name, &format!("exited with code {code}{more}"));
        }
        if again {
            return if follow { self.follow(id, false) } else { Ok(()) };
        }
        let cascades = self.followed.on_exit.any || (self.followed.on_exit.failure && code != 0);
        if !(cascades || self.aborting) {
            return Ok(());
        }
        if self.followed.on_exit.any || self.followed.on_exit.failure {
            let from = self.code_from.get_or_insert_with(|| service.clone());
            if *from == service && self.code.is_none() {
                self.code = Some(code);
            }
        }
        if !self.aborting {
            self.aborting = true;
            say("Aborting on container exit...\n");
            self.stop(scope);
        }
        Ok(())
    }

    fn stop<'s>(&self, scope: &'s std::thread::Scope<'s, '_>)
    where
        'a: 's,
    {
        let (scene, followed, sender) = (self.scene, self.followed, self.sender.clone());
        scope.spawn(move || {
            let done = down::stop_all(scene, &followed.project, &followed.services, followed.timeout);
            // Nobody may listen any more.
            let _ = sender.send(Message::Stopped(done));
        });
    }

    /// The first Ctrl-C stops, the second kills.
    fn interrupted<'s>(&mut self, scope: &'s std::thread::Scope<'s, '_>)
    where
        'a: 's,
    {
        self.interrupts += 1;
        match self.interrupts {
            1 => {
                self.aborting = true;
                say("Gracefully stopping... (press Ctrl+C again to force)\n");
                self.stop(scope);
            }
            2 => {
                let (scene, followed) = (self.scene, self.followed);
                // What cannot be killed has ended; the stop that goes on tells the rest.
                scope.spawn(move || drop(down::kill_all(scene, &followed.project, &followed.services, "SIGKILL")));
            }
            _ => {}
        }
    }
}

/// Whether a container that has ended runs again, or will.
fn restarts(session: &Session, id: &str) -> Result<bool> {
    match session.api()?.json(Ask::get(&format!("/containers/{id}/json"))) {
        Ok(shown) => Ok(shown["State"]["Running"] == true || shown["State"]["Restarting"] == true),
        Err(failure) if failure.is_absent() => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// When a container has ended the last time, as the API takes moments.
fn ended_at(session: &Session, id: &str) -> Result<Option<String>> {
    let shown = session.api()?.json(Ask::get(&format!("/containers/{id}/json")))?;
    let at = shown["State"]["FinishedAt"].as_str().filter(|at| !at.starts_with("0001-"));
    at.map(moment::asked).transpose()
}
