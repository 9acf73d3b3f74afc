//! What must be true after every step, and of every choice.

use std::collections::BTreeMap;
use std::sync::Arc;

use interlingua::breaker::CircuitState;
use interlingua::limits::cooldown::Standing;
use interlingua::pool::{AccountState, Lease, Millis};

use super::walk::FAMILY;

/// The books about the gateway's accounts that are kept beside its own.
pub(crate) struct Watch {
    states: Vec<Arc<AccountState>>,
    /// The lease that each request holds: account, and whether it is a probe.
    held: BTreeMap<u64, (usize, bool)>,
    leases: Vec<u32>,
    probes: Vec<u32>,
}

/// An account as it was when the pool was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    in_flight: u32,
    tier: u8,
    standing: Standing,
    circuit: CircuitState,
    full: bool,
}

impl Before {
    fn free(self) -> bool {
        self.standing == Standing::Open && self.circuit == CircuitState::Closed && !self.full
    }
}

impl Watch {
    pub(crate) fn new(states: Vec<Arc<AccountState>>) -> Self {
        let none = vec![0; states.len()];
        Watch { states, held: BTreeMap::new(), leases: none.clone(), probes: none }
    }

    fn at(&self, id: &str) -> usize {
        self.states.binary_search_by(|state| state.id().cmp(id)).expect("a known account")
    }

    /// What can be seen before a choice.
    pub(crate) fn before(&self, now: u64) -> Vec<Before> {
        let of = |state: &Arc<AccountState>| Before {
            in_flight: state.in_flight(),
            tier: state.tier(),
            standing: state.standing(FAMILY, Millis(now)),
            circuit: state.circuit(Millis(now)).state,
            full: state.limit() > 0 && state.in_flight() >= state.limit(),
        };
        self.states.iter().map(of).collect()
    }

    /// A choice must be right. Gives how many more the account has in flight than another one that was as free.
    pub(crate) fn chosen(&self, seen: &[Before], lease: &Lease, sticky: bool, now: u64) -> u32 {
        let (id, was) = (lease.account_id(), seen[self.at(lease.account_id())]);
        assert!(!was.full, "{id} was full at {now}");
        assert!(
            was.standing == Standing::Open || lease.is_probe() || lease.is_pass(),
            "{id} was chosen at {now} as {was:?}"
        );
        let broken = was.circuit == CircuitState::Open;
        assert!(!broken || lease.is_last_resort(), "{id} was chosen at {now} as {was:?}");
        if sticky || !was.free() {
            return 0;
        }
        let free = seen.iter().filter(|other| other.free() && other.tier == was.tier);
        let least = free.map(|other| other.in_flight).min().unwrap_or(was.in_flight);
        was.in_flight + 1 - least
    }

    /// A request was at work: this is the lease that it holds now.
    pub(crate) fn note(&mut self, request: u64, lease: Option<&Lease>) {
        if let Some((account, probe)) = self.held.remove(&request) {
            self.leases[account] -= 1;
            self.probes[account] -= u32::from(probe);
        }
        if let Some(lease) = lease {
            let account = self.at(lease.account_id());
            self.held.insert(request, (account, lease.is_probe()));
            self.leases[account] += 1;
            self.probes[account] += u32::from(lease.is_probe());
        }
    }

    /// What must hold at every moment: no slot is lost or taken twice, none is over the limit, one probe at a time.
    pub(crate) fn hold(&self, now: u64) {
        for ((state, leases), probes) in self.states.iter().zip(&self.leases).zip(&self.probes) {
            assert_eq!(state.in_flight(), *leases, "slots of {} at {now}", state.id());
            assert!(state.limit() == 0 || *leases <= state.limit(), "{} is over its slots at {now}", state.id());
            assert!(*probes <= 1, "{} has {probes} probes at {now}", state.id());
        }
    }

    /// Accounts that are locked or broken now.
    pub(crate) fn locked(&self, now: u64) -> u64 {
        let out = |state: &&Arc<AccountState>| {
            state.standing(FAMILY, Millis(now)) != Standing::Open
                || state.circuit(Millis(now)).state != CircuitState::Closed
        };
        self.states.iter().filter(out).count() as u64
    }
}
