//! Streams over HTTP: attach, exec and logs.
//!
//! A terminal's stream is sent as it is. Two streams in one are framed: a letter for the stream (1 is standard output, 2 standard error), three zeros, the
//! length in four bytes with the highest first, and the bytes. A client that sends `Upgrade: tcp` gets the connection itself, both ways.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::body::{Lines, Teller};
use super::containers::{apart, document, number};
use super::images::flag;
use super::system::moment;
use crate::engine::Engine;
use crate::engine::container::Container;
use crate::engine::container::attach::{Connection, Sender};
use crate::engine::container::config::read;
use crate::engine::container::exec::Wish;
use crate::engine::container::logs::{self, Line};
use crate::engine::error::Fault;
use crate::engine::keys::Keys;
use crate::oci::runtime::hold::{Frame, LONGEST, Wants};

type Asked = Query<HashMap<String, String>>;
type Here = State<Arc<Engine>>;

const RAW: &str = "application/vnd.docker.raw-stream";
const FRAMED: &str = "application/vnd.docker.multiplexed-stream";

/// A piece of a stream as it is sent.
fn piece(tty: bool, error: bool, bytes: &[u8]) -> Vec<u8> {
    if tty {
        return bytes.to_vec();
    }
    let mut framed = vec![if error { 2 } else { 1 }, 0, 0, 0];
    framed.extend((bytes.len() as u32).to_be_bytes());
    framed.extend(bytes);
    framed
}

/// What a hijacked connection is about.
struct Talk {
    tty: bool,
    stdin: bool,
    keys: Keys,
    /// Where the stream is an exec's: its end is known before the stream ends.
    exec: Option<(Arc<Engine>, String)>,
}

/// Takes the connection over: 101 for a client that asks for it, else 200, and then raw bytes in both directions.
fn hijack<F>(request: &mut Request, tty: bool, talk: impl FnOnce(TokioIo<hyper::upgrade::Upgraded>) -> F + Send + 'static) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        // A client that is gone before the answer has nothing to hear.
        if let Ok(upgraded) = upgraded.await {
            talk(TokioIo::new(upgraded)).await;
        }
    });
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(if tty { RAW } else { FRAMED }));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("tcp"));
    answer
}

fn wants_upgrade(request: &Request) -> bool {
    request.headers().get(header::UPGRADE).is_some()
}

/// Between a client and a shim, until one has gone. True: the client typed the keys that detach.
async fn converse(client: TokioIo<hyper::upgrade::Upgraded>, connection: Connection, talk: Talk) -> bool {
    let (mut from, mut to) = tokio::io::split(client);
    let (mut shim, mut sender) = connection.split();
    let (tty, stdin, exec) = (talk.tty, talk.stdin, talk.exec);
    let output = async {
        while let Ok(Some(frame)) = shim.next().await {
            let (error, bytes) = match frame {
                Frame::Stdout(bytes) => (false, bytes),
                Frame::Stderr(bytes) => (true, bytes),
                Frame::Ended(_) => break,
                _ => continue,
            };
            if to.write_all(&piece(tty, error, &bytes)).await.is_err() {
                break;
            }
        }
        if let Some((engine, id)) = exec {
            engine.settle_exec(&id).await;
        }
        // Whoever reads to the end sees it.
        let _ = to.shutdown().await;
        false
    };
    let input = async {
        if stdin && type_in(&mut from, &mut sender, talk.keys).await {
            return true;
        }
        // No more input: the output goes on until it ends by itself.
        std::future::pending().await
    };
    tokio::select! {
        detached = output => detached,
        detached = input => detached,
    }
}

/// Passes on what is typed; true when the detach keys were.
async fn type_in(from: &mut (impl tokio::io::AsyncRead + Unpin), sender: &mut Sender, mut keys: Keys) -> bool {
    let mut buffer = vec![0; LONGEST];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            let rest = keys.rest();
            if !rest.is_empty() {
                // The shim that has gone wants nothing more; here and below.
                let _ = sender.send(&Frame::Input(rest)).await;
            }
            let _ = sender.send(&Frame::InputEnd).await;
            return false;
        }
        let (bytes, detached) = keys.pass(&buffer[..count]);
        for chunk in bytes.chunks(LONGEST) {
            let _ = sender.send(&Frame::Input(chunk.to_vec())).await;
        }
        if detached {
            return true;
        }
    }
}

/// `POST /containers/ID/attach`.
pub async fn attach(State(engine): Here, Path(name): Path<String>, Query(asked): Asked, mut request: Request) -> Result<Response, Fault> {
    let container = engine.containers.find(&name)?;
    let record = container.record();
    if record.state.status == crate::engine::container::state::Status::Paused {
        return Err(Fault::conflict(format!("container {name} is paused, unpause the container before attach")));
    }
    let tty = record.config.tty;
    let stdin = flag(&asked, "stdin") && record.config.open_stdin;
    let wants = Wants { stdin, stdout: flag(&asked, "stdout"), stderr: flag(&asked, "stderr"), log: false };
    let keys = Keys::read(Some(asked.get("detachKeys").map_or("", String::as_str)).filter(|_| tty))?;
    let (stream, replay) = (flag(&asked, "stream"), flag(&asked, "logs"));
    // Before the answer: the start that the client asks for after it must not be missed.
    let coming = stream.then(|| engine.attach(&container, wants));
    engine.tell(&container, "attach", &[]);
    let said = logs::Wish { stdout: wants.stdout, stderr: wants.stderr, ..logs::Wish::default() };
    if !wants_upgrade(&request) {
        return Ok(one_way(engine, container, coming, replay.then_some(said), tty));
    }
    Ok(hijack(&mut request, tty, move |mut client| async move {
        if replay {
            let mut lines = replayed(&engine, &container, said);
            while let Some(line) = lines.recv().await {
                if client.write_all(&piece(tty, line.error, &line.text)).await.is_err() {
                    return;
                }
            }
        }
        let connection = match coming {
            Some(coming) => coming.await.ok(),
            None => None,
        };
        let Some(connection) = connection else {
            // There is no more to hear.
            let _ = client.shutdown().await;
            return;
        };
        if converse(client, connection, Talk { tty, stdin, keys, exec: None }).await {
            engine.tell(&container, "detach", &[]);
        }
    }))
}

/// The lines of a log as they are read. Dropping the receiver ends the reading.
fn replayed(engine: &Arc<Engine>, container: &Arc<Container>, wish: logs::Wish) -> mpsc::Receiver<Line> {
    let (sender, lines) = mpsc::channel(64);
    let (engine, container) = (Arc::clone(engine), Arc::clone(container));
    tokio::spawn(async move {
        // The status has been sent: a log that cannot be read just ends.
        let _ = engine.read_log(&container, wish, sender).await;
    });
    lines
}

/// Passes lines of a log on. False: the client has gone away.
async fn pass_lines(mut lines: mpsc::Receiver<Line>, teller: &Teller, tty: bool) -> bool {
    while let Some(line) = lines.recv().await {
        if !teller.pass(Bytes::from(piece(tty, line.error, &line.text))).await {
            return false;
        }
    }
    true
}

/// For clients that only read: the output as an ordinary body.
fn one_way(
    engine: Arc<Engine>,
    container: Arc<Container>,
    coming: Option<tokio::sync::oneshot::Receiver<Connection>>,
    replay: Option<logs::Wish>,
    tty: bool,
) -> Response {
    let body = Lines::told(async move |teller| {
        if let Some(said) = replay
            && !pass_lines(replayed(&engine, &container, said), &teller, tty).await
        {
            return;
        }
        let Some(coming) = coming else { return };
        let Ok(mut connection) = coming.await else { return };
        while let Ok(Some(frame)) = connection.next().await {
            let (error, bytes) = match frame {
                Frame::Stdout(bytes) => (false, bytes),
                Frame::Stderr(bytes) => (true, bytes),
                Frame::Ended(_) => return,
                _ => continue,
            };
            if !teller.pass(Bytes::from(piece(tty, error, &bytes))).await {
                return;
            }
        }
    });
    ([(header::CONTENT_TYPE, if tty { RAW } else { FRAMED })], body.into_body()).into_response()
}

/// `POST /containers/ID/resize` and `POST /exec/ID/resize` say the size so.
fn size(asked: &HashMap<String, String>) -> Result<(u16, u16), Fault> {
    let side = |name: &str| number(asked, name)?.ok_or_else(|| Fault::bad(format!("invalid value \"\" for {name}")));
    Ok((side("w")?, side("h")?))
}

/// `POST /containers/ID/resize`.
pub async fn resize(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<StatusCode, Fault> {
    let container = engine.containers.find(&name)?;
    engine.resize(&container, size(&asked)?).await?;
    Ok(StatusCode::OK)
}

/// `POST /containers/ID/exec`.
pub async fn make_exec(State(engine): Here, Path(name): Path<String>, body: Bytes) -> Result<Response, Fault> {
    let wish: Wish = read(&document(&body)?)?;
    let id = engine.make_exec(&*engine.containers.find(&name)?, wish)?;
    Ok((StatusCode::CREATED, Json(json!({"Id": id}))).into_response())
}

/// `GET /exec/ID/json`.
pub async fn inspect_exec(State(engine): Here, Path(id): Path<String>) -> Result<Json<Value>, Fault> {
    Ok(Json(engine.exec_json(&engine.execs.find(&id)?)))
}

/// `POST /exec/ID/resize`.
pub async fn resize_exec(State(engine): Here, Path(id): Path<String>, Query(asked): Asked) -> Result<StatusCode, Fault> {
    engine.resize_exec(&id, size(&asked)?).await?;
    Ok(StatusCode::OK)
}

/// `POST /exec/ID/start`.
pub async fn start_exec(State(engine): Here, Path(id): Path<String>, request: Request) -> Result<Response, Fault> {
    let exec = engine.execs.find(&id)?;
    engine.may_begin(&exec)?;
    let (parts, body) = request.into_parts();
    let mut head = Request::from_parts(parts, Body::empty());
    let bytes = Bytes::from_request(Request::new(body), &()).await.map_err(|error| Fault::bad(error.to_string()))?;
    let asked = document(&bytes)?;
    let console = asked["ConsoleSize"].as_array().and_then(|size| Some((size.get(1)?.as_u64()? as u16, size.first()?.as_u64()? as u16)));
    // Whether the stream is framed is said here; whether there is a terminal was said when the exec was made.
    let (tty, wish) = (asked["Tty"] == true, exec.wish.clone());
    if asked["Detach"] == true {
        apart(async move { engine.begin_exec(&exec, Wants::default(), console).await }).await?;
        return Ok(StatusCode::OK.into_response());
    }
    let wants = Wants { stdin: wish.attach_stdin, stdout: wish.attach_stdout, stderr: wish.attach_stderr, log: false };
    let keys = Keys::read(Some(wish.detach_keys.as_str()).filter(|_| wish.tty))?;
    if !wants_upgrade(&head) {
        let container = engine.containers.find(&exec.container)?;
        let own = Arc::clone(&engine);
        let connection = apart(async move { own.begin_exec(&exec, Wants { stdin: false, ..wants }, console).await }).await?;
        let (reply, coming) = tokio::sync::oneshot::channel();
        // The other end is there.
        let _ = reply.send(connection);
        return Ok(one_way(engine, container, Some(coming), None, tty));
    }
    Ok(hijack(&mut head, tty, move |mut client| async move {
        match engine.begin_exec(&exec, wants, console).await {
            Ok(connection) => {
                let talk = Talk { tty, stdin: wants.stdin, keys, exec: Some((Arc::clone(&engine), exec.id.clone())) };
                if converse(client, connection, talk).await
                    && let Ok(container) = engine.containers.find(&exec.container)
                {
                    engine.tell(&container, "exec_detach", &[("execID", &exec.id)]);
                }
            }
            Err(fault) => {
                // The answer has begun: the stream carries the reason to who still listens, and the exit code tells the rest.
                let _ = client.write_all(&piece(tty, false, format!("{}\r\n", fault.message).as_bytes())).await;
                let _ = client.shutdown().await;
            }
        }
    }))
}

/// `GET /containers/ID/logs`.
pub async fn read_logs(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<Response, Fault> {
    let container = engine.containers.find(&name)?;
    let record = container.record();
    if !record.is_logged() {
        return Err(Fault {
            status: StatusCode::NOT_IMPLEMENTED,
            message: "configured logging driver does not support reading".to_owned(),
        });
    }
    let time = |key: &str| {
        let text = asked.get(key).map(String::as_str).filter(|text| !matches!(*text, "" | "0"));
        text.map(|text| moment(text).map(i128::from)).transpose()
    };
    let tail = match asked.get("tail").map(String::as_str) {
        None | Some("" | "all") => None,
        // What is no number, or is below zero, means all, as with dockerd.
        Some(text) => text.parse().ok(),
    };
    let wish = logs::Wish {
        stdout: flag(&asked, "stdout"),
        stderr: flag(&asked, "stderr"),
        since: time("since")?,
        until: time("until")?,
        tail,
        timestamps: flag(&asked, "timestamps"),
        details: flag(&asked, "details"),
        follow: flag(&asked, "follow"),
    };
    if !wish.stdout && !wish.stderr {
        return Err(Fault::bad("Bad parameters: you must choose at least one stream"));
    }
    let tty = record.config.tty;
    let body = Lines::told(async move |teller| {
        // Whether the client has gone changes nothing any more.
        let _ = pass_lines(replayed(&engine, &container, wish), &teller, tty).await;
    });
    Ok(([(header::CONTENT_TYPE, if tty { RAW } else { FRAMED })], body.into_body()).into_response())
}
