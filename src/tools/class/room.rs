//! `bottleship class serve`, `class join`, `class leave`: a room that an instructor watches, and that learners join if they want.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::super::listing;
use crate::bottle;
use crate::course::Error;
use crate::course::room::{self, Change, Code, Joined, Learner, Presence, Room, Server};
use crate::kernel::{self, fs, pty};

/// Where a room listens if nobody says otherwise.
const USUAL: &str = "0.0.0.0:7791";
/// What the code is kept in, so that learners find a room again that was closed.
const KEPT: &str = "class-room";
/// So often the times in the table are made new.
const TICK: Duration = Duration::from_secs(1);

pub(super) fn serve_command() -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new("serve")
        .about("Open a room: see where the learners are who join it, until Ctrl-C")
        .long_about(format!(
            "Opens a room and prints its address and its code. Whoever runs `bottleship class join ADDRESS CODE` is then seen in it: {}\n\
             On a terminal a table is drawn anew with every change; elsewhere, or with --plain, each change is a line. Nothing is kept but the code, so that \
             learners find the room again when it was closed for a while.",
            room::SENT
        ))
        .arg(Arg::new("listen").long("listen").value_name("ADDRESS:PORT").default_value(USUAL).help("Where to listen; port 0 takes any that is free"))
        .arg(Arg::new("name").long("name").value_name("ROOM").default_value("class").help("What learners read of where they are"))
        .arg(flag("new-code", "Do not take the code of last time: who joined then has to join again"))
        .arg(flag("plain", "A line for each change, no table"))
        .arg(flag("json", "The same as JSON: first the room, then an object for each change"))
}

pub(super) fn join_command() -> Command {
    Command::new("join")
        .about("Let an instructor see your progress, until you leave")
        .long_about(format!(
            "Joins a room: from now on every prompt of yours tells it {}\nYou are a number there unless you give a name. `bottleship class leave`, or `:class leave` \
             at the prompt, ends it. Your work never waits for the room.",
            room::SENT
        ))
        .arg(Arg::new("ADDRESS").required(true).help("The room's address, as in 192.168.1.5:7791"))
        .arg(Arg::new("CODE").required(true).help("The room's code"))
        .arg(Arg::new("as").long("as").value_name("NAME").help("A name to be seen by"))
        .arg(Arg::new("yes").long("yes").short('y').action(ArgAction::SetTrue).help("Do not ask"))
}

pub(super) fn leave_command() -> Command {
    Command::new("leave").about("Leave the room that `class join` joined")
}

fn refused(why: String, hint: &str) -> Error {
    Error::NotNow { why, hint: hint.to_owned() }
}

fn address(text: &str) -> Result<SocketAddr, Error> {
    text.parse().map_err(|_| {
        refused(format!("`{text}` is no address of a room"), "an address and a port, as in `192.168.1.5:7791` or `[::1]:7791`")
    })
}

pub(super) fn join(arguments: &ArgMatches) -> Result<u8, Error> {
    let text = |name: &str| arguments.get_one::<String>(name).map_or("", String::as_str);
    let code: Code = text("CODE").parse().map_err(|why| refused(why, "the instructor's screen shows it"))?;
    let name = match arguments.get_one::<String>("as") {
        Some(given) => Some(room::name_of(given).ok_or_else(|| refused(format!("`{given:?}` is no name"), "letters that can be shown"))?),
        None => None,
    };
    let mut joined = Joined::new(address(text("ADDRESS"))?, &code, name);
    let state = bottle::state_root();
    if let Some(before) = Joined::read(&state) {
        // In the same room it is the same learner.
        if before.address == joined.address {
            (joined.id, joined.number) = (before.id, before.number);
        } else {
            return Err(refused(format!("you are in the room `{}` at {}", before.room, before.address), "`bottleship class leave` first"));
        }
    }
    let seen_as = joined.name.as_ref().map_or_else(|| "as a number".to_owned(), |name| format!("as `{name}`"));
    println!("Who watches the room at {} will see, {seen_as}: {}", joined.address, room::SENT);
    if !arguments.get_flag("yes") && !asked()? {
        println!("Not joined.");
        return Ok(1);
    }
    room::try_out(&mut joined).map_err(|why| refused(why, "is the address right, is the room open, is the code this room's?"))?;
    joined.keep(&state)?;
    println!("You are learner {} in the room `{}`. `bottleship class leave` ends it.", joined.number.unwrap_or(0), joined.room);
    Ok(0)
}

/// Whether a person says yes.
fn asked() -> Result<bool, Error> {
    if !io::stdin().is_terminal() {
        return Err(refused("there is nobody to ask whether you want that".to_owned(), "`--yes` says it"));
    }
    print!("Join? [y/N] ");
    // A terminal that is gone reads as no.
    let _ = io::stdout().flush();
    let mut answer = String::new();
    // The same.
    let _ = io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

pub(super) fn leave() -> Result<u8, Error> {
    let state = bottle::state_root();
    let Some(joined) = Joined::read(&state) else {
        return Err(refused("you are in no room".to_owned(), "`bottleship class join ADDRESS CODE` joins one"));
    };
    // First the file: no prompt tells anything more, whether the room is there or not.
    Joined::forget(&state)?;
    match room::leave(&joined) {
        Ok(()) => println!("You have left the room `{}`.", joined.room),
        Err(why) => println!("You have left the room `{}`; it does not know yet: {why}", joined.room),
    }
    Ok(0)
}

/// How changes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Table,
    Lines,
    Json,
}

pub(super) fn serve(arguments: &ArgMatches) -> Result<u8, Error> {
    let text = |name: &str| arguments.get_one::<String>(name).map_or("", String::as_str);
    let listen = address(text("listen"))?;
    let name =
        room::name_of(text("name")).ok_or_else(|| refused("a room needs a name that can be shown".to_owned(), "`--name Harbour`"))?;
    let show = match (arguments.get_flag("json"), arguments.get_flag("plain") || !io::stdout().is_terminal()) {
        (true, _) => Show::Json,
        (_, true) => Show::Lines,
        _ => Show::Table,
    };
    let code = kept_code(arguments.get_flag("new-code"))?;
    let failed = |error: io::Error| refused(format!("listen on {listen}: {error}"), "`--listen 0.0.0.0:0` takes a port that is free");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    let (tell, changes) = mpsc::channel(64);
    let server = runtime.block_on(Server::bind(listen, &name, code.clone(), tell)).map_err(failed)?;
    match runtime.block_on(watch(server, changes, &name, &code, show)) {
        // Whoever read the lines has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        shown => {
            shown.map(|()| 0).map_err(|error| refused(format!("show the room: {error}"), "its output must be a terminal, a file or a pipe"))
        }
    }
}

/// The code of last time, or a new one.
fn kept_code(new: bool) -> Result<Code, kernel::Error> {
    let path: PathBuf = bottle::state_root().join(KEPT);
    let before = if new { None } else { fs::read(&path).ok().and_then(|text| text.trim().parse().ok()) };
    if let Some(code) = before {
        return Ok(code);
    }
    let code = Code::make();
    fs::create_dir_all(&bottle::state_root(), 0o755)?;
    fs::replace(&path, code.to_string().as_bytes(), 0o600)?;
    Ok(code)
}

async fn watch(server: Server, mut changes: mpsc::Receiver<(String, Change)>, name: &str, code: &Code, show: Show) -> io::Result<()> {
    let address = reachable(server.address()?);
    let head = format!("Room `{name}`. To join it: bottleship class join {address} {code}");
    print(&match show {
        Show::Json => format!("{}\n", json!({ "room": name, "address": address, "code": code.to_string() })),
        _ => format!("{head}\nWhat is seen of who joins: {}\nCtrl-C closes the room.\n", room::SENT),
    })?;
    // One for the whole time: a Ctrl-C while something is shown is not missed.
    let mut closing = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let view = server.view();
    let mut told = BTreeMap::new();
    let mut tick = tokio::time::interval(TICK);
    let running = tokio::spawn(server.run());
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            _ = tick.tick(), if show == Show::Table => None,
            _ = closing.recv() => break,
        };
        // The room is not held while something is shown: a terminal may take its time.
        let text = {
            let (room, now) = view.room();
            match (show, change) {
                (Show::Table, _) => table(&head, &room, now, pty::size(io::stdout().as_fd()).map(|size| usize::from(size.rows))),
                (_, Some((id, change))) => change_told(&room, &id, change, now, show, &mut told),
                _ => String::new(),
            }
        };
        print(&text)?;
    }
    running.abort();
    Ok(())
}

/// Prints at once, and says where that failed: unlike `print!`, which panics.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// An address that others can dial: for "all of this machine's" the one that the default route has. Asking for it sends nothing.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    // Addresses for documentation: nobody has them, and no packet goes there.
    let (far, loopback): (IpAddr, IpAddr) = match address.ip() {
        IpAddr::V4(_) => (Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(_) => (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(), Ipv6Addr::LOCALHOST.into()),
    };
    let ours = UdpSocket::bind((address.ip(), 0)).and_then(|socket| {
        socket.connect((far, 9))?;
        socket.local_addr()
    });
    SocketAddr::new(ours.map_or(loopback, |ours| ours.ip()), address.port())
}

fn table(head: &str, room: &Room, now: Duration, rows: Option<usize>) -> String {
    let those: Vec<Vec<String>> = room.learners().into_iter().map(|learner| row(learner, now)).collect();
    let learners = if those.is_empty() {
        "Nobody is here yet.\n".to_owned()
    } else {
        listing::text(&["#", "WHO", "", "WHERE", "STEP", "LAST CHECK", "POINTS", "HINTS", "DONE", "IDLE"], those)
    };
    // Home, and nothing below: a terminal that scrolls would flicker, and lose the head.
    format!("\x1b[H\x1b[J{}", cut(&format!("{head}\n\n{learners}"), rows))
}

/// What fits a terminal of so many rows, the last of which is for the cursor.
fn cut(text: &str, rows: Option<usize>) -> String {
    let lines: Vec<&str> = text.lines().collect();
    match rows.map(|rows| rows.saturating_sub(2)) {
        Some(most) if lines.len() > most + 1 => {
            let shown: String = lines[..most].iter().map(|line| format!("{line}\n")).collect();
            format!("{shown}and {} more lines: a larger terminal shows them, `--plain` all changes\n", lines.len() - most)
        }
        _ => text.to_owned(),
    }
}

fn row(learner: &Learner, now: Duration) -> Vec<String> {
    let facts = &learner.facts;
    let seen = learner.presence != Presence::Left && facts.of > 0;
    let number = |number: u32| if seen { number.to_string() } else { String::new() };
    let step = if seen { format!("{} {}/{}", facts.step, facts.number, facts.of) } else { String::new() };
    vec![
        learner.number.to_string(),
        learner.name.clone().unwrap_or_default(),
        learner.presence.word().to_owned(),
        facts.unit.clone(),
        step,
        facts.check.clone(),
        number(facts.points),
        number(facts.hints),
        number(facts.done),
        if seen { minutes(learner.idle(now)) } else { String::new() },
    ]
}

/// `0:07`, `12:34`.
fn minutes(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

/// One change as a line. `told`: what was said of each learner last; what says the same is not said again.
fn change_told(room: &Room, id: &str, change: Change, now: Duration, show: Show, told: &mut BTreeMap<String, String>) -> String {
    let Some(learner) = room.learner(id) else { return String::new() };
    let line = match show {
        Show::Json => as_json(learner, change).to_string(),
        _ => in_words(learner, change),
    };
    // Seats are given away.
    told.retain(|id, _| room.learner(id).is_some());
    if told.insert(id.to_owned(), line.clone()).as_ref() == Some(&line) {
        return String::new();
    }
    match show {
        Show::Json => format!("{line}\n"),
        _ => format!("{} {line}\n", minutes(now)),
    }
}

fn as_json(learner: &Learner, change: Change) -> Value {
    let what = match change {
        Change::Joined => "joined",
        Change::Moved => "moved",
        Change::Away => "away",
        Change::Left => "left",
        Change::None => "none",
    };
    json!({ "change": what, "number": learner.number, "name": learner.name, "presence": learner.presence.word(), "facts": learner.facts })
}

fn in_words(learner: &Learner, change: Change) -> String {
    let facts = &learner.facts;
    let who = learner.called();
    match change {
        Change::Joined => format!("{who} is here"),
        Change::Away => format!("{who} is away"),
        Change::Left => format!("{who} has left"),
        Change::Moved | Change::None => {
            let check = if facts.check.is_empty() { String::new() } else { format!(", last check {}", facts.check) };
            let place = format!("{}#{} ({}/{})", facts.unit, facts.step, facts.number, facts.of);
            format!("{who}: {place}{check}, {} points, {} hints, {} steps done", facts.points, facts.hints, facts.done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::room::Facts;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn room(presence: Presence) -> Room {
        let mut room = Room::default();
        let facts = Facts {
            unit: "by-hand/chroot".into(),
            step: "enter".into(),
            number: 2,
            of: 3,
            check: "make: pass".into(),
            points: 4,
            hints: 1,
            done: 7,
        };
        room.hello(ID, None, Some("Ana"), Duration::ZERO).unwrap();
        room.facts(ID, facts, Duration::from_secs(3), Duration::from_secs(10));
        match presence {
            Presence::Here => {}
            Presence::Away => drop(room.gone(ID)),
            Presence::Left => drop(room.leave(ID)),
        }
        room
    }

    #[test]
    fn a_learner_is_a_row_of_the_table() {
        let of = |presence| row(room(presence).learners()[0], Duration::from_secs(72)).join("|");
        assert_eq!(of(Presence::Here), "1|Ana|here|by-hand/chroot|enter 2/3|make: pass|4|1|7|1:05");
        assert_eq!(of(Presence::Away), "1|Ana|away|by-hand/chroot|enter 2/3|make: pass|4|1|7|1:05");
        assert_eq!(of(Presence::Left), "1|Ana|left|||||||");
    }

    #[test]
    fn a_table_is_no_longer_than_its_terminal() {
        let text: String = (1..=30).map(|number| format!("{number}\n")).collect();
        for (rows, shown) in [(None, 30), (Some(31), 30), (Some(30), 29), (Some(24), 23), (Some(1), 1), (Some(0), 1)] {
            assert_eq!(cut(&text, rows).lines().count(), shown, "{rows:?}");
        }
        assert!(cut(&text, Some(24)).ends_with("22\nand 8 more lines: a larger terminal shows them, `--plain` all changes\n"));
    }

    #[test]
    fn a_change_is_a_line() {
        let room = room(Presence::Here);
        let learner = room.learners()[0];
        let told = "Ana (1): by-hand/chroot#enter (2/3), last check make: pass, 4 points, 1 hints, 7 steps done";
        assert_eq!(in_words(learner, Change::Moved), told);
        assert_eq!(in_words(learner, Change::Left), "Ana (1) has left");
        let json = as_json(learner, Change::Moved);
        assert_eq!((&json["change"], &json["facts"]["unit"], &json["number"]), (&json!("moved"), &json!("by-hand/chroot"), &json!(1)));
    }

    #[test]
    fn an_address_that_can_be_dialled_is_shown() {
        let all: SocketAddr = "0.0.0.0:7791".parse().unwrap();
        assert!(!reachable(all).ip().is_unspecified() && reachable(all).port() == 7791);
        let one: SocketAddr = "127.0.0.1:80".parse().unwrap();
        assert_eq!(reachable(one), one);
        let every: SocketAddr = "[::]:7791".parse().unwrap();
        assert!(!reachable(every).ip().is_unspecified());
        assert!(address("localhost:7791").is_err());
    }
}
