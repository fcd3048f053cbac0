//! Our Compose on our engine, from the outside: the command lines, the containers that come of them, and the same project by Debian's docker-compose beside it.

mod apps;
mod foreground;
mod lifecycle;
mod others;
mod parts;
mod pulls;
mod samples;
mod single;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::engine::containers::Confined;
use crate::support::{Call, Output, binary};

/// An engine that is confined, and the folder of a project `x` on it.
pub struct Project {
    pub confined: Confined,
}

/// What every service here has: it ends when it is told to.
const QUICK: &str = "image: base:1, stop_signal: KILL, command: sleep 600";

impl Project {
    /// A project by this file.
    pub fn new(file: &str) -> Self {
        let project = Project { confined: Confined::after("ip link set lo up") };
        fs::create_dir(project.path("app")).expect("the project's folder");
        project.write("compose.yaml", file);
        project
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.confined.engine.path(name)
    }

    /// Writes a file of the project.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path("app").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder");
        fs::write(path, text).expect("write a file");
    }

    /// `docker compose -p x ...` in the project's folder.
    pub fn compose(&self, words: &[&str]) -> Call {
        let words = [&["compose", "-p", "x"], words].concat();
        self.confined.engine.ours(&words).folder(self.path("app"))
    }

    /// The same under the name `docker-compose`.
    pub fn standalone(&self, words: &[&str]) -> Call {
        let program = self.path("docker-compose");
        if !program.exists() {
            std::os::unix::fs::symlink(binary(), &program).expect("a link");
        }
        let call = self.confined.engine.sandbox.program(program).args(["-p", "x"]).args(words);
        self.confined.engine.client(call).folder(self.path("app"))
    }

    /// `up -d`, and what it told.
    pub fn up(&self, words: &[&str]) -> Output {
        self.compose(&[&["up", "-d"], words].concat()).succeeds()
    }

    /// What our `docker` says.
    pub fn docker(&self, words: &[&str]) -> String {
        self.confined.engine.ours(words).succeeds().stdout
    }

    /// Names of all containers, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.docker(&["ps", "-a", "--format", "{{.Names}}"]).lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    pub fn id(&self, name: &str) -> String {
        self.docker(&["inspect", "-f", "{{.Id}}", name]).trim().to_owned()
    }

    pub fn inspect(&self, words: &[&str]) -> Value {
        let text = self.docker(words);
        let list: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        list[0].clone()
    }

    /// What a command in a service's container says.
    pub fn exec(&self, service: &str, words: &[&str]) -> Output {
        self.compose(&[&["exec", "-T", service], words].concat()).output()
    }
}

/// The lines of plain progress, without blanks around.
pub fn lines(output: &Output) -> Vec<String> {
    output.stderr.lines().map(|line| line.trim().to_owned()).collect()
}

/// Asserts that lines are there, each below the one before it.
pub fn in_order(output: &Output, wanted: &[&str]) {
    let told = lines(output);
    let mut from = 0;
    for line in wanted {
        let at = told[from..].iter().position(|one| one == line);
        from += at.unwrap_or_else(|| panic!("no line {line:?} behind the others in {output}")) + 1;
    }
}

pub fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
