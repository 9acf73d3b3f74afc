//! What the store needs to keep bindings through a restart: which of them have changed, and a way to put them back.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Affinity, Binding, Inner};
use crate::pool::time::Millis;

/// A binding that goes on serving is noted again after this, in milliseconds, or a sixteenth of its TTL: so a busy
/// conversation costs one write a minute, and a restart shortens its life by no more.
const NOTE_AGAIN_MS: u64 = 60_000;
/// Changed bindings that are remembered at most; the changes of others are kept when they change again.
const CHANGED_MAX: usize = 200_000;

/// Sessions whose binding has changed, if anybody wants to know.
#[derive(Debug, Default)]
pub(super) struct Changed(Option<HashSet<u128>>);

impl Changed {
    pub(super) fn note(&mut self, key: u128) {
        if let Some(keys) = self.0.as_mut().filter(|keys| keys.len() < CHANGED_MAX) {
            keys.insert(key);
        }
    }
}

/// A binding as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBinding {
    /// The session.
    pub key: u128,
    /// Its account.
    pub account: Arc<str>,
    /// When the account last served it.
    pub served: Millis,
}

impl Affinity {
    /// From now on it is noted which bindings change, beginning with all that there are.
    pub fn track(&self) {
        let mut inner = self.inner.lock();
        let all = inner.bindings.iter().map(|(key, _)| *key).collect();
        inner.changed.0 = Some(all);
    }

    /// Up to `most` bindings that have changed and were not given yet: with what they are now, or `None` if they are
    /// gone. Nothing before [`Self::track`].
    pub fn changes(&self, most: usize) -> Vec<(u128, Option<StoredBinding>)> {
        let mut inner = self.inner.lock();
        let Some(changed) = &mut inner.changed.0 else { return Vec::new() };
        let keys: Vec<u128> = if changed.len() <= most {
            std::mem::take(changed).into_iter().collect()
        } else {
            let keys: Vec<u128> = changed.iter().take(most).copied().collect();
            for key in &keys {
                changed.remove(key);
            }
            keys
        };
        let stored = |key, binding: &Binding| StoredBinding {
            key,
            account: Arc::clone(&binding.account),
            served: binding.served,
        };
        // A look that does not count as use.
        keys.into_iter().map(|key| (key, inner.bindings.peek(&key).map(|binding| stored(key, binding)))).collect()
    }

    /// Puts stored bindings back, as far as they fit and are not too old. Sessions that are bound already stay so.
    pub fn restore(&self, mut stored: Vec<StoredBinding>, now: Millis) {
        let mut inner = self.inner.lock();
        if !inner.on() {
            return;
        }
        let ttl = inner.settings.ttl_ms;
        // The last one in is the last one to be forgotten.
        stored.sort_by_key(|binding| (binding.served, binding.key));
        for StoredBinding { key, account, served } in stored {
            let served = served.min(now);
            if now.since(served) <= ttl && !inner.bindings.contains(&key) {
                inner.bindings.push(key, Binding { account, served, failures: 0, noted: served });
            }
        }
    }

    /// How long a binding lives that does not serve, in milliseconds.
    pub fn ttl_ms(&self) -> u64 {
        self.inner.lock().settings.ttl_ms
    }
}

impl Inner {
    /// The binding of `key` has served: noted, unless it was a moment ago.
    pub(super) fn note_served(&mut self, key: u128, now: Millis) {
        let again = (self.settings.ttl_ms / 16).min(NOTE_AGAIN_MS);
        let Some(binding) = self.bindings.peek_mut(&key).filter(|binding| now.since(binding.noted) >= again) else {
            return;
        };
        binding.noted = now;
        self.changed.note(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::affinity::Settings;

    fn stored(key: u128, served: u64) -> StoredBinding {
        StoredBinding { key, account: "a".into(), served: Millis(served) }
    }

    #[test]
    fn what_changes_is_told_once() {
        let affinity = Affinity::new(Settings { entries_max: 2, ..Settings::default() });
        affinity.served(1, "a", Millis(5));
        assert_eq!(affinity.changes(9), [], "nobody has asked for changes");
        affinity.track();
        assert_eq!(affinity.changes(9), [(1, Some(stored(1, 5)))]);
        assert_eq!(affinity.changes(9), []);
        affinity.served(2, "a", Millis(6));
        affinity.served(3, "a", Millis(7));
        let mut told = [affinity.changes(2), affinity.changes(2)].concat();
        told.sort_by_key(|(key, _)| *key);
        assert_eq!(told, [(1, None), (2, Some(stored(2, 6))), (3, Some(stored(3, 7)))], "1 was forgotten for 3");
        affinity.unbind(3);
        assert_eq!(affinity.changes(9), [(3, None)]);
    }

    #[test]
    fn a_busy_conversation_is_told_once_a_minute() {
        let affinity = Affinity::new(Settings::default());
        affinity.track();
        let told = (0..600u64).filter(|second| {
            affinity.served(1, "a", Millis(second * 1000));
            !affinity.changes(9).is_empty()
        });
        assert_eq!(told.count(), 10);
    }

    #[test]
    fn restored_bindings_are_as_old_as_they_were_and_never_from_the_future() {
        let affinity = Affinity::new(Settings { ttl_ms: 100, entries_max: 2, ..Settings::default() });
        affinity.restore(vec![stored(1, 999_999), stored(2, 850), stored(3, 950), stored(4, 960)], Millis(1000));
        let bound = |key, now| affinity.bound(key, Millis(now)).is_some();
        assert_eq!([1, 2, 3, 4].map(|key| bound(key, 1000)), [true, false, false, true], "the two that served last");
        assert!(!bound(4, 1061) && bound(1, 1100) && !bound(1, 1101));
        let off = Affinity::new(Settings { enabled: false, ..Settings::default() });
        off.restore(vec![stored(1, 1)], Millis(1));
        assert!(off.is_empty());
    }
}
