//! Bindings in the file: conversations and objects, each with its account.

use std::time::Duration;

use super::{Change, Durable, Kind, Record, Source};
use crate::pool::affinity::StoredBinding;
use crate::pool::{Affinity, Millis};

/// How often they are looked at: losing the last second of them costs a cold cache at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bindings that are copied under one lock of theirs.
const COPIED_MAX: usize = 5_000;

/// Bindings as a source of changes.
#[derive(Debug)]
pub struct Bindings {
    kind: Kind,
    affinity: Affinity,
}

impl Bindings {
    /// Puts back what is stored of `kind`, and tells what changes from then on.
    pub fn restored(kind: Kind, durable: &Durable, affinity: &Affinity, now: Millis) -> Self {
        if durable.is_on() {
            affinity.restore(durable.take(kind).into_iter().filter_map(read).collect(), now);
            affinity.track();
            // What comes out of the file need not go back into it.
            affinity.changes(usize::MAX);
        }
        Bindings { kind, affinity: affinity.clone() }
    }
}

impl Source for Bindings {
    fn every(&self) -> Duration {
        LOOK_EVERY
    }

    fn changes(&mut self, now: Millis) -> Vec<Change> {
        let (kind, ttl_ms) = (self.kind, self.affinity.ttl_ms());
        let mut all = Vec::new();
        loop {
            let changes = self.affinity.changes(COPIED_MAX);
            let last = changes.len() < COPIED_MAX;
            all.extend(changes.into_iter().map(|(key, binding)| Change {
                kind,
                key: format!("{key:032x}"),
                keep_ms: binding.as_ref().map_or(0, |binding| ttl_ms.saturating_sub(now.since(binding.served))),
                value: binding.map(|binding| binding.account.as_ref().to_owned()),
            }));
            if last {
                return all;
            }
        }
    }

    fn start_over(&mut self) {
        self.affinity.track();
    }
}

/// When a record changed is when its account last served, but for the second in which it was noted.
fn read(record: Record) -> Option<StoredBinding> {
    let key = u128::from_str_radix(&record.key, 16).ok()?;
    Some(StoredBinding { key, account: record.value.into(), served: Millis(record.changed) })
}
