//! The operator's API. Loopback by default; everywhere else the configuration demands a key.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::config::Reloader;
use crate::proxy::Gateway;

#[derive(Clone)]
struct Shared {
    gateway: Arc<Gateway>,
    reloader: Option<Arc<Reloader>>,
}

/// The routes.
pub(crate) fn router(gateway: Arc<Gateway>, reloader: Option<Arc<Reloader>>) -> Router {
    let shared = Shared { gateway, reloader };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/api/reload", post(reload))
        .layer(middleware::from_fn_with_state(shared.clone(), authorise))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(shared)
}

/// Lets nobody in who lacks one of the configured keys, if there are any. Every key is compared, in constant time.
async fn authorise(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let snapshot = shared.gateway.store.load_full();
    let known = &snapshot.config.server.admin_key_digests;
    if known.is_empty() {
        return next.run(request).await;
    }
    let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let presented = value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
    let mut equal = Choice::from(0);
    for key in known {
        equal |= key.ct_eq(&digest);
    }
    if bool::from(equal) {
        return next.run(request).await;
    }
    problem(StatusCode::UNAUTHORIZED, "send an admin key as 'Authorization: Bearer'")
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, shared.gateway.render_metrics()).into_response()
}

async fn reload(State(shared): State<Shared>) -> Response {
    let Some(reloader) = shared.reloader else {
        return problem(StatusCode::CONFLICT, "the gateway was started without a configuration file");
    };
    match tokio::task::spawn_blocking(move || reloader.reload()).await {
        Ok(Ok(generation)) => axum::Json(json!({"generation": generation})).into_response(),
        Ok(Err(report)) => problem(StatusCode::UNPROCESSABLE_ENTITY, &report.short()),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the reload broke off; the log says why"),
    }
}

/// RFC 9457 problem details.
fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("error");
    let body = json!({"title": title, "status": status.as_u16(), "detail": detail}).to_string();
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}
