//! Waiting in line for an account: what `src/proxy/wait.rs` does with tasks and clocks, as plain steps.

use interlingua::limits::Cost;
use interlingua::pool::{Ask, Lease, Millis, Unavailable, UnavailableReason, select};

use super::line::{ANY, Wants};
use super::walk::{Gateway, Walk};

/// How often who may look does so unasked, and how often at most, in milliseconds.
const LOOK_EVERY_MS: u64 = 1_000;
const LOOK_AT_MOST_EVERY_MS: u64 = 5;
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
            let end = self.end_of_line(walk, &place, own.as_deref(), false, now);
            let beyond = end.is_some_and(|end| !end.lacks_slots && end.turn.is_some_and(|at| at.0 >= until));
            if now >= until || beyond {
                return Found::None(too_late(end, None));
            }
        } else {
            match self.ask(walk, own.as_deref(), now, |ask| select(&self.registry, ask, Millis(now))) {
                Ok(lease) => {
                    self.lines.overtook(&place, walk.arrival, wants);
                    return Found::Lease(lease);
                }
                Err(why) if !covers(until, &why, now) => {
                    return Found::None(behind(self.end_of_line(walk, &place, own.as_deref(), false, now), why));
                }
                Err(_) => {}
            }
        }
        if !self.lines.join(&place, walk.arrival, wants, walk.arrival) {
            return Found::None(too_late(self.end_of_line(walk, &place, own.as_deref(), false, now), None));
        }
        walk.stand = Some(Stand { place, own, until, last: None });
        self.on_turn(walk, false, now, woken)
    }

    /// One round of its loop. `timer`: the time that it waited for has come.
    pub(crate) fn on_turn(&mut self, walk: &mut Walk, timer: bool, now: u64, woken: &mut Vec<u64>) -> Found {
        let mut stand = walk.stand.take().expect("it stands in line");
        let ticket = walk.arrival;
        if timer && now >= stand.until {
            let end = self.end_of_line(walk, &stand.place, stand.own.as_deref(), true, now);
            let why = too_late(end, stand.last);
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
                    let end = self.end_of_line(walk, &stand.place, stand.own.as_deref(), true, now);
                    let why = behind(end, why);
                    woken.extend(self.lines.leave(&stand.place, ticket, None));
                    return Found::None(why);
                }
                Err(why) => {
                    woken.extend(self.lines.looked(&stand.place, ticket, why.reason == UnavailableReason::AllPaced));
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

    /// When it is the turn of who stands behind all that wait, its own place aside if it `stands` there.
    fn end_of_line(&self, walk: &Walk, place: &str, own: Option<&str>, stands: bool, now: u64) -> Option<End> {
        let but = stands.then_some(walk.arrival);
        let ahead = self.lines.ahead(place, but)?;
        self.ask(walk, own, now, |ask| {
            let mut rooms = self.registry.rooms(ask, ahead.requests as usize, Millis(now));
            let insists = own.map(number);
            for (_, _, wants) in self.lines.joined_after(place, 0).filter(|(_, ticket, _)| Some(*ticket) != but) {
                if insists.is_none_or(|who| who == wants.who) {
                    rooms.play(Cost { tokens: wants.tokens });
                }
            }
            let (turn, lacks_slots) = (rooms.turn(ask.cost), rooms.lacks_slots());
            let of = |limits: Option<Millis>| ahead.turn(limits.map(|at| at.0), lacks_slots, now).map(Millis);
            Some(End { turn: of(turn), told: of(turn.map(|turn| rooms.told(turn))), lacks_slots })
        })
    }
}

/// Behind all that wait.
#[derive(Clone, Copy)]
struct End {
    turn: Option<Millis>,
    told: Option<Millis>,
    lacks_slots: bool,
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
    let paced = end.is_some_and(|end| end.told.is_some() && !end.lacks_slots);
    let reason = if paced { UnavailableReason::AllPaced } else { UnavailableReason::AllBusy };
    Unavailable { reason, soonest: end.and_then(|end| end.told) }
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
        Some(own) => number(own),
        None if ask.attempted.is_empty() => ANY,
        None => arrival.max(ANY + 1),
    };
    Wants { who, tokens: ask.cost.tokens }
}

/// A number that stands for an account.
fn number(own: &str) -> u64 {
    own.bytes().fold(1, |hash, byte| (hash * 31 + u64::from(byte)) % (1 << 40)) + (1 << 40)
}

fn place(ask: &Ask<'_>) -> String {
    let mut pools = ask.upstreams.to_vec();
    pools.sort_unstable();
    format!("{}\n{}", ask.family, pools.join("\n"))
}
