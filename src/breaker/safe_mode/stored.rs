//! The states as they are kept through a restart.

use serde::{Deserialize, Serialize};

use super::{GLOBAL, Manual, SafeMode, Scope};
use crate::pool::Millis;

/// All states that are not as at the beginning. Failures that have not switched anything on are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// In the order of their scopes.
    pub modes: Vec<StoredMode>,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMode {
    /// [`GLOBAL`], or an upstream's id.
    pub scope: String,
    /// What the operator said.
    pub manual: Manual,
    /// If it is on by itself.
    pub on: Option<StoredOn>,
}

/// A state that is on. Times are milliseconds of the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredOn {
    /// Since when.
    pub since_ms: u64,
    /// The name of a [`crate::limits::Reason`].
    pub reason: String,
    /// Good tries in a row.
    pub good_tries: u32,
    /// When the last try ended.
    pub tried_ms: u64,
}

impl SafeMode {
    /// What is to be kept.
    pub fn export(&self) -> Stored {
        let state = self.shared.state.lock();
        let each = state.upstreams.iter().filter_map(|(id, mode)| mode.export(id));
        Stored { modes: state.global.export(GLOBAL).into_iter().chain(each).collect() }
    }

    /// Takes over what was kept, after [`SafeMode::configure`]: states of upstreams that are gone are left out, and
    /// without an upstream of last resort only what the operator said comes back.
    pub fn import(&self, stored: &Stored, now: Millis) {
        let mut state = self.shared.state.lock();
        let enabled = state.settings.fallback.is_some();
        for kept in &stored.modes {
            if let Some(mode) = state.mode(&Scope::parse(&kept.scope)) {
                mode.import(kept, now);
                if !enabled {
                    mode.forget();
                }
            }
        }
    }
}
