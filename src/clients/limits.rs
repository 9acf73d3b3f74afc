//! What a client may, and how it is told that it may not.

use super::books::Spent;

/// The limits of one client. What is `None` has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute, of prompts and answers.
    pub tokens_per_minute: Option<u64>,
    /// Requests at a time.
    pub concurrency: Option<u32>,
    /// Of a calendar day in UTC.
    pub daily: Budget,
    /// Of a calendar month in UTC.
    pub monthly: Budget,
}

/// What may be spent in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Tokens of prompts and answers.
    pub tokens: Option<u64>,
    /// Millionths of a US dollar.
    pub microusd: Option<u64>,
}

impl Limits {
    /// Whether anything is limited that is known only from what requests use.
    pub fn counts_tokens(&self) -> bool {
        self.tokens_per_minute.is_some() || self.daily != Budget::default() || self.monthly != Budget::default()
    }
}

/// What is thought that a request takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens of its prompt and its answer.
    pub tokens: u64,
    /// What they cost, in millionths of a US dollar; 0 if the model has no prices.
    pub microusd: u64,
}

/// A limit by which a request can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Requests at a time.
    Concurrency,
    /// The day's tokens.
    DailyTokens,
    /// The day's dollars.
    DailyUsd,
    /// The month's tokens.
    MonthlyTokens,
    /// The month's dollars.
    MonthlyUsd,
}

impl Limit {
    /// Its name: a metrics label.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Requests => "requests",
            Limit::Tokens => "tokens",
            Limit::Concurrency => "concurrency",
            Limit::DailyTokens => "daily_tokens",
            Limit::DailyUsd => "daily_usd",
            Limit::MonthlyTokens => "monthly_tokens",
            Limit::MonthlyUsd => "monthly_usd",
        }
    }

    /// Whether it counts dollars.
    pub fn is_usd(self) -> bool {
        matches!(self, Limit::DailyUsd | Limit::MonthlyUsd)
    }
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which limit.
    pub limit: Limit,
    /// How much it is: a number, tokens, or millionths of a US dollar.
    pub allowed: u64,
    /// How much is used. Of a minute: what the request would take.
    pub used: u64,
    /// Of a budget: whether it is used up. If not, requests at work have reserved the rest of it.
    pub used_up: bool,
    /// Of requests at a time: whether one of them has its answer and is about to give its place back.
    pub ending: bool,
    /// How long until it may be asked again, in milliseconds.
    pub wait_ms: u64,
}

/// How full a budget is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// Which.
    pub limit: Limit,
    /// How much it is.
    pub allowed: u64,
    /// How much is used.
    pub used: u64,
    /// When it is renewed, in milliseconds of the epoch.
    pub renewed: u64,
}

/// Where a client stands with its requests a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    /// How many are allowed.
    pub limit: u64,
    /// How many could be sent at once now.
    pub left: u64,
    /// Milliseconds until all of them could.
    pub whole_in_ms: u64,
}

/// What one client does and has spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Requests at work.
    pub in_flight: u32,
    /// Most that were ever at work at once.
    pub in_flight_max: u32,
    /// Requests a minute, if they are limited.
    pub requests: Option<Meter>,
    /// Tokens a minute, if they are limited.
    pub tokens: Option<Meter>,
    /// Of this day.
    pub today: Spent,
    /// Of this month.
    pub this_month: Spent,
    /// Its budgets.
    pub budgets: Vec<Gauge>,
}
