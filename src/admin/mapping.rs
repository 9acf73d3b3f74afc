//! Names of models: which are served, which stand for others, and the sync of these between gateways.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use interlingua_filters::Dialect;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use super::vault::why;
use super::{Shared, view};
use crate::mapping::keeper::KeeperError;
use crate::mapping::sync::{SyncError, now_with};
use crate::mapping::{ENTRIES_MAX, Mappings};
use crate::proxy::now;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(models))
        .routes(routes!(map, unmap))
        .routes(routes!(mappings, merge))
        .routes(routes!(sync))
}

impl From<KeeperError> for Problem {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::Mapping(error) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
            KeeperError::Desk(error) => error.into(),
            KeeperError::NotInForce(_) => Problem::conflict(error.to_string()),
        }
    }
}

/// The names that clients may use: those of the rules, and those that stand for others.
#[utoipa::path(get, path = "/api/models", tag = "models", responses(
    (status = 200, description = "Rules in their order, then mappings", body = view::Models),
    Problem
))]
async fn models(State(shared): State<Shared>) -> Result<Json<view::Models>, Problem> {
    let snapshot = shared.gateway.store.load_full();
    let routes = &snapshot.config.routes;
    let rules = routes.rules().iter().map(|rule| {
        let name = rule.pattern.as_str();
        // The name itself tells where it goes only if it is no pattern.
        let route = routes.resolve(name, Dialect::OpenAiResponses).filter(|_| rule.pattern.is_exact());
        let target = rule.steps.first().map(|planned| &planned.target);
        view::Rule {
            name: name.to_owned(),
            model: route.and_then(|route| Some(route.steps.first()?.model.clone())),
            upstreams: target
                .map(|target| target.upstreams.iter().map(|one| one.id.clone()).collect())
                .unwrap_or_default(),
            fallbacks: rule.steps.len().saturating_sub(1),
        }
    });
    let mappings = if shared.keeper.is_on() { shared.keeper.read().await? } else { Mappings::default() };
    let mapped = mappings.alive().map(|(name, target)| view::Mapped {
        name: name.to_owned(),
        target: target.to_owned(),
        served: routes.find(target).is_some() || target.contains('{'),
    });
    Ok(Json(view::Models { listed: routes.listed().to_vec(), rules: rules.collect(), mappings: mapped.collect() }))
}

/// Has a name stand for another model.
#[utoipa::path(put, path = "/api/models/mappings/{name}", tag = "models", request_body = view::SetMapping,
    params(("name" = String, Path, description = "A model's name as clients say it, or a pattern with `*`")),
    responses((status = 200, description = "It is in force", body = view::Mapped), Problem))]
async fn map(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<view::Mapped>, Problem> {
    let wanted: view::SetMapping = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("the body is not {{\"target\": \"MODEL\"}}: {}", why(&error))))?;
    let (entry, target) = (name.clone(), wanted.target.clone());
    shared.keeper.change(move |replica| replica.mappings.set(&entry, &target, now())).await?;
    let served =
        shared.gateway.store.load().config.routes.find(&wanted.target).is_some() || wanted.target.contains('{');
    tracing::info!(name, target = wanted.target, "a model was mapped by the operator");
    Ok(Json(view::Mapped { name, target: wanted.target, served }))
}

/// Has a name stand for itself again.
#[utoipa::path(delete, path = "/api/models/mappings/{name}", tag = "models",
    params(("name" = String, Path, description = "As it was mapped")),
    responses((status = 204, description = "It stands for itself"), Problem))]
async fn unmap(State(shared): State<Shared>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let entry = name.clone();
    let removed = shared.keeper.change(move |replica| Ok(replica.mappings.remove(&entry, now()))).await?;
    if !removed {
        return Err(Problem::not_found(format!("'{name}' stands for no other model; /api/models lists those that do")));
    }
    tracing::info!(name, "a mapping was removed by the operator");
    Ok(StatusCode::NO_CONTENT)
}

/// All mappings with their times, removed ones included: what another gateway syncs with.
#[utoipa::path(get, path = "/api/config/mapping", tag = "models", responses(
    (status = 200, description = "All of them", body = Mappings),
    Problem
))]
async fn mappings(State(shared): State<Shared>) -> Result<Json<Mappings>, Problem> {
    Ok(Json(shared.keeper.read().await?))
}

/// Takes another gateway's mappings: of each name the one that was written last stays.
#[utoipa::path(post, path = "/api/config/mapping", tag = "models", request_body = Mappings, responses(
    (status = 200, description = "What is kept then", body = Mappings),
    Problem
))]
async fn merge(State(shared): State<Shared>, body: Bytes) -> Result<Json<Mappings>, Problem> {
    let theirs: Mappings = serde_json::from_slice(&body).map_err(|error| {
        let detail = format!(
            "the body is no list of at most {ENTRIES_MAX} mappings, \
             {{\"entries\": {{\"NAME\": {{\"target\": …, \"updated_at\": …, \"deleted\": …}}}}}}: {}",
            why(&error)
        );
        Problem::bad_request(detail)
    })?;
    Ok(Json(shared.keeper.merge(theirs).await?))
}

/// Syncs with the gateway of `mapping.sync` now.
#[utoipa::path(post, path = "/api/config/mapping/sync", tag = "models", responses(
    (status = 200, description = "What both have then", body = Mappings),
    Problem
))]
async fn sync(State(shared): State<Shared>) -> Result<Json<Mappings>, Problem> {
    now_with(&shared.gateway, &shared.keeper).await.map_err(|error| match error {
        SyncError::Off => Problem::conflict(error.to_string()),
        SyncError::Keeper(error) => error.into(),
        error => Problem::new(StatusCode::BAD_GATEWAY, error.to_string()),
    })?;
    Ok(Json(shared.keeper.read().await?))
}
