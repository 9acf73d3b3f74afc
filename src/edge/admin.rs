//! The operator's listener: an axum router on a Pingora listener, so that its socket is handed over on an upgrade like
//! the others.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::BytesMut;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use tower::ServiceExt as _;

use crate::admin::Caller;

/// Largest body of an operator's request, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Serves a router on Pingora.
pub(super) struct Admin(Router);

impl Admin {
    /// Serves `router`.
    pub(super) fn new(router: Router) -> Self {
        Admin(router)
    }

    async fn answer(&self, session: &mut ServerSession) -> Result<Response<Vec<u8>>, (StatusCode, &'static str)> {
        let mut body = BytesMut::new();
        while let Some(piece) =
            session.read_request_body().await.map_err(|_| (StatusCode::BAD_REQUEST, "the body broke off"))?
        {
            if body.len() + piece.len() > BODY_BYTES_MAX {
                return Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB"));
            }
            body.extend_from_slice(&piece);
        }
        let caller = session.client_addr().and_then(|address| address.as_inet()).copied();
        let head = session.req_header();
        let mut request = Request::builder().method(head.method.clone()).uri(head.uri.clone());
        if let (Some(caller), Some(extensions)) = (caller, request.extensions_mut()) {
            extensions.insert(Caller(caller));
        }
        if let Some(headers) = request.headers_mut() {
            *headers = head.headers.clone();
        }
        let request =
            request.body(Body::from(body.freeze())).map_err(|_| (StatusCode::BAD_REQUEST, "not a request"))?;
        let Ok(response) = self.0.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| (StatusCode::INTERNAL_SERVER_ERROR, "no body"))?;
        let mut response = Response::from_parts(parts, body.to_bytes().to_vec());
        let length = response.body().len();
        response.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
        Ok(response)
    }
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        self.answer(session).await.unwrap_or_else(|(status, text)| {
            let mut response = Response::new(text.as_bytes().to_vec());
            *response.status_mut() = status;
            response
        })
    }
}
