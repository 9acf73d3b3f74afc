//! The configuration in the words of the pure parts.

use std::time::Duration;

use super::access;
use super::clock::now;
use super::gateway::Gateway;
use super::safe_mode;
use crate::breaker::circuit;
use crate::config::{Custody, Resilience, Snapshot, specs};
use crate::custody;
use crate::limits::{Defaults, cooldown, overload, pace};
use crate::pool::{self, affinity};

impl Gateway {
    /// To be called when the store was read: what it says of an account may be about a credential that it no longer has.
    pub fn remembered(&self) {
        access::readmit(self, &self.store.load());
    }

    /// Takes over a configuration that was put in force: accounts, their limits, the protections.
    pub fn follow(&self, snapshot: &Snapshot) {
        let resilience = &snapshot.config.resilience;
        self.registry.reconcile(&specs(&snapshot.config), pool(resilience));
        self.clients.follow(snapshot.config.clients.iter().map(|client| client.id.as_str()), now());
        access::follow(self, snapshot);
        self.quotas.follow(&self.registry, snapshot, now());
        self.affinity.configure(affinity(resilience));
        self.keeper.configure(custody(&snapshot.config.custody));
        self.safe_mode.configure(safe_mode::settings(&snapshot.config));
        self.metrics.config_generation.set(i64::try_from(snapshot.generation).unwrap_or(i64::MAX));
    }
}

/// Settings of the pool.
pub(super) fn pool(resilience: &Resilience) -> pool::Settings {
    let configured = &resilience.cooldown;
    let cooldown = cooldown::Settings {
        enabled: configured.enabled,
        lock_ms_max: ms(configured.max),
        jitter_permille: u32::from(configured.jitter_percent) * 10,
        ..cooldown::Settings::default()
    };
    let (pace, breaker, overload) = (&resilience.pace, &resilience.breaker, &resilience.overload);
    pool::Settings {
        slots: true,
        pace: pace::Settings {
            enabled: pace.enabled,
            slow_at_percent: pace.slow_at_percent.into(),
            pause_ms_max: ms(pace.pause_max),
            skip_at_percent: pace.skip_at_percent.into(),
            decrease_percent: pace.decrease_percent.into(),
            increase_percent: pace.increase_percent.into(),
        },
        breaker: circuit::Settings {
            enabled: breaker.enabled,
            failures: breaker.failures,
            open_ms: ms(breaker.open),
            open_ms_max: ms(breaker.open_max),
            last_resort_ms: ms(breaker.last_resort),
        },
        overload: overload::Settings { enabled: overload.enabled, floor: overload.floor, calm_ms: ms(overload.calm) },
        shared_projects: resilience.quota.shared_projects,
        cooldown,
    }
}

/// Settings of affinity.
pub fn affinity(resilience: &Resilience) -> affinity::Settings {
    let configured = &resilience.affinity;
    affinity::Settings {
        enabled: configured.enabled,
        entries_max: configured.entries_max,
        ttl_ms: ms(configured.ttl),
        failures_max: configured.unbind_after_failures,
        lock_ms_max: ms(configured.unbind_after_lock),
    }
}

/// Settings of the keeper of seals.
pub(super) fn custody(configured: &Custody) -> custody::Settings {
    custody::Settings {
        enabled: configured.enabled,
        entries_max: configured.entries_max,
        bytes_max: configured.bytes_max,
        ttl_ms: ms(configured.ttl),
    }
}

/// Numbers of the table that classifies failures.
pub(super) fn limits(resilience: &Resilience) -> Defaults {
    let grace = if resilience.grace_retry.enabled { ms(resilience.grace_retry.wait_max) } else { 0 };
    let standard = Defaults::default();
    Defaults {
        same_account_ms_max: grace,
        provider_wait_ms: standard.provider_wait_ms.min(grace),
        rate_limit_ms: ms(resilience.cooldown.default),
        quota_ms: ms(resilience.cooldown.quota_default),
        ..standard
    }
}

/// A span in the words of the pure parts.
pub(super) fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
