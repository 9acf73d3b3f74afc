//! Whether an account may be used, and what stands in the way: the one answer of locks, breaker and pace together.

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
