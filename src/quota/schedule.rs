//! When an account's quota is read again.
//!
//! Each account has its own moment, spread by its name, so that a thousand accounts do not ask at once. A failure is tried
//! again sooner than the next reading would be, but never within five minutes, and ever later the more fail in a row:
//! providers count these questions, too.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::pool::Millis;

/// Shortest time between two questions for one account, in milliseconds.
pub const PAUSE_MS_MIN: u64 = 5 * 60_000;
/// Longest time between two after failures, in milliseconds, unless readings are further apart anyway.
const PAUSE_MS_MAX: u64 = 2 * 3_600_000;
/// Doublings at most; keeps the shift in range.
const DOUBLINGS_MAX: u32 = 16;
/// First readings of accounts are this far apart on the average, in milliseconds.
const FIRST_APART_MS: u64 = 100;

/// When an account's quota is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Not before.
    pub due: Millis,
    /// Whether a question is under way. Of one account there is one at a time.
    pub asking: bool,
    /// Failures in a row.
    pub failures: u32,
    /// When it was last read.
    pub read: Option<Millis>,
    /// Why it was not, the last time.
    pub error: Option<String>,
}

impl Schedule {
    /// Of an account that has just appeared, as one of `accounts`.
    pub fn first(account: &str, accounts: usize, now: Millis) -> Self {
        let span = (accounts as u64).saturating_mul(FIRST_APART_MS).min(PAUSE_MS_MIN);
        Schedule { due: now.plus(spread(account, 0) % span.max(1)), ..Schedule::default() }
    }

    /// A question begins. `false`: one is under way.
    pub fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.asking, true)
    }

    /// It was answered.
    pub fn answered(&mut self, account: &str, refresh_ms: u64, now: Millis) {
        let pause = refresh_ms.max(PAUSE_MS_MIN);
        // Up to a tenth later, another part each time.
        let due = now.plus(pause.saturating_add(spread(account, now.0) % (pause / 10).max(1)));
        *self = Schedule { due, read: Some(now), ..Schedule::default() };
    }

    /// It was not.
    pub fn failed(&mut self, account: &str, refresh_ms: u64, error: String, now: Millis) {
        let pause = PAUSE_MS_MIN << self.failures.min(DOUBLINGS_MAX);
        let pause = pause.min(PAUSE_MS_MAX.max(refresh_ms));
        self.due = now.plus(pause.saturating_add(spread(account, now.0) % (pause / 10).max(1)));
        self.failures = self.failures.saturating_add(1);
        self.error = Some(error);
        self.asking = false;
    }
}

/// A number that an account has at a moment.
fn spread(account: &str, salt: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (account, salt).hash(&mut hasher);
    hasher.finish()
}
