//! Hedging: a second request to another account when the first is slow to begin. It costs tokens, so it is off by default,
//! and rare: only where no prompt cache would be lost, never more than a share of all requests, and never when providers
//! have too much to do as it is: more requests would make that worse.
//!
//! - [`Hedges`]: which request may be hedged. Pure: time is an argument.
//! - [`Race`]: which of the two answers is the client's: the first to have content.

mod race;

use parking_lot::Mutex;

pub use race::{Race, Side};

use crate::pool::Millis;

/// Hedges that may be saved up, in hundredths: a quiet hour must not be followed by a burst.
const SAVED_MAX: u32 = 1_000;
/// What one hedge takes, in hundredths.
const ONE: u32 = 100;
/// After a refusal or an overload nothing is hedged for so long, in milliseconds.
const CALM_MS: u64 = 30_000;

/// What decides whether a request is hedged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its conversation has a prompt cache somewhere.
    pub warm: bool,
    /// Only one account can serve it: it names an object there, or all requests go to one.
    pub tied: bool,
    /// The pool lets requests wait: its accounts are near their limits.
    pub paced: bool,
}

/// Which requests may be hedged.
#[derive(Debug, Default)]
pub struct Hedges(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Hundredths of a hedge.
    saved: u32,
    /// When a provider last refused for a limit, or was overloaded.
    refused: Option<Millis>,
}

impl Hedges {
    /// A request begins, of which `share_percent` in a hundred may be hedged. Whether this one may.
    pub fn asks(&self, facts: Facts, share_percent: u8, now: Millis) -> bool {
        let mut state = self.0.lock();
        state.saved = state.saved.saturating_add(u32::from(share_percent)).min(SAVED_MAX);
        state.saved >= ONE && !facts.warm && !facts.tied && !facts.paced && state.calm(now)
    }

    /// The first request is slow. Whether the second may be sent now; then it counts.
    pub fn takes(&self, now: Millis) -> bool {
        let mut state = self.0.lock();
        let may = state.saved >= ONE && state.calm(now);
        if may {
            state.saved -= ONE;
        }
        may
    }

    /// A provider refused for a limit, or was overloaded.
    pub fn refused(&self, now: Millis) {
        self.0.lock().refused = Some(now);
    }
}

impl State {
    fn calm(&self, now: Millis) -> bool {
        self.refused.is_none_or(|at| now.since(at) >= CALM_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Millis = Millis(1_760_000_000_000);
    const COLD: Facts = Facts { warm: false, tied: false, paced: false };

    #[test]
    fn no_more_than_the_share_is_hedged_and_little_is_saved_up() {
        let hedges = Hedges::default();
        let sent = (0..1_000).filter(|_| hedges.asks(COLD, 5, START) && hedges.takes(START)).count();
        assert_eq!(sent, 50);
        for _ in 0..1_000 {
            hedges.asks(COLD, 5, START);
        }
        assert_eq!((0..100).filter(|_| hedges.takes(START)).count(), 10);
        assert!(!Hedges::default().takes(START), "nothing is lent");
    }

    #[test]
    fn a_warm_cache_a_tie_and_a_pace_stand_in_the_way() {
        for facts in [Facts { warm: true, ..COLD }, Facts { tied: true, ..COLD }, Facts { paced: true, ..COLD }] {
            assert!(!Hedges::default().asks(facts, 100, START), "{facts:?}");
        }
        assert!(Hedges::default().asks(COLD, 100, START));
    }

    #[test]
    fn lessons_14_nothing_is_hedged_soon_after_a_refusal() {
        let hedges = Hedges::default();
        assert!(hedges.asks(COLD, 100, START));
        hedges.refused(START);
        assert!(!hedges.asks(COLD, 100, START.plus(CALM_MS - 1)) && !hedges.takes(START.plus(CALM_MS - 1)));
        assert!(hedges.takes(START.plus(CALM_MS)));
    }
}
