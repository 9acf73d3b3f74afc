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

use crate::pool::{AccountState, Millis};

/// Upper bounds in seconds for times to first byte and in all: 1 ms (a local answer) to 10 min (a long stream).
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

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
    /// Requests whose account was chosen by affinity, by `result` (`hit`, `miss`, `moved`).
    pub affinity: IntCounterVec,
    /// Seals of reasoning, by `event`: calls whose seals were `kept` and `restored`, requests that were `repaired` (sent
    /// again without seals) and that were answered then (`repair_worked`).
    pub custody: IntCounterVec,
    /// Answers that broke off behind their first byte, by `result`: another account went on to the end (`completed`), or tried
    /// (`failed`, `client_left`), or nobody can go on with such an answer (`impossible`).
    pub continuations: IntCounterVec,
    /// Number of the configuration in force.
    pub config_generation: IntGauge,
    /// Attempts to load a configuration, by `result` (`applied`, `refused`).
    pub config_reloads: IntCounterVec,
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
            affinity: counter(with, "affinity_total", "Choices of an account by affinity", &["result"])?,
            custody: counter(with, "custody_total", "Seals kept, restored and repaired", &["event"])?,
            continuations: counter(with, "continuations_total", "Broken answers gone on with", &["result"])?,
            config_generation: add(
                with,
                IntGauge::new("interlingua_config_generation", "Number of the configuration in force")?,
            )?,
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
