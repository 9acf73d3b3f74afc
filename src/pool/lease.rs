//! A slot of one account, held for one attempt.

use std::fmt;
use std::sync::Arc;

use super::account::AccountState;
use super::index::Report;
use super::registry::Shared;
use super::sync::{AtomicU64, Mutex, Ordering};
use super::time::Millis;
use crate::limits::allowance::Allowance;
use crate::limits::classify::{Failure, Reason};
use crate::limits::cooldown::Cooldown;
use crate::limits::pace::{Charge, Cost};

/// What became of the account that the session is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundAccount {
    /// The session was bound to none.
    None,
    /// This lease is on it.
    Served,
    /// Only its slots are full: who wants the prompt cache may wait a little and ask again.
    Busy,
    /// It is locked until then. A long lock is a reason to unbind ([`super::Affinity::locked`]).
    Cooling {
        /// End of the lock.
        until: Millis,
    },
    /// It has no room for this request. Who wants the prompt cache may wait and ask again.
    Paced {
        /// When it has.
        until: Millis,
    },
    /// It has failed too often.
    Broken {
        /// When it is tried.
        until: Millis,
    },
    /// This request has tried it.
    Attempted,
    /// Gone, disabled, in another upstream, or not eligible: a reason to unbind.
    Gone,
}

/// A slot of one account. Dropping it gives the slot back, on every path.
///
/// Report [`Self::succeeded`] or [`Self::failed`] before dropping it. A lease without a report says nothing of the
/// account: the client left, or the request was at fault.
#[must_use = "dropping a lease gives its slot back"]
pub struct Lease {
    shared: Arc<Shared>,
    account: Arc<AccountState>,
    family: Box<str>,
    /// Changed under the index's lock alone.
    taken: Mutex<Taken>,
    probe: bool,
    last_resort: bool,
    bound: BoundAccount,
    /// The last failure.
    event: AtomicU64,
}

/// What a lease has taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) sequence: u64,
    pub(super) probe: bool,
    /// Whether it tries an open breaker.
    pub(super) tries: bool,
    pub(super) last_resort: bool,
    /// Whether it passes a limit that nobody has named.
    pub(super) passes: bool,
    pub(super) pause_ms: u64,
    pub(super) charge: Charge,
    pub(super) cost: Cost,
    pub(super) bound: BoundAccount,
}

impl Lease {
    pub(super) fn new(shared: Arc<Shared>, account: Arc<AccountState>, family: &str, taken: Taken) -> Self {
        let Taken { probe, last_resort, bound, .. } = taken;
        let (family, taken, event) = (family.into(), Mutex::new(taken), AtomicU64::new(0));
        Lease { shared, account, family, taken, probe, last_resort, bound, event }
    }

    /// The account's identity.
    pub fn account_id(&self) -> &str {
        self.account.id()
    }

    /// The account.
    pub fn account(&self) -> &Arc<AccountState> {
        &self.account
    }

    /// The account's identity, to be kept.
    pub fn shared_id(&self) -> Arc<str> {
        self.account.shared_id()
    }

    /// The model family that was asked for.
    pub fn family(&self) -> &str {
        &self.family
    }

    /// Whether this attempt finds out if a lock is still true.
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// What became of the account that the session is bound to.
    pub fn bound(&self) -> BoundAccount {
        self.bound
    }

    /// Whether nobody else was left, and its breaker is open.
    pub fn is_last_resort(&self) -> bool {
        self.last_resort
    }

    /// Whether nobody else was left, and a limit that nobody has named is passed.
    pub fn is_pass(&self) -> bool {
        self.taken.lock().passes
    }

    /// So many milliseconds are to pass before the request is sent: spreads requests where a limit is near.
    pub fn pause_ms(&self) -> u64 {
        self.taken.lock().pause_ms
    }

    /// The same account is tried once more on this lease: takes of its limits again, and returns the pause, in
    /// milliseconds. What is reported from now on is about the new attempt.
    pub fn again(&self, now: Millis) -> u64 {
        let mut index = self.shared.index.lock();
        index.now = now;
        let mut taken = self.taken.lock();
        taken.sequence = index.next();
        let Taken { sequence, cost, mut charge, .. } = *taken;
        (taken.pause_ms, taken.charge) = self.account.change(|all, terms, _| {
            all.paces.close(&self.family, &mut charge);
            all.paces.take(&self.family, cost, sequence, terms, now)
        });
        let pause_ms = taken.pause_ms;
        drop(taken);
        index.refresh_pace(&self.account, &self.family, now);
        pause_ms
    }

    /// The headers of an answer, also of a refusal, as soon as they are there and before [`Self::failed`].
    pub fn told(&self, allowance: &Allowance, now: Millis) {
        let mut index = self.shared.index.lock();
        index.now = now;
        let charge = &mut self.taken.lock().charge;
        self.account.change(|all, _, _| all.paces.told(&self.family, charge, allowance, now));
        index.refresh_pace(&self.account, &self.family, now);
    }

    /// What the request really took: prompt and output, in tokens. Once for each attempt; without it the estimate stays.
    pub fn settle(&self, tokens: u64, now: Millis) {
        let mut index = self.shared.index.lock();
        index.now = now;
        let charge = &mut self.taken.lock().charge;
        self.account.change(|all, _, _| all.paces.settle(&self.family, charge, tokens, now));
        index.refresh_pace(&self.account, &self.family, now);
    }

    /// Whether a rate limit is surprising: the account had plenty of room when this lease was taken, or has served what was
    /// sent later. For [`crate::limits::Refusals::stops`]; before or after [`Self::failed`].
    pub fn surprised(&self, failure: &Failure) -> bool {
        let charge = self.taken.lock().charge;
        failure.reason == Reason::RateLimit
            && self.account.change(|all, _, _| all.paces.surprised(&self.family, &charge))
    }

    /// The number of the last failure on this lease, for [`super::Registry::forgive`]; 0 if there was none.
    pub fn event(&self) -> u64 {
        self.event.load(Ordering::Relaxed)
    }

    /// The provider served: clears the locks and the breaker that were set before this attempt was sent, so that a stream
    /// which began earlier does not undo what was learnt since. `true` if something was cleared.
    pub fn succeeded(&self, now: Millis) -> bool {
        self.account.note_succeeded();
        let mut index = self.shared.index.lock();
        let taken = &mut *self.taken.lock();
        index.succeed(&self.account, &self.family, taken.sequence, &mut taken.charge, now)
    }

    /// The attempt failed: sets the lock that `failure` names, if any, spread by `seed`, and tells breaker, ceiling and
    /// pace. The lease is kept, so that a retry on the same account needs no new one ([`Self::again`]).
    pub fn failed(&self, failure: &Failure, now: Millis, seed: u64) -> Option<Cooldown> {
        self.account.note_failed();
        let mut index = self.shared.index.lock();
        let taken = &mut *self.taken.lock();
        let report = Report { family: &self.family, failure, taken: taken.sequence, charge: &mut taken.charge, seed };
        let (event, cooldown) = index.fail(&self.account, report, now);
        self.event.store(event, Ordering::Relaxed);
        cooldown
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        {
            let mut index = self.shared.index.lock();
            self.account.give_back();
            let mut taken = *self.taken.lock();
            self.account.change(|all, _, _| {
                all.paces.close(&self.family, &mut taken.charge);
                if taken.probe {
                    all.locks.end_probe(&self.family);
                }
                if taken.tries {
                    all.circuit.end_try();
                }
            });
            index.released(&self.account);
        }
        self.shared.slot_released();
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("account", &self.account.id())
            .field("family", &self.family)
            .field("probe", &self.probe)
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}
