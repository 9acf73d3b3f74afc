//! Logins: what a browser has brought is exchanged here, so that the tokens never leave the gateway.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::account_changes::{credential_name, new_account};
use super::accounts::one;
use super::accounts_view::{AccountEntry, NewAccount, Sensitive};
use super::entries::Change;
use super::login_view::LogIn;
use super::problem::Problem;
use super::vault::read;
use crate::config::{Addition, BaseUrl, EntryKind};
use crate::credentials::login::{Exchange, LoginError, exchange};
use crate::credentials::rotated_name;
use crate::store::DeskError;
use crate::store::desk::Entry;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(log_in))
}

/// Exchanges what a browser has brought for a refresh token, and keeps it: of a new account, or of one that was added by a
/// command. It serves from the answer on.
#[utoipa::path(post, path = "/api/accounts/{id}/login", tag = "accounts", params(("id" = String, Path, description = "Id of the account")), request_body = LogIn, responses((status = 200, description = "It is in force", body = AccountEntry), Problem))]
async fn log_in(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<AccountEntry>, Problem> {
    let wanted: LogIn = read(&body)?;
    if !shared.desk.is_on() {
        return Err(DeskError::Off.into());
    }
    let token_url = BaseUrl::parse(&wanted.token_url).ok().filter(|url| url.tls || url.is_loopback());
    let token_url = token_url.ok_or_else(|| Problem::bad_request("`token_url` is not an `https` address"))?;
    let alone = shared.alone().await;
    let entries = shared.entries().await?;
    // All that can be wrong here is found before the code is given away: it can be used once.
    let mut changes = account(&shared, &entries, &id, &wanted)?;
    let asked = Exchange {
        client_id: &wanted.client_id,
        client_secret: wanted.client_secret.as_ref().map(Sensitive::expose),
        token_url: &token_url,
        redirect_uri: &wanted.redirect_uri,
        code: wanted.code.expose(),
        verifier: wanted.verifier.expose(),
    };
    let token = exchange(&shared.gateway.http, &asked).await?;
    let token = Sensitive::new(token.expose_to_vault().to_owned());
    changes.push(Change::Seal(secret_name(&id, "refresh_token"), Arc::new(token)));
    changes.push(match wanted.client_secret {
        Some(secret) => Change::Seal(secret_name(&id, "client_secret"), Arc::new(secret)),
        None => Change::Forget(secret_name(&id, "client_secret")),
    });
    changes.extend([credential_name(&id), rotated_name(&id)].map(Change::Forget));
    shared.enter_alone(&alone, changes).await?;
    tracing::info!(account = id, "the operator has logged in");
    one(&shared, &id).await
}

/// The account as it will be.
fn account(shared: &Shared, entries: &[Entry], id: &str, wanted: &LogIn) -> Result<Vec<Change>, Problem> {
    let config = &shared.gateway.store.load_full().config;
    let is_stored = |one: &&Entry| one.addition.kind == EntryKind::Account && one.addition.id == id;
    let stored = entries.iter().find(is_stored);
    if config.accounts.iter().any(|account| account.id == id) && !config.origins.is_added(EntryKind::Account, id) {
        let detail =
            format!("the account '{id}' is entered in the configuration: log in under another id, or remove it there");
        return Err(Problem::conflict(detail));
    }
    let oauth = oauth(id, wanted);
    let Some(stored) = stored else {
        let new = NewAccount {
            id: id.to_owned(),
            provider: wanted.provider.clone(),
            base_url: wanted.base_url.clone(),
            upstream: wanted.upstream.clone(),
            project: wanted.project.clone(),
            tier: wanted.tier.clone(),
            concurrency: wanted.concurrency,
            ..NewAccount::default()
        };
        let mut changes = new_account(config, entries, new)?;
        for change in &mut changes {
            if let Change::Put(Addition { kind: EntryKind::Account, body: Value::Object(body), .. }) = change {
                body.insert("oauth".to_owned(), oauth.clone());
            }
        }
        return Ok(changes);
    };
    if wanted.provider.is_some() || wanted.base_url.is_some() || !wanted.upstream.is_empty() {
        let detail = format!(
            "there is an account '{id}' already, with upstreams of its own: log in without a provider or upstream, or under another id"
        );
        return Err(Problem::conflict(detail));
    }
    let mut addition = stored.addition.clone();
    let mut none = Map::new();
    let body = addition.body.as_object_mut().unwrap_or(&mut none);
    for other in ["credential", "service_account"] {
        body.remove(other);
    }
    body.insert("oauth".to_owned(), oauth);
    let more = [
        ("project", wanted.project.clone().map(Value::from)),
        ("tier", wanted.tier.clone().map(Value::from)),
        ("concurrency", wanted.concurrency.map(Value::from)),
    ];
    body.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Ok(vec![Change::Put(addition)])
}

fn oauth(id: &str, wanted: &LogIn) -> Value {
    let reference = |what: &str| format!("${{vault:{}}}", secret_name(id, what));
    let mut oauth = json!({
        // What looks like a reference is none.
        "client_id": wanted.client_id.replace("${", "$${"),
        "refresh_token": reference("refresh_token"),
        "token_url": wanted.token_url,
    });
    if wanted.client_secret.is_some() {
        oauth["client_secret"] = json!(reference("client_secret"));
    }
    oauth
}

fn secret_name(account: &str, what: &str) -> String {
    format!("account/{account}/{what}")
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let status = match error {
            LoginError::Unreachable(_) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Problem::new(status, error.to_string())
    }
}
