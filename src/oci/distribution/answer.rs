//! Answers of a registry: the specification's error codes, and bodies that are a text, a file or nothing.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Body, Bytes, Frame};
use hyper::header::HeaderName;
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::kernel::fs::File;
use crate::oci::image::Error;

/// The body of an answer.
pub type AnswerBody = BoxBody<Bytes, std::io::Error>;
/// An answer.
pub type Answer = Response<AnswerBody>;

/// The error codes of the specification, with the status that each has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// code-1: a blob that is not in the repository.
    BlobUnknown,
    /// code-2: an upload that broke its rules.
    BlobUploadInvalid,
    /// code-3: there is no such upload.
    BlobUploadUnknown,
    /// code-4: content does not have the digest that was promised.
    DigestInvalid,
    /// code-5: a manifest names a blob or a manifest that is not there.
    ManifestBlobUnknown,
    /// code-6: it is no manifest.
    ManifestInvalid,
    /// code-7: there is no such manifest.
    ManifestUnknown,
    /// code-8: the repository's name is none.
    NameInvalid,
    /// code-9: there is no such repository.
    NameUnknown,
    /// code-10: a length does not fit.
    SizeInvalid,
    /// code-11: it is not known who asks.
    Unauthorized,
    /// code-12: who asks may not.
    Denied,
    /// code-14: too much was asked for in too short a time.
    TooMany,
    /// code-13: that cannot be done here.
    Unsupported,
    /// A part that does not continue an upload.
    RangeInvalid,
    /// A tag that is none.
    TagInvalid,
    /// Something failed on our side.
    Unknown,
}

impl Code {
    fn words(self) -> (&'static str, u16, &'static str) {
        match self {
            Code::BlobUnknown => ("BLOB_UNKNOWN", 404, "blob unknown to registry"),
            Code::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", 400, "blob upload invalid"),
            Code::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"),
            Code::DigestInvalid => ("DIGEST_INVALID", 400, "provided digest did not match uploaded content"),
            Code::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", 404, "manifest references a manifest or blob unknown to registry"),
            Code::ManifestInvalid => ("MANIFEST_INVALID", 400, "manifest invalid"),
            Code::ManifestUnknown => ("MANIFEST_UNKNOWN", 404, "manifest unknown"),
            Code::NameInvalid => ("NAME_INVALID", 400, "invalid repository name"),
            Code::NameUnknown => ("NAME_UNKNOWN", 404, "repository name not known to registry"),
            Code::SizeInvalid => ("SIZE_INVALID", 400, "provided length did not match content length"),
            Code::Unauthorized => ("UNAUTHORIZED", 401, "authentication required"),
            Code::Denied => ("DENIED", 403, "requested access to the resource is denied"),
            Code::TooMany => (
                "TOOMANYREQUESTS",
                429,
                "You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit",
            ),
            Code::Unsupported => ("UNSUPPORTED", 405, "the operation is unsupported"),
            Code::RangeInvalid => ("BLOB_UPLOAD_INVALID", 416, "the part does not continue the upload"),
            Code::TagInvalid => ("TAG_INVALID", 400, "manifest tag did not match URI"),
            Code::Unknown => ("UNKNOWN", 500, "unknown error"),
        }
    }
}

/// A request that failed.
#[derive(Debug)]
pub struct Fault {
    /// The kind.
    pub code: Code,
    /// More about it.
    pub detail: serde_json::Value,
    // Faults are handed up through many functions: they stay small.
    header: Option<Box<(HeaderName, String)>>,
    said: Option<Box<str>>,
}

impl Fault {
    /// A fault with some detail.
    pub fn new(code: Code, detail: impl Into<serde_json::Value>) -> Self {
        Fault { code, detail: detail.into(), header: None, said: None }
    }

    /// With a header that its answer has.
    pub fn with_header(self, name: HeaderName, value: impl Into<String>) -> Self {
        Fault { header: Some(Box::new((name, value.into()))), ..self }
    }

    /// With words for people in the place of the usual ones.
    pub fn saying(self, text: impl Into<String>) -> Self {
        Fault { said: Some(text.into().into_boxed_str()), ..self }
    }

    /// The answer to it.
    pub fn answer(&self) -> Answer {
        let (code, status, message) = self.code.words();
        let message = self.said.as_deref().unwrap_or(message);
        let text = json!({"errors": [{"code": code, "message": message, "detail": self.detail}]}).to_string();
        let mut answer = text_answer(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), "application/json", text);
        if let Some((name, Ok(value))) = self.header.as_deref().map(|(name, value)| (name, value.parse())) {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::NoSuchBlob(_) => Code::BlobUnknown,
            Error::NoSuchImage(_) => Code::ManifestUnknown,
            Error::Damaged { .. } => Code::DigestInvalid,
            Error::TooLarge { .. } => Code::SizeInvalid,
            Error::Invalid { .. } => Code::ManifestInvalid,
            _ => Code::Unknown,
        };
        Fault::new(code, error.to_string())
    }
}

/// An answer with a text.
pub fn text_answer(status: StatusCode, media_type: &str, text: impl Into<Bytes>) -> Answer {
    let body = Full::new(text.into()).map_err(|never| match never {}).boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    if let Ok(value) = media_type.parse() {
        answer.headers_mut().insert("content-type", value);
    }
    answer
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = text_answer(status, "", Bytes::new());
    answer.headers_mut().remove("content-type");
    answer
}

/// A part of a file as a body. It is read in pieces, as fast as they are sent.
pub struct FileBody {
    file: File,
    left: u64,
}

impl FileBody {
    /// The next `length` bytes of `file`.
    pub fn new(file: File, length: u64) -> Self {
        FileBody { file, left: length }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        use std::io::Read as _;
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; usize::try_from(self.left).unwrap_or(usize::MAX).min(256 << 10)];
        Poll::Ready(Some(self.file.read(&mut piece).and_then(|count| {
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.left -= count as u64;
            piece.truncate(count);
            Ok(Frame::data(Bytes::from(piece)))
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left)
    }
}
