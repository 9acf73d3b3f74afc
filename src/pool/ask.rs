//! What a request asks of the pool, and what it hears.

use std::sync::Arc;

use super::lease::Lease;
use super::time::Millis;
use crate::limits::classify::Reason;
use crate::limits::pace::Cost;

/// Accounts that one request may try at most.
pub const ATTEMPTS_MAX: usize = 64;
/// Accounts with open breakers that one request may try as the last resort.
pub const LAST_RESORTS_MAX: u8 = 3;

/// What a request asks of the pool.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Eligible upstreams by name; their order breaks the last tie only.
    pub upstreams: &'a [&'a str],
    /// Model family, or model name, that cooldowns are keyed by.
    pub family: &'a str,
    /// What this request has tried.
    pub attempted: &'a Attempted,
    /// The account that the session is bound to.
    pub bound: Option<&'a str>,
    /// Only this account: pinned, or the holder of an object that the request names.
    pub required: Option<&'a str>,
    /// Whether an account may serve this request at all. Called under the registry's lock: it must be quick, must not
    /// select or drop a lease, and may call [`Registry::get`]. It costs a walk past every free account that it refuses.
    pub eligible: Option<&'a (dyn Fn(&str) -> bool + Sync)>,
    /// What the request takes of the account's limits.
    pub cost: Cost,
}

/// The accounts that one request has tried; at most [`ATTEMPTS_MAX`].
#[derive(Clone, Debug, Default)]
pub struct Attempted {
    pub(super) ids: Vec<Arc<str>>,
    pub(super) probed: bool,
    last_resorts: u8,
}

impl Attempted {
    /// Notes the account of a lease, and that its probe is spent. `false` if no more fit.
    pub fn record(&mut self, lease: &Lease) -> bool {
        self.probed |= lease.is_probe();
        self.last_resorts = self.last_resorts.saturating_add(u8::from(lease.is_last_resort()));
        self.push(lease.shared_id())
    }

    /// Notes an account by its id. `false` if no more fit.
    pub fn insert(&mut self, id: &str) -> bool {
        self.push(id.into())
    }

    /// Whether the account was tried.
    pub fn contains(&self, id: &str) -> bool {
        self.ids.iter().any(|tried| **tried == *id)
    }

    /// How many were tried.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether none was tried.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn push(&mut self, id: Arc<str>) -> bool {
        if self.contains(&id) {
            return true;
        }
        let fits = self.ids.len() < ATTEMPTS_MAX;
        if fits {
            self.ids.push(id);
        }
        fits
    }

    pub(super) fn full(&self) -> bool {
        self.ids.len() >= ATTEMPTS_MAX
    }

    /// Whether it may try one more account as the last resort.
    pub(super) fn may_despair(&self) -> bool {
        self.last_resorts < LAST_RESORTS_MAX && !self.full()
    }
}

/// Why no account was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// Why.
    pub reason: UnavailableReason,
    /// When the first of the candidates opens, tried ones included, and has room for this cost: what `retry-after` is
    /// made of. `None` if none is closed.
    pub soonest: Option<Millis>,
}

/// Why no account was given. The first that applies, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnavailableReason {
    /// Some account would do, but for its slots: waiting for a release helps.
    AllBusy,
    /// Some account would do, but for its limits a minute: it has room at `soonest`.
    AllPaced,
    /// Some account would do, but for its lock.
    AllCooling,
    /// Some account would do, but it has failed too often; it is tried at `soonest`.
    AllBroken,
    /// This request has tried every account that would do, or as many as it may.
    AllAttempted,
    /// There are accounts, but none may serve this request.
    NoneEligible,
    /// There are accounts, but all are switched off.
    AllDisabled,
    /// There is no account.
    NoneConfigured,
}

/// Why an account was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Another one is required.
    NotRequired,
    /// Switched off, or suspended with a reason.
    Disabled(Option<String>),
    /// It may not serve this request.
    NotEligible,
    /// This request has tried it.
    Attempted,
    /// Locked.
    Cooling {
        /// Why.
        reason: Reason,
        /// Until when.
        until: Millis,
        /// When one request may try.
        next_probe: Option<Millis>,
    },
    /// It has no room for this cost.
    Paced {
        /// Until when.
        until: Millis,
    },
    /// It has failed too often.
    Broken {
        /// When one request may try.
        until: Millis,
    },
    /// All its slots are in use.
    Busy,
    /// Its upstream is overloaded, and has as much to do as it may.
    Overloaded,
}

/// One account as a selection sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateView {
    /// The account.
    pub id: String,
    /// Its upstream.
    pub upstream: String,
    /// Its tier.
    pub tier: u8,
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests in flight at most; 0 means no limit.
    pub limit: u32,
    /// Place in the order of preference, from 0; `None` if it is passed over.
    pub order: Option<usize>,
    /// Why it is passed over.
    pub skipped: Option<Skip>,
}

impl Ask<'_> {
    /// Whether an account may serve this request at all.
    pub(super) fn allows(&self, id: &str) -> bool {
        self.eligible.is_none_or(|eligible| eligible(id))
    }
}
