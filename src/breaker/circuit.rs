//! The breaker of one account: who fails again and again rests.
//!
//! - **Trip**: so many failures in a row of the provider or of the way to it. Limits have paces and cooldowns, refused
//!   credentials have cooldowns, an overloaded provider has a ceiling, and the request's own faults say nothing: none of
//!   them counts.
//! - **Rest**: doubled each time that a try fails, up to a bound.
//! - **Recovery**: then half-open: one request at a time may try, and a success closes it. A try that ends without a
//!   verdict lets the next one try; so does one that takes longer than the first rest.
//! - **Last resort**: with no other account left, an open one is tried, but seldom.
//!
//! Order of events is told by sequence numbers, not by time: two things can happen in one millisecond.

use serde::{Deserialize, Serialize};

use crate::limits::classify::{Failure, Fault, Reason, Scope};
use crate::limits::cooldown::Standing;
use crate::pool::time::Millis;

/// When who has spent its try may look at a half-open account again, in milliseconds.
const LOOK_AGAIN_MS: u64 = 1_000;

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

impl CircuitState {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            CircuitState::Closed => "closed",
            CircuitState::Open => "open",
            CircuitState::HalfOpen => "half_open",
        }
    }
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    /// Failures in a row.
    failures: u32,
    /// Sequence numbers of the first failure of this row, and of the last.
    first: u64,
    last: u64,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    /// How long it rests, in milliseconds.
    length: u64,
    until: Millis,
    /// Sequence number of the failure that opened it, or kept it open.
    event: u64,
    /// When one was last let through, and whether it still tries.
    tried: Millis,
    trying: bool,
}

/// What is kept of a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredCircuit {
    /// Failures in a row.
    pub failures: u32,
    /// How long it rests, in milliseconds; 0 if it is closed.
    pub length_ms: u64,
    /// End of the rest, in milliseconds of the epoch.
    pub until: u64,
}

/// Whether a failure tells that the account cannot be used.
pub fn counts(failure: &Failure) -> bool {
    let way = matches!(failure.fault, Fault::Provider | Fault::Network);
    // Too much to do, no room for this model, or a conflict: the account is as good as any other.
    let busy = matches!(failure.reason, Reason::Overloaded | Reason::Capacity | Reason::Conflict);
    way && !busy && failure.scope != Scope::Model
}

impl Circuit {
    /// Whether the account may be used, as far as this goes.
    pub fn standing(&self, now: Millis, settings: &Settings) -> Standing {
        let Some(open) = self.open.filter(|_| settings.enabled) else { return Standing::Open };
        let tried_until = open.tried.plus(settings.open_ms.max(1));
        if open.trying && now < tried_until {
            let until = tried_until.max(open.until);
            return Standing::Closed { at: until, until };
        }
        if now < open.until {
            return Standing::Closed { at: open.until, until: open.until };
        }
        Standing::Probe { until: now.plus(LOOK_AGAIN_MS) }
    }

    /// Notes a failure of a lease that was taken at `taken`. `true` if the standing has changed.
    pub fn failed(&mut self, taken: u64, event: u64, now: Millis, settings: &Settings) -> bool {
        if !settings.enabled {
            return false;
        }
        if self.failures == 0 {
            self.first = event;
        }
        self.failures = self.failures.saturating_add(1);
        self.last = event;
        let length = match self.open {
            // Sent before it opened: nothing new.
            Some(open) if taken < open.event => return false,
            // A last resort: it is still resting.
            Some(open) if now < open.until => {
                self.open = Some(Open { event, trying: false, ..open });
                return true;
            }
            Some(open) => open.length.saturating_mul(2).min(settings.open_ms_max.max(settings.open_ms)),
            None if self.failures >= settings.failures.max(1) => settings.open_ms,
            None => return false,
        };
        let tried = self.open.map_or(now, |open| open.tried);
        self.open = Some(Open { length, until: now.plus(length.max(1)), event, tried, trying: false });
        true
    }

    /// Notes a success. `true` if this closes it.
    pub fn succeeded(&mut self, taken: u64) -> bool {
        match self.open {
            // A stream that began before it opened proves nothing.
            Some(open) if taken < open.event => false,
            open => {
                *self = Circuit::default();
                open.is_some()
            }
        }
    }

    /// Takes back one failure, if it is not part of a longer row that something else confirmed. `true` if the standing has
    /// changed.
    pub fn forgive(&mut self, event: u64) -> bool {
        if self.failures == 0 || event < self.first || event > self.last {
            return false;
        }
        self.failures -= 1;
        let opened = self.open.is_some_and(|open| open.event == event);
        if opened {
            self.open = None;
        }
        opened
    }

    /// A try begins, if this is one.
    pub fn begin_try(&mut self, now: Millis) {
        if let Some(open) = &mut self.open {
            open.tried = now;
            open.trying = true;
        }
    }

    /// The try ended, with or without a verdict.
    pub fn end_try(&mut self) {
        if let Some(open) = &mut self.open {
            open.trying = false;
        }
    }

    /// When an open one may be tried as the last resort.
    pub fn last_resort_at(&self, settings: &Settings) -> Option<Millis> {
        let open = self.open.filter(|_| settings.enabled)?;
        // One that tries now has its own time.
        let trying = if open.trying { settings.open_ms } else { 0 };
        Some(open.tried.plus(settings.last_resort_ms.max(trying)).min(open.until.max(open.tried.plus(trying))))
    }

    /// Whether it is open or half-open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// It may be tried at once: its upstream can be reached. `true` if it was open.
    pub fn half_open(&mut self, now: Millis) -> bool {
        let Some(open) = self.open.as_mut().filter(|open| open.until > now) else { return false };
        open.until = now;
        true
    }

    /// How it stands.
    pub fn view(&self, now: Millis, settings: &Settings) -> CircuitView {
        let open = self.open.filter(|_| settings.enabled);
        let state = match open {
            None => CircuitState::Closed,
            Some(open) if now < open.until => CircuitState::Open,
            Some(_) => CircuitState::HalfOpen,
        };
        let until = open.map(|open| open.until).filter(|_| state == CircuitState::Open);
        CircuitView { state, failures: self.failures, until }
    }

    /// What is kept; `None` if there is nothing.
    pub fn stored(&self) -> Option<StoredCircuit> {
        let (length_ms, until) = self.open.map_or((0, 0), |open| (open.length, open.until.0));
        (self.failures > 0 || self.open.is_some()).then_some(StoredCircuit {
            failures: self.failures,
            length_ms,
            until,
        })
    }

    /// Puts back what was kept. A rest that lies further ahead than the bound is cut.
    pub fn restore(&mut self, stored: StoredCircuit, now: Millis, settings: &Settings) {
        if self.failures > 0 || self.open.is_some() {
            return;
        }
        self.failures = stored.failures;
        let length = stored.length_ms.min(settings.open_ms_max.max(settings.open_ms));
        let until = Millis(stored.until).min(now.plus(length));
        self.open = (length > 0).then_some(Open { length, until, event: 0, tried: Millis(0), trying: false });
    }
}

#[cfg(test)]
mod tests;
