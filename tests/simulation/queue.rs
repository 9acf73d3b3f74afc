//! Waiting in line for an account: what `src/proxy/wait.rs` does with tasks and clocks, as plain steps.

use interlingua::pool::{Ask, Lease, Millis, Unavailable, UnavailableReason, select};

use super::line::{ANY, Ahead, Rates, Wants};
use super::walk::{FAMILY, Gateway, Walk};

/// How often who may look does so unasked, and how often at most, in milliseconds.
const LOOK_EVERY_MS: u64 = 1_000;
const LOOK_AT_MOST_EVERY_MS: u64 = 5;
/// The one model.
const MODEL: u64 = 1;

/// A place in a line.
pub(crate) struct Stand {
    place: String,
    /// The account that alone will do.
    pub(crate) own: Option<String>,
    until: u64,
    last: Option<Unavailable>,
}

/// What comes of a look.
pub(crate) enum Found {
    Lease(Lease),
    Wait(u64),
    None(Unavailable),
}

impl Gateway {
    /// `wait::lease` up to where it sleeps.
    pub(crate) fn enter(
        &mut self,
        walk: &mut Walk,
        own: Option<String>,
        until: u64,
        now: u64,
        woken: &mut Vec<u64>,
    ) -> Found {
        let (place, wants) = self.ask(walk, own.as_deref(), now, |ask| (place(ask), wants(ask, walk.arrival)));
        if self.lines.is_behind(&place, wants, walk.arrival) {
            if now >= until {
                return Found::None(self.too_late(&place, own.as_deref(), None, None, now));
            }
            if let Some(at) = self.expected(&place, own.as_deref(), None, now).filter(|at| *at >= until) {
                return Found::None(Unavailable { reason: UnavailableReason::AllPaced, soonest: Some(Millis(at)) });
            }
        } else {
            match self.ask(walk, own.as_deref(), now, |ask| select(&self.registry, ask, Millis(now))) {
                Ok(lease) => return Found::Lease(lease),
                Err(why) if !covers(until, &why, now) => {
                    return Found::None(self.behind(&place, own.as_deref(), None, why, now));
                }
                Err(_) => {}
            }
        }
        if !self.lines.join(&place, walk.arrival, wants, walk.arrival) {
            return Found::None(self.too_late(&place, own.as_deref(), None, None, now));
        }
        walk.stand = Some(Stand { place, own, until, last: None });
        self.on_turn(walk, false, now, woken)
    }

    /// One round of its loop. `timer`: the time that it waited for has come.
    pub(crate) fn on_turn(&mut self, walk: &mut Walk, timer: bool, now: u64, woken: &mut Vec<u64>) -> Found {
        let mut stand = walk.stand.take().expect("it stands in line");
        let ticket = walk.arrival;
        if timer && now >= stand.until {
            let why = self.too_late(&stand.place, stand.own.as_deref(), Some(ticket), stand.last, now);
            woken.extend(self.lines.leave(&stand.place, ticket, None));
            return Found::None(why);
        }
        let mut until = stand.until;
        if self.lines.may_look(&stand.place, ticket) {
            match self.ask(walk, stand.own.as_deref(), now, |ask| select(&self.registry, ask, Millis(now))) {
                Ok(lease) => {
                    woken.extend(self.lines.leave(&stand.place, ticket, Some(now)));
                    return Found::Lease(lease);
                }
                Err(why) if !covers(stand.until, &why, now) => {
                    let why = self.behind(&stand.place, stand.own.as_deref(), Some(ticket), why, now);
                    woken.extend(self.lines.leave(&stand.place, ticket, None));
                    return Found::None(why);
                }
                Err(why) => {
                    let room = why.soonest.filter(|_| why.reason == UnavailableReason::AllPaced).map(|at| at.0);
                    woken.extend(self.lines.looked(&stand.place, ticket, room));
                    let next = now + LOOK_EVERY_MS;
                    let opens = why.soonest.map_or(next, |at| at.0.clamp(now + LOOK_AT_MOST_EVERY_MS, next));
                    until = opens.min(until);
                    stand.last = Some(why);
                }
            }
        }
        walk.stand = Some(stand);
        Found::Wait(until.max(now))
    }

    /// The same refusal, later by those who wait before.
    fn behind(&self, place: &str, own: Option<&str>, ticket: Option<u64>, why: Unavailable, now: u64) -> Unavailable {
        let ahead = self.lines.ahead(place, ticket).map_or(0, |ahead| ahead.takes_ms(self.rates(own, now)));
        Unavailable { soonest: why.soonest.map(|at| at.plus(ahead)), ..why }
    }

    /// The patience has ended, or the line is too long.
    fn too_late(
        &self,
        place: &str,
        own: Option<&str>,
        ticket: Option<u64>,
        last: Option<Unavailable>,
        now: u64,
    ) -> Unavailable {
        match last {
            Some(why) => self.behind(place, own, ticket, why, now),
            None => match self.expected(place, own, ticket, now) {
                Some(at) => Unavailable { reason: UnavailableReason::AllPaced, soonest: Some(Millis(at)) },
                None => Unavailable { reason: UnavailableReason::AllBusy, soonest: None },
            },
        }
    }

    /// When it will be a request's turn, if those ahead of it wait for room in limits.
    fn expected(&self, place: &str, own: Option<&str>, ticket: Option<u64>, now: u64) -> Option<u64> {
        let ahead: Ahead = self.lines.ahead(place, ticket)?;
        Some(ahead.opens?.max(now) + ahead.takes_ms(self.rates(own, now)))
    }

    /// What all accounts that would do can take in a minute.
    fn rates(&self, own: Option<&str>, now: u64) -> Rates {
        let mut sum = Rates { requests: Some(0), tokens: Some(0) };
        for account in self.registry.accounts().iter().filter(|account| own.is_none_or(|own| own == account.id())) {
            let pace = account.paces(Millis(now)).into_iter().find(|pace| pace.family == FAMILY);
            let add = |sum: Option<u64>, limit: Option<u64>| Some(sum?.saturating_add(limit?));
            sum.requests = add(sum.requests, pace.as_ref().and_then(|pace| pace.requests.limit));
            sum.tokens = add(sum.tokens, pace.as_ref().and_then(|pace| pace.tokens.limit));
        }
        let known = |rate: Option<u64>| rate.filter(|rate| *rate > 0);
        Rates { requests: known(sum.requests), tokens: known(sum.tokens) }
    }
}

fn covers(until: u64, why: &Unavailable, now: u64) -> bool {
    use UnavailableReason::{AllBroken, AllBusy, AllCooling, AllPaced};
    match why.reason {
        AllBusy => now < until,
        AllPaced | AllCooling | AllBroken => why.soonest.is_some_and(|at| at.0.max(now) < until),
        _ => false,
    }
}

fn wants(ask: &Ask<'_>, arrival: u64) -> Wants {
    let who = match ask.required {
        Some(own) => own.bytes().fold(1, |hash, byte| (hash * 31 + u64::from(byte)) % (1 << 40)) + (1 << 40),
        None if ask.attempted.is_empty() => ANY,
        None => arrival.max(ANY + 1),
    };
    Wants { model: MODEL, who, tokens: ask.cost.tokens }
}

fn place(ask: &Ask<'_>) -> String {
    let mut pools = ask.upstreams.to_vec();
    pools.sort_unstable();
    format!("{}\n{}", ask.family, pools.join("\n"))
}
