//! Clients and their keys: made, shown, limited, renewed and revoked.
//!
//! Those of the file are shown and cannot be changed here. A key is told once, in the answer that makes it; what is kept is
//! its SHA-256, in the client's entry.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::clients_view as view;
use super::entries::Change;
use super::problem::Problem;
use super::vault::why;
use super::view::When;
use crate::clients;
use crate::config::{Addition, Client, EntryKind, Snapshot, TimeSpan, key_digest};
use crate::pool::Millis;
use crate::proxy::{is_open, now};
use crate::store::{DeskError, desk};

/// How a key of this gateway begins, so that scanners and people know it.
const KEY_PREFIX: &str = "ilk_";
/// Random bytes of a key.
const KEY_BYTES: usize = 32;
/// Most keys of a client that are still taken beside its newest.
const OLD_KEYS_MAX: usize = 16;
/// What a body may not set.
const KEYS: [&str; 2] = ["keys", "old_keys"];

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, change, revoke)).routes(routes!(rotate))
}

/// How a key is replaced.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Rotation {
    /// How long the old keys are still taken, as in 1h. Default: not at all.
    grace: Option<String>,
}

/// All clients: what they may, and what they have used of it.
#[utoipa::path(get, path = "/api/clients", tag = "clients", responses((status = 200, description = "As it is then", body = view::Clients), Problem))]
async fn list(State(shared): State<Shared>) -> Json<view::Clients> {
    let snapshot = shared.gateway.store.load_full();
    let shown = |client: &Client| shared.shown(&snapshot, client);
    let mut clients: Vec<view::Client> = snapshot.config.clients.iter().map(shown).collect();
    let faulty = snapshot.config.origins.faulty.iter().filter(|faulty| faulty.kind == EntryKind::Client);
    clients.extend(faulty.map(|faulty| {
        let client = Client { enabled: false, ..Client::unlimited(faulty.id.clone(), Vec::new()) };
        let shown = shared.shown(&snapshot, &client);
        view::Client {
            state: "faulty".to_owned(),
            origin: "command".to_owned(),
            fault: Some(faulty.why.clone()),
            ..shown
        }
    }));
    Json(view::Clients { clients, open: is_open(&snapshot.config) })
}

/// Makes a client. Its key is told in the answer, and never again.
#[utoipa::path(post, path = "/api/clients", tag = "clients", request_body = view::Terms, responses((status = 201, description = "It is made, and its key is taken", body = view::Issued), Problem))]
async fn add(State(shared): State<Shared>, body: Bytes) -> Result<(StatusCode, Json<view::Issued>), Problem> {
    // What takes a limit away takes nothing away here.
    let mut entry = Map::new();
    merge(&mut entry, &terms(&body)?);
    let Some(id) = entry.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned) else {
        return Err(Problem::bad_request("name the client: the body has no `id`"));
    };
    let _alone = shared.clients.lock().await;
    let snapshot = shared.gateway.store.load_full();
    let taken = snapshot.config.clients.iter().any(|client| client.id == id);
    if taken || stored(&shared, &id).await?.is_some() {
        return Err(Problem::conflict(format!("there is a client '{id}' already; change it, or revoke it first")));
    }
    let key = new_key()?;
    entry.insert("keys".to_owned(), json!([digest(&key)]));
    shared.enter(vec![put(&id, entry)]).await?;
    tracing::info!(client = id, "a client was made by the operator");
    let mut notes = Vec::new();
    if is_open(&snapshot.config) {
        let note = "it is the first client: from now on nobody without a client's key is let in. Until now everybody was \
                    who reached the gateway from this machine";
        notes.push(note.to_owned());
    }
    Ok((StatusCode::CREATED, Json(issued(&shared, &id, key, notes)?)))
}

/// One client.
#[utoipa::path(get, path = "/api/clients/{client}", tag = "clients", params(("client" = String, Path, description = "Id of the client; `/` in it as `%2F`")), responses((status = 200, description = "As it is then", body = view::Client), Problem))]
async fn show(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<view::Client>, Problem> {
    shared.client(&id).map(Json)
}

/// Changes what a client may. What is left out stays, and `null` takes a limit away (RFC 7396).
#[utoipa::path(patch, path = "/api/clients/{client}", tag = "clients", params(("client" = String, Path, description = "Id of the client; `/` in it as `%2F`")), request_body = view::Terms, responses((status = 200, description = "It is in force for every request from now on", body = view::Client), Problem))]
async fn change(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<view::Client>, Problem> {
    let changes = terms(&body)?;
    if changes.contains_key("id") {
        return Err(Problem::bad_request("an id does not change: what was spent belongs to it. Leave `id` out"));
    }
    let _alone = shared.clients.lock().await;
    let mut entry = changeable(&shared, &id).await?;
    merge(&mut entry, &changes);
    shared.enter(vec![put(&id, entry)]).await?;
    tracing::info!(client = id, "a client was changed by the operator");
    shared.client(&id).map(Json)
}

/// Gives a client a new key, which is told in the answer, and never again.
#[utoipa::path(post, path = "/api/clients/{client}/rotate", tag = "clients", params(("client" = String, Path, description = "Id of the client; `/` in it as `%2F`"), Rotation), responses((status = 200, description = "The new key is taken", body = view::Issued), Problem))]
async fn rotate(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    rotation: Result<Query<Rotation>, QueryRejection>,
) -> Result<Json<view::Issued>, Problem> {
    let Query(Rotation { grace }) = rotation.map_err(|error| Problem::bad_request(error.body_text()))?;
    let grace = match grace.as_deref() {
        None => 0,
        Some(text) => TimeSpan::parse(text)
            .map(|span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX))
            .ok_or_else(|| Problem::bad_request(format!("`{text}` is no time span; write it as in 30m, 1h or 2d")))?,
    };
    let _alone = shared.clients.lock().await;
    let mut entry = changeable(&shared, &id).await?;
    let key = new_key()?;
    let keys = entry.insert("keys".to_owned(), json!([digest(&key)])).unwrap_or_default();
    let now = now();
    let (mut old, mut note) = (Vec::new(), "the keys before it are not taken any more".to_owned());
    if grace > 0 {
        let until = When::new(Millis(now.0.saturating_add(grace)), now).at;
        let keys = keys.as_array().cloned().unwrap_or_default();
        old.extend(keys.into_iter().map(|key| json!({"key": key, "until": until})));
        let before = entry.get("old_keys").and_then(Value::as_array).cloned().unwrap_or_default();
        old.extend(before.into_iter().filter(|old| is_ahead(old, now)));
        old.truncate(OLD_KEYS_MAX);
        note = format!("the key before it is taken until {until}");
    }
    entry.insert("old_keys".to_owned(), Value::Array(old));
    shared.enter(vec![put(&id, entry)]).await?;
    tracing::info!(client = id, "a client was given a new key by the operator");
    issued(&shared, &id, key, vec![note]).map(Json)
}

/// Revokes a client: its keys are not taken any more. Requests at work end as they would.
#[utoipa::path(delete, path = "/api/clients/{client}", tag = "clients", params(("client" = String, Path, description = "Id of the client; `/` in it as `%2F`")), responses((status = 200, description = "It is gone", body = view::Revoked), Problem))]
async fn revoke(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<view::Revoked>, Problem> {
    let _alone = shared.clients.lock().await;
    changeable(&shared, &id).await?;
    shared.enter(vec![Change::Remove(EntryKind::Client, id.clone())]).await?;
    tracing::info!(client = id, "a client was revoked by the operator");
    let mut notes = Vec::new();
    if is_open(&shared.gateway.store.load().config) {
        let note = "it was the last client: from now on everybody is let in who reaches the gateway from this machine";
        notes.push(note.to_owned());
    }
    Ok(Json(view::Revoked { client: id, notes }))
}

impl Shared {
    /// A client as it is now.
    fn client(&self, id: &str) -> Result<view::Client, Problem> {
        let snapshot = self.gateway.store.load_full();
        let client = snapshot.config.clients.iter().find(|client| client.id == id).ok_or_else(|| unknown(id))?;
        Ok(self.shown(&snapshot, client))
    }

    fn shown(&self, snapshot: &Snapshot, client: &Client) -> view::Client {
        let now = now();
        let status = self.gateway.clients.state(&client.id).status(&client.limits, now);
        let added = snapshot.config.origins.is_added(EntryKind::Client, &client.id);
        let state = match client.expires {
            _ if !client.enabled => "disabled",
            Some(expires) if now >= expires => "expired",
            _ => "active",
        };
        let addresses = client.addresses.as_ref().map(|all| all.iter().map(ToString::to_string).collect());
        let models = client.models.as_ref().map(|all| all.iter().map(|pattern| pattern.as_str().to_owned()).collect());
        let minute = |meter: clients::Meter| view::Minute { limit: meter.limit, left: meter.left };
        let old = client.old_keys.iter().filter(|old| old.until > now);
        view::Client {
            client: client.id.clone(),
            label: client.label.clone(),
            origin: if added { "command" } else { "file" }.to_owned(),
            state: state.to_owned(),
            fault: None,
            expires: client.expires.map(|expires| When::new(expires, now)),
            addresses,
            models,
            keys: client.key_digests.len(),
            old_keys: old.map(|old| When::new(old.until, now)).collect(),
            in_flight: status.in_flight,
            in_flight_max: status.in_flight_max,
            concurrency: client.limits.concurrency,
            requests_per_minute: status.requests.map(minute),
            tokens_per_minute: status.tokens.map(minute),
            budgets: status.budgets.into_iter().map(|gauge| budget(gauge, now)).collect(),
            today: spent(status.today),
            this_month: spent(status.this_month),
        }
    }
}

fn budget(gauge: clients::Gauge, now: Millis) -> view::Budget {
    let amount = |value: u64| if gauge.limit.is_usd() { value as f64 / 1e6 } else { value as f64 };
    view::Budget {
        budget: gauge.limit.name().to_owned(),
        limit: amount(gauge.allowed),
        used: amount(gauge.used),
        used_ratio: gauge.used as f64 / gauge.allowed.max(1) as f64,
        renewed: When::new(Millis(gauge.renewed), now),
    }
}

fn spent(spent: clients::Spent) -> view::Spent {
    view::Spent {
        requests: spent.requests,
        tokens: spent.tokens,
        usd: spent.microusd as f64 / 1e6,
        unpriced_tokens: spent.unpriced,
    }
}

fn issued(shared: &Shared, id: &str, key: String, notes: Vec<String>) -> Result<view::Issued, Problem> {
    Ok(view::Issued { client: shared.client(id)?, key, notes })
}

/// A body as the members that it has. What they mean is checked with the whole entry, by the rules of the file.
fn terms(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let wrong = |error: serde_json::Error| {
        Problem::bad_request(format!("the body does not say what a client may: {}", why(&error)))
    };
    let members: Map<String, Value> = serde_json::from_slice(body).map_err(wrong)?;
    if let Some(key) = KEYS.iter().find(|key| members.contains_key(**key)) {
        return Err(Problem::bad_request(format!(
            "`{key}` cannot be set: keys are made by the gateway, and told once"
        )));
    }
    serde_json::from_slice::<view::Terms>(body).map_err(wrong)?;
    Ok(members)
}

/// RFC 7396: members are replaced, objects are merged, `null` removes.
fn merge(into: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, change) in changes {
        match change {
            Value::Null => {
                into.shift_remove(name);
            }
            Value::Object(changes) => {
                let old = into.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
                if !old.is_object() {
                    *old = Value::Object(Map::new());
                }
                if let Value::Object(old) = old {
                    merge(old, changes);
                }
            }
            other => {
                into.insert(name.clone(), other.clone());
            }
        }
    }
}

/// The entry of a client that a command has made.
async fn changeable(shared: &Shared, id: &str) -> Result<Map<String, Value>, Problem> {
    if let Some(entry) = stored(shared, id).await? {
        return Ok(entry);
    }
    let snapshot = shared.gateway.store.load();
    if snapshot.config.clients.iter().any(|client| client.id == id) {
        let detail = format!(
            "client '{id}' is in the configuration file; change it there, it takes effect when the file is saved"
        );
        return Err(Problem::conflict(detail));
    }
    Err(unknown(id))
}

/// The entry of a client, unless the file has one of its id, which goes before it.
async fn stored(shared: &Shared, id: &str) -> Result<Option<Map<String, Value>>, Problem> {
    let shadowed = (EntryKind::Client, id.to_owned());
    if shared.gateway.store.load().config.origins.shadowed.contains(&shadowed) || !shared.desk.is_on() {
        return Ok(None);
    }
    let entries = shared.desk.run::<_, DeskError, _>(|connection| desk::entries(connection)).await?;
    let is_it = |entry: &desk::Entry| entry.addition.kind == EntryKind::Client && entry.addition.id == id;
    Ok(entries.into_iter().find(is_it).and_then(|entry| match entry.addition.body {
        Value::Object(body) => Some(body),
        _ => None,
    }))
}

fn put(id: &str, entry: Map<String, Value>) -> Change {
    Change::Put(Addition { kind: EntryKind::Client, id: id.to_owned(), body: Value::Object(entry) })
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("there is no client '{id}'; /api/clients lists them"))
}

fn is_ahead(old: &Value, now: Millis) -> bool {
    let until = old.get("until").and_then(Value::as_str).and_then(|until| until.parse::<jiff::Timestamp>().ok());
    until.and_then(|until| u64::try_from(until.as_millisecond()).ok()).is_some_and(|until| until > now.0)
}

/// A new key: what it begins with, and random bytes in base64 as URLs have it.
fn new_key() -> Result<String, Problem> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        let detail = format!("the system gives no random bytes for a key: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })?;
    Ok(format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// A key as an entry has it.
fn digest(key: &str) -> String {
    use std::fmt::Write as _;
    let mut text = "sha256:".to_owned();
    for byte in key_digest(key.as_bytes()) {
        // Into a string it cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_change_is_merged_and_null_takes_away() {
        let mut entry = map(json!({"id": "a", "concurrency": 4, "budgets": {"daily": {"tokens": 5, "usd": 1.0}}}));
        merge(&mut entry, &map(json!({"concurrency": null, "label": "x", "budgets": {"daily": {"usd": null}}})));
        assert_eq!(Value::Object(entry), json!({"id": "a", "budgets": {"daily": {"tokens": 5}}, "label": "x"}));
        let mut fresh = Map::new();
        merge(&mut fresh, &map(json!({"budgets": {"monthly": {"usd": null, "tokens": 7}}})));
        assert_eq!(Value::Object(fresh), json!({"budgets": {"monthly": {"tokens": 7}}}));
    }

    #[test]
    fn keys_are_long_and_never_the_same() {
        let (one, other) = (new_key().unwrap(), new_key().unwrap());
        assert!(one.starts_with("ilk_") && one.len() == 4 + 43 && one != other);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
        assert_eq!(
            digest("0123456789abcdef"),
            "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f"
        );
    }

    #[test]
    fn a_body_sets_no_keys_and_nothing_unheard_of() {
        for body in
            [r#"{"keys": ["x"]}"#, r#"{"old_keys": []}"#, r#"{"colour": 1}"#, r#"{"budgets": {"daily": 5}}"#, "[]", ""]
        {
            assert!(terms(body.as_bytes()).is_err(), "{body}");
        }
        assert!(terms(br#"{"id": "a", "budgets": {"daily": {"usd": 0.5}, "monthly": null}}"#).is_ok());
    }
}
