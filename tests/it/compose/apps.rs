//! The two applications of the course as somebody meets them who sits before the machine: the project lies in a folder of the machine, `docker compose` brings
//! it up in a bottle, `bottleship ports` brings its pages out, and a real browser shows them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::samples::{APPS, of_lesson};
use crate::support::{Sandbox, wait};
use crate::terminal::Terminal;
use crate::web::browser::{Page, browse};

/// Nine images are pulled and ten containers started on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(120);

/// A bottle with its prompt, a project in the folder that it shares with the machine, and forwarded ports.
struct App {
    prompt: Terminal,
    forwarder: Option<Child>,
    folder: PathBuf,
    sandbox: Sandbox,
}

impl App {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::new();
        let folder = sandbox.path().join(name);
        fs::create_dir(&folder).expect("the project's folder");
        for (file, text) in files {
            fs::write(folder.join(file), text).expect("a file of the project");
        }
        let call = sandbox.bottleship(["--plain", "--share"]).args([&folder]).env("BOTTLESHIP_PTY_MARKS", "1").env("TERM", "xterm");
        let mut prompt = Terminal::start(&call, 100, 30);
        prompt.expect("repl;ready;0\x07", PATIENCE);
        let mut app = App { prompt, forwarder: None, folder, sandbox };
        app.types(&format!("cd {}", app.folder.display()));
        app
    }

    /// Types a line at the bottle's prompt and waits for its end.
    fn types(&mut self, line: &str) {
        self.prompt.line(line);
        self.prompt.expect("repl;ready;", PATIENCE);
        let status = self.prompt.expect("\x07", PATIENCE);
        assert_eq!(status, "0\x07", "{line}: {}", self.prompt.seen());
    }

    /// Brings ports of the bottle's host out, as `bottleship ports` is told to: each as one that is free. Their addresses for a browser of the machine.
    fn addresses<const COUNT: usize>(&mut self, ports: [u16; COUNT]) -> [String; COUNT] {
        let call = self.sandbox.bottleship(["ports"]).args(ports.map(|port| format!("0:{port}")));
        let mut forwarder = call.command().stdout(Stdio::piped()).spawn().expect("start the forwarder");
        let mut told = BufReader::new(forwarder.stdout.take().expect("its output")).lines();
        self.forwarder = Some(forwarder);
        ports.map(|port| {
            let line = told.next().expect("a line for each port").expect("a text");
            let (outside, inside) = line.split_once(" -> ").unwrap_or_else(|| panic!("no forwarded port in {line:?}"));
            assert_eq!(inside, format!("bench:{port}"));
            outside.to_owned()
        })
    }

    /// The folder of a browser of its own.
    fn browser(&self, name: &str) -> PathBuf {
        let folder = self.sandbox.path().join(name);
        fs::create_dir(&folder).expect("a browser's folder");
        folder
    }

    /// Puts all right again; with the bottle the forwarder ends.
    fn ends(mut self) {
        self.types("docker compose --progress quiet down -t 0 -v");
        self.types("test -z \"$(docker ps -aq)$(docker volume ls -q)\"");
        self.prompt.line(":quit");
        assert!(self.prompt.ends(PATIENCE).success());
        let mut forwarder = self.forwarder.take().expect("ports were forwarded");
        assert!(wait(&mut forwarder, PATIENCE).is_some(), "the forwarder ends with the bottle");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(forwarder) = &mut self.forwarder {
            // Gone already is as good; it ends with the bottle too.
            forwarder.kill().ok();
            forwarder.wait().ok();
        }
    }
}

#[test]
fn dockercoins_show_a_live_speed_in_a_browser_of_the_machine() {
    let mut app = App::new("coins", &[("compose.yaml", &of_lesson(APPS, "/srv/coins"))]);
    app.types("docker compose --progress quiet up -d");
    let [address] = app.addresses([8000]);
    let Some(mut page) = browse("compose::apps::dockercoins_show_a_live_speed_in_a_browser_of_the_machine", app.sandbox.path(), &address)
    else {
        return;
    };
    page.becomes("document.querySelector('h1')?.textContent === 'DockerCoin Miner WebUI' && document.readyState === 'complete'", PATIENCE);
    // Every speed that the page shows from now on.
    page.eval(
        "window.shown = []; new MutationObserver(() => shown.push(Number(speed.textContent))).observe(speed, { childList: true }); null",
    );
    page.becomes("shown.filter((one) => one > 0).length >= 3 && new Set(shown).size >= 2", PATIENCE);
    let drawn = "(() => { const { width, height } = graph; \
        return graph.getContext('2d').getImageData(0, 0, width, height).data.some((part) => part > 0) })()";
    assert_eq!(page.eval(drawn), true, "the graph is drawn");
    // It is the project's own speed: without a worker there is none, and with it there is again.
    app.types("docker compose --progress quiet stop -t 0 worker");
    page.eval("shown.length = 0; null");
    page.becomes("shown.length >= 4 && shown.slice(-3).every((one) => one === 0)", PATIENCE);
    app.types("docker compose --progress quiet up -d --scale worker=3");
    page.eval("shown.length = 0; null");
    page.becomes("shown.some((one) => one > 0)", PATIENCE);
    assert_eq!(page.complaints(), Vec::<String>::new(), "the browser complains of nothing");
    // A browser writes into its folder until it ends.
    drop(page);
    app.ends();
}

/// The page with the sum comes anew by itself.
fn sum(result: &mut Page, sum: &str, votes: &str) {
    let sum = format!("document.querySelector('h3')?.textContent === '{sum}'");
    result.becomes(&format!("{sum} && document.querySelector('p')?.textContent === '{votes} votes'"), PATIENCE);
}

#[test]
fn votes_are_given_and_counted_in_browsers_of_the_machine() {
    let mut app = App::new("vote", &[("compose.yaml", &of_lesson(APPS, "/srv/vote")), ("password.txt", "of nobody\n")]);
    app.types("docker compose --progress quiet up -d --wait");
    let [vote, result] = app.addresses([5000, 5001]);
    let test = "compose::apps::votes_are_given_and_counted_in_browsers_of_the_machine";
    let Some(mut voter) = browse(test, &app.browser("one"), &vote) else { return };
    let mut counted = Page::open(&app.browser("result"), &result);
    let own = |choice: &str| format!("document.querySelector('button[value={choice}]')?.textContent.endsWith(' (your vote)')");
    let offered = "document.querySelectorAll('button').length === 2 && document.readyState === 'complete'";
    sum(&mut counted, "Cats 0% : Dogs 0%", "0");
    voter.becomes(offered, PATIENCE);
    assert_eq!(voter.eval("document.querySelector('h3').textContent"), "Cats vs Dogs!");
    voter.click("button[value=a]");
    voter.becomes(&format!("{} && !{}", own("a"), own("b")), PATIENCE);
    sum(&mut counted, "Cats 100% : Dogs 0%", "1");
    // Opened again it is the same voter, who may change their mind and has one vote all the same.
    voter.goes(&vote);
    voter.becomes(&format!("{offered} && !{}", own("a")), PATIENCE);
    voter.click("button[value=b]");
    voter.becomes(&own("b"), PATIENCE);
    sum(&mut counted, "Cats 0% : Dogs 100%", "1");
    // Another browser is another voter.
    let mut other = Page::open(&app.browser("two"), &vote);
    other.becomes(offered, PATIENCE);
    other.click("button[value=a]");
    other.becomes(&own("a"), PATIENCE);
    sum(&mut counted, "Cats 50% : Dogs 50%", "2");
    // It came the whole way: without the worker a vote stays in the queue, and it is counted as soon as there is one again.
    app.types("docker compose --progress quiet stop -t 0 worker");
    other.goes(&vote);
    other.becomes(&format!("{offered} && !{}", own("a")), PATIENCE);
    other.click("button[value=b]");
    other.becomes(&own("b"), PATIENCE);
    app.types("test $(docker compose exec -T redis redis-cli llen votes) = 1");
    sum(&mut counted, "Cats 50% : Dogs 50%", "2");
    app.types("docker compose --progress quiet start worker");
    sum(&mut counted, "Cats 0% : Dogs 100%", "2");
    for page in [&mut voter, &mut other, &mut counted] {
        assert_eq!(page.complaints(), Vec::<String>::new(), "the browser complains of nothing");
    }
    // A browser writes into its folder until it ends.
    drop((voter, other, counted));
    app.ends();
}
