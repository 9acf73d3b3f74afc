//! What was used in the last minute.

use std::collections::VecDeque;

use crate::pool::time::Millis;

/// The minute.
const LENGTH_MS: u64 = 60_000;
/// What is used is kept by slots of this length. What is in a slot counts until all of the slot is a minute old, so that
/// no minute, wherever it begins, has more than was allowed.
const SLOT_MS: u64 = 1_000;
/// Slots at most: a minute, the slot that begins it, and those of pauses ahead.
pub(super) const SLOTS_MAX: usize = 128;

/// What was used of one account and family in the last minute.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    slots: VecDeque<Slot>,
    requests: u64,
    tokens: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) number: u64,
    pub(super) requests: u64,
    pub(super) tokens: u64,
}

/// Which of the two is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Requests,
    Tokens,
}

impl Slot {
    fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Requests => self.requests,
            Kind::Tokens => self.tokens,
        }
    }

    /// When it no longer counts.
    fn ends(&self) -> Millis {
        Millis((self.number + 1).saturating_mul(SLOT_MS)).plus(LENGTH_MS)
    }
}

impl Window {
    /// Forgets what is over.
    pub(super) fn advance(&mut self, now: Millis) {
        while let Some(slot) = self.slots.front().filter(|slot| slot.ends() <= now) {
            self.requests -= slot.requests;
            self.tokens -= slot.tokens;
            self.slots.pop_front();
        }
    }

    /// What counts now.
    pub(super) fn used(&self, kind: Kind, now: Millis) -> u64 {
        let total = match kind {
            Kind::Requests => self.requests,
            Kind::Tokens => self.tokens,
        };
        let over = self.slots.iter().take_while(|slot| slot.ends() <= now);
        total - over.map(|slot| slot.of(kind)).sum::<u64>()
    }

    /// The moment from which `need` more has room below `bound`; not before `now`. More than the bound has room when
    /// nothing else counts.
    pub(super) fn opens(&self, kind: Kind, need: u64, bound: u64, now: Millis) -> Millis {
        let most = bound.saturating_sub(need);
        let mut used = self.used(kind, now);
        if used <= most {
            return now;
        }
        for slot in self.slots.iter().skip_while(|slot| slot.ends() <= now) {
            used -= slot.of(kind);
            if used <= most {
                return slot.ends();
            }
        }
        now
    }

    /// Notes a request at `at`.
    pub(super) fn add(&mut self, tokens: u64, at: Millis) {
        self.put(Slot { number: at.0 / SLOT_MS, requests: 1, tokens });
    }

    /// Corrects the tokens of a request of `at`: in its slot, or now if that is gone.
    pub(super) fn correct(&mut self, estimate: u64, actual: u64, at: Millis, now: Millis) {
        let number = at.0 / SLOT_MS;
        match self.slots.iter_mut().find(|slot| slot.number == number) {
            Some(slot) => {
                let before = slot.tokens;
                slot.tokens = before.saturating_sub(estimate).saturating_add(actual);
                self.tokens = (self.tokens - before).saturating_add(slot.tokens);
            }
            None => {
                let more = actual.saturating_sub(estimate);
                if more > 0 {
                    self.put(Slot { number: now.0 / SLOT_MS, requests: 0, tokens: more });
                }
            }
        }
    }

    /// Its slots, for the store.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// Adds to a slot; they are in order.
    pub(super) fn put(&mut self, new: Slot) {
        self.requests = self.requests.saturating_add(new.requests);
        self.tokens = self.tokens.saturating_add(new.tokens);
        let at = self.slots.partition_point(|slot| slot.number < new.number);
        if let Some(slot) = self.slots.get_mut(at).filter(|slot| slot.number == new.number) {
            slot.requests = slot.requests.saturating_add(new.requests);
            slot.tokens = slot.tokens.saturating_add(new.tokens);
            return;
        }
        self.slots.insert(at, new);
        if self.slots.len() > SLOTS_MAX {
            // Time has gone back or far ahead. What is oldest counts a little longer than it should.
            let first = self.slots.pop_front().unwrap_or_default();
            if let Some(next) = self.slots.front_mut() {
                next.requests = next.requests.saturating_add(first.requests);
                next.tokens = next.tokens.saturating_add(first.tokens);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Kind, Millis, Window};

    #[test]
    fn what_is_a_minute_old_no_longer_counts() {
        let mut window = Window::default();
        window.add(10, Millis(1_500));
        window.add(20, Millis(2_500));
        assert_eq!((window.used(Kind::Requests, Millis(61_999)), window.used(Kind::Tokens, Millis(61_999))), (2, 30));
        assert_eq!(window.used(Kind::Tokens, Millis(62_000)), 20);
        assert_eq!(window.opens(Kind::Tokens, 5, 30, Millis(3_000)), Millis(62_000));
        assert_eq!(window.opens(Kind::Tokens, 99, 30, Millis(3_000)), Millis(63_000), "more than the whole");
        window.advance(Millis(63_000));
        assert_eq!((window.slots.len(), window.requests, window.tokens), (0, 0, 0));
    }

    #[test]
    fn a_correction_goes_where_the_request_was() {
        let mut window = Window::default();
        window.add(10, Millis(1_000));
        window.correct(10, 4, Millis(1_000), Millis(30_000));
        assert_eq!(window.used(Kind::Tokens, Millis(30_000)), 4);
        window.advance(Millis(70_000));
        window.correct(10, 4, Millis(1_000), Millis(70_000));
        assert_eq!(window.used(Kind::Tokens, Millis(70_000)), 0);
        window.correct(10, 40, Millis(1_000), Millis(70_000));
        assert_eq!(window.used(Kind::Tokens, Millis(70_000)), 30);
    }

    proptest! {
        #[test]
        fn no_minute_has_more_than_the_bound(
            steps in proptest::collection::vec(0u64..9_000, 1..200),
            bound in 1u64..20,
        ) {
            let (mut window, mut now, mut sent) = (Window::default(), Millis(0), Vec::new());
            for step in steps {
                now = now.plus(step);
                window.advance(now);
                let at = window.opens(Kind::Requests, 1, bound, now);
                prop_assert!(at == now || at.since(now) <= 61_000);
                if at > now {
                    prop_assert!(window.opens(Kind::Requests, 1, bound, Millis(at.0 - 1)) == at, "not earlier");
                    now = at;
                    window.advance(now);
                }
                window.add(1, now);
                sent.push(now);
                let last = sent.iter().filter(|then| now.since(**then) < 60_000).count() as u64;
                prop_assert!(last <= bound);
            }
        }
    }
}
