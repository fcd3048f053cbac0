//! Manifests and indexes from a registry, believed only after a look: length, digest, type, and that they lead somewhere.

use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName};

use super::error::{Error, Result, Why};
use super::remote::{Ask, Remote, clean, read, shown};
use crate::oci::digest::{Algorithm, Digest, Hasher};
use crate::oci::image::spec::{Descriptor, Document, Index, LARGEST_MANIFEST, Manifest, Platform, media};
use crate::oci::reference::Reference;

/// What we can read, best first.
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
/// The header that names the digest of an answer.
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Indexes in indexes are followed so deep.
const DEPTH: usize = 4;

/// A manifest or an index as it came, verified.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// What it is.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub content: Vec<u8>,
    /// The same, read.
    pub document: Document,
}

/// An image for one platform: the documents on the way to it, the outermost first.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Everything that was fetched.
    pub documents: Vec<Fetched>,
    /// The manifest at the end.
    pub manifest: Manifest,
}

/// `repository:PATH:pull`.
pub fn pull_scope(path: &str) -> String {
    format!("repository:{path}:pull")
}

/// The tag or digest that a name asks for; a digest decides.
pub fn target(name: &Reference) -> String {
    name.digest().map_or_else(|| name.tag().unwrap_or(crate::oci::reference::LATEST).to_owned(), ToString::to_string)
}

/// The digest that a tag has now, without fetching the manifest: a pull rate limit does not count it. `None` where the registry does not say.
///
/// # Errors
/// There is no such tag, or nobody answers.
pub async fn digest_of(remote: &Remote, name: &Reference) -> Result<Option<Digest>> {
    let asked = ask(Method::HEAD, name, &target(name));
    let (response, _) = remote.ask(name.path(), &asked).await.map_err(|error| in_pull_words(error, name))?;
    Ok(response.headers().get(CONTENT_DIGEST).and_then(|digest| digest.to_str().ok()?.parse().ok()))
}

fn ask(method: Method, name: &Reference, target: &str) -> Ask {
    Ask::new(method, format!("/v2/{}/manifests/{target}", name.path()), &pull_scope(name.path())).header(ACCEPT, ACCEPTED)
}

/// Fetches what a name means.
///
/// # Errors
/// It is not there, not for us, or not what it should be.
pub async fn fetch(remote: &Remote, name: &Reference) -> Result<Fetched> {
    get(remote, name, &target(name), name.digest(), None).await
}

/// Fetches what a name means, and of an index what runs on `platform`.
///
/// # Errors
/// As [`fetch`]; or there is nothing for the platform.
pub async fn choose(remote: &Remote, name: &Reference, platform: &Platform) -> Result<Chosen> {
    let mut documents = vec![fetch(remote, name).await?];
    loop {
        let lie = |why: &str| remote.error(name.path(), "", Why::Lie(why.to_owned()));
        let index = match &documents[documents.len() - 1].document {
            Document::Manifest(manifest) => {
                let manifest = manifest.clone();
                return Ok(Chosen { documents, manifest });
            }
            Document::Index(index) => index,
        };
        if documents.len() > DEPTH {
            return Err(lie("its indexes are nested too deep"));
        }
        let child = chosen(index, platform).ok_or_else(|| none_for(remote, name, index, platform))?.clone();
        if documents.iter().any(|one| one.descriptor.digest == child.digest) {
            return Err(lie("its indexes lead in a circle"));
        }
        if child.size > LARGEST_MANIFEST {
            return Err(lie(&format!("the index promises a manifest of {} bytes, the limit is {LARGEST_MANIFEST}", child.size)));
        }
        documents.push(get(remote, name, &child.digest.to_string(), Some(&child.digest), Some(&child)).await?);
    }
}

/// What runs on the platform; else an index in the index, which says no platform.
fn chosen<'a>(index: &'a Index, platform: &Platform) -> Option<&'a Descriptor> {
    index.choose(platform).or_else(|| index.manifests.iter().find(|one| one.platform.is_none() && media::is_index(&one.media_type)))
}

fn none_for(remote: &Remote, name: &Reference, index: &Index, platform: &Platform) -> Error {
    let platforms = index.manifests.iter().filter_map(|one| one.platform.as_ref());
    let mut there: Vec<String> = platforms.filter(|one| one.os != "unknown").map(|one| clean(&one.to_string())).collect();
    there.dedup();
    remote.error(name.path(), "", Why::Platform { wanted: platform.to_string(), there })
}

async fn get(remote: &Remote, name: &Reference, target: &str, digest: Option<&Digest>, promised: Option<&Descriptor>) -> Result<Fetched> {
    let asked = ask(Method::GET, name, target);
    let (response, uri) = remote.ask(name.path(), &asked).await.map_err(|error| in_pull_words(error, name))?;
    let wrong = |why: Why| remote.error(name.path(), &format!("GET {}", shown(&uri)), why);
    let lie = |why: String| wrong(Why::Lie(why));
    let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (content_type, claimed) = (header(CONTENT_TYPE), header(CONTENT_DIGEST));
    let media_type = content_type.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    if let Some(other) = media_type.as_deref().filter(|one| !readable(one)) {
        return Err(lie(format!("the answer is `{}`, and no manifest", clean(other))));
    }
    let content = read(response, LARGEST_MANIFEST as usize, remote.connector().settings().patience.silence).await.map_err(wrong)?.to_vec();
    let own = hash(digest.map_or(Algorithm::Sha256, Digest::algorithm), &content);
    if let Some(digest) = digest.filter(|digest| **digest != own) {
        return Err(lie(format!("the answer has the digest {own}, and {digest} was asked for")));
    }
    if let Some(claimed) = claimed.and_then(|claimed| claimed.parse::<Digest>().ok())
        && hash(claimed.algorithm(), &content) != claimed
    {
        return Err(lie(format!("it says Docker-Content-Digest {claimed}, the answer has {}", hash(claimed.algorithm(), &content))));
    }
    if let Some(promised) = promised
        && promised.size != content.len() as u64
    {
        return Err(lie(format!("the index promises {} bytes, the answer has {}", promised.size, content.len())));
    }
    // The type that the index promised counts as much as the one that came with the answer.
    if let (Some(promised), Some(came)) = (promised, media_type.as_deref())
        && promised.media_type != came
        && came != "application/json"
    {
        return Err(lie(format!("the index promises `{}`, the answer is `{came}`", clean(&promised.media_type))));
    }
    let given = promised.map(|promised| promised.media_type.clone()).or(media_type);
    let document = Document::read(given.as_deref(), &content).map_err(|error| wrong(Why::store(error)))?;
    let kind = given.filter(|given| media::is_index(given) || media::is_manifest(given)).unwrap_or_else(|| match &document {
        Document::Manifest(manifest) => manifest.media_type.clone().unwrap_or_else(|| media::MANIFEST.to_owned()),
        Document::Index(index) => index.media_type.clone().unwrap_or_else(|| media::INDEX.to_owned()),
    });
    Ok(Fetched { descriptor: Descriptor::new(&kind, own, content.len() as u64), content, document })
}

/// Some registries answer `application/json` or nothing; whoever answers a page is none.
fn readable(media_type: &str) -> bool {
    media::is_index(media_type)
        || media::is_manifest(media_type)
        || [media::DOCKER_SCHEMA1, "application/json", "text/plain", ""].contains(&media_type)
}

/// The digest of some bytes by one of the functions.
pub fn hash(algorithm: Algorithm, content: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(content);
    hasher.finish()
}

/// What docker says where a pull is refused: registries answer 401 and 404 alike for what must not be seen.
pub fn in_pull_words(mut error: Error, name: &Reference) -> Error {
    error.why = match error.why {
        Why::Unauthorized(said) if said.contains("incorrect") => Why::Unauthorized(said),
        Why::Unauthorized(_) | Why::Status { status: 403, .. } => Why::Denied {
            familiar: name.familiar_repository(),
            push: false,
            said: "denied: requested access to the resource is denied".to_owned(),
        },
        Why::Status { status: 404, said } if said.starts_with("name unknown") => {
            Why::Denied { familiar: name.familiar_repository(), push: false, said }
        }
        Why::Status { status: 404, .. } => Why::ManifestUnknown(name.familiar()),
        other => other,
    };
    error
}
