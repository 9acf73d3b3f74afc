//! The providers: limits, caches, troubles. They know nothing of the gateway.

use std::collections::BTreeMap;

use interlingua::limits::Transport;
use interlingua_filters::Dialect;

use super::meter::{Meter, Renewal};
use super::rng::Rng;

/// How long a prompt cache lives after its last use, in milliseconds.
pub(crate) const CACHE_MS: u64 = 300_000;
/// How long the way to a provider takes, in milliseconds, one way; the longest.
const WAY_MS: u64 = 20;
/// What a daily quota's refusal tells, in milliseconds.
const QUOTA_WAIT_MS: u64 = 4 * 3_600_000;

/// What an account tells of its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Limit, remaining and reset on every answer.
    Headers,
    /// Only when it refuses: how long to wait.
    Hints,
    /// Nothing, ever.
    Nothing,
}

/// What is wrong with an account for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Its key is refused.
    WrongKey,
    /// Its quota is used up for hours.
    QuotaGone,
    /// Nobody can connect to it.
    CutNetwork,
}

/// A time in which an account, or all of a provider's, do not serve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) kind: PhaseKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PhaseKind {
    /// 529 for this part of the requests, in percent.
    Overload(u64),
    /// No connection.
    Outage,
    /// 429 that tells how long; for one account.
    Limited,
}

/// An account as its provider sees it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) tier: u8,
    pub(crate) concurrency: u32,
    pub(crate) requests: Option<u64>,
    pub(crate) tokens: Option<u64>,
    pub(crate) daily: Option<u64>,
    pub(crate) renewal: Renewal,
    pub(crate) told: Told,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) phases: Vec<Phase>,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            tier: 0,
            concurrency: 0,
            requests: None,
            tokens: None,
            daily: None,
            renewal: Renewal::Bucket,
            told: Told::Headers,
            trouble: None,
            phases: Vec::new(),
        }
    }
}

/// What is asked of the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) session: Option<u64>,
    pub(crate) prompt: u64,
    pub(crate) output: u64,
    /// What the gateway takes both for, together.
    pub(crate) estimate: u64,
    /// Refused by everyone in this way.
    pub(crate) poison: Option<Poison>,
    /// How long the model takes, in milliseconds.
    pub(crate) work_ms: u64,
}

/// A request that no account takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poison {
    /// 429 without a word of why.
    Bare429,
    /// The provider's own error.
    Status500,
    /// A mistake that is told as one.
    Status400,
}

/// What comes back.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The tokens of the prompt that the cache had.
    Served {
        cached: u64,
        headers: Headers,
    },
    Refused {
        status: u16,
        body: String,
        headers: Headers,
    },
    Broken(Transport),
}

pub(crate) type Headers = Vec<(&'static str, String)>;

/// One account's truth.
pub(crate) struct Account {
    pub(crate) plan: Plan,
    requests: Option<Meter>,
    tokens: Option<Meter>,
    day: u64,
    /// Sessions and how much of their prompts is cached until when.
    cache: BTreeMap<u64, (u64, u64)>,
    pub(crate) served: u64,
    pub(crate) refused: u64,
    pub(crate) tokens_served: u64,
}

impl Account {
    pub(crate) fn new(plan: Plan, now: u64) -> Self {
        let meter = |limit: Option<u64>| limit.map(|limit| Meter::new(limit, plan.renewal, now));
        Account {
            requests: meter(plan.requests),
            tokens: meter(plan.tokens),
            day: 0,
            cache: BTreeMap::new(),
            served: 0,
            refused: 0,
            tokens_served: 0,
            plan,
        }
    }

    /// A request arrives.
    pub(crate) fn ask(&mut self, dialect: Dialect, question: &Question, now: u64, rng: &mut Rng) -> Verdict {
        match self.plan.trouble {
            Some(Trouble::CutNetwork) => return Verdict::Broken(Transport::Connect),
            Some(Trouble::WrongKey) => return self.refuse(dialect, 401, "invalid x-api-key", None),
            Some(Trouble::QuotaGone) => return self.quota(dialect),
            None => {}
        }
        let phase = self.plan.phases.iter().find(|phase| (phase.from..phase.to).contains(&now)).copied();
        match phase.map(|phase| (phase.kind, phase.to)) {
            Some((PhaseKind::Outage, _)) => return Verdict::Broken(Transport::Connect),
            Some((PhaseKind::Overload(percent), _)) if rng.between(1, 100) <= percent => {
                return self.refuse(dialect, 529, "Overloaded", None);
            }
            Some((PhaseKind::Limited, to)) => return self.refuse(dialect, 429, "rate limited", Some(to - now)),
            _ => {}
        }
        match question.poison {
            Some(Poison::Bare429) => return self.refuse(dialect, 429, "Too many requests", None),
            Some(Poison::Status500) => return self.refuse(dialect, 500, "Internal server error", None),
            Some(Poison::Status400) => return self.refuse(dialect, 400, "messages: at least one is required", None),
            None => {}
        }
        if self.plan.daily.is_some_and(|daily| self.day >= daily) {
            return self.quota(dialect);
        }
        let wait = self.wait(1, question.prompt, now);
        if wait > 0 {
            let told = (self.plan.told != Told::Nothing).then_some(wait);
            let verdict = self.refuse(dialect, 429, "This request would exceed your rate limit", told);
            return self.with_standing(dialect, verdict, now);
        }
        self.day += 1;
        self.served += 1;
        self.tokens_served += question.prompt + question.output;
        self.requests.iter_mut().for_each(|meter| meter.take(1, now));
        self.tokens.iter_mut().for_each(|meter| meter.take(question.prompt, now));
        let cached = question.session.map_or(0, |session| self.cached(session, question.prompt, now));
        self.with_standing(dialect, Verdict::Served { cached, headers: Vec::new() }, now)
    }

    /// The answer has ended: its tokens are taken, and the cache has the prompt and the answer.
    pub(crate) fn answered(&mut self, question: &Question, now: u64) {
        self.tokens.iter_mut().for_each(|meter| meter.take(question.output, now));
        if let Some(session) = question.session {
            self.cache.insert(session, (question.prompt + question.output, now + CACHE_MS));
        }
    }

    /// Milliseconds until there is room, as far as limits go.
    pub(crate) fn wait(&mut self, requests: u64, tokens: u64, now: u64) -> u64 {
        let requests = self.requests.as_mut().map_or(0, |meter| meter.wait(requests, now));
        requests.max(self.tokens.as_mut().map_or(0, |meter| meter.wait(tokens, now)))
    }

    /// What can be had from it, to be played with. `None`: nothing for hours.
    pub(crate) fn to_be_had(&self, now: u64) -> Option<Room> {
        if self.plan.trouble.is_some() || self.plan.daily.is_some_and(|daily| self.day >= daily) {
            return None;
        }
        let phase = self.plan.phases.iter().find(|phase| (phase.from..phase.to).contains(&now));
        let rests_until =
            phase.filter(|phase| !matches!(phase.kind, PhaseKind::Overload(_))).map_or(now, |phase| phase.to);
        Some(Room { requests: self.requests.clone(), tokens: self.tokens.clone(), rests_until })
    }

    /// Requests that it could have taken until `now`, and tokens.
    pub(crate) fn could_give(&self, now: u64) -> (Option<f64>, Option<f64>) {
        if self.plan.trouble.is_some() {
            return (Some(0.0), Some(0.0));
        }
        let daily = self.plan.daily.map(|daily| daily as f64);
        let requests = self.requests.as_ref().map(|meter| meter.could_give(now));
        let requests = requests.into_iter().chain(daily).min_by(f64::total_cmp);
        (requests, self.tokens.as_ref().map(|meter| meter.could_give(now)))
    }

    /// Tokens taken from its limit.
    pub(crate) fn tokens_taken(&self) -> f64 {
        self.tokens.as_ref().map_or(0.0, Meter::taken)
    }

    fn cached(&self, session: u64, prompt: u64, now: u64) -> u64 {
        self.cache.get(&session).filter(|(_, until)| now < *until).map_or(0, |(tokens, _)| (*tokens).min(prompt))
    }

    fn quota(&mut self, dialect: Dialect) -> Verdict {
        self.refused += 1;
        let (body, headers) = match dialect {
            Dialect::Anthropic => (
                body(dialect, "rate_limit_error", "This request would exceed your account's rate limit."),
                vec![("retry-after", (QUOTA_WAIT_MS / 1000).to_string())],
            ),
            _ => (
                body(dialect, "insufficient_quota", "You exceeded your current quota, please check your plan"),
                Vec::new(),
            ),
        };
        Verdict::Refused { status: 429, body, headers }
    }

    fn refuse(&mut self, dialect: Dialect, status: u16, message: &str, wait: Option<u64>) -> Verdict {
        self.refused += 1;
        let kind = match status {
            401 => "authentication_error",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        let mut headers = Vec::new();
        if let Some(wait) = wait {
            headers.push(("retry-after", wait.div_ceil(1000).to_string()));
            if dialect != Dialect::Anthropic {
                headers.push(("retry-after-ms", wait.to_string()));
            }
        }
        Verdict::Refused { status, body: body(dialect, kind, message), headers }
    }

    fn with_standing(&mut self, dialect: Dialect, mut verdict: Verdict, now: u64) -> Verdict {
        if self.plan.told == Told::Headers
            && let Verdict::Served { headers, .. } | Verdict::Refused { headers, .. } = &mut verdict
        {
            if let Some(meter) = &mut self.requests {
                headers.extend(standing(dialect, false, meter, now));
            }
            if let Some(meter) = &mut self.tokens {
                headers.extend(standing(dialect, true, meter, now));
            }
        }
        verdict
    }
}

/// A copy of an account's limits, in which the future can be tried.
pub(crate) struct Room {
    requests: Option<Meter>,
    tokens: Option<Meter>,
    rests_until: u64,
}

impl Room {
    /// When a request of so many tokens has room; not before `now`.
    pub(crate) fn opens(&mut self, tokens: u64, now: u64) -> u64 {
        let at = now.max(self.rests_until);
        let requests = self.requests.as_mut().map_or(0, |meter| meter.wait(1, at));
        at + requests.max(self.tokens.as_mut().map_or(0, |meter| meter.wait(tokens, at)))
    }

    pub(crate) fn take(&mut self, requests: u64, tokens: u64, at: u64) {
        self.requests.iter_mut().for_each(|meter| meter.take(requests, at));
        self.tokens.iter_mut().for_each(|meter| meter.take(tokens, at));
    }
}

/// How long the way there takes.
pub(crate) fn way(rng: &mut Rng) -> u64 {
    rng.between(1, WAY_MS)
}

fn body(dialect: Dialect, kind: &str, message: &str) -> String {
    match dialect {
        Dialect::Anthropic => format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#),
        _ => format!(r#"{{"error":{{"message":"{message}","type":"{kind}","param":null,"code":"{kind}"}}}}"#),
    }
}

fn standing(dialect: Dialect, tokens: bool, meter: &mut Meter, now: u64) -> Headers {
    let (limit, remaining, reset) = (meter.limit().to_string(), meter.remaining(now).to_string(), meter.reset(now));
    match (dialect, tokens) {
        (Dialect::Anthropic, false) => vec![
            ("anthropic-ratelimit-requests-limit", limit),
            ("anthropic-ratelimit-requests-remaining", remaining),
            ("anthropic-ratelimit-requests-reset", rfc3339(now + reset)),
        ],
        (Dialect::Anthropic, true) => vec![
            ("anthropic-ratelimit-tokens-limit", limit),
            ("anthropic-ratelimit-tokens-remaining", remaining),
            ("anthropic-ratelimit-tokens-reset", rfc3339(now + reset)),
        ],
        (_, false) => vec![
            ("x-ratelimit-limit-requests", limit),
            ("x-ratelimit-remaining-requests", remaining),
            ("x-ratelimit-reset-requests", format!("{reset}ms")),
        ],
        (_, true) => vec![
            ("x-ratelimit-limit-tokens", limit),
            ("x-ratelimit-remaining-tokens", remaining),
            ("x-ratelimit-reset-tokens", format!("{reset}ms")),
        ],
    }
}

/// To the second, as Anthropic writes it.
fn rfc3339(ms: u64) -> String {
    let seconds = i64::try_from(ms.div_ceil(1000)).expect("a near moment");
    jiff::Timestamp::from_second(seconds).expect("a moment of this age").to_string()
}
