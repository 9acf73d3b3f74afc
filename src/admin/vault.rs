//! Secrets: which there are, others in their place, another key for all of them. Values go in and never out.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::entries::Change;
use super::problem::Problem;
use super::vault_view::{ChangedSecret, Rotation, SecretName, Secrets, SetSecret, WantRotation};
use super::view::When;
use crate::pool::Millis;
use crate::proxy::now;
use crate::vault::{Key, Vault};

/// What the names of accounts' secrets begin with.
const OF_ACCOUNTS: &str = "account/";

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(secrets, set, remove)).routes(routes!(rotate))
}

/// Which secret is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// As in `${vault:NAME}`.
    name: String,
}

/// Reads a body that may hold a secret: what is wrong is told by its place alone.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let at = error.path().to_string();
        let why = why(error.inner());
        Problem::bad_request(format!("the body cannot be read at `{at}`: {why}; /api/openapi.json says what is taken"))
    })
}

/// What is wrong with a body, without its values: serde quotes them, and a value may be a secret at a wrong place.
pub(super) fn why(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.split_once(" `").map_or(message.as_str(), |(first, _)| first) {
        "unknown field" | "missing field" => message,
        _ if error.is_syntax() || error.is_eof() => "it is no JSON".to_owned(),
        _ => format!("a value of another type is wanted at line {} column {}", error.line(), error.column()),
    }
}

/// The secrets by name, without their values.
#[utoipa::path(get, path = "/api/vault/secrets", tag = "vault", responses((status = 200, description = "Names and times", body = Secrets), Problem))]
async fn secrets(State(shared): State<Shared>) -> Result<Json<Secrets>, Problem> {
    let named = shared.desk.run(|connection| Vault::list(connection)).await?;
    let now = now();
    let secrets = named.into_iter().map(|one| SecretName {
        name: one.name,
        key_id: one.key_id,
        changed: When::new(Millis(one.changed), now),
    });
    Ok(Json(Secrets { key: shared.vault.place().to_string(), secrets: secrets.collect() }))
}

/// Seals a secret, in the place of one of that name, and reads the configuration again, which may refer to it.
#[utoipa::path(put, path = "/api/vault/secrets", tag = "vault", request_body = SetSecret, responses((status = 200, description = "It is kept and in force", body = ChangedSecret), Problem))]
async fn set(State(shared): State<Shared>, body: Bytes) -> Result<Json<ChangedSecret>, Problem> {
    let SetSecret { name, value } = read(&body)?;
    if name.starts_with(OF_ACCOUNTS) {
        let detail = "secrets of accounts are set with `interlingua accounts key ID`, or PATCH /api/accounts/{id}";
        return Err(Problem::conflict(detail));
    }
    shared.enter(vec![Change::Seal(name.clone(), Arc::new(value))]).await?;
    tracing::info!(name, "a secret was set by the operator");
    Ok(Json(ChangedSecret { name }))
}

/// Removes a secret, unless the configuration refers to it.
#[utoipa::path(delete, path = "/api/vault/secrets", tag = "vault", params(Which), responses((status = 200, description = "It is gone", body = ChangedSecret), Problem))]
async fn remove(
    State(shared): State<Shared>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<ChangedSecret>, Problem> {
    let Query(Which { name }) = which.map_err(|error| Problem::bad_request(error.body_text()))?;
    let alone = shared.alone().await;
    let named = shared.desk.run(|connection| Vault::list(connection)).await?;
    if !named.iter().any(|one| one.name == name) {
        return Err(Problem::not_found(format!("there is no secret '{name}'; `interlingua vault list` names them")));
    }
    let reference = format!("${{vault:{name}}}");
    let user = shared.entries().await?.into_iter().find(|entry| entry.addition.body.to_string().contains(&reference));
    if let Some(user) = user {
        let (kind, id) = (user.addition.kind.name(), user.addition.id);
        return Err(Problem::conflict(format!("the {kind} '{id}' uses it; remove that, and its secrets go with it")));
    }
    shared.enter_alone(&alone, vec![Change::Forget(name.clone())]).await.map_err(|problem| match problem {
        Problem(StatusCode::UNPROCESSABLE_ENTITY, why) => {
            Problem::conflict(format!("the configuration cannot be without it: {why}"))
        }
        other => other,
    })?;
    tracing::info!(name, "a secret was removed by the operator");
    Ok(Json(ChangedSecret { name }))
}

/// Makes a new key, or takes the one that is given, and seals all secrets anew.
#[utoipa::path(post, path = "/api/vault/rotate", tag = "vault", request_body = Option<WantRotation>, responses((status = 200, description = "All secrets are under the new key", body = Rotation), Problem))]
async fn rotate(State(shared): State<Shared>, body: Bytes) -> Result<Json<Rotation>, Problem> {
    let wanted: Option<WantRotation> = if body.is_empty() { None } else { read(&body)? };
    let given = wanted.unwrap_or_default().new_key.map(|text| {
        Key::parse(text.expose()).ok_or_else(|| {
            Problem::bad_request("the new key is not base64 of 32 bytes; make one with `openssl rand -base64 32`")
        })
    });
    let given = given.transpose()?;
    let alone = shared.alone().await;
    let vault = shared.vault.clone();
    let rotated = tokio::task::spawn_blocking(move || {
        let _alone = alone;
        vault.rotate(given)
    });
    let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the rotation broke off; rotate once more");
    let rotated = rotated.await.map_err(broken)??;
    Ok(Json(Rotation {
        secrets: rotated.secrets,
        key_id: rotated.key_id,
        key: shared.vault.place().to_string(),
        to_be_placed: rotated.to_be_placed,
    }))
}
