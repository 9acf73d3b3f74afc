//! Safe mode in the file.

use std::time::Duration;

use super::diff::{Live, Written};
use super::{Change, Durable, Kind, Source};
use crate::breaker::safe_mode::{SafeMode, Stored, StoredMode};
use crate::pool::Millis;

/// Safe mode as a source of changes.
pub struct SafeModes {
    mode: SafeMode,
    written: Written,
}

impl SafeModes {
    /// Puts back what is stored, and tells what changes from then on.
    pub fn restored(durable: &Durable, mode: &SafeMode, now: Millis) -> Self {
        let mut modes = SafeModes { mode: mode.clone(), written: Written::default() };
        if durable.is_on() {
            let kept = durable.take_json::<StoredMode>(Kind::SafeMode).into_iter().map(|(_, mode)| mode);
            mode.import(&Stored { modes: kept.collect() }, now);
            // What comes out of the file need not go back into it.
            modes.changes(now);
        }
        modes
    }
}

impl Source for SafeModes {
    fn every(&self) -> Duration {
        Duration::ZERO
    }

    fn changes(&mut self, now: Millis) -> Vec<Change> {
        let live = |mode: StoredMode| {
            let value = serde_json::to_string(&mode).ok()?;
            Some(Live { kind: Kind::SafeMode, key: mode.scope, value, until: None })
        };
        let modes = self.mode.export().modes;
        self.written.follow(modes.into_iter().filter_map(live).collect(), now)
    }

    fn start_over(&mut self) {
        self.written.clear();
    }
}
