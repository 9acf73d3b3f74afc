//! Choosing an account and taking a slot of it, in one step.
//!
//! Filter: switched on, eligible, not tried by this request, not closed by a lock, its breaker or its pace, a slot free, its
//! upstream not at its ceiling. Then tier, then slots in use relative to the limit, then what is left of the quota, then
//! longest idle, then the order of `upstreams`. The account that the session is bound to goes before all that whenever it is free. A probe stands behind
//! the free accounts of its tier, and one request makes one probe at most: a request must not walk through all locked
//! accounts. With nobody else left, and nobody merely busy, an account whose breaker is open is tried, but seldom.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::account::AccountState;
use super::ask::{Ask, Unavailable, UnavailableReason};
use super::index::Index;
use super::lane::{Key, Size};
use super::lease::{BoundAccount, Lease, Taken};
use super::registry::Registry;
use super::standing::Cause;
use super::time::Millis;
use crate::limits::cooldown::Standing;

/// Accounts without room for the cost that one selection finds out. Beyond, it is told to look again in a moment.
const LOOKS_MAX: usize = 256;
/// The same among those where a cost of the same size was refused before.
const SAME_SIZE_LOOKS_MAX: usize = 8;
/// Closed or full accounts that are looked at for the reason why nobody is free.
pub(super) const REASON_LOOKS_MAX: usize = 32;

/// Takes a slot of the best account for `ask`.
///
/// # Errors
/// [`Unavailable`] says why there is none and when that may change.
pub fn select(registry: &Registry, ask: &Ask<'_>, now: Millis) -> Result<Lease, Unavailable> {
    let mut index = registry.shared.index.lock();
    index.now = now;
    let mut bound = BoundAccount::None;
    let (state, last_resort) = choose(registry, &mut index, ask, &mut bound, now)?;
    let standing = state.fate(Some(ask.family), ask.cost, now).standing;
    let how = How { probe: last_resort || matches!(standing, Standing::Probe { .. }), last_resort, passes: false };
    take(registry, &mut index, ask, (state, how, bound), now)
}

/// In what way an account is taken.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub(super) probe: bool,
    pub(super) last_resort: bool,
    /// Whether a limit that nobody has named is passed.
    pub(super) passes: bool,
}

/// Takes a slot of the chosen account.
pub(super) fn take(
    registry: &Registry,
    index: &mut Index,
    ask: &Ask<'_>,
    (state, how, bound): (Arc<AccountState>, How, BoundAccount),
    now: Millis,
) -> Result<Lease, Unavailable> {
    let How { probe, last_resort, passes } = how;
    if !state.reserve(index.limited()) {
        // Cannot be: slots change under the index's lock alone.
        return Err(Unavailable { reason: UnavailableReason::AllBusy, soonest: None });
    }
    let sequence = index.next();
    state.note_taken(sequence, probe, now);
    let (pause_ms, mut charge, tries) = state.begin(ask.family, ask.cost, sequence, probe, now);
    if passes {
        state.change(|all, _, _| all.paces.pass(ask.family, &mut charge, now));
    }
    index.taken(&state, ask.family, now);
    let taken = Taken { sequence, probe, tries, last_resort, passes, pause_ms, charge, cost: ask.cost, bound };
    Ok(Lease::new(Arc::clone(&registry.shared), state, ask.family, taken))
}

/// The account, and whether it is the last resort.
fn choose(
    registry: &Registry,
    index: &mut Index,
    ask: &Ask<'_>,
    bound: &mut BoundAccount,
    now: Millis,
) -> Result<(Arc<AccountState>, bool), Unavailable> {
    if let Some(id) = ask.required {
        return required(registry, index, ask, id, now);
    }
    let named = ask.bound.and_then(|id| registry.get(id));
    if ask.bound.is_some() {
        *bound = named.as_deref().map_or(BoundAccount::Gone, |state| standing_of(index, ask, state, now));
    }
    let mut overlooked = false;
    if !ask.attempted.full() {
        if let Some(state) = named.filter(|_| *bound == BoundAccount::Served) {
            return Ok((state, false));
        }
        if let Some(state) = best(index, ask, now, &mut overlooked) {
            return Ok((state, false));
        }
    }
    let unavailable = unavailable(registry, index, ask, now, overlooked);
    let last = (unavailable.reason != UnavailableReason::AllBusy).then(|| last_resort(index, ask, now)).flatten();
    last.map(|state| (state, true)).ok_or(unavailable)
}

/// The order of preference across upstreams.
pub(super) type Rank = (u8, bool, u64, u8, u64, usize, u32);

pub(super) fn rank(key: Key, order: usize) -> Rank {
    (key.tier, key.probe, key.load, key.spent, key.used, order, key.member)
}

/// Whether one named account can be taken; [`BoundAccount::Served`] if so.
fn standing_of(index: &Index, ask: &Ask<'_>, state: &AccountState, now: Millis) -> BoundAccount {
    let seat = state.seat().map(|(upstream, _)| upstream);
    let seat = seat.filter(|seat| ask.upstreams.iter().any(|name| index.upstream(name) == Some(*seat)));
    let Some(upstream) = seat.filter(|_| state.enabled() && ask.allows(state.id())) else {
        return BoundAccount::Gone;
    };
    if ask.attempted.contains(state.id()) {
        return BoundAccount::Attempted;
    }
    let fate = state.fate(Some(ask.family), ask.cost, now);
    match (fate.until(ask.attempted.probed), fate.cause) {
        (Some(until), Cause::Cooldown) => BoundAccount::Cooling { until },
        (Some(until), Cause::Breaker) => BoundAccount::Broken { until },
        (Some(until), Cause::Pace) => BoundAccount::Paced { until },
        (None, _) if index.limited() && state.full() || index.at_ceiling(upstream, now) => BoundAccount::Busy,
        (None, _) => BoundAccount::Served,
    }
}

/// The one account that is asked for.
fn required(
    registry: &Registry,
    index: &Index,
    ask: &Ask<'_>,
    id: &str,
    now: Millis,
) -> Result<(Arc<AccountState>, bool), Unavailable> {
    let Some(state) = registry.get(id) else {
        return Err(Unavailable { reason: UnavailableReason::NoneConfigured, soonest: None });
    };
    let reason = match standing_of(index, ask, &state, now) {
        BoundAccount::Served => return Ok((state, false)),
        BoundAccount::Broken { .. } if despairs(index, ask, &state, now) => return Ok((state, true)),
        BoundAccount::Busy => UnavailableReason::AllBusy,
        BoundAccount::Cooling { .. } => UnavailableReason::AllCooling,
        BoundAccount::Broken { .. } => UnavailableReason::AllBroken,
        BoundAccount::Paced { .. } => UnavailableReason::AllPaced,
        BoundAccount::Attempted => UnavailableReason::AllAttempted,
        _ if !state.enabled() => UnavailableReason::AllDisabled,
        _ => UnavailableReason::NoneEligible,
    };
    Err(Unavailable { reason, soonest: opens(ask, &state, now) })
}

/// When a closed account opens for this request.
fn opens(ask: &Ask<'_>, state: &AccountState, now: Millis) -> Option<Millis> {
    let until = state.fate(Some(ask.family), ask.cost, now).until(true)?;
    let sooner = state.last_resort_at(ask.family, ask.cost, now).filter(|_| ask.attempted.may_despair());
    Some(sooner.map_or(until, |sooner| sooner.min(until).max(now)))
}

/// The best free account of all upstreams.
fn best(index: &mut Index, ask: &Ask<'_>, now: Millis, overlooked: &mut bool) -> Option<Arc<AccountState>> {
    let mut best: Option<(Rank, usize)> = None;
    for (order, name) in ask.upstreams.iter().enumerate() {
        let Some(upstream) = index.upstream(name) else { continue };
        if index.at_ceiling(upstream, now) {
            continue;
        }
        let Some(key) = first(index, upstream, ask, now, overlooked) else { continue };
        let rank = rank(key, order);
        if best.is_none_or(|(other, _)| rank < other) {
            best = Some((rank, upstream));
        }
    }
    let ((.., member), upstream) = best?;
    index.member(upstream, member).map(Arc::clone)
}

/// What one selection finds out of an upstream.
struct Search<'s> {
    ask: &'s Ask<'s>,
    members: &'s [Arc<AccountState>],
    now: Millis,
    found: Option<Key>,
    /// Those without room, and when they have it.
    fell: Vec<(Key, Millis)>,
}

impl Search<'_> {
    /// Looks through `keys` for a better one than what was found, and at `looks` without room at most. `false` if there
    /// may be more.
    fn look(&mut self, keys: &BTreeSet<Key>, looks: usize) -> bool {
        let mut looked = 0;
        for key in keys {
            if self.found.is_some_and(|found| found <= *key) {
                return true;
            }
            let Some(state) = self.members.get(key.member as usize) else { continue };
            let spent = key.probe && self.ask.attempted.probed;
            if spent || self.ask.attempted.contains(state.id()) || !self.ask.allows(state.id()) {
                continue;
            }
            let Some(at) = state.opens(self.ask.family, self.ask.cost, self.now) else {
                self.found = Some(*key);
                return true;
            };
            self.fell.push((*key, at));
            looked += 1;
            if looked >= looks {
                return false;
            }
        }
        true
    }
}

/// The best free account of one upstream. Walks past tried ones, of which there are few, ineligible ones, and those that
/// turn out to have no room for this cost.
fn first(index: &mut Index, upstream: usize, ask: &Ask<'_>, now: Millis, overlooked: &mut bool) -> Option<Key> {
    index.advance(upstream, ask.family, now);
    let size = Size::of(ask.cost);
    let mut search = Search { ask, members: index.members(upstream), now, found: None, fell: Vec::new() };
    let lane = index.lane(upstream, ask.family)?;
    let mut complete = search.look(lane.ready(), LOOKS_MAX);
    for (other, keys) in lane.short(size) {
        let looks = if other == size { SAME_SIZE_LOOKS_MAX } else { LOOKS_MAX.saturating_sub(search.fell.len()) };
        complete &= search.look(keys, looks.max(1));
    }
    let Search { found, fell, .. } = search;
    for (key, at) in fell {
        index.fall_short(upstream, ask.family, key, size, at, now);
    }
    *overlooked |= !complete && found.is_none();
    found
}

/// An account whose breaker is open, if one may be tried: the best tier, and then the one that was tried longest ago.
pub(super) fn last_resort(index: &Index, ask: &Ask<'_>, now: Millis) -> Option<Arc<AccountState>> {
    let upstreams = ask.upstreams.iter().enumerate().filter_map(|(order, name)| Some((order, index.upstream(name)?)));
    let broken = upstreams
        .flat_map(|(order, upstream)| index.broken(upstream).take(REASON_LOOKS_MAX).map(move |state| (order, state)));
    let able = broken.filter(|(_, state)| {
        let wanted = ask.required.is_none_or(|id| id == state.id());
        wanted && state.enabled() && ask.allows(state.id()) && despairs(index, ask, state, now)
    });
    let order = |(order, state): &(usize, &Arc<AccountState>)| {
        (state.tier(), state.last_resort_at(ask.family, ask.cost, now), *order, state.seat())
    };
    able.min_by_key(order).map(|(_, state)| Arc::clone(state))
}

/// Whether an account with an open breaker may be tried, since there is nobody else.
fn despairs(index: &Index, ask: &Ask<'_>, state: &AccountState, now: Millis) -> bool {
    let ready = state.last_resort_at(ask.family, ask.cost, now).is_some_and(|at| at <= now);
    let slot = !(index.limited() && state.full());
    let upstream = state.seat().is_some_and(|(upstream, _)| !index.at_ceiling(upstream, now));
    ready && slot && upstream && ask.attempted.may_despair() && !ask.attempted.contains(state.id())
}

/// Why nothing is free.
#[derive(Default)]
struct Why {
    any: bool,
    on: bool,
    eligible: bool,
    busy: bool,
    paced: bool,
    cooling: bool,
    broken: bool,
    attempted: bool,
    soonest: Option<Millis>,
}

impl Why {
    /// One more account that may serve the request.
    fn account(&mut self, ask: &Ask<'_>, state: &AccountState, now: Millis) {
        self.soonest = self.soonest.into_iter().chain(opens(ask, state, now)).min();
        if ask.attempted.contains(state.id()) {
            return;
        }
        let fate = state.fate(Some(ask.family), ask.cost, now);
        match (fate.until(ask.attempted.probed), fate.cause) {
            (None, _) => self.busy = true,
            (Some(_), Cause::Pace) => self.paced = true,
            (Some(_), Cause::Cooldown) => self.cooling = true,
            (Some(_), Cause::Breaker) => self.broken = true,
        }
    }
}

/// Why nothing is free. Looks at the full ones until one would do, and at the first of the closed ones.
fn unavailable(registry: &Registry, index: &mut Index, ask: &Ask<'_>, now: Millis, overlooked: bool) -> Unavailable {
    let mut why = Why { paced: overlooked, soonest: overlooked.then(|| now.plus(1)), ..Why::default() };
    for name in ask.upstreams {
        let Some(upstream) = index.upstream(name) else { continue };
        let free = index.at_ceiling(upstream, now) && first(index, upstream, ask, now, &mut false).is_some();
        index.advance(upstream, ask.family, now);
        let Some(lane) = index.lane(upstream, ask.family) else { continue };
        let members = index.members(upstream);
        let account = |member: u32| members.get(member as usize).filter(|state| ask.allows(state.id()));
        why.busy |= free;
        why.any |= !members.is_empty();
        let mut enabled = (0u32..).zip(members).filter(|(member, _)| !lane.is_off(*member)).map(|(_, state)| state);
        why.on |= enabled.clone().next().is_some();
        why.eligible |= enabled.any(|state| ask.allows(state.id()));
        why.attempted |= ask.attempted.full();
        let tried = ask.attempted.ids.iter().filter_map(|id| registry.get(id));
        for state in tried.filter(|state| state.seat().is_some_and(|seat| seat.0 == upstream)) {
            why.attempted = true;
            // These were not looked at for their room.
            let opens = opens(ask, &state, now).filter(|_| state.enabled() && ask.allows(state.id()));
            why.soonest = why.soonest.into_iter().chain(opens).min();
        }
        for state in lane.full().filter_map(|(member, _)| account(member)).take(REASON_LOOKS_MAX) {
            why.account(ask, state, now);
            if why.busy {
                break;
            }
        }
        let closed = lane.ends().filter(|(_, member)| !lane.is_full(*member));
        for (until, state) in
            closed.filter_map(|(until, member)| Some((until, account(member)?))).take(REASON_LOOKS_MAX)
        {
            // Those behind open later still, and none of them is a better reason.
            if (why.busy || why.paced) && why.soonest.is_some_and(|soonest| soonest <= until) {
                break;
            }
            why.account_closed(ask, state, now);
        }
        for state in index.broken(upstream).filter(|state| ask.allows(state.id())).take(REASON_LOOKS_MAX) {
            why.soonest = why.soonest.into_iter().chain(opens(ask, state, now).filter(|_| state.enabled())).min();
        }
    }
    let full = ask.attempted.full();
    let reason = match () {
        () if why.busy && !full => UnavailableReason::AllBusy,
        () if why.paced && !full => UnavailableReason::AllPaced,
        () if why.cooling && !full => UnavailableReason::AllCooling,
        () if why.broken && !full => UnavailableReason::AllBroken,
        () if why.attempted => UnavailableReason::AllAttempted,
        () if why.eligible || why.on => UnavailableReason::NoneEligible,
        () if why.any => UnavailableReason::AllDisabled,
        () => UnavailableReason::NoneConfigured,
    };
    Unavailable { reason, soonest: why.soonest }
}

impl Why {
    /// One more account that is closed, ready for a probe, or short of room.
    fn account_closed(&mut self, ask: &Ask<'_>, state: &AccountState, now: Millis) {
        let busy = self.busy;
        self.account(ask, state, now);
        // What is not closed here was free: it was tried, or stands at its upstream's ceiling.
        self.busy = busy;
    }
}
