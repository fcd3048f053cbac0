//! `POST /build`: an image of a context that the client sends.
//!
//! A build makes namespaces, which a process with threads cannot; so it is a process of its own, the command `bottleship build` in the style of the classic
//! builder, whose lines are the answer. When the client goes away the build is ended.
//!
//! Our own client asks with `bottleship=[more options]`: then the answer has what BuildKit would tell of its vertices, each document under the name `bottleship`,
//! and secrets come in a header, since an address is in logs. Other clients never ask so and get the classic builder.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::body::{Lines, Teller};
use super::json_lines;
use crate::build::context::named::{is_everywhere, is_sent};
use crate::build::context::remote::Remote;
use crate::engine::Engine;
use crate::engine::error::Fault;

/// The most of an error text that is passed on, in bytes.
const LONGEST_ERROR: usize = 64 << 10;

/// How a build that has succeeded ends.
const LAST_WORDS: [&str; 2] = ["Successfully built ", "Successfully tagged "];

/// `POST /build`.
///
/// # Errors
/// The query asks for something that is not there, or the build has failed before it has said a word. One that fails later says so at the end of its lines,
/// as dockerd's does.
pub async fn build(
    State(engine): State<Arc<Engine>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&query).map_err(|error| Fault::bad(format!("`{query}`: {error}")))?;
    let ids = tempfile::NamedTempFile::new_in(&engine.root).map_err(|error| Fault::internal(format!("make a file for the id: {error}")))?;
    let mut command = command(&engine, &pairs)?;
    let secrets = secrets(&engine, &headers)?;
    for (id, file) in &secrets {
        command.arg(format!("--secret=id={id},src={}", file.path().display()));
    }
    let remote = remote(&pairs)?;
    command.arg("--iidfile").arg(ids.path()).arg(remote.unwrap_or("-"));
    let mut child = command.spawn().map_err(|error| Fault::internal(format!("start the build: {error}")))?;
    if let Some(stdin) = child.stdin.take().filter(|_| remote.is_none()) {
        tokio::spawn(feed(body, stdin));
    }
    let (teller, mut lines) = Lines::new();
    tokio::spawn(async move {
        // They are gone when the build is.
        let _secrets = secrets;
        let ended = tokio::select! {
            ended = follow(&mut child, &teller) => ended,
            // The child is killed when it is dropped.
            () = teller.gone() => return,
        };
        match ended {
            Ok(last) => {
                let id = std::fs::read_to_string(ids.path()).unwrap_or_default();
                engine.events.tell("builder", "build", id.trim(), &[]);
                teller.say(&json!({"aux": {"ID": id.trim()}})).await;
                for line in last {
                    teller.say(&json!({"stream": line})).await;
                }
            }
            Err(message) => drop(teller.say(&json!({"errorDetail": {"code": 1, "message": message}, "error": message})).await),
        }
    });
    // Our own client shows a failure as the end of what it has drawn.
    let plain = !pairs.iter().any(|(key, _)| key == "bottleship");
    match lines.first().await.filter(|_| plain).and_then(|first| refusal(&first)) {
        Some(fault) => Err(fault),
        None => Ok(json_lines(lines)),
    }
}

/// What an answer's status says of a build whose first words are its failure: there is no Dockerfile, or it is none, or what the query names cannot be.
fn refusal(first: &Value) -> Option<Fault> {
    let told = first["error"].as_str().filter(|told| !told.is_empty())?;
    // Advice for who sits at this machine: it names folders of the engine's own.
    let why: Vec<&str> = told.lines().filter(|line| !line.starts_with("hint: ")).collect();
    let why = why.join("\n");
    let missing = why.strip_prefix("failed to read dockerfile: open ").and_then(|rest| rest.strip_suffix(": no such file or directory"));
    Some(Fault::bad(missing.map_or(why.clone(), |file| format!("Cannot locate specified Dockerfile: {file}"))))
}

/// The address of the context, where it is not what the client sends. Nothing else may be named: a path would be one of the engine's own machine.
fn remote(pairs: &[(String, String)]) -> Result<Option<&str>, Fault> {
    let Some((_, address)) = pairs.iter().find(|(key, value)| key == "remote" && !value.is_empty()) else { return Ok(None) };
    let is_one = Remote::read(address).is_some();
    if is_one { Ok(Some(address)) } else { Err(Fault::bad(format!("remoteURL ({address}) could not be recognized as URL"))) }
}

/// The command for what the query asks.
fn command(engine: &Engine, pairs: &[(String, String)]) -> Result<Command, Fault> {
    let program = std::env::current_exe().map_err(|error| Fault::internal(format!("find our own program: {error}")))?;
    let mut command = Command::new(program);
    let more = pairs.iter().find(|(key, _)| key == "bottleship").map(|(_, value)| more_words(value)).transpose()?;
    command.args(["build", "--progress", if more.is_some() { "rawjson" } else { "classic" }, "--store"]).arg(engine.store.folder());
    command.args(more.unwrap_or_default());
    if let Some((key, _)) = pairs.iter().find(|(_, value)| value.contains('\0')) {
        return Err(Fault::bad(format!("error reading {key}: no value has a byte of zero in it")));
    }
    for (at, (key, value)) in pairs.iter().enumerate().filter(|(_, (_, value))| !value.is_empty()) {
        // Of all but these the first counts. docker-py sends the text of a Dockerfile behind its name.
        if !["t", "extrahosts"].contains(&key.as_str()) && pairs[..at].iter().any(|(before, _)| before == key) {
            continue;
        }
        for word in words(key, value)? {
            command.arg(word);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

/// The options that a parameter of the query means. Those that change nothing here mean none: limits of the classic builder's containers, and how it squeezes.
fn words(key: &str, value: &str) -> Result<Vec<String>, Fault> {
    let on = !matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no");
    let option = |name: &str| Ok(vec![format!("--{name}"), value.to_owned()]);
    let switch = |name: &str| Ok(if on { vec![format!("--{name}")] } else { Vec::new() });
    let broken = |what: &str, error: serde_json::Error| Fault::bad(format!("error reading {what}: {error}"));
    let map = |name: &str| {
        let what = if name == "label" { "labels" } else { "build args" };
        let given: HashMap<String, Option<String>> = serde_json::from_str(value).map_err(|error| broken(what, error))?;
        let pair =
            |(one, value): (String, Option<String>)| [format!("--{name}"), value.map_or(one.clone(), |value| format!("{one}={value}"))];
        let mut pairs: Vec<_> = given.into_iter().map(pair).collect();
        pairs.sort();
        Ok(pairs.into_iter().flatten().collect())
    };
    match key {
        "dockerfile" => option("file"),
        "t" => option("tag"),
        "target" => option("target"),
        "platform" => option("platform"),
        "networkmode" => option("network"),
        "nocache" => switch("no-cache"),
        "pull" => switch("pull"),
        "q" => switch("quiet"),
        "buildargs" => map("build-arg"),
        "labels" => map("label"),
        "cachefrom" => {
            let names: Vec<String> = serde_json::from_str(value).map_err(|error| broken("cache-from", error))?;
            Ok(names.into_iter().flat_map(|name| ["--cache-from".to_owned(), name]).collect())
        }
        "extrahosts" => Ok(value.split(',').flat_map(|host| ["--add-host".to_owned(), host.to_owned()]).collect()),
        "version" if value == "2" => Err(Fault::not_here("a BuildKit session (set DOCKER_BUILDKIT=0)")),
        _ => Ok(Vec::new()),
    }
}

/// Options of the builder that the classic one did not have.
fn more_words(value: &str) -> Result<Vec<String>, Fault> {
    const KNOWN: [&str; 7] = ["--check", "--explain", "--cache-to", "--no-cache-filter", "--allow", "--identity", "--build-context"];
    let words: Vec<String> = serde_json::from_str(value).map_err(|error| Fault::bad(format!("error reading bottleship: {error}")))?;
    if let Some(unknown) = words.iter().find(|word| !KNOWN.contains(&word.split('=').next().unwrap_or_default())) {
        return Err(Fault::bad(format!("error reading bottleship: `{unknown}` is none of {}", KNOWN.join(" "))));
    }
    // A path would be one of the engine's own machine.
    let places = words.iter().filter_map(|word| word.strip_prefix("--build-context=")?.split_once('='));
    match places.map(|(_, place)| place).find(|place| !is_everywhere(place) && !is_sent(place)) {
        Some(place) => Err(Fault::bad(format!("error reading bottleship: the context `{place}` is neither an address nor in the archive"))),
        None => Ok(words),
    }
}

/// The secrets of a build by their ids, each in a file that only we can read.
fn secrets(engine: &Engine, headers: &HeaderMap) -> Result<Vec<(String, NamedTempFile)>, Fault> {
    let Some(text) = headers.get("x-bottleship-secrets") else { return Ok(Vec::new()) };
    let wrong = || Fault::bad("invalid X-Bottleship-Secrets header: it is not base64url of a JSON list of pairs");
    let bytes = URL_SAFE.decode(text.as_bytes()).map_err(|_| wrong())?;
    let pairs: Vec<(String, String)> = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    let kept = |(id, content): (String, String)| {
        let content = STANDARD.decode(content).map_err(|_| wrong())?;
        // The list of options is split at commas.
        if id.is_empty() || id.contains([',', '=']) {
            return Err(Fault::bad(format!("invalid secret id {id:?}")));
        }
        let mut file = NamedTempFile::new_in(&engine.root).map_err(|error| Fault::internal(format!("keep a secret: {error}")))?;
        file.write_all(&content).map_err(|error| Fault::internal(format!("keep a secret: {error}")))?;
        Ok((id, file))
    };
    pairs.into_iter().map(kept).collect()
}

/// Hands the context on. A build that wants no more of it has ended or will.
async fn feed(mut body: Body, mut stdin: ChildStdin) {
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(piece) = frame.data_ref()
            && stdin.write_all(piece).await.is_err()
        {
            return;
        }
    }
}

/// Hands on what a build says, but for its last words about what it has built: they come behind the id, and the caller says them.
async fn follow(child: &mut Child, teller: &Teller) -> Result<Vec<String>, String> {
    let (out, error) = (child.stdout.take(), child.stderr.take());
    let told = async {
        let mut lines = BufReader::new(out?);
        let (mut line, mut last) = (Vec::new(), Vec::new());
        while lines.read_until(b'\n', &mut line).await.is_ok_and(|count| count > 0) {
            // The client has said itself how much it sends.
            if line.starts_with(b"Sending build context") {
                line.clear();
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            if LAST_WORDS.iter().any(|words| text.starts_with(words)) {
                last.push(text);
                continue;
            }
            // What looked like them was a step's own.
            for text in last.drain(..).chain([text]) {
                if !teller.say(&json!({"stream": text})).await {
                    return None;
                }
            }
        }
        Some(last)
    };
    let wrong = async {
        let mut lines = BufReader::new(error?);
        let (mut text, mut line) = (String::new(), Vec::new());
        while lines.read_until(b'\n', &mut line).await.is_ok_and(|count| count > 0) {
            match serde_json::from_slice::<Value>(&line).ok().filter(Value::is_object) {
                // What the builder tells of its vertices.
                Some(document) => drop(teller.say(&json!({"bottleship": document})).await),
                None if text.len() < LONGEST_ERROR => text.push_str(&String::from_utf8_lossy(&line)),
                None => {}
            }
            line.clear();
        }
        Some(text)
    };
    let (last, wrong) = tokio::join!(told, wrong);
    let wrong = wrong.unwrap_or_default();
    match child.wait().await {
        Ok(status) if status.success() => Ok(last.unwrap_or_default()),
        // It has said on standard output what there is to say.
        Ok(status) if wrong.is_empty() && status.code() == Some(1) => Err(String::new()),
        Ok(status) if wrong.is_empty() => Err(format!("the build ended with {status}")),
        Ok(_) => Err(wrong.trim().trim_start_matches("ERROR: ").to_owned()),
        Err(error) => Err(format!("wait for the build: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_options() {
        let table: [(&str, &str, &[&str]); 8] = [
            ("t", "app:1", &["--tag", "app:1"]),
            ("nocache", "1", &["--no-cache"]),
            ("nocache", "0", &[]),
            ("buildargs", r#"{"B":"2","A":null}"#, &["--build-arg", "A", "--build-arg", "B=2"]),
            ("cachefrom", r#"["a","b"]"#, &["--cache-from", "a", "--cache-from", "b"]),
            ("extrahosts", "a:1.2.3.4,b:1.2.3.5", &["--add-host", "a:1.2.3.4", "--add-host", "b:1.2.3.5"]),
            ("memory", "5000000", &[]),
            ("version", "1", &[]),
        ];
        for (key, value, wanted) in table {
            assert_eq!(words(key, value).unwrap(), wanted, "{key}={value}");
        }
        assert_eq!(more_words(r#"["--check","--allow=network.host"]"#).unwrap().len(), 2);
        for place in ["archive:0", "docker-image://x", "https://example.org/x.git"] {
            assert!(more_words(&format!("[\"--build-context=lib={place}\"]")).is_ok(), "{place}");
        }
        for place in ["/etc", ".", "archive:../x", "file:///etc"] {
            assert!(
                more_words(&format!("[\"--build-context=lib={place}\"]")).unwrap_err().message.contains("neither an address"),
                "{place}"
            );
        }
        assert!(more_words(r#"["--store=/etc"]"#).is_err() && more_words("x").is_err());
        assert_eq!(words("labels", "[").unwrap_err().status, 400);
        let early = |told: &str| refusal(&json!({"error": told})).map(|fault| fault.message);
        assert_eq!(
            early("failed to read dockerfile: open x: no such file or directory\nhint: y").unwrap(),
            "Cannot locate specified Dockerfile: x"
        );
        assert_eq!(early("unknown instruction: NO").unwrap(), "unknown instruction: NO");
        assert_eq!((early(""), refusal(&json!({"stream": "Step 1/1"}))), (None, None));
        let pairs = |value: &str| vec![("t".to_owned(), "app".to_owned()), ("remote".to_owned(), value.to_owned())];
        assert_eq!(remote(&pairs("https://example.org/x.git#a")).unwrap(), Some("https://example.org/x.git#a"));
        assert_eq!(remote(&pairs("")).unwrap(), None);
        for wrong in ["/etc", "-", "--store=/etc", "file:///etc", "client-session"] {
            assert_eq!(remote(&pairs(wrong)).unwrap_err().message, format!("remoteURL ({wrong}) could not be recognized as URL"));
        }
    }
}
