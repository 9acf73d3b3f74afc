//! The same refusal from several accounts: then it is not about the accounts.
//!
//! One bad request can come back as 429 from everyone, and a provider in trouble refuses everyone. Walking on would
//! only spread it. Refusals that are evidently about one account (its key, its money, a limit with its own reset time)
//! do not count: the next account may be well.

use super::classify::{Failure, Fault, Reason};

/// Distinct accounts with the same refusal after which the walk stops; the default.
pub const SAME_REFUSALS_MAX: usize = 3;
/// Refusals remembered for one request; as many as attempts are possible.
const REMEMBERED_MAX: usize = 64;

/// The refusals that one request has met.
#[derive(Clone, Debug)]
pub struct Refusals {
    limit: usize,
    seen: Vec<(String, String, Reason)>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self::new(SAME_REFUSALS_MAX)
    }
}

impl Refusals {
    /// A counter that stops the walk at the same refusal from `limit` distinct accounts of an upstream; 0 never does.
    pub fn new(limit: usize) -> Self {
        Refusals { limit, seen: Vec::new() }
    }

    /// Notes a refusal. `true` if trying more accounts of this upstream is pointless: the caller leaves the upstream out
    /// of what it asks for next, and if none is left returns this failure.
    /// `surprising` is what [`crate::pool::Lease::surprised`] says: then also a limit that names its end counts.
    pub fn stops(&mut self, upstream: &str, account: &str, failure: &Failure, surprising: bool) -> bool {
        if self.limit == 0 || !counts(failure, surprising) {
            return false;
        }
        let known = self.same(upstream, failure.reason).any(|seen| seen == account);
        if !known && self.seen.len() < REMEMBERED_MAX {
            self.seen.push((upstream.to_owned(), account.to_owned(), failure.reason));
        }
        self.same(upstream, failure.reason).count() >= self.limit
    }

    /// The accounts of an upstream that refused for this reason. After a stop their cooldowns for this reason rest on
    /// nothing, and may be cleared.
    pub fn same<'s>(&'s self, upstream: &'s str, reason: Reason) -> impl Iterator<Item = &'s str> {
        self.seen
            .iter()
            .filter(move |(at, _, why)| at == upstream && *why == reason)
            .map(|(_, account, _)| account.as_str())
    }
}

/// Whether a refusal can be about something else than the account that gave it.
fn counts(failure: &Failure, surprising: bool) -> bool {
    failure.fault != Fault::Account || (failure.reason == Reason::RateLimit && (!failure.hinted || surprising))
}

#[cfg(test)]
mod tests {
    use interlingua_filters::Dialect;

    use super::Refusals;
    use crate::limits::classify::{Defaults, Failure, classify};
    use crate::limits::hint::{Hint, HintSource};

    fn failure(status: u16, wait_ms: Option<u64>) -> Failure {
        let hint = wait_ms.map(|wait_ms| Hint { wait_ms, source: HintSource::RetryAfter, daily: false });
        classify(Dialect::Gemini, Some(status), None, hint, None, &Defaults::default())
    }

    #[test]
    fn lesson_1_the_same_bare_429_from_three_accounts_stops() {
        let mut refusals = Refusals::default();
        assert!(!refusals.stops("up", "a", &failure(429, None), false));
        assert!(!refusals.stops("up", "a", &failure(429, None), false), "the same account again proves nothing");
        assert!(!refusals.stops("up", "b", &failure(429, None), false));
        assert!(!refusals.stops("other", "c", &failure(429, None), false), "another upstream is counted apart");
        assert!(!refusals.stops("up", "d", &failure(500, None), false), "another reason is counted apart");
        assert!(refusals.stops("up", "e", &failure(429, None), false));
        let reason = failure(429, None).reason;
        assert_eq!(refusals.same("up", reason).collect::<Vec<_>>(), ["a", "b", "e"]);
    }

    #[test]
    fn refusals_about_the_account_itself_never_stop() {
        let mut refusals = Refusals::new(1);
        assert!(!refusals.stops("up", "a", &failure(429, Some(30_000)), false));
        assert!(!refusals.stops("up", "a", &failure(401, None), false));
        assert!(!refusals.stops("up", "a", &failure(402, None), false));
        assert!(refusals.stops("up", "a", &failure(503, None), false));
    }

    #[test]
    fn it_can_be_switched_off_and_is_bounded() {
        let mut off = Refusals::new(0);
        let mut high = Refusals::new(1000);
        for n in 0..1000 {
            assert!(!off.stops("up", &n.to_string(), &failure(500, None), false));
            assert!(!high.stops("up", &n.to_string(), &failure(500, None), false));
        }
        assert_eq!(high.seen.len(), super::REMEMBERED_MAX);
    }
}
