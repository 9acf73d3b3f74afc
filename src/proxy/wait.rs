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
use super::line::{ANY, Ahead, Lines, Rates, Wants};
use crate::pool::{Ask, Lease, Millis, Unavailable, UnavailableReason, select};
use crate::telemetry::metrics::Metrics;

/// How often who may look does so unasked: a lock may have been cleared by hand, or a configuration put in force.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// And no more often than this, should a moment have passed without anything opening.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(5);

/// How long it is believed what the accounts of a line can take in a minute: looking it up walks all accounts.
const RATES_FOR: Duration = Duration::from_secs(1);
/// Places of which that is remembered.
const RATES_MAX: usize = 1_024;

/// All lines of the process.
#[derive(Default)]
pub(super) struct Queue {
    lines: Mutex<Lines<Arc<Notify>>>,
    /// Beside the lines, so that a slot given back costs nothing while nobody waits.
    waiting: AtomicUsize,
    arrivals: AtomicU64,
    /// What the accounts of a place can take in a minute, and when that was looked up.
    rates: Mutex<HashMap<String, (Instant, Rates)>>,
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

    fn is_behind(&self, ask: &Ask<'_>, wants: Wants, arrival: u64) -> bool {
        self.waiting() > 0 && self.lines.lock().is_behind(&place(ask), wants, arrival)
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
    if queue.is_behind(ask, wants, patience.arrival) {
        if Instant::now() >= patience.until {
            return Err(too_late(gateway, ask, None, None));
        }
        if let Some(at) = expected(gateway, ask, None).filter(|at| !patience.reaches(*at)) {
            return Err(Unavailable { reason: UnavailableReason::AllPaced, soonest: Some(at) });
        }
    } else {
        match select(&gateway.registry, ask, now()) {
            Ok(lease) => return Ok(lease),
            Err(why) if !patience.covers(&why) => return Err(behind(gateway, ask, None, why)),
            Err(_) => {}
        }
    }
    let mut turn =
        Turn::take(gateway, ask, wants, patience.arrival).ok_or_else(|| too_late(gateway, ask, None, None))?;
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
                    return Err(behind(gateway, ask, Some(turn.ticket), why));
                }
                Err(why) => {
                    turn.looked(why.soonest.filter(|_| why.reason == UnavailableReason::AllPaced));
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
            return Err(too_late(gateway, ask, Some(turn.ticket), last));
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
    Wants { model: patience.model, who, tokens: ask.cost.tokens }
}

fn place(ask: &Ask<'_>) -> String {
    let mut pools = ask.upstreams.to_vec();
    pools.sort_unstable();
    // No id and no family has a line break.
    format!("{}\n{}", ask.family, pools.join("\n"))
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

/// The same refusal, later by those who wait before.
fn behind(gateway: &Gateway, ask: &Ask<'_>, ticket: Option<u64>, why: Unavailable) -> Unavailable {
    let ahead = ahead(gateway, ask, ticket).map_or(0, |ahead| ahead.takes_ms(rates(gateway, ask)));
    Unavailable { soonest: why.soonest.map(|at| at.plus(ahead)), ..why }
}

/// The patience has ended, or the line is too long.
fn too_late(gateway: &Gateway, ask: &Ask<'_>, ticket: Option<u64>, last: Option<Unavailable>) -> Unavailable {
    match last {
        Some(why) => behind(gateway, ask, ticket, why),
        // It never had its turn.
        None => match expected(gateway, ask, ticket) {
            Some(at) => Unavailable { reason: UnavailableReason::AllPaced, soonest: Some(at) },
            None => Unavailable { reason: UnavailableReason::AllBusy, soonest: None },
        },
    }
}

/// When it will be a request's turn, if those ahead of it wait for room in limits.
fn expected(gateway: &Gateway, ask: &Ask<'_>, ticket: Option<u64>) -> Option<Millis> {
    let ahead = ahead(gateway, ask, ticket)?;
    let opens = Millis(ahead.opens?).max(now());
    Some(opens.plus(ahead.takes_ms(rates(gateway, ask))))
}

fn ahead(gateway: &Gateway, ask: &Ask<'_>, ticket: Option<u64>) -> Option<Ahead> {
    let queue = &gateway.queue;
    if queue.waiting() == 0 { None } else { queue.lines.lock().ahead(&place(ask), ticket) }
}

/// What all accounts that would do can take in a minute, as it was lately.
fn rates(gateway: &Gateway, ask: &Ask<'_>) -> Rates {
    let (place, known) = (place(ask), &gateway.queue.rates);
    if let Some((_, rates)) = known.lock().get(&place).filter(|(at, _)| at.elapsed() < RATES_FOR) {
        return *rates;
    }
    let rates = rates_now(gateway, ask);
    let mut known = known.lock();
    if known.len() >= RATES_MAX {
        known.clear();
    }
    known.insert(place, (Instant::now(), rates));
    rates
}

/// The same by a walk over all accounts.
fn rates_now(gateway: &Gateway, ask: &Ask<'_>) -> Rates {
    let (now, mut sum) = (now(), Rates { requests: Some(0), tokens: Some(0) });
    for account in gateway.registry.accounts() {
        let asked = ask.upstreams.contains(&account.upstream().as_str());
        if !asked
            || ask.required.is_some_and(|id| id != account.id())
            || ask.eligible.is_some_and(|may| !may(account.id()))
        {
            continue;
        }
        let pace = account.paces(now).into_iter().find(|pace| pace.family == ask.family);
        let add = |sum: Option<u64>, limit: Option<u64>| Some(sum?.saturating_add(limit?));
        sum.requests = add(sum.requests, pace.as_ref().and_then(|pace| pace.requests.limit));
        sum.tokens = add(sum.tokens, pace.as_ref().and_then(|pace| pace.tokens.limit));
    }
    let known = |rate: Option<u64>| rate.filter(|rate| *rate > 0);
    Rates { requests: known(sum.requests), tokens: known(sum.tokens) }
}

impl<'g> Turn<'g> {
    fn take(gateway: &'g Gateway, ask: &Ask<'_>, wants: Wants, ticket: u64) -> Option<Self> {
        let (queue, place, wake) = (&gateway.queue, place(ask), Arc::new(Notify::new()));
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

    fn looked(&self, opens: Option<Millis>) {
        let next = self.queue.lines.lock().looked(&self.place, self.ticket, opens.map(|at| at.0));
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
