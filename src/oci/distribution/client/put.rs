//! Manifests that are made by hand: put into a repository as they are, with the blobs of neighbour repositories that they name.

use hyper::Method;
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;

use super::error::{Error, Result, Why};
use super::manifests::{hash, in_pull_words, pull_scope};
use super::push::{in_push_words, push_scope};
use super::remote::{Ask, Payload, read};
use super::{Client, url};
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;

/// The largest configuration that is read, in bytes.
const LARGEST_CONFIG_BYTES: usize = 8 << 20;

impl Client {
    /// Puts a manifest or an index under a name's tag or digest.
    ///
    /// # Errors
    /// The registry does not take it: mostly because something that it names is not there.
    pub async fn put_manifest(&self, name: &Reference, media_type: &str, content: Vec<u8>) -> Result<()> {
        let reference =
            name.digest().map(ToString::to_string).or_else(|| name.tag().map(str::to_owned)).unwrap_or_else(|| "latest".to_owned());
        let mut ask = Ask::new(Method::PUT, format!("/v2/{}/manifests/{reference}", name.path()), &push_scope(name.path()));
        ask = ask.header(CONTENT_TYPE, media_type);
        ask.payload = Payload::Bytes(content.into());
        self.origin(name).ask(name.path(), &ask).await.map(drop).map_err(|error| in_push_words(error, name))
    }

    /// A blob that fits into memory, such as a configuration.
    ///
    /// # Errors
    /// There is none, or its content is another.
    pub async fn small_blob(&self, name: &Reference, digest: &Digest) -> Result<Vec<u8>> {
        let (remote, asked) = (self.origin(name), format!("GET blobs/{digest}"));
        let ask = Ask::new(Method::GET, format!("/v2/{}/blobs/{digest}", name.path()), &pull_scope(name.path()));
        let (answer, _) = remote.ask(name.path(), &ask).await.map_err(|error| in_pull_words(error, name))?;
        let silence = remote.connector().settings().patience.silence;
        let content = read(answer, LARGEST_CONFIG_BYTES, silence).await.map_err(|why| remote.error(name.path(), &asked, why))?;
        if hash(digest.algorithm(), &content) != *digest {
            return Err(remote.error(name.path(), &asked, Why::Lie("its content has another digest".to_owned())));
        }
        Ok(content.to_vec())
    }

    /// Has the registry take a blob of another repository of its own into that of a name.
    ///
    /// # Errors
    /// It does not.
    pub async fn mount_blob(&self, name: &Reference, from: &Reference, digest: &Digest) -> Result<()> {
        let remote = self.origin(name);
        let target = format!("/v2/{}/blobs/uploads/?mount={digest}&from={}", name.path(), url::encode(from.path()));
        let mut ask = Ask::new(Method::POST, target, &push_scope(name.path()));
        ask.scope.push_str(&format!(" repository:{}:pull", from.path()));
        let (answer, _) = remote.ask(name.path(), &ask).await.map_err(|error| in_push_words(error, name))?;
        if answer.status() == StatusCode::CREATED {
            return Ok(());
        }
        let why = Why::Lie(format!("it does not mount {digest} from {}; push that image to {} first", from.path(), name.path()));
        Err(Error { subject: name.repository(), asked: "POST blobs/uploads".to_owned(), why })
    }
}
