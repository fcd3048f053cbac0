//! `docker completion` in the shells themselves: keys are typed at a terminal, and what the shell makes of them is run.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::Engine;
use crate::support::{Call, binary, has_program, skip};
use crate::terminal::Terminal;

const PATIENCE: Duration = Duration::from_secs(30);

/// An engine with a container, and a PATH on which `docker` is ours.
fn place() -> (Engine, PathBuf) {
    let engine = Engine::with_image();
    engine.ours(&["create", "--name", "ship-one", "--network", "none", "base:1", "sh"]).succeeds();
    let bin = engine.path("bin");
    std::fs::create_dir_all(&bin).expect("a folder for docker");
    symlink(binary(), bin.join("docker")).expect("name it docker");
    (engine, bin)
}

fn shell(engine: &Engine, bin: &std::path::Path, shell: &str, args: &[&str]) -> Call {
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
    let call = engine.client(engine.sandbox.program(shell).args(args));
    call.env("PATH", path).env("TERM", "dumb").env("PS1", "> ").env("INPUTRC", "/dev/null").env("LC_ALL", "C.UTF-8")
}

/// Types at the shell, with the tab key, and looks at what the lines that come of it do.
fn typed(terminal: &mut Terminal, load: &str) {
    terminal.line(&format!("{load}; echo load''ed"));
    terminal.expect("loaded", PATIENCE);
    // A word that was not completed is no command.
    terminal.send("docker ru\t--help\r");
    terminal.expect("Usage:  docker run", PATIENCE);
    // `--netw` is no option, `--network` is one.
    terminal.send("docker run --netw\t=x --help\r");
    terminal.expect("Usage:  docker run", PATIENCE);
    terminal.send("docker stop \t; echo stop''ped $?\r");
    terminal.expect("ship-one\r\n", PATIENCE);
    terminal.expect("stopped 0", PATIENCE);
    // Behind a colon too, at which some shells break words.
    terminal.send("docker inspect -f 'found {{.RepoTags}}' base:\t\r");
    terminal.expect("found [base:1]", PATIENCE);
    terminal.line("exit");
    terminal.ends(PATIENCE);
}

#[test]
fn bash_completes_commands_options_and_names() {
    let (engine, bin) = place();
    let mut terminal = Terminal::start(&shell(&engine, &bin, "bash", &["--norc", "--noprofile", "-i"]), 120, 30);
    typed(&mut terminal, "source <(docker completion bash)");
}

#[test]
fn zsh_completes_commands_options_and_names() {
    if !has_program("zsh") {
        return skip("zsh_completes_commands_options_and_names", "zsh is not installed");
    }
    let (engine, bin) = place();
    let mut terminal = Terminal::start(&shell(&engine, &bin, "zsh", &["-f", "-i"]), 120, 30);
    typed(&mut terminal, "autoload -Uz compinit && compinit -D -u && source <(docker completion zsh)");
}

/// Fish tells by itself what it would offer.
#[test]
fn fish_completes_commands_options_and_names() {
    if !has_program("fish") {
        return skip("fish_completes_commands_options_and_names", "fish is not installed");
    }
    let (engine, bin) = place();
    let offered = |line: &str| {
        let script = format!("docker completion fish | source; complete -C '{line}'");
        let said = shell(&engine, &bin, "fish", &["--no-config", "-c", &script]).succeeds().stdout;
        said.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(offered("docker ru"), ["run"]);
    assert_eq!(offered("docker run --netw"), ["--network", "--network-alias"]);
    assert_eq!(offered("docker stop "), ["ship-one"]);
    assert_eq!(offered("docker inspect base:"), ["base:1"]);
    // Where we have nothing to offer, it offers files.
    std::fs::write(engine.path("a-file"), "").expect("a file");
    assert_eq!(offered("docker run --env-file a-f"), ["a-file"]);
}
