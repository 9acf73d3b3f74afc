//! What is learned of the accounts, as the store keeps it. Members that are not known are left out, missing ones have
//! their defaults, so that an older or newer file can be read.

use serde::{Deserialize, Serialize};

use super::registry::Registry;
use super::time::Millis;
use crate::breaker::StoredCircuit;
use crate::limits::classify::Reason;
use crate::limits::cooldown::{self, Cooldown};
use crate::limits::pace::StoredPace;

/// All that is learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredPool {
    /// Accounts with something to be kept, in order of their ids.
    pub accounts: Vec<StoredAccount>,
}

/// What is learned of one account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredAccount {
    /// The account.
    pub id: String,
    /// Its locks.
    pub cooldowns: Vec<StoredCooldown>,
    /// Its breaker, if that has counted something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit: Option<StoredCircuit>,
    /// Its paces.
    pub paces: Vec<StoredPace>,
}

/// A lock as the store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredCooldown {
    /// The model family; `None` for the whole account.
    pub family: Option<String>,
    /// Why: a [`Reason::name`]; another one is [`Reason::Unexpected`].
    pub reason: String,
    /// When it was set, in milliseconds of the epoch.
    pub since: u64,
    /// When it ends, in milliseconds of the epoch.
    pub until: u64,
    /// How often in a row a window was refused, less one.
    pub strikes: u32,
}

impl StoredCooldown {
    fn of((family, lock): (Option<String>, Cooldown)) -> Self {
        let (since, until) = (lock.since.0, lock.until.0);
        StoredCooldown { family, reason: lock.reason.name().to_owned(), since, until, strikes: lock.strikes }
    }

    fn cooldown(&self) -> Cooldown {
        let reason = Reason::parse(&self.reason).unwrap_or(Reason::Unexpected);
        Cooldown::stored(reason, Millis(self.since), Millis(self.until), self.strikes)
    }
}

impl Registry {
    /// All that is learned, for the store.
    pub fn export(&self, now: Millis) -> StoredPool {
        let accounts = self.accounts().into_iter().filter_map(|state| {
            let (circuit, paces) = state.change(|all, _, _| (all.circuit.stored(), all.paces.stored(now)));
            let cooldowns: Vec<_> = state.cooldowns(now).into_iter().map(StoredCooldown::of).collect();
            let any = circuit.is_some() || !paces.is_empty() || !cooldowns.is_empty();
            any.then(|| StoredAccount { id: state.id().to_owned(), cooldowns, circuit, paces })
        });
        StoredPool { accounts: accounts.collect() }
    }

    /// Puts back what was stored; what concerns unknown accounts or has ended is left out, and nothing that has been learned
    /// since is changed for the worse.
    pub fn import(&self, stored: &StoredPool, now: Millis) {
        for one in &stored.accounts {
            let Some(state) = self.get(&one.id) else { continue };
            let mut index = self.shared.index.lock();
            index.now = now;
            state.change(|all, _, settings| {
                if let Some(circuit) = one.circuit {
                    all.circuit.restore(circuit, now, &settings.breaker);
                }
                all.paces.restore(&one.paces, now);
                for lock in one.cooldowns.iter().take(cooldown::FAMILIES_MAX + 1) {
                    all.locks.restore(lock.family.as_deref(), lock.cooldown(), now, &settings.cooldown);
                }
            });
            for (family, lock) in state.cooldowns(now) {
                index.locked(&state, family.as_deref(), lock.until, now);
            }
            for pace in &one.paces {
                index.refresh_pace(&state, &pace.family, now);
            }
            index.refresh(&state, now);
        }
    }
}
