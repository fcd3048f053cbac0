//! An image layer by layer: what each adds, changes and removes, what of it nobody sees any more, and single files out of it.
//!
//! Read from the archives and not from what is unpacked, since there a removal is a removal and nothing has to be mounted. What a later layer replaces or
//! removes stays in the earlier one: it is sent with every push and pull, and it can be read by whoever has the image. That is the *waste*.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::archive::{self, Entry, Kind, Limits};
use super::compress::decoder;
use super::error::{Error, Result};
use super::layers::stream;
use super::names::Image;
use super::store::Store;
use super::unpack::{OPAQUE, WHITEOUT};
use crate::oci::digest::Digest;

/// What a layer does to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Added,
    /// It was there: something below is hidden.
    Modified,
    /// It is there no more.
    Removed,
}

/// A name that a layer touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// What happens to it.
    pub change: Change,
    /// Bytes of content.
    pub size: u64,
    /// What it is; `None` for what was removed.
    pub kind: Option<Kind>,
    /// The permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
}

/// One layer.
#[derive(Debug)]
pub struct Surveyed {
    /// The blob.
    pub digest: Digest,
    /// Its size as it is sent.
    pub packed: u64,
    /// The bytes of content in it.
    pub bytes: u64,
    /// The instruction that made it, as the history has it.
    pub created_by: String,
    /// All names that it touches.
    pub names: BTreeMap<PathBuf, Touched>,
}

/// A name whose content lies in layers where nobody sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Waste {
    /// The name.
    pub path: PathBuf,
    /// The bytes that are hidden.
    pub bytes: u64,
    /// The layers that they lie in, counted from 1.
    pub layers: Vec<usize>,
}

/// An image.
#[derive(Debug)]
pub struct Survey {
    /// The layers, lowest first.
    pub layers: Vec<Surveyed>,
    /// The files of the whole image: the layer that each comes from, counted from 0, and its size.
    pub files: BTreeMap<PathBuf, (usize, u64)>,
    /// What is wasted, the most first.
    pub waste: Vec<Waste>,
}

impl Survey {
    /// The bytes of content in all layers.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes).sum()
    }

    /// Those that nobody sees.
    pub fn wasted(&self) -> u64 {
        self.waste.iter().map(|waste| waste.bytes).sum()
    }

    /// The part of the bytes that is seen, from 0 to 1.
    pub fn efficiency(&self) -> f64 {
        if self.bytes() == 0 { 1.0 } else { 1.0 - self.wasted() as f64 / self.bytes() as f64 }
    }
}

impl Store {
    /// Goes through all layers of an image.
    ///
    /// # Errors
    /// A layer is not in the store, is not what the configuration says, or breaks a rule of archives.
    pub fn survey(&self, image: &Image, limits: Limits) -> Result<Survey> {
        let _lease = self.lease()?;
        let made = image.config.history.iter().filter(|line| !line.empty_layer).map(|line| line.created_by.clone().unwrap_or_default());
        let made: Vec<String> = made.collect();
        // An archive that was taken in has no line: what there is belongs to the layers above.
        let silent = image.manifest.layers.len().saturating_sub(made.len());
        let mut made = std::iter::repeat_n(String::new(), silent).chain(made);
        let mut survey = Survey { layers: Vec::new(), files: BTreeMap::new(), waste: Vec::new() };
        let mut hidden = BTreeMap::new();
        for (descriptor, diff_id) in image.manifest.layers.iter().zip(&image.config.rootfs.diff_ids) {
            let mut layer = Surveyed {
                digest: descriptor.digest.clone(),
                packed: descriptor.size,
                bytes: 0,
                created_by: made.next().unwrap_or_default(),
                names: BTreeMap::new(),
            };
            let blob = self.open_blob(&descriptor.digest)?;
            let (_, found) = stream(blob, limits, |reader| {
                archive::read(reader, limits, |entry, _| {
                    take(&mut layer, entry);
                    Ok(())
                })
            })?;
            super::blobs::verify(&format!("the layer {}, uncompressed,", descriptor.digest), diff_id, found)?;
            lay(&mut survey, layer, &mut hidden);
        }
        survey.waste =
            hidden.into_iter().map(|(path, (bytes, layers))| Waste { path, bytes, layers }).filter(|waste| waste.bytes > 0).collect();
        survey.waste.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.path.cmp(&other.path)));
        Ok(survey)
    }

    /// The contents of some files of an image as the topmost layer leaves them; a name with a slash at its end means all in that folder. Links are
    /// not followed, and a file above `largest` bytes is left out.
    ///
    /// # Errors
    /// As [`Store::survey`].
    pub fn files_of(&self, image: &Image, wanted: &[&str], largest: u64) -> Result<BTreeMap<String, Vec<u8>>> {
        let _lease = self.lease()?;
        let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let is_wanted = |path: &str| wanted.iter().any(|one| if one.ends_with('/') { path.starts_with(one) } else { *one == path });
        for descriptor in &image.manifest.layers {
            let reader = decoder(self.open_blob(&descriptor.digest)?).map_err(Error::reading("read a layer"))?;
            archive::read(reader, Limits::default(), |entry, content| {
                let path = entry.path.to_string_lossy().into_owned();
                if let Some(removed) = removed(&entry.path) {
                    let (removed, own) = (removed.path().to_string_lossy().into_owned(), !matches!(removed, Removal::Below(_)));
                    found.retain(|path, _| !(is_below(path, &removed) || own && *path == removed));
                } else if is_wanted(&path) && entry.kind == Kind::File && entry.size <= largest {
                    let mut bytes = Vec::new();
                    content.read_to_end(&mut bytes).map_err(Error::reading(format!("read `{path}`")))?;
                    found.insert(path, bytes);
                } else if entry.kind != Kind::Folder {
                    found.retain(|own, _| *own != path && !is_below(own, &path));
                }
                Ok(())
            })?;
        }
        Ok(found)
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    folder == "." || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// What a whiteout takes away.
enum Removal {
    /// A name and all below it.
    Name(PathBuf),
    /// All that lower layers have in a folder.
    Below(PathBuf),
}

impl Removal {
    fn path(&self) -> &Path {
        match self {
            Removal::Name(path) | Removal::Below(path) => path,
        }
    }
}

fn removed(path: &Path) -> Option<Removal> {
    let (name, parent) = (path.file_name()?, path.parent().unwrap_or(Path::new("")));
    if name == OPAQUE {
        return Some(Removal::Below(parent.to_owned()));
    }
    let hidden = name.as_bytes().strip_prefix(WHITEOUT.as_bytes()).filter(|hidden| !hidden.is_empty())?;
    Some(Removal::Name(parent.join(OsStr::from_bytes(hidden))))
}

/// Notes an entry. What it does to the layers below is decided when the whole layer is known.
fn take(layer: &mut Surveyed, entry: &Entry) {
    let touched = |change, kind: Option<Kind>| Touched { change, size: entry.size, kind, mode: entry.mode, owner: (entry.uid, entry.gid) };
    match removed(&entry.path) {
        // An opaque folder is noted with its mark, which is no name that a file could have.
        Some(Removal::Below(folder)) => drop(layer.names.insert(folder.join(OPAQUE), touched(Change::Removed, None))),
        Some(Removal::Name(path)) => drop(layer.names.insert(path, touched(Change::Removed, None))),
        None => {
            layer.bytes += entry.size;
            layer.names.insert(entry.path.clone(), touched(Change::Added, Some(entry.kind.clone())));
        }
    }
}

/// Bytes that are hidden under a name, and in which layers.
type Hidden = BTreeMap<PathBuf, (u64, Vec<usize>)>;

/// Lays a layer over those below.
fn lay(survey: &mut Survey, mut layer: Surveyed, hidden: &mut Hidden) {
    let marks: Vec<PathBuf> = layer.names.keys().filter(|path| path.file_name().is_some_and(|name| name == OPAQUE)).cloned().collect();
    for mark in marks {
        layer.names.remove(&mark);
        let folder = mark.parent().unwrap_or(Path::new("")).to_owned();
        for path in below(&survey.files, &folder) {
            hide(survey, &path, hidden);
            // What the layer puts into its opaque folder is there again.
            layer.names.entry(path).or_insert(Touched { change: Change::Removed, size: 0, kind: None, mode: 0, owner: (0, 0) });
        }
    }
    let number = survey.layers.len();
    for (path, touched) in &mut layer.names {
        let known = survey.files.contains_key(path);
        match &touched.kind {
            // Folders are met in every layer that has something in them.
            Some(Kind::Folder) => touched.change = if known { Change::Modified } else { Change::Added },
            kind => {
                let gone = [path.clone()].into_iter().chain(below(&survey.files, path));
                gone.collect::<Vec<PathBuf>>().iter().for_each(|path| hide(survey, path, hidden));
                if kind.is_some() && known {
                    touched.change = Change::Modified;
                }
            }
        }
        if touched.kind.is_some() {
            survey.files.insert(path.clone(), (number, touched.size));
        }
    }
    survey.layers.push(layer);
}

fn below(files: &BTreeMap<PathBuf, (usize, u64)>, folder: &Path) -> Vec<PathBuf> {
    let all = files.range(folder.to_owned()..).map(|(path, _)| path);
    if folder.as_os_str().is_empty() {
        return all.cloned().collect();
    }
    all.skip_while(|path| *path == folder).take_while(|path| path.starts_with(folder)).cloned().collect()
}

fn hide(survey: &mut Survey, path: &Path, hidden: &mut Hidden) {
    if let Some((layer, size)) = survey.files.remove(path) {
        let (bytes, layers) = hidden.entry(path.to_owned()).or_default();
        *bytes += size;
        layers.push(layer + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::digest::{Algorithm, HashedWriter};
    use crate::oci::image::spec::{Descriptor, History, ImageConfig, Platform, media};

    /// An image of these layers; a content of `/` makes a folder.
    fn image(store: &Store, layers: &[&[(&str, &str)]]) -> Image {
        let (mut config, mut blobs) = (ImageConfig { platform: Platform::here(), ..ImageConfig::default() }, Vec::new());
        for (number, files) in layers.iter().enumerate() {
            let mut writer = tar::Builder::new(HashedWriter::new(Vec::new(), Algorithm::Sha256));
            for (path, content) in *files {
                let mut header = tar::Header::new_ustar();
                let folder = *content == "/";
                header.set_entry_type(if folder { tar::EntryType::Directory } else { tar::EntryType::Regular });
                header.set_mode(0o644);
                header.set_uid(0);
                header.set_gid(0);
                header.set_mtime(0);
                let content = if folder { "" } else { content };
                header.set_size(content.len() as u64);
                writer.append_data(&mut header, path, content.as_bytes()).unwrap();
            }
            let (bytes, diff_id) = writer.into_inner().unwrap().finish();
            blobs.push(Descriptor { media_type: media::LAYER.to_owned(), ..store.put_blob(media::LAYER, &bytes).unwrap() });
            config.rootfs.diff_ids.push(diff_id);
            config.history.push(History { created_by: Some(format!("RUN step {number}")), ..History::default() });
        }
        let target = store.put_image(&config, blobs).unwrap();
        store.read_image(&target, &Platform::here()).unwrap()
    }

    fn survey(layers: &[&[(&str, &str)]]) -> Survey {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let image = image(&store, layers);
        store.survey(&image, Limits::default()).unwrap()
    }

    #[test]
    fn what_is_replaced_or_removed_is_wasted() {
        let seen = survey(&[
            &[("etc/", "/"), ("etc/a", "12345"), ("secret", "1234567"), ("opt/", "/"), ("opt/x", "123"), ("opt/y", "1")],
            &[("etc/a", "123"), (".wh.secret", "")],
            &[("opt/", "/"), ("opt/.wh..wh..opq", ""), ("opt/y", "22"), ("etc/.wh.nothing", "")],
        ]);
        let waste: Vec<(String, u64, &[usize])> =
            seen.waste.iter().map(|one| (one.path.display().to_string(), one.bytes, &one.layers[..])).collect();
        assert_eq!(
            waste,
            [("secret".into(), 7, &[1][..]), ("etc/a".into(), 5, &[1]), ("opt/x".into(), 3, &[1]), ("opt/y".into(), 1, &[1])]
        );
        assert_eq!((seen.bytes(), seen.wasted()), (16 + 3 + 2, 16));
        let change = |layer: usize, path: &str| seen.layers[layer].names[Path::new(path)].change;
        assert_eq!((change(0, "secret"), change(1, "secret"), change(1, "etc/a")), (Change::Added, Change::Removed, Change::Modified));
        assert_eq!(
            (change(2, "opt/x"), change(2, "opt"), seen.layers[1].created_by.as_str()),
            (Change::Removed, Change::Modified, "RUN step 1")
        );
        assert_eq!(seen.files[Path::new("opt/y")], (2, 2));
        assert!(!seen.files.contains_key(Path::new("secret")) && !seen.files.contains_key(Path::new("opt/x")));
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_hides_all_in_it() {
        let seen = survey(&[&[("d/", "/"), ("d/one", "11"), ("d/two", "222"), ("dd", "4")], &[("d", "now a file")]]);
        assert_eq!(seen.wasted(), 5);
        assert!(seen.files.contains_key(Path::new("dd")) && !seen.files.contains_key(Path::new("d/one")));
        assert_eq!(survey(&[]).efficiency(), 1.0);
    }

    #[test]
    fn files_are_read_as_the_top_leaves_them() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let layers: &[&[(&str, &str)]] = &[
            &[("etc/os-release", "old"), ("var/list/a", "a"), ("var/list/b", "b"), ("gone", "x"), ("dir/f", "f")],
            &[("etc/os-release", "new"), ("var/list/.wh.a", ""), (".wh.gone", ""), ("dir", "file")],
        ];
        let image = image(&store, layers);
        let found = store.files_of(&image, &["etc/os-release", "var/list/", "gone", "dir/f"], 100).unwrap();
        let shown: Vec<(&str, &[u8])> = found.iter().map(|(path, bytes)| (path.as_str(), &bytes[..])).collect();
        assert_eq!(shown, [("etc/os-release", &b"new"[..]), ("var/list/b", b"b")]);
        assert!(store.files_of(&image, &["etc/os-release"], 2).unwrap().is_empty());
    }
}
