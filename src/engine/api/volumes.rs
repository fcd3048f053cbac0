//! Volumes over HTTP.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Version;
use super::containers::required;
use super::images::flag;
use crate::engine::Engine;
use crate::engine::container::config::{Texts, read};
use crate::engine::error::Fault;
use crate::engine::filters::Filters;

type Asked = Query<HashMap<String, String>>;
type Here = State<Arc<Engine>>;

/// `GET /volumes`.
pub async fn all(State(engine): Here, Query(asked): Asked) -> Result<Json<Value>, Fault> {
    let filters = Filters::read(asked.get("filters").map(String::as_str), &["dangling", "driver", "label", "label!", "name"])?;
    engine
        .work(move |engine| {
            let dangling = filters.flag("dangling")?;
            let mut rows = Vec::new();
            for volume in engine.volumes() {
                let any = |key: &str, fits: &dyn Fn(&str) -> bool| {
                    filters.values(key).is_empty() || filters.values(key).iter().any(|value| fits(value))
                };
                let wanted = any("name", &|value| volume.name.contains(value))
                    && any("driver", &|value| value == "local")
                    && filters.fits_labels(Some(&volume.labels))
                    && dangling.is_none_or(|dangling| dangling == engine.users_of_volume(&volume.name).is_empty());
                if wanted {
                    rows.push(engine.volume_json(&volume));
                }
            }
            Ok(Json(json!({"Volumes": rows, "Warnings": null})))
        })
        .await
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Wish {
    name: String,
    driver: String,
    driver_opts: Texts,
    labels: Texts,
}

/// `POST /volumes/create`.
pub async fn create(State(engine): Here, body: Bytes) -> Result<Response, Fault> {
    let wish: Wish = read(&required(&body)?)?;
    engine
        .work(move |engine| {
            let volume = engine.make_volume(Some(wish.name.as_str()), &wish.driver, wish.labels, wish.driver_opts)?;
            Ok((StatusCode::CREATED, Json(engine.volume_json(&volume))).into_response())
        })
        .await
}

/// `GET /volumes/NAME`.
pub async fn inspect(State(engine): Here, Path(name): Path<String>) -> Result<Json<Value>, Fault> {
    engine.work(move |engine| Ok(Json(engine.volume_json(&engine.volume(&name)?)))).await
}

/// `DELETE /volumes/NAME`.
pub async fn remove(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<StatusCode, Fault> {
    engine.work(move |engine| engine.remove_volume(&name, flag(&asked, "force")).map(|()| StatusCode::NO_CONTENT)).await
}

/// Since then a prune without `all` leaves volumes with names alone.
const NAMES_STAY: Version = Version(1, 42);

/// `POST /volumes/prune`: those without a name, unless `all` is asked for.
pub async fn prune(State(engine): Here, version: Version, Query(asked): Asked) -> Result<Json<Value>, Fault> {
    let filters = Filters::read(asked.get("filters").map(String::as_str), &["all", "label", "label!"])?;
    engine
        .work(move |engine| {
            let everything = filters.flag("all")?.unwrap_or(version < NAMES_STAY);
            let (mut gone, mut bytes) = (Vec::new(), 0);
            for volume in engine.volumes() {
                let wanted = (everything || volume.anonymous) && filters.fits_labels(Some(&volume.labels));
                if !wanted || !engine.users_of_volume(&volume.name).is_empty() {
                    continue;
                }
                let size = engine.volume_size(&volume.name);
                // One that a container has taken meanwhile stays.
                if engine.remove_volume(&volume.name, false).is_ok() {
                    bytes += size;
                    gone.push(volume.name);
                }
            }
            engine.events.tell("volume", "prune", "", &[("reclaimed", &bytes.to_string())]);
            Ok(Json(json!({"VolumesDeleted": if gone.is_empty() { Value::Null } else { json!(gone) }, "SpaceReclaimed": bytes})))
        })
        .await
}
