//! What is learned of the accounts, as the store keeps it. Members that are not known are left out, missing ones have
//! their defaults, so that an older or newer file can be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::account::{AccountState, Suspension};
use super::registry::Registry;
use super::time::Millis;
use crate::breaker::StoredCircuit;
use crate::limits::classify::Reason;
use crate::limits::cooldown::{self, Cooldown};
use crate::limits::pace::StoredPace;

/// Accounts that are not configured of which something is kept, at most. What comes beyond is forgotten.
const UNCLAIMED_MAX: usize = 10_000;
/// How long it is kept, in milliseconds: thirty days.
const UNCLAIMED_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// All that is learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredPool {
    /// Accounts with something to be kept, in order of their ids.
    pub accounts: Vec<StoredAccount>,
    /// Upstreams that said that they are overloaded.
    pub ceilings: Vec<StoredCeiling>,
}

/// The ceiling of an overloaded upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredCeiling {
    /// The upstreams that the pool's accounts are good for, joined with `+`.
    pub upstream: String,
    /// Requests at a time at most.
    pub ceiling: u32,
    /// When it is lifted, in milliseconds of the epoch.
    pub until: u64,
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
    /// If it was taken out of use at run time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspension>,
}

impl StoredAccount {
    fn says_something(&self) -> bool {
        let empty = StoredAccount { id: self.id.clone(), ..StoredAccount::default() };
        !self.id.is_empty() && *self != empty
    }
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

impl AccountState {
    /// What is learned of it, if anything is.
    pub(super) fn stored(&self, now: Millis) -> Option<StoredAccount> {
        let (circuit, paces) = self.change(|all, _, _| (all.circuit.stored(), all.paces.stored(now)));
        let cooldowns = self.cooldowns(now).into_iter().map(StoredCooldown::of).collect();
        let stored =
            StoredAccount { id: self.id().to_owned(), cooldowns, circuit, paces, suspended: self.suspension() };
        stored.says_something().then_some(stored)
    }

    /// Puts back what was stored, where nothing that is learned since is changed for the worse. The index does not see it.
    pub(super) fn restore(&self, stored: &StoredAccount, now: Millis) {
        self.change(|all, _, settings| {
            if let Some(circuit) = stored.circuit {
                all.circuit.restore(circuit, now, &settings.breaker);
            }
            all.paces.restore(&stored.paces, now);
            for lock in stored.cooldowns.iter().take(cooldown::FAMILIES_MAX + 1) {
                all.locks.restore(lock.family.as_deref(), lock.cooldown(), now, &settings.cooldown);
            }
        });
        if let Some(suspension) = stored.suspended.as_ref().filter(|_| self.suspension().is_none()) {
            self.suspend(Some(suspension.clone()));
        }
    }
}

/// What is known of accounts that are not configured: of gone ones, and of those that the store knows.
#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    accounts: BTreeMap<String, Waiting>,
    /// When the store last asked: between two requests nobody else tells the time.
    pub(super) looked: Millis,
}

#[derive(Debug)]
struct Waiting {
    known: Known,
    /// Since when; `None`: nobody has looked yet.
    since: Option<Millis>,
}

/// What is known of an account that is not configured.
#[derive(Debug)]
pub(super) enum Known {
    /// It was here, and is as it was.
    State(Arc<AccountState>),
    /// The store knows it.
    Stored(StoredAccount),
}

impl Known {
    fn id(&self) -> &str {
        match self {
            Known::State(state) => state.id(),
            Known::Stored(stored) => &stored.id,
        }
    }

    fn stored(&self, now: Millis) -> Option<StoredAccount> {
        match self {
            Known::State(state) => state.stored(now),
            Known::Stored(stored) => {
                let mut stored = stored.clone();
                stored.cooldowns.retain(|lock| lock.until > now.0);
                stored.says_something().then_some(stored)
            }
        }
    }
}

impl Unclaimed {
    /// Keeps an account for its return.
    pub(super) fn keep(&mut self, known: Known) {
        if self.accounts.len() < UNCLAIMED_MAX || self.accounts.contains_key(known.id()) {
            self.accounts.insert(known.id().to_owned(), Waiting { known, since: None });
        }
    }

    /// The account is there.
    pub(super) fn take(&mut self, id: &str) -> Option<Known> {
        self.accounts.remove(id).map(|waiting| waiting.known)
    }

    /// All of it that is not too old.
    fn stored(&mut self, now: Millis) -> Vec<StoredAccount> {
        self.looked = now;
        self.accounts.retain(|_, waiting| now.since(*waiting.since.get_or_insert(now)) < UNCLAIMED_MS);
        self.accounts.values().filter_map(|waiting| waiting.known.stored(now)).collect()
    }
}

impl Registry {
    /// All that is learned, for the store.
    pub fn export(&self, now: Millis) -> StoredPool {
        let mut accounts: Vec<_> = self.accounts().into_iter().filter_map(|state| state.stored(now)).collect();
        let mut ceilings = Vec::new();
        let unclaimed = {
            let mut index = self.shared.index.lock();
            let settings = index.settings.overload;
            for (upstream, ceiling) in index.ceilings_mut() {
                let stored = ceiling.stored(now, &settings);
                let upstream = upstream.to_owned();
                ceilings.extend(stored.map(|(ceiling, until)| StoredCeiling { upstream, ceiling, until: until.0 }));
            }
            let mut gone: Vec<_> = index.retired.values().filter_map(|state| state.stored(now)).collect();
            gone.extend(self.shared.unclaimed.lock().stored(now));
            gone
        };
        if !unclaimed.is_empty() {
            accounts.extend(unclaimed);
            accounts.sort_by(|a, b| a.id.cmp(&b.id));
            // One that has come back between the two looks.
            accounts.dedup_by(|a, b| a.id == b.id);
        }
        StoredPool { accounts, ceilings }
    }

    /// Puts back what was stored; what has ended is left out, and nothing that has been learned since is changed for the
    /// worse. What concerns accounts that are not there is kept until they are.
    pub fn import(&self, stored: &StoredPool, now: Millis) {
        for one in &stored.accounts {
            let mut index = self.shared.index.lock();
            index.now = now;
            let Some(state) = self.get(&one.id) else {
                self.shared.unclaimed.lock().keep(Known::Stored(one.clone()));
                continue;
            };
            state.restore(one, now);
            for (family, lock) in state.cooldowns(now) {
                index.locked(&state, family.as_deref(), lock.until, now);
            }
            for pace in &one.paces {
                index.refresh_pace(&state, &pace.family, now);
            }
            index.refresh(&state, now);
        }
        let mut index = self.shared.index.lock();
        let settings = index.settings.overload;
        for one in &stored.ceilings {
            let found = index.ceilings_mut().find(|(upstream, _)| *upstream == one.upstream);
            if let Some((_, ceiling)) = found {
                ceiling.restore(one.ceiling, Millis(one.until), now, &settings);
            }
        }
    }
}
