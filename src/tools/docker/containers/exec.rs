//! `docker exec`.

use std::io::IsTerminal as _;

use serde_json::{Value, json};

use super::options::environment;
use super::run::{checked_terminal, let_go};
use super::streams::{Ended, Streams, carry};
use crate::tools::docker::Session;
use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::images::in_path;
use crate::tools::docker::line::Given;

/// Runs it.
pub fn run(session: &Session, given: &Given) -> Result {
    let api = session.api()?;
    let (detached, tty) = (given.on("detach"), given.on("tty"));
    let stdin = given.on("interactive") && !detached;
    let name = in_path(given.word(0));
    // Whether the container is there is said before anything about a terminal.
    api.json(Ask::get(&format!("/containers/{name}/json")))?;
    if !detached {
        checked_terminal(stdin, tty)?;
    }
    let body = json!({
        "User": given.text_or_empty("user"), "Privileged": given.on("privileged"), "Tty": tty,
        "AttachStdin": stdin, "AttachStdout": !detached, "AttachStderr": !detached,
        "DetachKeys": given.text_or_empty("detach-keys"), "Env": environment(given).map_err(Failure::new)?, "WorkingDir": given.text_or_empty("workdir"), "Cmd": given.words[1..],
    });
    let made = api.json(Ask::post(&format!("/containers/{name}/exec")).json(&body))?;
    let id = made["Id"].as_str().filter(|id| !id.is_empty()).ok_or_else(|| Failure::new("exec ID empty"))?.to_owned();
    let (start, look) = (format!("/exec/{id}/start"), format!("/exec/{id}/json"));
    let begin = json!({"Detach": detached, "Tty": tty});
    if detached {
        return api.ask(Ask::post(&start).json(&begin)).map(drop).map_err(not_started);
    }
    let connection = api.hijack(Ask::post(&start).json(&begin)).map_err(not_started)?;
    let streams = Streams {
        tty,
        stdin,
        keys: let_go(given)?,
        resize: (tty && std::io::stdout().is_terminal()).then(|| format!("/exec/{id}/resize")),
        redraw: false,
        kill: None,
    };
    let ended = api.wait(carry(api, connection, &streams, async { Ok(()) }))?;
    if ended == Ended::LetGo {
        return Err(Failure::new("read escape sequence"));
    }
    let shown: Value = api.json(Ask::get(&look))?;
    match shown["ExitCode"].as_i64().unwrap_or(0) {
        0 => Ok(()),
        code => Err(Failure::silent((code & 0xff) as u8)),
    }
}

/// The exit code says whose fault it is.
fn not_started(failure: Failure) -> Failure {
    let has = |words: &[&str]| words.iter().any(|word| failure.message.contains(word));
    let code = if has(&["executable file not found", "no such file or directory"]) {
        127
    } else if has(&["permission denied", "is a directory"]) {
        126
    } else {
        1
    };
    failure.code(code)
}
