//! `--output`: what was built as files: a folder, an archive of the tree, an archive of the image.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::{During as _, Error, Result};
use super::ignore::Ignore;
use super::state::State;
use super::tree::Tree;
use super::workshop::Workshop;
use super::write::Writer;
use crate::kernel::folder::Folder;
use crate::kernel::fs;
use crate::kernel::root::Root;
use crate::oci::image::pack::{Source, pack};
use crate::oci::image::save::ToSave;
use crate::oci::image::{Image, Store};
use crate::oci::reference::Reference;

/// Where a result goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The files, into this folder.
    Local(PathBuf),
    /// A tar of the files; `None` is standard output.
    Tar(Option<PathBuf>),
    /// The image as an archive that `docker load` and readers of OCI layouts take; `None` is standard output.
    Archive(Option<PathBuf>),
    /// The store: what happens without `--output`.
    Image,
}

impl Output {
    /// Reads `type=local,dest=out`, or a path alone; `-` is a tar on standard output.
    ///
    /// # Errors
    /// The type is unknown, or needs a destination.
    pub fn read(text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Output::Tar(None));
        }
        if !text.contains('=') {
            return Ok(Output::Local(PathBuf::from(text)));
        }
        let parts: BTreeMap<&str, &str> = text.split(',').filter_map(|part| part.split_once('=')).collect();
        let place = parts.get("dest").filter(|place| **place != "-").map(PathBuf::from);
        match parts.get("type").copied().unwrap_or_default() {
            "local" => place
                .map(Output::Local)
                .ok_or_else(|| Error::new("dest is required for local exporter").hint("--output type=local,dest=FOLDER")),
            "tar" => Ok(Output::Tar(place)),
            "docker" | "oci" => Ok(Output::Archive(place)),
            "image" => Ok(Output::Image),
            other => Err(Error::new(format!("unknown exporter {other:?}")).hint("use local, tar, docker, oci or image")),
        }
    }
}

/// Writes the files of a state.
///
/// # Errors
/// The place cannot be written.
pub fn files(workshop: &Workshop<'_>, state: &State, output: &Output) -> Result<()> {
    let mounted = workshop.mount(&state.layers, false)?;
    match output {
        Output::Local(folder) => {
            fs::create_dir_all(folder, 0o755)?;
            let tree = Tree { root: mounted.root()?, ignore: Ignore::default(), owned_by_root: false };
            let root = Root::open(folder)?;
            let writer = Writer { root: &root, owner: None, mode: None, single: workshop.single };
            tree.select(".", &Ignore::default())?.iter().try_for_each(|source| writer.source(&tree, source, Path::new("/"), true))
        }
        Output::Tar(place) => {
            let folder = Folder::open(&mounted.merged)?;
            let mut to = open(place.as_deref())?;
            pack(&folder, Source::Tree, &mut to).during(|| "write the archive")?;
            to.flush().map_err(|error| Error::new(format!("write the archive: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes the image as an archive.
///
/// # Errors
/// The place cannot be written.
pub fn archive(store: &Store, image: &Image, names: &[Reference], place: Option<&Path>) -> Result<()> {
    Ok(store.save(&[ToSave { image: image.clone(), names: names.to_vec() }], open(place)?)?)
}

fn open(place: Option<&Path>) -> Result<Box<dyn Write>> {
    match place {
        Some(path) => {
            let made = std::fs::File::create(path).map_err(|error| Error::new(format!("create `{}`: {error}", path.display())))?;
            Ok(Box::new(std::io::BufWriter::new(made)))
        }
        None => Ok(Box::new(std::io::BufWriter::new(std::io::stdout()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read_as_docker_reads_them() {
        assert_eq!(Output::read("out").unwrap(), Output::Local("out".into()));
        assert_eq!(Output::read("type=local,dest=out").unwrap(), Output::Local("out".into()));
        assert_eq!(Output::read("-").unwrap(), Output::Tar(None));
        assert_eq!(Output::read("type=tar,dest=a.tar").unwrap(), Output::Tar(Some("a.tar".into())));
        assert_eq!(Output::read("type=oci,dest=-").unwrap(), Output::Archive(None));
        assert_eq!(Output::read("type=image").unwrap(), Output::Image);
        assert!(Output::read("type=local").is_err() && Output::read("type=x").is_err());
    }
}
