//! Whether an account may be used, and what stands in the way: the one answer of locks, breaker and pace together. And what
//! is used of its quotas, which orders those that may.

use std::collections::BTreeMap;

use super::time::Millis;
use crate::limits::cooldown::Standing;

/// What closes an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Cooldown,
    Breaker,
    Pace,
}

/// Whether an account may be used, and what stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) standing: Standing,
    /// What closes it; of several the first. What asks for a probe, if nothing closes it.
    pub(super) cause: Cause,
}

impl Fate {
    /// All of `parts` hold.
    pub(super) fn of(parts: &[(Standing, Cause)]) -> Self {
        let standing = parts.iter().fold(Standing::Open, |all, (one, _)| all.and(*one));
        let closed = parts.iter().find(|(one, _)| matches!(one, Standing::Closed { .. }));
        let first = closed.or_else(|| parts.iter().find(|(one, _)| *one != Standing::Open));
        Fate { standing, cause: first.map_or(Cause::Cooldown, |(_, cause)| *cause) }
    }

    /// Until when it is closed for one whose probe is spent or not; `None` if it may be used.
    pub(super) fn until(self, probed: bool) -> Option<Millis> {
        match self.standing {
            Standing::Closed { until, .. } => Some(until),
            Standing::Probe { until } => probed.then_some(until),
            Standing::Open => None,
        }
    }
}

/// Families of one account with a quota of their own that counts, at most.
const OWN_MAX: usize = 64;
/// Ends that differ by less are the same, in milliseconds: those of buckets move with each answer.
const SAME_END_MS: u64 = 60_000;
/// A quota in so many parts: those that differ by less are equal, and the one that is idle longer is taken. So the accounts
/// are used in turn, and a reading that is some minutes old sends not all requests to one.
const PARTS: f64 = 10.0;

/// How much of an account's quotas is used, in tenths. 0 as well if nobody has told: nothing is known to run out.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// Of what all families share.
    shared: u8,
    /// Of what a family has for itself, and until when that is so.
    own: BTreeMap<String, (u8, Millis)>,
}

impl Spent {
    /// So much is left, of a family or of what all share; `false` if that changes nothing.
    pub(super) fn note(&mut self, family: Option<&str>, left: f64, until: Millis) -> bool {
        let spent = ((1.0 - left).clamp(0.0, 1.0) * PARTS) as u8;
        let Some(family) = family else { return std::mem::replace(&mut self.shared, spent) != spent };
        if spent == 0 {
            return self.own.remove(family).is_some();
        }
        if let Some((known, ends)) = self.own.get_mut(family) {
            let same = *known == spent && ends.plus(SAME_END_MS) >= until && *ends <= until.plus(SAME_END_MS);
            (*known, *ends) = (spent, if same { *ends } else { until });
            return !same;
        }
        let fits = self.own.len() < OWN_MAX;
        if fits {
            self.own.insert(family.to_owned(), (spent, until));
        }
        fits
    }

    /// For a family; `None`: for those without a quota of their own.
    pub(super) fn of(&self, family: Option<&str>) -> u8 {
        let own = family.and_then(|family| self.own.get(family)).map_or(0, |(spent, _)| *spent);
        self.shared.max(own)
    }

    /// The families with a quota of their own that counts, and until when it does.
    pub(super) fn families(&self) -> impl Iterator<Item = (&str, Millis)> {
        self.own.iter().map(|(family, (_, until))| (family.as_str(), *until))
    }
}
