//! Waiting in line for an account: the async side of [`super::line`].
//!
//! A request looks, and if nothing is free but something will be within its patience, it stands in line until it is its
//! turn: a slot was given back, the exact moment has come at which an account opens, or those ahead have left. A client
//! that leaves drops its [`Turn`], and with it its place.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::clock::now;
use super::gateway::Gateway;
use super::line::{ANY, Lines, Wants};
use crate::limits::Cost;
use crate::pool::{Ask, Lease, Millis, Rooms, Unavailable, UnavailableReason, select};
use crate::telemetry::metrics::Metrics;

/// How often who may look does so unasked: a lock may have been cleared by hand, or a configuration put in force.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// And no more often than this, should a moment have passed without anything opening.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(5);

/// How long it is believed what was played of a line: playing it anew walks all accounts and all that wait.
const PLAYED_FOR: Duration = Duration::from_millis(250);
/// The same while slots are lacking, which come and go.
const SLOTS_FOR: Duration = Duration::from_millis(25);
/// Lines of which that is remembered.
const PLAYED_MAX: usize = 64;
/// Requests that are counted before they have joined: a moment's.
const EARLY_MAX: usize = 256;
/// Up to so many waiters a line is played without the one that leaves it. In longer ones, one more changes little.
const SHORT: u64 = 32;

/// All lines of the process.
#[derive(Default)]
pub(super) struct Queue {
    lines: Mutex<Lines<Arc<Notify>>>,
    /// Beside the lines, so that a slot given back costs nothing while nobody waits.
    waiting: AtomicUsize,
    arrivals: AtomicU64,
    /// Lines as they were played lately.
    played: Mutex<HashMap<String, Played>>,
}

/// A line, played.
struct Played {
    at: Instant,
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
    pub(super) until: Instant,
    /// Whether also for accounts that rest or are at a limit; else for slots alone.
    pub(super) timed: bool,
    /// The request's place in the order of arrival ([`Queue::arrive`]).
    pub(super) arrival: u64,
    /// Stands for the model.
    pub(super) model: u64,
}

/// A place in a line, given back when dropped.
struct Turn<'g> {
    queue: &'g Queue,
    metrics: &'g Metrics,
    place: String,
    ticket: u64,
    wake: Arc<Notify>,
    since: Instant,
    result: &'static str,
}

impl Queue {
    /// A slot was given back, or an account opened.
    pub(super) fn released(&self) {
        if self.waiting() == 0 {
            return;
        }
        let firsts = self.lines.lock().firsts();
        for first in firsts {
            first.notify_one();
        }
    }

    /// Requests that wait now.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// A number for a request, above those of all before it.
    pub(super) fn arrive(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn is_behind(&self, ask: &Ask<'_>, wants: Wants, patience: &Patience) -> bool {
        self.waiting() > 0 && self.lines.lock().is_behind(&place(ask, patience), wants, patience.arrival)
    }

    /// A request was served without a place in line.
    fn overtook(&self, ask: &Ask<'_>, wants: Wants, patience: &Patience) {
        if self.waiting() > 0 {
            self.lines.lock().overtook(&place(ask, patience), patience.arrival, wants);
        }
    }
}

/// A number that stands for a text.
pub(super) fn number(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish().max(ANY + 1)
}

/// Selects; waits in line where that helps within the patience.
///
/// # Errors
/// Why there is none; `soonest` counts those who wait before this request.
pub(super) async fn lease(gateway: &Gateway, ask: &Ask<'_>, patience: Patience) -> Result<Lease, Unavailable> {
    let queue = &gateway.queue;
    let wants = wants(ask, patience);
    if queue.is_behind(ask, wants, &patience) {
        let end = end_of_line(gateway, ask, &patience, For::Newcomer);
        if Instant::now() >= patience.until || end.is_some_and(|end| end.is_beyond(&patience)) {
            return Err(too_late(end, None));
        }
    } else {
        match select(&gateway.registry, ask, now()) {
            Ok(lease) => {
                queue.overtook(ask, wants, &patience);
                return Ok(lease);
            }
            Err(why) if !patience.covers(&why) => {
                return Err(behind(end_of_line(gateway, ask, &patience, For::Refused), why));
            }
            Err(_) => {}
        }
    }
    let Some(mut turn) = Turn::take(gateway, ask, wants, &patience) else {
        return Err(too_late(end_of_line(gateway, ask, &patience, For::Refused), None));
    };
    let mut last = None;
    loop {
        let mut until = patience.until;
        if turn.may_look() {
            match select(&gateway.registry, ask, now()) {
                Ok(lease) => {
                    turn.result = "served";
                    return Ok(lease);
                }
                Err(why) if !patience.covers(&why) => {
                    turn.result = "refused";
                    return Err(behind(end_of_line(gateway, ask, &patience, For::Leaver), why));
                }
                Err(why) => {
                    turn.looked(why.reason == UnavailableReason::AllPaced);
                    let opens = why.soonest.map(|at| Instant::now() + Duration::from_millis(at.since(now())));
                    let next = Instant::now() + LOOK_EVERY;
                    let least = Instant::now() + LOOK_AT_MOST_EVERY;
                    until = opens.map_or(next, |opens| opens.clamp(least, next)).min(until);
                    last = Some(why);
                }
            }
        }
        if tokio::time::timeout_at(until.into(), turn.wake.notified()).await.is_err()
            && Instant::now() >= patience.until
        {
            turn.result = "refused";
            return Err(too_late(end_of_line(gateway, ask, &patience, For::Leaver), last));
        }
    }
}

fn wants(ask: &Ask<'_>, patience: Patience) -> Wants {
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
    fn reaches(&self, at: Millis) -> bool {
        Duration::from_millis(at.since(now())) < self.until.saturating_duration_since(Instant::now())
    }

    /// Whether what stands in the way ends within the patience.
    fn covers(&self, why: &Unavailable) -> bool {
        use UnavailableReason::{AllBroken, AllBusy, AllCooling, AllPaced};
        match why.reason {
            AllBusy => Instant::now() < self.until,
            AllPaced | AllCooling | AllBroken => self.timed && why.soonest.is_some_and(|at| self.reaches(at)),
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
    fn is_beyond(self, patience: &Patience) -> bool {
        !self.lacks_slots && self.turn.is_some_and(|at| !patience.reaches(at))
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

/// When it is the turn of who stands behind all that wait; a leaver's own place aside. `None` if nobody waits.
fn end_of_line(gateway: &Gateway, ask: &Ask<'_>, patience: &Patience, whose: For) -> Option<End> {
    let queue = &gateway.queue;
    if queue.waiting() == 0 {
        return None;
    }
    let own = Some(patience.arrival).filter(|_| whose == For::Leaver);
    let place = place(ask, patience);
    let ahead = queue.lines.lock().ahead(&place, own)?;
    let key = format!("{place}\n\n{}", ask.required.unwrap_or_default());
    let short = own.filter(|_| ahead.requests <= SHORT);
    let mut all = queue.played.lock();
    // Of another line, that has ended since, nothing is believed.
    let oldest = queue.lines.lock().joined_after(&place, 0).next().map_or(0, |(joined, ..)| joined);
    let is_known = |played: &Played| {
        let most = if played.rooms.lacks_slots() { SLOTS_FOR } else { PLAYED_FOR };
        played.last >= oldest && played.at.elapsed() < most
    };
    let known = all.get_mut(&key).filter(|played| short.is_none() && is_known(played));
    let mut anew = None;
    let played = match known {
        Some(played) => played,
        None => {
            let requests = usize::try_from(ahead.requests).unwrap_or(usize::MAX);
            let rooms = gateway.registry.rooms(ask, requests, now());
            anew.insert(Played { at: Instant::now(), rooms, last: 0, early: Vec::new() })
        }
    };
    // Who insists on an account has to do with those alone that insist on it, too.
    let insists = ask.required.map(number);
    let lines = queue.lines.lock();
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
    let told = turn.map(|turn| played.rooms.told(turn));
    let now = now().0;
    let of = |limits: Option<Millis>| ahead.turn(limits.map(|at| at.0), lacks_slots, now).map(Millis);
    let end = End { turn: of(turn), told: of(told), lacks_slots };
    if whose == For::Newcomer && !end.is_beyond(patience) && played.early.len() < EARLY_MAX {
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

impl<'g> Turn<'g> {
    fn take(gateway: &'g Gateway, ask: &Ask<'_>, wants: Wants, patience: &Patience) -> Option<Self> {
        let (queue, place, wake) = (&gateway.queue, place(ask, patience), Arc::new(Notify::new()));
        let ticket = patience.arrival;
        {
            let mut lines = queue.lines.lock();
            if !lines.join(&place, ticket, wants, Arc::clone(&wake)) {
                return None;
            }
            queue.waiting.store(lines.waiting(), Ordering::Release);
        }
        let metrics = &gateway.metrics;
        Some(Turn { queue, metrics, place, ticket, wake, since: Instant::now(), result: "left" })
    }

    fn may_look(&self) -> bool {
        self.queue.lines.lock().may_look(&self.place, self.ticket)
    }

    fn looked(&self, short: bool) {
        let next = self.queue.lines.lock().looked(&self.place, self.ticket, short);
        if let Some(next) = next {
            next.notify_one();
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let served = (self.result == "served").then(|| now().0);
        let next = {
            let mut lines = self.queue.lines.lock();
            let next = lines.leave(&self.place, self.ticket, served);
            self.queue.waiting.store(lines.waiting(), Ordering::Release);
            next
        };
        if let Some(next) = next {
            next.notify_one();
        }
        self.metrics.waited.with_label_values(&[self.result]).observe(self.since.elapsed().as_secs_f64());
    }
}
