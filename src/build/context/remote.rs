//! A context that is elsewhere: an archive or a Dockerfile behind an address of HTTP, or a repository of Git (`https://example.org/app.git#main:docker`).
//!
//! Git is the machine's own program. It is told to read nobody's settings, to ask nobody, and to speak no protocol by which an address would be a command.

use std::fs::File;
use std::io::{ErrorKind, Seek as _};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use super::Context;
use crate::build::error::{Error, Result};
use crate::build::options::Outside;
use crate::kernel::fs;
use crate::kernel::root::Root;

/// Where a context is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// Behind an address of HTTP.
    File(String),
    /// In a repository.
    Repository {
        /// Its address.
        address: String,
        /// The branch, the tag or the commit; `None` is what the server names first.
        reference: Option<String>,
        /// The folder of it that is the context.
        folder: Option<String>,
    },
}

/// The start of what is said when no context could be made.
const UNABLE: &str = "unable to prepare context";

impl Remote {
    /// What a word means as a context, if that is no folder: `None` for a path.
    pub fn read(text: &str) -> Option<Self> {
        let (whole, fragment) = text.split_once('#').unwrap_or((text, ""));
        let is_web = ["http://", "https://"].iter().any(|start| text.starts_with(start));
        let is_git = ["git://", "git@", "ssh://", "github.com/"].iter().any(|start| text.starts_with(start));
        let is_repository = is_git || is_web && whole.ends_with(".git");
        if !is_repository {
            return is_web.then(|| Remote::File(text.to_owned()));
        }
        let (reference, folder) = fragment.split_once(':').unwrap_or((fragment, ""));
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let address = if text.starts_with("github.com/") { format!("https://{whole}") } else { whole.to_owned() };
        Some(Remote::Repository { address, reference: given(reference), folder: given(folder) })
    }

    /// Fetches the context into `place`, an empty folder. `file` is the Dockerfile in it.
    ///
    /// # Errors
    /// It cannot be had, or is no context.
    pub fn fetch(&self, outside: &dyn Outside, place: &Path, file: Option<&str>) -> Result<Context> {
        match self {
            Remote::File(address) => Context::stream(downloaded(address, outside, place)?, place, file),
            Remote::Repository { address, reference, folder } => {
                Context::unpacked(&checked_out(address, reference.as_deref(), folder.as_deref(), place)?, file)
            }
        }
    }

    /// Fetches a tree of files into `place`, an empty folder; no Dockerfile need be in it. Gives the folder that it is, `place` or one below.
    ///
    /// # Errors
    /// It cannot be had, or is no archive.
    pub fn fetch_tree(&self, outside: &dyn Outside, place: &Path) -> Result<PathBuf> {
        match self {
            Remote::File(address) => match super::unpack_archive(downloaded(address, outside, place)?, place)? {
                None => Ok(place.to_owned()),
                Some(_) => Err(Error::new(format!("{UNABLE}: {address} is no archive"))
                    .hint("a further context is a tar archive, or a repository of Git")),
            },
            Remote::Repository { address, reference, folder } => checked_out(address, reference.as_deref(), folder.as_deref(), place),
        }
    }
}

fn downloaded(address: &str, outside: &dyn Outside, place: &Path) -> Result<File> {
    let failed = |why: std::io::Error| Error::new(format!("{UNABLE}: keep `{address}`: {why}"));
    let mut kept: File = tempfile::tempfile_in(place).map_err(failed)?;
    outside.fetch(address, &mut kept).map_err(|error| error.during(format!("{UNABLE}: error downloading remote context {address}")))?;
    kept.rewind().map_err(failed)?;
    Ok(kept)
}

fn checked_out(address: &str, reference: Option<&str>, folder: Option<&str>, place: &Path) -> Result<PathBuf> {
    check_out(address, reference, place)?;
    let folder = folder.map(|folder| within(place, folder)).transpose()?;
    Ok(folder.unwrap_or_else(|| place.to_owned()))
}

/// The folder of a repository that is the context. No link of the repository leads to it: that would be a way out.
fn within(place: &Path, folder: &str) -> Result<PathBuf> {
    let inner = Path::new(folder.trim_start_matches('/'));
    let leaves = inner.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir));
    if leaves || Root::open(place)?.plain_directory(inner).is_err() {
        return Err(Error::new(format!("{UNABLE}: error setting git context, {folder:?} is no folder within git root")));
    }
    Ok(place.join(inner))
}

fn check_out(address: &str, reference: Option<&str>, place: &Path) -> Result<()> {
    if let Some(option) = [Some(address), reference].into_iter().flatten().find(|text| text.starts_with('-')) {
        return Err(Error::new(format!("{UNABLE}: invalid refspec: {option}")));
    }
    let failed = |what: &'static str| move |error: Error| Error { why: format!("{UNABLE}: {what}: {}", error.why), ..error };
    git(place, &["init", "--quiet"]).map_err(failed("failed to init repo"))?;
    git(place, &["remote", "add", "origin", address]).map_err(failed("failed add origin repo"))?;
    let wanted = reference.unwrap_or("HEAD");
    // Servers of plain files have no short history, and not every server gives out a commit by its number.
    let short = git(place, &["fetch", "--quiet", "--depth", "1", "origin", wanted]);
    let fetched = short.or_else(|_| git(place, &["fetch", "--quiet", "origin", wanted])).map(|()| "FETCH_HEAD");
    let fetched = fetched.or_else(|error| match reference {
        Some(reference) => {
            let all = git(place, &["fetch", "--quiet", "--tags", "origin"]);
            let known = all.and_then(|()| git(place, &["rev-parse", "--quiet", "--verify", &format!("{reference}^{{commit}}")]));
            known.map(|()| reference).map_err(|_| error)
        }
        None => Err(error),
    });
    let checked = fetched.map_err(failed("error fetching"))?;
    git(place, &["-c", "advice.detachedHead=false", "checkout", "--quiet", checked]).map_err(failed("error checking out"))?;
    if Root::open(place)?.read(Path::new(".gitmodules")).is_ok() {
        git(place, &["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"])
            .map_err(failed("error initializing submodules"))?;
    }
    // As BuildKit does: how it came here is no part of the context.
    Ok(fs::remove_dir_all(&place.join(".git"))?)
}

fn git(place: &Path, words: &[&str]) -> Result<()> {
    let mut command = Command::new("git");
    command.args(words).current_dir(place).stdin(std::process::Stdio::null());
    let settings = [("GIT_CONFIG_NOSYSTEM", "1"), ("HOME", "/dev/null"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_PROTOCOL_FROM_USER", "0")];
    match command.envs(settings).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
            Err(Error::new(if said.is_empty() { format!("git ended with {}", output.status) } else { said }))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::new("git is not on this machine")
            .hint("install git, or name the archive that the server makes of the repository: https://HOST/FILE.tar.gz")),
        Err(error) => Err(Error::new(format!("run git: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_paths_addresses_or_repositories() {
        let repository = |address: &str, reference: &str, folder: &str| {
            let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            Some(Remote::Repository { address: address.to_owned(), reference: given(reference), folder: given(folder) })
        };
        for path in [".", "/srv", "app.git", "git", "-", "example.org/app.git", "httpd"] {
            assert_eq!(Remote::read(path), None, "{path}");
        }
        for file in ["http://x/a.tar.gz", "https://x/Dockerfile", "https://x/a.git.tar", "https://x/a#b.git"] {
            assert_eq!(Remote::read(file), Some(Remote::File(file.to_owned())));
        }
        assert_eq!(Remote::read("https://x/a.git"), repository("https://x/a.git", "", ""));
        assert_eq!(Remote::read("https://x/a.git#v1:docs/site"), repository("https://x/a.git", "v1", "docs/site"));
        assert_eq!(Remote::read("git://x/a#:docs"), repository("git://x/a", "", "docs"));
        assert_eq!(Remote::read("git@x:a/b.git#main"), repository("git@x:a/b.git", "main", ""));
        assert_eq!(Remote::read("github.com/a/b#x"), repository("https://github.com/a/b", "x", ""));
    }

    #[test]
    fn a_folder_of_a_repository_lies_in_it() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("inside")).unwrap();
        std::os::unix::fs::symlink("/etc", place.path().join("link")).unwrap();
        assert_eq!(within(place.path(), "/inside").unwrap(), place.path().join("inside"));
        for wrong in ["..", "inside/..", "link", "missing", "inside/../../x"] {
            assert!(within(place.path(), wrong).unwrap_err().why.contains("is no folder within git root"), "{wrong}");
        }
    }

    #[test]
    fn an_option_is_no_reference() {
        let place = tempfile::tempdir().unwrap();
        let refused = check_out("https://x/a.git", Some("--upload-pack=touch /tmp/x"), place.path()).unwrap_err();
        assert_eq!(refused.why, "unable to prepare context: invalid refspec: --upload-pack=touch /tmp/x");
    }
}
