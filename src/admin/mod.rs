//! The operator's API. Loopback by default; everywhere else the configuration demands a key.
//!
//! Each handler says what it takes and gives (`utoipa`), so the description at `/api/openapi.json` is what is served.

#![expect(unused_qualifications, reason = "the macros that describe the API write every path in full")]

mod account_changes;
mod account_files;
mod account_looks;
mod accounts;
pub(crate) mod accounts_view;
mod audit;
mod clients;
pub(crate) mod clients_view;
mod description;
mod entries;
mod explain;
mod login;
pub(crate) mod login_view;
mod logs;
mod look;
mod mapping;
mod operate;
mod problem;
pub(crate) mod records_view;
mod resilience;
mod usage;
mod vault;
pub(crate) mod vault_view;
pub(crate) mod view;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi, openapi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::audit::Caller;
use self::problem::Problem;
use crate::config::Reloader;
use crate::mapping::keeper::Keeper;
use crate::proxy::Gateway;
use crate::store::Desk;
use crate::vault::Vault;

/// What all handlers share.
#[derive(Clone)]
struct Shared {
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    /// What commands have entered.
    desk: Desk,
    /// Names of models that stand for others.
    keeper: Keeper,
    /// The secrets among it.
    vault: Vault,
    /// Held while entries are changed.
    entering: Arc<tokio::sync::Mutex<()>>,
    /// Held while the entry of a client is read and changed.
    clients: Arc<tokio::sync::Mutex<()>>,
}

/// The description of the API, but for its paths.
#[derive(OpenApi)]
#[openapi(
    info(title = "Interlingua", description = "The operator's API of a gateway: accounts, clients, models, records."),
    components(schemas(view::Problem)),
    modifiers(&Keys)
)]
struct Description;

/// Says how a caller proves that it is the operator.
struct Keys;

impl Modify for Keys {
    fn modify(&self, openapi: &mut openapi::OpenApi) {
        let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("One of `server.admin_keys`"));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("admin_key", SecurityScheme::Http(key.build()));
        openapi.security = Some(vec![SecurityRequirement::new::<_, _, String>("admin_key", [])]);
    }
}

/// The routes.
pub(crate) fn router(gateway: Arc<Gateway>, reloader: Arc<Reloader>, vault: Vault, keeper: Keeper) -> Router {
    let desk = vault.desk().clone();
    let shared = Shared { gateway, reloader, desk, keeper, vault, entering: Arc::default(), clients: Arc::default() };
    let (router, description) = described().split_for_parts();
    let described = Arc::new(description::completed(description));
    router
        .route("/api/openapi.json", get(move || async move { Json(described.as_ref().clone()) }))
        .fallback(|| async { Problem::not_found("there is no such path; /api/openapi.json lists them") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the path does not take this method")
        })
        .layer(middleware::map_response(problem::in_details))
        .layer(middleware::from_fn_with_state(shared.clone(), authorise))
        .layer(middleware::from_fn_with_state(shared.clone(), audit::audited))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(shared)
}

/// The routes with their description.
fn described() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(metrics))
        .routes(routes!(api_metrics))
        .routes(routes!(reload))
        .merge(resilience::routes())
        .merge(mapping::routes())
        .merge(operate::routes())
        .merge(explain::routes())
        .merge(accounts::routes())
        .merge(vault::routes())
        .merge(login::routes())
        .merge(clients::routes())
        .merge(logs::routes())
        .merge(usage::routes())
        .merge(audit::routes())
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

/// What Prometheus reads.
#[utoipa::path(get, path = "/metrics", tag = "gateway", responses(
    (status = 200, description = "In the text format of Prometheus", body = String, content_type = "text/plain"),
    Problem
))]
async fn metrics(State(shared): State<Shared>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, shared.gateway.render_metrics()).into_response()
}

/// As `/metrics`, below the API's own paths.
#[utoipa::path(get, path = "/api/metrics", tag = "gateway", responses(
    (status = 200, description = "In the text format of Prometheus", body = String, content_type = "text/plain"),
    Problem
))]
async fn api_metrics(shared: State<Shared>) -> Response {
    metrics(shared).await
}

/// Reads the configuration again and puts it in force.
#[utoipa::path(post, path = "/api/reload", tag = "gateway", responses(
    (status = 200, description = "It is in force", body = view::Generation),
    Problem
))]
async fn reload(State(shared): State<Shared>) -> Result<Json<view::Generation>, Problem> {
    shared.reload().await.map(|generation| Json(view::Generation { generation }))
}

impl Shared {
    /// Puts in force what the file and the entries say now. Gives the generation.
    async fn reload(&self) -> Result<u64, Problem> {
        let reloader = Arc::clone(&self.reloader);
        match tokio::task::spawn_blocking(move || reloader.reload()).await {
            Ok(Ok(generation)) => Ok(generation),
            Ok(Err(report)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, report.short())),
            Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the reload broke off; the log says why")),
        }
    }
}
