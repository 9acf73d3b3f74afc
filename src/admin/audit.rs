//! The audit log: calls that may change something are noted here, and the newest events are told.

use std::collections::HashMap;
use std::net::SocketAddr;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::problem::Problem;
use super::records_view as view;
use crate::audit::{Event, Hashed, LINES_MAX, beginning, recent};

/// Bytes of a key's digest that are noted.
const DIGEST_BYTES: usize = 4;
/// Events that are told if nothing else is asked for.
const EVENTS: usize = 100;

/// Where a call came from, as an extension of its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller(pub(crate) SocketAddr);

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Notes a call that may change something, when it is answered.
pub(super) async fn audited(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let method = request.method().to_string();
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = matched.unwrap_or_else(|| "unknown".to_owned());
    let address = request.extensions().get::<Caller>().map(|caller| caller.0.ip().to_string());
    let key = request.headers().get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let caller = key.map(|key| beginning(&Sha256::digest(key), DIGEST_BYTES));
    let named = named(&path, request.uri());
    let response = next.run(request).await;
    let status = response.status();
    // A key that was refused is nobody's, and a part of its digest nobody's business.
    let caller = caller.filter(|_| status != StatusCode::UNAUTHORIZED);
    let account = named.get("account").map(|account| Hashed::account(account));
    let client = named.get("client").cloned();
    shared.gateway.audit.note(Event::AdminCall {
        method,
        path,
        status: status.as_u16(),
        caller,
        address,
        account,
        client,
    });
    response
}

/// The account and the client that a call is about: by the path's template, or by the query.
fn named(template: &str, uri: &Uri) -> HashMap<&'static str, String> {
    let mut named = HashMap::new();
    let query = uri.query().unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name == "account" {
            named.insert("account", value.into_owned());
        }
    }
    for (part, value) in template.split('/').zip(uri.path().split('/')) {
        let what = match part {
            "{account}" => "account",
            "{client}" => "client",
            "{id}" if template.starts_with("/api/accounts/") => "account",
            "{id}" if template.starts_with("/api/clients/") => "client",
            _ => continue,
        };
        named.insert(what, percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned());
    }
    named
}

/// Which events are meant.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only of this kind, such as `admin_call` or `breaker`.
    event: Option<String>,
    /// So many at most, 1 to 1000. Default: 100.
    limit: Option<usize>,
}

/// The newest events of the audit log.
#[utoipa::path(get, path = "/api/audit", tag = "records", params(Which), responses((status = 200, description = "The newest first", body = view::Audits), Problem))]
async fn events(
    State(shared): State<Shared>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<view::Audits>, Problem> {
    let Query(which) = which.map_err(|error| Problem::bad_request(error.body_text()))?;
    let limit = which.limit.unwrap_or(EVENTS);
    if limit == 0 || limit > LINES_MAX {
        return Err(Problem::bad_request(format!("limit={limit} is out of bounds: 1 to {LINES_MAX}")));
    }
    let off = "nothing is audited: `audit.enabled` is false, or there is no folder for `audit.folder`";
    let folder = shared.gateway.audit.folder().ok_or_else(|| Problem::conflict(off))?.to_owned();
    let read = tokio::task::spawn_blocking(move || recent(&folder, which.event.as_deref(), limit)).await;
    let unreadable =
        |why: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the audit log cannot be read: {why}"));
    let noted = read.map_err(|error| unreadable(error.to_string()))?.map_err(|error| unreadable(error.to_string()))?;
    let accounts = shared.gateway.registry.accounts();
    let names: HashMap<String, &str> =
        accounts.iter().map(|account| (Hashed::account(account.id()).as_str().to_owned(), account.id())).collect();
    let events = noted.into_iter().map(|noted| view::Audited {
        account_name: noted.account.as_ref().and_then(|hash| names.get(hash)).map(|name| (*name).to_owned()),
        at: noted.at,
        event: noted.event,
        account: noted.account,
        details: noted.details,
    });
    Ok(Json(view::Audits { events: events.collect() }))
}
