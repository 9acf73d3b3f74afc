//! Errors of the API.

use std::collections::BTreeMap;

use axum::body::to_bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::{Content, RefOr, ResponseBuilder, schema};
use utoipa::{IntoResponses, ToSchema as _};

use super::view;

/// The media type of RFC 9457.
const KIND: &str = "application/problem+json";
/// Longest refusal of the framework that is told.
const REFUSAL_BYTES_MAX: usize = 4096;

/// RFC 9457 problem details.
#[derive(Debug)]
pub(super) struct Problem(pub(super) StatusCode, pub(super) String);

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem(status, detail.into())
    }

    /// What is asked for is not there.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// What was sent cannot be understood.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// It is understood, and cannot be done as things are.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::CONFLICT, detail)
    }
}

/// The state file can be neither read nor written: not the caller's fault.
impl From<crate::store::DeskError> for Problem {
    fn from(error: crate::store::DeskError) -> Self {
        use crate::store::DeskError;
        let status = match error {
            DeskError::Off | DeskError::Full => StatusCode::CONFLICT,
            DeskError::Unusable(..) | DeskError::Sqlite(_) | DeskError::BrokenOff => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem::new(status, error.to_string())
    }
}

/// Says whose fault it is that a secret cannot be had or kept.
impl From<crate::vault::VaultError> for Problem {
    fn from(error: crate::vault::VaultError) -> Self {
        use crate::vault::VaultError;
        let status = match error {
            VaultError::Desk(error) => return error.into(),
            VaultError::Missing => StatusCode::NOT_FOUND,
            VaultError::Name | VaultError::Length => StatusCode::BAD_REQUEST,
            VaultError::NoKey(_)
            | VaultError::WrongKey { .. }
            | VaultError::Damaged
            | VaultError::Full
            | VaultError::NeedsNewKey(_) => StatusCode::CONFLICT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem::new(status, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem(status, detail) = self;
        let title = status.canonical_reason().unwrap_or("error").to_owned();
        let body = view::Problem { title, status: status.as_u16(), detail };
        (status, [(header::CONTENT_TYPE, KIND)], axum::Json(body)).into_response()
    }
}

/// Every operation may answer with problem details instead.
impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        BTreeMap::from([("default".to_owned(), response("What is wrong, and what to do (RFC 9457)").into())])
    }
}

/// How an answer with problem details is described.
pub(super) fn response(description: &str) -> utoipa::openapi::Response {
    let body = schema::Ref::from_schema_name(view::Problem::name());
    ResponseBuilder::new().description(description).content(KIND, Content::new(Some(body))).build()
}

/// Says in problem details what the framework has refused in plain text, before a handler saw it: a path that is no text,
/// or a body that is too long.
pub(super) async fn in_details(refusal: Response) -> Response {
    let status = refusal.status();
    let kind = refusal.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !(status.is_client_error() || status.is_server_error()) || kind == Some(KIND.as_bytes()) {
        return refusal;
    }
    let said = to_bytes(refusal.into_body(), REFUSAL_BYTES_MAX).await.unwrap_or_default();
    Problem::new(status, String::from_utf8_lossy(&said)).into_response()
}
