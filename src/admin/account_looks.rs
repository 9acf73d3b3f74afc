//! Accounts as they are shown.

use super::Shared;
use super::accounts_view::{AccountEntry, AccountUpstream, Limits, Look};
use super::look::Look as Whole;
use super::view::When;
use crate::config::{Account, Addition, Base, BaseUrl, EntryKind, Faulty, Upstream};
use crate::pool::Millis;
use crate::proxy::{CredentialState, Trial};
use crate::store::desk::Entry;

/// All accounts: those in force, then added ones that are not.
pub(super) fn book(shared: &Shared, entries: &[Entry]) -> Vec<AccountEntry> {
    let whole = Whole::new(&shared.gateway);
    let stored =
        |id: &str| entries.iter().find(|entry| entry.addition.kind == EntryKind::Account && entry.addition.id == id);
    let config = &whole.snapshot.config;
    let base = if matches!(shared.reloader.base(), Base::Environment) { "environment" } else { "file" };
    let in_force = config.accounts.iter().map(|account| {
        let added = config.origins.is_added(EntryKind::Account, &account.id);
        entry(&whole, account, if added { "command" } else { base }, stored(&account.id).filter(|_| added))
    });
    let mut all: Vec<AccountEntry> = in_force.collect();
    let idle = entries.iter().filter(|entry| entry.addition.kind == EntryKind::Account);
    for entry in idle.filter(|entry| !config.origins.is_added(EntryKind::Account, &entry.addition.id)) {
        let id = &entry.addition.id;
        let is_it = |faulty: &&Faulty| faulty.kind == EntryKind::Account && faulty.id == *id;
        let fault = match config.origins.faulty.iter().find(is_it) {
            Some(faulty) => faulty.why.clone(),
            None if config.origins.shadowed.contains(&(EntryKind::Account, id.clone())) => {
                "the configuration has an account of this id, which goes before".to_owned()
            }
            None => "it is not in force yet; `POST /api/reload` reads it".to_owned(),
        };
        all.push(left_out(&whole, entry, fault));
    }
    all
}

/// What a look at an upstream has shown.
pub(super) fn look_of(upstream: &Upstream, trial: Trial) -> Look {
    let credential = match trial.credential {
        CredentialState::Accepted => "accepted",
        CredentialState::Refused => "refused",
        CredentialState::Unknown => "unknown",
    };
    Look {
        upstream: upstream.id.clone(),
        address: address(&upstream.base_url),
        reachable: trial.reachable,
        credential: credential.to_owned(),
        status: trial.status,
        models: trial.models,
        latency_ms: u64::try_from(trial.took.as_millis()).unwrap_or(u64::MAX),
        said: trial.said,
    }
}

fn entry(whole: &Whole<'_>, account: &Account, origin: &str, stored: Option<&Entry>) -> AccountEntry {
    let config = &whole.snapshot.config;
    let upstream = |upstream: &Upstream| AccountUpstream {
        id: upstream.id.clone(),
        provider: upstream.provider.clone(),
        dialect: upstream.dialect.name().to_owned(),
        address: address(&upstream.base_url),
    };
    let limits = account.limits;
    let credential = match stored {
        _ if account.oauth.is_some() => "oauth",
        _ if account.credential.is_none() => "none",
        Some(entry) if in_vault(&entry.addition) => "vault",
        _ => "configuration",
    };
    let state = whole.gateway.registry.get(&account.id);
    AccountEntry {
        id: account.id.clone(),
        origin: origin.to_owned(),
        upstreams: account.upstreams.iter().map(|one| upstream(one)).collect(),
        tier: config.tiers.get(usize::from(account.tier)).cloned().unwrap_or_default(),
        concurrency: account.concurrency,
        models: account.models.as_ref().map(|all| all.iter().map(|one| one.as_str().to_owned()).collect()),
        limits: Limits { requests_per_minute: limits.requests_per_minute, tokens_per_minute: limits.tokens_per_minute },
        enabled: account.enabled,
        switched: config.origins.switched.contains_key(&account.id),
        credential: credential.to_owned(),
        pinned: config.resilience.pinned_account.as_ref() == Some(&account.id),
        standing: state.map(|state| whole.standing(&state)),
        fault: None,
        created: stored.map(|entry| When::new(Millis(entry.created), whole.now)),
        changed: stored.map(|entry| When::new(Millis(entry.changed), whole.now)),
    }
}

/// An added account that is not in force, as far as its entry can be read.
fn left_out(whole: &Whole<'_>, entry: &Entry, fault: String) -> AccountEntry {
    let body = &entry.addition.body;
    let limit = |name: &str| body["limits"][name].as_u64();
    AccountEntry {
        id: entry.addition.id.clone(),
        origin: "command".to_owned(),
        upstreams: Vec::new(),
        tier: body["tier"].as_str().unwrap_or_default().to_owned(),
        concurrency: body["concurrency"].as_u64().and_then(|most| u32::try_from(most).ok()).unwrap_or_default(),
        models: None,
        limits: Limits {
            requests_per_minute: limit("requests_per_minute"),
            tokens_per_minute: limit("tokens_per_minute"),
        },
        enabled: body["enabled"].as_bool().unwrap_or(true),
        switched: false,
        credential: if in_vault(&entry.addition) { "vault" } else { "configuration" }.to_owned(),
        pinned: false,
        standing: None,
        fault: Some(fault),
        created: Some(When::new(Millis(entry.created), whole.now)),
        changed: Some(When::new(Millis(entry.changed), whole.now)),
    }
}

fn in_vault(entry: &Addition) -> bool {
    entry.body["credential"].as_str().is_some_and(|text| text.contains("${vault:"))
}

fn address(url: &BaseUrl) -> String {
    let scheme = if url.tls { "https" } else { "http" };
    format!("{scheme}://{}{}", url.authority(), url.path)
}
