//! What must be written so that an account is added, changed or removed.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Shared;
use super::accounts::unknown;
use super::accounts_view::{ChangeAccount, NewAccount, Removed};
use super::entries::Change;
use super::problem::Problem;
use crate::config::{Addition, BaseUrl, Config, EntryKind, PINNED, opened_by, providers};
use crate::store::desk::Entry;
use crate::vault::Vault;

/// Ids that are words of the API's paths.
const RESERVED: [&str; 3] = ["status", "export", "import"];
/// Most upstreams of one name that are told apart by a number.
const ALIKE_MAX: usize = 10_000;

/// The name of an account's key in the vault.
pub(super) fn credential_name(account: &str) -> String {
    format!("account/{account}/credential")
}

/// An account, its upstreams if they are not there, and its secret.
pub(super) fn new_account(config: &Config, entries: &[Entry], wanted: NewAccount) -> Result<Vec<Change>, Problem> {
    let id = wanted.id;
    is_free(config, entries, &id)?;
    let mut changes = Vec::new();
    let upstreams = match (wanted.provider, wanted.upstream) {
        (Some(provider), named) if named.is_empty() => {
            let (names, made) = upstreams_of(config, entries, &provider, wanted.base_url.as_deref())?;
            changes.extend(made.into_iter().map(Change::Put));
            names
        }
        (None, named) if !named.is_empty() && wanted.base_url.is_none() => named,
        (None, named) if !named.is_empty() => {
            return Err(Problem::bad_request("`base_url` goes with `provider`; the upstreams have theirs"));
        }
        _ => {
            let detail = "say where the account is: either `provider`, or `upstream` with the ids of upstreams";
            return Err(Problem::bad_request(detail));
        }
    };
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    put("id", Some(json!(id)));
    put("upstream", Some(json!(upstreams)));
    match (wanted.key, wanted.credential) {
        (Some(_), Some(_)) => return Err(Problem::bad_request("write `key` or `credential`, not both")),
        (Some(key), None) => {
            let name = credential_name(&id);
            put("credential", Some(json!(format!("${{vault:{name}}}"))));
            changes.push(Change::Seal(name, Arc::new(key)));
        }
        (None, Some(text)) if !text.contains("${") => {
            let detail =
                "`credential` says where the credential is, such as `${env:NAME}`; the credential itself is `key`";
            return Err(Problem::bad_request(detail));
        }
        (None, text) => put("credential", text.map(Value::from)),
    }
    put("project", wanted.project.map(Value::from));
    put("tier", wanted.tier.map(Value::from));
    put("concurrency", wanted.concurrency.map(Value::from));
    put("models", wanted.models.map(Value::from));
    put("limits", wanted.limits.map(|limits| json!(limits)));
    put("enabled", wanted.enabled.map(Value::from));
    changes.push(Change::Put(Addition { kind: EntryKind::Account, id, body: Value::Object(body) }));
    Ok(changes)
}

/// What a change of an account comes to. `nulls` are the members that go back to their defaults.
pub(super) fn changed(
    shared: &Shared,
    entries: &[Entry],
    id: &str,
    wanted: ChangeAccount,
    nulls: &[String],
) -> Result<Vec<Change>, Problem> {
    let config = &shared.gateway.store.load_full().config;
    let stored = entries.iter().find(|one| one.addition.kind == EntryKind::Account && one.addition.id == id);
    let shadowed = config.origins.shadowed.contains(&(EntryKind::Account, id.to_owned()));
    let Some(entry) = stored.filter(|_| !shadowed) else {
        return of_the_file(shared, config, id, &wanted, nulls);
    };
    let mut addition = entry.addition.clone();
    let Some(body) = addition.body.as_object_mut() else {
        return Err(Problem::conflict(format!("the entry of '{id}' is damaged; remove it and add it again")));
    };
    for name in nulls {
        body.remove(name);
    }
    let mut changes = Vec::new();
    if let Some(key) = wanted.key {
        let name = credential_name(id);
        if body.contains_key("oauth") {
            return Err(Problem::conflict("the account has a refresh token; log in again to change it"));
        }
        body.insert("credential".to_owned(), json!(format!("${{vault:{name}}}")));
        changes.push(Change::Seal(name, Arc::new(key)));
    }
    let limits = wanted.limits.map(|limits| json!(limits));
    let values = [
        ("enabled", wanted.enabled.map(Value::from)),
        ("tier", wanted.tier.map(Value::from)),
        ("concurrency", wanted.concurrency.map(Value::from)),
        ("models", wanted.models.map(Value::from)),
        ("limits", limits),
    ];
    for (name, value) in values.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        body.insert(name.to_owned(), value);
    }
    changes.push(Change::Put(addition));
    Ok(changes)
}

/// An account of the file can be switched, and nothing else.
fn of_the_file(
    shared: &Shared,
    config: &Config,
    id: &str,
    wanted: &ChangeAccount,
    nulls: &[String],
) -> Result<Vec<Change>, Problem> {
    let Some(account) = config.accounts.iter().find(|account| account.id == id) else { return Err(unknown(id)) };
    let only = ChangeAccount { enabled: wanted.enabled, ..ChangeAccount::default() };
    let is_only = json!(only) == json!(wanted) && nulls.is_empty();
    let Some(enabled) = wanted.enabled.filter(|_| is_only) else {
        let place = place(shared);
        return Err(Problem::conflict(format!(
            "the account '{id}' is entered in {place}: change it there. By command it can be enabled and disabled"
        )));
    };
    let own = config.origins.switched.get(id).copied().unwrap_or(account.enabled);
    Ok(vec![if enabled == own {
        Change::Remove(EntryKind::Override, Addition::switch_id(id))
    } else {
        Change::Put(Addition::switch(id, enabled))
    }])
}

/// What goes with an account.
pub(super) fn removed(
    shared: &Shared,
    entries: &[Entry],
    id: &str,
    secrets: Vec<String>,
) -> Result<(Vec<Change>, Removed), Problem> {
    let config = &shared.gateway.store.load_full().config;
    let accounts = || entries.iter().filter(|one| one.addition.kind == EntryKind::Account);
    let Some(entry) = accounts().find(|one| one.addition.id == id) else {
        if config.accounts.iter().any(|account| account.id == id) {
            let place = place(shared);
            return Err(Problem::conflict(format!(
                "the account '{id}' is entered in {place}: remove it there. `interlingua accounts disable {id}` shuts it out at once"
            )));
        }
        return Err(unknown(id));
    };
    let used = |upstream: &str| {
        config.accounts.iter().any(|account| account.id != id && account.upstreams.iter().any(|one| one.id == upstream))
            || accounts().any(|one| one.addition.id != id && opens(&one.addition, upstream))
    };
    let upstreams = entries.iter().filter(|one| one.addition.kind == EntryKind::Upstream).map(|one| &one.addition.id);
    let upstreams: Vec<String> =
        upstreams.filter(|upstream| opens(&entry.addition, upstream) && !used(upstream)).cloned().collect();
    let mut changes = vec![
        Change::Remove(EntryKind::Account, id.to_owned()),
        Change::Remove(EntryKind::Override, Addition::switch_id(id)),
    ];
    let pinned = entries.iter().find(|one| one.addition.kind == EntryKind::Override && one.addition.id == PINNED);
    if pinned.is_some_and(|one| one.addition.body["account"] == id) {
        changes.push(Change::Remove(EntryKind::Override, PINNED.to_owned()));
    }
    changes.extend(upstreams.iter().map(|upstream| Change::Remove(EntryKind::Upstream, upstream.clone())));
    changes.extend(secrets.iter().cloned().map(Change::Forget));
    Ok((changes, Removed { account: id.to_owned(), upstreams, secrets }))
}

/// The upstreams of a provider at an address: those that are there, and those to be made.
fn upstreams_of(
    config: &Config,
    entries: &[Entry],
    provider: &str,
    base_url: Option<&str>,
) -> Result<(Vec<String>, Vec<Addition>), Problem> {
    let Some(opened) = opened_by(provider) else {
        let known = providers().join(", ");
        return Err(Problem::bad_request(format!("there is no provider '{provider}'; there are {known}")));
    };
    let mut names = Vec::new();
    let mut made: Vec<Addition> = Vec::new();
    for (name, usual) in opened {
        let address = base_url.or(usual).map(BaseUrl::parse).transpose();
        let address = address.map_err(|error| Problem::bad_request(format!("`base_url`: {error}")))?;
        let fits = |url: &BaseUrl| address.as_ref().is_none_or(|address| address == url);
        let mut known = config.upstreams.iter();
        if let Some(known) = known.find(|one| one.provider.as_deref() == Some(name) && fits(&one.base_url)) {
            names.push(known.id.clone());
            continue;
        }
        let id = free_upstream(config, entries, name)?;
        let mut body = json!({"id": id, "provider": name});
        if let (Some(url), Some(body)) = (base_url, body.as_object_mut()) {
            body.insert("base_url".to_owned(), json!(url));
        }
        names.push(id.clone());
        made.push(Addition { kind: EntryKind::Upstream, id, body });
    }
    Ok((names, made))
}

/// `name`, or with a number if it is taken.
pub(super) fn free_upstream(config: &Config, entries: &[Entry], name: &str) -> Result<String, Problem> {
    let taken = |id: &str| {
        config.upstreams.iter().any(|one| one.id == id)
            || entries.iter().any(|one| one.addition.kind == EntryKind::Upstream && one.addition.id == id)
    };
    let mut ids = std::iter::once(name.to_owned()).chain((2..ALIKE_MAX).map(|number| format!("{name}-{number}")));
    let free = ids.find(|id| !taken(id));
    free.ok_or_else(|| Problem::conflict(format!("there are {ALIKE_MAX} upstreams of the name '{name}' already")))
}

/// Whether an account of that id can be added.
pub(super) fn is_free(config: &Config, entries: &[Entry], id: &str) -> Result<(), Problem> {
    if id.is_empty() {
        return Err(Problem::bad_request("the account has no `id`"));
    }
    if RESERVED.contains(&id) {
        return Err(Problem::bad_request(format!("'{id}' is a word of this API; give the account another id")));
    }
    let stored = entries.iter().any(|one| one.addition.kind == EntryKind::Account && one.addition.id == id);
    if stored || config.leased().any(|account| account.id == id) {
        return Err(Problem::conflict(format!("there is an account '{id}' already; give this one another id")));
    }
    Ok(())
}

fn opens(account: &Addition, upstream: &str) -> bool {
    match &account.body["upstream"] {
        Value::String(one) => one == upstream,
        Value::Array(all) => all.iter().any(|one| one == upstream),
        _ => false,
    }
}

fn place(shared: &Shared) -> String {
    let file = shared.reloader.base().file().map(|file| file.display().to_string());
    file.unwrap_or_else(|| "the environment of the gateway".to_owned())
}

impl Shared {
    /// Names of the secrets of an account.
    pub(super) async fn secrets_of(&self, account: &str) -> Result<Vec<String>, Problem> {
        let prefix = format!("account/{account}/");
        let all = self.desk.run(|connection| Vault::list(connection)).await;
        let names = all?.into_iter().map(|one| one.name);
        // An account `a/b` is not one of `a`'s secrets.
        let own = |name: &String| name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        Ok(names.filter(own).collect())
    }
}
