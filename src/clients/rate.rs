//! So many a minute: the generic cell rate algorithm (ITU-T I.371), which is a token bucket kept as one moment.
//!
//! The bucket holds a minute's worth and refills all the time. What is kept is the moment at which it is whole again
//! (`whole_at`, the theoretical arrival time): it moves on by what is taken, and nothing has to run while nobody asks.
//!
//! What a request takes is told before it is sent, and set right when it has ended. A reservation stands in a queue of
//! what drains. Only what has not yet drained is given back, so a wrong guess never makes more room than there was: see
//! [`Rate::settle`].

use crate::pool::Millis;

/// The span of the limits, and what the bucket holds, in nanoseconds.
const MINUTE: u64 = 60_000_000_000;
/// Longest debt, in nanoseconds: of a request that was larger than thought, or after a clock was set back.
const DEBT_MAX: u64 = 10 * MINUTE;

/// One window. The limit is not part of it, so it may change while requests are at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    /// When the bucket is whole, in nanoseconds of the epoch.
    whole_at: u64,
    /// All that was ever given back, in nanoseconds: reservations behind it have moved up by as much.
    given_back: u64,
}

/// What was taken for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    cost: u64,
    per_minute: u64,
    /// Where in the queue it ends, in nanoseconds of the epoch.
    end: u64,
    given_back: u64,
}

impl Taken {
    /// The same limit, with nothing taken of it: what is used comes on top.
    pub(super) fn nothing(self) -> Self {
        Taken { cost: 0, ..self }
    }
}

impl Rate {
    /// Milliseconds until there is room for `cost`; 0 if there is.
    ///
    /// What costs more than a minute allows fits into the whole bucket, and leaves it in debt: else it could never be asked.
    pub(super) fn wait_ms(&self, cost: u64, per_minute: u64, now: Millis) -> u64 {
        let now = nanos(now);
        let need = span(cost, per_minute).min(MINUTE);
        let wait = self.at(now).saturating_add(need).saturating_sub(now.saturating_add(MINUTE));
        wait.div_ceil(1_000_000)
    }

    /// Takes `cost`, whether or not there is room for it.
    pub(super) fn take(&mut self, cost: u64, per_minute: u64, now: Millis) -> Taken {
        let now = nanos(now);
        let end = self.at(now).saturating_add(span(cost, per_minute)).min(now.saturating_add(DEBT_MAX));
        self.whole_at = end;
        Taken { cost, per_minute, end, given_back: self.given_back }
    }

    /// Sets right what was taken: it was `used`.
    ///
    /// Of what was taken too much, that part goes back which has not drained since. Where it stands in the queue is its end
    /// less all that went back meanwhile, as if all of that had stood before it.
    pub(super) fn settle(&mut self, taken: Taken, used: u64, now: Millis) {
        if let Some(more) = used.checked_sub(taken.cost) {
            self.take(more, taken.per_minute, now);
            return;
        }
        let unused = span(taken.cost, taken.per_minute) - span(used, taken.per_minute);
        let moved = self.given_back - taken.given_back;
        let left = taken.end.saturating_sub(moved).saturating_sub(nanos(now));
        let back = unused.min(left);
        self.whole_at = self.whole_at.saturating_sub(back);
        self.given_back = self.given_back.saturating_add(back);
    }

    /// How much there is room for now.
    pub(super) fn left(&self, per_minute: u64, now: Millis) -> u64 {
        let now = nanos(now);
        let free = MINUTE.saturating_sub(self.at(now) - now);
        u64::try_from(u128::from(free) * u128::from(per_minute) / u128::from(MINUTE)).unwrap_or(u64::MAX)
    }

    /// Milliseconds until the bucket is whole.
    pub(super) fn whole_in_ms(&self, now: Millis) -> u64 {
        let now = nanos(now);
        (self.at(now) - now).div_ceil(1_000_000)
    }

    /// When the bucket is whole: not before now, and not later than the longest debt.
    fn at(&self, now: u64) -> u64 {
        self.whole_at.clamp(now, now.saturating_add(DEBT_MAX))
    }
}

fn nanos(now: Millis) -> u64 {
    now.0.saturating_mul(1_000_000)
}

/// The time in which `cost` drains, in nanoseconds.
fn span(cost: u64, per_minute: u64) -> u64 {
    let span = (u128::from(cost) * u128::from(MINUTE)).div_ceil(u128::from(per_minute.max(1)));
    u64::try_from(span).unwrap_or(u64::MAX)
}
