//! Fewer requests at a time for an upstream that says it is overloaded.
//!
//! 529 and 503 are told to the source address, not to the account: more accounts would make it worse, and locking one
//! helps nobody. So the upstream as a whole gets a ceiling of requests at work; who finds it reached waits in line.
//!
//! - **Lower**: half of what is at work, once for each wave: what was sent before the last cut says nothing new.
//! - **Raise**: by one for as many successes as the ceiling is high.
//! - **Lift**: after a calm time without a complaint.

use crate::pool::time::Millis;

/// Numbers and switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Switch.
    pub enabled: bool,
    /// Requests that may always be at work there. At least 1.
    pub floor: u32,
    /// How long it must be well before its ceiling is lifted, in milliseconds.
    pub calm_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, floor: 2, calm_ms: 60_000 }
    }
}

/// The ceiling of one upstream, for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeilingView {
    /// The upstreams that the pool's accounts are good for, joined with `+`.
    pub upstream: String,
    /// Requests at a time at most; `None`: it is well.
    pub ceiling: Option<u32>,
    /// Requests at work.
    pub in_flight: u32,
}

/// The ceiling of one upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceiling {
    lowered: Option<Lowered>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lowered {
    ceiling: u32,
    /// Successes since it was changed.
    successes: u32,
    /// Sequence number of the last cut.
    event: u64,
    /// The last complaint.
    at: Millis,
}

impl Ceiling {
    /// Requests at a time at most; `None`: as many as the accounts allow.
    pub fn at(&self, now: Millis, settings: &Settings) -> Option<u32> {
        let lowered = self.lowered.filter(|lowered| settings.enabled && now.since(lowered.at) < settings.calm_ms)?;
        Some(lowered.ceiling.max(settings.floor.max(1)))
    }

    /// The ceiling, and when it is lifted unless there is another complaint. `None`: it is well.
    pub fn stored(&self, now: Millis, settings: &Settings) -> Option<(u32, Millis)> {
        let (ceiling, lowered) = (self.at(now, settings)?, self.lowered?);
        Some((ceiling, lowered.at.plus(settings.calm_ms)))
    }

    /// Puts back what was stored, unless it has been lowered since or the calm is over.
    pub fn restore(&mut self, ceiling: u32, until: Millis, now: Millis, settings: &Settings) {
        if self.lowered.is_none() && settings.enabled && until > now {
            // A clock that was set back does not keep it low.
            let at = Millis(until.0.saturating_sub(settings.calm_ms)).min(now);
            self.lowered = Some(Lowered { ceiling, successes: 0, event: 0, at });
        }
    }

    /// It said that it is overloaded, to a lease that was taken at `taken`, with so many requests at work.
    pub fn overloaded(&mut self, in_flight: u32, taken: u64, event: u64, now: Millis, settings: &Settings) {
        if !settings.enabled {
            return;
        }
        let before = self.at(now, settings);
        match &mut self.lowered {
            Some(lowered) if before.is_some() && taken < lowered.event => lowered.at = now,
            lowered => {
                let half = in_flight.min(before.unwrap_or(u32::MAX)) / 2;
                let ceiling = half.max(settings.floor.max(1));
                *lowered = Some(Lowered { ceiling, successes: 0, event, at: now });
            }
        }
    }

    /// It served a lease that was taken at `taken`.
    pub fn served(&mut self, taken: u64) {
        let Some(lowered) = self.lowered.as_mut().filter(|lowered| taken > lowered.event) else { return };
        lowered.successes += 1;
        if lowered.successes >= lowered.ceiling {
            lowered.ceiling = lowered.ceiling.saturating_add(1);
            lowered.successes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ceiling, Millis, Settings};

    const SETTINGS: Settings = Settings { enabled: true, floor: 2, calm_ms: 1_000 };

    #[test]
    fn lesson_14_a_wave_of_529_halves_what_is_at_work_once() {
        let mut ceiling = Ceiling::default();
        assert_eq!(ceiling.at(Millis(0), &SETTINGS), None);
        ceiling.overloaded(20, 1, 21, Millis(0), &SETTINGS);
        for taken in 2..20 {
            ceiling.overloaded(20 - taken as u32, taken, 20 + taken, Millis(1), &SETTINGS);
        }
        assert_eq!(ceiling.at(Millis(1), &SETTINGS), Some(10));
        ceiling.overloaded(10, 50, 51, Millis(2), &SETTINGS);
        assert_eq!(ceiling.at(Millis(2), &SETTINGS), Some(5));
        for n in 0..9 {
            ceiling.overloaded(1, 60 + 2 * n, 61 + 2 * n, Millis(3), &SETTINGS);
        }
        assert_eq!(ceiling.at(Millis(3), &SETTINGS), Some(2), "the floor");
    }

    #[test]
    fn successes_raise_it_and_calm_lifts_it() {
        let mut ceiling = Ceiling::default();
        ceiling.overloaded(6, 1, 2, Millis(0), &SETTINGS);
        assert_eq!(ceiling.at(Millis(0), &SETTINGS), Some(3));
        (0..9).for_each(|_| ceiling.served(1));
        assert_eq!(ceiling.at(Millis(0), &SETTINGS), Some(3), "sent before the cut");
        (0..3).for_each(|_| ceiling.served(5));
        assert_eq!(ceiling.at(Millis(0), &SETTINGS), Some(4));
        (0..4).for_each(|_| ceiling.served(5));
        assert_eq!(ceiling.at(Millis(999), &SETTINGS), Some(5));
        assert_eq!(ceiling.at(Millis(1_000), &SETTINGS), None);
        ceiling.overloaded(40, 9, 10, Millis(2_000), &SETTINGS);
        assert_eq!(ceiling.at(Millis(2_000), &SETTINGS), Some(20), "what was before the calm is forgotten");
    }

    #[test]
    fn it_is_as_low_after_a_restart_and_rises_as_before() {
        let mut ceiling = Ceiling::default();
        ceiling.overloaded(6, 1, 2, Millis(500), &SETTINGS);
        let (low, until) = ceiling.stored(Millis(600), &SETTINGS).unwrap();
        assert_eq!((low, until), (3, Millis(1_500)));
        let mut again = Ceiling::default();
        again.restore(low, until, Millis(700), &SETTINGS);
        assert_eq!((again.at(Millis(1_499), &SETTINGS), again.at(until, &SETTINGS)), (Some(3), None));
        (0..3).for_each(|_| again.served(1));
        assert_eq!(again.at(Millis(700), &SETTINGS), Some(4));
        let mut late = Ceiling::default();
        late.restore(low, until, until, &SETTINGS);
        assert_eq!((late, ceiling.stored(until, &SETTINGS)), (Ceiling::default(), None));
    }

    #[test]
    fn it_can_be_switched_off() {
        let off = Settings { enabled: false, ..SETTINGS };
        let mut ceiling = Ceiling::default();
        ceiling.overloaded(20, 1, 2, Millis(0), &off);
        assert_eq!(ceiling, Ceiling::default());
    }
}
