//! Requests and tokens a minute of one account and model family.

use serde::{Deserialize, Serialize};

use crate::pool::time::Millis;

/// What one request takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Estimated prompt and expected output.
    pub tokens: u64,
}

/// What the operator knows of an account's limits, for each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Requests a minute.
    pub requests: Option<u64>,
    /// Tokens a minute.
    pub tokens: Option<u64>,
}

/// Numbers and switches of paces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Switch.
    pub enabled: bool,
    /// From this part of a limit on, requests are spread. Percent, 1 to 100.
    pub slow_at_percent: u32,
    /// Longest pause that spreads them, in milliseconds.
    pub pause_ms_max: u64,
    /// A learned limit may be passed up to this part of it. Percent, 100 to 1000.
    pub skip_at_percent: u32,
    /// What a refusal takes from a learned limit. Percent, 1 to 90.
    pub decrease_percent: u32,
    /// What a minute at a learned limit adds to it. Percent, 1 to 100.
    pub increase_percent: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            slow_at_percent: 80,
            pause_ms_max: 100,
            skip_at_percent: 120,
            decrease_percent: 10,
            increase_percent: 5,
        }
    }
}

/// Who named a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The configuration.
    Operator,
    /// The provider's headers.
    Header,
    /// Refusals.
    Learned,
}

impl Source {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Source::Operator => "operator",
            Source::Header => "header",
            Source::Learned => "learned",
        }
    }
}

/// One limit as it stands, for people and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterView {
    /// The limit that binds, in its period; `None`: none is known.
    pub limit: Option<u64>,
    /// Who named it.
    pub source: Option<Source>,
    /// The part of it that is used, in thousandths; above 1000 if it was passed.
    pub used_permille: u32,
    /// What was used in the last minute.
    pub last_minute: u64,
}

/// The pace of one account and family, for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaceView {
    /// The model family.
    pub family: String,
    /// Requests.
    pub requests: MeterView,
    /// Tokens.
    pub tokens: MeterView,
    /// Until when not even the smallest request has room.
    pub until: Option<Millis>,
}
