//! `docker run`, `create`, `start`, `attach`.

use std::io::IsTerminal as _;

use serde_json::Value;

use super::options;
use super::streams::{Ended, Streams, carry, keys};
use crate::oci::reference::Reference;
use crate::tools::docker::api::{Api, Ask};
use crate::tools::docker::contexts;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::images::in_path;
use crate::tools::docker::line::Given;
use crate::tools::docker::registry::{Show, bring};
use crate::tools::docker::{Session, say, warn};

fn with_help(failure: Failure, called: &str) -> Failure {
    Failure { message: format!("docker: {}\n\nRun 'docker {called} --help' for more information", failure.message), ..failure }
}

/// `docker create`.
pub fn create(session: &Session, given: &Given) -> Result {
    let id = made(session, given, &options::body(given)?)?;
    say(&format!("{id}\n"));
    Ok(())
}

/// Makes a container; an image that is not here is pulled, if it may be. Gives the id.
fn made(session: &Session, given: &Given, body: &Value) -> Result<String> {
    let api = session.api()?;
    let file = given.text("cidfile").filter(|file| !file.is_empty());
    if let Some(file) = file.filter(|file| std::path::Path::new(file).exists()) {
        return Err(Failure::new(format!("container ID file found, make sure the other container isn't running or delete {file}")));
    }
    let pull = given.text("pull").filter(|pull| !pull.is_empty()).unwrap_or("missing");
    if !["always", "missing", "never"].contains(&pull) {
        return Err(Failure::new(format!("invalid pull option: '{pull}': must be one of \"always\", \"missing\" or \"never\"")));
    }
    let image = given.word(0);
    if let Err(error) = image.parse::<Reference>()
        && !image.starts_with("sha256:")
    {
        return Err(Failure::new(error.to_string()));
    }
    if pull == "always" {
        fetch(session, given, image)?;
    }
    let ask = || {
        let ask = Ask::post("/containers/create").maybe("name", given.text("name").filter(|name| !name.is_empty()));
        ask.maybe("platform", given.text("platform").filter(|platform| !platform.is_empty())).json(body)
    };
    let answer = match api.json(ask()) {
        Err(failure) if failure.is_absent() && pull == "missing" && image_is_missing(&failure.message) => {
            let name = image.parse::<Reference>().map_or_else(|_| image.to_owned(), |name| name.or_latest().familiar());
            warn(&format!("Unable to find image '{name}' locally\n"));
            fetch(session, given, image)?;
            api.json(ask())?
        }
        other => other?,
    };
    for warning in answer["Warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        warn(&format!("WARNING: {warning}\n"));
    }
    let id = answer["Id"].as_str().unwrap_or_default().to_owned();
    if let Some(file) = file {
        std::fs::write(file, &id).map_err(|error| Failure::new(format!("failed to write the container ID to the file: {error}")))?;
    }
    Ok(id)
}

/// Whether it is the image that was not found, and not a network: none of that name, or one for another platform.
fn image_is_missing(message: &str) -> bool {
    message.contains("No such image") || message.contains("does not match the specified platform")
}

fn fetch(session: &Session, given: &Given, image: &str) -> Result {
    let name = image.parse::<Reference>().map_err(|error| Failure::new(error.to_string()))?.or_latest();
    bring(
        session,
        &name,
        given.text("platform").filter(|text| !text.is_empty()),
        if given.on("quiet") { Show::Nothing } else { Show::Error },
    )
}

/// A terminal cannot be had where there is none.
pub fn checked_terminal(attach: bool, tty: bool) -> Result {
    if attach && tty && !std::io::stdin().is_terminal() {
        return Err(Failure::new("the input device is not a TTY"));
    }
    Ok(())
}

/// The keys that let go, from the line or the settings.
pub fn let_go(given: &Given) -> Result<Vec<u8>> {
    let settings = contexts::config().unwrap_or_default();
    keys(given.text("detach-keys").or_else(|| settings["detachKeys"].as_str()))
}

/// `docker run`.
pub fn run(session: &Session, given: &Given) -> Result {
    let mut body = options::body(given)?;
    let detached = given.on("detach");
    if detached {
        if !given.all("attach").is_empty() {
            return Err(Failure::new("conflicting options: cannot specify both --attach and --detach"));
        }
        for key in ["AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"] {
            body[key] = false.into();
        }
    } else {
        checked_terminal(body["AttachStdin"] == true, body["Tty"] == true)?;
    }
    let keys = let_go(given)?;
    let id = made(session, given, &body).map_err(|failure| with_help(failure, "run").code(125))?;
    let api = session.api()?;
    let path = format!("/containers/{id}");
    if detached {
        begin(api, &path).map_err(failed_start)?;
        say(&format!("{id}\n"));
        return Ok(());
    }
    let on = |key: &str| body[key] == true;
    let attached = [on("AttachStdin"), on("AttachStdout"), on("AttachStderr")];
    let removes = given.on("rm");
    if !attached.contains(&true) {
        begin(api, &path).map_err(failed_start)?;
        say(&format!("{id}\n"));
        return Ok(());
    }
    let signals = given.text("sig-proxy").is_none_or(|text| text != "false");
    let code = through(api, &path, attached, on("Tty"), keys, signals, Some(if removes { "removed" } else { "next-exit" }))?;
    match code {
        Some(0) | None => Ok(()),
        Some(code) => Err(Failure::silent(code)),
    }
}

fn begin(api: &Api, path: &str) -> Result {
    api.ask(Ask::post(&format!("{path}/start"))).map(drop)
}

/// The exit code says whose fault it is: no such program, one that may not be run, or anything else.
fn failed_start(failure: Failure) -> Failure {
    let has = |words: &[&str]| words.iter().any(|word| failure.message.contains(word));
    let code = if has(&["executable file not found", "no such file or directory", "system cannot find the file specified"]) {
        127
    } else if has(&["permission denied", "is a directory"]) {
        126
    } else {
        125
    };
    with_help(failure, "run").code(code)
}

/// Attaches, starts if `starts` says so, carries the streams, and gives the exit code; none: the person has let go.
///
/// # Errors
/// It does not start, or the connection breaks.
pub fn through(
    api: &Api,
    path: &str,
    attached: [bool; 3],
    tty: bool,
    keys: Vec<u8>,
    signals: bool,
    starts: Option<&str>,
) -> Result<Option<u8>> {
    let (attach, wait) = (format!("{path}/attach"), format!("{path}/wait"));
    let [stdin, stdout, stderr] = attached;
    let ask = Ask::post(&attach).with("stream", "1").switch("stdin", stdin).switch("stdout", stdout).switch("stderr", stderr);
    let connection = api.hijack(ask)?;
    let streams = Streams {
        tty,
        stdin,
        keys,
        resize: (tty && std::io::stdout().is_terminal()).then(|| format!("{path}/resize")),
        redraw: starts.is_none(),
        kill: signals.then(|| format!("{path}/kill")),
    };
    api.wait(async {
        // Asked before it starts, so that an end however quick is not missed; sent when both go on below.
        let (tell, told) = tokio::sync::oneshot::channel();
        let waiting = async {
            let ask = Ask::post(&wait).with("condition", starts.unwrap_or("not-running"));
            let answer = api.meanwhile_told(ask, tell).await?;
            Ok::<Value, Failure>(answer)
        };
        let carrying = carry(api, connection, &streams, async {
            // The engine waits already, or refused to; then the other branch says so.
            let _ = told.await;
            if starts.is_some() {
                api.meanwhile(Ask::post(&format!("{path}/start"))).await.map_err(failed_start)?;
            }
            Ok(())
        });
        let (mut ended, mut code) = (None, None);
        tokio::pin!(waiting, carrying);
        while ended.is_none() || code.is_none() {
            tokio::select! {
                done = &mut carrying, if ended.is_none() => {
                    ended = Some(done?);
                    if ended == Some(Ended::LetGo) {
                        return Ok(None);
                    }
                }
                done = &mut waiting, if code.is_none() => code = Some(done?),
            }
        }
        let answer = code.unwrap_or_default();
        if let Some(message) = answer["Error"]["Message"].as_str().filter(|message| !message.is_empty()) {
            warn(&format!("Error waiting for container: {message}\n"));
            return Ok(Some(125));
        }
        Ok(answer["StatusCode"].as_i64().map(|code| (code & 0xff) as u8))
    })
}

/// `docker start`.
pub fn start(session: &Session, given: &Given) -> Result {
    let api = session.api()?;
    if !given.on("attach") && !given.on("interactive") {
        let mut wrong = Vec::new();
        for name in &given.words {
            match api.ask(Ask::post(&format!("/containers/{}/start", in_path(name)))) {
                Ok(_) => say(&format!("{name}\n")),
                Err(failure) => {
                    warn(&format!("{}\n", failure.message));
                    wrong.push(name.as_str());
                }
            }
        }
        let all = wrong.join(", ");
        return if wrong.is_empty() { Ok(()) } else { Err(Failure::new(format!("Error: failed to start containers: {all}"))) };
    }
    if given.words.len() > 1 {
        return Err(Failure::new("you cannot start and attach multiple containers at once"));
    }
    let shown = api.json(Ask::get(&format!("/containers/{}/json", in_path(given.word(0)))))?;
    let (tty, id) = (shown["Config"]["Tty"] == true, shown["Id"].as_str().unwrap_or_default());
    checked_terminal(given.on("interactive"), tty)?;
    let stdin = given.on("interactive") && shown["Config"]["OpenStdin"] == true;
    let condition = if shown["HostConfig"]["AutoRemove"] == true { "removed" } else { "next-exit" };
    ended(through(api, &format!("/containers/{id}"), [stdin, true, true], tty, let_go(given)?, !tty, Some(condition))?)
}

/// A code that is not 0 is a failure that says nothing more.
pub fn ended(code: Option<u8>) -> Result {
    match code {
        Some(0) | None => Ok(()),
        Some(code) => Err(Failure::silent(code)),
    }
}

/// `docker attach`.
pub fn attach(session: &Session, given: &Given) -> Result {
    let api = session.api()?;
    let shown = api.json(Ask::get(&format!("/containers/{}/json", in_path(given.word(0)))))?;
    let (state, config) = (&shown["State"], &shown["Config"]);
    if state["Running"] != true {
        return Err(Failure::new("You cannot attach to a stopped container, start it first"));
    }
    if state["Paused"] == true {
        return Err(Failure::new("You cannot attach to a paused container, unpause it first"));
    }
    if state["Restarting"] == true {
        return Err(Failure::new("You cannot attach to a restarting container, wait until it is running"));
    }
    let tty = config["Tty"] == true;
    let stdin = !given.on("no-stdin") && config["OpenStdin"] == true;
    checked_terminal(stdin, tty)?;
    let signals = given.text("sig-proxy").is_none_or(|text| text != "false") && !tty;
    let id = shown["Id"].as_str().unwrap_or_default();
    match through(api, &format!("/containers/{id}"), [stdin, true, true], tty, let_go(given)?, signals, None)? {
        None => Err(Failure::new("read escape sequence")),
        code => ended(code),
    }
}
