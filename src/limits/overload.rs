//! Fewer requests at a time for an upstream that says it is overloaded.

/// Numbers and switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Switch.
    pub enabled: bool,
    /// Requests that may always be at work there. At least 1.
    pub floor: u32,
    /// How long it must be well before its ceiling is lifted, in milliseconds.
    pub calm_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, floor: 2, calm_ms: 60_000 }
    }
}

/// The ceiling of one upstream, for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeilingView {
    /// The upstreams that the pool's accounts are good for, joined with `+`.
    pub upstream: String,
    /// Requests at a time at most; `None`: it is well.
    pub ceiling: Option<u32>,
    /// Requests at work.
    pub in_flight: u32,
}
