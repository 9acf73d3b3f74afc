//! The lines in which requests wait for an account, as pure state: no clock, no task.
//!
//! - **One line** for each place: a set of pools and a model family. Its order is that of the requests' arrival, also for
//!   one that comes back into it: after an account failed, or after it waited for its own account in vain.
//! - **Who may look** for an account: the first; and who wants something else than all ahead of it. Two requests of one
//!   model want the same unless one insists on an account, or has tried some: and who takes any account also wants what
//!   those want, so they do not pass it. A newcomer is asked the same question, so it cannot overtake.
//! - **A large request does not block small ones** while it waits for tokens: what is less than half as large may pass it,
//!   but no more than [`OVERTAKEN_MAX`] times, so that it is not passed for ever.
//! - **One by one**: a slot that is given back wakes the first alone. If that cannot use it, it hands on to the next who
//!   wants something else; who was served hands on, too, as there may be more.

use std::collections::{HashMap, VecDeque};

/// Requests that wait, over all lines. Each holds its body and a connection; at more, waiting only makes it later that
/// the client hears.
pub(super) const WAITERS_MAX: usize = 4_096;
/// Smaller requests that may pass one that waits for tokens.
const OVERTAKEN_MAX: u32 = 16;
/// Intervals that must be known before anything is made of their mean.
const INTERVALS_MIN: u32 = 4;
/// The part of the newest interval in the mean of intervals between two that were served, as a divisor.
const INTERVAL_WEIGHT: u64 = 4;

/// Any account will do.
pub(super) const ANY: u64 = 0;

/// What a waiting request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wants {
    /// Stands for the model: accounts may serve some models of a family only.
    pub(super) model: u64,
    /// [`ANY`], or what stands for the accounts that would do.
    pub(super) who: u64,
    /// Tokens that it takes of an account's limits.
    pub(super) tokens: u64,
}

/// Those ahead of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ahead {
    /// How many.
    pub(super) requests: u64,
    /// Their tokens.
    pub(super) tokens: u64,
    /// When there is room for the first of them that lacks nothing else, in milliseconds.
    pub(super) opens: Option<u64>,
    /// Milliseconds between two that were served lately, if that is known.
    pub(super) interval_ms: Option<u64>,
}

/// What all accounts of a line can take in a minute, where all their limits are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rates {
    /// Requests.
    pub(super) requests: Option<u64>,
    /// Tokens.
    pub(super) tokens: Option<u64>,
}

/// The lines. `W` wakes a waiter.
pub(super) struct Lines<W> {
    lines: HashMap<String, Line<W>>,
    waiting: usize,
}

struct Line<W> {
    waiters: VecDeque<Waiter<W>>,
    /// Milliseconds between two that were served, in the mean.
    interval_ms: u64,
    intervals: u32,
    served_at: Option<u64>,
}

struct Waiter<W> {
    ticket: u64,
    wants: Wants,
    /// At its last look an account would have done, but for room in its limits: it has room at that moment.
    opens: Option<u64>,
    overtaken: u32,
    wake: W,
}

impl<W> Default for Lines<W> {
    fn default() -> Self {
        Lines { lines: HashMap::new(), waiting: 0 }
    }
}

impl<W: Clone> Lines<W> {
    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether the request of that number must stand in line before it looks.
    pub(super) fn is_behind(&self, place: &str, wants: Wants, ticket: u64) -> bool {
        self.lines.get(place).is_some_and(|line| {
            line.waiters.iter().take_while(|ahead| ahead.ticket < ticket).any(|ahead| ahead.blocks(wants))
        })
    }

    /// The request with the number `ticket` stands in line, behind all with lower ones. `false` when too many wait, or it
    /// stands there already.
    pub(super) fn join(&mut self, place: &str, ticket: u64, wants: Wants, wake: W) -> bool {
        if self.waiting >= WAITERS_MAX {
            return false;
        }
        let waiter = Waiter { ticket, wants, opens: None, overtaken: 0, wake };
        if let Some(line) = self.lines.get_mut(place) {
            let Err(at) = line.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket) else { return false };
            line.waiters.insert(at, waiter);
        } else {
            let line = Line { waiters: VecDeque::from([waiter]), interval_ms: 0, intervals: 0, served_at: None };
            self.lines.insert(place.to_owned(), line);
        }
        self.waiting += 1;
        true
    }

    /// Whether it is a waiter's turn to look for an account.
    pub(super) fn may_look(&self, place: &str, ticket: u64) -> bool {
        let Some(line) = self.lines.get(place) else { return false };
        line.position(ticket).is_some_and(|at| line.may_look(at))
    }

    /// A waiter looked in vain; `opens` if only a limit stands in its way, and until then (in milliseconds). Gives who is
    /// to look next.
    pub(super) fn looked(&mut self, place: &str, ticket: u64, opens: Option<u64>) -> Option<W> {
        let line = self.lines.get_mut(place)?;
        let at = line.position(ticket)?;
        line.waiters.get_mut(at)?.opens = opens;
        line.next_from(at + 1)
    }

    /// A waiter leaves: served at that moment (in milliseconds), or not. Gives who is to look next.
    pub(super) fn leave(&mut self, place: &str, ticket: u64, served: Option<u64>) -> Option<W> {
        let line = self.lines.get_mut(place)?;
        let at = line.position(ticket)?;
        line.waiters.remove(at)?;
        self.waiting = self.waiting.saturating_sub(1);
        if line.waiters.is_empty() {
            self.lines.remove(place);
            return None;
        }
        if let Some(now) = served {
            line.note_served(now);
            for ahead in line.waiters.iter_mut().take(at).filter(|ahead| ahead.opens.is_some()) {
                ahead.overtaken += 1;
            }
        }
        line.next_from(at)
    }

    /// A slot was given back: the first of each line is to look.
    pub(super) fn firsts(&self) -> Vec<W> {
        self.lines.values().filter_map(|line| line.waiters.front().map(|first| first.wake.clone())).collect()
    }

    /// Those ahead of a waiter; the whole line, without a ticket. `None` where nobody is.
    pub(super) fn ahead(&self, place: &str, ticket: Option<u64>) -> Option<Ahead> {
        let line = self.lines.get(place)?;
        let requests = ticket.and_then(|ticket| line.position(ticket)).unwrap_or(line.waiters.len());
        let tokens = line.waiters.iter().take(requests).map(|ahead| ahead.wants.tokens);
        Some(Ahead {
            requests: requests as u64,
            tokens: tokens.fold(0, u64::saturating_add),
            opens: line.waiters.iter().take(requests).find_map(|ahead| ahead.opens),
            interval_ms: (line.intervals >= INTERVALS_MIN).then_some(line.interval_ms),
        })
    }
}

impl Ahead {
    /// Milliseconds that they take, at so many requests and tokens a minute; where these are not known, at the pace at
    /// which the line moved lately.
    pub(super) fn takes_ms(&self, rates: Rates) -> u64 {
        let at = |number: u64, rate: Option<u64>| Some(number.saturating_mul(60_000) / rate?.max(1));
        let known = at(self.requests, rates.requests).max(at(self.tokens, rates.tokens));
        known.unwrap_or_else(|| self.requests.saturating_mul(self.interval_ms.unwrap_or(0)))
    }
}

impl<W: Clone> Line<W> {
    fn position(&self, ticket: u64) -> Option<usize> {
        // Tickets rise along the line.
        self.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }

    fn may_look(&self, at: usize) -> bool {
        let Some(waiter) = self.waiters.get(at) else { return false };
        !self.waiters.iter().take(at).any(|ahead| ahead.blocks(waiter.wants))
    }

    fn next_from(&self, from: usize) -> Option<W> {
        let next = (from..self.waiters.len()).find(|at| self.may_look(*at))?;
        self.waiters.get(next).map(|waiter| waiter.wake.clone())
    }

    fn note_served(&mut self, now: u64) {
        if let Some(before) = self.served_at.replace(now) {
            let newest = now.saturating_sub(before);
            self.intervals = self.intervals.saturating_add(1);
            self.interval_ms = if self.interval_ms == 0 {
                newest
            } else {
                (self.interval_ms * (INTERVAL_WEIGHT - 1) + newest) / INTERVAL_WEIGHT
            };
        }
    }
}

impl<W> Waiter<W> {
    /// Whether who comes behind this one must wait for it.
    fn blocks(&self, behind: Wants) -> bool {
        let passes = self.opens.is_some() && self.overtaken < OVERTAKEN_MAX && behind.tokens < self.wants.tokens / 2;
        let wants_it_too = self.wants.who == behind.who || self.wants.who == ANY;
        self.wants.model == behind.model && wants_it_too && !passes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wants(who: u64, tokens: u64) -> Wants {
        Wants { model: 7, who, tokens }
    }

    /// Lines with these waiting in one of them, numbered from 0.
    fn line(waiting: &[Wants]) -> Lines<u64> {
        let mut lines = Lines::default();
        assert!((0..).zip(waiting).all(|(ticket, wants)| lines.join("p", ticket, *wants, ticket)));
        lines
    }

    #[test]
    fn first_come_first_served_and_no_newcomer_overtakes() {
        let mut lines = line(&[wants(1, 10); 3]);
        assert!(lines.is_behind("p", wants(1, 10), 3) && !lines.is_behind("q", wants(1, 10), 3));
        assert_eq!([0, 1, 2].map(|ticket| lines.may_look("p", ticket)), [true, false, false]);
        assert_eq!(lines.firsts(), [0]);
        assert_eq!(lines.looked("p", 0, None), None, "the others want the same: they need not look");
        assert_eq!(lines.leave("p", 0, Some(5)), Some(1));
        assert_eq!(lines.leave("p", 2, None), None, "who leaves from the end wakes nobody");
        assert_eq!(lines.waiting(), 1);
        assert_eq!(lines.leave("p", 1, Some(6)), None);
        assert!(lines.lines.is_empty() && lines.waiting() == 0);
    }

    #[test]
    fn who_comes_back_has_its_old_place() {
        let mut lines = line(&[wants(ANY, 10); 4]);
        lines.leave("p", 1, None);
        assert!(lines.is_behind("p", wants(ANY, 10), 1), "behind the first still");
        assert!(lines.join("p", 1, wants(ANY, 10), 1) && !lines.join("p", 1, wants(ANY, 10), 1));
        assert_eq!(lines.leave("p", 0, Some(0)), Some(1));
        assert!(!lines.is_behind("p", wants(ANY, 10), 0), "nobody else was there earlier");
    }

    #[test]
    fn who_wants_something_else_is_handed_the_turn() {
        let mut lines = line(&[wants(1, 10), wants(1, 10), wants(2, 10)]);
        assert!(!lines.may_look("p", 1) && lines.may_look("p", 2));
        assert_eq!(lines.looked("p", 0, None), Some(2));
        assert!(!lines.is_behind("p", wants(3, 10), 3) && !lines.is_behind("p", wants(ANY, 10), 3));
    }

    #[test]
    fn who_takes_any_account_is_not_passed_by_who_insists_on_one() {
        let mut lines = line(&[wants(ANY, 10)]);
        assert!(lines.is_behind("p", wants(3, 10), 1));
        assert!(!lines.is_behind("p", Wants { model: 8, ..wants(3, 10) }, 1), "another model of the family");
        lines.join("p", 1, wants(3, 10), 1);
        assert_eq!(lines.looked("p", 0, None), None);
        assert_eq!(lines.leave("p", 0, None), Some(1));
    }

    #[test]
    fn a_large_request_is_passed_by_small_ones_but_not_for_ever() {
        let mut lines = line(&[wants(1, 1_000)]);
        assert!(lines.is_behind("p", wants(1, 10), 1), "it may want a slot alone, as the small one does");
        lines.looked("p", 0, Some(9));
        assert!(lines.is_behind("p", wants(1, 500), 1) && !lines.is_behind("p", wants(1, 499), 1));
        for ticket in 1..=u64::from(OVERTAKEN_MAX) {
            lines.join("p", ticket, wants(1, 10), ticket);
            assert!(lines.may_look("p", ticket), "{ticket}");
            lines.leave("p", ticket, Some(0));
        }
        assert!(lines.is_behind("p", wants(1, 10), 99), "now it is its turn");
    }

    #[test]
    fn the_line_is_bounded_and_tells_how_long_it_takes() {
        let mut lines = line(&vec![wants(1, 1); WAITERS_MAX]);
        assert!(!lines.join("p", 99_999, wants(1, 1), 0));
        let takes = |lines: &Lines<u64>, ticket, rates| lines.ahead("p", ticket).unwrap().takes_ms(rates);
        assert_eq!(takes(&lines, None, Rates::default()), 0, "nobody was served yet");
        for ticket in 0..11 {
            lines.leave("p", ticket, Some(ticket * 100));
        }
        assert_eq!(takes(&lines, None, Rates::default()), 100 * (WAITERS_MAX as u64 - 11));
        assert_eq!(takes(&lines, Some(13), Rates::default()), 200);
        // Thirty a minute: two take four seconds. Two tokens at one a minute take two minutes.
        assert_eq!(takes(&lines, Some(13), Rates { requests: Some(30), tokens: None }), 4_000);
        assert_eq!(takes(&lines, Some(13), Rates { requests: Some(30), tokens: Some(1) }), 120_000);
        assert_eq!(lines.ahead("q", None), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        /// Whatever comes and goes: the first may always look, nobody is lost, and leaving wakes somebody.
        #[test]
        fn lines_never_stall(steps in proptest::collection::vec((0u8..4, 0u64..3, 0u64..2000), 1..200)) {
            let mut lines = Lines::default();
            let mut inside: Vec<(u64, Wants)> = Vec::new();
            for (ticket, (step, who, tokens)) in (0..).zip(steps) {
                match step {
                    0 | 1 => {
                        let wants = wants(who, tokens);
                        prop_assert!(lines.join("p", ticket, wants, ()));
                        inside.push((ticket, wants));
                    }
                    _ => {
                        let looking = inside.iter().position(|(ticket, _)| lines.may_look("p", *ticket));
                        prop_assert_eq!(looking, (!inside.is_empty()).then_some(0));
                        let Some(&(first, wants)) = inside.first() else { continue };
                        if step == 2 {
                            let next = lines.looked("p", first, (tokens % 2 == 0).then_some(9));
                            prop_assert!(next.is_none() || inside.iter().any(|(_, other)| *other != wants));
                        } else {
                            let next = lines.leave("p", first, Some(0));
                            inside.remove(0);
                            prop_assert_eq!(next.is_some(), !inside.is_empty());
                        }
                    }
                }
                prop_assert_eq!(lines.waiting(), inside.len());
            }
        }
    }
}
