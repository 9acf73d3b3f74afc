//! Accounts: added, looked at, changed and removed while the gateway serves.
//!
//! What stands in the configuration file is changed there. But for two things that an operator may need at once: an
//! account of the file can be switched off, and one can be pinned. Both are kept in the state file until they are taken
//! back, and shown with the account.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use futures_util::future::join_all;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::account_changes::{changed, new_account, removed};
use super::account_files::{export, import};
use super::account_looks::{book, look_of};
use super::accounts_view::{
    AccountEntries, AccountEntry, ChangeAccount, Export, Imported, NewAccount, Pinned, Removed, Tested, WantExport,
    WantImport,
};
use super::entries::Change;
use super::problem::Problem;
use super::vault::read;
use crate::config::{Addition, EntryKind, PINNED};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, change, remove))
        .routes(routes!(test))
        .routes(routes!(export_all))
        .routes(routes!(import_all))
        .routes(routes!(pinned, pin, unpin))
}

/// All accounts, and where they are entered.
#[utoipa::path(get, path = "/api/accounts", tag = "accounts", responses((status = 200, description = "As it is then", body = AccountEntries), Problem))]
async fn list(State(shared): State<Shared>) -> Result<Json<AccountEntries>, Problem> {
    let entries = shared.entries().await?;
    Ok(Json(AccountEntries { accounts: book(&shared, &entries) }))
}

/// Adds an account. It serves from the answer on.
#[utoipa::path(post, path = "/api/accounts", tag = "accounts", request_body = NewAccount, responses((status = 201, description = "It is in force", body = AccountEntry), Problem))]
async fn add(State(shared): State<Shared>, body: Bytes) -> Result<(StatusCode, Json<AccountEntry>), Problem> {
    let wanted: NewAccount = read(&body)?;
    let id = wanted.id.clone();
    let alone = shared.alone().await;
    let entries = shared.entries().await?;
    let changes = new_account(&shared.gateway.store.load_full().config, &entries, wanted)?;
    shared.enter_alone(&alone, changes).await?;
    tracing::info!(account = id, "an account was added by the operator");
    Ok((StatusCode::CREATED, one(&shared, &id).await?))
}

/// One account.
#[utoipa::path(get, path = "/api/accounts/{id}", tag = "accounts", params(("id" = String, Path, description = "Id of the account")), responses((status = 200, description = "As it is then", body = AccountEntry), Problem))]
async fn show(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<AccountEntry>, Problem> {
    one(&shared, &id).await
}

/// Changes an account.
#[utoipa::path(patch, path = "/api/accounts/{id}", tag = "accounts", params(("id" = String, Path, description = "Id of the account")), request_body = ChangeAccount, responses((status = 200, description = "It is in force", body = AccountEntry), Problem))]
async fn change(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<AccountEntry>, Problem> {
    let wanted: ChangeAccount = read(&body)?;
    let nulls: Vec<String> = match serde_json::from_slice(&body) {
        Ok(Value::Object(members)) => {
            members.into_iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name).collect()
        }
        _ => return Err(Problem::bad_request("the body is no JSON object")),
    };
    let alone = shared.alone().await;
    let entries = shared.entries().await?;
    let changes = changed(&shared, &entries, &id, wanted, &nulls)?;
    shared.enter_alone(&alone, changes).await?;
    tracing::info!(account = id, "an account was changed by the operator");
    one(&shared, &id).await
}

/// Removes an account that a command has added, with its secrets, and with its upstreams if no other account opens them.
#[utoipa::path(delete, path = "/api/accounts/{id}", tag = "accounts", params(("id" = String, Path, description = "Id of the account")), responses((status = 200, description = "It is gone", body = Removed), Problem))]
async fn remove(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<Removed>, Problem> {
    let alone = shared.alone().await;
    let entries = shared.entries().await?;
    let secrets = shared.secrets_of(&id).await?;
    let (changes, mut gone) = removed(&shared, &entries, &id, secrets)?;
    let entered = shared.enter_alone(&alone, changes.clone()).await;
    if let Err(Problem(StatusCode::UNPROCESSABLE_ENTITY, _)) = &entered
        && !gone.upstreams.is_empty()
    {
        // The file may name its upstreams; then they stay.
        gone.upstreams.clear();
        let upstream = |change: &Change| matches!(change, Change::Remove(EntryKind::Upstream, _));
        shared.enter_alone(&alone, changes.into_iter().filter(|change| !upstream(change)).collect()).await?;
    } else {
        entered?;
    }
    tracing::info!(account = id, "an account was removed by the operator");
    Ok(Json(gone))
}

/// Looks whether an account works: asks each of its upstreams for something that costs nothing.
#[utoipa::path(post, path = "/api/accounts/{id}/test", tag = "accounts", params(("id" = String, Path, description = "Id of the account")), responses((status = 200, description = "What came of it", body = Tested), Problem))]
async fn test(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<Tested>, Problem> {
    let snapshot = shared.gateway.store.load_full();
    let Some(account) = snapshot.config.accounts.iter().find(|account| account.id == id).map(Arc::clone) else {
        let entry = one(&shared, &id).await?;
        let why = entry.0.fault.unwrap_or_default();
        return Err(Problem::conflict(format!("the account '{id}' is not in force: {why}")));
    };
    let looks = account.upstreams.iter().map(async |upstream| {
        let trial = shared.gateway.try_out(&account, upstream).await;
        look_of(upstream, trial)
    });
    let looks = join_all(looks).await;
    let works =
        looks.iter().any(|look| look.credential == "accepted") && looks.iter().all(|look| look.credential != "refused");
    Ok(Json(Tested { account: id, works, looks }))
}

/// The accounts that commands have added, for another gateway; with their secrets if a passphrase is given.
#[utoipa::path(post, path = "/api/accounts/export", tag = "accounts", request_body = Option<WantExport>, responses((status = 200, description = "For `POST /api/accounts/import`", body = Export), Problem))]
async fn export_all(State(shared): State<Shared>, body: Bytes) -> Result<Json<Export>, Problem> {
    let wanted: Option<WantExport> = if body.is_empty() { None } else { read(&body)? };
    let entries = shared.entries().await?;
    export(&shared, entries, wanted.unwrap_or_default().passphrase).await.map(Json)
}

/// Adds what another gateway has exported, all or nothing; accounts that are there already are left as they are.
#[utoipa::path(post, path = "/api/accounts/import", tag = "accounts", request_body = WantImport, responses((status = 200, description = "What was added is in force", body = Imported), Problem))]
async fn import_all(State(shared): State<Shared>, body: Bytes) -> Result<Json<Imported>, Problem> {
    let wanted: WantImport = read(&body)?;
    let alone = shared.alone().await;
    let entries = shared.entries().await?;
    let (changes, imported) = import(&shared, &entries, wanted).await?;
    if !changes.is_empty() {
        shared.enter_alone(&alone, changes).await?;
    }
    tracing::info!(added = imported.added.len(), "accounts were imported by the operator");
    Ok(Json(imported))
}

/// The account that all requests prefer.
#[utoipa::path(get, path = "/api/pinned-account", tag = "accounts", responses((status = 200, description = "As it is then", body = Pinned), Problem))]
async fn pinned(State(shared): State<Shared>) -> Json<Pinned> {
    Json(shared.pinned())
}

/// Pins an account: all requests prefer it, until it is taken back.
#[utoipa::path(put, path = "/api/pinned-account", tag = "accounts", request_body = Pinned, responses((status = 200, description = "It is in force", body = Pinned), Problem))]
async fn pin(State(shared): State<Shared>, body: Bytes) -> Result<Json<Pinned>, Problem> {
    let wanted: Pinned = read(&body)?;
    let Some(id) = wanted.account else {
        return Err(Problem::bad_request("name an account; DELETE takes the pin back"));
    };
    let known = shared.gateway.store.load().config.accounts.iter().any(|account| account.id == id);
    if !known {
        return Err(unknown(&id));
    }
    shared.enter(vec![Change::Put(Addition::pin(&id))]).await?;
    tracing::info!(account = id, "an account was pinned by the operator");
    Ok(Json(shared.pinned()))
}

/// Takes back that an account was pinned by a command. What the configuration pins is pinned again.
#[utoipa::path(delete, path = "/api/pinned-account", tag = "accounts", responses((status = 200, description = "It is in force", body = Pinned), Problem))]
async fn unpin(State(shared): State<Shared>) -> Result<Json<Pinned>, Problem> {
    shared.enter(vec![Change::Remove(EntryKind::Override, PINNED.to_owned())]).await?;
    Ok(Json(shared.pinned()))
}

impl Shared {
    fn pinned(&self) -> Pinned {
        let snapshot = self.gateway.store.load();
        let account = snapshot.config.resilience.pinned_account.clone();
        Pinned { account, by_command: snapshot.config.origins.pinned }
    }
}

pub(super) async fn one(shared: &Shared, id: &str) -> Result<Json<AccountEntry>, Problem> {
    let entries = shared.entries().await?;
    let found = book(shared, &entries).into_iter().find(|entry| entry.id == id);
    found.map(Json).ok_or_else(|| unknown(id))
}

pub(super) fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("there is no account '{id}'; `interlingua accounts list` names them"))
}
