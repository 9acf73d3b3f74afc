//! Which account a session was served by, so that the next turn finds its prompt cache there.
//!
//! - **Bind**: to the account that served.
//! - **Keep**: one refusal moves one request, not the session; the cache is still there when the limit is over.
//! - **Unbind**: after several failures in a row, or a lock too long to wait for; then bind to who serves next.
//! - **Forget**: the session that was seen least recently, and those that the account has not served for the TTL.

mod kept;

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use self::kept::Changed;
pub use self::kept::StoredBinding;
use super::time::Millis;

/// Numbers and switches of affinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether sessions are bound at all.
    pub enabled: bool,
    /// Sessions remembered at most.
    pub entries_max: usize,
    /// A binding that has not served for so many milliseconds is forgotten.
    pub ttl_ms: u64,
    /// Failures in a row after which a session is unbound; 0: never.
    pub failures_max: u32,
    /// A lock longer than so many milliseconds unbinds; 0: never.
    pub lock_ms_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, entries_max: 100_000, ttl_ms: 3_600_000, failures_max: 3, lock_ms_max: 300_000 }
    }
}

/// What affinity has done since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Look-ups that found a binding.
    pub hits: u64,
    /// Look-ups that found none.
    pub misses: u64,
    /// Requests served by the account that their session is bound to.
    pub kept: u64,
    /// Requests of a bound session that another account served.
    pub moved: u64,
    /// Bindings given up for failures or a long lock.
    pub unbound: u64,
}

#[derive(Debug)]
struct Binding {
    account: Arc<str>,
    served: Millis,
    failures: u32,
    /// When [`Self::served`] was last noted for the store.
    noted: Millis,
}

/// Sessions and their accounts. Clones are handles of the same.
#[derive(Clone, Debug)]
pub struct Affinity {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    bindings: LruCache<u128, Binding>,
    counts: Counts,
    changed: Changed,
}

impl Affinity {
    /// No session yet.
    pub fn new(settings: Settings) -> Self {
        let bindings = LruCache::new(capacity(&settings));
        let inner = Inner { settings, bindings, counts: Counts::default(), changed: Changed::default() };
        Affinity { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Changes numbers and switches; bindings stay as far as they fit.
    pub fn configure(&self, settings: Settings) {
        let mut inner = self.inner.lock();
        inner.bindings.resize(capacity(&settings));
        inner.settings = settings;
        if !inner.on() {
            inner.bindings.clear();
        }
    }

    /// The account that a session is bound to.
    pub fn bound(&self, key: u128, now: Millis) -> Option<Arc<str>> {
        let mut inner = self.inner.lock();
        if !inner.on() {
            return None;
        }
        let found = inner.live(key, now).map(|binding| Arc::clone(&binding.account));
        match found {
            Some(_) => inner.counts.hits += 1,
            None => inner.counts.misses += 1,
        }
        found
    }

    /// An account served a request of the session. Binds it if it was not bound.
    pub fn served(&self, key: u128, account: &str, now: Millis) {
        let mut inner = self.inner.lock();
        if !inner.on() {
            return;
        }
        match inner.live(key, now) {
            Some(binding) if *binding.account == *account => {
                binding.served = now;
                binding.failures = 0;
                inner.counts.kept += 1;
                inner.note_served(key, now);
            }
            Some(_) => inner.counts.moved += 1,
            None => {
                let binding = Binding { account: account.into(), served: now, failures: 0, noted: now };
                if let Some((forgotten, _)) = inner.bindings.push(key, binding) {
                    inner.changed.note(forgotten);
                }
                inner.changed.note(key);
            }
        }
    }

    /// An account refused a request of the session, or failed. The request moves on; the binding stays unless this has
    /// happened too often in a row.
    pub fn refused(&self, key: u128, account: &str, now: Millis) {
        let mut inner = self.inner.lock();
        let limit = inner.settings.failures_max;
        let Some(binding) = inner.live(key, now).filter(|binding| *binding.account == *account) else { return };
        binding.failures = binding.failures.saturating_add(1);
        if limit > 0 && binding.failures >= limit {
            inner.unbind(key);
        }
    }

    /// The session's account is locked for `lock_ms` more: too long a lock unbinds. To be called with the lock that a
    /// refusal set, and with the one that a selection met ([`super::BoundAccount::Cooling`]).
    pub fn locked(&self, key: u128, account: &str, lock_ms: u64, now: Millis) {
        let mut inner = self.inner.lock();
        let limit = inner.settings.lock_ms_max;
        let bound = inner.live(key, now).is_some_and(|binding| *binding.account == *account);
        if bound && limit > 0 && lock_ms > limit {
            inner.unbind(key);
        }
    }

    /// The session's account is gone ([`super::BoundAccount::Gone`]).
    pub fn unbind(&self, key: u128) {
        self.inner.lock().unbind(key);
    }

    /// What it has done.
    pub fn counts(&self) -> Counts {
        self.inner.lock().counts
    }

    /// Sessions remembered.
    pub fn len(&self) -> usize {
        self.inner.lock().bindings.len()
    }

    /// Whether no session is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Inner {
    fn on(&self) -> bool {
        self.settings.enabled && self.settings.entries_max > 0
    }

    /// The binding of a session, seen now. An old one is forgotten.
    fn live(&mut self, key: u128, now: Millis) -> Option<&mut Binding> {
        let ttl = self.settings.ttl_ms;
        if self.bindings.peek(&key).is_some_and(|binding| now.since(binding.served) > ttl) {
            self.bindings.pop(&key);
        }
        self.bindings.get_mut(&key)
    }

    fn unbind(&mut self, key: u128) {
        if self.bindings.pop(&key).is_some() {
            self.counts.unbound += 1;
            self.changed.note(key);
        }
    }
}

fn capacity(settings: &Settings) -> NonZeroUsize {
    NonZeroUsize::new(settings.entries_max).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{Affinity, Counts, Millis, Settings};

    fn bound(affinity: &Affinity, key: u128, now: u64) -> Option<String> {
        affinity.bound(key, Millis(now)).map(|account| account.to_string())
    }

    #[test]
    fn lesson_33_a_429_moves_the_request_and_the_binding_stays() {
        let affinity = Affinity::new(Settings::default());
        affinity.served(1, "a", Millis(0));
        affinity.refused(1, "a", Millis(1));
        affinity.served(1, "b", Millis(2));
        assert_eq!(bound(&affinity, 1, 3).as_deref(), Some("a"));
        assert_eq!(affinity.counts(), Counts { hits: 1, moved: 1, ..Counts::default() });
    }

    #[test]
    fn three_failures_in_a_row_unbind_and_the_next_server_is_bound() {
        let affinity = Affinity::new(Settings::default());
        affinity.served(1, "a", Millis(0));
        affinity.refused(1, "a", Millis(1));
        affinity.refused(1, "a", Millis(2));
        affinity.served(1, "a", Millis(3));
        affinity.refused(1, "a", Millis(4));
        affinity.refused(1, "b", Millis(4));
        affinity.refused(1, "a", Millis(5));
        assert_eq!(bound(&affinity, 1, 6).as_deref(), Some("a"), "a success in between starts the count again");
        affinity.refused(1, "a", Millis(7));
        assert_eq!(bound(&affinity, 1, 8), None);
        affinity.served(1, "b", Millis(9));
        assert_eq!(bound(&affinity, 1, 10).as_deref(), Some("b"));
        assert_eq!(affinity.counts().unbound, 1);
    }

    #[test]
    fn only_a_long_lock_of_its_own_account_unbinds() {
        let affinity = Affinity::new(Settings::default());
        affinity.served(1, "a", Millis(0));
        affinity.locked(1, "a", 300_000, Millis(1));
        affinity.locked(1, "b", 900_000, Millis(1));
        assert_eq!(bound(&affinity, 1, 2).as_deref(), Some("a"));
        affinity.locked(1, "a", 300_001, Millis(3));
        assert_eq!(bound(&affinity, 1, 4), None);
    }

    #[test]
    fn lesson_33_a_binding_that_does_not_serve_ends() {
        let affinity = Affinity::new(Settings { ttl_ms: 100, ..Settings::default() });
        affinity.served(1, "a", Millis(0));
        affinity.served(1, "a", Millis(90));
        assert!(bound(&affinity, 1, 190).is_some());
        affinity.served(1, "b", Millis(190));
        assert_eq!(bound(&affinity, 1, 191), None, "being served elsewhere does not keep the cache of `a` warm");
        assert_eq!(affinity.len(), 0);
    }

    #[test]
    fn the_session_seen_least_recently_is_forgotten() {
        let affinity = Affinity::new(Settings { entries_max: 2, ..Settings::default() });
        affinity.served(1, "a", Millis(0));
        affinity.served(2, "a", Millis(1));
        assert!(bound(&affinity, 1, 2).is_some());
        affinity.served(3, "a", Millis(3));
        assert_eq!((bound(&affinity, 1, 4).is_some(), bound(&affinity, 2, 4).is_some()), (true, false));
        affinity.configure(Settings { entries_max: 1, ..Settings::default() });
        assert_eq!(affinity.len(), 1);
    }

    #[test]
    fn it_can_be_switched_off() {
        let affinity = Affinity::new(Settings::default());
        affinity.served(1, "a", Millis(0));
        for off in
            [Settings { enabled: false, ..Settings::default() }, Settings { entries_max: 0, ..Settings::default() }]
        {
            affinity.configure(off);
            affinity.served(1, "a", Millis(1));
            assert_eq!((bound(&affinity, 1, 2), affinity.len()), (None, 0));
        }
        let never = Affinity::new(Settings { failures_max: 0, lock_ms_max: 0, ..Settings::default() });
        never.served(1, "a", Millis(0));
        (0..100).for_each(|_| never.refused(1, "a", Millis(1)));
        never.locked(1, "a", u64::MAX, Millis(1));
        assert!(bound(&never, 1, 2).is_some());
    }

    proptest! {
        #[test]
        fn it_does_what_a_plain_map_does(ops in proptest::collection::vec((0u8..4, 0u128..4, 0u8..3, 0u64..60), 1..100)) {
            let settings = Settings { ttl_ms: 100, lock_ms_max: 30, ..Settings::default() };
            let affinity = Affinity::new(settings);
            let mut model: HashMap<u128, (String, u64, u32)> = HashMap::new();
            let mut now = 0;
            for (op, key, account, step) in ops {
                now += step;
                let account = format!("acc-{account}");
                model.retain(|_, (_, served, _)| now - *served <= 100);
                match op {
                    0 => {
                        affinity.served(key, &account, Millis(now));
                        let entry = model.entry(key).or_insert((account.clone(), now, 0));
                        if entry.0 == account {
                            *entry = (account, now, 0);
                        }
                    }
                    1 => {
                        affinity.refused(key, &account, Millis(now));
                        if let Some(entry) = model.get_mut(&key).filter(|entry| entry.0 == account) {
                            entry.2 += 1;
                        }
                        model.retain(|_, entry| entry.2 < 3);
                    }
                    2 => {
                        affinity.locked(key, &account, step, Millis(now));
                        model.retain(|at, entry| *at != key || entry.0 != account || step <= 30);
                    }
                    _ => {}
                }
                prop_assert_eq!(bound(&affinity, key, now), model.get(&key).map(|entry| entry.0.clone()));
            }
        }
    }
}
