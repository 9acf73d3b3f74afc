//! Errors of the API.

use std::collections::BTreeMap;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::{Content, RefOr, ResponseBuilder, schema};
use utoipa::{IntoResponses, ToSchema as _};

use super::view;

/// The media type of RFC 9457.
const KIND: &str = "application/problem+json";

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
        let body = schema::Ref::from_schema_name(view::Problem::name());
        let response = ResponseBuilder::new()
            .description("What is wrong, and what to do (RFC 9457)")
            .content(KIND, Content::new(Some(body)))
            .build();
        BTreeMap::from([("default".to_owned(), response.into())])
    }
}
