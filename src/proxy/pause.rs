//! Maintenance: new requests are turned away, those at work go on to their end.

use std::sync::atomic::{AtomicBool, Ordering};

use interlingua_filters::ir::{ApiError, ErrorKind};
use parking_lot::Mutex;

use super::clock::now;
use crate::pool::Millis;

/// When a caller may come again, in milliseconds. Nobody knows how long maintenance takes; SDKs try again by themselves.
const RETRY_AFTER_MS: u64 = 10_000;

/// Whether the gateway is paused. It does not outlive the process: a gateway that was started is meant to serve.
#[derive(Debug, Default)]
pub struct Pause {
    /// What requests look at.
    on: AtomicBool,
    paused: Mutex<Option<Paused>>,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Since when.
    pub since: Millis,
    /// Why, in the operator's words, for callers to read.
    pub reason: Option<String>,
}

impl Pause {
    /// Turns new requests away from now on. A pause that holds keeps its beginning, and takes the new reason.
    pub fn pause(&self, reason: Option<String>) -> Paused {
        let mut paused = self.paused.lock();
        let since = paused.as_ref().map_or_else(now, |paused| paused.since);
        let pause = Paused { since, reason };
        *paused = Some(pause.clone());
        self.on.store(true, Ordering::Release);
        pause
    }

    /// Takes requests again. `false` if it did before.
    pub fn resume(&self) -> bool {
        let mut paused = self.paused.lock();
        self.on.store(false, Ordering::Release);
        paused.take().is_some()
    }

    /// The pause that holds.
    pub fn paused(&self) -> Option<Paused> {
        if self.on.load(Ordering::Acquire) { self.paused.lock().clone() } else { None }
    }

    /// What a caller hears while it holds.
    pub(super) fn refusal(&self) -> Option<ApiError> {
        let reason = self.paused()?.reason.map_or(String::new(), |reason| format!(": {reason}"));
        let message = format!("the gateway is paused for maintenance{reason}; try again later");
        let code = Some("paused".into());
        Some(ApiError { code, retry_after_ms: Some(RETRY_AFTER_MS), ..ApiError::new(ErrorKind::Unavailable, message) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_holds_until_it_is_ended_and_says_why() {
        let pause = Pause::default();
        assert!(pause.refusal().is_none() && !pause.resume());
        let first = pause.pause(None);
        let again = pause.pause(Some("new disks".to_owned()));
        assert_eq!(again.since, first.since);
        let told = pause.refusal().unwrap();
        assert!(told.message.contains("maintenance: new disks;") && told.retry_after_ms.is_some());
        assert!(pause.resume() && pause.refusal().is_none());
    }
}
