//! Images: lists, details, history, names, removal.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Version, archives, registry};
use crate::build::cache;
use crate::build::pattern::Pattern;
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::engine::filters::Filters;
use crate::engine::removal::Gone;
use crate::oci::image::Image;
use crate::oci::image::layers::lower_folders;
use crate::oci::reference::Reference;

type Asked = Query<HashMap<String, String>>;

const LIST_FILTERS: [&str; 7] = ["dangling", "label", "label!", "before", "since", "reference", "until"];

/// Whether a query's flag is set, as Docker reads it.
pub fn flag(asked: &HashMap<String, String>, name: &str) -> bool {
    asked.get(name).is_some_and(|value| !matches!(value.trim().to_ascii_lowercase().as_str(), "" | "0" | "no" | "false" | "none"))
}

/// `GET /images/json`.
pub async fn list(State(engine): State<Arc<Engine>>, version: Version, Query(asked): Asked) -> Result<Json<Value>, Fault> {
    let filters = Filters::read(asked.get("filters").map(String::as_str), &LIST_FILTERS)?;
    engine
        .work(move |engine| {
            let mut images = engine.store.images(&engine.platform)?;
            let bounds = Bounds::read(engine, &filters)?;
            images.retain(|image| bounds.hold(image) && filters.fits_labels(image.config.config.labels.as_ref()));
            let patterns = filters.patterns("reference")?;
            for image in &mut images {
                keep_named(image, &patterns);
            }
            let named = |image: &Image| patterns.is_empty() || !(image.tags.is_empty() && image.digests.is_empty());
            let listed: Result<Vec<Value>, Fault> =
                images.iter().filter(|image| named(image)).map(|image| summary(engine, image)).collect();
            let mut listed = listed?;
            listed.iter_mut().for_each(|shown| with_virtual_size(shown, version));
            Ok(Json(Value::Array(listed)))
        })
        .await
}

/// What `before`, `since`, `until` and `dangling` ask for.
struct Bounds {
    dangling: Option<bool>,
    before: Option<i128>,
    since: Option<i128>,
    until: Option<i64>,
}

impl Bounds {
    fn read(engine: &Engine, filters: &Filters) -> Result<Self, Fault> {
        let made = |key: &str| -> Result<Option<i128>, Fault> {
            filters.values(key).first().map(|name| Ok(moment(&engine.store.find(name, &engine.platform)?))).transpose()
        };
        let until = filters.values("until").first().map(|text| moment_before(text)).transpose()?;
        Ok(Bounds { dangling: filters.flag("dangling")?, before: made("before")?, since: made("since")?, until })
    }

    fn hold(&self, image: &Image) -> bool {
        let made = moment(image);
        self.dangling.is_none_or(|dangling| dangling == image.is_dangling())
            && self.before.is_none_or(|before| made < before)
            && self.since.is_none_or(|since| made > since)
            && self.until.is_none_or(|until| created(image) < until)
    }
}

/// A moment, or a time before now as `24h` and `10m` say it. In Unix seconds.
///
/// # Errors
/// It is none.
pub fn moment_before(text: &str) -> Result<i64, Fault> {
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(stamp.as_second());
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(seconds);
    }
    let span: jiff::Span = text.parse().map_err(|_| Fault::bad(format!("invalid filter 'until={text}'")))?;
    Timestamp::now().checked_sub(span).map(Timestamp::as_second).map_err(|_| Fault::bad(format!("invalid filter 'until={text}'")))
}

/// Of the names only those that a `reference` filter asks for.
fn keep_named(image: &mut Image, patterns: &[Pattern]) {
    if patterns.is_empty() {
        return;
    }
    let wanted =
        |name: &Reference| patterns.iter().any(|pattern| pattern.fits(&name.familiar()) || pattern.fits(&name.familiar_repository()));
    image.tags.retain(wanted);
    image.digests.retain(wanted);
}

fn created(image: &Image) -> i64 {
    image.config.created.as_deref().and_then(|text| text.parse::<Timestamp>().ok()).map_or(0, Timestamp::as_second)
}

/// When it was made, in nanoseconds: two images of one second come one after the other.
fn moment(image: &Image) -> i128 {
    image.config.created.as_deref().and_then(|text| text.parse::<Timestamp>().ok()).map_or(0, Timestamp::as_nanosecond)
}

fn familiar(names: &[Reference]) -> Vec<String> {
    names.iter().map(Reference::familiar).collect()
}

/// An image in a list.
///
/// # Errors
/// A layer's record is damaged.
pub fn summary(engine: &Engine, image: &Image) -> Result<Value, Fault> {
    Ok(json!({
        "Id": image.id().to_string(), "ParentId": "",
        "RepoTags": familiar(&image.tags), "RepoDigests": familiar(&image.digests),
        "Created": created(image), "Size": engine.store.image_size(&image.config)?, "SharedSize": -1,
        "Labels": image.config.config.labels, "Containers": -1,
    }))
}

/// What is asked of one image. Its name may have slashes, so the last word of the path says what is asked.
pub async fn one(
    State(engine): State<Arc<Engine>>,
    version: Version,
    method: Method,
    Path(rest): Path<String>,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let (name, verb) = rest.rsplit_once('/').unwrap_or((&rest, ""));
    match (&method, verb) {
        (&Method::GET, "json") => inspect(&engine, name.to_owned(), version).await,
        (&Method::GET, "history") => history(&engine, name.to_owned()).await,
        (&Method::GET, "get") => archives::send(engine, vec![name.to_owned()]).await,
        (&Method::POST, "tag") => tag(&engine, name.to_owned(), &asked).await,
        (&Method::POST, "push") => registry::push(engine, name, &asked, &headers).await,
        (&Method::GET, _) if rest == "search" => Err(Fault::not_here("GET /images/search")),
        (&Method::DELETE, _) => remove(&engine, rest, flag(&asked, "force")).await,
        _ => Err(Fault::not_found("page not found")),
    }
}

/// `GET /images/search`.
pub async fn search(State(engine): State<Arc<Engine>>, Query(asked): Asked) -> Result<Response, Fault> {
    registry::search(engine, &asked).await
}

/// `GET /distribution/NAME/json`.
pub async fn distribution(State(engine): State<Arc<Engine>>, Path(rest): Path<String>, headers: HeaderMap) -> Result<Response, Fault> {
    match rest.rsplit_once('/') {
        Some((name, "json")) => registry::look(engine, name, &headers).await,
        _ => Err(Fault::not_found("page not found")),
    }
}

async fn inspect(engine: &Arc<Engine>, name: String, version: Version) -> Result<Response, Fault> {
    engine
        .work(move |engine| {
            let mut shown = details(engine, &engine.store.find(&name, &engine.platform)?)?;
            as_of(&mut shown, version);
            with_virtual_size(&mut shown, version);
            Ok(Json(shown).into_response())
        })
        .await
}

/// Until then an image told of a container that it was made from. docker-compose 1 does not go on without it.
const NO_CONTAINER: Version = Version(1, 45);
/// Until then an image's configuration had all that a container's has.
const OWN_CONFIG: Version = Version(1, 50);

/// Until then the size of an image with all its layers was told twice.
const ONE_SIZE: Version = Version(1, 44);

/// Adds `VirtualSize`, by which clients of older versions count.
pub fn with_virtual_size(shown: &mut Value, version: Version) {
    if version < ONE_SIZE {
        shown["VirtualSize"] = shown["Size"].clone();
    }
}

/// Adds what clients of older versions look for. Members of a container that no image has are empty.
fn as_of(shown: &mut Value, version: Version) {
    let all = json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false, "AttachStderr": false, "Tty": false, "OpenStdin": false,
        "StdinOnce": false, "Env": null, "Cmd": null, "Image": "", "Volumes": null, "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": null,
    });
    if version < NO_CONTAINER {
        shown["Container"] = json!("");
        shown["ContainerConfig"] = all.clone();
    }
    if let Some(config) = shown["Config"].as_object_mut().filter(|_| version < OWN_CONFIG) {
        for (key, value) in all.as_object().into_iter().flatten() {
            config.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

fn details(engine: &Engine, image: &Image) -> Result<Value, Fault> {
    let config = &image.config;
    let layers: Vec<_> =
        config.chain_ids().iter().filter_map(|chain_id| engine.store.layer(chain_id).transpose()).collect::<Result<_, _>>()?;
    let folders: Vec<String> = lower_folders(&layers).iter().map(|folder| folder.display().to_string()).collect();
    let (upper, lower) = folders.split_first().map_or((None, None), |(upper, lower)| (Some(upper), Some(lower.join(":"))));
    let last = config.history.last();
    let mut shown = json!({
        "Id": image.id().to_string(),
        "RepoTags": familiar(&image.tags), "RepoDigests": familiar(&image.digests), "Parent": "",
        "Comment": last.and_then(|last| last.comment.clone()).unwrap_or_default(),
        "Created": config.created, "DockerVersion": "", "Author": config.author.clone().unwrap_or_default(),
        "Architecture": config.platform.architecture, "Os": config.platform.os,
        "Size": engine.store.image_size(config)?,
        "GraphDriver": {"Name": "overlay2", "Data": {"LowerDir": lower, "UpperDir": upper}},
        "RootFS": {"Type": "layers", "Layers": config.rootfs.diff_ids},
        "Metadata": {"LastTagTime": "0001-01-01T00:00:00Z"},
        "Config": config.config,
    });
    if let Some(variant) = &config.platform.variant {
        shown["Variant"] = json!(variant);
    }
    Ok(shown)
}

async fn history(engine: &Arc<Engine>, name: String) -> Result<Response, Fault> {
    engine
        .work(move |engine| {
            let image = engine.store.find(&name, &engine.platform)?;
            let mut chain = image.config.chain_ids().into_iter();
            let mut lines = Vec::new();
            for step in &image.config.history {
                let size = if step.empty_layer { None } else { chain.next() };
                let size =
                    size.map_or(Ok(0), |chain_id| engine.store.layer(&chain_id).map(|layer| layer.map_or(0, |layer| layer.content.bytes)))?;
                let made = step.created.as_deref().and_then(|text| text.parse::<Timestamp>().ok()).map_or(0, Timestamp::as_second);
                lines.push(json!({
                    "Id": "<missing>", "Created": made, "CreatedBy": step.created_by.clone().unwrap_or_default(), "Tags": null,
                    "Size": size, "Comment": step.comment.clone().unwrap_or_default(),
                }));
            }
            lines.reverse();
            // The newest step is the image itself.
            if let Some(top) = lines.first_mut() {
                top["Id"] = json!(image.id().to_string());
                top["Tags"] = json!(familiar(&image.tags));
            }
            Ok(Json(Value::Array(lines)).into_response())
        })
        .await
}

async fn tag(engine: &Arc<Engine>, name: String, asked: &HashMap<String, String>) -> Result<Response, Fault> {
    let repository = asked.get("repo").cloned().unwrap_or_default();
    let tag = asked.get("tag").filter(|tag| !tag.is_empty()).cloned();
    let wanted = wanted(&repository, tag.as_deref())?;
    engine
        .work(move |engine| {
            let image = engine.store.find(&name, &engine.platform)?;
            engine.store.set_name(&wanted, &image.target)?;
            engine.events.image("tag", &image.id().to_string(), &wanted.familiar());
            Ok(StatusCode::CREATED.into_response())
        })
        .await
}

/// The name that a repository and a tag make.
///
/// # Errors
/// They make none, or one with a digest, which nobody can give.
pub fn wanted(repository: &str, tag: Option<&str>) -> Result<Reference, Fault> {
    let text = tag.map_or_else(|| repository.to_owned(), |tag| format!("{repository}:{tag}"));
    let name: Reference = text.parse()?;
    if name.digest().is_some() {
        return Err(Fault::bad("refusing to create a tag with a digest reference"));
    }
    Ok(name.or_latest())
}

async fn remove(engine: &Arc<Engine>, name: String, force: bool) -> Result<Response, Fault> {
    let (gone, _) = engine.work(move |engine| engine.remove_image(&name, force)).await?;
    Ok(Json(Value::Array(gone.iter().map(shown).collect())).into_response())
}

fn shown(gone: &Gone) -> Value {
    match gone {
        Gone::Untagged(name) => json!({"Untagged": name}),
        Gone::Deleted(id) => json!({"Deleted": id}),
    }
}

/// `POST /images/prune`: dangling images; with `dangling=false` all that no container uses.
pub async fn prune(State(engine): State<Arc<Engine>>, Query(asked): Asked) -> Result<Json<Value>, Fault> {
    let filters = Filters::read(asked.get("filters").map(String::as_str), &["dangling", "until", "label", "label!"])?;
    engine
        .work(move |engine| {
            let all = filters.flag("dangling")? == Some(false);
            let until = filters.values("until").first().map(|text| moment_before(text)).transpose()?;
            let mut images = engine.store.images(&engine.platform)?;
            images.retain(|image| {
                let used = engine.containers.all().iter().any(|container| container.record().image == image.id().to_string());
                (all || image.is_dangling())
                    && !used
                    && until.is_none_or(|until| created(image) < until)
                    && filters.fits_labels(image.config.config.labels.as_ref())
            });
            let (mut deleted, mut bytes) = (Vec::new(), 0);
            for image in images {
                // One that somebody removed meanwhile is gone too.
                let Ok((gone, freed)) = engine.remove_image(&image.id().to_string(), true) else { continue };
                deleted.extend(gone.iter().map(shown));
                bytes += freed;
            }
            engine.events.tell("image", "prune", "", &[("reclaimed", &bytes.to_string())]);
            Ok(Json(
                json!({"ImagesDeleted": if deleted.is_empty() { Value::Null } else { Value::Array(deleted) }, "SpaceReclaimed": bytes}),
            ))
        })
        .await
}

/// `POST /build/prune`: what builds have left for the next ones.
pub async fn prune_builds(State(engine): State<Arc<Engine>>) -> Result<Json<Value>, Fault> {
    engine
        .work(move |engine| {
            cache::clear(&engine.store)?;
            let bytes = engine.store.sweep(&cache::needed(&engine.store))?.map_or(0, |swept| swept.bytes);
            engine.events.tell("builder", "prune", "", &[("reclaimed", &bytes.to_string())]);
            Ok(Json(json!({"CachesDeleted": null, "SpaceReclaimed": bytes})))
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_docker_reads_them() {
        let asked = |value: &str| HashMap::from([("force".to_owned(), value.to_owned())]);
        assert!(["1", "true", "yes", "anything"].iter().all(|value| flag(&asked(value), "force")));
        assert!(["", "0", "false", "no", "none"].iter().all(|value| !flag(&asked(value), "force")));
        assert!(!flag(&HashMap::new(), "force"));
    }

    #[test]
    fn names_are_made_of_repository_and_tag() {
        assert_eq!(wanted("app", Some("2")).unwrap().familiar(), "app:2");
        assert_eq!(wanted("me/app", None).unwrap().familiar(), "me/app:latest");
        assert!(wanted("App", None).unwrap_err().message.contains("must be lowercase"));
        let digest = format!("app@sha256:{}", "0".repeat(64));
        assert_eq!(wanted(&digest, None).unwrap_err().message, "refusing to create a tag with a digest reference");
    }
}
