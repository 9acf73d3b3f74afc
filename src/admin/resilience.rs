//! What keeps the accounts from requests: to be looked at, and to be taken back by hand.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::look::Look;
use super::problem::Problem;
use super::vault::why;
use super::view;
use crate::breaker::safe_mode::{GLOBAL, Manual, Scope};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(accounts))
        .routes(routes!(health))
        .routes(routes!(circuits))
        .routes(routes!(reset))
        .routes(routes!(aimd))
        .routes(routes!(cooldowns, clear))
        .routes(routes!(safe_mode, set_safe_mode))
}

/// Which cooldowns are meant.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only of this account.
    account: Option<String>,
    /// Only of this model family.
    family: Option<String>,
    /// All of them.
    #[serde(default)]
    all: bool,
}

impl Filter {
    fn takes(&self, lock: &view::Cooldown) -> bool {
        self.account.as_ref().is_none_or(|account| *account == lock.account)
            && self.family.as_ref().is_none_or(|family| lock.family.as_ref() == Some(family))
    }
}

/// What every account does, and what keeps it from requests.
#[utoipa::path(get, path = "/api/accounts/status", tag = "resilience", responses((status = 200, description = "As it is then", body = view::Accounts), Problem))]
async fn accounts(State(shared): State<Shared>) -> Json<view::Accounts> {
    let state_error = shared.gateway.durable.trouble();
    Json(view::Accounts { accounts: Look::new(&shared.gateway).accounts(), state_error })
}

/// How well the whole is.
#[utoipa::path(get, path = "/api/resilience/health", tag = "resilience", responses((status = 200, description = "As it is then", body = view::Health), Problem))]
async fn health(State(shared): State<Shared>) -> Json<view::Health> {
    Json(Look::new(&shared.gateway).health())
}

/// The breakers of all accounts.
#[utoipa::path(get, path = "/api/resilience/circuits", tag = "resilience", responses((status = 200, description = "As it is then", body = view::Circuits), Problem))]
async fn circuits(State(shared): State<Shared>) -> Json<view::Circuits> {
    let look = Look::new(&shared.gateway);
    let circuits = shared.gateway.registry.accounts().iter().map(|account| look.circuit(account)).collect();
    Json(view::Circuits { circuits })
}

/// Closes the breaker of an account.
#[utoipa::path(post, path = "/api/resilience/circuits/{account}/reset", tag = "resilience", params(("account" = String, Path, description = "Id of the account")), responses((status = 200, description = "As it is then", body = view::Circuit), Problem))]
async fn reset(State(shared): State<Shared>, Path(account): Path<String>) -> Result<Json<view::Circuit>, Problem> {
    known(&shared, &account)?;
    if shared.gateway.registry.reset_breaker(&account) {
        tracing::info!(account, "the breaker was closed by the operator");
    }
    let state = shared.gateway.registry.get(&account).ok_or_else(|| unknown(&account))?;
    Ok(Json(Look::new(&shared.gateway).circuit(&state)))
}

/// Limits a minute of all accounts and families, and lowered ceilings.
#[utoipa::path(get, path = "/api/resilience/aimd", tag = "resilience", responses((status = 200, description = "As it is then", body = view::Paces), Problem))]
async fn aimd(State(shared): State<Shared>) -> Json<view::Paces> {
    let look = Look::new(&shared.gateway);
    let registry = &shared.gateway.registry;
    let ceilings = registry.ceilings(look.now).into_iter().map(|view| view::Ceiling {
        upstream: view.upstream,
        ceiling: view.ceiling,
        in_flight: view.in_flight,
    });
    let paces = registry.accounts().iter().flat_map(|account| look.paces_of(account)).collect();
    Json(view::Paces { paces, ceilings: ceilings.collect() })
}

/// The cooldowns that hold.
#[utoipa::path(get, path = "/api/resilience/cooldowns", tag = "resilience", params(Filter), responses((status = 200, description = "As it is then", body = view::Cooldowns), Problem))]
async fn cooldowns(
    State(shared): State<Shared>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<view::Cooldowns>, Problem> {
    let filter = filtered(&shared, filter)?;
    let mut cooldowns = Look::new(&shared.gateway).cooldowns();
    cooldowns.retain(|lock| filter.takes(lock));
    Ok(Json(view::Cooldowns { cooldowns }))
}

/// Clears cooldowns, and tells which. All of them only if that is said, not by a forgotten filter.
#[utoipa::path(delete, path = "/api/resilience/cooldowns", tag = "resilience", params(Filter), responses((status = 200, description = "What was cleared", body = view::Cooldowns), Problem))]
async fn clear(
    State(shared): State<Shared>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<view::Cooldowns>, Problem> {
    let filter = filtered(&shared, filter)?;
    if filter.account.is_none() && filter.family.is_none() && !filter.all {
        let detail = "say which: ?account=NAME, ?family=NAME, both, or ?all=true";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let registry = &shared.gateway.registry;
    let mut cooldowns = Look::new(&shared.gateway).cooldowns();
    cooldowns.retain(|lock| filter.takes(lock) && registry.clear(&lock.account, lock.family.as_deref()));
    tracing::info!(
        cleared = cooldowns.len(),
        account = filter.account,
        family = filter.family,
        "cooldowns were cleared by the operator"
    );
    Ok(Json(view::Cooldowns { cooldowns }))
}

/// Safe mode: whether an upstream of last resort serves.
#[utoipa::path(get, path = "/api/safe-mode", tag = "resilience", responses((status = 200, description = "As it is then", body = view::SafeMode), Problem))]
async fn safe_mode(State(shared): State<Shared>) -> Json<view::SafeMode> {
    Json(Look::new(&shared.gateway).safe_mode())
}

/// Sets safe mode by hand.
#[utoipa::path(put, path = "/api/safe-mode", tag = "resilience", request_body = view::SetSafeMode, responses((status = 200, description = "As it is then", body = view::SafeMode), Problem))]
async fn set_safe_mode(State(shared): State<Shared>, body: Bytes) -> Result<Json<view::SafeMode>, Problem> {
    let wanted: view::SetSafeMode = serde_json::from_slice(&body).map_err(|error| {
        let detail = format!(
            "the body is not {{\"mode\": \"on\", \"off\" or \"auto\", \"scope\": \"*\" or an upstream}}: {}",
            why(&error)
        );
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })?;
    let Some(manual) = Manual::parse(&wanted.mode) else {
        let detail = format!("'{}' is no mode; write on, off or auto", wanted.mode);
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    };
    let look = Look::new(&shared.gateway);
    if manual == Manual::On && look.snapshot.config.resilience.safe_mode.upstream.is_none() {
        let detail = "there is no upstream of last resort; name one as `resilience.safe_mode.upstream` first";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let scope = Scope::parse(wanted.scope.as_deref().unwrap_or(GLOBAL));
    let safe_mode = &shared.gateway.safe_mode;
    safe_mode.set_manual(&scope, manual).map_err(|error| Problem::new(StatusCode::NOT_FOUND, error.to_string()))?;
    Ok(Json(look.safe_mode()))
}

fn filtered(shared: &Shared, filter: Result<Query<Filter>, QueryRejection>) -> Result<Filter, Problem> {
    let Query(filter) = filter.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    if let Some(account) = &filter.account {
        known(shared, account)?;
    }
    Ok(filter)
}

fn known(shared: &Shared, account: &str) -> Result<(), Problem> {
    shared.gateway.registry.get(account).map(|_| ()).ok_or_else(|| unknown(account))
}

fn unknown(account: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no account '{account}'; /api/accounts/status lists them"))
}
