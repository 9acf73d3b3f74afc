//! Retries and protections.

use super::Mean;
use crate::config::report::At;
use crate::config::{Affinity, Cooldown, GraceRetry, Peek, PerClient, Resilience, raw};

/// Most attempts of one request, whatever the file says.
const ATTEMPTS_MAX: u64 = 64;

/// Most affinity bindings, at some 200 bytes each.
const BINDINGS_MAX: u64 = 10_000_000;

/// Upper bound of plain counters: far above what makes sense, far below any overflow.
pub(super) const COUNT_MAX: u64 = 1_000_000;

impl Mean<'_> {
    pub(super) fn resilience(&mut self, at: &At<'_>, raw: &raw::Resilience) -> Resilience {
        let grace_retry = GraceRetry { enabled: raw.grace_retry.enabled, wait_max: raw.grace_retry.wait_max.0 };
        Resilience {
            attempts_max: self.number(at, "attempts_max", raw.attempts_max, (1, ATTEMPTS_MAX)),
            deadline: self.positive(at, "deadline", raw.deadline),
            same_refusal_max: self.number(at, "same_refusal_max", raw.same_refusal_max, (0, COUNT_MAX)),
            grace_retry,
            cooldown: self.cooldown(&at.key("cooldown"), &raw.cooldown),
            affinity: self.affinity(&at.key("affinity"), &raw.affinity),
            peek: self.peek(&at.key("peek"), &raw.peek),
            wait_for_slot: raw.wait_for_slot.0,
            retry_network: raw.retry_network,
            retry_status: raw.retry_status,
            fallbacks: raw.fallbacks,
            pace: self.pace(&at.key("pace"), &raw.pace),
            breaker: self.breaker(&at.key("breaker"), &raw.breaker),
            overload: self.overload(&at.key("overload"), &raw.overload),
            health: self.health(&at.key("health"), &raw.health),
            safe_mode: self.safe_mode(&at.key("safe_mode"), &raw.safe_mode),
            quota: self.quota(&at.key("quota"), &raw.quota),
            warm_up: self.warm_up(&at.key("warm_up"), &raw.warm_up),
            continuation: self.continuation(&at.key("continuation"), &raw.continuation),
            hedging: self.hedging(&at.key("hedging"), &raw.hedging),
            pinned_account: raw.pinned_account.clone(),
        }
    }

    fn cooldown(&mut self, at: &At<'_>, raw: &raw::Cooldown) -> Cooldown {
        let max = self.positive(at, "max", raw.max);
        for (key, span) in [("default", raw.default), ("quota_default", raw.quota_default)] {
            if span.0 > max {
                let help = format!("write at most {}, or a longer `max`", raw.max);
                self.problems.error(&at.key(key), format!("`{key}` is longer than `max`"), Some(help));
            }
        }
        Cooldown {
            enabled: raw.enabled,
            default: self.positive(at, "default", raw.default),
            quota_default: self.positive(at, "quota_default", raw.quota_default),
            max,
            jitter_percent: self.number(at, "jitter_percent", raw.jitter_percent, (0, 100)),
        }
    }

    fn affinity(&mut self, at: &At<'_>, raw: &raw::Affinity) -> Affinity {
        Affinity {
            enabled: raw.enabled,
            ttl: self.positive(at, "ttl", raw.ttl),
            entries_max: self.number(at, "entries_max", raw.entries_max, (1, BINDINGS_MAX)),
            unbind_after_failures: self.number(at, "unbind_after_failures", raw.unbind_after_failures, (1, COUNT_MAX)),
            unbind_after_lock: self.positive(at, "unbind_after_lock", raw.unbind_after_lock),
            moving: self.moving(&at.key("move"), &raw.moving),
        }
    }

    fn peek(&mut self, at: &At<'_>, raw: &raw::Peek) -> Peek {
        let own = raw::Peek::default();
        let first_content = self.per_client(&at.key("first_content"), &raw.first_content, &own.first_content);
        let total = self.per_client(&at.key("total"), &raw.total, &own.total);
        let at_total = at.key("total");
        let spans =
            [("anthropic", first_content.anthropic, total.anthropic), ("others", first_content.others, total.others)];
        for (key, first, total) in spans {
            if total < first {
                let help = "write a longer one, or a shorter `first_content`".to_owned();
                self.problems.error(&at_total.key(key), "`total` is shorter than `first_content`", Some(help));
            }
        }
        let heartbeats_max = self.number(at, "heartbeats_max", raw.heartbeats_max, (1, COUNT_MAX));
        Peek { enabled: raw.enabled, first_content, total, heartbeats_max }
    }

    fn per_client(&mut self, at: &At<'_>, raw: &raw::PerClient, own: &raw::PerClient) -> PerClient {
        let mut span = |key, written, own| {
            let span: Option<crate::config::TimeSpan> = Option::or(written, own);
            span.map_or_else(Default::default, |span| self.positive(at, key, span))
        };
        PerClient {
            anthropic: span("anthropic", raw.anthropic, own.anthropic),
            others: span("others", raw.others, own.others),
        }
    }
}
