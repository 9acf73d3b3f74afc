//! The state of one scope.

use std::collections::VecDeque;

use super::{Manual, ScopeStatus, Settings, StoredMode, StoredOn};
use crate::limits::Reason;
use crate::pool::Millis;

/// The state of one scope.
#[derive(Debug, Default)]
pub(super) struct Mode {
    manual: Manual,
    /// On by itself.
    on: Option<On>,
    /// The last failures, at most [`Settings::failures`].
    recent: VecDeque<Failed>,
    /// Requests served since the start.
    served: u64,
}

#[derive(Debug)]
struct On {
    since: Millis,
    reason: Reason,
    good: u32,
    trying: bool,
    /// When the last try ended; at first, when it went on.
    tried: Millis,
}

#[derive(Debug)]
struct Failed {
    at: Millis,
    /// [`Mode::served`] at that time.
    served: u64,
    /// The only upstream that it was about.
    about: Option<Box<str>>,
}

impl Mode {
    pub(super) fn manual(&self) -> Manual {
        self.manual
    }

    pub(super) fn active(&self) -> bool {
        match self.manual {
            Manual::On => true,
            Manual::Off => false,
            Manual::Auto => self.on.is_some(),
        }
    }

    /// Back to the beginning, but for what the operator said.
    pub(super) fn forget(&mut self) {
        self.on = None;
        self.recent.clear();
    }

    pub(super) fn set_manual(&mut self, manual: Manual) {
        self.manual = manual;
        if manual == Manual::Off {
            self.forget();
        }
    }

    pub(super) fn serves(&mut self) {
        self.served = self.served.saturating_add(1);
    }

    /// Counts a failure. Whether there were enough of them.
    pub(super) fn fails(&mut self, about: Option<&str>, reason: Reason, now: Millis, settings: &Settings) -> bool {
        if self.manual != Manual::Auto {
            return false;
        }
        if let Some(on) = &mut self.on {
            on.reason = reason;
            return false;
        }
        let limit = settings.failures.max(1) as usize;
        self.recent.push_back(Failed { at: now, served: self.served, about: about.map(Box::from) });
        while self.recent.len() > limit {
            self.recent.pop_front();
        }
        self.recent.len() == limit
            && self.recent.front().is_some_and(|first| {
                now.since(first.at) <= settings.within_ms
                    && self.served.saturating_sub(first.served) <= u64::from(settings.failures)
            })
    }

    /// Whether the failures that were counted are about more than one upstream.
    pub(super) fn is_about_several(&self) -> bool {
        let first = self.recent.front().map(|failed| &failed.about);
        self.recent.iter().any(|failed| failed.about.is_none() || Some(&failed.about) != first)
    }

    /// `false` if it is on.
    pub(super) fn switch_on(&mut self, reason: Reason, now: Millis) -> bool {
        if self.on.is_some() {
            return false;
        }
        self.recent.clear();
        self.on = Some(On { since: now, reason, good: 0, trying: false, tried: now });
        true
    }

    /// Since when it is on, if a request may try now.
    pub(super) fn may_try(&self, now: Millis, every_ms: u64) -> Option<Millis> {
        let on = self.on.as_ref()?;
        (!on.trying && now.since(on.tried) >= every_ms).then_some(on.since)
    }

    pub(super) fn begin_try(&mut self) {
        if let Some(on) = &mut self.on {
            on.trying = true;
        }
    }

    /// Ends a try of the state that has been on since `since`; `None` is a try that proved nothing. Whether that switched
    /// the state off.
    pub(super) fn end_try(&mut self, since: Millis, well: Option<bool>, now: Millis, successes: u32) -> bool {
        let Some(on) = self.on.as_mut().filter(|on| on.since == since) else { return false };
        on.trying = false;
        let Some(well) = well else { return false };
        on.tried = now;
        on.good = if well { on.good.saturating_add(1) } else { 0 };
        let recovered = on.good >= successes;
        if recovered {
            self.forget();
        }
        recovered && self.manual == Manual::Auto
    }

    pub(super) fn status(&self, scope: &str, now: Millis, settings: &Settings) -> ScopeStatus {
        let on = self.on.as_ref();
        let counts = |failed: &&Failed| now.since(failed.at) <= settings.within_ms;
        let tries = on.filter(|on| self.manual == Manual::Auto && !on.trying);
        ScopeStatus {
            scope: scope.to_owned(),
            active: settings.fallback.is_some() && self.active(),
            manual: self.manual,
            since_ms: on.map(|on| on.since.0),
            reason: on.map(|on| on.reason.name()),
            failures: self.recent.iter().filter(counts).count(),
            good_tries: on.map_or(0, |on| on.good),
            trying: on.is_some_and(|on| on.trying),
            next_try_in_ms: tries.map(|on| on.tried.plus(settings.check_every_ms).since(now)),
        }
    }

    pub(super) fn export(&self, scope: &str) -> Option<StoredMode> {
        let on = self.on.as_ref().map(|on| StoredOn {
            since_ms: on.since.0,
            reason: on.reason.name().to_owned(),
            good_tries: on.good,
            tried_ms: on.tried.0,
        });
        let told = on.is_some() || self.manual != Manual::Auto;
        told.then(|| StoredMode { scope: scope.to_owned(), manual: self.manual, on })
    }

    /// Takes over what was stored. Times in the future come from a clock that was set back: they count from now.
    pub(super) fn import(&mut self, stored: &StoredMode, now: Millis) {
        self.set_manual(stored.manual);
        self.on = stored.on.as_ref().filter(|_| stored.manual != Manual::Off).map(|on| On {
            since: Millis(on.since_ms).min(now),
            reason: Reason::parse(&on.reason).unwrap_or(Reason::Unexpected),
            good: on.good_tries,
            trying: false,
            tried: Millis(on.tried_ms).min(now),
        });
    }
}
