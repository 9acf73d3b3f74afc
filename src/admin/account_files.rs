//! Accounts that go from one gateway to another.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Shared;
use super::account_changes::{free_upstream, is_free};
use super::accounts_view::{Export, Imported, Sensitive, WantImport};
use super::entries::Change;
use super::problem::Problem;
use crate::config::{Addition, EntryKind};
use crate::credentials::rotated_name;
use crate::store::desk::Entry;
use crate::vault::passphrase::{self, PassphraseError, Sealed};
use crate::vault::{Vault, VaultError};

/// The version of the form.
const VERSION: u32 = 1;
/// How an entry refers to a secret of an account.
const REFERENCE: &str = "${vault:";

/// What commands have added; with a passphrase, with the secrets.
pub(super) async fn export(
    shared: &Shared,
    entries: Vec<Entry>,
    passphrase: Option<Sensitive>,
) -> Result<Export, Problem> {
    let bodies = |kind| {
        let of_kind = entries.iter().filter(move |one| one.addition.kind == kind);
        of_kind.map(|one| one.addition.body.clone()).collect::<Vec<Value>>()
    };
    let (upstreams, accounts) = (bodies(EntryKind::Upstream), bodies(EntryKind::Account));
    let secrets = match passphrase {
        None => None,
        Some(passphrase) => {
            let vault = shared.vault.clone();
            let text = shared.desk.run(move |connection| all_secrets(&vault, connection)).await?;
            let work = move || passphrase::seal(passphrase.expose(), text.as_bytes());
            Some(on_a_thread(work).await?)
        }
    };
    Ok(Export { interlingua_accounts: VERSION, upstreams, accounts, secrets })
}

/// The changes of an import, and what it comes to.
pub(super) async fn import(
    shared: &Shared,
    entries: &[Entry],
    wanted: WantImport,
) -> Result<(Vec<Change>, Imported), Problem> {
    let WantImport { export, passphrase } = wanted;
    if export.interlingua_accounts != VERSION {
        return Err(Problem::bad_request("this is no export of accounts that this version can read"));
    }
    let secrets = opened(export.secrets, passphrase).await?;
    let snapshot = shared.gateway.store.load_full();
    let config = &snapshot.config;
    let mut imported = Imported { added: Vec::new(), there: Vec::new(), without_secret: Vec::new() };
    let mut entries = entries.to_vec();
    let mut changes = Vec::new();
    // What is called otherwise here, since its name is taken by something else.
    let mut names: HashMap<String, String> = HashMap::new();
    let mut made: Vec<Addition> = Vec::new();
    for body in export.upstreams {
        let id = id_of(&body)?;
        let known = entries.iter().find(|one| one.addition.kind == EntryKind::Upstream && one.addition.body == body);
        if known.is_some() {
            continue;
        }
        let free = free_upstream(config, &entries, &id)?;
        let mut addition = Addition { kind: EntryKind::Upstream, id: free.clone(), body };
        if let Some(body) = addition.body.as_object_mut() {
            body.insert("id".to_owned(), json!(free));
        }
        entries.push(Entry { addition: addition.clone(), created: 0, changed: 0 });
        names.insert(id, free);
        made.push(addition);
    }
    let mut used: Vec<String> = Vec::new();
    for mut body in export.accounts {
        let id = id_of(&body)?;
        if let Err(Problem(status, why)) = is_free(config, &entries, &id) {
            if status != StatusCode::CONFLICT {
                return Err(Problem(status, why));
            }
            imported.there.push(id);
            continue;
        }
        if let Some(upstream) = body.get_mut("upstream") {
            rename(upstream, &names, &mut used);
        }
        let mut own = referred(&body);
        // What the provider has given in the place of its refresh token goes with it.
        own.extend(Some(rotated_name(&id)).filter(|name| secrets.contains_key(name)));
        let prefix = format!("account/{id}/");
        let mut there = true;
        for name in &own {
            match secrets.get(name) {
                Some(secret) if name.starts_with(&prefix) => {
                    changes.push(Change::Seal(name.clone(), Arc::new(secret.clone())));
                }
                _ => there &= shared.has_secret(name).await?,
            }
        }
        if !there {
            changes.retain(|change| !matches!(change, Change::Seal(name, _) if own.contains(name)));
            imported.without_secret.push(id);
            continue;
        }
        let addition = Addition { kind: EntryKind::Account, id: id.clone(), body };
        entries.push(Entry { addition: addition.clone(), created: 0, changed: 0 });
        changes.push(Change::Put(addition));
        imported.added.push(id);
    }
    // Upstreams for nobody are not made.
    let made = made.into_iter().filter(|upstream| !imported.added.is_empty() && used.contains(&upstream.id));
    let changes = made.map(Change::Put).chain(changes).collect();
    Ok((changes, imported))
}

/// All secrets of accounts, as JSON.
fn all_secrets(vault: &Vault, connection: &rusqlite::Connection) -> Result<Zeroizing<String>, VaultError> {
    let mut all: BTreeMap<String, Sensitive> = BTreeMap::new();
    for named in Vault::list(connection)? {
        if named.name.starts_with("account/") {
            let secret = vault.get_from(connection, &named.name)?;
            all.insert(named.name, Sensitive::new(secret));
        }
    }
    // Texts by name are always JSON.
    Ok(Zeroizing::new(serde_json::to_string(&all).unwrap_or_default()))
}

async fn opened(sealed: Option<Sealed>, passphrase: Option<Sensitive>) -> Result<BTreeMap<String, Sensitive>, Problem> {
    let (Some(sealed), Some(passphrase)) = (sealed, passphrase) else { return Ok(BTreeMap::new()) };
    let text = on_a_thread(move || passphrase::open(passphrase.expose(), &sealed)).await?;
    serde_json::from_slice(&text).map_err(|_| Problem::bad_request(PassphraseError::Form.to_string()))
}

/// Argon2 takes its time.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PassphraseError> + Send + 'static,
) -> Result<T, Problem> {
    let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the work on the passphrase broke off");
    let done = tokio::task::spawn_blocking(work).await.map_err(broken)?;
    done.map_err(|error| Problem::bad_request(error.to_string()))
}

fn id_of(body: &Value) -> Result<String, Problem> {
    let id = body["id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned);
    id.ok_or_else(|| Problem::bad_request("an entry of the import has no `id`"))
}

/// Puts the names of upstreams here in the place of those there, and notes them.
fn rename(upstream: &mut Value, names: &HashMap<String, String>, used: &mut Vec<String>) {
    let all: Vec<String> = match &*upstream {
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => return,
    };
    let all: Vec<String> = all.into_iter().map(|name| names.get(&name).cloned().unwrap_or(name)).collect();
    used.extend(all.iter().cloned());
    *upstream = json!(all);
}

/// Names of the secrets that an entry refers to.
fn referred(body: &Value) -> Vec<String> {
    let text = body.to_string();
    let after = text.split(REFERENCE).skip(1);
    after.filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

impl Shared {
    async fn has_secret(&self, name: &str) -> Result<bool, Problem> {
        let name = name.to_owned();
        let found = self.desk.run(move |connection| Vault::keep(connection, &name)).await;
        Ok(found?.is_some())
    }
}
