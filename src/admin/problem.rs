//! Errors of the API.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::view;

/// RFC 9457 problem details.
#[derive(Debug)]
pub(super) struct Problem(pub(super) StatusCode, pub(super) String);

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem(status, detail.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem(status, detail) = self;
        let title = status.canonical_reason().unwrap_or("error").to_owned();
        let body = view::Problem { title, status: status.as_u16(), detail };
        (status, [(header::CONTENT_TYPE, "application/problem+json")], axum::Json(body)).into_response()
    }
}
