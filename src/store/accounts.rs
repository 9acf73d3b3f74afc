//! What is learned of the accounts, in the file: locks, paces, breakers, suspensions; and ceilings of their upstreams.
//!
//! One record for each lock, and one for each account and member of what [`Registry::export`] tells of it: so what
//! changes often is not written together with what changes seldom, and two processes that write hide little of each
//! other. What the members say is the pool's affair.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::diff::{Live, Written};
use super::{Change, Durable, Kind, Source};
use crate::breaker::CircuitView;
use crate::limits::cooldown::Cooldown;
use crate::pool::{AccountState, Millis, Registry, StoredAccount, StoredCeiling, StoredCooldown, StoredPool};

/// How often locks and breakers are looked at: each time that the writer looks.
const LOOK_EVERY: Duration = Duration::ZERO;
/// How often everything is looked at, in milliseconds. Paces change with every request.
const ALL_EVERY_MS: u64 = 1000;

/// A lock as it is written. The key says account and family as well, but only for the file's sake.
#[derive(Debug, Serialize, Deserialize)]
struct Lock {
    account: String,
    #[serde(flatten)]
    lock: StoredCooldown,
}

/// What must not wait for the next look at everything: of each account its breaker, its locks, and whether it is suspended.
type Urgent = Vec<(CircuitView, Vec<(Option<String>, Cooldown)>, bool)>;

/// The accounts as a source of changes.
pub struct Accounts {
    registry: Registry,
    written: Written,
    urgent: Urgent,
    /// When everything was looked at.
    looked: Millis,
}

impl Accounts {
    /// Puts back what is stored, and tells what changes from then on.
    pub fn restored(durable: &Durable, registry: &Registry, now: Millis) -> Self {
        let mut accounts = Accounts {
            registry: registry.clone(),
            written: Written::default(),
            urgent: Urgent::default(),
            looked: Millis::default(),
        };
        if durable.is_on() {
            let ceilings = durable.take_json(Kind::Ceiling).into_iter().map(|(_, ceiling)| ceiling).collect();
            let found = joined(durable.take_json(Kind::Account), durable.take_json(Kind::Cooldown));
            registry.import(&StoredPool { accounts: found, ceilings }, now);
            // What comes out of the file need not go back into it.
            accounts.changes(now);
        }
        accounts
    }
}

impl Source for Accounts {
    fn every(&self) -> Duration {
        LOOK_EVERY
    }

    fn changes(&mut self, now: Millis) -> Vec<Change> {
        let accounts = self.registry.accounts();
        let look =
            |account: &Arc<AccountState>| (account.circuit(now), account.cooldowns(now), account.suspended().is_some());
        let urgent = accounts.iter().map(look).collect();
        // A clock that was set back is a reason to look, too.
        let due = now < self.looked || now.since(self.looked) >= ALL_EVERY_MS;
        if !due && urgent == self.urgent {
            return Vec::new();
        }
        self.looked = now;
        self.urgent = urgent;
        let StoredPool { accounts, ceilings } = self.registry.export(now);
        let live = accounts.into_iter().flat_map(split).chain(ceilings.into_iter().filter_map(ceiling)).collect();
        self.written.follow(live, now)
    }

    fn ends(&mut self) {
        self.looked = Millis::default();
    }

    fn start_over(&mut self) {
        self.written.clear();
        self.looked = Millis::default();
    }
}

/// The locks of an account, each by itself, and the other members of what is learned of it that say something.
fn split(mut account: StoredAccount) -> Vec<Live> {
    let locks = std::mem::take(&mut account.cooldowns);
    let mut all: Vec<Live> = locks.into_iter().filter_map(|lock| live(&account.id, lock)).collect();
    if let Ok(Value::Object(members)) = serde_json::to_value(&account) {
        let told = members.into_iter().filter(|(name, value)| name != "id" && !says_nothing(value));
        all.extend(told.map(|(name, value)| Live {
            kind: Kind::Account,
            key: key(&account.id, &name),
            value: value.to_string(),
            until: None,
        }));
    }
    all
}

fn live(account: &str, lock: StoredCooldown) -> Option<Live> {
    let until = Some(Millis(lock.until));
    let key = lock.family.as_ref().map_or_else(|| account.to_owned(), |family| key(account, family));
    let value = serde_json::to_string(&Lock { account: account.to_owned(), lock }).ok()?;
    Some(Live { kind: Kind::Cooldown, key, value, until })
}

fn ceiling(stored: StoredCeiling) -> Option<Live> {
    let (until, value) = (Some(Millis(stored.until)), serde_json::to_string(&stored).ok()?);
    Some(Live { kind: Kind::Ceiling, key: stored.upstream, value, until })
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// The opposite of [`split`]. A member that cannot be read costs what is known of its account, not of the others.
fn joined(records: Vec<(String, Value)>, locks: Vec<(String, Lock)>) -> Vec<StoredAccount> {
    let mut members: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (key, value) in records {
        if let Some((id, name)) = key.split_once('\t') {
            members.entry(id.to_owned()).or_default().insert(name.to_owned(), value);
        }
    }
    let read = |(id, members): (String, Map<String, Value>)| {
        let account: StoredAccount = serde_json::from_value(Value::Object(members)).ok()?;
        Some((id.clone(), StoredAccount { id, ..account }))
    };
    let mut accounts: BTreeMap<String, StoredAccount> = members.into_iter().filter_map(read).collect();
    for (_, Lock { account: id, lock }) in locks {
        let account = accounts.entry(id.clone()).or_insert_with(|| StoredAccount { id, ..StoredAccount::default() });
        account.cooldowns.push(lock);
    }
    accounts.into_values().collect()
}

/// Ids of accounts have no tabs.
fn key(account: &str, rest: &str) -> String {
    format!("{account}\t{rest}")
}
