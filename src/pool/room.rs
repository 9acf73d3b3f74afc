//! When it will be the turn of who stands behind others: the accounts' limits in a copy, with which the near future is
//! played.
//!
//! A rate a minute would not tell it. A window gives all of its room at its turn; a bucket may have some left now; accounts
//! are of different sizes, and some rest. So those ahead are given their room one after the other, each at the account
//! that has it first, as the line does.
//!
//! With many accounts and many requests only every n-th of both is played: the same part of both takes the same time.

use std::sync::Arc;

use super::account::AccountState;
use super::ask::Ask;
use super::registry::Registry;
use super::time::Millis;
use crate::limits::cooldown::Standing;
use crate::limits::pace::{self, Cost, Known, Paces, Terms};

/// Accounts that are played with at most.
const ROOMS_MAX: usize = 256;
/// Looks at an account for all that wait, at most, as far as they are known at the beginning.
const LOOKS_MAX: usize = 65_536;

/// The part of a turn by which it is told too early where tokens are limited, as a divisor. What is played are whole
/// requests, but of the answers, which are about a fifth of the tokens, nobody knows how much is written by then: half of that.
const EARLY: u64 = 10;
/// What refills are counted for, in milliseconds.
const REFILL_UNIT: u64 = 1_000_000;

/// A copy of what the accounts have room for.
#[derive(Debug)]
pub struct Rooms {
    family: String,
    rooms: Vec<Room>,
    /// One of so many accounts and requests is played.
    every: usize,
    skipped: usize,
    begun: Millis,
    /// The turn of the last that was played.
    turn: Millis,
    lacks_slots: bool,
    /// Whether tokens are limited.
    estimated: bool,
    /// How long it takes until most of a request has come back in each account whose headers tell whole ones: so much may be
    /// there unseen.
    rounded_ms: u64,
}

/// One account's room.
#[derive(Debug)]
struct Room {
    paces: Paces,
    known: Known,
    settings: pace::Settings,
    /// Not even the smallest request has room before.
    from: Millis,
    /// Whether its tokens are limited.
    estimated: bool,
    /// Requests that come back in [`REFILL_UNIT`] milliseconds, where headers tell them; else 0.
    refill: u64,
}

impl Registry {
    /// The room of all accounts that would do for `ask`, also of those that it has tried: who comes again has not. So many
    /// requests are to be played.
    pub fn rooms(&self, ask: &Ask<'_>, requests: usize, now: Millis) -> Rooms {
        let mut all: Vec<(Arc<AccountState>, bool)> = Vec::new();
        {
            let index = self.shared.index.lock();
            for upstream in ask.upstreams.iter().filter_map(|name| index.upstream(name)) {
                let ceiling = index.at_ceiling(upstream, now);
                let full = |state: &AccountState| ceiling || index.limited() && state.full();
                all.extend(index.members(upstream).iter().map(|state| (Arc::clone(state), full(state))));
            }
        }
        all.retain(|(state, _)| {
            ask.required.is_none_or(|id| id == state.id()) && state.enabled() && ask.allows(state.id())
        });
        let looks = all.len().saturating_mul(requests);
        let every = all.len().div_ceil(ROOMS_MAX).max((looks / LOOKS_MAX).isqrt()).max(1);
        let (mut rooms, mut open, mut free) = (Vec::new(), false, false);
        for (state, full) in all.into_iter().step_by(every) {
            let room = Room::of(&state, ask.family, now);
            open |= room.from <= now;
            free |= room.from <= now && !full;
            rooms.push(room);
        }
        let family = ask.family.to_owned();
        let estimated = rooms.iter().any(|room| room.estimated);
        let refills = rooms.iter().map(|room| room.refill).filter(|refill| *refill > 0);
        let (count, refill) =
            refills.fold((0u64, 0u64), |(count, sum), refill| (count + 1, sum.saturating_add(refill)));
        let rounded_ms = count.saturating_mul(REFILL_UNIT * 3 / 4) / refill.max(1);
        let lacks_slots = open && !free;
        Rooms { family, rooms, every, skipped: 0, begun: now, turn: now, lacks_slots, estimated, rounded_ms }
    }
}

impl Rooms {
    /// Gives one more request its room, behind all before it.
    pub fn play(&mut self, cost: Cost) {
        self.skipped += 1;
        if self.skipped < self.every {
            return;
        }
        self.skipped = 0;
        let Some((at, opens)) = self.first(cost) else { return };
        self.turn = opens;
        if let Some(room) = self.rooms.get_mut(at) {
            room.take(&self.family, cost, opens);
        }
    }

    /// When the next has room; `None` if no account would do.
    pub fn turn(&self, cost: Cost) -> Option<Millis> {
        self.first(cost).map(|(_, opens)| opens)
    }

    /// The moment to tell who is to come again, `None` if no account would do. It is that at which all ahead have had their
    /// room: from then on it stands first, and gets the next room that is large enough, which no play tells exactly. Only what
    /// it could not wait for then, in `whole_ms`, is told as it is.
    ///
    /// It is told a little early, as far as it rests on estimates, and on what providers round down. Who comes too early
    /// waits a little, but who comes too late has lost its place.
    pub fn told(&self, cost: Cost, whole_ms: u64) -> Option<Millis> {
        let (own, first) = (self.turn(cost)?, self.turn(Cost::default())?);
        let wait = if own.since(first) < whole_ms { first } else { own }.since(self.begun);
        let early = self.rounded_ms + if self.estimated { wait / EARLY } else { 0 };
        Some(self.begun.plus(wait.saturating_sub(early)))
    }

    /// Whether accounts have room at the beginning, but none of these a slot: how long that lasts, no limit tells.
    pub fn lacks_slots(&self) -> bool {
        self.lacks_slots
    }

    /// The account that has room first, and when; not before the turn of the last.
    fn first(&self, cost: Cost) -> Option<(usize, Millis)> {
        let mut first: Option<(usize, Millis)> = None;
        for (at, room) in self.rooms.iter().enumerate() {
            let from = room.from.max(self.turn);
            if first.is_some_and(|(_, opens)| opens <= from) {
                continue;
            }
            let opens = room.opens(&self.family, cost, from);
            if first.is_none_or(|(_, best)| opens < best) {
                first = Some((at, opens));
            }
        }
        first
    }
}

impl Room {
    fn of(state: &AccountState, family: &str, now: Millis) -> Self {
        let last_resort = state.last_resort_at(family, Cost::default(), now).map(|at| at.max(now));
        state.change(|all, terms, settings| {
            // Moments are exact without the pauses that spread requests.
            let exact = pace::Settings { pause_ms_max: 0, ..*terms.settings };
            let closed = |standing| match standing {
                Standing::Closed { until, .. } | Standing::Probe { until } => until,
                Standing::Open => now,
            };
            let lock = closed(all.locks.standing(family, now));
            let breaker = closed(all.circuit.standing(now, &settings.breaker));
            let breaker = last_resort.map_or(breaker, |at| at.min(breaker));
            let room =
                all.paces.opens(family, Cost::default(), Terms { settings: &exact, ..terms }, now).unwrap_or(now);
            let paces = all.paces.only(family);
            let refill = paces.told_each(family, REFILL_UNIT).unwrap_or(0);
            let estimated = terms.known.tokens.is_some() || paces.limits_tokens(family, now);
            Room { paces, known: *terms.known, settings: exact, from: lock.max(breaker).max(room), estimated, refill }
        })
    }

    fn opens(&self, family: &str, cost: Cost, from: Millis) -> Millis {
        let terms = Terms { known: &self.known, settings: &self.settings };
        self.paces.opens(family, cost, terms, from).unwrap_or(from)
    }

    fn take(&mut self, family: &str, cost: Cost, at: Millis) {
        let terms = Terms { known: &self.known, settings: &self.settings };
        self.paces.take(family, cost, 1, terms, at);
        self.from = self.opens(family, Cost::default(), at);
    }
}

#[cfg(test)]
mod tests;
