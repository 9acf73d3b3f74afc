//! What watches the accounts, and what goes on when one fails.

use std::path::PathBuf;
use std::time::Duration;

use super::Mean;
use super::accounts::Accounts;
use super::resilience::COUNT_MAX;
use super::upstreams::Upstreams;
use crate::config::report::At;
use crate::config::units::OneOrMany;
use crate::config::{
    AccountLimits, Breaker, Continuation, Family, Health, Hedging, Move, Overload, Pace, Quota, SafeMode, State,
    WarmUp, raw,
};
use crate::routing::Pattern;

/// Shortest time between two looks at quotas: providers count them too.
const QUOTA_REFRESH_MIN: Duration = Duration::from_mins(5);

/// Most failures that safe mode waits for: each is remembered, for each upstream.
const SAFE_MODE_FAILURES_MAX: u64 = 1000;

/// Largest kept answer, for each stream.
const CONTINUATION_BYTES_MAX: u64 = 10 << 20;

/// Most continuations of one answer.
const CONTINUATIONS_MAX: u64 = 8;

/// Largest limit of an account, a minute.
const PER_MINUTE_MAX: u64 = 1_000_000_000_000;

impl Mean<'_> {
    pub(super) fn pace(&mut self, at: &At<'_>, raw: &raw::Pace) -> Pace {
        Pace {
            enabled: raw.enabled,
            slow_at_percent: self.number(at, "slow_at_percent", raw.slow_at_percent, (1, 100)),
            pause_max: raw.pause_max.0,
            skip_at_percent: self.number(at, "skip_at_percent", raw.skip_at_percent, (100, 1000)),
            decrease_percent: self.number(at, "decrease_percent", raw.decrease_percent, (1, 90)),
            increase_percent: self.number(at, "increase_percent", raw.increase_percent, (1, 100)),
        }
    }

    pub(super) fn breaker(&mut self, at: &At<'_>, raw: &raw::Breaker) -> Breaker {
        if raw.open.0 > raw.open_max.0 {
            let help = Some(format!("write at most {}, or a longer `open_max`", raw.open_max));
            self.problems.error(&at.key("open"), "`open` is longer than `open_max`", help);
        }
        Breaker {
            enabled: raw.enabled,
            failures: self.number(at, "failures", raw.failures, (1, COUNT_MAX)),
            open: self.positive(at, "open", raw.open),
            open_max: self.positive(at, "open_max", raw.open_max),
            last_resort: self.positive(at, "last_resort", raw.last_resort),
        }
    }

    pub(super) fn overload(&mut self, at: &At<'_>, raw: &raw::Overload) -> Overload {
        Overload {
            enabled: raw.enabled,
            floor: self.number(at, "floor", raw.floor, (1, COUNT_MAX)),
            calm: self.positive(at, "calm", raw.calm),
        }
    }

    pub(super) fn health(&mut self, at: &At<'_>, raw: &raw::Health) -> Health {
        Health { enabled: raw.enabled, interval: self.positive(at, "interval", raw.interval) }
    }

    pub(super) fn safe_mode(&mut self, at: &At<'_>, raw: &raw::SafeMode) -> SafeMode {
        SafeMode {
            upstream: raw.upstream.clone(),
            model: raw.model.clone(),
            failures: self.number(at, "failures", raw.failures, (1, SAFE_MODE_FAILURES_MAX)),
            within: self.positive(at, "within", raw.within),
            check_every: self.positive(at, "check_every", raw.check_every),
            successes: self.number(at, "successes", raw.successes, (1, COUNT_MAX)),
        }
    }

    pub(super) fn quota(&mut self, at: &At<'_>, raw: &raw::Quota) -> Quota {
        if raw.refresh.0 < QUOTA_REFRESH_MIN {
            self.problems.error(&at.key("refresh"), "`refresh` is shorter than 5m", None);
        }
        Quota {
            enabled: raw.enabled,
            refresh: raw.refresh.0,
            protected: self.each_pattern(&at.key("protected"), &raw.protected),
            protect_below_percent: self.number(at, "protect_below_percent", raw.protect_below_percent, (0, 100)),
            shared_projects: raw.shared_projects,
        }
    }

    pub(super) fn warm_up(&mut self, at: &At<'_>, raw: &raw::WarmUp) -> WarmUp {
        if raw.enabled && raw.models.0.is_empty() {
            self.problems.missing(at, "models", "the models to warm up, in the providers' words");
        }
        WarmUp {
            enabled: raw.enabled,
            models: raw.models.0.clone(),
            interval: self.positive(at, "interval", raw.interval),
            cooldown: self.positive(at, "cooldown", raw.cooldown),
            only_low_quota: raw.only_low_quota,
        }
    }

    pub(super) fn continuation(&mut self, at: &At<'_>, raw: &raw::Continuation) -> Continuation {
        Continuation {
            mode: raw.mode,
            times_max: self.number(at, "times_max", raw.times_max, (1, CONTINUATIONS_MAX)),
            bytes_max: self.number(at, "bytes_max", raw.bytes_max.0, (0, CONTINUATION_BYTES_MAX)),
        }
    }

    pub(super) fn hedging(&mut self, at: &At<'_>, raw: &raw::Hedging) -> Hedging {
        Hedging {
            enabled: raw.enabled,
            after: self.positive(at, "after", raw.after),
            share_percent: self.number(at, "share_percent", raw.share_percent, (1, 100)),
        }
    }

    pub(super) fn moving(&mut self, at: &At<'_>, raw: &raw::Move) -> Move {
        Move {
            rule: raw.rule,
            minute_microusd: self.money(at, "minute_usd", raw.minute_usd, 0.001),
            cold_million_microusd: self.money(at, "cold_million_usd", raw.cold_million_usd, 0.0),
        }
    }

    /// US dollars, from `least` to 1000, in millionths.
    fn money(&mut self, at: &At<'_>, key: &str, value: f64, least: f64) -> u64 {
        if (least..=1000.0).contains(&value) {
            return (value * 1e6).round() as u64;
        }
        self.problems.error(&at.key(key), format!("{value} is out of bounds: {least} to 1000"), None);
        0
    }

    /// Where the state is kept. The well-known places are looked up in the environment.
    /// Where the state is kept, without the rest of the file.
    pub(in crate::config) fn state_alone(&mut self, raw: &raw::State) -> State {
        self.state(&At::ROOT.key("state"), raw)
    }

    pub(super) fn state(&mut self, at: &At<'_>, raw: &raw::State) -> State {
        if !raw.enabled {
            return State::default();
        }
        if let Some(text) = &raw.file {
            let file = self.expand(&at.key("file"), text);
            return State { file: file.map(|file| self.sources.folder.join(file)) };
        }
        let folder = |name: &str| (self.sources.env)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let file = match folder("STATE_DIRECTORY") {
            Some(folder) => Some(folder.join("state.db")),
            None => folder("XDG_STATE_HOME")
                .or_else(|| Some(folder("HOME")?.join(".local/state")))
                .map(|folder| folder.join("interlingua/state.db")),
        };
        State { file: file.filter(|file| file.is_absolute()) }
    }

    pub(super) fn families(&mut self, at: &At<'_>, raw: &[Option<raw::Family>]) -> Vec<Family> {
        let mut names = std::collections::HashMap::new();
        let mut families = Vec::with_capacity(raw.len());
        for (index, family) in raw.iter().enumerate() {
            let at = at.index(index);
            let Some(family) = family else {
                self.problems.empty_item(&at);
                continue;
            };
            let Some(name) = family.name.as_deref().filter(|name| !name.is_empty()) else {
                self.problems.missing(&at, "name", "a name for logs and metrics");
                continue;
            };
            self.name(&at.key("name"), name, &mut names, index);
            if family.models.0.is_empty() {
                self.problems.missing(&at, "match", "models in the provider's words, for example `claude-*`");
            }
            let models = self.each_pattern(&at.key("match"), &family.models);
            families.push(Family { name: name.to_owned(), models });
        }
        families
    }

    pub(super) fn account_limits(&mut self, at: &At<'_>, raw: &raw::AccountLimits) -> AccountLimits {
        let mut number = |key, value: Option<u64>| value.map(|value| self.number(at, key, value, (1, PER_MINUTE_MAX)));
        AccountLimits {
            requests_per_minute: number("requests_per_minute", raw.requests_per_minute),
            tokens_per_minute: number("tokens_per_minute", raw.tokens_per_minute),
        }
    }

    /// The names in `resilience` that must be there: an upstream that some account opens, an account.
    pub(super) fn named(&mut self, at: &At<'_>, raw: &raw::Resilience, upstreams: &Upstreams, accounts: &Accounts) {
        if let Some(name) = &raw.safe_mode.upstream {
            let at = at.key("safe_mode");
            let at = at.key("upstream");
            if !upstreams.has(name) {
                let known: Vec<&str> = upstreams.ids.iter().map(String::as_str).collect();
                self.dangling(&at, "upstream", name, &known);
            } else if !accounts.opened.contains(name) {
                self.problems.warn(&at, "no account opens this upstream, so nothing can be served", None);
            }
        }
        if let Some(name) = &raw.pinned_account {
            let known: Vec<&str> = accounts.list.iter().map(|account| account.id.as_str()).collect();
            if !known.contains(&name.as_str()) {
                self.dangling(&at.key("pinned_account"), "account", name, &known);
            }
        }
    }

    fn each_pattern(&mut self, at: &At<'_>, models: &OneOrMany<String>) -> Vec<Pattern> {
        if models.0.is_empty() { Vec::new() } else { self.patterns(at, models) }
    }
}
