//! What is asked of a build, and what it asks of its surroundings.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use super::error::{Error, Result};
use crate::oci::image::Image;
use crate::oci::image::spec::Platform;
use crate::oci::reference::Reference;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In this file.
    File(PathBuf),
    /// In this variable of our environment.
    Environment(String),
}

/// Where files and bases come from besides the context: `--build-context NAME=...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A folder, read as a context is.
    Folder(PathBuf),
    /// An image.
    Image(String),
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--target`.
    pub target: Option<String>,
    /// `--build-arg`.
    pub arguments: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--platform`.
    pub platform: Platform,
    /// `--no-cache`.
    pub no_cache: bool,
    /// `--no-cache-filter`: stages that are built anew.
    pub no_cache_stages: Vec<String>,
    /// `--pull`.
    pub pull: bool,
    /// `--cache-from`: images whose layers may be used.
    pub cache_from: Vec<String>,
    /// `--cache-to type=inline`: the image says what its layers were made of.
    pub inline_cache: bool,
    /// `--build-context`, by the names of [`context_name`].
    pub contexts: BTreeMap<String, Named>,
    /// `--secret`.
    pub secrets: BTreeMap<String, Secret>,
    /// `--network`: `default`, `none`, `host`.
    pub network: String,
    /// `--add-host`: lines of `/etc/hosts`.
    pub hosts: Vec<String>,
    /// `--allow`.
    pub allow: Vec<String>,
    /// `SOURCE_DATE_EPOCH`, in seconds.
    pub epoch: Option<i64>,
    /// Which Dockerfile of which context this is: builds of the same are compared to explain what the cache did.
    pub identity: String,
    /// Every stage before the target, one after the other: the classic builder.
    pub all_stages: bool,
    /// Nothing is built, only judged.
    pub check: bool,
}

/// The way to what is not in the context.
pub trait Outside: Sync {
    /// The image that a reference means, with all its layers in the store. `pull`: look for a newer one.
    ///
    /// # Errors
    /// It is neither here nor to be had.
    fn find(&self, reference: &str, platform: &Platform, pull: bool) -> Result<Image>;

    /// Fetches a file, and gives the time of its last change, if the server says so, in seconds since 1970.
    ///
    /// # Errors
    /// It cannot be had.
    fn fetch(&self, url: &str, to: &mut dyn Write) -> Result<Option<i64>>;
}

/// The name by which a further context is looked up: in lower case, and that of an image as short as can be, so that a context called `alpine` stands for
/// `alpine:latest` too.
pub fn context_name(text: &str) -> String {
    let name = text.parse::<Reference>().map_or_else(|_| text.to_ascii_lowercase(), |reference| reference.familiar());
    name.strip_suffix(":latest").map_or(name.clone(), str::to_owned)
}

/// The name of an image in full: `alpine` is `docker.io/library/alpine:latest`.
///
/// # Errors
/// It is no name.
pub fn full_name(name: &str) -> Result<String> {
    let reference = name.parse::<Reference>().map_err(|error| Error::new(format!("failed to parse stage name {name:?}: {error}")))?;
    Ok(reference.or_latest().to_string())
}
