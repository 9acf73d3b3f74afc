//! Choosing an account and taking a slot of it, in one step.
//!
//! Filter: switched on, eligible, not locked, not tried by this request, a slot free. Then tier, then slots in use
//! relative to the limit, then longest idle, then the order of `upstreams`. The account that the session is bound to
//! goes before all that whenever it is free. A probe of a lock stands behind the free accounts of its tier, and one
//! request makes one probe at most: a request must not walk through all locked accounts.

use std::sync::Arc;

use super::account::AccountState;
use super::lane::{Key, Place};
use super::lease::{BoundAccount, Lease};
use super::registry::{Index, Registry};
use super::time::Millis;
use crate::limits::classify::Reason;
use crate::limits::cooldown::Standing;
use crate::limits::pace::Cost;

/// Accounts that one request may try at most.
pub const ATTEMPTS_MAX: usize = 64;

/// What a request asks of the pool.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Eligible upstreams by name; their order breaks the last tie only.
    pub upstreams: &'a [&'a str],
    /// Model family, or model name, that cooldowns are keyed by.
    pub family: &'a str,
    /// What this request has tried.
    pub attempted: &'a Attempted,
    /// The account that the session is bound to.
    pub bound: Option<&'a str>,
    /// Only this account: pinned, or the holder of an object that the request names.
    pub required: Option<&'a str>,
    /// Whether an account may serve this request at all. Called under the registry's lock: it must be quick, must not
    /// select or drop a lease, and may call [`Registry::get`]. It costs a walk past every free account that it refuses.
    pub eligible: Option<&'a (dyn Fn(&str) -> bool + Sync)>,
    /// What the request takes of the account's limits.
    pub cost: Cost,
}

/// The accounts that one request has tried; at most [`ATTEMPTS_MAX`].
#[derive(Clone, Debug, Default)]
pub struct Attempted {
    ids: Vec<Arc<str>>,
    probed: bool,
}

impl Attempted {
    /// Notes the account of a lease, and that its probe is spent. `false` if no more fit.
    pub fn record(&mut self, lease: &Lease) -> bool {
        self.probed |= lease.is_probe();
        self.push(lease.shared_id())
    }

    /// Notes an account by its id. `false` if no more fit.
    pub fn insert(&mut self, id: &str) -> bool {
        self.push(id.into())
    }

    /// Whether the account was tried.
    pub fn contains(&self, id: &str) -> bool {
        self.ids.iter().any(|tried| **tried == *id)
    }

    /// How many were tried.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether none was tried.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn push(&mut self, id: Arc<str>) -> bool {
        if self.contains(&id) {
            return true;
        }
        let fits = self.ids.len() < ATTEMPTS_MAX;
        if fits {
            self.ids.push(id);
        }
        fits
    }

    fn full(&self) -> bool {
        self.ids.len() >= ATTEMPTS_MAX
    }
}

/// Why no account was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// Why.
    pub reason: UnavailableReason,
    /// When the first of the candidates opens, tried ones included, and has room for this cost: what `retry-after` is
    /// made of. `None` if none is closed.
    pub soonest: Option<Millis>,
}

/// Why no account was given. The first that applies, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnavailableReason {
    /// Some account would do, but for its slots: waiting for a release helps.
    AllBusy,
    /// Some account would do, but for its limits a minute: it has room at `soonest`.
    AllPaced,
    /// Some account would do, but for its lock.
    AllCooling,
    /// Some account would do, but it has failed too often; it is tried at `soonest`.
    AllBroken,
    /// This request has tried every account that would do, or as many as it may.
    AllAttempted,
    /// There are accounts, but none may serve this request.
    NoneEligible,
    /// There are accounts, but all are switched off.
    AllDisabled,
    /// There is no account.
    NoneConfigured,
}

/// Why an account was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Another one is required.
    NotRequired,
    /// Switched off, or suspended with a reason.
    Disabled(Option<String>),
    /// It may not serve this request.
    NotEligible,
    /// This request has tried it.
    Attempted,
    /// Locked.
    Cooling {
        /// Why.
        reason: Reason,
        /// Until when.
        until: Millis,
        /// When one request may try.
        next_probe: Option<Millis>,
    },
    /// It has no room for this cost.
    Paced {
        /// Until when.
        until: Millis,
    },
    /// It has failed too often.
    Broken {
        /// When one request may try.
        until: Millis,
    },
    /// All its slots are in use.
    Busy,
    /// Its upstream is overloaded, and has as much to do as it may.
    Overloaded,
}

/// One account as a selection sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateView {
    /// The account.
    pub id: String,
    /// Its upstream.
    pub upstream: String,
    /// Its tier.
    pub tier: u8,
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests in flight at most; 0 means no limit.
    pub limit: u32,
    /// Place in the order of preference, from 0; `None` if it is passed over.
    pub order: Option<usize>,
    /// Why it is passed over.
    pub skipped: Option<Skip>,
}

/// Takes a slot of the best account for `ask`.
///
/// # Errors
/// [`Unavailable`] says why there is none and when that may change.
pub fn select(registry: &Registry, ask: &Ask<'_>, now: Millis) -> Result<Lease, Unavailable> {
    let mut index = registry.shared.index.lock();
    index.now = now;
    let mut bound = BoundAccount::None;
    let state = if let Some(id) = ask.required {
        required(registry, &index, ask, id, now)?
    } else {
        let named = ask.bound.and_then(|id| registry.get(id));
        if ask.bound.is_some() {
            bound = named.as_deref().map_or(BoundAccount::Gone, |state| standing_of(&index, ask, state, now));
        }
        let chosen = named.filter(|_| bound == BoundAccount::Served).or_else(|| best(&mut index, ask, now));
        match chosen {
            Some(state) if !ask.attempted.full() => state,
            _ => return Err(unavailable(registry, &mut index, ask, now)),
        }
    };
    let probe = matches!(state.standing(ask.family, now), Standing::Probe { .. });
    if !state.reserve(index.limited()) {
        // Cannot be: slots change under the index's lock alone.
        return Err(Unavailable { reason: UnavailableReason::AllBusy, soonest: None });
    }
    index.sequence += 1;
    let sequence = index.sequence;
    state.note_taken(sequence, probe, now);
    if probe {
        let settings = index.settings.cooldown;
        state.locks(|locks| locks.begin_probe(ask.family, now, &settings));
    }
    index.refresh(&state, now);
    drop(index);
    Ok(Lease::new(Arc::clone(&registry.shared), state, ask.family, sequence, probe, bound))
}

/// All candidates in the order of preference, those passed over last. It walks all of them: for people, not for requests.
pub fn explain(registry: &Registry, ask: &Ask<'_>, now: Millis) -> Vec<CandidateView> {
    let index = registry.shared.index.lock();
    let mut views = Vec::new();
    for (order, name) in ask.upstreams.iter().enumerate() {
        let members = index.upstream(name).map_or(&[][..], |upstream| index.members(upstream));
        for (member, state) in (0u32..).zip(members) {
            let place = Place::of(state, member, Some(ask.family), index.limited(), now);
            let skipped = skip(ask, state, &place, now);
            let free = match place {
                Place::Ready(key, _) if skipped.is_none() => Some((ask.bound != Some(state.id()), rank(key, order))),
                _ => None,
            };
            let view = CandidateView {
                id: state.id().to_owned(),
                upstream: (*name).to_owned(),
                tier: state.tier(),
                in_flight: state.in_flight(),
                limit: state.limit(),
                order: None,
                skipped,
            };
            views.push(((free.is_none(), free, order, member), view));
        }
    }
    drop(index);
    views.sort_by_key(|(place, _)| *place);
    for (place, ((skipped, ..), view)) in views.iter_mut().enumerate() {
        view.order = (!*skipped).then_some(place);
    }
    views.into_iter().map(|(_, view)| view).collect()
}

/// The order of preference across upstreams.
type Rank = (u8, bool, u64, u64, usize, u32);

fn rank(key: Key, order: usize) -> Rank {
    (key.tier, key.probe, key.load, key.used, order, key.member)
}

fn allowed(ask: &Ask<'_>, id: &str) -> bool {
    ask.eligible.is_none_or(|eligible| eligible(id))
}

/// Whether one named account can be taken; [`BoundAccount::Served`] if so.
fn standing_of(index: &Index, ask: &Ask<'_>, state: &AccountState, now: Millis) -> BoundAccount {
    let seated = state
        .seat()
        .is_some_and(|(upstream, _)| ask.upstreams.iter().any(|name| index.upstream(name) == Some(upstream)));
    if !seated || !state.enabled() || !allowed(ask, state.id()) {
        return BoundAccount::Gone;
    }
    if ask.attempted.contains(state.id()) {
        return BoundAccount::Attempted;
    }
    match state.standing(ask.family, now) {
        Standing::Closed { until, .. } => BoundAccount::Cooling { until },
        Standing::Probe { until } if ask.attempted.probed => BoundAccount::Cooling { until },
        _ if index.limited() && state.full() => BoundAccount::Busy,
        _ => BoundAccount::Served,
    }
}

/// The one account that is asked for.
fn required(
    registry: &Registry,
    index: &Index,
    ask: &Ask<'_>,
    id: &str,
    now: Millis,
) -> Result<Arc<AccountState>, Unavailable> {
    let Some(state) = registry.get(id) else {
        return Err(Unavailable { reason: UnavailableReason::NoneConfigured, soonest: None });
    };
    let reason = match standing_of(index, ask, &state, now) {
        BoundAccount::Served => return Ok(state),
        BoundAccount::Busy => UnavailableReason::AllBusy,
        BoundAccount::Cooling { .. } => UnavailableReason::AllCooling,
        BoundAccount::Attempted => UnavailableReason::AllAttempted,
        _ if !state.enabled() => UnavailableReason::AllDisabled,
        _ => UnavailableReason::NoneEligible,
    };
    let soonest = state.longest_lock(ask.family, now).map(|lock| lock.until);
    Err(Unavailable { reason, soonest })
}

/// The best free account of all upstreams.
fn best(index: &mut Index, ask: &Ask<'_>, now: Millis) -> Option<Arc<AccountState>> {
    let mut best: Option<(Rank, usize)> = None;
    for (order, name) in ask.upstreams.iter().enumerate() {
        let Some(upstream) = index.upstream(name) else { continue };
        index.advance(upstream, ask.family, now);
        let Some(key) = first(index, upstream, ask) else { continue };
        let rank = rank(key, order);
        if best.is_none_or(|(other, _)| rank < other) {
            best = Some((rank, upstream));
        }
    }
    let ((.., member), upstream) = best?;
    index.member(upstream, member).map(Arc::clone)
}

/// The best free account of one upstream. Walks past tried ones, of which there are few, and ineligible ones.
fn first(index: &Index, upstream: usize, ask: &Ask<'_>) -> Option<Key> {
    let members = index.members(upstream);
    let usable = |key: &&Key| {
        let Some(state) = members.get(key.member as usize) else { return false };
        let spent = key.probe && ask.attempted.probed;
        !(spent || ask.attempted.contains(state.id())) && allowed(ask, state.id())
    };
    index.lane(upstream, ask.family)?.ready().find(usable).copied()
}

/// Why nothing is free. Walks the full ones until one would do, and the locks until one counts.
fn unavailable(registry: &Registry, index: &mut Index, ask: &Ask<'_>, now: Millis) -> Unavailable {
    let (mut any, mut on, mut eligible) = (false, false, false);
    let (mut busy, mut cooling, mut attempted) = (false, false, false);
    let mut soonest: Option<Millis> = None;
    for name in ask.upstreams {
        let Some(upstream) = index.upstream(name) else { continue };
        index.advance(upstream, ask.family, now);
        let Some(lane) = index.lane(upstream, ask.family) else { continue };
        let members = index.members(upstream);
        let id = |member: u32| members.get(member as usize).map_or("", |state| state.id());
        let would_do = |member: u32| !ask.attempted.contains(id(member)) && allowed(ask, id(member));
        any |= !members.is_empty();
        let enabled = (0u32..).zip(members).filter(|(member, _)| !lane.is_off(*member));
        for (_, state) in enabled {
            on = true;
            if allowed(ask, state.id()) {
                eligible = true;
                break;
            }
        }
        let seated =
            |id: &Arc<str>| registry.get(id).and_then(|state| state.seat()).is_some_and(|seat| seat.0 == upstream);
        attempted |= ask.attempted.full() || ask.attempted.ids.iter().any(seated);
        busy |= lane.full().any(|(member, probe)| !(probe && ask.attempted.probed) && would_do(member));
        cooling |= lane.ends().any(|(_, member)| would_do(member));
        let end = lane.ends().find(|(_, member)| allowed(ask, id(*member))).map(|(until, _)| until);
        soonest = soonest.into_iter().chain(end).min();
    }
    let full = ask.attempted.full();
    let reason = match () {
        () if busy && !full => UnavailableReason::AllBusy,
        () if cooling && !full => UnavailableReason::AllCooling,
        () if attempted => UnavailableReason::AllAttempted,
        () if eligible || on => UnavailableReason::NoneEligible,
        () if any => UnavailableReason::AllDisabled,
        () => UnavailableReason::NoneConfigured,
    };
    Unavailable { reason, soonest }
}

fn skip(ask: &Ask<'_>, state: &AccountState, place: &Place, now: Millis) -> Option<Skip> {
    if ask.required.is_some_and(|required| required != state.id()) {
        return Some(Skip::NotRequired);
    }
    if *place == Place::Off {
        return Some(Skip::Disabled(state.suspended()));
    }
    if !allowed(ask, state.id()) {
        return Some(Skip::NotEligible);
    }
    if ask.attempted.contains(state.id()) {
        return Some(Skip::Attempted);
    }
    let cooling = || {
        let lock = state.longest_lock(ask.family, now)?;
        Some(Skip::Cooling { reason: lock.reason, until: lock.until, next_probe: lock.probe_at })
    };
    match place {
        Place::Closed { .. } => cooling(),
        Place::Ready(_, Some(_)) | Place::Full(Some(_)) if ask.attempted.probed => cooling(),
        Place::Full(_) => Some(Skip::Busy),
        _ => None,
    }
}
