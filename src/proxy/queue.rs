//! Waiting in line for an account, step by step: pure, with the time as an argument. [`super::wait`] sleeps between the steps.
//!
//! A request looks, and if nothing is free but something will be within its patience, it stands in line until it is its
//! turn: a slot was given back, the exact moment has come at which an account opens, or those ahead have left.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::line::{ANY, Lines, Wants};
use crate::limits::Cost;
use crate::pool::{Ask, Lease, Millis, Registry, Rooms, Unavailable, UnavailableReason, select};

/// How often who may look does so unasked, in milliseconds: a lock may have been cleared by hand, or a configuration put in
/// force.
const LOOK_EVERY_MS: u64 = 1_000;

/// And no more often than this, should a moment have passed without anything opening.
const LOOK_AT_MOST_EVERY_MS: u64 = 5;

/// How long it is believed what was played of a line, in milliseconds: playing it anew walks all accounts and all that wait.
const PLAYED_FOR_MS: u64 = 250;
/// The same while slots are lacking, which come and go.
const SLOTS_FOR_MS: u64 = 25;
/// Lines of which that is remembered.
const PLAYED_MAX: usize = 64;
/// Requests that are counted before they have joined: a moment's.
const EARLY_MAX: usize = 256;
/// Up to so many waiters a line is played without the one that leaves it. In longer ones, one more changes little.
const SHORT: u64 = 32;

/// All lines of the process. `W` wakes a waiter.
pub(super) struct Queue<W> {
    lines: Mutex<Lines<W>>,
    /// Beside the lines, so that a slot given back costs nothing while nobody waits.
    waiting: AtomicUsize,
    arrivals: AtomicU64,
    /// Lines as they were played lately.
    played: Mutex<HashMap<String, Played>>,
}

/// A line, played.
struct Played {
    at: Millis,
    rooms: Rooms,
    /// The number of joining of the last that has its room.
    last: u64,
    /// Those who have theirs before they have joined: so that of several at once each counts the others.
    early: Vec<u64>,
}

/// For whom the end of a line is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// One that joins it, if its turn comes within the patience.
    Newcomer,
    /// One that comes again later, and did not stand in it.
    Refused,
    /// The same for one that leaves it.
    Leaver,
}

/// How a request waits.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Until when, at most.
    pub(super) until: Millis,
    /// How long it may wait in all when it comes again, in milliseconds.
    pub(super) whole_ms: u64,
    /// Whether also for accounts that rest or are at a limit; else for slots alone.
    pub(super) timed: bool,
    /// The request's place in the order of arrival ([`Queue::arrive`]).
    pub(super) arrival: u64,
    /// Stands for the model.
    pub(super) model: u64,
}

/// A place in a line, to be given back with [`Queue::leave`].
pub(super) struct Stand {
    place: String,
    ticket: u64,
    /// What it heard when it looked last.
    last: Option<Unavailable>,
}

/// What comes of a request that looks for the first time.
pub(super) enum Entered {
    Served(Lease),
    Refused(Unavailable),
    /// It is in line, and looks next with [`Queue::turn`].
    Stands(Stand),
}

/// What comes of one that stands in line.
pub(super) enum Turned<W> {
    Served(Lease),
    Refused(Unavailable),
    /// It looks again at that moment, or when it is woken; and this one is to look now.
    Waits(Millis, Option<W>),
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Queue {
            lines: Mutex::default(),
            waiting: AtomicUsize::default(),
            arrivals: AtomicU64::default(),
            played: Mutex::default(),
        }
    }
}

impl<W: Clone> Queue<W> {
    /// A slot was given back, or an account opened: who is to look.
    pub(super) fn firsts(&self) -> Vec<W> {
        if self.waiting() == 0 { Vec::new() } else { self.lines.lock().firsts() }
    }

    /// Requests that wait now.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// A number for a request, above those of all before it.
    pub(super) fn arrive(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Looks for the first time, and stands in line where that helps within the patience. A refusal's `soonest` counts those
    /// who wait before this request.
    pub(super) fn enter(
        &self,
        registry: &Registry,
        ask: &Ask<'_>,
        patience: &Patience,
        wake: W,
        now: Millis,
    ) -> Entered {
        let wants = wants(ask, patience);
        let end = |whose| self.end_of_line(registry, ask, patience, whose, now);
        if self.waiting() > 0 && self.lines.lock().is_behind(&place(ask, patience), wants, patience.arrival) {
            let end = end(For::Newcomer);
            if now >= patience.until || end.is_some_and(|end| end.is_beyond(patience, now)) {
                return Entered::Refused(too_late(end, None));
            }
        } else {
            match select(registry, ask, now) {
                Ok(lease) => {
                    if self.waiting() > 0 {
                        self.lines.lock().overtook(&place(ask, patience), patience.arrival, wants);
                    }
                    return Entered::Served(lease);
                }
                Err(why) if !patience.covers(&why, now) => return Entered::Refused(behind(end(For::Refused), why)),
                Err(_) => {}
            }
        }
        let place = place(ask, patience);
        let mut lines = self.lines.lock();
        let joined = lines.join(&place, patience.arrival, wants, wake);
        self.waiting.store(lines.waiting(), Ordering::Release);
        drop(lines);
        if joined {
            Entered::Stands(Stand { place, ticket: patience.arrival, last: None })
        } else {
            Entered::Refused(too_late(end(For::Refused), None))
        }
    }

    /// Looks, if it may. `timer`: the moment that it waited for has come.
    pub(super) fn turn(
        &self,
        registry: &Registry,
        ask: &Ask<'_>,
        patience: &Patience,
        stand: &mut Stand,
        timer: bool,
        now: Millis,
    ) -> Turned<W> {
        let end = || self.end_of_line(registry, ask, patience, For::Leaver, now);
        if timer && now >= patience.until {
            return Turned::Refused(too_late(end(), stand.last));
        }
        if !self.lines.lock().may_look(&stand.place, stand.ticket) {
            return Turned::Waits(patience.until, None);
        }
        match select(registry, ask, now) {
            Ok(lease) => Turned::Served(lease),
            Err(why) if !patience.covers(&why, now) => Turned::Refused(behind(end(), why)),
            Err(why) => {
                let short = why.reason == UnavailableReason::AllPaced;
                let next = self.lines.lock().looked(&stand.place, stand.ticket, short);
                let (least, most) = (now.plus(LOOK_AT_MOST_EVERY_MS), now.plus(LOOK_EVERY_MS));
                let until = why.soonest.map_or(most, |opens| opens.clamp(least, most)).min(patience.until);
                stand.last = Some(why);
                Turned::Waits(until, next)
            }
        }
    }

    /// One that stood in line leaves, served at that moment or not. Gives who is to look next.
    pub(super) fn leave(&self, stand: &Stand, served: Option<Millis>) -> Option<W> {
        let mut lines = self.lines.lock();
        let next = lines.leave(&stand.place, stand.ticket, served.map(|at| at.0));
        self.waiting.store(lines.waiting(), Ordering::Release);
        next
    }

    /// When it is the turn of who stands behind all that wait; a leaver's own place aside. `None` if nobody waits.
    fn end_of_line(
        &self,
        registry: &Registry,
        ask: &Ask<'_>,
        patience: &Patience,
        whose: For,
        now: Millis,
    ) -> Option<End> {
        if self.waiting() == 0 {
            return None;
        }
        let own = Some(patience.arrival).filter(|_| whose == For::Leaver);
        let place = place(ask, patience);
        let ahead = self.lines.lock().ahead(&place, own)?;
        let key = format!("{place}\n\n{}", ask.required.unwrap_or_default());
        let short = own.filter(|_| ahead.requests <= SHORT);
        let mut all = self.played.lock();
        // Of another line, that has ended since, nothing is believed.
        let oldest = self.lines.lock().joined_after(&place, 0).next().map_or(0, |(joined, ..)| joined);
        let is_known = |played: &Played| {
            let most = if played.rooms.lacks_slots() { SLOTS_FOR_MS } else { PLAYED_FOR_MS };
            played.last >= oldest && played.at <= now && now.since(played.at) < most
        };
        let known = all.get_mut(&key).filter(|played| short.is_none() && is_known(played));
        let mut anew = None;
        let played = match known {
            Some(played) => played,
            None => {
                let requests = usize::try_from(ahead.requests).unwrap_or(usize::MAX);
                let rooms = registry.rooms(ask, requests, now);
                anew.insert(Played { at: now, rooms, last: 0, early: Vec::new() })
            }
        };
        // Who insists on an account has to do with those alone that insist on it, too.
        let insists = ask.required.map(number);
        let lines = self.lines.lock();
        let waiting: Vec<_> =
            lines.joined_after(&place, played.last).filter(|(_, ticket, _)| Some(*ticket) != short).collect();
        drop(lines);
        for (joined, ticket, wants) in waiting {
            played.last = joined;
            if let Some(at) = played.early.iter().position(|early| *early == ticket) {
                played.early.swap_remove(at);
            } else if insists.is_none_or(|who| who == wants.who) {
                played.rooms.play(Cost { tokens: wants.tokens });
            }
        }
        let (turn, lacks_slots) = (played.rooms.turn(ask.cost), played.rooms.lacks_slots());
        let told = played.rooms.told(ask.cost, patience.whole_ms);
        let of = |limits: Option<Millis>| ahead.turn(limits.map(|at| at.0), lacks_slots, now.0).map(Millis);
        let end = End { turn: of(turn), told: of(told), lacks_slots };
        if whose == For::Newcomer && !end.is_beyond(patience, now) && played.early.len() < EARLY_MAX {
            played.rooms.play(ask.cost);
            played.early.push(patience.arrival);
        }
        if let Some(anew) = anew.filter(|_| short.is_none()) {
            if all.len() >= PLAYED_MAX {
                all.clear();
            }
            all.insert(key, anew);
        }
        Some(end)
    }
}

/// A number that stands for a text.
pub(super) fn number(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish().max(ANY + 1)
}

fn wants(ask: &Ask<'_>, patience: &Patience) -> Wants {
    let who = match ask.required {
        Some(required) => number(required),
        None if ask.attempted.is_empty() => ANY,
        // What others have tried is not compared: it is its own.
        None => patience.arrival.max(ANY + 1),
    };
    Wants { who, tokens: ask.cost.tokens }
}

fn place(ask: &Ask<'_>, patience: &Patience) -> String {
    let mut pools = ask.upstreams.to_vec();
    pools.sort_unstable();
    // No id and no family has a line break. Accounts may serve some models of a family only.
    format!("{}\n{:x}\n{}", ask.family, patience.model, pools.join("\n"))
}

impl Patience {
    /// Whether a moment lies within the patience.
    fn reaches(&self, at: Millis, now: Millis) -> bool {
        at.max(now) < self.until
    }

    /// Whether what stands in the way ends within the patience.
    fn covers(&self, why: &Unavailable, now: Millis) -> bool {
        use UnavailableReason::{AllBroken, AllBusy, AllCooling, AllPaced};
        match why.reason {
            AllBusy => now < self.until,
            AllPaced | AllCooling | AllBroken => self.timed && why.soonest.is_some_and(|at| self.reaches(at, now)),
            _ => false,
        }
    }
}

/// Behind all that wait.
#[derive(Clone, Copy)]
struct End {
    /// When it is the turn of who stands there, as far as that is known.
    turn: Option<Millis>,
    /// What is told of it.
    told: Option<Millis>,
    /// Whether accounts have room, but no slots.
    lacks_slots: bool,
}

impl End {
    fn is_beyond(self, patience: &Patience, now: Millis) -> bool {
        !self.lacks_slots && self.turn.is_some_and(|at| !patience.reaches(at, now))
    }
}

/// The same refusal as it is for who comes again.
fn behind(end: Option<End>, why: Unavailable) -> Unavailable {
    end.map_or(why, |end| Unavailable { soonest: why.soonest.max(end.told), ..why })
}

/// The patience has ended, or will before it has its turn, or the line is too long.
fn too_late(end: Option<End>, last: Option<Unavailable>) -> Unavailable {
    if let Some(why) = last {
        return behind(end, why);
    }
    // It never had its turn.
    let paced = end.is_some_and(|end| end.told.is_some() && !end.lacks_slots);
    let reason = if paced { UnavailableReason::AllPaced } else { UnavailableReason::AllBusy };
    Unavailable { reason, soonest: end.and_then(|end| end.told) }
}
