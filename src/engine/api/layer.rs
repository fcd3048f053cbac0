//! What a container has written: `docker diff`, `docker export`, `docker commit`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::body::BodyWriter;
use super::containers::apart;
use super::images::wanted;
use crate::engine::Engine;
use crate::engine::container::Container;
use crate::engine::container::changed::Wish;
use crate::engine::container::state::Status;
use crate::engine::error::Fault;

type Here = State<Arc<Engine>>;

/// `GET /containers/ID/changes`. Nothing changed is `null`, as Go writes an empty list.
pub async fn changes(State(engine): Here, Path(name): Path<String>) -> Result<Json<Value>, Fault> {
    let container = engine.containers.find(&name)?;
    let _turn = container.turn.lock().await;
    let record = container.record();
    let found = engine.work(move |engine| engine.changed(&record)).await?;
    let lines: Vec<Value> = found.iter().map(|(path, change)| json!({"Path": path.to_string_lossy(), "Kind": *change as u8})).collect();
    Ok(Json(if lines.is_empty() { Value::Null } else { Value::Array(lines) }))
}

/// `GET /containers/ID/export`.
pub async fn export(State(engine): Here, Path(name): Path<String>) -> Result<Response, Fault> {
    let container = engine.containers.find(&name)?;
    let (mut writer, body) = BodyWriter::new();
    tokio::spawn(async move {
        // Nobody may start it, or remove it, while its tree is read.
        let turn = container.turn.lock().await;
        let (record, own) = (container.record(), Arc::clone(&engine));
        let written = engine
            .work(move |_| match own.export(&record, &mut writer) {
                Ok(()) => Ok(()),
                Err(fault) => {
                    writer.fail(std::io::Error::other(fault.message));
                    Ok(())
                }
            })
            .await;
        drop(turn);
        if written.is_ok() {
            engine.tell(&container, "export", &[]);
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// `POST /commit?container=ID&repo=NAME&tag=TAG&changes=LINE&changes=LINE`.
pub async fn commit(State(engine): Here, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&query).map_err(|error| Fault::bad(format!("`{query}`: {error}")))?;
    let text = |key: &str| pairs.iter().find(|(name, value)| name == key && !value.is_empty()).map(|(_, value)| value.as_str());
    let container = engine.containers.find(text("container").ok_or_else(|| Fault::bad("a commit needs a container"))?)?;
    let wish = Wish {
        name: text("repo").map(|repository| wanted(repository, text("tag"))).transpose()?,
        author: text("author").unwrap_or_default().to_owned(),
        comment: text("comment").unwrap_or_default().to_owned(),
        changes: pairs.iter().filter(|(name, _)| name == "changes").map(|(_, line)| line.clone()).collect(),
    };
    let pause = text("pause") != Some("0");
    apart(async move { made_of(&engine, &container, wish, pause).await }).await
}

async fn made_of(engine: &Arc<Engine>, container: &Arc<Container>, wish: Wish, pause: bool) -> Result<Response, Fault> {
    let turn = container.turn.lock().await;
    let record = container.record();
    // So that nobody writes meanwhile.
    let freeze = pause && record.state.status == Status::Running;
    if freeze {
        engine.with_cgroup(container, |cgroup| cgroup.freeze()).await?;
    }
    let made = engine.work(move |engine| Ok(engine.commit(&record, &wish)?.id().to_string())).await;
    if freeze {
        engine.with_cgroup(container, |cgroup| cgroup.thaw()).await?;
    }
    drop(turn);
    let id = made?;
    engine.tell(container, "commit", &[("imageID", &id)]);
    Ok((StatusCode::CREATED, Json(json!({"Id": id}))).into_response())
}
