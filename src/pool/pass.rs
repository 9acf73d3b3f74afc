//! Nobody is free, and only a limit that nobody has named stands in the way: it is tried before the client is sent away.
//!
//! Such a limit is a guess. One request at a time passes it; after a refusal the next one waits, longer each time. So who is
//! refused is refused because a provider did so lately.

use std::sync::Arc;

use super::account::AccountState;
use super::ask::{Ask, Unavailable};
use super::lease::{BoundAccount, Lease};
use super::registry::Registry;
use super::select::{How, REASON_LOOKS_MAX, take};
use super::time::Millis;

/// Takes a slot of an account that is closed by a limit alone that nobody has named. To be asked when the client would be
/// refused otherwise, for `why`.
///
/// # Errors
/// `why`, if there is no such account, or all have refused lately.
pub fn pass(registry: &Registry, ask: &Ask<'_>, why: Unavailable, now: Millis) -> Result<Lease, Unavailable> {
    let mut index = registry.shared.index.lock();
    index.now = now;
    let mut best: Option<((u8, Millis, usize), Arc<AccountState>)> = None;
    for (order, name) in ask.upstreams.iter().enumerate().filter(|_| !ask.attempted.full()) {
        let Some(upstream) = index.upstream(name).filter(|upstream| !index.at_ceiling(*upstream, now)) else {
            continue;
        };
        index.advance(upstream, ask.family, now);
        let Some(lane) = index.lane(upstream, ask.family) else { continue };
        let closed = lane.ends().filter(|(_, member)| !lane.is_full(*member));
        let closed = closed.filter_map(|(_, member)| index.member(upstream, member)).take(REASON_LOOKS_MAX);
        for state in closed.filter(|state| may_take(ask, state)) {
            let due = state.passes_at(ask.family, ask.cost, now).filter(|at| *at <= now);
            if let Some(key) = due.map(|at| (state.tier(), at, order))
                && best.as_ref().is_none_or(|(other, _)| key < *other)
            {
                best = Some((key, Arc::clone(state)));
            }
        }
    }
    let Some((_, state)) = best else { return Err(why) };
    let how = How { probe: false, last_resort: false, passes: true };
    take(registry, &mut index, ask, (state, how, BoundAccount::None), now)
}

fn may_take(ask: &Ask<'_>, state: &AccountState) -> bool {
    let wanted = ask.required.is_none_or(|id| id == state.id());
    wanted && !ask.attempted.contains(state.id()) && ask.allows(state.id())
}
