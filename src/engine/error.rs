//! What a request gets when it fails: a status and a message, in Docker's words where people search for them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::oci::image::Error;
use crate::oci::reference::NoReference;

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The HTTP status.
    pub status: StatusCode,
    /// What went wrong, as the client prints it after `Error response from daemon: `.
    pub message: String,
}

impl Fault {
    /// The request makes no sense.
    pub fn bad(message: impl Into<String>) -> Self {
        Fault { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// There is nothing of that name.
    pub fn not_found(message: impl Into<String>) -> Self {
        Fault { status: StatusCode::NOT_FOUND, message: message.into() }
    }

    /// The state of things forbids it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Fault { status: StatusCode::CONFLICT, message: message.into() }
    }

    /// It is ours to mend, or the machine's.
    pub fn internal(message: impl Into<String>) -> Self {
        Fault { status: StatusCode::INTERNAL_SERVER_ERROR, message: message.into() }
    }

    /// This version of Bottleship cannot do it.
    pub fn not_here(what: &str) -> Self {
        Fault { status: StatusCode::NOT_IMPLEMENTED, message: format!("{what} is not in this version of Bottleship's engine yet") }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"message": self.message}))).into_response()
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NoSuchImage(_) => StatusCode::NOT_FOUND,
            Error::Ambiguous(_) | Error::Invalid { .. } | Error::Damaged { .. } | Error::TooLarge { .. } => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let hint = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
        Fault { status, message: format!("{error}{hint}") }
    }
}

impl From<crate::kernel::Error> for Fault {
    fn from(error: crate::kernel::Error) -> Self {
        Fault::internal(error.to_string())
    }
}

impl From<crate::oci::runtime::Error> for Fault {
    fn from(error: crate::oci::runtime::Error) -> Self {
        Fault::internal(error.line())
    }
}

impl From<NoReference> for Fault {
    fn from(error: NoReference) -> Self {
        Fault::bad(error.to_string())
    }
}
