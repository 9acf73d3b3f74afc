//! What is known of the accounts, in the file.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::diff::{Live, Written};
use super::{Durable, Kind, Source};
use crate::limits::classify::Reason;
use crate::pool::registry::StoredCooldown;
use crate::pool::{Millis, Registry};
use crate::store::Change;

/// How often they are looked at: each time that the writer looks.
const LOOK_EVERY: Duration = Duration::ZERO;

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

/// The accounts as a source of changes.
pub struct Accounts {
    registry: Registry,
    written: Written,
}

impl Accounts {
    /// Puts back what is stored, and tells what changes from then on.
    pub fn restored(durable: &Durable, registry: &Registry, now: Millis) -> Self {
        let mut accounts = Accounts { registry: registry.clone(), written: Written::default() };
        if durable.is_on() {
            let locks = durable.take_json::<Lock>(Kind::Cooldown).into_iter().map(|(_, lock)| stored(lock));
            registry.restore(&locks.collect::<Vec<_>>(), now);
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
        let live = self.registry.stored(now).into_iter().filter_map(live).collect();
        self.written.follow(live, now)
    }

    fn start_over(&mut self) {
        self.written.clear();
    }
}

fn live(lock: StoredCooldown) -> Option<Live> {
    let until = lock.until;
    let key = key(&lock.account, lock.family.as_deref());
    let lock = Lock {
        account: lock.account,
        family: lock.family,
        reason: lock.reason.name().to_owned(),
        since: lock.since.0,
        until: lock.until.0,
        strikes: lock.strikes,
    };
    Some(Live { kind: Kind::Cooldown, key, value: serde_json::to_string(&lock).ok()?, until })
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

/// Ids of accounts have no tabs.
fn key(account: &str, family: Option<&str>) -> String {
    family.map_or_else(|| account.to_owned(), |family| format!("{account}\t{family}"))
}
