//! Trees that files are copied from: the context, a stage, an image. What is in them, and a digest of each file.
//!
//! Every path is resolved inside the tree's root, links too, so that neither a context nor an image leads to the machine's files. The digest of a file is
//! over all that a copy of it keeps but the time: kind, mode, owner, target of a link, attributes, content.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::error::{During as _, Error, Result};
use super::ignore::{Ignore, cleaned};
use super::pattern::{Pattern, is_pattern};
use crate::kernel::error::Errno;
use crate::kernel::folder::{FileType, Folder, Status};
use crate::kernel::root::Root;
use crate::oci::digest::{Algorithm, Digest, Hasher};
use crate::oci::image::unpack::is_an_images;

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// A tree.
#[derive(Debug)]
pub struct Tree {
    /// Its top.
    pub root: Root,
    /// What of it does not count.
    pub ignore: Ignore,
    /// Files belong to root, whoever has them: the context.
    pub owned_by_root: bool,
}

/// A file, folder or link in a tree.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its path below the root, without links.
    pub path: PathBuf,
    /// Its path below the source that it belongs to; empty for the source itself.
    pub below: PathBuf,
    /// What it is.
    pub status: Status,
}

/// One source of a `COPY`, found.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path as written, cleaned: its last part is the name of a file that is copied into a folder.
    pub name: String,
    /// It and all below it, folders before their content, sorted.
    pub items: Vec<Item>,
}

impl Source {
    /// The path of an item below the tree, as people write it.
    pub fn shown(&self, item: &Item) -> String {
        let below = item.below.display().to_string();
        match (self.name.as_str(), below.is_empty()) {
            (name, true) => name.to_owned(),
            (".", false) => below,
            (name, false) => format!("{name}/{below}"),
        }
    }
}

impl Tree {
    /// Finds what a source means: a path, or a pattern that may fit several.
    ///
    /// # Errors
    /// Nothing is there, in BuildKit's words; a pattern is broken.
    pub fn select(&self, text: &str, exclude: &Ignore) -> Result<Vec<Source>> {
        // Nothing is above the tree: `..` at the top is the top.
        let clean = cleaned(&format!("/{text}"));
        let names = if is_pattern(&clean) { self.matching(&clean)? } else { vec![clean.clone()] };
        let mut found = Vec::new();
        for name in names {
            if let Some(source) = self.source(&name, exclude)? {
                found.push(source);
            } else if !is_pattern(&clean) {
                return Err(self.not_found(&clean));
            }
        }
        if found.is_empty() { Err(self.not_found(&clean)) } else { Ok(found) }
    }

    fn not_found(&self, clean: &str) -> Error {
        let error = Error::new(format!("failed to compute cache key: failed to calculate checksum of {clean:?}: not found"));
        let error = Error { why: error.why.replace(&format!("{clean:?}"), &format!("\"/{clean}\"")), ..error };
        match self.ignore.excludes(clean) {
            Some(line) => error.hint(format!("the line `{line}` of .dockerignore leaves it out of the context")),
            None => error,
        }
    }

    /// The names that fit a pattern, part by part.
    fn matching(&self, pattern: &str) -> Result<Vec<String>> {
        let mut found = vec![String::new()];
        for part in pattern.split('/') {
            let fits = Pattern::read(part, false)?;
            let mut deeper = Vec::new();
            for above in &found {
                if !is_pattern(part) {
                    deeper.push(joined(above, part));
                    continue;
                }
                let Ok(folder) = self.folder(Path::new(above)) else { continue };
                let names = folder.names().during(|| format!("list `{above}`"))?;
                let fitting = names.iter().filter_map(|(name, _)| name.to_str()).filter(|name| fits.fits(name));
                deeper.extend(fitting.map(|name| joined(above, name)));
            }
            found = deeper;
        }
        Ok(found)
    }

    fn folder(&self, path: &Path) -> crate::kernel::Result<Folder> {
        Folder::within(&self.root, path)
    }

    /// The source at a path; `None` if nothing is there, or nothing that counts.
    fn source(&self, name: &str, exclude: &Ignore) -> Result<Option<Source>> {
        let path = resolve(&self.root, Path::new(name), true)?;
        let Some(status) = self.status(&path)? else { return Ok(None) };
        let top = Item { path: path.clone(), below: PathBuf::new(), status };
        if status.kind != FileType::Directory {
            let file = Path::new(name).file_name().unwrap_or_default().to_string_lossy().into_owned();
            let out = self.leaves_out(&path) || exclude.excludes(&file).is_some() || exclude.excludes(name).is_some();
            return Ok((!out).then(|| Source { name: name.to_owned(), items: vec![top] }));
        }
        let mut items = vec![top];
        self.walk(&path, exclude, &mut items)?;
        if self.leaves_out(&path) && items.len() == 1 {
            return Ok(None);
        }
        Ok(Some(Source { name: name.to_owned(), items }))
    }

    /// Everything below a folder. A folder that is left out stays if something in it was taken back.
    fn walk(&self, top: &Path, exclude: &Ignore, items: &mut Vec<Item>) -> Result<()> {
        // Folders wait on a list: a tree may nest as deep as it likes. `held` are folders that are left out until something in them counts.
        let mut waiting: Vec<(PathBuf, PathBuf)> = vec![(top.to_owned(), PathBuf::new())];
        let mut held: Vec<Item> = Vec::new();
        while let Some((path, below)) = waiting.pop() {
            let folder = self.folder(&path).during(|| format!("open `{}`", path.display()))?;
            for (name, _) in folder.names().during(|| format!("list `{}`", path.display()))? {
                let (inner, below) = (path.join(&name), below.join(&name));
                // Gone since the list was made.
                let Some(status) = folder.status(&name)? else { continue };
                let is_folder = status.kind == FileType::Directory;
                let out = self.leaves_out(&inner);
                let excluded = !exclude.is_empty() && (excludes(exclude, &below) || excludes(exclude, &inner));
                let item = Item { path: inner.clone(), below: below.clone(), status };
                if !out && !excluded {
                    bring_back(&mut held, &item, items);
                    items.push(item);
                } else if is_folder {
                    held.push(item);
                }
                let may_hold = (!out || self.ignore.takes_back()) && (!excluded || exclude.takes_back());
                if is_folder && may_hold {
                    waiting.push((inner, below));
                }
            }
        }
        items[1..].sort_by(|one, other| one.below.cmp(&other.below));
        Ok(())
    }

    fn leaves_out(&self, path: &Path) -> bool {
        excludes(&self.ignore, path)
    }

    /// What is at a path without links; `None` if nothing is.
    ///
    /// # Errors
    /// Those of the kernel but ENOENT and ENOTDIR.
    pub fn status(&self, path: &Path) -> Result<Option<Status>> {
        status(&self.root, path)
    }

    /// The digest of an item.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn digest(&self, item: &Item) -> Result<Digest> {
        let (folder, name) = self.place(item)?;
        let doing = || format!("read `{}`", item.path.display());
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let status = &item.status;
        let owner = if self.owned_by_root { (0, 0) } else { (status.uid, status.gid) };
        hasher.update(format!("{:?} {:o} {} {}\0", status.kind, status.mode, owner.0, owner.1).as_bytes());
        if status.kind == FileType::Symlink {
            hasher.update(folder.read_link(&name).during(doing)?.as_bytes());
        }
        for (attribute, value) in folder.attributes(&name).during(doing)?.iter().filter(|(attribute, _)| is_an_images(attribute)) {
            hasher.update(format!("\0{attribute} {} ", value.len()).as_bytes());
            hasher.update(value);
        }
        if status.kind == FileType::RegularFile {
            let mut file = folder.open_file(&name).during(doing)?;
            let mut piece = vec![0; 128 << 10];
            loop {
                let count = file.read(&mut piece).map_err(|error| Error::new(format!("{}: {error}", doing())))?;
                if count == 0 {
                    break;
                }
                hasher.update(&piece[..count]);
            }
        }
        Ok(hasher.finish())
    }

    /// The folder that an item is in, and its name there; for the top itself the top and `.`.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub fn place(&self, item: &Item) -> Result<(Folder, OsString)> {
        let name = item.path.file_name().unwrap_or(OsStr::new(".")).to_owned();
        let parent = item.path.parent().unwrap_or(Path::new(""));
        Ok((self.folder(parent).during(|| format!("open `{}`", parent.display()))?, name))
    }
}

fn excludes(ignore: &Ignore, path: &Path) -> bool {
    !ignore.is_empty() && !path.as_os_str().is_empty() && ignore.excludes(&path.to_string_lossy()).is_some()
}

/// The folders above an item that counts do count.
fn bring_back(held: &mut Vec<Item>, item: &Item, items: &mut Vec<Item>) {
    items.extend(held.extract_if(.., |folder| item.path.starts_with(&folder.path)));
}

fn joined(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}

/// What is at a path without links, below a root; `None` if nothing is.
///
/// # Errors
/// Those of the kernel but ENOENT and ENOTDIR.
pub fn status(root: &Root, path: &Path) -> Result<Option<Status>> {
    let name = path.file_name().unwrap_or(OsStr::new("."));
    match Folder::within(root, path.parent().unwrap_or(Path::new(""))) {
        Ok(folder) => Ok(folder.status(name)?),
        Err(error) if [Errno::ENOENT, Errno::ENOTDIR].contains(&error.errno) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The path without links that a path means inside a root; with `last`, a link at its end is followed too. What is not there stays as it is written.
/// It is for names only: whoever opens the result does so inside the root again.
///
/// # Errors
/// Links lead in a circle.
pub fn resolve(root: &Root, path: &Path, last: bool) -> Result<PathBuf> {
    let parts = |path: &Path| path.components().map(|part| part.as_os_str().to_owned()).collect::<VecDeque<OsString>>();
    let (mut real, mut rest, mut links) = (PathBuf::new(), parts(path), 0);
    while let Some(part) = rest.pop_front() {
        match Path::new(&part).components().next() {
            Some(Component::Normal(_)) => {}
            Some(Component::ParentDir) => {
                real.pop();
                continue;
            }
            Some(Component::RootDir) => {
                real.clear();
                continue;
            }
            _ => continue,
        }
        let inner = real.join(&part);
        let is_link = status(root, &inner)?.is_some_and(|status| status.kind == FileType::Symlink);
        if !is_link || (rest.is_empty() && !last) {
            real = inner;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Error::new(format!("`{}`: too many links", path.display())));
        }
        let target = Folder::within(root, &real)?.read_link(&part)?;
        let mut parts = parts(Path::new(&target));
        parts.append(&mut rest);
        rest = parts;
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn tree(place: &Path, ignore: &str) -> Tree {
        Tree { root: Root::open(place).unwrap(), ignore: Ignore::read(ignore).unwrap(), owned_by_root: true }
    }

    fn files(place: &Path, names: &[&str]) {
        for name in names {
            fs::create_dir_all(place.join(name).parent().unwrap()).unwrap();
            fs::write(place.join(name), name).unwrap();
        }
    }

    fn shown(tree: &Tree, text: &str, exclude: &[&str]) -> Vec<String> {
        let exclude = Ignore::of(exclude.iter().copied()).unwrap();
        let found = tree.select(text, &exclude).unwrap_or_else(|error| panic!("{text}: {error}"));
        found.iter().flat_map(|source| source.items.iter().map(|item| item.path.display().to_string())).collect()
    }

    #[test]
    fn sources_are_paths_folders_and_patterns() {
        let place = tempfile::tempdir().unwrap();
        files(
            place.path(),
            &["package.json", "package-lock.json", "src/a.js", "src/deep/b.js", "node_modules/x/y.js", "docs/keep.md", "docs/no.md"],
        );
        let tree = tree(place.path(), "node_modules\ndocs\n!docs/keep.md");
        assert_eq!(shown(&tree, "package*.json", &[]), ["package-lock.json", "package.json"]);
        assert_eq!(shown(&tree, "/src/../src", &[]), ["src", "src/a.js", "src/deep", "src/deep/b.js"]);
        assert_eq!(shown(&tree, "src", &["deep"]), ["src", "src/a.js"]);
        assert_eq!(shown(&tree, "s*/*.js", &[]), ["src/a.js"]);
        assert_eq!(shown(&tree, "../../src/a.js", &[]), ["src/a.js"], "nothing is above the context");
        let all = ["", "docs", "docs/keep.md", "package-lock.json", "package.json", "src", "src/a.js", "src/deep", "src/deep/b.js"];
        assert_eq!(shown(&tree, ".", &[]), all);
        let error = tree.select("node_modules", &Ignore::default()).unwrap_err();
        assert_eq!(error.why, "failed to compute cache key: failed to calculate checksum of \"/node_modules\": not found");
        assert!(error.hint.unwrap().contains("`node_modules` of .dockerignore"));
        assert!(tree.select("*.nope", &Ignore::default()).is_err() && tree.select("[", &Ignore::default()).is_err());
    }

    #[test]
    fn links_lead_nowhere_but_into_the_tree() {
        let (place, canary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        files(canary.path(), &["secret"]);
        files(place.path(), &["real/file"]);
        symlink(canary.path(), place.path().join("out")).unwrap();
        symlink(format!("{}/secret", canary.path().display()), place.path().join("secret")).unwrap();
        symlink("../../../../../../../../etc", place.path().join("up")).unwrap();
        symlink("/real", place.path().join("in")).unwrap();
        symlink("circle", place.path().join("circle")).unwrap();
        let tree = tree(place.path(), "");
        for text in ["out", "out/secret", "secret", "up/passwd", "up"] {
            assert!(tree.select(text, &Ignore::default()).is_err(), "{text}");
        }
        assert!(tree.select("circle", &Ignore::default()).unwrap_err().why.contains("too many links"));
        assert_eq!(shown(&tree, "in", &[]), ["real", "real/file"]);
        assert_eq!(shown(&tree, "in/file", &[]), ["real/file"]);
    }

    #[test]
    fn the_digest_knows_content_and_mode_and_no_times() {
        let place = tempfile::tempdir().unwrap();
        files(place.path(), &["a"]);
        let tree = tree(place.path(), "");
        let digest = || {
            let source = tree.select("a", &Ignore::default()).unwrap().remove(0);
            tree.digest(&source.items[0]).unwrap()
        };
        let first = digest();
        fs::File::open(place.path().join("a")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(digest(), first);
        fs::set_permissions(place.path().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
        let executable = digest();
        assert_ne!(executable, first);
        fs::write(place.path().join("a"), "b").unwrap();
        assert_ne!(digest(), executable);
    }
}
