//! The image of a stage: its configuration, its manifest, its names.

use std::collections::BTreeMap;

use serde_json::json;

use super::cache::Record;
use super::error::{Error, Result};
use super::options::Options;
use super::state::State;
use crate::oci::digest::Digest;
use crate::oci::image::spec::{Descriptor, ImageConfig};
use crate::oci::image::{Image, Store};

/// Where an image with an inline cache says what its layers were made of: keys of steps, one for each layer, empty where there is none.
const INLINE: &str = "io.bottleship.build.cache";

/// A time as configurations have it.
pub fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |time| time.to_string())
}

fn finished(state: &State, options: &Options) -> ImageConfig {
    let mut config = state.config.clone();
    config.rootfs.diff_ids = state.layers.iter().map(|layer| layer.diff_id.clone()).collect();
    let now = || crate::oci::runtime::timestamp();
    config.created = Some(options.epoch.map(time).or_else(|| state.time.clone()).unwrap_or_else(now));
    for line in config.history.iter_mut().filter(|line| line.created.is_none()) {
        line.created.clone_from(&config.created);
    }
    if !options.labels.is_empty() {
        config.config.labels.get_or_insert_default().extend(options.labels.clone());
    }
    if options.inline_cache {
        let keys: Vec<String> = state.layers.iter().map(|layer| layer.key.as_ref().map(Digest::to_string).unwrap_or_default()).collect();
        config.other.insert(INLINE.to_owned(), json!(keys));
    }
    config
}

/// The configuration of a state, as the bytes whose digest is the image's id.
///
/// # Errors
/// None that can happen: it is made of texts.
pub fn config(state: &State, options: &Options) -> Result<Vec<u8>> {
    serde_json::to_vec(&finished(state, options)).map_err(|error| Error::new(error.to_string()))
}

/// Writes the image to the store and keeps it, without a name.
///
/// # Errors
/// The store cannot be written.
pub fn write(store: &Store, state: &State, options: &Options) -> Result<Image> {
    let config = finished(state, options);
    let layers = state.layers.iter().map(|layer| layer.descriptor.clone()).collect::<Vec<Descriptor>>();
    let target = store.put_image(&config, layers)?;
    store.keep(&target)?;
    Ok(store.read_image(&target, &config.platform)?)
}

/// The layer of an image with an inline cache that a step with this key made.
pub fn imported(image: &Image, key: &Digest) -> Option<Record> {
    let keys = image.config.other.get(INLINE)?.as_array()?;
    let at = keys.iter().position(|one| one.as_str() == Some(key.to_string().as_str()))?;
    // Counted from the end: a base that was imported has layers without a history.
    let made: Vec<_> = image.config.history.iter().rev().filter(|line| !line.empty_layer).collect();
    let from_end = image.manifest.layers.len().checked_sub(at + 1)?;
    Some(Record {
        descriptor: image.manifest.layers.get(at)?.clone(),
        diff_id: image.config.rootfs.diff_ids.get(at)?.clone(),
        created: made.get(from_end)?.created.clone()?,
        bytes: 0,
    })
}

/// The labels of `--label`.
///
/// # Errors
/// One has no name.
pub fn labels<'a>(texts: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, String>> {
    let pair = |text: &str| match text.split_once('=').unwrap_or((text, "")) {
        ("", _) => Err(Error::new(format!("invalid label {text:?}: it has no name"))),
        (name, value) => Ok((name.to_owned(), value.to_owned())),
    };
    texts.map(pair).collect()
}
