//! The live state of all accounts, by identity.
//!
//! A reload of the configuration changes the registry in one step and keeps what is alive: leases, locks, counters.
//! An account that is gone finishes its leases; if it comes back before they end, it is the same account.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use super::account::{AccountSpec, AccountState};
use super::lane::{Lane, Place};
use super::stored::StoredPool;
use super::time::Millis;
use crate::breaker::circuit;
use crate::limits::classify::{Failure, Reason, Scope};
use crate::limits::cooldown::{self, Cooldown, Lock};
use crate::limits::{overload, pace};

/// Families of one upstream with locks at the same time. For one more, the locks that end first are forgotten: that
/// costs a refused attempt at most, and keeps invented model names from filling the memory.
pub const FAMILIES_MAX: usize = 64;

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

/// A lock as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCooldown {
    /// The account.
    pub account: String,
    /// The model family; `None` for the whole account.
    pub family: Option<String>,
    /// Why.
    pub reason: Reason,
    /// When it was set.
    pub since: Millis,
    /// When it ends.
    pub until: Millis,
    /// How often in a row a window was refused, less one.
    pub strikes: u32,
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
    released: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// The order of all accounts. All its changes are one short critical section each.
#[derive(Default)]
pub(super) struct Index {
    pub(super) settings: Settings,
    /// Number of the last event; orders leases and locks.
    pub(super) sequence: u64,
    /// The last `now` seen, for leases that end where no time is known.
    pub(super) now: Millis,
    names: HashMap<String, usize>,
    upstreams: Vec<Upstream>,
    /// Gone accounts that still have leases.
    retired: HashMap<String, Arc<AccountState>>,
}

#[derive(Default)]
struct Upstream {
    members: Vec<Arc<AccountState>>,
    general: Lane,
    families: HashMap<String, Lane>,
}

impl Registry {
    /// An empty registry.
    pub fn new(settings: Settings) -> Self {
        let index = Mutex::new(Index { settings, ..Index::default() });
        Registry { shared: Arc::new(Shared { directory: RwLock::default(), index, released: OnceLock::new() }) }
    }

    /// Makes the accounts be `specs`, in one step: new ones appear, gone ones finish their leases, limits, tiers and
    /// upstreams change in place. Of two with the same id the first counts.
    pub fn reconcile(&self, specs: &[AccountSpec], settings: Settings) {
        let mut index = self.shared.index.lock();
        let mut directory = self.shared.directory.write();
        let mut before = std::mem::take(&mut *directory);
        let mut order = Vec::with_capacity(specs.len());
        for spec in specs {
            let Entry::Vacant(entry) = directory.entry(spec.id.clone()) else { continue };
            let known = before.remove(&spec.id).or_else(|| index.retired.remove(&spec.id));
            let state = known.unwrap_or_else(|| Arc::new(AccountState::new(spec)));
            state.apply(spec);
            order.push((Arc::clone(entry.insert(state)), spec.upstream.as_str()));
        }
        drop(directory);
        index.settings = settings;
        index.retired.extend(before);
        index.retired.retain(|_, state| {
            state.set_seat(None);
            state.in_flight() > 0
        });
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
        self.with_account(id, |state| state.suspend(Some(reason.into())))
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
        index.sequence += 1;
        let event = index.sequence;
        let lock = Lock { ms, hinted: true, reason, taken: event, event, seed: event };
        index.lock(&state, family, lock, now)
    }

    /// Clears the lock of a family, or of the whole account (`None`), on better evidence than a refusal: the operator,
    /// or a quota that was read after the lock was set.
    pub fn clear(&self, id: &str, family: Option<&str>) -> bool {
        let mut cleared = false;
        self.with_account(id, |state| cleared = state.locks(|locks| locks.clear(family)));
        cleared
    }

    /// Clears all locks of an account.
    pub fn clear_all(&self, id: &str) -> bool {
        self.with_account(id, |state| state.locks(cooldown::Cooldowns::clear_all))
    }

    /// All locks that hold, for the store.
    pub fn stored(&self, now: Millis) -> Vec<StoredCooldown> {
        let of = |state: Arc<AccountState>| {
            let account = state.id().to_owned();
            state.cooldowns(now).into_iter().map(move |(family, lock)| StoredCooldown {
                account: account.clone(),
                family,
                reason: lock.reason,
                since: lock.since,
                until: lock.until,
                strikes: lock.strikes,
            })
        };
        self.accounts().into_iter().flat_map(of).collect()
    }

    /// Puts stored locks back; those of unknown accounts and those that have ended are left out.
    pub fn restore(&self, stored: &[StoredCooldown], now: Millis) {
        for lock in stored {
            let Some(state) = self.get(&lock.account) else { continue };
            let mut index = self.shared.index.lock();
            index.now = now;
            let settings = index.settings.cooldown;
            let cooldown = Cooldown::stored(lock.reason, lock.since, lock.until, lock.strikes);
            let family = lock.family.as_deref();
            state.locks(|locks| locks.restore(family, cooldown, now, &settings));
            let until = lock.until.min(now.plus(settings.lock_ms_max));
            index.locked(&state, family, until, now);
        }
    }

    /// Takes back what one refusal ([`super::Lease::event`]) did to an account: its lock, its breaker's count, the limit
    /// that was learned of it; unless something else has confirmed it since. `true` if something was taken back.
    pub fn forgive(&self, account: &str, family: &str, event: u64) -> bool {
        let _ = (account, family, event);
        false
    }

    /// Closes the breaker of an account. `false` if there is no such account.
    pub fn reset_breaker(&self, id: &str) -> bool {
        self.get(id).is_some()
    }

    /// These upstreams (ids of the configuration) can be reached: accounts whose breakers are open may be tried at once.
    pub fn note_reachable(&self, upstreams: &[&str], now: Millis) {
        let _ = (upstreams, now);
    }

    /// The upstreams whose ceiling is lowered.
    pub fn ceilings(&self, now: Millis) -> Vec<overload::CeilingView> {
        let _ = now;
        Vec::new()
    }

    /// All that is learned, for the store.
    pub fn export(&self, now: Millis) -> StoredPool {
        let _ = now;
        StoredPool::default()
    }

    /// Puts back what was stored; what concerns unknown accounts or has ended is left out.
    pub fn import(&self, stored: &StoredPool, now: Millis) {
        let _ = (stored, now);
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

impl Index {
    pub(super) fn limited(&self) -> bool {
        self.settings.slots
    }

    pub(super) fn upstream(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(super) fn member(&self, upstream: usize, member: u32) -> Option<&Arc<AccountState>> {
        self.upstreams.get(upstream)?.members.get(member as usize)
    }

    pub(super) fn members(&self, upstream: usize) -> &[Arc<AccountState>] {
        self.upstreams.get(upstream).map_or(&[], |upstream| &upstream.members)
    }

    /// The lane of a family: its own, or the general one.
    pub(super) fn lane(&self, upstream: usize, family: &str) -> Option<&Lane> {
        let upstream = self.upstreams.get(upstream)?;
        Some(upstream.families.get(family).unwrap_or(&upstream.general))
    }

    /// Brings the lane of a family up to `now`: opens the locks that have ended.
    pub(super) fn advance(&mut self, upstream: usize, family: &str, now: Millis) {
        let limited = self.settings.slots;
        let Some(upstream) = self.upstreams.get_mut(upstream) else { return };
        if upstream.families.get(family).is_some_and(|lane| lane.needed_until <= now) {
            upstream.families.remove(family);
        }
        let (lane, family) = match upstream.families.get_mut(family) {
            Some(lane) => (lane, Some(family)),
            None => (&mut upstream.general, None),
        };
        // A locked account moves twice at most: to its probe, and to its end.
        for _ in 0..lane.len().saturating_mul(2) {
            let Some(member) = lane.due(now) else { break };
            let Some(state) = upstream.members.get(member as usize) else { break };
            lane.put(member, Place::of(state, member, family, limited, now));
        }
    }

    /// Puts an account where it now belongs, in every lane of its upstream.
    pub(super) fn refresh(&mut self, state: &AccountState, now: Millis) {
        let limited = self.settings.slots;
        let Some((upstream, member)) = state.seat() else { return };
        let Some(upstream) = self.upstreams.get_mut(upstream) else { return };
        upstream.general.put(member, Place::of(state, member, None, limited, now));
        for (family, lane) in &mut upstream.families {
            lane.put(member, Place::of(state, member, Some(family), limited, now));
        }
    }

    /// Sets a lock, to be seen by the very next selection.
    pub(super) fn lock(
        &mut self,
        state: &AccountState,
        family: Option<&str>,
        lock: Lock,
        now: Millis,
    ) -> Option<Cooldown> {
        self.now = now;
        let settings = self.settings.cooldown;
        let cooldown = state.locks(|locks| locks.lock(family, lock, now, &settings))?;
        state.note_locked();
        self.locked(state, family, cooldown.until, now);
        Some(cooldown)
    }

    /// Locks what a failure of a lease names.
    pub(super) fn fail(
        &mut self,
        state: &AccountState,
        family: &str,
        failure: &Failure,
        taken: u64,
        seed: u64,
        now: Millis,
    ) -> Option<Cooldown> {
        let family = match failure.scope {
            Scope::AccountModel => Some(family),
            Scope::Account | Scope::Project => None,
            // Nobody's account is to blame.
            Scope::Request | Scope::Address | Scope::Model | Scope::Provider => return None,
        };
        let ms = failure.cooldown_ms?;
        self.sequence += 1;
        let lock = Lock { ms, hinted: failure.hinted, reason: failure.reason, taken, event: self.sequence, seed };
        self.lock(state, family, lock, now)
    }

    fn locked(&mut self, state: &AccountState, family: Option<&str>, until: Millis, now: Millis) {
        if let (Some((upstream, _)), Some(family)) = (state.seat(), family)
            && let Some(upstream) = self.upstreams.get_mut(upstream)
        {
            upstream.need_lane(family, until, self.settings.slots, now);
        }
        self.refresh(state, now);
    }

    fn rebuild(&mut self, order: &[(Arc<AccountState>, &str)]) {
        let (limited, now) = (self.settings.slots, self.now);
        self.names.clear();
        self.upstreams.clear();
        for (state, name) in order {
            let at = match self.names.get(*name) {
                Some(at) => *at,
                None => {
                    self.names.insert((*name).to_owned(), self.upstreams.len());
                    self.upstreams.push(Upstream::default());
                    self.upstreams.len() - 1
                }
            };
            let Some(upstream) = self.upstreams.get_mut(at) else { continue };
            state.set_seat(Some((at as u32, upstream.members.len() as u32)));
            upstream.members.push(Arc::clone(state));
        }
        for upstream in &mut self.upstreams {
            upstream.general = upstream.lane_of(None, limited, now);
            for state in upstream.members.clone() {
                for (family, lock) in state.cooldowns(now) {
                    if let Some(family) = family {
                        upstream.need_lane(&family, lock.until, limited, now);
                    }
                }
            }
        }
    }
}

impl Upstream {
    fn lane_of(&self, family: Option<&str>, limited: bool, now: Millis) -> Lane {
        let mut lane = Lane::new(self.members.len());
        for (member, state) in (0u32..).zip(&self.members) {
            lane.put(member, Place::of(state, member, family, limited, now));
        }
        lane
    }

    /// Makes sure that a family with a lock has its own lane for as long as the lock holds.
    fn need_lane(&mut self, family: &str, until: Millis, limited: bool, now: Millis) {
        if let Some(lane) = self.families.get_mut(family) {
            lane.needed_until = lane.needed_until.max(until);
            return;
        }
        self.families.retain(|_, lane| lane.needed_until > now);
        if self.families.len() >= FAMILIES_MAX {
            let first = self.families.iter().min_by_key(|(name, lane)| (lane.needed_until, *name));
            if let Some(first) = first.map(|(name, _)| name.clone()) {
                self.families.remove(&first);
                for state in &self.members {
                    state.locks(|locks| locks.clear(Some(&first)));
                }
            }
        }
        let mut lane = self.lane_of(Some(family), limited, now);
        lane.needed_until = until;
        self.families.insert(family.to_owned(), lane);
    }
}
