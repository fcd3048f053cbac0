//! What a build asks of its surroundings: bases from the store and from registries, files from servers.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::{HOST, LAST_MODIFIED, LOCATION, USER_AGENT};
use hyper::{Request, Response, Uri};

use crate::build::{Error, Outside, Result};
use crate::oci::distribution::client::connect::{Body, Connector};
use crate::oci::distribution::client::error::Why;
use crate::oci::distribution::client::progress::Silent;
use crate::oci::distribution::client::{Client, Error as Refused, run as drive, url};
use crate::oci::image::spec::Platform;
use crate::oci::image::{self, Image, Store};
use crate::oci::reference::Reference;
use crate::tools::images;

/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(60);
/// So many times a server may send us elsewhere.
const REDIRECTS: usize = 10;
/// The largest file that is fetched, in bytes.
const LARGEST: usize = 1 << 30;

/// The store, and what can be reached from here.
pub struct Here<'a> {
    /// The store.
    pub store: &'a Store,
}

impl Outside for Here<'_> {
    fn find(&self, reference: &str, platform: &Platform, pull: bool) -> Result<Image> {
        match self.store.find(reference, platform) {
            Ok(image) if !pull => Ok(image),
            Ok(_) | Err(image::Error::NoSuchImage(_)) => self.pull(reference, platform),
            Err(other) => Err(other.into()),
        }
    }

    fn fetch(&self, address: &str, to: &mut dyn Write) -> Result<Option<i64>> {
        drive(get(address, to)).map_err(|error| Error::new(error.to_string()))?.map_err(Error::new)
    }
}

impl Here<'_> {
    /// From its registry into the store. The builder draws one line for it, and no progress.
    fn pull(&self, text: &str, platform: &Platform) -> Result<Image> {
        let name = text.parse::<Reference>().map_err(|error| Error::new(error.to_string()))?.or_latest();
        let failed = |error: Refused| {
            let hint = error.hint();
            let told = Error::new(format!("{text}: failed to resolve source metadata for {name}: {error}"));
            let here = "no image of that name is in the store (`bottleship images ls`), and its registry does not give it";
            told.hint(hint.map_or_else(|| here.to_owned(), |hint| format!("{here}: {hint}")))
        };
        let client = Client::new(images::usual_settings(), Arc::new(Silent));
        let pulled = drive(client.pull(self.store, &name, platform)).map_err(|error| Error::new(error.to_string()))?.map_err(failed)?;
        Ok(self.store.read_image(&pulled.target, platform)?)
    }
}

/// Hands content on as it comes; gives when the server says that it last changed.
async fn get(address: &str, to: &mut dyn Write) -> std::result::Result<Option<i64>, String> {
    let connector = Connector::new(images::usual_settings());
    let mut uri = url::join(address, address).ok_or_else(|| "it is no address of HTTP".to_owned())?;
    for _ in 0..REDIRECTS {
        let make = || request(&uri).map_err(|error| Why::Config(error.to_string()));
        let sent = connector.send(&uri, SILENCE, &make).await;
        let response = sent.map_err(reason)?;
        if response.status().is_redirection() {
            let next = response.headers().get(LOCATION).and_then(|next| next.to_str().ok());
            uri = next.and_then(|next| url::join(&uri.to_string(), next)).ok_or_else(|| "the server sends us nowhere".to_owned())?;
            continue;
        }
        if !response.status().is_success() {
            return Err(format!("invalid response status {}", response.status().as_u16()));
        }
        let modified = last_modified(&response);
        hand_on(response.into_body(), to).await?;
        return Ok(modified);
    }
    Err(format!("the server sent us elsewhere {REDIRECTS} times"))
}

/// Never more in memory than one piece, and no more in all than [`LARGEST`].
async fn hand_on(mut body: Incoming, to: &mut dyn Write) -> std::result::Result<(), String> {
    let mut left = LARGEST;
    loop {
        let frame = tokio::time::timeout(SILENCE, body.frame()).await;
        let frame = frame.map_err(|_| format!("no more of the answer within {} seconds", SILENCE.as_secs()))?;
        let Some(frame) = frame else { return Ok(()) };
        let frame = frame.map_err(|error| format!("the answer broke off: {error}"))?;
        let piece = frame.data_ref().map_or(&[][..], |piece| &piece[..]);
        left = left.checked_sub(piece.len()).ok_or_else(|| format!("the file is longer than {LARGEST} bytes, the limit"))?;
        to.write_all(piece).map_err(|error| format!("keep the file: {error}"))?;
    }
}

/// In the words of the client of registries. The address stands before it already.
fn reason(why: Why) -> String {
    Refused { subject: String::new(), asked: String::new(), why }.to_string().trim_start_matches([':', ' ']).to_owned()
}

fn request(uri: &Uri) -> std::result::Result<Request<Body>, hyper::http::Error> {
    let body = Empty::new().map_err(|never| match never {}).boxed();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let agent = concat!("bottleship/", env!("CARGO_PKG_VERSION"));
    Request::get(path).header(HOST, host).header(USER_AGENT, agent).body(body)
}

/// `Last-Modified`, in seconds since 1970.
fn last_modified<B>(response: &Response<B>) -> Option<i64> {
    let text = response.headers().get(LAST_MODIFIED)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp().as_second())
}
