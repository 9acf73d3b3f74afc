//! The worlds that are looked at.

use interlingua_filters::Dialect;

use super::clients::Traffic;
use super::provider::{Plan, Told};
use super::world::{Setup, Upstream};

/// Requests a minute of each account where requests are limited.
pub(crate) const RPM: u64 = 60;

pub(crate) fn one_provider(dialect: Dialect, accounts: Vec<Plan>) -> Vec<Upstream> {
    vec![Upstream { name: "provider", dialect, accounts }]
}

/// Ten accounts of `plan`, and requests at this part of their limits, in percent.
pub(crate) fn limited(seed: u64, percent: u64, minutes: u64, plan: Plan) -> Setup {
    let count = 10;
    let (prompt, output) = ((200, 1_800), (50, 350));
    let tokens_mean = ((prompt.0 + prompt.1 + output.0 + output.1) / 2) as f64;
    let by_tokens = plan.tokens.map(|tokens| tokens as f64 / tokens_mean);
    let by_requests = plan.requests.map(|requests| requests as f64);
    let per_minute = by_tokens.into_iter().chain(by_requests).fold(f64::MAX, f64::min);
    let mean_ms = 60_000.0 * 100.0 / (per_minute * f64::from(count) * percent as f64);
    Setup {
        seed,
        upstreams: one_provider(Dialect::Anthropic, vec![plan; count as usize]),
        traffic: vec![Traffic::Random { mean_ms, from_ms: 0, prompt, output, work_ms: (300, 2_000) }],
        span_ms: minutes * 60_000,
        affinity: true,
        steps_max: 0,
    }
}

/// An account with a limit of requests that tells it so.
pub(crate) fn by_requests(told: Told) -> Plan {
    Plan { requests: Some(RPM), told, ..Plan::default() }
}
