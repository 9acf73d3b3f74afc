//! The worlds that are looked at.

use interlingua_filters::Dialect;

use super::clients::Traffic;
use super::meter::{MINUTE, Renewal};
use super::provider::{Phase, PhaseKind, Plan, Poison, Told, Trouble};
use super::world::{BEGIN, Setup, Upstream};

/// Accounts of most worlds.
const ACCOUNTS: usize = 10;
/// How large each account's limits are, in percent of the mean: plans of a pool differ.
const SIZES: [u64; ACCOUNTS] = [40, 60, 80, 80, 100, 100, 100, 120, 140, 180];
/// Requests a minute of the mean account.
const RPM: u64 = 60;
/// Tokens a minute of the mean account.
const TPM: u64 = 120_000;
/// Slots of an account by default.
const SLOTS: u32 = 3;

/// An account with a limit of requests.
pub(crate) fn by_requests(told: Told, renewal: Renewal) -> Plan {
    Plan { requests: Some(RPM), told, renewal, ..Plan::default() }
}

/// An account with a limit of tokens.
pub(crate) fn by_tokens(told: Told, renewal: Renewal) -> Plan {
    Plan { tokens: Some(TPM), told, renewal, ..Plan::default() }
}

fn one_provider(dialect: Dialect, accounts: Vec<Plan>) -> Vec<Upstream> {
    vec![Upstream { name: "provider", dialect, accounts }]
}

/// Ten accounts of different sizes with limits like `plan`, and requests at this part of the sum, in percent.
pub(crate) fn limited(seed: u64, percent: u64, minutes: u64, dialect: Dialect, plan: &Plan) -> Setup {
    let (prompt, output) = if plan.tokens.is_some() { ((500, 7_500), (100, 1_900)) } else { ((200, 1_800), (50, 350)) };
    let tokens_mean = ((prompt.0 + prompt.1 + output.0 + output.1) / 2) as f64;
    let by_tokens = plan.tokens.map(|tokens| tokens as f64 / tokens_mean);
    let by_requests = plan.requests.map(|requests| requests as f64);
    let per_minute = by_tokens.into_iter().chain(by_requests).fold(f64::MAX, f64::min);
    let mean_ms = MINUTE as f64 * 100.0 / (per_minute * ACCOUNTS as f64 * percent as f64);
    let scaled = |limit: Option<u64>, size: u64| limit.map(|limit| limit * size / 100);
    let of_size = |size: &u64| Plan {
        requests: scaled(plan.requests, *size),
        tokens: scaled(plan.tokens, *size),
        ..plan.clone()
    };
    Setup {
        seed,
        upstreams: one_provider(dialect, SIZES.iter().map(of_size).collect()),
        traffic: vec![Traffic::Random { mean_ms, from_ms: 0, prompt, output, work_ms: (300, 2_000) }],
        span_ms: minutes * MINUTE,
        affinity: true,
        steps_max: 0,
    }
}

/// Independent requests of half a second to two, so many a second.
fn random(per_second: f64) -> Traffic {
    let mean_ms = 1_000.0 / per_second;
    Traffic::Random { mean_ms, from_ms: 0, prompt: (200, 1_800), output: (50, 350), work_ms: (500, 2_000) }
}

fn sessions(count: u64, turns: u64) -> Traffic {
    Traffic::Sessions {
        count,
        turns,
        prompt: (5_000, 20_000),
        growth: (200, 2_000),
        output: (100, 1_500),
        work_ms: (2_000, 15_000),
        think_ms: 40_000.0,
    }
}

fn free() -> Plan {
    Plan { concurrency: SLOTS, ..Plan::default() }
}

/// Agents over ten accounts. `in_turn`: the accounts are limited one after the other, 20 s of each minute.
pub(crate) fn agents(seed: u64, minutes: u64, in_turn: bool) -> Setup {
    let account = |number: u64| {
        let phase = |round: u64| {
            let from = BEGIN + (round * ACCOUNTS as u64 + number) * MINUTE;
            Phase { from, to: from + 20_000, kind: PhaseKind::Limited }
        };
        let rounds = if in_turn { minutes / ACCOUNTS as u64 + 1 } else { 0 };
        Plan { phases: (0..rounds).map(phase).collect(), ..free() }
    };
    Setup {
        seed,
        upstreams: one_provider(Dialect::Anthropic, (0..ACCOUNTS as u64).map(account).collect()),
        traffic: vec![sessions(60, 1_000)],
        span_ms: minutes * MINUTE,
        affinity: true,
        steps_max: 0,
    }
}

/// Ten well accounts with some load, and now and then a request that none takes.
pub(crate) fn poisoned(seed: u64, minutes: u64, poison: Poison) -> Setup {
    let mean_ms = MINUTE as f64;
    Setup {
        seed,
        upstreams: one_provider(Dialect::Anthropic, vec![free(); ACCOUNTS]),
        traffic: vec![random(8.0), Traffic::Poisoned { mean_ms, poison, times: 6 }],
        span_ms: minutes * MINUTE,
        affinity: true,
        steps_max: 0,
    }
}

/// Ten accounts: one with a wrong key, one without quota, one that cannot be reached.
pub(crate) fn troubled(seed: u64, minutes: u64, dialect: Dialect) -> Setup {
    let trouble = |trouble| Plan { trouble: Some(trouble), ..free() };
    let mut accounts = vec![trouble(Trouble::WrongKey), trouble(Trouble::QuotaGone), trouble(Trouble::CutNetwork)];
    accounts.resize(ACCOUNTS, free());
    Setup {
        seed,
        upstreams: one_provider(dialect, accounts),
        traffic: vec![random(8.0), sessions(5, 1_000)],
        span_ms: minutes * MINUTE,
        affinity: true,
        steps_max: 0,
    }
}

/// Accounts with daily quotas, of which half are used up on the way; two tiers.
pub(crate) fn daily(seed: u64, minutes: u64) -> Setup {
    let account = |number: usize| {
        let daily = number.is_multiple_of(2).then_some(200 + 50 * number as u64);
        Plan { tier: u8::from(number >= ACCOUNTS / 2), daily, ..free() }
    };
    Setup {
        seed,
        upstreams: one_provider(Dialect::OpenAiChat, (0..ACCOUNTS).map(account).collect()),
        traffic: vec![random(5.0)],
        span_ms: minutes * MINUTE,
        affinity: true,
        steps_max: 0,
    }
}

/// No limits at all and answers that all take the same time: how evenly it is spread.
pub(crate) fn even(seed: u64, minutes: u64) -> Setup {
    let traffic =
        Traffic::Random { mean_ms: 60.0, from_ms: 0, prompt: (10, 10), output: (10, 10), work_ms: (1_000, 1_000) };
    Setup {
        seed,
        upstreams: one_provider(Dialect::OpenAiChat, vec![free(); ACCOUNTS]),
        traffic: vec![traffic],
        span_ms: minutes * MINUTE,
        affinity: false,
        steps_max: 0,
    }
}

/// A provider that is overloaded for half a minute in every five, and cannot be reached for another; a second one, of a
/// lower tier, that is well.
pub(crate) fn stormy(seed: u64, minutes: u64, overload: u64) -> Setup {
    let phases = (0..=minutes / 5).flat_map(|round| {
        let at = BEGIN + round * 5 * MINUTE;
        [
            Phase { from: at + MINUTE, to: at + MINUTE + 30_000, kind: PhaseKind::Overload(overload) },
            Phase { from: at + 3 * MINUTE, to: at + 3 * MINUTE + 30_000, kind: PhaseKind::Outage },
        ]
    });
    let first = Plan { phases: phases.collect(), concurrency: 10, ..Plan::default() };
    let second = Plan { tier: 1, concurrency: 10, ..Plan::default() };
    Setup {
        seed,
        upstreams: vec![
            Upstream { name: "first", dialect: Dialect::Anthropic, accounts: vec![first; 6] },
            Upstream { name: "second", dialect: Dialect::OpenAiChat, accounts: vec![second; 4] },
        ],
        traffic: vec![random(10.0)],
        span_ms: minutes * MINUTE,
        affinity: true,
        steps_max: 0,
    }
}

/// Everything at once.
pub(crate) fn wild(seed: u64, minutes: u64) -> Setup {
    let mut storm = stormy(seed, minutes, 60);
    let plans = [
        by_requests(Told::Headers, Renewal::Bucket),
        by_requests(Told::Hints, Renewal::Window),
        by_tokens(Told::Headers, Renewal::Bucket),
        by_tokens(Told::Nothing, Renewal::Bucket),
        Plan { daily: Some(2_000), ..Plan::default() },
        Plan { trouble: Some(Trouble::WrongKey), ..Plan::default() },
        Plan { trouble: Some(Trouble::CutNetwork), ..Plan::default() },
    ];
    let mut accounts = Vec::new();
    for (number, plan) in plans.into_iter().cycle().take(14).enumerate() {
        accounts.push(Plan { tier: (number % 3) as u8, concurrency: SLOTS + number as u32 % 4, ..plan });
    }
    storm.upstreams.push(Upstream { name: "third", dialect: Dialect::Gemini, accounts });
    storm.traffic.push(sessions(30, 1_000));
    for (mean_ms, poison) in [(50_000.0, Poison::Bare429), (70_000.0, Poison::Status500), (20_000.0, Poison::Status400)]
    {
        storm.traffic.push(Traffic::Poisoned { mean_ms, poison, times: 3 });
    }
    storm
}
