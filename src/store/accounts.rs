//! What is learned of the accounts, in the file: locks, paces, breakers.
//!
//! One record for each lock, and one for each account and member of what [`Registry::export`] tells of it: so what
//! changes often is not written together with what changes seldom, and two processes that write hide little of each
//! other. What the members say is the pool's affair.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::diff::{Live, Written};
use super::{Change, Durable, Kind, Source};
use crate::breaker::CircuitView;
use crate::limits::classify::Reason;
use crate::pool::registry::StoredCooldown;
use crate::pool::{Millis, Registry, StoredAccount, StoredPool};

/// How often locks and breakers are looked at: each time that the writer looks.
const LOOK_EVERY: Duration = Duration::ZERO;
/// How often everything is looked at, in milliseconds. Paces change with every request.
const ALL_EVERY_MS: u64 = 1000;

/// A lock as it is written. The key says account and family as well, but only for the file's sake.
#[derive(Debug, Serialize, Deserialize)]
struct Lock {
    account: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family: Option<String>,
    reason: String,
    since: u64,
    until: u64,
    strikes: u32,
}

/// What must not wait for the next look at everything.
type Urgent = (Vec<StoredCooldown>, Vec<CircuitView>);

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
            let locks = durable.take_json::<Lock>(Kind::Cooldown).into_iter().map(|(_, lock)| stored(lock));
            registry.restore(&locks.collect::<Vec<_>>(), now);
            registry.import(&joined(durable.take_json(Kind::Account)), now);
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
        let circuits = self.registry.accounts().iter().map(|account| account.circuit(now)).collect();
        let urgent = (self.registry.stored(now), circuits);
        // A clock that was set back is a reason to look, too.
        let due = now < self.looked || now.since(self.looked) >= ALL_EVERY_MS;
        if !due && urgent == self.urgent {
            return Vec::new();
        }
        self.looked = now;
        self.urgent = urgent;
        let locks = self.urgent.0.iter().filter_map(live);
        let learned = self.registry.export(now).accounts.into_iter().flat_map(split);
        self.written.follow(locks.chain(learned).collect(), now)
    }

    fn start_over(&mut self) {
        self.written.clear();
        self.looked = Millis::default();
    }
}

fn live(lock: &StoredCooldown) -> Option<Live> {
    let (account, family) = (lock.account.clone(), lock.family.clone());
    let key = family.as_ref().map_or_else(|| account.clone(), |family| key(&account, family));
    let (since, until) = (lock.since.0, lock.until.0);
    let reason = lock.reason.name().to_owned();
    let written = Lock { account, family, reason, since, until, strikes: lock.strikes };
    let value = serde_json::to_string(&written).ok()?;
    Some(Live { kind: Kind::Cooldown, key, value, until: Some(lock.until) })
}

fn stored(lock: Lock) -> StoredCooldown {
    StoredCooldown {
        account: lock.account,
        family: lock.family,
        // A newer program may have reasons that this one does not know.
        reason: Reason::parse(&lock.reason).unwrap_or(Reason::Unexpected),
        since: Millis(lock.since),
        until: Millis(lock.until),
        strikes: lock.strikes,
    }
}

/// The members of what is learned of an account, but for those that say nothing.
fn split(account: StoredAccount) -> Vec<Live> {
    let Ok(Value::Object(members)) = serde_json::to_value(&account) else { return Vec::new() };
    let told = members.into_iter().filter(|(name, value)| name != "id" && !says_nothing(value));
    told.map(|(name, value)| Live {
        kind: Kind::Account,
        key: key(&account.id, &name),
        value: value.to_string(),
        until: None,
    })
    .collect()
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// The opposite of [`split`]. A member that cannot be read costs its account, not the others.
fn joined(records: Vec<(String, Value)>) -> StoredPool {
    let mut accounts: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (key, value) in records {
        if let Some((id, name)) = key.split_once('\t') {
            accounts.entry(id.to_owned()).or_default().insert(name.to_owned(), value);
        }
    }
    let whole = |(id, mut members): (String, Map<String, Value>)| {
        members.insert("id".to_owned(), Value::String(id));
        serde_json::from_value(Value::Object(members)).ok()
    };
    StoredPool { accounts: accounts.into_iter().filter_map(whole).collect() }
}

/// Ids of accounts have no tabs.
fn key(account: &str, rest: &str) -> String {
    format!("{account}\t{rest}")
}
