//! Keepsakes between two requests of a conversation: seals that the client could not carry
//! ([`interlingua_filters::custody`] says what they are, and puts them back).
//!
//! Found by the client, the conversation and the id of the tool call. What names a conversation may change between two
//! of its requests, so a call that is not found there is looked for under its client alone; never under another client.
//! Bounded in entries and bytes; what was used least recently goes first, and what was not used for the TTL is gone.

mod held;

use std::num::NonZeroUsize;
use std::sync::Arc;

use interlingua_filters::custody::{Custody, Keepsake};
use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use self::held::Held;
use crate::pool::Millis;

/// What an entry weighs beside its keepsake, in bytes: key, links, pointers.
const ENTRY_BYTES: usize = 160;

/// Bounds and switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether anything is kept at all.
    pub enabled: bool,
    /// Calls remembered at most.
    pub entries_max: usize,
    /// Bytes of all keepsakes at most.
    pub bytes_max: usize,
    /// A keepsake that was not used for so many milliseconds is forgotten.
    pub ttl_ms: u64,
}

/// The keepsakes of all clients.
#[derive(Debug)]
pub struct Keeper {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    entries: LruCache<u128, Held>,
    bytes: usize,
    /// Keepsakes, over all entries.
    len: usize,
}

impl Keeper {
    /// Nothing kept yet.
    pub fn new(settings: Settings) -> Self {
        let entries = LruCache::new(capacity(&settings));
        Keeper { inner: Mutex::new(Inner { settings, entries, bytes: 0, len: 0 }) }
    }

    /// Changes bounds and switch; what was kept stays as far as it fits.
    pub fn configure(&self, settings: Settings) {
        let mut inner = self.inner.lock();
        inner.settings = settings;
        inner.fit();
        inner.entries.resize(capacity(&settings));
    }

    /// Keeps what was sealed around the calls of an answer. Gives the number of keepsakes.
    pub fn keep(&self, client: &str, session: Option<u128>, keepsakes: Vec<(String, Keepsake)>, now: Millis) -> usize {
        let mut inner = self.inner.lock();
        if !inner.settings.enabled {
            return 0;
        }
        let count = keepsakes.len();
        for (call, keepsake) in keepsakes {
            inner.put(key(client, &call), session, Arc::new(keepsake), now);
        }
        inner.fit();
        count
    }

    /// The keepsake of a call: that of the conversation, else the latest of the client.
    pub fn find(&self, client: &str, session: Option<u128>, call: &str, now: Millis) -> Option<Arc<Keepsake>> {
        let mut inner = self.inner.lock();
        if !inner.settings.enabled {
            return None;
        }
        let (key, ttl) = (key(client, call), inner.settings.ttl_ms);
        let held = inner.entries.get_mut(&key)?;
        let found = held.find(session, now, ttl);
        if found.is_none() {
            // Only old ones are left.
            inner.remove(key);
        }
        found
    }

    /// The keepsakes of one client's conversation, for one request.
    pub fn of<'k>(&'k self, client: &'k str, session: Option<u128>, now: Millis) -> Ours<'k> {
        Ours { keeper: self, client, session, now }
    }

    /// Keepsakes held, and their bytes.
    pub fn size(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        (inner.len, inner.bytes)
    }
}

/// One client's view of a [`Keeper`].
#[derive(Clone, Copy, Debug)]
pub struct Ours<'k> {
    keeper: &'k Keeper,
    client: &'k str,
    session: Option<u128>,
    now: Millis,
}

impl Custody for Ours<'_> {
    fn keepsake(&self, call_id: &str) -> Option<Arc<Keepsake>> {
        self.keeper.find(self.client, self.session, call_id, self.now)
    }
}

impl Inner {
    fn put(&mut self, key: u128, session: Option<u128>, keepsake: Arc<Keepsake>, now: Millis) {
        let mut held = self.remove(key).unwrap_or_default();
        held.add(session, keepsake, now);
        self.bytes += held.bytes() + ENTRY_BYTES;
        self.len += held.len();
        if let Some((_, gone)) = self.entries.push(key, held) {
            // The least recently used one made room.
            self.forget(&gone);
        }
    }

    fn remove(&mut self, key: u128) -> Option<Held> {
        let held = self.entries.pop(&key)?;
        self.forget(&held);
        Some(held)
    }

    fn forget(&mut self, held: &Held) {
        self.bytes -= held.bytes() + ENTRY_BYTES;
        self.len -= held.len();
    }

    /// Forgets until everything is within its bounds.
    fn fit(&mut self) {
        let Settings { enabled, entries_max, bytes_max, .. } = self.settings;
        while !self.entries.is_empty() && (!enabled || self.bytes > bytes_max || self.len > entries_max) {
            if let Some((_, gone)) = self.entries.pop_lru() {
                self.forget(&gone);
            }
        }
    }
}

fn capacity(settings: &Settings) -> NonZeroUsize {
    NonZeroUsize::new(settings.entries_max).unwrap_or(NonZeroUsize::MIN)
}

/// 128 bits of SHA-256 over client and call, each with its length: no client can name another's call.
fn key(client: &str, call: &str) -> u128 {
    let mut hasher = Sha256::new();
    for part in [client, call] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests;
