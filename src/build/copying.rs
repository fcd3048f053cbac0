//! `COPY` and `ADD`.

use std::io::{Cursor, Read as _};
use std::path::Path;

use super::builder::{Builder, Opened};
use super::cache::{Inputs, Kind};
use super::chmod::Change;
use super::context::is_tar;
use super::dockerfile::instruction::Copy;
use super::error::{During as _, Error, Result};
use super::ignore::Ignore;
use super::stage::{Place, joined};
use super::state::State;
use super::tree::{Source, Tree};
use super::workshop::Made;
use super::write::Writer;
use crate::kernel::folder::{FileType, Folder};
use crate::kernel::root::Root;
use crate::oci::accounts;
use crate::oci::digest::{Algorithm, Digest, HashedWriter};
use crate::oci::image::archive::Limits;
use crate::oci::image::compress::decoder;
use crate::oci::image::unpack::{self, Owners, Whiteouts};

/// A tree, and which of its files go where.
type Fetched = (Opened, Vec<(Source, String)>);

/// An instruction with its variables replaced and its sources found.
struct Ready {
    opened: Opened,
    /// What is copied, and where each goes.
    sources: Vec<(Source, String)>,
    /// Files that were fetched, in a tree of their own.
    fetched: Option<Fetched>,
    /// Files that the Dockerfile itself brings: name, content.
    documents: Vec<(String, String)>,
    target: String,
    /// The target is a folder, whatever is there.
    into: bool,
    chown: Option<String>,
    chmod: Option<Change>,
    link: bool,
    parents: bool,
    /// Archives are unpacked: those of the context, those that were fetched.
    unpack: (bool, bool),
}

impl Builder<'_> {
    /// Carries it out.
    ///
    /// # Errors
    /// A source is not there; the kernel refused.
    pub fn copy(&self, state: &mut State, place: Place<'_>, copy: &Copy, add: bool) -> Result<()> {
        let (ready, inputs, created_by) = self.prepare(state, place, copy, add)?;
        self.make(state, place, inputs, created_by, |state, _| self.carry_out(state, &ready))
    }

    fn prepare(&self, state: &State, place: Place<'_>, copy: &Copy, add: bool) -> Result<(Ready, Inputs, String)> {
        let expand = |text: &String| state.scope.expand(text);
        let from = self.plan.from(copy.from.as_deref(), place.stage)?;
        let opened = self.open(&from, place.stage)?;
        let (texts, written) = (copy.sources.iter().map(expand).collect::<Result<Vec<_>>>()?, expand(&copy.target)?);
        let into = written.ends_with('/') || written == "." || written.ends_with("/.") || written == ".." || written.ends_with("/..");
        let target = joined(state.directory(), &written);
        let chown = copy.chown.as_ref().map(expand).transpose()?;
        let chmod_text = copy.chmod.as_ref().map(expand).transpose()?;
        let chmod = chmod_text.as_deref().map(Change::read).transpose()?;
        let excluded = copy.exclude.iter().map(expand).collect::<Result<Vec<_>>>()?;
        let exclude = Ignore::of(excluded.iter().map(String::as_str))?;
        let mut created_by = String::from(if add { "ADD" } else { "COPY" });
        let options = [("chown", &chown), ("chmod", &chmod_text)];
        options.iter().for_each(|(name, value)| created_by.extend(value.iter().map(|value| format!(" --{name}={value}"))));
        let mut inputs = Inputs::new(&place.text(), place.step.statement.line);
        let named = chown.as_deref().is_some_and(|owner| owner.split(':').any(|part| part.parse::<u32>().is_err()));
        if !copy.link || named {
            inputs.add(Kind::Below, "", state.parent());
        }
        let rule = format!("{target} {into} {chown:?} {chmod_text:?} {} {} {excluded:?} {:?}", copy.link, copy.parents, copy.unpack);
        inputs.add(Kind::Instruction, if add { "ADD" } else { "COPY" }, rule);
        let (mut sources, mut remote) = (Vec::new(), Vec::new());
        for text in texts {
            created_by.push_str(&format!(" {text}"));
            if add && is_remote(&text) {
                remote.push(text);
                continue;
            }
            let (above, text) = pivot(&text, copy.parents);
            for source in opened.tree.select(&text, &exclude)? {
                let place = if copy.parents { with_parents(&target, &source, &above) } else { target.clone() };
                digests(&opened.tree, &source, &place, &mut inputs)?;
                sources.push((source, place));
            }
        }
        let fetched = self.fetch_all(&remote, copy, &target, &mut inputs)?;
        let mut documents = Vec::new();
        for document in &copy.documents {
            created_by.push_str(&format!(" <<{}", document.name));
            let content = if document.expand { state.scope.expand_document(&document.content)? } else { document.content.clone() };
            inputs.add(Kind::File, format!("<<{}", document.name), Digest::of(content.as_bytes()).to_string());
            documents.push((document.name.clone(), content));
        }
        created_by.push_str(&format!(" {written} # buildkit"));
        let unpack = (add && copy.unpack != Some(false), copy.unpack == Some(true));
        let ready =
            Ready { opened, sources, fetched, documents, target, into, chown, chmod, link: copy.link, parents: copy.parents, unpack };
        Ok((ready, inputs, created_by))
    }

    fn carry_out(&self, state: &State, ready: &Ready) -> Result<Made> {
        // A layer that does not depend on those below sees none of them.
        let below = if ready.link { &[][..] } else { &state.layers[..] };
        let mounted = self.workshop.mount(below, true)?;
        let root = mounted.root()?;
        let owner = ready.chown.as_deref().map(|text| self.owner(state, ready, &root, text)).transpose()?;
        let writer = Writer { root: &root, owner, mode: ready.chmod.clone(), single: self.workshop.single };
        let into = ready.into;
        let count = ready.sources.len() + ready.documents.len() + ready.fetched.as_ref().map_or(0, |(_, sources)| sources.len());
        let target = super::tree::resolve(&root, Path::new(&ready.target), true)?;
        let folder = super::tree::status(&root, &target)?.is_some_and(|status| status.kind == FileType::Directory);
        if count > 1 && !into && !folder {
            return Err(Error::new("When using COPY with more than one source file, the destination must be a directory and end with a /"));
        }
        for (source, place) in &ready.sources {
            self.check_canceled()?;
            // With `--parents` the place is the file's own already.
            self.one(&writer, &ready.opened.tree, source, place, (into && !ready.parents, ready.unpack.0))?;
        }
        for (opened, source, place) in
            ready.fetched.iter().flat_map(|(opened, all)| all.iter().map(move |(source, place)| (opened, source, place)))
        {
            self.one(&writer, &opened.tree, source, place, (into, ready.unpack.1))?;
        }
        for (name, content) in &ready.documents {
            let place = writer.file_target(Path::new(name), Path::new(&ready.target), into)?;
            writer.content(&place, &mut Cursor::new(content), 0o644, self.workshop.epoch.map(|epoch| (epoch, 0)))?;
        }
        drop(root);
        self.workshop.finish(mounted, &state.layers)
    }

    /// Names are looked up in the image, whatever the layer sees.
    fn owner(&self, state: &State, ready: &Ready, root: &Root, text: &str) -> Result<(u32, u32)> {
        if !ready.link || text.split(':').all(|part| part.parse::<u32>().is_ok()) {
            return Ok(accounts::owner(root, text)?);
        }
        let mounted = self.workshop.mount(&state.layers, false)?;
        Ok(accounts::owner(&mounted.root()?, text)?)
    }

    fn one(&self, writer: &Writer<'_>, tree: &Tree, source: &Source, target: &str, (into, unpack): (bool, bool)) -> Result<()> {
        if unpack && let Some(packed) = archive(tree, source)? {
            return self.unpack(writer, packed, target);
        }
        writer.source(tree, source, Path::new(target), into)
    }

    /// An archive's content goes into the target as it is in it.
    fn unpack(&self, writer: &Writer<'_>, packed: std::fs::File, target: &str) -> Result<()> {
        let owners = if self.workshop.single { Owners::Us } else { Owners::Archive };
        let options = unpack::Options { whiteouts: Whiteouts::Keep, owners, limits: Limits::default() };
        let reader = decoder(packed).map_err(|error| Error::new(format!("unpack the archive: {error}")))?;
        let doing = || "unpack the archive";
        if writer.owner.is_none() && writer.mode.is_none() {
            let real = writer.folder(Path::new(target))?;
            let top = Root::from_fd(writer.root.handle(&real)?, &real);
            unpack::unpack(reader, &top, options, &|_| None).during(doing)?;
            return Ok(());
        }
        // Others than the archive says: through a folder of ours.
        let folder = self.workshop.step()?;
        unpack::unpack(reader, &Root::open(&folder)?, options, &|_| None).during(doing)?;
        let tree = Tree { root: Root::open(&folder)?, ignore: Ignore::default(), owned_by_root: false };
        tree.select(".", &Ignore::default())?.iter().try_for_each(|source| writer.source(&tree, source, Path::new(target), true))
    }

    /// Fetches what is behind addresses: its content is part of the key.
    fn fetch_all(&self, urls: &[String], copy: &Copy, target: &str, inputs: &mut Inputs) -> Result<Option<Fetched>> {
        if urls.is_empty() {
            return Ok(None);
        }
        let folder = self.workshop.step()?;
        for url in urls {
            let path = folder.join(name_of(url)?);
            let vertex = self.begin(url.clone());
            let got = self.fetch(url, &path, copy.checksum.as_deref()).inspect_err(|error| self.failed(&vertex, error))?;
            self.status(&vertex, format!("sha256 {}", got.hex()));
            self.done(&vertex);
        }
        let tree = Tree { root: Root::open(&folder)?, ignore: Ignore::default(), owned_by_root: true };
        let mut sources = Vec::new();
        for url in urls {
            let source = tree.select(&name_of(url)?, &Ignore::default())?.remove(0);
            digests(&tree, &source, target, inputs)?;
            sources.push((source, target.to_owned()));
        }
        Ok(Some((Opened::new(tree), sources)))
    }

    fn fetch(&self, url: &str, path: &Path, checksum: Option<&str>) -> Result<Digest> {
        if is_git(url) {
            return Err(Error::new(format!("ADD {url}: repositories of Git are not fetched by this builder"))
                .hint("clone it in a RUN of an earlier stage, or add the archive that the server makes of it"));
        }
        let (parent, name) = (path.parent().unwrap_or(Path::new("/")), path.file_name().unwrap_or_default());
        let folder = Folder::open(parent)?;
        // The last of several of one name counts. As Docker: for its owner only, and as old as the server says.
        folder.remove(name)?;
        let mut content = HashedWriter::new(folder.make_file(name, 0o600)?, Algorithm::Sha256);
        let modified = self.outside.fetch(url, &mut content).map_err(|error| error.during(format!("ADD {url}")))?;
        let (_, digest) = content.finish();
        let wanted =
            checksum.map(|text| text.parse::<Digest>().map_err(|_| Error::new(format!("invalid checksum {text:?}")))).transpose()?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
            return Err(
                Error::new(format!("digest mismatch {digest}: {wanted}")).hint(format!("`{url}` is not the file that --checksum names"))
            );
        }
        folder.set_modified(name, (modified.unwrap_or(0), 0))?;
        Ok(digest)
    }
}

fn is_remote(text: &str) -> bool {
    ["http://", "https://", "git://", "git@", "ssh://"].iter().any(|start| text.starts_with(start))
}

fn is_git(url: &str) -> bool {
    let path = url.split(['#', '?']).next().unwrap_or(url);
    !url.starts_with("http") || path.ends_with(".git")
}

/// The name of the file behind an address: the last part of its path.
fn name_of(url: &str) -> Result<String> {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest).split(['?', '#']).next().unwrap_or_default();
    let name = path.split_once('/').map_or("", |(_, path)| path).rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name == ".." || name == "." {
        return Err(Error::new(format!("cannot determine filename for source {url}")).hint("the address must end in the name of a file"));
    }
    Ok(name.to_owned())
}

/// `--parents`: what is before `/./` is not kept.
fn pivot(text: &str, parents: bool) -> (String, String) {
    match text.split_once("/./").filter(|_| parents) {
        Some((above, rest)) => (super::ignore::cleaned(&format!("/{above}")), format!("{above}/{rest}")),
        None => (String::new(), text.to_owned()),
    }
}

fn with_parents(target: &str, source: &Source, above: &str) -> String {
    let name = source.name.strip_prefix(above).unwrap_or(&source.name).trim_start_matches('/');
    format!("{}/{name}", target.trim_end_matches('/'))
}

/// Adds the digest of every file of a source.
fn digests(tree: &Tree, source: &Source, target: &str, inputs: &mut Inputs) -> Result<()> {
    // Where it goes is decided by its name too.
    inputs.add(Kind::Setting, format!("source {}", source.name), target);
    for item in &source.items {
        let digest = if item.status.kind == FileType::Directory && item.below.as_os_str().is_empty() {
            // The folder itself is not copied, only what is in it.
            continue;
        } else {
            tree.digest(item)?
        };
        inputs.add(Kind::File, source.shown(item), digest.to_string());
    }
    Ok(())
}

/// The file, if the source is a single one and an archive that we can unpack.
fn archive(tree: &Tree, source: &Source) -> Result<Option<std::fs::File>> {
    let [item] = source.items.as_slice() else { return Ok(None) };
    if item.status.kind != FileType::RegularFile {
        return Ok(None);
    }
    let (folder, name) = tree.place(item)?;
    let mut start = Vec::new();
    folder.open_file(&name)?.take(6).read_to_end(&mut start).map_err(|error| Error::new(error.to_string()))?;
    if start.starts_with(b"BZh") || start.starts_with(b"\xfd7zXZ\0") {
        return Err(Error::new(format!("ADD {}: archives in bzip2 and xz are not unpacked by this builder", source.name))
            .hint("pack it with gzip or zstd, or copy it with COPY and unpack it in a RUN"));
    }
    let mut block = Vec::new();
    let read = decoder(folder.open_file(&name)?).and_then(|decoder| decoder.take(512).read_to_end(&mut block));
    // What cannot be decoded is no archive but a file.
    if read.is_err() || !is_tar(&block) { Ok(None) } else { Ok(Some(folder.open_file(&name)?)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_behind_addresses() {
        assert_eq!(name_of("http://x/a/b.tar.gz?x=1#y").unwrap(), "b.tar.gz");
        for url in ["http://x", "http://x/", "http://x/a/", "http://x/a/.."] {
            assert!(name_of(url).is_err(), "{url}");
        }
        assert!(is_git("https://example.org/a.git#main") && is_git("git@example.org:a") && !is_git("https://example.org/a.tgz"));
    }

    #[test]
    fn parents_are_kept_behind_the_pivot() {
        let source = |name: &str| Source { name: name.to_owned(), items: Vec::new() };
        let (above, text) = pivot("a/b/./c/d.txt", true);
        assert_eq!((above.as_str(), text.as_str()), ("a/b", "a/b/c/d.txt"));
        assert_eq!(with_parents("/to/", &source("a/b/c/d.txt"), &above), "/to/c/d.txt");
        assert_eq!(with_parents("/to", &source("x/y"), ""), "/to/x/y");
    }
}
