//! The operator's API. Loopback by default; everywhere else the configuration demands a key.

mod look;
mod problem;
mod resilience;
pub(crate) mod view;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use self::problem::Problem;
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
        .merge(resilience::routes())
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is no such path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the path does not take this method")
        })
        .layer(middleware::from_fn_with_state(shared.clone(), authorise))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(shared)
}

/// Lets nobody in who lacks one of the configured keys, if there are any. Every key is compared, in constant time.
async fn authorise(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let snapshot = shared.gateway.store.load_full();
    let known = &snapshot.config.server.admin_key_digests;
    if known.is_empty() {
        if by_a_page(request.headers()) {
            let detail = "without admin keys no web page may ask, and the host must be an address or localhost";
            return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
        }
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
    Problem::new(StatusCode::UNAUTHORIZED, "send an admin key as 'Authorization: Bearer'").into_response()
}

/// Whether a browser asks for a web page. Any page can send requests to loopback addresses, and by a name of its own that
/// leads there (DNS rebinding) even read the answers; where no key is asked for that must not be enough.
fn by_a_page(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name).trim_start_matches('[').trim_end_matches(']');
    let direct = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    headers.contains_key(header::ORIGIN) || !direct
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, shared.gateway.render_metrics()).into_response()
}

async fn reload(State(shared): State<Shared>) -> Response {
    let Some(reloader) = shared.reloader else {
        return Problem::new(StatusCode::CONFLICT, "the gateway was started without a configuration file")
            .into_response();
    };
    match tokio::task::spawn_blocking(move || reloader.reload()).await {
        Ok(Ok(generation)) => axum::Json(json!({"generation": generation})).into_response(),
        Ok(Err(report)) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, report.short()).into_response(),
        Err(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the reload broke off; the log says why").into_response()
        }
    }
}
