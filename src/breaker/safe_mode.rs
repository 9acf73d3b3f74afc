//! Safe mode: when an upstream, or everything, fails again and again, requests go to one upstream of last resort first.
//!
//! Why not the fallbacks of the rules alone: each request would still wait through every attempt at what is down. Safe
//! mode spares it that, until what failed has proved itself.
//!
//! There is one state for each upstream and one for all of them together, the global one:
//!
//! - **Off → on** after [`Settings::failures`] failed requests within [`Settings::within_ms`], unless more requests than
//!   that were served in the same time: a busy gateway has five failures in five minutes on a good day. The global state
//!   needs failures of more than one upstream, or one missing endpoint ([`Reason::EndpointMissing`]): that goes on at
//!   once. A failed request is one for which *every* attempt failed, and not by limits or by its own fault; who calls
//!   [`SafeMode::note_failure`] sees to that.
//! - **On**: every [`Settings::check_every_ms`] one request, and only one at a time, tries the normal way.
//! - **On → off** after [`Settings::successes`] good tries in a row.
//! - A manual override holds until it is changed. Held on, nothing is tried; held off, nothing is counted.

mod mode;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use self::mode::Mode;
pub use self::stored::{Stored, StoredMode, StoredOn};
use crate::limits::Reason;
use crate::pool::Millis;

/// How the global state is written; no upstream's id can be it.
pub const GLOBAL: &str = "*";

/// What a state is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All upstreams.
    Global,
    /// One, by its id.
    Upstream(String),
}

impl Scope {
    /// [`GLOBAL`], or an upstream's id.
    pub fn parse(text: &str) -> Self {
        if text == GLOBAL { Scope::Global } else { Scope::Upstream(text.to_owned()) }
    }

    /// The same as text.
    pub fn as_str(&self) -> &str {
        match self {
            Scope::Global => GLOBAL,
            Scope::Upstream(id) => id,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the operator says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manual {
    /// Nothing: failures and successes decide.
    #[default]
    Auto,
    /// On until it is changed.
    On,
    /// Off until it is changed.
    Off,
}

impl Manual {
    /// The value of `on`, `off` or `auto`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Manual::Auto),
            "on" => Some(Manual::On),
            "off" => Some(Manual::Off),
            _ => None,
        }
    }
}

/// The numbers, and what they are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The upstream of last resort; `None`: there is no safe mode.
    pub fallback: Option<String>,
    /// The model there, for [`SafeMode::status`].
    pub model: Option<String>,
    /// Failed requests that switch it on. At least 1.
    pub failures: u32,
    /// Within this time, in milliseconds.
    pub within_ms: u64,
    /// Time between two tries, in milliseconds.
    pub check_every_ms: u64,
    /// Good tries in a row that switch it off. At least 1.
    pub successes: u32,
    /// All upstreams there are; of others nothing is kept.
    pub upstreams: Vec<String>,
}

/// Where a request shall go first.
#[derive(Debug)]
pub enum Decision {
    /// As its rule says.
    Normal,
    /// To the upstream of last resort.
    Safe,
    /// As its rule says, to see whether that works again; then to the upstream of last resort.
    Try(Trial),
}

/// A state that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub scope: Scope,
    /// Whether it is on now.
    pub active: bool,
    /// The reason of the last failure, `recovered`, or `manual`.
    pub why: &'static str,
}

/// Hears of changes.
pub type Hook = Box<dyn Fn(&Change) + Send + Sync>;

/// A name that is no upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no upstream '{0}'; name one, or '*' for all together")]
pub struct UnknownScope(pub String);

/// What stands in [`SafeMode::status`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The upstream of last resort; `None`: there is no safe mode, whatever stands below.
    pub upstream: Option<String>,
    /// The model there, if it is not the one that is asked for.
    pub model: Option<String>,
    /// The global state, then those of the upstreams in the order of their ids.
    pub scopes: Vec<ScopeStatus>,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScopeStatus {
    /// `*` for the global one, or the upstream's id.
    pub scope: String,
    /// Whether requests go to the upstream of last resort.
    pub active: bool,
    /// What the operator says.
    pub manual: Manual,
    /// Since when it is on by itself, in milliseconds of the Unix epoch.
    pub since_ms: Option<u64>,
    /// The failure that switched it on.
    pub reason: Option<&'static str>,
    /// Failures that count now.
    pub failures: usize,
    /// Good tries in a row.
    pub good_tries: u32,
    /// Whether a request tries just now.
    pub trying: bool,
    /// Milliseconds until the next request may try.
    pub next_try_in_ms: Option<u64>,
}

/// The states. A clone shares them.
#[derive(Clone, Default)]
pub struct SafeMode {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Whether there is an upstream of last resort, for those who need not look further.
    enabled: AtomicBool,
    state: Mutex<State>,
    hook: OnceLock<Hook>,
}

#[derive(Default)]
struct State {
    settings: Settings,
    global: Mode,
    /// One for each of `settings.upstreams`.
    upstreams: BTreeMap<String, Mode>,
}

impl SafeMode {
    /// All off.
    pub fn new(settings: Settings) -> Self {
        let mode = SafeMode::default();
        mode.configure(settings);
        mode
    }

    /// Calls `hook` with each change from now on, outside of any lock. It can be set once; `false` if it was set before.
    pub fn on_change(&self, hook: Hook) -> bool {
        self.shared.hook.set(hook).is_ok()
    }

    /// Takes over other numbers. States of upstreams that are still there stay; without an upstream of last resort only
    /// what the operator said stays.
    pub fn configure(&self, settings: Settings) {
        let mut state = self.shared.state.lock();
        let mut before = std::mem::take(&mut state.upstreams);
        state.upstreams =
            settings.upstreams.iter().map(|id| (id.clone(), before.remove(id).unwrap_or_default())).collect();
        if settings.fallback.is_none() {
            state.global.forget();
            state.upstreams.values_mut().for_each(Mode::forget);
        }
        self.shared.enabled.store(settings.fallback.is_some(), Ordering::Relaxed);
        state.settings = settings;
    }

    /// Where a request goes whose target is one pool over `upstreams`. Only a pool of which every upstream is in safe
    /// mode is passed over: else its accounts elsewhere can serve.
    pub fn active(&self, upstreams: &[&str], now: Millis) -> Decision {
        if !self.shared.enabled.load(Ordering::Relaxed) {
            return Decision::Normal;
        }
        let mut state = self.shared.state.lock();
        let every_ms = state.settings.check_every_ms;
        match state.global.manual() {
            Manual::Off => return Decision::Normal,
            Manual::On => return Decision::Safe,
            Manual::Auto => {}
        }
        let mode = |id: &&str| state.upstreams.get(*id);
        let all = !upstreams.is_empty() && upstreams.iter().all(|id| mode(id).is_some_and(Mode::active));
        if !all && !state.global.active() {
            return Decision::Normal;
        }
        if all && upstreams.iter().filter_map(mode).any(|mode| mode.manual() == Manual::On) {
            return Decision::Safe;
        }
        let ids = upstreams.iter().map(|id| Scope::Upstream((*id).to_owned()));
        let mut scopes = Vec::with_capacity(upstreams.len() + 1);
        for scope in std::iter::once(Scope::Global).chain(ids) {
            let Some(mode) = state.mode(&scope).filter(|mode| mode.active() && mode.manual() == Manual::Auto) else {
                continue;
            };
            let Some(since) = mode.may_try(now, every_ms) else { return Decision::Safe };
            scopes.push((scope, since));
        }
        for (scope, _) in &scopes {
            if let Some(mode) = state.mode(scope) {
                mode.begin_try();
            }
        }
        Decision::Try(Trial { shared: Arc::clone(&self.shared), scopes })
    }

    /// Notes a request for which every attempt failed; `upstreams` are those that failed, in the order of the attempts,
    /// `reason` is the last failure's.
    pub fn note_failure(&self, upstreams: &[&str], reason: Reason, now: Millis) {
        if !self.shared.enabled.load(Ordering::Relaxed) || upstreams.is_empty() {
            return;
        }
        let mut changes = Vec::new();
        {
            let mut state = self.shared.state.lock();
            let State { settings, global, upstreams: modes } = &mut *state;
            let at_once = reason == Reason::EndpointMissing;
            let about = if let [only] = upstreams { Some(*only) } else { None };
            if global.fails(about, reason, now, settings) && (at_once || global.is_about_several())
                || at_once && global.manual() == Manual::Auto
            {
                changes.extend(global.switch_on(reason, now).then(|| Change::on(Scope::Global, reason)));
            }
            for (at, id) in upstreams.iter().enumerate() {
                let again = upstreams.iter().take(at).any(|before| before == id);
                if let Some(mode) = modes.get_mut(*id).filter(|_| !again)
                    && mode.fails(None, reason, now, settings)
                    && mode.switch_on(reason, now)
                {
                    changes.push(Change::on(Scope::Upstream((*id).to_owned()), reason));
                }
            }
        }
        self.shared.tell(&changes);
    }

    /// Notes a request that `upstream` served the normal way.
    pub fn note_success(&self, upstream: &str) {
        if !self.shared.enabled.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.shared.state.lock();
        state.global.serves();
        if let Some(mode) = state.upstreams.get_mut(upstream) {
            mode.serves();
        }
    }

    /// Says what holds from now on.
    ///
    /// # Errors
    /// When there is no such upstream.
    pub fn set_manual(&self, scope: &Scope, manual: Manual) -> Result<(), UnknownScope> {
        let changed = {
            let mut state = self.shared.state.lock();
            let mode = state.mode(scope).ok_or_else(|| UnknownScope(scope.to_string()))?;
            let before = mode.active();
            mode.set_manual(manual);
            (mode.active() != before).then(|| Change { scope: scope.clone(), active: !before, why: "manual" })
        };
        self.shared.tell(changed.as_slice());
        Ok(())
    }

    /// All states.
    pub fn status(&self, now: Millis) -> Status {
        let state = self.shared.state.lock();
        let global = state.global.status(GLOBAL, now, &state.settings);
        let each = state.upstreams.iter().map(|(id, mode)| mode.status(id, now, &state.settings));
        Status {
            upstream: state.settings.fallback.clone(),
            model: state.settings.model.clone(),
            scopes: std::iter::once(global).chain(each).collect(),
        }
    }
}

impl State {
    fn mode(&mut self, scope: &Scope) -> Option<&mut Mode> {
        match scope {
            Scope::Global => Some(&mut self.global),
            Scope::Upstream(id) => self.upstreams.get_mut(id),
        }
    }
}

impl Shared {
    fn tell(&self, changes: &[Change]) {
        if let Some(hook) = self.hook.get() {
            changes.iter().for_each(hook);
        }
    }
}

impl Change {
    fn on(scope: Scope, reason: Reason) -> Self {
        Change { scope, active: true, why: reason.name() }
    }
}

/// The one request that tries the normal way. Dropped without a word, it has proved nothing, and the next request may try.
pub struct Trial {
    shared: Arc<Shared>,
    /// What it tries for, and since when that has been on.
    scopes: Vec<(Scope, Millis)>,
}

impl Trial {
    /// The normal way served it, through `upstream`.
    pub fn succeeded(mut self, upstream: &str, now: Millis) {
        let mut changes = Vec::new();
        let scopes = std::mem::take(&mut self.scopes);
        {
            let mut state = self.shared.state.lock();
            let successes = state.settings.successes;
            for (scope, since) in scopes {
                // Of the other upstreams of its pool nothing is proved.
                let proved = matches!(&scope, Scope::Upstream(id) if id == upstream) || scope == Scope::Global;
                let Some(mode) = state.mode(&scope) else { continue };
                if mode.end_try(since, proved.then_some(true), now, successes) {
                    changes.push(Change { scope, active: false, why: "recovered" });
                }
            }
        }
        self.shared.tell(&changes);
    }

    /// Every attempt of the normal way failed.
    pub fn failed(mut self, now: Millis) {
        let scopes = std::mem::take(&mut self.scopes);
        let mut state = self.shared.state.lock();
        for (scope, since) in scopes {
            if let Some(mode) = state.mode(&scope) {
                mode.end_try(since, Some(false), now, u32::MAX);
            }
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if self.scopes.is_empty() {
            return;
        }
        let mut state = self.shared.state.lock();
        for (scope, since) in std::mem::take(&mut self.scopes) {
            if let Some(mode) = state.mode(&scope) {
                mode.end_try(since, None, Millis::default(), u32::MAX);
            }
        }
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}
