//! Images as archives, in and out: load, save, import.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde_json::json;

use super::body::{BodyReader, BodyWriter, Lines, Teller};
use super::images::wanted;
use super::{json_lines, registry};
use crate::build::changes;
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::oci::image::archive::Limits;
use crate::oci::image::load::Loaded;
use crate::oci::image::save::ToSave;
use crate::oci::image::spec::{History, ImageConfig, Platform};
use crate::oci::reference::Reference;

/// `POST /images/load`.
pub async fn load(State(engine): State<Arc<Engine>>, body: Body) -> Response {
    let reader = BodyReader::new(body);
    let (teller, lines) = Lines::new();
    tokio::task::spawn_blocking(move || {
        match take_archive(&engine, reader) {
            Ok(loaded) => {
                for one in loaded {
                    if let Some(moved) = one.moved() {
                        // As below.
                        let _ = teller.tell(&json!({"stream": moved + "\n"}));
                    }
                    let shown = one
                        .name
                        .as_ref()
                        .map_or_else(|| format!("Loaded image ID: {}\n", one.id), |name| format!("Loaded image: {}\n", name.familiar()));
                    engine.events.image("load", &one.id.to_string(), &one.id.to_string());
                    // A client that has gone away misses the words, not the images.
                    let _ = teller.tell(&json!({"stream": shown}));
                }
            }
            Err(fault) => teller.fail(&fault.message),
        }
    });
    json_lines(lines)
}

/// Loaded images are unpacked at once, as dockerd does: a layer that breaks the rules is found now and not when a container starts.
fn take_archive(engine: &Engine, reader: BodyReader) -> Result<Vec<Loaded>, Fault> {
    let loaded = engine.store.load(reader, &engine.platform)?;
    for one in &loaded {
        // Those for other machines stay as they came.
        if let Ok(image) = engine.store.find(&one.id.to_string(), &engine.platform) {
            engine.store.unpack_image(&image, Limits::default(), &mut |_, _| {})?;
        }
    }
    Ok(loaded)
}

/// `GET /images/get?names=a&names=b`.
pub async fn save(State(engine): State<Arc<Engine>>, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&query).map_err(|error| Fault::bad(format!("`{query}`: {error}")))?;
    send(engine, pairs.into_iter().filter(|(key, _)| key == "names").map(|(_, name)| name).collect()).await
}

/// An archive of these images.
///
/// # Errors
/// One of them is not there.
pub async fn send(engine: Arc<Engine>, names: Vec<String>) -> Result<Response, Fault> {
    let images = engine.work(move |engine| names.iter().map(|name| to_save(engine, name)).collect::<Result<Vec<ToSave>, Fault>>()).await?;
    let (mut writer, body) = BodyWriter::new();
    tokio::task::spawn_blocking(move || match engine.store.save(&images, &mut writer) {
        Ok(()) => images.iter().for_each(|one| engine.events.image("save", &one.image.id().to_string(), &one.image.id().to_string())),
        Err(error) => writer.fail(error.into_io()),
    });
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], body).into_response())
}

/// By a name an image is saved under that name; by an id under none; a repository stands for its tag `latest`.
fn to_save(engine: &Engine, text: &str) -> Result<ToSave, Fault> {
    let image = engine.store.find(text, &engine.platform)?;
    let name = text.parse::<Reference>().ok().map(Reference::or_latest);
    let names = name.filter(|name| image.tags.contains(name)).into_iter().collect();
    Ok(ToSave { image, names })
}

/// `POST /images/create`: a pull, or with `fromSrc=-` an image of the tar that follows.
pub async fn create(
    State(engine): State<Arc<Engine>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&query).map_err(|error| Fault::bad(format!("`{query}`: {error}")))?;
    // It comes once for each line.
    let changes: Vec<String> = pairs.iter().filter(|(key, _)| key == "changes").map(|(_, line)| line.clone()).collect();
    let asked: HashMap<String, String> = pairs.into_iter().collect();
    match (asked.get("fromImage"), asked.get("fromSrc").map(String::as_str)) {
        (None, Some("-")) => {
            let (name, config) = described(&engine, &asked, &changes)?;
            Ok(import(engine, name, config, body))
        }
        (None, Some(_)) => Err(Fault::not_here("import from an address")),
        (Some(_), _) => registry::pull(engine, &asked, &headers).await,
        (None, None) => Err(Fault::bad("neither fromImage nor fromSrc says what to create")),
    }
}

/// The name and the configuration of an image that is imported.
fn described(engine: &Engine, asked: &HashMap<String, String>, changes: &[String]) -> Result<(Option<Reference>, ImageConfig), Fault> {
    let text = |key: &str| asked.get(key).filter(|text| !text.is_empty()).map(String::as_str);
    let name = text("repo").map(|repository| wanted(repository, text("tag"))).transpose()?;
    let platform = match text("platform") {
        Some(text) => registry::platform(text)?,
        None => engine.platform.clone(),
    };
    Ok((name, imported(text("message"), platform, changes)?))
}

fn import(engine: Arc<Engine>, name: Option<Reference>, config: ImageConfig, body: Body) -> Response {
    let reader = BodyReader::new(body);
    let (teller, lines) = Lines::new();
    tokio::task::spawn_blocking(move || {
        if let Err(fault) = take_in(&engine, reader, config, name.as_ref(), &teller) {
            teller.fail(&fault.message);
        }
    });
    json_lines(lines)
}

fn take_in(engine: &Engine, reader: BodyReader, config: ImageConfig, name: Option<&Reference>, teller: &Teller) -> Result<(), Fault> {
    let image = engine.store.import(reader, config)?;
    engine.store.unpack_image(&image, Limits::default(), &mut |_, _| {})?;
    match name {
        Some(name) => engine.store.set_name(name, &image.target)?,
        None => engine.store.keep(&image.target)?,
    }
    let id = image.id().to_string();
    engine.events.image("import", &id, &name.map_or_else(|| id.clone(), Reference::familiar));
    // A client that has gone away misses the id, not the image.
    let _ = teller.tell(&json!({"status": id}));
    Ok(())
}

/// The configuration of an imported image. `changes` are instructions of a Dockerfile.
fn imported(message: Option<&str>, platform: Platform, changes: &[String]) -> Result<ImageConfig, Fault> {
    let created = Some(Timestamp::now().to_string());
    let comment = Some(message.unwrap_or("Imported from -").to_owned());
    let history = vec![History { created: created.clone(), comment, ..History::default() }];
    let mut config = ImageConfig { created, history, platform, ..ImageConfig::default() };
    config.config = changes::apply(&config, changes).map_err(|error| Fault::bad(error.to_string()))?;
    Ok(config)
}
