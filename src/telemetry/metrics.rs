//! What Prometheus sees.
//!
//! Names are `interlingua_<subject>_<quantity>_<unit>`; counters end in `_total`. Labels are bounded: protocols, status
//! classes, outcomes and loss kinds are enumerations, upstreams and accounts come from the configuration, and a model
//! name a caller makes up is never a label.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::breaker::CircuitState;
use crate::breaker::safe_mode;
use crate::clients::Clients;
use crate::config::Client;
use crate::limits::pace::{MeterView, PaceView};
use crate::pool::{AccountState, Millis};

/// Upper bounds in seconds for times to first byte and in all: 1 ms (a local answer) to 10 min (a long stream).
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// Upper bounds in seconds for times waited in line: a slot that is free at once, to the longest patience.
const WAIT_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The gateway's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests answered, by `protocol` (the client's), `mode` (`unary`, `stream`, `local`) and `status` (of HTTP).
    pub requests: IntCounterVec,
    /// Attempts at a provider, by `upstream`, `account` and `outcome` (`ok`, or the reason of the failure).
    pub attempts: IntCounterVec,
    /// Seconds from the request's header to the first byte of its answer, by `protocol` and `mode`.
    pub first_byte: HistogramVec,
    /// Seconds from the request's header to the last byte of its answer, by `protocol` and `mode`.
    pub duration: HistogramVec,
    /// Attempts a request needed.
    pub attempts_per_request: Histogram,
    /// Requests at work now.
    pub in_flight: IntGauge,
    /// Requests at work now, by `account` and `tier`; set when the metrics are read.
    pub account_in_flight: IntGaugeVec,
    /// Most requests ever at work at once, by `account` and `tier`; set when the metrics are read.
    pub account_in_flight_max: IntGaugeVec,
    /// Requests an account may have at work, by `account` and `tier`; set when the metrics are read.
    pub account_limit: IntGaugeVec,
    /// Seconds until an account's longest cooldown ends, by `account`, 0 without one; set when the metrics are read.
    pub account_cooldown: IntGaugeVec,
    /// Tokens by `upstream`, `account` and `class` (uncached, cache_read, cache_write_5m, cache_write_1h, output,
    /// reasoning).
    pub tokens: IntCounterVec,
    /// Fields that a target could not say, by `upstream`'s dialect and `kind`.
    pub losses: IntCounterVec,
    /// Choices of an account, by `account` and `result`: `hit` (the conversation's), `moved` (the conversation's could not
    /// be had), `new` (it had none), `pinned` (the one that was asked for), `off` (no conversation). Of an account the
    /// ratio of hits is that of `hit` to all but `off` and `pinned`; its ratio of cached tokens follows from `tokens`.
    pub affinity: IntCounterVec,
    /// Requests that wait for an account now.
    pub waiting: IntGauge,
    /// Seconds waited in line for an account, by `result` (`served`, `refused`, `left`).
    pub waited: HistogramVec,
    /// Pauses that spread requests in time before a limit, by `account`.
    pub pauses: IntCounterVec,
    /// Requests that no account could take, by `reason`.
    pub refusals: IntCounterVec,
    /// Locks, counts and lessons taken back since not the account was refused but the request, by `account`.
    pub forgiven: IntCounterVec,
    /// Limit of the family that is nearest to it, by `account`, `tier` and `kind` (`requests`, `tokens`), 0 where none is
    /// known; set when the metrics are read.
    pub pace_limit: IntGaugeVec,
    /// The part of that limit that is used, in thousandths, by the same; set when the metrics are read.
    pub pace_used: IntGaugeVec,
    /// State of an account's breaker, by `account` and `tier`: 0 closed, 1 half open, 2 open; set when the metrics are
    /// read.
    pub breaker: IntGaugeVec,
    /// Requests for a model's answer, by `route` (what they are sent to first: `target`, `large_output`, `background`) and
    /// `sign` (what an agent asks for itself; empty elsewhere).
    pub routes: IntCounterVec,
    /// Seals of reasoning, by `event`: calls whose seals were `kept` and `restored`, requests that were `repaired` (sent
    /// again without seals) and that were answered then (`repair_worked`).
    pub custody: IntCounterVec,
    /// Whether requests go to the upstream of last resort (1) or not (0), by `scope` (`*` for all upstreams together, else
    /// one's id); set when the metrics are read.
    pub safe_mode: IntGaugeVec,
    /// Questions for quotas, by `account` and `result` (`ok`, `failed`).
    pub quota_reads: IntCounterVec,
    /// Warm-up requests, by `account` and `result` (`ok`, or the reason of the failure).
    pub warm_ups: IntCounterVec,
    /// Second requests, by `result` (`won`, `lost`, `failed`, `not_sent`).
    pub hedges: IntCounterVec,
    /// Looks whether an upstream can be reached, by `upstream` and `result` (`reached`, `failed`).
    pub health_checks: IntCounterVec,
    /// Answers that broke off behind their first byte, by `result`: another account went on to the end (`completed`), or tried
    /// (`failed`, `client_left`), or nobody can go on with such an answer (`impossible`).
    pub continuations: IntCounterVec,
    /// Requests of a client that its own limits refused, by `client` and `limit` (that of a minute, the budget, `model`,
    /// `address`, `expired`, `disabled`).
    pub client_refusals: IntCounterVec,
    /// The part of a client's budget that is used, in thousandths, by `client` and `budget`; set when the metrics are read.
    pub client_budget_used: IntGaugeVec,
    /// Number of the configuration in force.
    pub config_generation: IntGauge,
    /// Attempts to load a configuration, by `result` (`applied`, `refused`).
    pub config_reloads: IntCounterVec,
    /// Syncs of mappings with another gateway, by `result` (`ok`, `failed`).
    pub mapping_syncs: IntCounterVec,
    /// Whether the last of them went well (1) or not (0).
    pub mapping_synced: IntGauge,
}

impl Metrics {
    /// Registers everything in a registry of its own.
    ///
    /// # Errors
    /// When two metrics share a name, which a test would have seen.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let with = &registry;
        Ok(Metrics {
            requests: counter(with, "requests_total", "Requests answered", &["protocol", "mode", "status"])?,
            attempts: counter(with, "attempts_total", "Attempts at a provider", &["upstream", "account", "outcome"])?,
            first_byte: histogram(with, "first_byte_seconds", "Time to the first byte of an answer")?,
            duration: histogram(with, "request_duration_seconds", "Time to the last byte of an answer")?,
            attempts_per_request: add(
                with,
                Histogram::with_opts(
                    HistogramOpts::new("interlingua_attempts_per_request", "Attempts a request needed")
                        .buckets(vec![0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 16.0, 64.0]),
                )?,
            )?,
            in_flight: add(with, IntGauge::new("interlingua_in_flight", "Requests at work now")?)?,
            account_in_flight: gauge(with, "account_in_flight", "Requests at work now", &["account", "tier"])?,
            account_in_flight_max: gauge(
                with,
                "account_in_flight_max",
                "Most requests ever at work at once",
                &["account", "tier"],
            )?,
            account_limit: gauge(with, "account_limit", "Requests an account may have at work", &["account", "tier"])?,
            account_cooldown: gauge(
                with,
                "account_cooldown_seconds",
                "Time until an account's longest cooldown ends",
                &["account", "tier"],
            )?,
            tokens: counter(with, "tokens_total", "Tokens read and written", &["upstream", "account", "class"])?,
            losses: counter(with, "losses_total", "Fields a target could not say", &["upstream", "field", "kind"])?,
            affinity: counter(with, "affinity_total", "Choices of an account by affinity", &["account", "result"])?,
            waiting: add(with, IntGauge::new("interlingua_waiting", "Requests that wait for an account now")?)?,
            waited: add(
                with,
                HistogramVec::new(
                    HistogramOpts::new("interlingua_wait_seconds", "Time waited in line for an account")
                        .buckets(WAIT_SECONDS.to_vec()),
                    &["result"],
                )?,
            )?,
            pauses: counter(with, "pauses_total", "Pauses before a limit", &["account"])?,
            refusals: counter(with, "pool_refusals_total", "Requests that no account could take", &["reason"])?,
            forgiven: counter(with, "forgiven_total", "Refusals that were the request's own", &["account"])?,
            pace_limit: gauge(
                with,
                "account_pace_limit",
                "Limit of the family that is nearest to it",
                &["account", "tier", "kind"],
            )?,
            pace_used: gauge(
                with,
                "account_pace_used_permille",
                "Part of that limit that is used",
                &["account", "tier", "kind"],
            )?,
            breaker: gauge(with, "account_breaker", "0 closed, 1 half open, 2 open", &["account", "tier"])?,
            routes: counter(with, "routes_total", "Requests by where they go first", &["route", "sign"])?,
            custody: counter(with, "custody_total", "Seals kept, restored and repaired", &["event"])?,
            safe_mode: gauge(with, "safe_mode", "Whether requests go to the upstream of last resort", &["scope"])?,
            quota_reads: counter(with, "quota_reads_total", "Questions for quotas", &["account", "result"])?,
            warm_ups: counter(with, "warm_ups_total", "Warm-up requests", &["account", "result"])?,
            hedges: counter(with, "hedges_total", "Second requests of hedged ones", &["result"])?,
            health_checks: counter(with, "health_checks_total", "Looks at upstreams", &["upstream", "result"])?,
            continuations: counter(with, "continuations_total", "Broken answers gone on with", &["result"])?,
            client_refusals: counter(
                with,
                "client_refusals_total",
                "Requests that limits of their client refused",
                &["client", "limit"],
            )?,
            client_budget_used: gauge(
                with,
                "client_budget_used_permille",
                "Part of a client's budget that is used",
                &["client", "budget"],
            )?,
            config_generation: add(
                with,
                IntGauge::new("interlingua_config_generation", "Number of the configuration in force")?,
            )?,
            mapping_syncs: counter(with, "mapping_syncs_total", "Syncs of mappings with another gateway", &["result"])?,
            mapping_synced: add(with, IntGauge::new("interlingua_mapping_synced", "Whether the last sync went well")?)?,
            config_reloads: counter(with, "config_reloads_total", "Attempts to load a configuration", &["result"])?,
            registry,
        })
    }

    /// Sets the gauges that are read off the accounts' live state.
    pub fn observe(&self, accounts: &[Arc<AccountState>], tiers: &[String], now: Millis) {
        for account in accounts {
            let tier = tiers.get(usize::from(account.tier())).map_or("unknown", String::as_str);
            let labels = [account.id(), tier];
            let longest = account.cooldowns(now).iter().map(|(_, cooldown)| cooldown.until.since(now)).max();
            self.account_in_flight.with_label_values(&labels).set(account.in_flight().into());
            self.account_in_flight_max.with_label_values(&labels).set(account.counts().in_flight_max.into());
            self.account_limit.with_label_values(&labels).set(account.limit().into());
            self.account_cooldown
                .with_label_values(&labels)
                .set(i64::try_from(longest.unwrap_or(0).div_ceil(1000)).unwrap_or(i64::MAX));
            let breaker = match account.circuit(now).state {
                CircuitState::Closed => 0,
                CircuitState::HalfOpen => 1,
                CircuitState::Open => 2,
            };
            self.breaker.with_label_values(&labels).set(breaker);
            let paces = account.paces(now);
            for (kind, of) in [("requests", requests as fn(&PaceView) -> MeterView), ("tokens", tokens)] {
                let nearest = paces.iter().map(of).max_by_key(|meter| meter.used_permille);
                let (limit, used) = nearest.map_or((0, 0), |meter| (meter.limit.unwrap_or(0), meter.used_permille));
                let labels = [labels[0], labels[1], kind];
                self.pace_limit.with_label_values(&labels).set(i64::try_from(limit).unwrap_or(i64::MAX));
                self.pace_used.with_label_values(&labels).set(used.into());
            }
        }
    }

    /// Sets the gauges of the clients' budgets.
    pub fn observe_clients(&self, states: &Clients, clients: &[Client], now: Millis) {
        // Of clients and budgets that are gone nothing is said.
        self.client_budget_used.reset();
        for client in clients {
            for budget in states.state(&client.id).status(&client.limits, now).budgets {
                let permille = u128::from(budget.used) * 1000 / u128::from(budget.allowed.max(1));
                let gauge = self.client_budget_used.with_label_values(&[client.id.as_str(), budget.limit.name()]);
                gauge.set(i64::try_from(permille).unwrap_or(i64::MAX));
            }
        }
    }

    /// Sets the gauges of safe mode.
    pub fn observe_safe_mode(&self, status: &safe_mode::Status) {
        // Of upstreams that are gone nothing is said.
        self.safe_mode.reset();
        for scope in &status.scopes {
            self.safe_mode.with_label_values(&[&scope.scope]).set(i64::from(scope.active));
        }
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Formatting into a string fails only for a metric without a name.
        let _ = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        text
    }
}

fn requests(pace: &PaceView) -> MeterView {
    pace.requests
}

fn tokens(pace: &PaceView) -> MeterView {
    pace.tokens
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    add(registry, IntCounterVec::new(Opts::new(format!("interlingua_{name}"), help), labels)?)
}

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    add(registry, IntGaugeVec::new(Opts::new(format!("interlingua_{name}"), help), labels)?)
}

fn histogram(registry: &Registry, name: &str, help: &str) -> Result<HistogramVec, prometheus::Error> {
    let options = HistogramOpts::new(format!("interlingua_{name}"), help).buckets(SECONDS.to_vec());
    add(registry, HistogramVec::new(options, &["protocol", "mode"])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_registers_and_renders() {
        let metrics = Metrics::new().unwrap();
        metrics.requests.with_label_values(&["anthropic", "stream", "200"]).inc();
        metrics.config_generation.set(3);
        let text = metrics.render();
        assert!(text.contains(r#"interlingua_requests_total{mode="stream",protocol="anthropic",status="200"} 1"#));
        assert!(text.contains("interlingua_config_generation 3"));
    }
}
