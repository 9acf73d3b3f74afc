//! A slot of one account, held for one attempt.

use std::fmt;
use std::sync::Arc;

use super::account::AccountState;
use super::registry::Shared;
use super::time::Millis;
use crate::limits::allowance::Allowance;
use crate::limits::classify::Failure;
use crate::limits::cooldown::Cooldown;

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
    sequence: u64,
    probe: bool,
    bound: BoundAccount,
}

impl Lease {
    pub(super) fn new(
        shared: Arc<Shared>,
        account: Arc<AccountState>,
        family: &str,
        sequence: u64,
        probe: bool,
        bound: BoundAccount,
    ) -> Self {
        Lease { shared, account, family: family.into(), sequence, probe, bound }
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

    /// So many milliseconds are to pass before the request is sent: spreads requests where a limit is near.
    pub fn pause_ms(&self) -> u64 {
        0
    }

    /// The same account is tried once more on this lease: takes of its limits again, and returns the pause, in
    /// milliseconds.
    pub fn again(&self, now: Millis) -> u64 {
        let _ = now;
        0
    }

    /// The headers of an answer, also of a refusal, as soon as they are there and before [`Self::failed`].
    pub fn told(&self, allowance: &Allowance, now: Millis) {
        let _ = (allowance, now);
    }

    /// What the request really took. Without this the estimate stays.
    pub fn settle(&self, tokens: u64, now: Millis) {
        let _ = (tokens, now);
    }

    /// Whether a rate limit is surprising: the account had plenty of room when this lease was taken, or has served
    /// others since. For [`crate::limits::Refusals::stops`].
    pub fn surprised(&self, failure: &Failure) -> bool {
        let _ = failure;
        false
    }

    /// The number of the last failure on this lease, for [`super::Registry::forgive`]; 0 if there was none.
    pub fn event(&self) -> u64 {
        0
    }

    /// The provider served: clears the locks that were set before this lease was taken, so that a stream which began
    /// earlier does not undo what was learnt since. `true` if something was cleared.
    pub fn succeeded(&self, now: Millis) -> bool {
        self.account.note_succeeded();
        let mut index = self.shared.index.lock();
        index.now = now;
        let cleared = self.account.locks(|locks| locks.succeeded(&self.family, self.sequence));
        if cleared {
            index.refresh(&self.account, now);
        }
        cleared
    }

    /// The attempt failed: sets the lock that `failure` names, if any, spread by `seed`. The lease is kept, so that a
    /// retry on the same account needs no new one.
    pub fn failed(&self, failure: &Failure, now: Millis, seed: u64) -> Option<Cooldown> {
        self.account.note_failed();
        self.shared.index.lock().fail(&self.account, &self.family, failure, self.sequence, seed, now)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        {
            let mut index = self.shared.index.lock();
            self.account.give_back();
            if self.probe {
                self.account.locks(|locks| locks.end_probe(&self.family));
            }
            let now = index.now;
            index.refresh(&self.account, now);
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
