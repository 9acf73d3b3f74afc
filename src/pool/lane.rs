//! The order of one upstream's accounts for one model family.
//!
//! Every account is in exactly one place: ready (in the order of preference), short of room for large costs, closed by a
//! lock, breaker or pace (in the order in which it opens), full, or off. So choosing takes the first ready one, and neither
//! closed nor full accounts are walked. A family without a closed account of its own shares the upstream's general lane.
//!
//! An account with room for small costs but not for that of a request is found out by looking. It is then put among the
//! short ones of that size, where no request of that size or above looks again until there is room: so each is looked at
//! once for each size and refill, not once for each request.

use std::collections::{BTreeMap, BTreeSet};

use super::account::AccountState;
use super::time::Millis;
use crate::limits::cooldown::Standing;
use crate::limits::pace::Cost;

/// Steps of size for each doubling of a cost, as a power of two.
const STEPS_LOG2: u32 = 3;

/// The size of a cost: equal sizes differ by an eighth at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Size(u16);

impl Size {
    pub(super) fn of(cost: Cost) -> Self {
        let tokens = cost.tokens.max(1);
        let log = tokens.ilog2();
        let rest = if log >= STEPS_LOG2 { tokens >> (log - STEPS_LOG2) } else { tokens << (STEPS_LOG2 - log) };
        Size(((log << STEPS_LOG2) + (rest as u32 & ((1 << STEPS_LOG2) - 1))) as u16)
    }
}

/// Order of preference: tier, no probe before a probe, in flight relative to the limit, most left of the quota, longest idle,
/// order of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) tier: u8,
    pub(super) probe: bool,
    pub(super) load: u64,
    /// What is used of the quota, in tenths.
    pub(super) spent: u8,
    pub(super) used: u64,
    pub(super) member: u32,
}

/// Where an account is in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Not to be used at all.
    Off,
    /// Free. With the end of the lock if this would be its probe.
    Ready(Key, Option<Millis>),
    /// No slot left. With the end of the lock if a slot could be had for its probe only.
    Full(Option<Millis>),
    /// Closed until `until`, to be looked at again at `at`.
    Closed { at: Millis, until: Millis },
    /// Free, but without room for costs of this size and above before `at`.
    Short { key: Key, size: Size, at: Millis },
}

impl Place {
    /// Where an account belongs, for a family (`None`: for those without a lock of their own).
    pub(super) fn of(state: &AccountState, member: u32, family: Option<&str>, limited: bool, now: Millis) -> Self {
        let Some((fate, spent)) = state.fate_if_on(family, now) else { return Place::Off };
        let probe_until = match fate.standing {
            Standing::Closed { at, until } => return Place::Closed { at, until },
            Standing::Probe { until } => Some(until),
            Standing::Open => None,
        };
        if limited && state.full() {
            return Place::Full(probe_until);
        }
        let probe = probe_until.is_some();
        let key = Key { tier: state.tier(), probe, load: state.load(), spent, used: state.used(), member };
        Place::Ready(key, probe_until)
    }
}

/// The places of all accounts of one upstream.
#[derive(Debug, Default)]
pub(super) struct Lane {
    places: Vec<Place>,
    ready: BTreeSet<Key>,
    short: BTreeMap<Size, BTreeSet<Key>>,
    /// By the moment of the next look; the short ones too.
    closed: BTreeSet<(Millis, u32)>,
    /// Every closure, by its end; those that are due for a probe, and short ones, too.
    ends: BTreeSet<(Millis, u32)>,
    /// Without a slot, and whether a slot could be had for a probe only.
    full: BTreeSet<(u32, bool)>,
    /// Locks of this lane's own family have all ended by then.
    pub(super) needed_until: Millis,
}

impl Lane {
    pub(super) fn new(members: usize) -> Self {
        Lane { places: vec![Place::Off; members], ..Lane::default() }
    }

    /// Moves an account.
    pub(super) fn put(&mut self, member: u32, place: Place) {
        let Some(slot) = self.places.get_mut(member as usize) else { return };
        let old = std::mem::replace(slot, place);
        if old == place {
            return;
        }
        match old {
            Place::Off => {}
            Place::Full(until) => {
                self.full.remove(&(member, until.is_some()));
                self.forget_end(until, member);
            }
            Place::Ready(key, until) => {
                self.ready.remove(&key);
                self.forget_end(until, member);
            }
            Place::Closed { at, until } => {
                self.closed.remove(&(at, member));
                self.ends.remove(&(until, member));
            }
            Place::Short { key, size, at } => {
                self.closed.remove(&(at, member));
                self.ends.remove(&(at, member));
                if let Some(keys) = self.short.get_mut(&size) {
                    keys.remove(&key);
                    if keys.is_empty() {
                        self.short.remove(&size);
                    }
                }
            }
        }
        match place {
            Place::Off => {}
            Place::Full(until) => {
                self.full.insert((member, until.is_some()));
                self.ends.extend(until.map(|until| (until, member)));
            }
            Place::Ready(key, until) => {
                self.ready.insert(key);
                self.ends.extend(until.map(|until| (until, member)));
            }
            Place::Closed { at, until } => {
                self.closed.insert((at, member));
                self.ends.insert((until, member));
            }
            Place::Short { key, size, at } => {
                self.closed.insert((at, member));
                self.ends.insert((at, member));
                self.short.entry(size).or_default().insert(key);
            }
        }
    }

    /// A free account turned out to have no room for costs of `size` and above before `at`.
    pub(super) fn fall_short(&mut self, key: Key, size: Size, at: Millis) {
        self.put(key.member, Place::Short { key, size, at });
    }

    /// An account whose place is no longer true because time has passed.
    pub(super) fn due(&self, now: Millis) -> Option<u32> {
        let first = |set: &BTreeSet<(Millis, u32)>| set.first().filter(|(at, _)| *at <= now).map(|(_, member)| *member);
        first(&self.closed).or_else(|| first(&self.ends))
    }

    /// Free accounts in the order of preference.
    pub(super) fn ready(&self) -> &BTreeSet<Key> {
        &self.ready
    }

    /// The same among those that are short of room, for sizes from `size` on: smaller costs may have room there.
    pub(super) fn short(&self, size: Size) -> impl Iterator<Item = (Size, &BTreeSet<Key>)> {
        self.short.range(size..).map(|(size, keys)| (*size, keys))
    }

    /// Accounts without a free slot, and whether a slot could be had for a probe only.
    pub(super) fn full(&self) -> impl Iterator<Item = (u32, bool)> {
        self.full.iter().copied()
    }

    /// Locks that hold, the one that ends first in front.
    pub(super) fn ends(&self) -> impl Iterator<Item = (Millis, u32)> {
        self.ends.iter().copied()
    }

    /// Number of accounts.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_full(&self, member: u32) -> bool {
        self.places.get(member as usize).is_some_and(|place| matches!(place, Place::Full(_)))
    }

    pub(super) fn is_off(&self, member: u32) -> bool {
        self.places.get(member as usize).is_none_or(|place| *place == Place::Off)
    }

    fn forget_end(&mut self, until: Option<Millis>, member: u32) {
        if let Some(until) = until {
            self.ends.remove(&(until, member));
        }
    }
}
