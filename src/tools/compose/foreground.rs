//! `up` in the foreground: what services write, who is alive, Ctrl-C.
//!
//! ```text
//!  logs of web-1 ─┐
//!  logs of db-1  ─┤
//!  events        ─┼── messages ──> loop: prints, counts who is alive, aborts, stops
//!  Ctrl-C        ─┤
//!  start         ─┘
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    pub project: Project,
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

/// What happens to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Started,
    /// With this code.
    Died(i64),
}

/// A container in the loop.
struct Alive {
    name: String,
    service: String,
    shown: bool,
    /// Whether its follower has read all until an end.
    drained: bool,
    /// What was heard of it and not yet acted upon: an end waits until everything written before it is printed.
    news: VecDeque<News>,
    /// Whether it runs, as far as we heard.
    up: bool,
    /// Whether we have heard of its start, or it ran already.
    heard: bool,
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
    let found: Vec<Container> = observed::containers(api, &followed.project.name)?;
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
    listen(scene.session, &followed.project.name, &sender)?;
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
            news: VecDeque::new(),
            up: false,
            heard: false,
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
        one.drained = !one.shown;
        if one.shown {
            let tail = if ran { "0".to_owned() } else { String::new() };
            let reading = Reading { follow: true, tail, since: one.since.clone(), until: None, timestamps: true };
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
                Message::Line(id, stream, line) => self.line(&id, stream, &line),
                Message::Started(id) => {
                    self.learn(&id)?;
                    self.hear(scope, &id, News::Started)?;
                }
                Message::Died(id, code) => self.hear(scope, &id, News::Died(code))?,
                Message::Drained(id) => {
                    if let Some(one) = self.known.get_mut(&id) {
                        one.drained = true;
                    }
                    self.advance(scope, &id)?;
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

    /// A line with its time in front; the next follower goes on behind it.
    fn line(&mut self, id: &str, stream: u8, line: &str) {
        let Some(one) = self.known.get_mut(id) else { return };
        let (time, text) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(next) = behind(time) {
            one.since = Some(next);
        }
        if !self.aborting {
            self.printer.line(&one.name, stream, if self.followed.timestamps { line } else { text });
        }
    }

    /// A container that somebody else has made meanwhile, or that was made anew.
    fn learn(&mut self, id: &str) -> Result {
        if !self.known.contains_key(id) {
            let found = observed::containers(self.scene.api()?, &self.followed.project.name)?;
            if let Some(one) = found.iter().find(|one| one.id == id && !one.oneoff && self.followed.services.contains(&one.service)) {
                self.know(one)?;
            }
        }
        Ok(())
    }

    fn hear<'s>(&mut self, scope: &'s std::thread::Scope<'s, '_>, id: &str, news: News) -> Result
    where
        'a: 's,
    {
        if let Some(one) = self.known.get_mut(id) {
            one.news.push_back(news);
        }
        self.advance(scope, id)
    }

    /// Acts upon what was heard of a container, as far as its lines are printed.
    fn advance<'s>(&mut self, scope: &'s std::thread::Scope<'s, '_>, id: &str) -> Result
    where
        'a: 's,
    {
        while let Some(one) = self.known.get_mut(id) {
            match one.news.front() {
                Some(News::Started) => {
                    one.news.pop_front();
                    self.follow(id, false)?;
                }
                Some(News::Died(code)) if one.drained => {
                    let code = *code;
                    one.news.pop_front();
                    self.ended(scope, id, code)?;
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// A container has ended and all of its lines are printed: says so, and does what is wanted then.
    fn ended<'s>(&mut self, scope: &'s std::thread::Scope<'s, '_>, id: &str, code: i64) -> Result
    where
        'a: 's,
    {
        let Some(one) = self.known.get_mut(id) else { return Ok(()) };
        let again = one.news.contains(&News::Started) || restarts(self.scene.session, id)?;
        one.up = again;
        let (name, service, shown) = (one.name.clone(), one.service.clone(), one.shown);
        if !self.aborting && shown {
            let more = if again { " (restarting)" } else { "" };
            self.printer.status(&name, &format!("exited with code {code}{more}"));
        }
        let cascades = self.followed.on_exit.any || (self.followed.on_exit.failure && code != 0);
        if again || !(cascades || self.aborting) {
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
                scope.spawn(move || drop(down::kill_all(scene, &followed.project.name, &followed.services, "SIGKILL")));
            }
            _ => {}
        }
    }
}

/// The moment behind a line's time, as the API takes moments.
fn behind(time: &str) -> Option<String> {
    let stamp: jiff::Timestamp = time.parse().ok()?;
    let next = stamp.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
    Some(format!("{}.{:09}", next.as_second(), next.subsec_nanosecond()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_follower_goes_on_behind_the_last_line() {
        assert_eq!(behind("1970-01-01T00:00:01.999999999Z").as_deref(), Some("2.000000000"));
        assert_eq!(behind("no time"), None);
    }
}
