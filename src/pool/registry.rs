//! The live state of all accounts, by identity.
//!
//! A reload of the configuration changes the registry in one step and keeps what is alive: leases, locks, counters.
//! An account that is gone finishes its leases; if it comes back within thirty days, it is the same account.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock};

use super::account::{AccountSpec, AccountState, Suspension};
pub use super::index::FAMILIES_MAX;
use super::index::Index;
use super::stored::{Known, Unclaimed};
use super::sync::{Mutex, RwLock};
use super::time::Millis;
use crate::breaker::{Circuit, circuit};
use crate::limits::classify::Reason;
use crate::limits::cooldown::{self, Cooldown, Lock};
use crate::limits::overload::{self, CeilingView};
use crate::limits::pace;

/// Numbers and switches of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether an account's concurrency limit holds.
    pub slots: bool,
    /// Limits a minute.
    pub pace: pace::Settings,
    /// Breakers.
    pub breaker: circuit::Settings,
    /// Ceilings of overloaded upstreams.
    pub overload: overload::Settings,
    /// Whether accounts of one project share cooldowns.
    pub shared_projects: bool,
    /// Cooldowns.
    pub cooldown: cooldown::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            slots: true,
            pace: pace::Settings::default(),
            breaker: circuit::Settings::default(),
            overload: overload::Settings::default(),
            shared_projects: true,
            cooldown: cooldown::Settings::default(),
        }
    }
}

/// The live state of all accounts. Clones are handles of the same registry.
#[derive(Clone)]
pub struct Registry {
    pub(super) shared: Arc<Shared>,
}

/// What handles and leases share.
pub(super) struct Shared {
    /// Apart from the index, so that looking an account up never waits for a selection and may happen within one.
    directory: RwLock<HashMap<String, Arc<AccountState>>>,
    pub(super) index: Mutex<Index>,
    /// Taken after the index, and alone.
    pub(super) unclaimed: Mutex<Unclaimed>,
    released: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Registry {
    /// An empty registry.
    pub fn new(settings: Settings) -> Self {
        let index = Mutex::new(Index::new(settings));
        let shared =
            Shared { directory: RwLock::default(), index, unclaimed: Mutex::default(), released: OnceLock::new() };
        Registry { shared: Arc::new(shared) }
    }

    /// Makes the accounts be `specs`, in one step: new ones appear, gone ones finish their leases, limits, tiers and
    /// upstreams change in place. Of two with the same id the first counts. A gone one is kept for a while,
    /// for its return.
    pub fn reconcile(&self, specs: &[AccountSpec], settings: Settings) {
        let mut index = self.shared.index.lock();
        let mut directory = self.shared.directory.write();
        let mut unclaimed = self.shared.unclaimed.lock();
        let mut before = std::mem::take(&mut *directory);
        let mut order = Vec::with_capacity(specs.len());
        for spec in specs {
            let Entry::Vacant(entry) = directory.entry(spec.id.clone()) else { continue };
            let known = before.remove(&spec.id).or_else(|| index.retired.remove(&spec.id));
            let (known, stored) = match unclaimed.take(&spec.id) {
                Some(Known::State(state)) => (known.or(Some(state)), None),
                Some(Known::Stored(stored)) => (known, Some(stored)),
                None => (known, None),
            };
            let stored = stored.filter(|_| known.is_none());
            let state = known.unwrap_or_else(|| Arc::new(AccountState::new(spec, settings)));
            state.apply(spec, settings);
            if let Some(stored) = stored {
                state.restore(&stored, index.now.max(unclaimed.looked));
            }
            order.push((Arc::clone(entry.insert(state)), spec.upstream.as_str()));
        }
        index.settings = settings;
        index.retired.extend(before);
        index.retired.retain(|_, state| {
            state.set_seat(None);
            let works = state.in_flight() > 0;
            if !works {
                unclaimed.keep(Known::State(Arc::clone(state)));
            }
            works
        });
        drop((directory, unclaimed));
        index.rebuild(&order);
    }

    /// All accounts, in order of their ids.
    pub fn accounts(&self) -> Vec<Arc<AccountState>> {
        let mut all: Vec<_> = self.shared.directory.read().values().map(Arc::clone).collect();
        all.sort_by(|a, b| a.id().cmp(b.id()));
        all
    }

    /// The account with this id. Safe to call while selecting.
    pub fn get(&self, id: &str) -> Option<Arc<AccountState>> {
        self.shared.directory.read().get(id).map(Arc::clone)
    }

    /// Calls `hook` whenever a slot was given back, outside all locks. It wakes those who wait for one; it must be
    /// quick and can be set once. `false` if it was set before.
    pub fn on_release(&self, hook: impl Fn() + Send + Sync + 'static) -> bool {
        self.shared.released.set(Box::new(hook)).is_ok()
    }

    /// Takes an account out of use at run time, with a reason to be shown, until [`Self::resume`]. `false` if there is
    /// no such account.
    pub fn suspend(&self, id: &str, reason: impl Into<String>) -> bool {
        self.suspend_for(id, reason, 0)
    }

    /// The same for a credential, of which `credential` is a mark: who gives the account another one resumes it.
    pub fn suspend_for(&self, id: &str, reason: impl Into<String>, credential: u64) -> bool {
        self.with_account(id, |state| state.suspend(Some(Suspension { reason: reason.into(), credential })))
    }

    /// Undoes [`Self::suspend`].
    pub fn resume(&self, id: &str) -> bool {
        self.with_account(id, |state| state.suspend(None))
    }

    /// Locks an account by hand, or by what another account of its project was told. `None` if there is no such
    /// account or cooldowns are off.
    pub fn cool(&self, id: &str, family: Option<&str>, ms: u64, reason: Reason, now: Millis) -> Option<Cooldown> {
        let state = self.get(id)?;
        let mut index = self.shared.index.lock();
        let event = index.next();
        let lock = Lock { ms, hinted: true, reason, taken: event, event, seed: event };
        index.lock(&state, family, lock, now)
    }

    /// Clears the lock of a family, or of the whole account (`None`), on better evidence than a refusal: the operator,
    /// or a quota that was read after the lock was set. If it was a limit's, its pace forgets what that refusal told.
    pub fn clear(&self, id: &str, family: Option<&str>) -> bool {
        let mut cleared = false;
        self.with_account(id, |state| {
            state.change(|all, _, _| {
                let reason = all.locks.reason(family);
                cleared = all.locks.clear(family);
                if matches!(reason, Some(Reason::RateLimit | Reason::QuotaExhausted | Reason::SpendLimit)) {
                    all.paces.forget(family);
                }
            });
        });
        cleared
    }

    /// Clears all locks of an account, and what closes its paces but the operator's limits.
    pub fn clear_all(&self, id: &str) -> bool {
        self.with_account(id, |state| {
            state.change(|all, _, _| {
                all.locks.clear_all();
                all.paces.forget(None);
            });
        })
    }

    /// Takes back what one refusal ([`super::Lease::event`]) did to an account: its lock (and that of its project), its
    /// breaker's count, the limit that was learned of it; unless something else has confirmed it since. `true` if the lock
    /// or the breaker has changed.
    pub fn forgive(&self, account: &str, family: &str, event: u64, now: Millis) -> bool {
        let Some(state) = self.get(account).filter(|_| event > 0) else { return false };
        let mut index = self.shared.index.lock();
        index.now = now;
        for other in index.fellows(&state) {
            if other.locks(|locks| locks.forgive(family, event, now)) {
                index.refresh(&other, now);
            }
        }
        let forgiven = state.change(|all, _, _| {
            all.paces.forgive(family, event);
            all.circuit.forgive(event) | all.locks.forgive(family, event, now)
        });
        index.refresh_pace(&state, family, now);
        forgiven
    }

    /// The provider was asked at `asked` and told that an account has quota for `family`: one request may see at once
    /// whether a limit's lock that was set before is still true. A refusal that was seen outranks a figure, so the lock
    /// itself stays. `true` if there was one.
    pub fn note_quota(&self, account: &str, family: &str, asked: Millis, now: Millis) -> bool {
        let Some(state) = self.get(account) else { return false };
        let mut index = self.shared.index.lock();
        index.now = now;
        let doubted = state.locks(|locks| locks.doubt(family, asked, now));
        index.refresh(&state, now);
        doubted
    }

    /// So much is left of an account's quota, 0 to 1: of a family until then, or of what all of them share (`None`). It
    /// orders accounts of one tier with equal load. `false` if that changes nothing, or there is no such account.
    pub fn note_left(&self, account: &str, family: Option<&str>, left: f64, until: Millis, now: Millis) -> bool {
        let Some(state) = self.get(account) else { return false };
        if !state.spent(|spent| spent.note(family, left, until)) {
            return false;
        }
        let mut index = self.shared.index.lock();
        index.now = now;
        let wanted = family.map(|family| (family, until));
        index.spent(&state, wanted.filter(|_| left < 1.0), now);
        true
    }

    /// Closes the breaker of an account. `false` if there is no such account.
    pub fn reset_breaker(&self, id: &str) -> bool {
        self.with_account(id, |state| state.change(|all, _, _| all.circuit = Circuit::default()))
    }

    /// These upstreams (ids of the configuration) can be reached: accounts whose breakers are open may be tried at once.
    /// Returns how many.
    pub fn note_reachable(&self, upstreams: &[&str], now: Millis) -> usize {
        let mut index = self.shared.index.lock();
        index.now = now;
        // A pool's name is made of the ids of its upstreams.
        let wanted = |pool: &str| pool.split('+').any(|id| upstreams.contains(&id));
        let mut opened = 0;
        for state in index.accounts_of(wanted) {
            if state.change(|all, _, _| all.circuit.half_open(now)) {
                index.refresh(&state, now);
                opened += 1;
            }
        }
        opened
    }

    /// The ceilings of all upstreams, and what is at work there.
    pub fn ceilings(&self, now: Millis) -> Vec<CeilingView> {
        let index = self.shared.index.lock();
        let view = |(upstream, ceiling, in_flight): (&str, Option<u32>, u32)| CeilingView {
            upstream: upstream.to_owned(),
            ceiling,
            in_flight,
        };
        index.ceilings(now).map(view).collect()
    }

    fn with_account(&self, id: &str, change: impl FnOnce(&AccountState)) -> bool {
        let Some(state) = self.get(id) else { return false };
        let mut index = self.shared.index.lock();
        change(&state);
        let now = index.now;
        index.refresh(&state, now);
        true
    }
}

impl Shared {
    /// Tells those who wait that a slot is free.
    pub(super) fn slot_released(&self) {
        if let Some(hook) = self.released.get() {
            hook();
        }
    }
}
