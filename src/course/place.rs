//! The world of a unit: a bottle, set up as the unit says, with the learner's shell in it.

use std::borrow::Cow;
use std::time::Duration;

use super::error::Error;
use super::library::{Course, Entry};
use super::session::Options;
use super::text::fill;
use super::unit::{Start, Unit};
use super::world;
use crate::bottle::shell::{Ready, Shell, Size};
use crate::bottle::{self, Bottle, Host, Run, Running, Spec};
use crate::kernel::poll;

/// How long one command of a set-up may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a program may take until its `ready` command succeeds.
const READY: Duration = Duration::from_secs(10);
/// The host that the learner's shell is on.
pub const BENCH: &str = "bench";

/// A world and what runs in it for the course. The shell and the programs end before the bottle does: field order is drop order.
pub struct Place {
    pub shell: Shell,
    /// How the shell waited last, as far as the course knows.
    pub ready: Ready,
    /// Programs of the set-up.
    _started: Vec<Running>,
    pub bottle: Bottle,
}

impl Place {
    /// Boots a bottle called `name` and sets it up.
    ///
    /// # Errors
    /// The bottle did not boot, or a command of the set-up failed.
    pub fn make(course: &Course, entry: &Entry, unit: &Unit, options: &Options, name: &str) -> Result<Place, Error> {
        let mut spec = Spec { name: name.to_owned(), ..options.bottle.clone() };
        for host in &unit.world.hosts {
            if !spec.hosts.contains(host) {
                spec.hosts.push(host.clone());
            }
        }
        // A fresh world: what an earlier one of this name left on the disk is not part of it. The learner's history is in the progress.
        match bottle::doctor::set_aside(name) {
            Ok(()) | Err(bottle::Error::NoBottle { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // What was set aside is removed by the keeper of the next world. Where there is none, by us.
        let bottle = Bottle::boot(&spec).inspect_err(|_| bottle::doctor::empty_the_bin())?;
        // What a unit needs and this machine lacks its set-up lacks too. Such a unit says so and is not worked on.
        let possible = bottle.abilities().missing(&unit.world.needs).is_empty();
        if possible && !(unit.setup.is_empty() && unit.start.is_empty()) {
            bottle.await_hosts()?;
        }
        let started = if possible { set_up(course, entry, unit, bottle.host(BENCH)?)? } else { Vec::new() };
        let (shell, ready) = Shell::start(bottle.host(BENCH)?, options.size.unwrap_or(Size { columns: 80, rows: 24 }))?;
        Ok(Place { shell, ready, _started: started, bottle })
    }
}

fn set_up(course: &Course, entry: &Entry, unit: &Unit, host: &Host) -> Result<Vec<Running>, Error> {
    for (from, to) in &unit.place {
        let file = course.placed(entry, from)?;
        host.write_file(to, &placed(&file.content, unit), if file.executable { 0o755 } else { 0o644 })?;
    }
    for command in &unit.setup {
        let answer = world::run_for(host, command, poll::stretched(PATIENCE))?;
        if answer["code"] != 0 {
            let said = if answer["late"] == true { "took too long".to_owned() } else { super::judge::plain(&answer["text"]) };
            return Err(Error::Setup { unit: unit.id.clone(), command: command.lines().next().unwrap_or_default().to_owned(), said });
        }
    }
    unit.start.iter().map(|start| begin(unit, start, host)).collect()
}

/// A file as it is placed: a text has its parameters filled in, anything else stays as it is.
fn placed<'f>(content: &'f [u8], unit: &Unit) -> Cow<'f, [u8]> {
    std::str::from_utf8(content).map_or(Cow::Borrowed(content), |text| Cow::Owned(fill(text, &unit.drawn).into_bytes()))
}

fn begin(unit: &Unit, start: &Start, host: &Host) -> Result<Running, Error> {
    let run = Run {
        argv: vec!["bash".to_owned(), "-c".to_owned(), format!("exec </dev/null >/dev/null 2>&1\n{}", start.run)],
        cwd: "/root".to_owned(),
        ..Run::default()
    };
    let running = host.spawn(&run)?;
    let Some(ready) = &start.ready else { return Ok(running) };
    let mut said = String::new();
    let waited = poll::until("a program of the set-up", poll::stretched(READY), || {
        let answer = world::run(host, ready).unwrap_or_default();
        said = super::judge::plain(&answer["text"]);
        Ok(answer["code"] == 0)
    });
    match waited {
        Ok(()) => Ok(running),
        Err(_) => Err(Error::Setup { unit: unit.id.clone(), command: start.name.clone(), said: format!("was not ready in time: {said}") }),
    }
}
