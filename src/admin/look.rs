//! The live state in the words of the API.

use std::collections::HashMap;
use std::sync::Arc;

use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;

use super::view::{self, State, When};
use crate::breaker::CircuitState;
use crate::breaker::safe_mode::{Manual, ScopeStatus, Status};
use crate::config::{EntryKind, Snapshot};
use crate::limits::cooldown;
use crate::limits::pace::{MeterView, PaceView};
use crate::pool::{AccountState, Millis};
use crate::proxy::Gateway;
use crate::quota::FamilyQuota;

/// One look at everything, at one moment.
pub(super) struct Look<'g> {
    pub(super) gateway: &'g Gateway,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) now: Millis,
}

impl<'g> Look<'g> {
    pub(super) fn new(gateway: &'g Gateway) -> Self {
        Look { gateway, snapshot: gateway.store.load_full(), now: crate::proxy::now() }
    }

    pub(super) fn accounts(&self) -> Vec<view::Account> {
        let cached = self.cached_tokens();
        let mut quotas = self.quotas();
        let mut accounts = self.gateway.registry.accounts();
        accounts.sort_by(|a, b| a.tier().cmp(&b.tier()).then_with(|| a.id().cmp(b.id())));
        let view = |account: &Arc<AccountState>| {
            let quotas = quotas.remove(account.id()).unwrap_or_default();
            view::Account { quotas, ..self.account(account, &cached) }
        };
        accounts.iter().map(view).collect()
    }

    /// What is known of the quotas, by account.
    fn quotas(&self) -> HashMap<String, Vec<view::Quota>> {
        let quota = |told: FamilyQuota| view::Quota {
            left_ratio: rounded(told.left_percent / 100.0),
            reset: told.reset_ms.map(|reset| self.when(Millis(reset))),
            source: told.source.name().to_owned(),
            read: self.when(Millis(told.read_ms)),
            protected: told.protected,
            family: told.family,
        };
        let accounts = self.gateway.quota_status().accounts.into_iter();
        accounts.map(|account| (account.account, account.families.into_iter().map(quota).collect())).collect()
    }

    pub(super) fn cooldowns(&self) -> Vec<view::Cooldown> {
        let accounts = self.gateway.registry.accounts();
        let mut all: Vec<_> = accounts.iter().flat_map(|account| self.cooldowns_of(account)).collect();
        all.sort_by_key(|lock| lock.until.in_ms);
        all
    }

    pub(super) fn circuit(&self, account: &AccountState) -> view::Circuit {
        let circuit = account.circuit(self.now);
        view::Circuit {
            account: account.id().to_owned(),
            state: circuit_name(circuit.state).to_owned(),
            failures: circuit.failures,
            next_probe: circuit.until.map(|until| self.when(until)),
        }
    }

    pub(super) fn paces_of(&self, account: &AccountState) -> Vec<view::Pace> {
        let pace = |pace: PaceView| view::Pace {
            account: account.id().to_owned(),
            family: pace.family,
            requests: meter(pace.requests),
            tokens: meter(pace.tokens),
            until: pace.until.map(|until| self.when(until)),
        };
        account.paces(self.now).into_iter().map(pace).collect()
    }

    pub(super) fn health(&self) -> view::Health {
        let mut tally = view::Tally::default();
        let mut upstreams: Vec<view::Upstream> = Vec::new();
        for upstream in &self.snapshot.config.upstreams {
            upstreams.push(view::Upstream {
                upstream: upstream.id.clone(),
                status: String::new(),
                accounts: view::Tally::default(),
                in_flight: 0,
            });
        }
        for account in self.gateway.registry.accounts() {
            let state = self.standing(&account).state;
            tally.add(state);
            let opened = self.upstreams_of(account.id());
            for upstream in upstreams.iter_mut().filter(|upstream| opened.contains(&upstream.upstream)) {
                upstream.accounts.add(state);
                upstream.in_flight += account.in_flight();
            }
        }
        for upstream in &mut upstreams {
            upstream.status = status(&upstream.accounts).to_owned();
        }
        view::Health {
            status: status(&tally).to_owned(),
            accounts: tally,
            upstreams,
            safe_mode: self.safe_mode(),
            in_flight: self.gateway.metrics.in_flight.get(),
            waiting: self.gateway.waiting(),
            durable: self.gateway.durable.is_on() && self.gateway.durable.trouble().is_none(),
            paused: self.gateway.pause.paused().is_some(),
            state_error: self.gateway.durable.trouble(),
        }
    }

    pub(super) fn safe_mode(&self) -> view::SafeMode {
        let Status { upstream, model, scopes } = self.gateway.safe_mode.status(self.now);
        let scope = |scope: ScopeStatus| view::SafeScope {
            mode: manual_name(scope.manual).to_owned(),
            since: scope.since_ms.map(|since| self.when(Millis(since))),
            reason: scope.reason.map(ToOwned::to_owned),
            failures: scope.failures,
            good_tries: scope.good_tries,
            trying: scope.trying,
            next_probe: scope.next_try_in_ms.map(|ms| self.when(self.now.plus(ms))),
            active: scope.active,
            scope: scope.scope,
        };
        let scopes: Vec<_> = scopes.into_iter().map(scope).collect();
        view::SafeMode { upstream, model, active: scopes.iter().any(|scope| scope.active), scopes }
    }

    fn account(&self, account: &AccountState, cached: &HashMap<String, (u64, u64)>) -> view::Account {
        let counts = account.counts();
        let ratio = cached.get(account.id()).filter(|(_, all)| *all > 0);
        view::Account {
            account: account.id().to_owned(),
            tier: self.snapshot.config.tiers.get(usize::from(account.tier())).cloned().unwrap_or_default(),
            upstreams: self.upstreams_of(account.id()),
            standing: self.standing(account),
            in_flight: account.in_flight(),
            limit: Some(account.limit()).filter(|limit| *limit > 0),
            cooldowns: self.cooldowns_of(account),
            circuit: self.circuit(account),
            paces: self.paces_of(account),
            cached_token_ratio: ratio.map(|(read, all)| rounded(*read as f64 / *all as f64)),
            served: counts.succeeded,
            failed: counts.failed,
            last_used: account.last_used().map(|last| self.when(last)),
            quotas: Vec::new(),
        }
    }

    /// What keeps an account from requests; of several things the one that an operator must know first.
    pub(super) fn standing(&self, account: &AccountState) -> view::Standing {
        let plain = |state, reason: Option<String>| view::Standing { state, reason, until: None, next_probe: None };
        if !account.enabled() {
            let reason = account.suspended().unwrap_or_else(|| self.switched_off_by(account.id()).to_owned());
            return plain(State::Disabled, Some(reason));
        }
        let circuit = account.circuit(self.now);
        if circuit.state != CircuitState::Closed {
            let state = if circuit.state == CircuitState::Open { State::Open } else { State::HalfOpen };
            let next_probe = circuit.until.map(|until| self.when(until));
            let reason = Some(format!("{} failures in a row", circuit.failures));
            return view::Standing { state, reason, until: None, next_probe };
        }
        let locks = account.cooldowns(self.now);
        let locked = |state, family: Option<&str>, lock: &cooldown::Cooldown| view::Standing {
            state,
            reason: Some(
                family
                    .map_or_else(|| lock.reason.name().to_owned(), |name| format!("{} for {name}", lock.reason.name())),
            ),
            until: Some(self.when(lock.until)),
            next_probe: lock.probe_at.map(|at| self.when(at)),
        };
        if let Some((_, lock)) = locks.iter().find(|(family, _)| family.is_none()) {
            return locked(State::Cooling, None, lock);
        }
        if account.limit() > 0 && account.in_flight() >= account.limit() {
            return plain(State::Busy, Some("all slots are in use".to_owned()));
        }
        if let Some((family, lock)) = locks.iter().max_by_key(|(_, lock)| lock.until) {
            let mut standing = locked(State::Limited, family.as_deref(), lock);
            if locks.len() > 1 {
                standing.reason = Some(format!("{} families rest", locks.len()));
            }
            return standing;
        }
        let paces = account.paces(self.now);
        let full = paces.iter().filter_map(|pace| Some((pace.until?, &pace.family))).max();
        if let Some((until, family)) = full {
            let reason = Some(format!("at its limit a minute for {family}"));
            return view::Standing { state: State::Limited, reason, until: Some(self.when(until)), next_probe: None };
        }
        plain(State::Ready, None)
    }

    /// Who has switched an account off.
    fn switched_off_by(&self, account: &str) -> &'static str {
        let origins = &self.snapshot.config.origins;
        let by_command = origins.switched.contains_key(account) || origins.is_added(EntryKind::Account, account);
        if by_command { "by the operator" } else { "by the configuration" }
    }

    fn cooldowns_of(&self, account: &AccountState) -> Vec<view::Cooldown> {
        let lock = |(family, lock): (Option<String>, cooldown::Cooldown)| view::Cooldown {
            account: account.id().to_owned(),
            family,
            reason: lock.reason.name().to_owned(),
            since: self.when(lock.since),
            until: self.when(lock.until),
            next_probe: lock.probe_at.filter(|at| *at < lock.until).map(|at| self.when(at)),
            probing: lock.probing,
            strikes: lock.strikes,
        };
        account.cooldowns(self.now).into_iter().map(lock).collect()
    }

    fn upstreams_of(&self, account: &str) -> Vec<String> {
        let account = self.snapshot.roster.account(account);
        account.map(|account| account.upstreams.iter().map(|one| one.id.clone()).collect()).unwrap_or_default()
    }

    /// Of each account: prompt tokens from the provider's cache, and all of them.
    fn cached_tokens(&self) -> HashMap<String, (u64, u64)> {
        let mut found: HashMap<String, (u64, u64)> = HashMap::new();
        for metric in self.gateway.metrics.tokens.collect().iter().flat_map(MetricFamily::get_metric) {
            let label =
                |name| metric.get_label().iter().find(|pair| pair.name() == name).map_or("", |pair| pair.value());
            let tokens = metric.get_counter().get_value() as u64;
            let (read, all) = match label("class") {
                "cache_read" => (tokens, tokens),
                "uncached" | "cache_write_5m" | "cache_write_1h" => (0, tokens),
                _ => continue,
            };
            let sum = found.entry(label("account").to_owned()).or_default();
            *sum = (sum.0 + read, sum.1 + all);
        }
        found
    }

    pub(super) fn when(&self, moment: Millis) -> When {
        When::new(moment, self.now)
    }
}

fn meter(meter: MeterView) -> view::Meter {
    view::Meter {
        limit: meter.limit,
        source: meter.source.map(|source| source.name().to_owned()),
        used_ratio: f64::from(meter.used_permille) / 1000.0,
        last_minute: meter.last_minute,
    }
}

/// Three digits are enough for a ratio.
fn rounded(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 1000.0
}

fn status(accounts: &view::Tally) -> &'static str {
    let out = accounts.cooling + accounts.half_open + accounts.open;
    if accounts.open_to_requests() + accounts.busy == 0 {
        "down"
    } else if out > 0 || accounts.limited > 0 {
        "degraded"
    } else {
        "ok"
    }
}

fn circuit_name(state: CircuitState) -> &'static str {
    match state {
        CircuitState::Closed => "closed",
        CircuitState::Open => "open",
        CircuitState::HalfOpen => "half_open",
    }
}

fn manual_name(manual: Manual) -> &'static str {
    match manual {
        Manual::Auto => "auto",
        Manual::On => "on",
        Manual::Off => "off",
    }
}
