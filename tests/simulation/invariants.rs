//! What must be true after every step, and of every choice.

use std::collections::BTreeMap;

use interlingua::breaker::CircuitState;
use interlingua::pool::{AccountState, Lease, Millis};

use super::walk::FAMILY;
use super::world::World;

/// The accounts as they were when the pool was asked: in flight, tier, and whether free.
pub(crate) type Seen = BTreeMap<String, Before>;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    in_flight: u32,
    tier: u8,
    locked: bool,
    full: bool,
}

/// What can be seen before a choice.
pub(crate) fn before(world: &World) -> Seen {
    let now = Millis(world.now);
    let of = |state: &AccountState| Before {
        in_flight: state.in_flight(),
        tier: state.tier(),
        locked: state.cooldowns(now).iter().any(|(family, _)| family.as_deref().is_none_or(|family| family == FAMILY)),
        full: state.limit() > 0 && state.in_flight() >= state.limit(),
    };
    world.gateway.registry.accounts().iter().map(|state| (state.id().to_owned(), of(state))).collect()
}

/// A choice must be right. Gives how many more the account has in flight than another one that was as free.
pub(crate) fn chosen(world: &World, seen: &Seen, lease: &Lease, sticky: bool) -> u32 {
    let (id, now) = (lease.account_id(), world.now);
    let was = seen.get(id).expect("a known account");
    assert!(!was.full, "{id} was full at {now}");
    assert!(!was.locked || lease.is_probe(), "{id} was cooling at {now}");
    if sticky || lease.is_probe() {
        return 0;
    }
    let free = seen.values().filter(|other| !other.locked && !other.full && other.tier == was.tier);
    let least = free.map(|other| other.in_flight).min().unwrap_or(was.in_flight);
    was.in_flight + 1 - least
}

/// What must hold at every moment.
pub(crate) fn hold(world: &World) {
    let mut leases: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for lease in world.walks.values().filter_map(|walk| walk.lease.as_ref()) {
        let held = leases.entry(lease.account_id()).or_default();
        held.0 += 1;
        held.1 += u32::from(lease.is_probe());
    }
    for state in world.gateway.registry.accounts() {
        let (held, probes) = leases.get(state.id()).copied().unwrap_or_default();
        assert_eq!(state.in_flight(), held, "slots of {} at {}", state.id(), world.now);
        assert!(state.limit() == 0 || held <= state.limit(), "{} is over its slots at {}", state.id(), world.now);
        assert!(probes <= 1, "{} has {probes} probes at {}", state.id(), world.now);
    }
}

/// Accounts that are locked or broken now.
pub(crate) fn locked(world: &World) -> u64 {
    let now = Millis(world.now);
    let out = |state: &AccountState| {
        !state.cooldowns(now).is_empty() || state.circuit(now).state != CircuitState::Closed
    };
    world.gateway.registry.accounts().iter().filter(|state| out(state)).count() as u64
}
