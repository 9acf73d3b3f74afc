//! The lines in which requests wait for an account, as pure state: no clock, no task.
//!
//! - **One line** for each place: a set of pools, a model family and a model. Its order is that of the requests' arrival,
//!   also for one that comes back into it: after an account failed, or after it waited for its own account in vain.
//! - **Who may look** for an account: the first; and who wants something else than all ahead of it. Two requests want the
//!   same unless one insists on an account, or has tried some: and who takes any account also wants what those want, so
//!   they do not pass it. A newcomer is asked the same question, so it cannot overtake.
//! - **A large request does not block small ones** while it waits for tokens: what is less than half as large may pass it,
//!   but no more than [`OVERTAKEN_MAX`] times, so that it is not passed for ever.
//! - **One by one**: a slot that is given back wakes the first alone. If that cannot use it, it hands on to the next who
//!   wants something else; who was served hands on, too, as there may be more.
//! - **A few for each slot**: where all want something else, only the first [`WINDOW`] of them look by themselves. The
//!   others are called in turn, behind those, so that each is asked in the end; no slot is looked at more often than
//!   [`HANDS_MAX`] times and once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Requests that wait, over all lines. Each holds its body and a connection; at more, waiting only makes it later that
/// the client hears.
pub(super) const WAITERS_MAX: usize = 4_096;
/// Smaller requests that may pass one that waits for tokens.
const OVERTAKEN_MAX: u32 = 16;
/// Requests of one line that may look whenever they want, if all want something else.
const WINDOW: usize = 4;
/// How often a turn is handed on for one slot: through the window, and to as many of those behind it.
const HANDS_MAX: u32 = 8;
/// Waiters that are looked through for the next that may look.
const SCAN_MAX: usize = 64;
/// Waiters of one kind that are passed by one smaller request at the same time.
const PASSED_MAX: usize = 32;
/// Lines of which a slot that is given back wakes the first: the oldest of them, and as many in turn.
const LINES_MAX: usize = 32;
/// Intervals that must be known before anything is made of their mean.
const INTERVALS_MIN: u32 = 4;
/// The part of the newest interval in the mean of intervals between two that were served, as a divisor.
const INTERVAL_WEIGHT: u64 = 4;

/// Any account will do.
pub(super) const ANY: u64 = 0;

/// What a waiting request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wants {
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
    /// Milliseconds between two that were served lately, if that is known.
    pub(super) interval_ms: Option<u64>,
}

/// The lines. `W` wakes a waiter.
pub(super) struct Lines<W> {
    lines: HashMap<String, Line<W>>,
    waiting: usize,
    /// How often somebody has joined.
    joined: u64,
    /// The youngest first of a line that was woken in turn.
    woken: u64,
}

struct Line<W> {
    /// By ticket: tickets rise along the line.
    waiters: BTreeMap<u64, Waiter<W>>,
    /// Tickets in the order in which they joined: one that comes back, or is slow, joins behind higher ones.
    joins: BTreeMap<u64, u64>,
    /// Tickets by what they want.
    kinds: HashMap<u64, BTreeSet<u64>>,
    /// The first ticket of each kind.
    heads: BTreeSet<u64>,
    /// How often the turn may still be handed on.
    hands: u32,
    /// The last that was called from behind the window.
    called: u64,
    /// Milliseconds between two that were served, in the mean.
    interval_ms: u64,
    intervals: u32,
    served_at: Option<u64>,
}

struct Waiter<W> {
    wants: Wants,
    /// Its number in the order of joining.
    joined: u64,
    /// At its last look an account would have done, but for room in its limits.
    short: bool,
    overtaken: u32,
    /// It may look, although it stands behind the window.
    called: bool,
    wake: W,
}

impl<W> Default for Lines<W> {
    fn default() -> Self {
        Lines { lines: HashMap::new(), waiting: 0, joined: 0, woken: 0 }
    }
}

impl<W: Clone> Lines<W> {
    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether the request of that number must stand in line before it looks.
    pub(super) fn is_behind(&self, place: &str, wants: Wants, ticket: u64) -> bool {
        self.lines.get(place).is_some_and(|line| line.is_blocked(ticket, wants))
    }

    /// The request with the number `ticket` stands in line, behind all with lower ones. `false` when too many wait, or it
    /// stands there already.
    pub(super) fn join(&mut self, place: &str, ticket: u64, wants: Wants, wake: W) -> bool {
        if self.waiting >= WAITERS_MAX || self.lines.get(place).is_some_and(|line| line.waiters.contains_key(&ticket)) {
            return false;
        }
        self.joined += 1;
        let waiter = Waiter { wants, joined: self.joined, short: false, overtaken: 0, called: false, wake };
        match self.lines.get_mut(place) {
            Some(line) => line.join(ticket, waiter),
            None => self.lines.entry(place.to_owned()).or_insert_with(Line::new).join(ticket, waiter),
        }
        self.waiting += 1;
        true
    }

    /// Whether it is a waiter's turn to look for an account.
    pub(super) fn may_look(&self, place: &str, ticket: u64) -> bool {
        self.lines.get(place).is_some_and(|line| line.may_look(ticket))
    }

    /// A waiter looked in vain; `short` if only limits stand in its way. Gives who is to look next.
    pub(super) fn looked(&mut self, place: &str, ticket: u64, short: bool) -> Option<W> {
        let line = self.lines.get_mut(place)?;
        let waiter = line.waiters.get_mut(&ticket)?;
        (waiter.short, waiter.called) = (short, false);
        if line.waiters.first_key_value().is_some_and(|(first, _)| *first == ticket) {
            line.hands = HANDS_MAX;
        }
        line.hand_on(ticket)
    }

    /// A waiter leaves: served at that moment (in milliseconds), or not. Gives who is to look next.
    pub(super) fn leave(&mut self, place: &str, ticket: u64, served: Option<u64>) -> Option<W> {
        let line = self.lines.get_mut(place)?;
        let wants = line.waiters.get(&ticket)?.wants;
        if let Some(now) = served {
            line.note_served(now);
            line.overtook(ticket, wants);
        }
        line.remove(ticket, wants);
        self.waiting = self.waiting.saturating_sub(1);
        if line.waiters.is_empty() {
            self.lines.remove(place);
            return None;
        }
        line.hands = if served.is_some() { HANDS_MAX } else { line.hands.max(1) };
        line.hand_on(ticket)
    }

    /// A request that did not stand in line was served: it may have passed some.
    pub(super) fn overtook(&mut self, place: &str, ticket: u64, wants: Wants) {
        if let Some(line) = self.lines.get_mut(place) {
            line.overtook(ticket, wants);
        }
    }

    /// A slot was given back: the first of each line is to look. Where there are many lines: of the oldest, and of others
    /// in turn.
    pub(super) fn firsts(&mut self) -> Vec<W> {
        let firsts = self.lines.values().filter_map(|line| line.waiters.first_key_value());
        if self.lines.len() <= LINES_MAX {
            return firsts.map(|(_, first)| first.wake.clone()).collect();
        }
        let mut firsts: Vec<_> = firsts.map(|(ticket, first)| (*ticket, &first.wake)).collect();
        firsts.sort_unstable_by_key(|(ticket, _)| *ticket);
        let others = firsts.split_off(LINES_MAX / 2);
        let from = others.partition_point(|(ticket, _)| *ticket <= self.woken);
        firsts.extend(others.iter().cycle().skip(from).take(LINES_MAX / 2));
        self.woken = firsts.last().map_or(0, |(ticket, _)| *ticket);
        firsts.into_iter().map(|(_, wake)| wake.clone()).collect()
    }

    /// Those who wait at a place, but for the one with that ticket. `None` where nobody does.
    pub(super) fn ahead(&self, place: &str, but: Option<u64>) -> Option<Ahead> {
        let line = self.lines.get(place)?;
        let own = but.is_some_and(|ticket| line.waiters.contains_key(&ticket));
        let requests = (line.waiters.len() - usize::from(own)) as u64;
        let interval_ms = (line.intervals >= INTERVALS_MIN).then_some(line.interval_ms);
        (requests > 0).then_some(Ahead { requests, interval_ms })
    }

    /// Those who joined after the one with that number: their numbers, their tickets and what they want.
    pub(super) fn joined_after(&self, place: &str, after: u64) -> impl Iterator<Item = (u64, u64, Wants)> {
        self.lines.get(place).into_iter().flat_map(move |line| {
            let joins = line.joins.range(after.saturating_add(1)..);
            joins.filter_map(|(number, ticket)| Some((*number, *ticket, line.waiters.get(ticket)?.wants)))
        })
    }
}

impl Ahead {
    /// When it is the turn of who stands behind them, in milliseconds: `limits` says when their limits allow it; if they
    /// lack slots, it is not before the line has moved so far, at its pace of lately. `None` if that is not known.
    pub(super) fn turn(&self, limits: Option<u64>, lacks_slots: bool, now: u64) -> Option<u64> {
        if !lacks_slots {
            return limits;
        }
        let takes = |interval: u64| interval.saturating_mul(self.requests.saturating_add(1));
        let slots = self.interval_ms.map(|interval| now.saturating_add(takes(interval)));
        slots.max(limits.filter(|at| *at > now))
    }
}

impl<W: Clone> Line<W> {
    fn new() -> Self {
        Line {
            waiters: BTreeMap::new(),
            joins: BTreeMap::new(),
            kinds: HashMap::new(),
            heads: BTreeSet::new(),
            hands: 0,
            called: 0,
            interval_ms: 0,
            intervals: 0,
            served_at: None,
        }
    }

    fn join(&mut self, ticket: u64, waiter: Waiter<W>) {
        let kind = self.kinds.entry(waiter.wants.who).or_default();
        let head = kind.first().copied();
        kind.insert(ticket);
        if head.is_none_or(|head| ticket < head) {
            head.map(|head| self.heads.remove(&head));
            self.heads.insert(ticket);
        }
        self.joins.insert(waiter.joined, ticket);
        self.waiters.insert(ticket, waiter);
    }

    fn remove(&mut self, ticket: u64, wants: Wants) {
        if let Some(waiter) = self.waiters.remove(&ticket) {
            self.joins.remove(&waiter.joined);
        }
        let Some(kind) = self.kinds.get_mut(&wants.who) else { return };
        kind.remove(&ticket);
        let next = kind.first().copied();
        if self.heads.remove(&ticket) {
            self.heads.extend(next);
        }
        if next.is_none() {
            self.kinds.remove(&wants.who);
        }
    }

    fn may_look(&self, ticket: u64) -> bool {
        let called = self.waiters.get(&ticket).is_some_and(|one| one.called && !self.is_blocked(ticket, one.wants));
        called || self.lookers(0, WINDOW).contains(&ticket)
    }

    /// Whether someone ahead wants the same, and is not passed.
    fn is_blocked(&self, ticket: u64, wants: Wants) -> bool {
        let is_ahead = |who| {
            let Some(kind) = self.kinds.get(&who) else { return false };
            let mut ahead = kind.range(..ticket).filter_map(|ticket| self.waiters.get(ticket));
            ahead.by_ref().take(PASSED_MAX).any(|ahead| !ahead.lets_pass(wants.tokens)) || ahead.next().is_some()
        };
        is_ahead(ANY) || wants.who != ANY && is_ahead(wants.who)
    }

    /// The next `most` from the ticket `from` on that nobody ahead of them blocks, as far as a bounded search finds them.
    fn lookers(&self, from: u64, most: usize) -> Vec<u64> {
        // Who takes any account blocks all behind it, unless it lets smaller ones pass.
        let any = self.kinds.get(&ANY).and_then(BTreeSet::first).copied();
        let blocks = any.filter(|any| self.waiters.get(any).is_none_or(|waiter| !waiter.lets_pass(0)));
        let last = blocks.unwrap_or(u64::MAX);
        let mut found = Vec::new();
        if from > last {
            return found;
        }
        let mut near = self.waiters.range(from..=last).map(|(ticket, _)| *ticket).take(SCAN_MAX).peekable();
        let mut heads = self.heads.range(from..=last).copied().take(SCAN_MAX).peekable();
        while found.len() < most {
            let Some(ticket) = near.peek().into_iter().chain(heads.peek()).min().copied() else { break };
            near.next_if_eq(&ticket);
            heads.next_if_eq(&ticket);
            found.extend(self.waiters.get(&ticket).filter(|one| !self.is_blocked(ticket, one.wants)).map(|_| ticket));
        }
        found
    }

    /// Gives the turn to the next behind `after` that may look, and behind the window to who has not had it for longest.
    fn hand_on(&mut self, after: u64) -> Option<W> {
        self.hands = self.hands.checked_sub(1)?;
        let window = self.lookers(0, WINDOW);
        let next = window.iter().find(|ticket| **ticket > after).copied();
        if let Some(next) = next {
            return self.waiters.get(&next).map(|waiter| waiter.wake.clone());
        }
        let last = window.last().copied().filter(|_| window.len() >= WINDOW)?;
        let behind = |from: u64| self.lookers(from.max(last).saturating_add(1), 1).first().copied();
        let next = behind(self.called).or_else(|| behind(last)).filter(|next| *next != after)?;
        self.called = next;
        let waiter = self.waiters.get_mut(&next)?;
        waiter.called = true;
        Some(waiter.wake.clone())
    }

    /// One that wants this was served before those ahead of it.
    fn overtook(&mut self, ticket: u64, wants: Wants) {
        for who in [Some(ANY), Some(wants.who).filter(|who| *who != ANY)].into_iter().flatten() {
            let Some(kind) = self.kinds.get(&who) else { continue };
            for passed in kind.range(..ticket).take(PASSED_MAX) {
                if let Some(passed) = self.waiters.get_mut(passed).filter(|passed| passed.short) {
                    passed.overtaken += 1;
                }
            }
        }
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
    /// Whether who wants the same, and so many tokens, may be served before this one.
    fn lets_pass(&self, tokens: u64) -> bool {
        self.short && self.overtaken < OVERTAKEN_MAX && tokens < self.wants.tokens / 2
    }
}

#[cfg(test)]
#[path = "line/tests.rs"]
mod tests;
