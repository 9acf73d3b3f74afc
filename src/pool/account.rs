//! One account: what the configuration says of it, and what happens to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::time::Millis;
use crate::breaker::{CircuitState, CircuitView};
use crate::limits::cooldown::{Cooldown, Cooldowns, Standing};
use crate::limits::pace::{Known, PaceView};

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
    /// 0 means no limit.
    limit: AtomicU32,
    enabled: AtomicBool,
    in_flight: AtomicU32,
    in_flight_max: AtomicU32,
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
    suspended: Option<String>,
    locks: Cooldowns,
}

impl AccountState {
    pub(super) fn new(spec: &AccountSpec) -> Self {
        let state = AccountState {
            id: spec.id.as_str().into(),
            tier: AtomicU8::new(spec.tier),
            limit: AtomicU32::new(spec.concurrency),
            enabled: AtomicBool::new(spec.enabled),
            in_flight: AtomicU32::new(0),
            in_flight_max: AtomicU32::new(0),
            last_used: AtomicU64::new(0),
            used: AtomicU64::new(0),
            seat: AtomicU64::new(NO_SEAT),
            counters: Counters::default(),
            inner: Mutex::default(),
        };
        state.apply(spec);
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
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests in flight at most; 0 means no limit.
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Whether the configuration allows it and nothing has suspended it.
    pub fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed) && self.inner.lock().suspended.is_none()
    }

    /// Why it was suspended at run time, such as a revoked token.
    pub fn suspended(&self) -> Option<String> {
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
            in_flight_max: self.in_flight_max.load(Ordering::Relaxed),
        }
    }

    /// The locks that hold now, each with its family (`None`: the whole account), reason, end and next probe.
    pub fn cooldowns(&self, now: Millis) -> Vec<(Option<String>, Cooldown)> {
        let inner = self.inner.lock();
        let mut found: Vec<_> =
            inner.locks.active(now).map(|(family, lock)| (family.map(ToOwned::to_owned), *lock)).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// Its paces that have been used, in order of their families.
    pub fn paces(&self, now: Millis) -> Vec<PaceView> {
        let _ = now;
        Vec::new()
    }

    /// The state of its breaker.
    pub fn circuit(&self, now: Millis) -> CircuitView {
        let _ = now;
        CircuitView { state: CircuitState::Closed, failures: 0, until: None }
    }

    /// Whether its locks allow a request of `family` now. Slots and switches are not looked at.
    pub fn standing(&self, family: &str, now: Millis) -> Standing {
        self.inner.lock().locks.standing(family, now)
    }

    pub(super) fn standing_in_general(&self, now: Millis) -> Standing {
        self.inner.lock().locks.standing_in_general(now)
    }

    pub(super) fn longest_lock(&self, family: &str, now: Millis) -> Option<Cooldown> {
        self.inner.lock().locks.longest(family, now).copied()
    }

    pub(super) fn locks<T>(&self, change: impl FnOnce(&mut Cooldowns) -> T) -> T {
        change(&mut self.inner.lock().locks)
    }

    pub(super) fn apply(&self, spec: &AccountSpec) {
        self.tier.store(spec.tier, Ordering::Relaxed);
        self.limit.store(spec.concurrency, Ordering::Relaxed);
        self.enabled.store(spec.enabled, Ordering::Relaxed);
        self.inner.lock().upstream.clone_from(&spec.upstream);
    }

    pub(super) fn suspend(&self, reason: Option<String>) {
        self.inner.lock().suspended = reason;
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
        let limit = self.limit();
        limit > 0 && self.in_flight() >= limit
    }

    /// Reserves a slot by compare-and-set. `limited` is off if slots are switched off.
    pub(super) fn reserve(&self, limited: bool) -> bool {
        let limit = if limited && self.limit() > 0 { self.limit() } else { u32::MAX };
        let before =
            self.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| (used < limit).then(|| used + 1));
        if let Ok(before) = before {
            self.in_flight_max.fetch_max(before + 1, Ordering::Relaxed);
        }
        before.is_ok()
    }

    pub(super) fn give_back(&self) {
        // Saturating: one lease gives back once, but a wrong count must not become "four thousand million in flight".
        let _ = self.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| Some(used.saturating_sub(1)));
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
