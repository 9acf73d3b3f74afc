//! The accounts of a configuration, ready for selection.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Account, Config, Platform, Upstream};
use crate::limits::pace::Known;
use crate::pool::AccountSpec;

/// Finds accounts by id, and the pools that serve an upstream.
///
/// An account that is good for several upstreams (one key, two dialects) has one set of slots and cooldowns for all of
/// them. So the registry keeps it once, in the pool of all accounts with the same set of upstreams.
#[derive(Debug, Default)]
pub struct Roster {
    accounts: HashMap<String, Arc<Account>>,
    /// Upstream's id → names of the pools whose accounts are good for it.
    pools: HashMap<String, Vec<String>>,
}

impl Roster {
    /// Indexes the accounts of `config`.
    pub fn new(config: &Config) -> Self {
        let mut roster = Roster::default();
        for account in config.leased() {
            let pool = pool(account);
            for upstream in &account.upstreams {
                let pools = roster.pools.entry(upstream.id.clone()).or_default();
                if !pools.contains(&pool) {
                    pools.push(pool.clone());
                }
            }
            roster.accounts.insert(account.id.clone(), Arc::clone(account));
        }
        roster
    }

    /// The account of that id.
    pub fn account(&self, id: &str) -> Option<&Arc<Account>> {
        self.accounts.get(id)
    }

    /// Names of the pools that serve any of `upstreams`, each once, in their order.
    pub fn pools(&self, upstreams: &[Arc<Upstream>]) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for name in upstreams.iter().filter_map(|upstream| self.pools.get(&upstream.id)).flatten() {
            if !found.contains(&name.as_str()) {
                found.push(name);
            }
        }
        found
    }
}

/// What the registry must know of the accounts of `config`.
pub fn specs(config: &Config) -> Vec<AccountSpec> {
    let spec = |account: &Arc<Account>| AccountSpec {
        id: account.id.clone(),
        upstream: pool(account),
        tier: account.tier,
        concurrency: account.concurrency,
        enabled: account.enabled,
        limits: Known { requests: account.limits.requests_per_minute, tokens: account.limits.tokens_per_minute },
        project: account.project.clone().or_else(|| project(account)),
    };
    config.leased().map(spec).collect()
}

/// The project of the upstreams, if the account has none of its own.
fn project(account: &Account) -> Option<String> {
    account.upstreams.iter().find_map(|upstream| match &upstream.platform {
        Platform::Vertex { project, .. } => project.clone(),
        Platform::Direct | Platform::CodeAssist | Platform::Azure { .. } => None,
    })
}

fn pool(account: &Account) -> String {
    let mut ids: Vec<&str> = account.upstreams.iter().map(|upstream| upstream.id.as_str()).collect();
    ids.sort_unstable();
    ids.join("+")
}
