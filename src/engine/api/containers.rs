//! Containers over HTTP: lists, details, and what is done to them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::Version;
use super::body::Lines;
use super::images::flag;
use super::registry::platform;
use crate::engine::Engine;
use crate::engine::container::list;
use crate::engine::container::wait::{Until, Waiting};
use crate::engine::error::Fault;
use crate::engine::filters::Filters;

type Asked = Query<HashMap<String, String>>;
type Here = State<Arc<Engine>>;

/// A JSON body; nothing is an empty document.
///
/// # Errors
/// It is no JSON.
pub fn document(body: &Bytes) -> Result<Value, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(json!({}));
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| Fault::bad(format!("invalid JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(Fault::bad("invalid JSON: an object is expected")) }
}

/// A JSON body, which must be there.
///
/// # Errors
/// It is none.
pub fn required(body: &Bytes) -> Result<Value, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::bad("invalid JSON: got EOF while reading request body"));
    }
    document(body)
}

/// A number of the query.
///
/// # Errors
/// It is none.
pub fn number<T: std::str::FromStr>(asked: &HashMap<String, String>, name: &str) -> Result<Option<T>, Fault> {
    let text = asked.get(name).map(String::as_str).filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(|_| Fault::bad(format!("invalid value \"{text}\" for {name}")))).transpose()
}

/// `GET /containers/json`.
pub async fn all(State(engine): Here, Query(asked): Asked) -> Result<Json<Value>, Fault> {
    let filters = Filters::read(asked.get("filters").map(String::as_str), &list::FILTERS)?;
    let limit = number::<i64>(&asked, "limit")?.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let (all, size) = (flag(&asked, "all"), flag(&asked, "size"));
    engine.work(move |engine| Ok(Json(Value::Array(engine.list(&filters, all, limit, size)?)))).await
}

/// `POST /containers/create`.
pub async fn create(State(engine): Here, Query(asked): Asked, body: Bytes) -> Result<Response, Fault> {
    let request = document(&body)?;
    let wanted = asked.get("platform").filter(|text| !text.is_empty()).map(|text| platform(text)).transpose()?;
    let made = engine.work(move |engine| engine.create(asked.get("name").map(String::as_str), wanted.as_ref(), &request)).await?;
    engine.tell(&made.container, "create", &[]);
    Ok((StatusCode::CREATED, Json(json!({"Id": made.container.id, "Warnings": made.warnings}))).into_response())
}

/// `GET /containers/ID/json`.
pub async fn inspect(State(engine): Here, version: Version, Path(name): Path<String>, Query(asked): Asked) -> Result<Json<Value>, Fault> {
    let size = flag(&asked, "size");
    engine
        .work(move |engine| {
            let container = engine.containers.find(&name)?;
            let mut shown = engine.container_json(&container, size);
            if version < ALIASES_ALONE {
                with_short_id(&mut shown["NetworkSettings"]["Networks"], container.short());
            }
            if version < NO_KERNEL_MEMORY {
                shown["HostConfig"]["KernelMemory"] = json!(0);
                shown["HostConfig"]["KernelMemoryTCP"] = json!(0);
            }
            Ok(Json(shown))
        })
        .await
}

/// Since then `Aliases` are what was asked for, and `DNSNames` all names.
const ALIASES_ALONE: Version = Version(1, 45);

/// Until then there were limits of the kernel's own memory, which no engine of today sets.
const NO_KERNEL_MEMORY: Version = Version(1, 42);

/// Before [`ALIASES_ALONE`] the short id was among the aliases in every network that has names: docker-compose 1 looks for it there.
fn with_short_id(networks: &mut Value, short: &str) {
    let named = networks.as_object_mut().into_iter().flatten().filter(|(name, _)| !["bridge", "host", "none"].contains(&name.as_str()));
    for (_, endpoint) in named {
        let mut aliases = endpoint["Aliases"].as_array().cloned().unwrap_or_default();
        if !aliases.iter().any(|alias| alias == short) {
            aliases.push(json!(short));
        }
        endpoint["Aliases"] = Value::Array(aliases);
    }
}

/// 204, or 304 where nothing was to be done.
fn done(changed: bool) -> Response {
    if changed { StatusCode::NO_CONTENT } else { StatusCode::NOT_MODIFIED }.into_response()
}

/// `POST /containers/ID/start`. What it does goes on when the client goes away.
pub async fn start(State(engine): Here, Path(name): Path<String>) -> Result<Response, Fault> {
    let container = engine.containers.find(&name)?;
    apart(async move { engine.start(&container).await }).await.map(done)
}

/// Runs in a task of its own: a request that is broken off must not leave a thing half done.
///
/// # Errors
/// Those of the work.
pub async fn apart<T: Send + 'static>(work: impl Future<Output = Result<T, Fault>> + Send + 'static) -> Result<T, Fault> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(Fault::internal(format!("the work ended without a result: {error}"))))
}

/// `POST /containers/ID/stop`.
pub async fn stop(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<Response, Fault> {
    let container = engine.containers.find(&name)?;
    let grace = number(&asked, "t")?;
    apart(async move { engine.stop(&container, asked.get("signal").map(String::as_str), grace).await }).await.map(done)
}

/// `POST /containers/ID/restart`.
pub async fn restart(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<Response, Fault> {
    let container = engine.containers.find(&name)?;
    let grace = number(&asked, "t")?;
    apart(async move { engine.restart(&container, asked.get("signal").map(String::as_str), grace).await }).await?;
    Ok(done(true))
}

/// `POST /containers/ID/kill`.
pub async fn kill(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<Response, Fault> {
    let container = engine.containers.find(&name)?;
    let signal = asked.get("signal").map(String::as_str).filter(|signal| !signal.is_empty()).unwrap_or("KILL");
    let signal = signal.to_owned();
    apart(async move { engine.kill(&container, &signal).await }).await?;
    Ok(done(true))
}

/// `POST /containers/ID/pause`.
pub async fn pause(State(engine): Here, Path(name): Path<String>) -> Result<Response, Fault> {
    let container = engine.containers.find(&name)?;
    apart(async move { engine.pause(&container).await }).await?;
    Ok(done(true))
}

/// `POST /containers/ID/unpause`.
pub async fn unpause(State(engine): Here, Path(name): Path<String>) -> Result<Response, Fault> {
    let container = engine.containers.find(&name)?;
    apart(async move { engine.unpause(&container).await }).await?;
    Ok(done(true))
}

/// `POST /containers/ID/rename`.
pub async fn rename(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<Response, Fault> {
    let new = asked.get("name").cloned().unwrap_or_default();
    engine.work(move |engine| engine.rename(&*engine.containers.find(&name)?, &new)).await?;
    Ok(done(true))
}

/// `DELETE /containers/ID`.
pub async fn remove(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<Response, Fault> {
    if flag(&asked, "link") {
        return Err(Fault::conflict("Conflict, cannot remove the default link name of the container"));
    }
    let container = engine.containers.find(&name)?;
    apart(async move { engine.remove(&container, flag(&asked, "force"), flag(&asked, "v")).await }).await?;
    Ok(done(true))
}

/// `DELETE /containers/ID/ALIAS?link=1`: the container forgets a link, and both containers stay.
pub async fn unlink(engine: Arc<Engine>, name: &str, alias: &str) -> Result<StatusCode, Fault> {
    let container = engine.containers.find(name)?;
    let _turn = container.turn.lock().await;
    let (one, alias) = (Arc::clone(&container), alias.to_owned());
    engine.work(move |engine| engine.unlink(&one, &alias)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /containers/ID/wait`. The headers go at once, so that a client knows that its wait has begun; the end comes as the body.
pub async fn wait(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<Response, Fault> {
    let until = Until::read(asked.get("condition").map(String::as_str))?;
    let waiting = Waiting::begin(&engine.containers.find(&name)?, until);
    let lines = Lines::told(async move |teller| {
        let code = waiting.end().await;
        // A client that has gone does not wait.
        let _ = teller.say(&json!({"StatusCode": code})).await;
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], lines.into_body()).into_response())
}

/// `GET /containers/ID/top`.
pub async fn top(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<Json<Value>, Fault> {
    let container = engine.containers.find(&name)?;
    let arguments = asked.get("ps_args").map(String::as_str).filter(|arguments| !arguments.is_empty()).unwrap_or("-ef");
    Ok(Json(engine.top(&container, arguments).await?))
}

/// `POST /containers/prune`.
pub async fn prune(State(engine): Here, Query(asked): Asked) -> Result<Json<Value>, Fault> {
    let filters = Filters::read(asked.get("filters").map(String::as_str), &["label", "label!", "until"])?;
    let until = filters.values("until").first().map(|text| super::images::moment_before(text)).transpose()?;
    apart(async move { Ok(pruned(&engine, &filters, until).await) }).await
}

async fn pruned(engine: &Arc<Engine>, filters: &Filters, until: Option<i64>) -> Json<Value> {
    let (mut gone, mut bytes) = (Vec::new(), 0);
    for container in engine.containers.all() {
        let record = container.record();
        let made = record.created.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
        let fits = filters.fits_labels(Some(&record.config.labels)) && until.is_none_or(|until| made < until);
        let rests = !record.state.is_running() && record.state.may_remove(&record.name).is_ok();
        if !(fits && rests) {
            continue;
        }
        bytes += engine.own_size(&record.id);
        // One that was started meanwhile stays.
        if engine.remove(&container, false, false).await.is_ok() {
            gone.push(record.id);
        }
    }
    engine.events.tell("container", "prune", "", &[("reclaimed", &bytes.to_string())]);
    Json(json!({"ContainersDeleted": if gone.is_empty() { Value::Null } else { json!(gone) }, "SpaceReclaimed": bytes}))
}

/// `POST /containers/ID/update`.
pub async fn update(State(engine): Here, Path(name): Path<String>, body: Bytes) -> Result<Json<Value>, Fault> {
    let container = engine.containers.find(&name)?;
    let wish = required(&body)?;
    let warnings = apart(async move { engine.update(&container, &wish).await }).await?;
    Ok(Json(json!({"Warnings": if warnings.is_empty() { Value::Null } else { json!(warnings) }})))
}

/// The time between two looks of `docker stats`.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);

/// `GET /containers/ID/stats`: a document a second, or one with the figures of the second before it.
pub async fn stats(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<Response, Fault> {
    let container = engine.containers.find(&name)?;
    let stream = asked.get("stream").is_none_or(|_| flag(&asked, "stream"));
    if !stream {
        let first = engine.stats(&container, None).await?;
        if flag(&asked, "one-shot") || !container.state().is_running() {
            return Ok(Json(first).into_response());
        }
        tokio::time::sleep(LOOK).await;
        return Ok(Json(engine.stats(&container, Some(&first)).await?).into_response());
    }
    let (teller, lines) = super::body::Lines::new();
    tokio::spawn(async move {
        let mut before: Option<Value> = None;
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = teller.gone() => return,
            }
            // One that is gone, or whose cgroup is going, has no more figures.
            let Ok(now) = engine.stats(&container, before.as_ref()).await else { return };
            if !teller.say(&now).await || container.live().removed {
                return;
            }
            before = Some(now);
        }
    });
    Ok(super::json_lines(lines))
}
