//! One account: what the configuration says of it, and what happens to it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::registry::Settings;
use super::slots::Slots;
use super::standing::{Cause, Fate, Spent};
use super::sync::{AtomicBool, AtomicU8, AtomicU64, Mutex, Ordering};
use super::time::Millis;
use crate::breaker::{Circuit, CircuitView};
use crate::limits::cooldown::{Cooldown, Cooldowns, Standing};
use crate::limits::pace::{Charge, Cost, Known, PaceView, Paces, Terms};

/// What an unlimited account's load is measured against: the default limit.
const UNLIMITED_WEIGHT: u32 = 3;
/// Seat of an account that is in no upstream.
const NO_SEAT: u64 = u64::MAX;

/// What the configuration says of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSpec {
    /// Its identity: state is kept by it across reloads.
    pub id: String,
    /// The upstream that it belongs to.
    pub upstream: String,
    /// Lower ones are used first.
    pub tier: u8,
    /// Requests in flight at most; 0 means no limit.
    pub concurrency: u32,
    /// Whether it may be used.
    pub enabled: bool,
    /// What the operator knows of its limits.
    pub limits: Known,
    /// Its project at Google, whose limits all accounts of it share.
    pub project: Option<String>,
}

/// What an account has done since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Leases taken.
    pub taken: u64,
    /// Leases that were probes of a lock.
    pub probes: u64,
    /// Successes reported.
    pub succeeded: u64,
    /// Failures reported.
    pub failed: u64,
    /// Locks set or extended.
    pub locked: u64,
    /// Most requests that were ever in flight at once.
    pub in_flight_max: u32,
}

#[derive(Debug, Default)]
struct Counters {
    taken: AtomicU64,
    probes: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    locked: AtomicU64,
}

/// The live state of one account. It can be read at any time; only the registry and its leases change it.
#[derive(Debug)]
pub struct AccountState {
    id: Arc<str>,
    tier: AtomicU8,
    enabled: AtomicBool,
    slots: Slots,
    last_used: AtomicU64,
    /// Sequence number of the last lease: orders accounts that were used in the same millisecond.
    used: AtomicU64,
    /// Place in the index: upstream in the high half, member in the low. Changed under the index's lock alone.
    seat: AtomicU64,
    counters: Counters,
    /// Taken only while the index's lock is held or by short readers; never the other way round.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    upstream: String,
    suspended: Option<Suspension>,
    project: Option<String>,
    known: Known,
    settings: Settings,
    state: Protections,
    spent: Spent,
}

/// Why an account was taken out of use at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Suspension {
    /// For people.
    pub reason: String,
    /// A mark of the credential that it is about; 0: of none.
    pub credential: u64,
}

/// What watches one account.
#[derive(Debug, Default)]
pub(super) struct Protections {
    pub(super) locks: Cooldowns,
    pub(super) circuit: Circuit,
    pub(super) paces: Paces,
}

impl Inner {
    fn terms(&self) -> Terms<'_> {
        Terms { known: &self.known, settings: &self.settings.pace }
    }

    /// Whether locks, breaker and pace allow a request. The one test on all paths. `family` is `None` for those without
    /// a lock or pace of their own.
    fn fate(&self, family: Option<&str>, cost: Cost, now: Millis) -> Fate {
        let locks = match family {
            Some(family) => self.state.locks.standing(family, now),
            None => self.state.locks.standing_in_general(now),
        };
        let circuit = self.state.circuit.standing(now, &self.settings.breaker);
        let paced = family.and_then(|family| self.state.paces.opens(family, cost, self.terms(), now));
        let pace = paced.map_or(Standing::Open, |at| Standing::Closed { at, until: at });
        Fate::of(&[(locks, Cause::Cooldown), (circuit, Cause::Breaker), (pace, Cause::Pace)])
    }
}

impl AccountState {
    pub(super) fn new(spec: &AccountSpec, settings: Settings) -> Self {
        let state = AccountState {
            id: spec.id.as_str().into(),
            tier: AtomicU8::new(spec.tier),
            enabled: AtomicBool::new(spec.enabled),
            slots: Slots::new(spec.concurrency),
            last_used: AtomicU64::new(0),
            used: AtomicU64::new(0),
            seat: AtomicU64::new(NO_SEAT),
            counters: Counters::default(),
            inner: Mutex::default(),
        };
        state.apply(spec, settings);
        state
    }

    /// Its identity.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn shared_id(&self) -> Arc<str> {
        Arc::clone(&self.id)
    }

    /// The upstream that it belongs to.
    pub fn upstream(&self) -> String {
        self.inner.lock().upstream.clone()
    }

    /// Lower ones are used first.
    pub fn tier(&self) -> u8 {
        self.tier.load(Ordering::Relaxed)
    }

    /// Requests in flight now.
    pub fn in_flight(&self) -> u32 {
        self.slots.in_flight()
    }

    /// Requests in flight at most; 0 means no limit.
    pub fn limit(&self) -> u32 {
        self.slots.limit()
    }

    /// Whether the configuration allows it and nothing has suspended it.
    pub fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed) && self.inner.lock().suspended.is_none()
    }

    /// Why it was suspended at run time, such as a revoked token.
    pub fn suspended(&self) -> Option<String> {
        self.suspension().map(|suspension| suspension.reason)
    }

    /// The same, and for which credential.
    pub fn suspension(&self) -> Option<Suspension> {
        self.inner.lock().suspended.clone()
    }

    /// When a lease on it was last taken.
    pub fn last_used(&self) -> Option<Millis> {
        Some(Millis(self.last_used.load(Ordering::Relaxed))).filter(|_| self.used.load(Ordering::Relaxed) > 0)
    }

    /// What it has done since the process started.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            taken: read(&self.counters.taken),
            probes: read(&self.counters.probes),
            succeeded: read(&self.counters.succeeded),
            failed: read(&self.counters.failed),
            locked: read(&self.counters.locked),
            in_flight_max: self.slots.in_flight_max(),
        }
    }

    /// The locks that hold now, each with its family (`None`: the whole account), reason, end and next probe.
    pub fn cooldowns(&self, now: Millis) -> Vec<(Option<String>, Cooldown)> {
        let inner = self.inner.lock();
        let locks = inner.state.locks.active(now);
        let mut found: Vec<_> = locks.map(|(family, lock)| (family.map(ToOwned::to_owned), *lock)).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// Its paces that have been used, in order of their families.
    pub fn paces(&self, now: Millis) -> Vec<PaceView> {
        let inner = self.inner.lock();
        inner.state.paces.views(inner.terms(), now)
    }

    /// The state of its breaker.
    pub fn circuit(&self, now: Millis) -> CircuitView {
        let inner = self.inner.lock();
        inner.state.circuit.view(now, &inner.settings.breaker)
    }

    /// Whether its locks, its breaker and its pace allow a small request of `family` now. Slots and switches are not looked
    /// at.
    pub fn standing(&self, family: &str, now: Millis) -> Standing {
        self.fate(Some(family), Cost::default(), now).standing
    }

    /// Its project, whose limits all accounts of it share.
    pub fn project(&self) -> Option<String> {
        self.inner.lock().project.clone()
    }

    pub(super) fn fate(&self, family: Option<&str>, cost: Cost, now: Millis) -> Fate {
        self.inner.lock().fate(family, cost, now)
    }

    /// Its fate, and what is spent of its quota, in tenths; or `None` if it is off.
    pub(super) fn fate_if_on(&self, family: Option<&str>, now: Millis) -> Option<(Fate, u8)> {
        let inner = self.inner.lock();
        let on = self.enabled.load(Ordering::Relaxed) && inner.suspended.is_none();
        on.then(|| (inner.fate(family, Cost::default(), now), inner.spent.of(family)))
    }

    /// What is spent of its quotas.
    pub(super) fn spent<T>(&self, change: impl FnOnce(&mut Spent) -> T) -> T {
        change(&mut self.inner.lock().spent)
    }

    /// When it has room for `cost`; `None` if now.
    pub(super) fn opens(&self, family: &str, cost: Cost, now: Millis) -> Option<Millis> {
        let inner = self.inner.lock();
        inner.state.paces.opens(family, cost, inner.terms(), now)
    }

    /// When an open breaker may be tried as the last resort, if nothing else stands in the way of `cost`.
    pub(super) fn last_resort_at(&self, family: &str, cost: Cost, now: Millis) -> Option<Millis> {
        let inner = self.inner.lock();
        let fate = inner.fate(Some(family), cost, now);
        let open = inner.state.locks.standing(family, now) == Standing::Open
            && inner.state.paces.opens(family, cost, inner.terms(), now).is_none();
        let closed = open && matches!(fate.standing, Standing::Closed { .. });
        inner.state.circuit.last_resort_at(&inner.settings.breaker).filter(|_| closed)
    }

    /// When a request that finds nobody else may pass a limit that nobody has named; `None` if that is not all that stands
    /// in its way.
    pub(super) fn passes_at(&self, family: &str, cost: Cost, now: Millis) -> Option<Millis> {
        let inner = self.inner.lock();
        let on = self.enabled.load(Ordering::Relaxed) && inner.suspended.is_none();
        let open = inner.state.locks.standing(family, now) == Standing::Open
            && inner.state.circuit.standing(now, &inner.settings.breaker) == Standing::Open;
        inner.state.paces.passes_at(family, cost, inner.terms(), now).filter(|_| on && open)
    }

    /// Whether the breaker is not closed.
    pub(super) fn is_broken(&self) -> bool {
        self.inner.lock().state.circuit.is_open()
    }

    pub(super) fn longest_lock(&self, family: &str, now: Millis) -> Option<Cooldown> {
        self.inner.lock().state.locks.longest(family, now).copied()
    }

    /// Takes of its pace for a lease, begins its probe and its try (`true` if it is one of the breaker), and says for how
    /// many milliseconds it is held back.
    pub(super) fn begin(&self, family: &str, cost: Cost, taken: u64, probe: bool, now: Millis) -> (u64, Charge, bool) {
        let inner = &mut *self.inner.lock();
        let tries = probe && inner.state.circuit.is_open();
        if probe {
            inner.state.locks.begin_probe(family, now, &inner.settings.cooldown);
            inner.state.circuit.begin_try(now);
        }
        let terms = Terms { known: &inner.known, settings: &inner.settings.pace };
        let (pause, charge) = inner.state.paces.take(family, cost, taken, terms, now);
        (pause, charge, tries)
    }

    /// Changes what watches it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Protections, Terms<'_>, &Settings) -> T) -> T {
        let inner = &mut *self.inner.lock();
        let terms = Terms { known: &inner.known, settings: &inner.settings.pace };
        change(&mut inner.state, terms, &inner.settings)
    }

    pub(super) fn locks<T>(&self, change: impl FnOnce(&mut Cooldowns) -> T) -> T {
        change(&mut self.inner.lock().state.locks)
    }

    pub(super) fn apply(&self, spec: &AccountSpec, settings: Settings) {
        self.tier.store(spec.tier, Ordering::Relaxed);
        self.slots.set_limit(spec.concurrency);
        self.enabled.store(spec.enabled, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        inner.upstream.clone_from(&spec.upstream);
        inner.project.clone_from(&spec.project);
        inner.known = spec.limits;
        inner.settings = settings;
    }

    pub(super) fn suspend(&self, suspension: Option<Suspension>) {
        self.inner.lock().suspended = suspension;
    }

    /// Slots in use relative to the limit, as a number that orders accounts.
    pub(super) fn load(&self) -> u64 {
        let weight = match self.limit() {
            0 => UNLIMITED_WEIGHT,
            limit => limit,
        };
        (u64::from(self.in_flight()) << 32) / u64::from(weight)
    }

    pub(super) fn full(&self) -> bool {
        self.slots.full()
    }

    /// Reserves a slot. `limited` is off if slots are switched off.
    pub(super) fn reserve(&self, limited: bool) -> bool {
        self.slots.reserve(limited)
    }

    pub(super) fn give_back(&self) {
        self.slots.give_back();
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn note_taken(&self, sequence: u64, probe: bool, now: Millis) {
        self.used.store(sequence, Ordering::Relaxed);
        self.last_used.store(now.0, Ordering::Relaxed);
        self.counters.taken.fetch_add(1, Ordering::Relaxed);
        self.counters.probes.fetch_add(u64::from(probe), Ordering::Relaxed);
    }

    pub(super) fn note_succeeded(&self) {
        self.counters.succeeded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_failed(&self) {
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_locked(&self) {
        self.counters.locked.fetch_add(1, Ordering::Relaxed);
    }

    /// Upstream and member in the index; `None` if the account is gone from it.
    pub(super) fn seat(&self) -> Option<(usize, u32)> {
        let seat = self.seat.load(Ordering::Relaxed);
        (seat != NO_SEAT).then_some(((seat >> 32) as usize, seat as u32))
    }

    pub(super) fn set_seat(&self, seat: Option<(u32, u32)>) {
        let seat = seat.map_or(NO_SEAT, |(upstream, member)| u64::from(upstream) << 32 | u64::from(member));
        self.seat.store(seat, Ordering::Relaxed);
    }
}
