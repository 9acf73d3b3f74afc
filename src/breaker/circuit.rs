//! The breaker of one account.

use serde::{Deserialize, Serialize};

use crate::pool::time::Millis;

/// Numbers and switches of breakers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Switch.
    pub enabled: bool,
    /// Failures in a row that open it. At least 1.
    pub failures: u32,
    /// How long it is open before one request may try, in milliseconds.
    pub open_ms: u64,
    /// The same after tries that failed, at most.
    pub open_ms_max: u64,
    /// With no other account left, an open one is tried no more often than this, in milliseconds.
    pub last_resort_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, failures: 5, open_ms: 30_000, open_ms_max: 600_000, last_resort_ms: 1_000 }
    }
}

/// The three states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// It is used.
    #[default]
    Closed,
    /// It is left alone.
    Open,
    /// One request at a time may try.
    HalfOpen,
}

/// A breaker as it stands, for people and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitView {
    /// Its state.
    pub state: CircuitState,
    /// Failures in a row.
    pub failures: u32,
    /// When one request may try; `None` unless it is open.
    pub until: Option<Millis>,
}

/// The breaker of one account.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circuit {}
