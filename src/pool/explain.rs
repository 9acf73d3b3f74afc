//! What a selection would do, for people.

use super::account::AccountState;
use super::ask::{Ask, CandidateView, Skip};
use super::lane::Place;
use super::registry::Registry;
use super::select::{last_resort, rank};
use super::standing::Cause;
use super::time::Millis;

/// All candidates in the order of preference, those passed over last. It walks all of them: for people, not for requests.
pub fn explain(registry: &Registry, ask: &Ask<'_>, now: Millis) -> Vec<CandidateView> {
    let index = registry.shared.index.lock();
    let mut views = Vec::new();
    for (order, name) in ask.upstreams.iter().enumerate() {
        let upstream = index.upstream(name);
        let members = upstream.map_or(&[][..], |upstream| index.members(upstream));
        let overloaded = upstream.is_some_and(|upstream| index.at_ceiling(upstream, now));
        for (member, state) in (0u32..).zip(members) {
            let place = Place::of(state, member, Some(ask.family), index.limited(), now);
            let skipped = skip(ask, state, &place, overloaded, now);
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
    let busy = |view: &CandidateView| matches!(view.skipped, None | Some(Skip::Busy | Skip::Overloaded));
    if !views.iter().any(|(_, view)| busy(view))
        && let Some(last) = last_resort(&index, ask, now)
    {
        for ((skipped, ..), view) in views.iter_mut().filter(|(_, view)| view.id == last.id()) {
            (*skipped, view.skipped) = (false, None);
        }
    }
    drop(index);
    views.sort_by_key(|(place, _)| *place);
    for (place, ((skipped, ..), view)) in views.iter_mut().enumerate() {
        view.order = (!*skipped).then_some(place);
    }
    views.into_iter().map(|(_, view)| view).collect()
}

fn skip(ask: &Ask<'_>, state: &AccountState, place: &Place, overloaded: bool, now: Millis) -> Option<Skip> {
    if ask.required.is_some_and(|required| required != state.id()) {
        return Some(Skip::NotRequired);
    }
    if *place == Place::Off {
        return Some(Skip::Disabled(state.suspended()));
    }
    if !ask.allows(state.id()) {
        return Some(Skip::NotEligible);
    }
    if ask.attempted.contains(state.id()) {
        return Some(Skip::Attempted);
    }
    let fate = state.fate(Some(ask.family), ask.cost, now);
    if let Some(until) = fate.until(ask.attempted.probed) {
        return Some(match fate.cause {
            Cause::Pace => Skip::Paced { until },
            Cause::Breaker => Skip::Broken { until },
            Cause::Cooldown => {
                let lock = state.longest_lock(ask.family, now)?;
                Skip::Cooling { reason: lock.reason, until: lock.until, next_probe: lock.probe_at }
            }
        });
    }
    match place {
        Place::Full(_) => Some(Skip::Busy),
        _ if overloaded => Some(Skip::Overloaded),
        _ => None,
    }
}
