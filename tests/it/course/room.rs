//! A room that an instructor watches: the real programs, an instructor's and several learners'.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{LAB, course, typed};
use crate::support::{Call, Sandbox, stretched, wait};
use crate::terminal::Terminal;

const PATIENCE: Duration = Duration::from_secs(60);

/// `bottleship class serve --json`, until dropped.
struct Room {
    child: Child,
    lines: Receiver<String>,
    address: String,
    code: String,
    /// Everything that it has said.
    said: String,
}

impl Room {
    fn open(instructor: &Sandbox, listen: &str, more: &[&str]) -> Room {
        let call = instructor.bottleship(["class", "serve", "--json", "--name", "Harbour", "--listen", listen]).args(more);
        let mut child = call.command().stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("serve");
        let (tell, lines) = channel();
        let out = BufReader::new(child.stdout.take().expect("its output"));
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut room = Room { child, lines, address: String::new(), code: String::new(), said: String::new() };
        let first = room.next(|line| line["code"].is_string());
        (room.address, room.code) = (text(&first["address"]), text(&first["code"]));
        room
    }

    /// The next line that fits. Fails the test if none comes.
    fn next(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + stretched(PATIENCE);
        loop {
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|error| panic!("{error}; the room has said:\n{}", self.said));
            self.said += &line;
            self.said.push('\n');
            let line: Value = serde_json::from_str(&line).expect("a line of JSON");
            if fits(&line) {
                return line;
            }
        }
    }

    fn join(&self, learner: &Sandbox, more: &[&str]) -> Call {
        learner.bottleship(["class", "join", &self.address, &self.code, "--yes"]).args(more)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A prompt on a terminal, waiting for a line.
fn prompt(learner: &Sandbox, course: &Path) -> Terminal {
    let call = super::bottleship(learner, course, &[]).env("TERM", "xterm").env("NO_COLOR", "").env("BOTTLESHIP_PTY_MARKS", "1");
    let mut terminal = Terminal::start(&call, 100, 40);
    terminal.expect("repl;ready;", PATIENCE);
    terminal
}

#[test]
fn an_instructor_sees_where_learners_are_and_not_what_they_type() {
    let (instructor, ana, other) = (Sandbox::new(), Sandbox::new(), Sandbox::new());
    let mut room = Room::open(&instructor, "127.0.0.1:0", &[]);
    let joined = room.join(&ana, &["--as", "Ana"]).succeeds();
    assert!(joined.stdout.contains("Never what you type") && joined.stdout.contains("learner 1 in the room `Harbour`"), "{joined}");
    assert!(room.join(&other, &[]).succeeds().stdout.contains("learner 2"));
    let files = course(&ana, str::to_owned);
    let said = typed(&ana, &files, "echo swordfish > /tmp/secret\ncat /srv/given > /srv/kept\n:check\n");
    assert!(said.contains("The room `Harbour`") && said.contains("sees you as `Ana`") && said.contains("kept: pass"), "{said}");
    let moved = room.next(|line| line["change"] == "moved" && line["facts"]["check"] == "kept: pass");
    assert_eq!((&moved["name"], &moved["facts"]["unit"], &moved["facts"]["step"]), (&"Ana".into(), &"test/word".into(), &"sealed".into()));
    assert_eq!((&moved["facts"]["points"], &moved["facts"]["done"]), (&2.into(), &1.into()), "{moved}");
    room.next(|line| line["change"] == "away" && line["name"] == "Ana");
    typed(&other, &course(&other, str::to_owned), "ls\n");
    let moved = room.next(|line| line["change"] == "moved" && line["number"] == 2);
    assert_eq!((&moved["name"], &moved["facts"]["points"]), (&Value::Null, &0.into()));
    for secret in ["swordfish", "/tmp/secret", "/srv/kept", "ada"] {
        assert!(!room.said.contains(secret), "`{secret}` was told to the room:\n{}", room.said);
    }
    assert!(LAB.contains("/srv/kept"), "the secrets are such");
}

#[test]
fn nobody_joins_without_the_code_or_without_saying_so() {
    let (instructor, ana) = (Sandbox::new(), Sandbox::new());
    let room = Room::open(&instructor, "127.0.0.1:0", &[]);
    let wrong = ana.bottleship(["class", "join", &room.address, "7K3Q-9TB2-XW4H-C6PR", "--yes"]).output();
    assert!(wrong.code() != 0 && wrong.stderr.contains("this is not the code of this room"), "{wrong}");
    let typo = ana.bottleship(["class", "join", &room.address, "7K3Q", "--yes"]).output();
    assert!(typo.code() != 0 && typo.stderr.contains("16 letters"), "{typo}");
    let nobody = ana.bottleship(["class", "join", "127.0.0.1:1", &room.code, "--yes"]).output();
    assert!(nobody.code() != 0 && nobody.stderr.contains("connect to 127.0.0.1:1"), "{nobody}");
    let unasked = ana.bottleship(["class", "join", &room.address, &room.code]).output();
    assert!(unasked.code() != 0 && unasked.stderr.contains("--yes"), "{unasked}");
    assert!(!ana.state().join("class.json").exists(), "none of these has joined");
    let left = ana.bottleship(["class", "leave"]).output();
    assert!(left.code() != 0 && left.stderr.contains("you are in no room"), "{left}");
}

#[test]
fn a_learner_is_asked_sees_that_they_are_watched_and_can_leave_at_the_prompt() {
    let (instructor, ana) = (Sandbox::new(), Sandbox::new());
    let mut room = Room::open(&instructor, "127.0.0.1:0", &[]);
    let join = ana.bottleship(["class", "join", &room.address, &room.code]);
    let mut asked = Terminal::start(&join, 80, 24);
    asked.expect("[y/N]", PATIENCE);
    asked.line("n");
    asked.expect("Not joined", PATIENCE);
    assert!(!ana.state().join("class.json").exists());
    let mut terminal = prompt(&ana, &course(&ana, str::to_owned));
    // Joined in another terminal: from the next line on.
    room.join(&ana, &[]).succeeds();
    terminal.line("true");
    terminal.expect("(class) bench:", PATIENCE);
    room.next(|line| line["change"] == "moved");
    terminal.line(":class");
    terminal.expect("sees you as learner 1", PATIENCE);
    terminal.line(":class leave");
    terminal.expect("Nobody sees your progress any more", PATIENCE);
    room.next(|line| line["change"] == "left");
    terminal.line("echo on $((1+1))");
    let shown = terminal.expect("on 2", PATIENCE);
    assert!(!shown.contains("(class)"), "{shown}");
    terminal.line(":quit");
    terminal.ends(PATIENCE);
}

#[test]
fn a_room_that_closes_costs_nobody_anything_and_is_found_again() {
    let (instructor, ana) = (Sandbox::new(), Sandbox::new());
    let mut room = Room::open(&instructor, "127.0.0.1:0", &[]);
    room.join(&ana, &["--as", "Ana"]).succeeds();
    let mut terminal = prompt(&ana, &course(&ana, str::to_owned));
    room.next(|line| line["change"] == "joined" && line["name"] == "Ana");
    let (address, code) = (room.address.clone(), room.code.clone());
    drop(room);
    terminal.line("cat /srv/given > /srv/kept");
    terminal.line(":check");
    terminal.expect(", 2 of 2 points", PATIENCE);
    let mut room = Room::open(&instructor, &address, &[]);
    assert_eq!(room.code, code, "the code of last time");
    let moved = room.next(|line| line["change"] == "moved" && line["facts"]["check"] == "kept: pass");
    assert_eq!((&moved["name"], &moved["number"]), (&"Ana".into(), &1.into()));
    let left = ana.bottleship(["class", "leave"]).succeeds();
    assert!(left.stdout.contains("You have left the room `Harbour`."), "{left}");
    room.next(|line| line["change"] == "left" && line["name"] == "Ana");
    terminal.line(":quit");
    terminal.ends(PATIENCE);
    drop(room);
    let other = Room::open(&instructor, "127.0.0.1:0", &["--new-code"]);
    assert_ne!(other.code, code);
}

#[test]
fn a_room_whose_reader_has_gone_closes_without_a_complaint() {
    let (instructor, ana) = (Sandbox::new(), Sandbox::new());
    let call = instructor.bottleship(["class", "serve", "--json", "--listen", "127.0.0.1:0"]);
    let mut room = call.command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("serve");
    let mut first = String::new();
    // Its reader is dropped with the line that was read.
    BufReader::new(room.stdout.take().expect("its output")).read_line(&mut first).expect("a line");
    let first: Value = serde_json::from_str(&first).expect("a line of JSON");
    ana.bottleship(["class", "join", &text(&first["address"]), &text(&first["code"]), "--yes"]).output();
    let ended = wait(&mut room, stretched(PATIENCE));
    room.kill().ok();
    let mut complaint = String::new();
    room.stderr.take().expect("its complaints").read_to_string(&mut complaint).expect("text");
    assert!(ended.is_some_and(|status| status.success()) && complaint.is_empty(), "{ended:?} {complaint}");
}

#[test]
fn a_terminal_shows_a_table() {
    let (instructor, ana) = (Sandbox::new(), Sandbox::new());
    let call = instructor.bottleship(["class", "serve", "--listen", "127.0.0.1:0", "--name", "Harbour"]);
    let mut screen = Terminal::start(&call, 120, 30);
    let shown = screen.expect("Nobody is here yet", PATIENCE);
    let line = shown.lines().find(|line| line.contains("class join")).expect("how to join");
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().rposition(|word| *word == "join").expect("the command");
    ana.bottleship(["class", "join", words[at + 1], words[at + 2], "--yes", "--as", "Ana"]).succeeds();
    let files = course(&ana, str::to_owned);
    typed(&ana, &files, "true\n");
    screen.expect("test/word", PATIENCE);
    screen.expect("kept 1/2", PATIENCE);
    screen.send("\x03");
    assert!(screen.ends(PATIENCE).success());
}
