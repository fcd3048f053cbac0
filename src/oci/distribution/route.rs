//! What a request is about: the end points of the specification, by method and path.
//!
//! A repository's name has slashes in it, so the path is read from its end: `/v2/` NAME `/blobs/` DIGEST.

use crate::oci::digest::Digest;
use crate::oci::reference::Reference;

/// A tag or a digest of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A tag.
    Tag(String),
    /// A digest.
    Digest(Digest),
}

/// An end point; the number is that of the specification's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// end-1: is this a registry?
    Base,
    /// end-2, end-10: a blob.
    Blob(String, Digest),
    /// end-3, end-7, end-9: a manifest.
    Manifest(String, Target),
    /// end-4: begin an upload, or mount.
    Uploads(String),
    /// end-5, end-6, end-13, end-14: an upload.
    Upload(String, String),
    /// end-8: the tags.
    Tags(String),
    /// end-12: who refers to a manifest.
    Referrers(String, Digest),
    /// Docker's list of repositories.
    Catalog,
}

/// Why a path is no end point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoute {
    /// There is nothing of that kind.
    Unknown,
    /// The name of the repository is none.
    Name(String),
    /// The digest is none.
    Digest(String),
    /// The tag is none.
    Tag(String),
}

impl Route {
    /// The repository that it is about.
    pub fn repository(&self) -> Option<&str> {
        match self {
            Route::Base | Route::Catalog => None,
            Route::Blob(name, _)
            | Route::Manifest(name, _)
            | Route::Uploads(name)
            | Route::Upload(name, _)
            | Route::Tags(name)
            | Route::Referrers(name, _) => Some(name),
        }
    }

    /// Reads the path of a request.
    ///
    /// # Errors
    /// It is no end point, or a part of it is malformed.
    pub fn read(path: &str) -> Result<Self, NoRoute> {
        let rest = path.strip_prefix("/v2").ok_or(NoRoute::Unknown)?;
        match rest {
            "" | "/" => return Ok(Route::Base),
            "/_catalog" => return Ok(Route::Catalog),
            _ => {}
        }
        let parts: Vec<&str> = rest.strip_prefix('/').ok_or(NoRoute::Unknown)?.split('/').collect();
        let digest = |text: &str| text.parse::<Digest>().map_err(|_| NoRoute::Digest(text.to_owned()));
        match parts.as_slice() {
            [name @ .., "blobs", "uploads", ""] | [name @ .., "blobs", "uploads"] => Ok(Route::Uploads(repository(name)?)),
            [name @ .., "blobs", "uploads", id] => Ok(Route::Upload(repository(name)?, (*id).to_owned())),
            [name @ .., "tags", "list"] => Ok(Route::Tags(repository(name)?)),
            [name @ .., "blobs", text] => Ok(Route::Blob(repository(name)?, digest(text)?)),
            [name @ .., "referrers", text] => Ok(Route::Referrers(repository(name)?, digest(text)?)),
            [name @ .., "manifests", text] if text.contains(':') => Ok(Route::Manifest(repository(name)?, Target::Digest(digest(text)?))),
            [name @ .., "manifests", tag] => {
                let name = repository(name)?;
                let fine = Reference::new("registry", &name, Some(tag), None).is_ok();
                if fine { Ok(Route::Manifest(name, Target::Tag((*tag).to_owned()))) } else { Err(NoRoute::Tag((*tag).to_owned())) }
            }
            _ => Err(NoRoute::Unknown),
        }
    }
}

/// The name of a repository; its parts become folders, so nothing else than the grammar allows gets through.
pub fn repository(parts: &[&str]) -> Result<String, NoRoute> {
    let name = parts.join("/");
    if Reference::new("registry", &name, None, None).is_ok() { Ok(name) } else { Err(NoRoute::Name(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_points_of_the_specification() {
        let digest = Digest::of(b"x");
        let name = || "library/alpine".to_owned();
        let table = [
            ("/v2/".to_owned(), Route::Base),
            ("/v2/_catalog".to_owned(), Route::Catalog),
            (format!("/v2/library/alpine/blobs/{digest}"), Route::Blob(name(), digest.clone())),
            ("/v2/library/alpine/manifests/3.20".to_owned(), Route::Manifest(name(), Target::Tag("3.20".to_owned()))),
            (format!("/v2/library/alpine/manifests/{digest}"), Route::Manifest(name(), Target::Digest(digest.clone()))),
            ("/v2/library/alpine/blobs/uploads/".to_owned(), Route::Uploads(name())),
            ("/v2/library/alpine/blobs/uploads/0a-1".to_owned(), Route::Upload(name(), "0a-1".to_owned())),
            ("/v2/library/alpine/tags/list".to_owned(), Route::Tags(name())),
            (format!("/v2/library/alpine/referrers/{digest}"), Route::Referrers(name(), digest.clone())),
            // Words of the grammar may be parts of a name.
            (format!("/v2/blobs/tags/blobs/{digest}"), Route::Blob("blobs/tags".to_owned(), digest)),
        ];
        for (path, route) in table {
            assert_eq!(Route::read(&path), Ok(route), "{path}");
        }
    }

    #[test]
    fn names_that_would_leave_the_folder_are_refused() {
        for path in ["/v2/../x/tags/list", "/v2/a/../../b/tags/list", "/v2//tags/list", "/v2/A/tags/list", "/v2/a%2f..%2fb/tags/list"] {
            assert!(matches!(Route::read(path), Err(NoRoute::Name(_))), "{path}");
        }
        assert!(matches!(Route::read("/v2/a/manifests/.."), Err(NoRoute::Tag(_))));
        assert!(matches!(Route::read("/v2/a/blobs/sha256:../../x"), Err(NoRoute::Unknown | NoRoute::Digest(_) | NoRoute::Name(_))));
        assert_eq!(Route::read("/v1/x"), Err(NoRoute::Unknown));
        assert_eq!(Route::read("/v2/a/what/ever"), Err(NoRoute::Unknown));
    }
}
