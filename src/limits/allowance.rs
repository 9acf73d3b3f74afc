//! What a provider's headers say of its limits.

use crate::pool::time::Millis;

/// One limit, as the headers of an answer tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// So much in a period.
    pub limit: Option<u64>,
    /// So much of it is left.
    pub remaining: Option<u64>,
    /// Milliseconds until all of it is there again.
    pub reset_ms: Option<u64>,
}

/// All that the headers of an answer say of limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Requests.
    pub requests: Option<Meter>,
    /// Tokens.
    pub tokens: Option<Meter>,
}

/// Reads the limits off the headers of an answer. `header` looks one up by its lower-case name.
pub fn allowance<'h>(header: &dyn Fn(&str) -> Option<&'h str>, now: Millis) -> Allowance {
    let _ = (header, now);
    Allowance::default()
}
