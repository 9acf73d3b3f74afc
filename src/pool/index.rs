//! The order of all accounts, by upstream and model family. All its changes are one short critical section each.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::account::AccountState;
use super::lane::{Key, Lane, Place, Size};
use super::registry::Settings;
use super::time::Millis;
use crate::breaker::circuit;
use crate::limits::classify::{Failure, Fault, Reason, Scope};
use crate::limits::cooldown::{Cooldown, Lock};
use crate::limits::overload::Ceiling;
use crate::limits::pace::Charge;

/// Families of one upstream with closed accounts at the same time. For one more, the locks that end first are forgotten:
/// that costs a refused attempt at most, and keeps invented model names from filling the memory.
pub const FAMILIES_MAX: usize = 64;

/// The order of all accounts.
#[derive(Default)]
pub(super) struct Index {
    pub(super) settings: Settings,
    /// Number of the last event; orders leases and locks.
    sequence: u64,
    /// The last `now` seen, for leases that end where no time is known.
    pub(super) now: Millis,
    names: HashMap<String, usize>,
    upstreams: Vec<Upstream>,
    /// Accounts by project, for those projects that have several.
    projects: HashMap<String, Vec<Arc<AccountState>>>,
    /// Gone accounts that still have leases.
    pub(super) retired: HashMap<String, Arc<AccountState>>,
}

#[derive(Default)]
struct Upstream {
    name: String,
    members: Vec<Arc<AccountState>>,
    general: Lane,
    families: HashMap<String, Lane>,
    /// Members whose breaker is not closed.
    broken: BTreeSet<u32>,
    ceiling: Ceiling,
    in_flight: u32,
}

/// A failure of a lease.
pub(super) struct Report<'r> {
    pub(super) family: &'r str,
    pub(super) failure: &'r Failure,
    /// Sequence number of the attempt.
    pub(super) taken: u64,
    pub(super) charge: &'r mut Charge,
    pub(super) seed: u64,
}

impl Index {
    pub(super) fn new(settings: Settings) -> Self {
        Index { settings, ..Index::default() }
    }

    pub(super) fn limited(&self) -> bool {
        self.settings.slots
    }

    /// The number of a new event.
    pub(super) fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(super) fn upstream(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(super) fn member(&self, upstream: usize, member: u32) -> Option<&Arc<AccountState>> {
        self.upstreams.get(upstream)?.members.get(member as usize)
    }

    pub(super) fn members(&self, upstream: usize) -> &[Arc<AccountState>] {
        self.upstreams.get(upstream).map_or(&[], |upstream| &upstream.members)
    }

    /// The accounts of an upstream whose breakers are not closed.
    pub(super) fn broken(&self, upstream: usize) -> impl Iterator<Item = &Arc<AccountState>> {
        let upstream = self.upstreams.get(upstream);
        upstream
            .into_iter()
            .flat_map(|upstream| upstream.broken.iter().filter_map(|member| upstream.members.get(*member as usize)))
    }

    /// Whether an overloaded upstream has as much to do as it may.
    pub(super) fn at_ceiling(&self, upstream: usize, now: Millis) -> bool {
        self.upstreams.get(upstream).is_some_and(|upstream| {
            upstream.ceiling.at(now, &self.settings.overload).is_some_and(|ceiling| upstream.in_flight >= ceiling)
        })
    }

    /// Upstreams with their ceilings and requests at work.
    pub(super) fn ceilings(&self, now: Millis) -> impl Iterator<Item = (&str, Option<u32>, u32)> {
        let settings = &self.settings.overload;
        self.upstreams
            .iter()
            .map(move |upstream| (upstream.name.as_str(), upstream.ceiling.at(now, settings), upstream.in_flight))
    }

    /// Upstreams with their ceilings, to be stored and put back.
    pub(super) fn ceilings_mut(&mut self) -> impl Iterator<Item = (&str, &mut Ceiling)> {
        self.upstreams.iter_mut().map(|upstream| (upstream.name.as_str(), &mut upstream.ceiling))
    }

    /// All accounts of the upstreams that `wanted` names.
    pub(super) fn accounts_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<Arc<AccountState>> {
        let upstreams = self.upstreams.iter().filter(|upstream| wanted(&upstream.name));
        upstreams.flat_map(|upstream| upstream.members.iter().map(Arc::clone)).collect()
    }

    /// The lane of a family: its own, or the general one.
    pub(super) fn lane(&self, upstream: usize, family: &str) -> Option<&Lane> {
        let upstream = self.upstreams.get(upstream)?;
        Some(upstream.families.get(family).unwrap_or(&upstream.general))
    }

    /// Brings the lane of a family up to `now`: opens the accounts whose closure has ended.
    pub(super) fn advance(&mut self, upstream: usize, family: &str, now: Millis) {
        let limited = self.settings.slots;
        let Some(upstream) = self.upstreams.get_mut(upstream) else { return };
        if upstream.families.get(family).is_some_and(|lane| lane.needed_until <= now) {
            upstream.families.remove(family);
        }
        let (lane, family) = match upstream.families.get_mut(family) {
            Some(lane) => (lane, Some(family)),
            None => (&mut upstream.general, None),
        };
        // A closed account moves twice at most: to its probe, and to its end.
        for _ in 0..lane.len().saturating_mul(2) {
            let Some(member) = lane.due(now) else { break };
            let Some(state) = upstream.members.get(member as usize) else { break };
            lane.put(member, Place::of(state, member, family, limited, now));
        }
    }

    /// Puts an account where it now belongs, in every lane of its upstream.
    pub(super) fn refresh(&mut self, state: &AccountState, now: Millis) {
        let limited = self.settings.slots;
        let Some((upstream, member)) = state.seat() else { return };
        let Some(upstream) = self.upstreams.get_mut(upstream) else { return };
        if state.is_broken() {
            upstream.broken.insert(member);
        } else {
            upstream.broken.remove(&member);
        }
        upstream.general.put(member, Place::of(state, member, None, limited, now));
        for (family, lane) in &mut upstream.families {
            lane.put(member, Place::of(state, member, Some(family), limited, now));
        }
    }

    /// The same after its pace for `family` has changed.
    pub(super) fn refresh_pace(&mut self, state: &AccountState, family: &str, now: Millis) {
        let closed = state.opens(family, crate::limits::Cost::default(), now);
        if let (Some((upstream, _)), Some(until)) = (state.seat(), closed)
            && let Some(upstream) = self.upstreams.get_mut(upstream)
        {
            upstream.want_lane(family, until, self.settings.slots, now);
        }
        self.refresh(state, now);
    }

    /// What is left of an account's quota has changed: of a family until then, or of what all share.
    pub(super) fn spent(&mut self, state: &AccountState, family: Option<(&str, Millis)>, now: Millis) {
        if let (Some((upstream, _)), Some((family, until))) = (state.seat(), family)
            && let Some(upstream) = self.upstreams.get_mut(upstream)
        {
            upstream.want_lane(family, until, self.settings.slots, now);
        }
        self.refresh(state, now);
    }

    /// A lease was taken.
    pub(super) fn taken(&mut self, state: &AccountState, family: &str, now: Millis) {
        self.count(state, true);
        self.refresh_pace(state, family, now);
    }

    /// A lease has ended.
    pub(super) fn released(&mut self, state: &AccountState) {
        self.count(state, false);
        self.refresh(state, self.now);
    }

    fn count(&mut self, state: &AccountState, more: bool) {
        let Some(upstream) = state.seat().and_then(|(upstream, _)| self.upstreams.get_mut(upstream)) else { return };
        let count = upstream.in_flight;
        upstream.in_flight = if more { count.saturating_add(1) } else { count.saturating_sub(1) };
    }

    /// An account turned out to have no room for costs of `size` and above before `at`.
    pub(super) fn fall_short(&mut self, upstream: usize, family: &str, key: Key, size: Size, at: Millis, now: Millis) {
        let limited = self.settings.slots;
        let Some(upstream) = self.upstreams.get_mut(upstream) else { return };
        upstream.want_lane(family, at, limited, now);
        if let Some(lane) = upstream.families.get_mut(family) {
            lane.fall_short(key, size, at);
        }
    }

    /// Sets a lock, to be seen by the very next selection.
    pub(super) fn lock(
        &mut self,
        state: &AccountState,
        family: Option<&str>,
        lock: Lock,
        now: Millis,
    ) -> Option<Cooldown> {
        self.now = now;
        let settings = self.settings.cooldown;
        let cooldown = state.locks(|locks| locks.lock(family, lock, now, &settings))?;
        state.note_locked();
        self.locked(state, family, cooldown.until, now);
        Some(cooldown)
    }

    /// Books a failure of a lease with all that watches the account and its upstream. Returns the number of the event, and
    /// the lock.
    pub(super) fn fail(&mut self, state: &AccountState, report: Report<'_>, now: Millis) -> (u64, Option<Cooldown>) {
        let Report { family, failure, taken, charge, seed } = report;
        let event = self.next();
        self.now = now;
        state.change(|all, terms, settings| {
            if failure.reason == Reason::RateLimit {
                let hint_ms = failure.cooldown_ms.filter(|_| failure.hinted);
                all.paces.refused(family, charge, event, hint_ms, terms, now);
            }
            if matches!(failure.fault, Fault::Account | Fault::Client) {
                // Nothing was read.
                all.paces.settle(family, charge, 0, now);
            }
            if circuit::counts(failure) {
                all.circuit.failed(taken, event, now, &settings.breaker);
            }
        });
        if matches!(failure.reason, Reason::Overloaded | Reason::Unavailable)
            && let Some(upstream) = state.seat().and_then(|(upstream, _)| self.upstreams.get_mut(upstream))
        {
            upstream.ceiling.overloaded(upstream.in_flight, taken, event, now, &self.settings.overload);
        }
        let cooldown = self.cool(state, family, failure, (taken, event, seed), now);
        self.refresh_pace(state, family, now);
        (event, cooldown)
    }

    /// Locks what a failure names: the account, or all of its project.
    fn cool(
        &mut self,
        state: &AccountState,
        family: &str,
        failure: &Failure,
        (taken, event, seed): (u64, u64, u64),
        now: Millis,
    ) -> Option<Cooldown> {
        let family = match failure.scope {
            Scope::AccountModel => Some(family),
            Scope::Account | Scope::Project => None,
            // Nobody's account is to blame.
            Scope::Request | Scope::Address | Scope::Model | Scope::Provider => return None,
        };
        let (ms, hinted, reason) = (failure.cooldown_ms?, failure.hinted, failure.reason);
        // Limits of a project are the same for all its accounts; a key or a bill is one account's own.
        let limit = matches!(reason, Reason::RateLimit | Reason::QuotaExhausted | Reason::NotEntitled);
        if failure.scope == Scope::Project || family.is_some() && limit {
            for (other, n) in self.fellows(state).into_iter().zip(1..) {
                let seed = seed.wrapping_add(n);
                self.lock(&other, family, Lock { ms, hinted, reason, taken, event, seed }, now);
            }
        }
        self.lock(state, family, Lock { ms, hinted, reason, taken, event, seed }, now)
    }

    /// The other accounts of its project, if those share cooldowns.
    pub(super) fn fellows(&self, state: &AccountState) -> Vec<Arc<AccountState>> {
        if !self.settings.shared_projects || self.projects.is_empty() {
            return Vec::new();
        }
        let all = state.project().and_then(|project| self.projects.get(&project));
        all.into_iter().flatten().filter(|other| other.id() != state.id()).map(Arc::clone).collect()
    }

    /// A lease was served. `true` if a lock or the breaker was cleared.
    pub(super) fn succeed(
        &mut self,
        state: &AccountState,
        family: &str,
        taken: u64,
        charge: &mut Charge,
        now: Millis,
    ) -> bool {
        self.now = now;
        let (unlocked, closed) = state.change(|all, terms, _| {
            all.paces.served(family, charge, terms, now);
            (all.locks.succeeded(family, taken), all.circuit.succeeded(taken))
        });
        if let Some(upstream) = state.seat().and_then(|(upstream, _)| self.upstreams.get_mut(upstream)) {
            upstream.ceiling.served(taken);
        }
        if unlocked {
            for other in self.fellows(state) {
                if other.locks(|locks| locks.succeeded_elsewhere(family, taken)) {
                    self.refresh(&other, now);
                }
            }
        }
        if unlocked || closed {
            self.refresh(state, now);
        }
        unlocked || closed
    }

    pub(super) fn locked(&mut self, state: &AccountState, family: Option<&str>, until: Millis, now: Millis) {
        if let (Some((upstream, _)), Some(family)) = (state.seat(), family)
            && let Some(upstream) = self.upstreams.get_mut(upstream)
        {
            upstream.need_lane(family, until, self.settings.slots, now);
        }
        self.refresh(state, now);
    }

    pub(super) fn rebuild(&mut self, order: &[(Arc<AccountState>, &str)]) {
        let now = self.now;
        let ceilings: HashMap<String, Ceiling> =
            self.upstreams.drain(..).map(|upstream| (upstream.name, upstream.ceiling)).collect();
        self.names.clear();
        self.projects.clear();
        for (state, name) in order {
            let at = match self.names.get(*name) {
                Some(at) => *at,
                None => {
                    self.names.insert((*name).to_owned(), self.upstreams.len());
                    let ceiling = ceilings.get(*name).copied().unwrap_or_default();
                    self.upstreams.push(Upstream { name: (*name).to_owned(), ceiling, ..Upstream::default() });
                    self.upstreams.len() - 1
                }
            };
            let Some(upstream) = self.upstreams.get_mut(at) else { continue };
            state.set_seat(Some((at as u32, upstream.members.len() as u32)));
            upstream.members.push(Arc::clone(state));
            if let Some(project) = state.project() {
                self.projects.entry(project).or_default().push(Arc::clone(state));
            }
        }
        self.projects.retain(|_, accounts| accounts.len() > 1);
        for upstream in &mut self.upstreams {
            upstream.fill(self.settings.slots, now);
        }
    }
}

impl Upstream {
    /// Puts all members where they belong.
    fn fill(&mut self, limited: bool, now: Millis) {
        self.in_flight = self.members.iter().map(|state| state.in_flight()).sum();
        self.general = self.lane_of(None, limited, now);
        for (member, state) in (0u32..).zip(self.members.clone()) {
            if state.is_broken() {
                self.broken.insert(member);
            }
            for (family, lock) in state.cooldowns(now) {
                if let Some(family) = family {
                    self.need_lane(&family, lock.until, limited, now);
                }
            }
            for (family, until) in state.change(|all, terms, _| all.paces.closed(terms, now)) {
                self.want_lane(&family, until, limited, now);
            }
            let own =
                state.spent(|spent| spent.families().map(|(family, at)| (family.to_owned(), at)).collect::<Vec<_>>());
            for (family, until) in own {
                self.want_lane(&family, until, limited, now);
            }
        }
    }

    fn lane_of(&self, family: Option<&str>, limited: bool, now: Millis) -> Lane {
        let mut lane = Lane::new(self.members.len());
        for (member, state) in (0u32..).zip(&self.members) {
            lane.put(member, Place::of(state, member, family, limited, now));
        }
        lane
    }

    /// Makes sure that a family with a lock has its own lane for as long as the lock holds.
    fn need_lane(&mut self, family: &str, until: Millis, limited: bool, now: Millis) {
        if self.want_lane(family, until, limited, now) {
            return;
        }
        let first = self.families.iter().min_by_key(|(name, lane)| (lane.needed_until, *name));
        if let Some(first) = first.map(|(name, _)| name.clone()) {
            self.families.remove(&first);
            for state in &self.members {
                state.locks(|locks| locks.clear(Some(&first)));
            }
        }
        self.want_lane(family, until, limited, now);
    }

    /// Gives a family its own lane until then. `false` if there are too many; a pace can do without, since every account is
    /// looked at before it is taken.
    fn want_lane(&mut self, family: &str, until: Millis, limited: bool, now: Millis) -> bool {
        if let Some(lane) = self.families.get_mut(family) {
            lane.needed_until = lane.needed_until.max(until);
            return true;
        }
        if self.families.len() >= FAMILIES_MAX {
            self.families.retain(|_, lane| lane.needed_until > now);
        }
        if self.families.len() >= FAMILIES_MAX {
            return false;
        }
        let mut lane = self.lane_of(Some(family), limited, now);
        lane.needed_until = until;
        self.families.insert(family.to_owned(), lane);
        true
    }
}
