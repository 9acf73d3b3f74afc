//! The gateway as a whole: pause and resume, quotas, warm-ups.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use super::vault::why;
use super::{Shared, view};
use crate::quota::QuotaStatus;

/// Longest reason for a pause, in characters: callers read it.
const REASON_CHARS_MAX: usize = 300;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(quota))
        .routes(routes!(refresh_quota))
        .routes(routes!(warm_ups, run_warm_ups))
}

/// Turns new requests away with a 503 in their dialect; those at work go on to their end.
#[utoipa::path(post, path = "/api/pause", tag = "gateway", request_body = Option<view::SetPause>, responses(
    (status = 200, description = "It is paused", body = view::Activity),
    Problem
))]
async fn pause(State(shared): State<Shared>, body: Bytes) -> Result<Json<view::Activity>, Problem> {
    let wanted: Option<view::SetPause> = if body.is_empty() {
        None
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| Problem::bad_request(format!("the body is not {{\"reason\": \"…\"}}: {}", why(&error))))?
    };
    let reason =
        wanted.unwrap_or_default().reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        return Err(Problem::bad_request(format!("the reason is longer than {REASON_CHARS_MAX} characters")));
    }
    shared.gateway.pause.pause(reason.clone());
    tracing::warn!(reason, "paused by the operator: new requests are turned away");
    Ok(Json(activity(&shared)))
}

/// Takes requests again.
#[utoipa::path(post, path = "/api/resume", tag = "gateway", responses(
    (status = 200, description = "It serves", body = view::Activity),
    Problem
))]
async fn resume(State(shared): State<Shared>) -> Result<Json<view::Activity>, Problem> {
    if shared.gateway.pause.resume() {
        tracing::info!("resumed by the operator");
    }
    Ok(Json(activity(&shared)))
}

fn activity(shared: &Shared) -> view::Activity {
    let paused = shared.gateway.pause.paused();
    let now = crate::proxy::now();
    view::Activity {
        paused: paused.map(|paused| view::Paused { since: view::When::new(paused.since, now), reason: paused.reason }),
        in_flight: shared.gateway.metrics.in_flight.get(),
    }
}

/// Which account is meant.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OneAccount {
    /// Only this account.
    account: Option<String>,
}

/// What is left of the accounts' quotas, as far as their providers tell.
#[utoipa::path(get, path = "/api/quota", tag = "accounts", responses(
    (status = 200, description = "All accounts", body = QuotaStatus),
    Problem
))]
async fn quota(State(shared): State<Shared>) -> Json<QuotaStatus> {
    Json(shared.gateway.quota_status())
}

/// Asks providers for quotas now: of one account, or of all whose providers tell.
#[utoipa::path(post, path = "/api/quota/refresh", tag = "accounts", params(OneAccount), responses(
    (status = 200, description = "As it is known then", body = QuotaStatus),
    Problem
))]
async fn refresh_quota(
    State(shared): State<Shared>,
    query: Result<Query<OneAccount>, QueryRejection>,
) -> Result<Json<QuotaStatus>, Problem> {
    let Query(OneAccount { account }) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let asked: Vec<String> = match account {
        Some(account) => {
            if shared.gateway.registry.get(&account).is_none() {
                return Err(Problem::not_found(format!("there is no account '{account}'")));
            }
            vec![account]
        }
        None => {
            let accounts = shared.gateway.quota_status().accounts;
            accounts.into_iter().filter(|one| one.asked).map(|one| one.account).collect()
        }
    };
    let single = asked.len() == 1;
    for account in asked {
        if !shared.gateway.refresh_quota(&account).await && single {
            let detail =
                format!("the provider of '{account}' tells no quotas when it is asked, or is being asked just now");
            return Err(Problem::conflict(detail));
        }
    }
    Ok(Json(shared.gateway.quota_status()))
}

/// Warm-ups that were sent, the last first.
#[utoipa::path(get, path = "/api/warm-ups", tag = "accounts", responses(
    (status = 200, description = "The last ones", body = view::WarmUps),
    Problem
))]
async fn warm_ups(State(shared): State<Shared>) -> Json<view::WarmUps> {
    let mut history = shared.gateway.warm_ups.export().history;
    history.reverse();
    Json(view::WarmUps { sent: None, history })
}

/// Sends a warm-up to every account and model that is configured for it and free.
#[utoipa::path(post, path = "/api/warm-ups", tag = "accounts", responses(
    (status = 200, description = "They were sent", body = view::WarmUps),
    Problem
))]
async fn run_warm_ups(State(shared): State<Shared>) -> Result<Json<view::WarmUps>, Problem> {
    let models = &shared.gateway.store.load_full().config.resilience.warm_up.models;
    if models.is_empty() {
        return Err(Problem::conflict("no model is warmed up: name some as `resilience.warm_up.models`"));
    }
    let sent = shared.gateway.warm_up_now().await;
    let mut history = shared.gateway.warm_ups.export().history;
    history.reverse();
    Ok(Json(view::WarmUps { sent: Some(sent), history }))
}
