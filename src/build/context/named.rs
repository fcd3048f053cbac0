//! `--build-context NAME=CONTEXT`: what else a build may take files and bases from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Context;
use super::remote::Remote;
use crate::build::error::{Error, Result};
use crate::build::options::{Named, Outside, context_name};
use crate::build::workshop::Workshop;
use crate::kernel::root::Root;

/// The folder of the archive of the context in which a client sends its other contexts, each under a number.
pub const SENT: &str = ".bottleship-contexts";
/// How a client names one of them.
pub const IN_ARCHIVE: &str = "archive:";
/// How an image is named.
const IMAGE: &str = "docker-image://";

/// The two halves of `NAME=CONTEXT`.
///
/// # Errors
/// One is missing, or the place is of a kind that is not known.
pub fn pair(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, place)) if !name.is_empty() && !place.is_empty() => match place.split_once("://") {
            Some((kind @ ("oci-layout" | "target" | "bake"), _)) => {
                Err(Error::new(format!("invalid context {text:?}: {kind}:// is not known here"))
                    .hint("a folder, an address or docker-image://IMAGE"))
            }
            _ => Ok((name.to_owned(), place.to_owned())),
        },
        _ => Err(Error::new(format!("invalid context {text:?}, expected format is NAME=CONTEXT"))),
    }
}

/// Whether a place means the same to an engine as to its client: no folder of either.
pub fn is_everywhere(place: &str) -> bool {
    place.starts_with(IMAGE) || Remote::read(place).is_some()
}

/// Whether a place is in the archive that a client sends.
pub fn is_sent(place: &str) -> bool {
    place.strip_prefix(IN_ARCHIVE).is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Finds each, or fetches it.
///
/// # Errors
/// One is not there.
pub fn found(
    wanted: &[(String, String)],
    context: &Context,
    workshop: &Workshop<'_>,
    outside: &dyn Outside,
) -> Result<BTreeMap<String, Named>> {
    let mut sent: Option<PathBuf> = None;
    let mut all = BTreeMap::new();
    for (name, place) in wanted {
        let named = if let Some(image) = place.strip_prefix(IMAGE) {
            Named::Image(image.to_owned())
        } else if is_sent(place) {
            let folder = match sent.take() {
                Some(folder) => folder,
                None => taken_out(&context.folder, workshop)?,
            };
            let folder = sent.insert(folder);
            Named::Folder(plain(folder, &place[IN_ARCHIVE.len()..]).map_err(|error| error.during(format!("context {name:?}")))?)
        } else if let Some(remote) = Remote::read(place) {
            let fetched = remote.fetch_tree(outside, &workshop.step()?);
            Named::Folder(fetched.map_err(|error| error.during(format!("context {name:?}")))?)
        } else {
            let folder = Path::new(place);
            if !folder.is_dir() {
                return Err(Error::new(format!("failed to get build context {name}: stat {place}: no such file or directory")));
            }
            Named::Folder(folder.to_owned())
        };
        all.insert(context_name(name), named);
    }
    Ok(all)
}

/// Takes what a client has sent besides the context out of it. Where the context is unpacked nobody else writes, so what is looked at stays so.
fn taken_out(context: &Path, workshop: &Workshop<'_>) -> Result<PathBuf> {
    let failed = |why: String| Error::new(format!("take the other contexts out of the archive: {why}"));
    plain(context, SENT)?;
    let place = workshop.step()?.join("contexts");
    std::fs::rename(context.join(SENT), &place).map_err(|error| failed(error.to_string()))?;
    Ok(place)
}

/// A folder below another, and no link.
fn plain(folder: &Path, name: &str) -> Result<PathBuf> {
    let there = Root::open(folder)?.plain_directory(Path::new(name));
    there.map(|_| folder.join(name)).map_err(|_| Error::new(format!("the archive has no folder `{name}` for it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_read_and_what_an_engine_may_be_told_is_known() {
        assert_eq!(pair("lib=../lib").unwrap(), ("lib".to_owned(), "../lib".to_owned()));
        for wrong in ["lib", "=x", "lib=", "lib=oci-layout://x"] {
            assert!(pair(wrong).unwrap_err().why.starts_with("invalid context"), "{wrong}");
        }
        assert!(["docker-image://alpine", "https://host/x.tar", "https://host/x.git#main"].into_iter().all(is_everywhere));
        assert!(!is_everywhere("/etc") && !is_everywhere("archive:0") && !is_everywhere("."));
        assert!(is_sent("archive:12") && !is_sent("archive:") && !is_sent("archive:../x") && !is_sent("0"));
    }

    #[test]
    fn a_link_in_the_archive_is_no_context() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("real/0")).unwrap();
        std::os::unix::fs::symlink("real", place.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/etc", place.path().join("real/1")).unwrap();
        assert!(plain(place.path(), "real").is_ok() && plain(&place.path().join("real"), "0").is_ok());
        assert!(plain(place.path(), "link").is_err() && plain(&place.path().join("real"), "1").is_err());
    }
}
