//! What all requests share.

use super::dialect::Dialect;
use super::extra::Objects;
use super::limits::{Buckets, Standing};
use super::memory::Memory;
use super::oauth::OAuth;
use super::plan::Usage;
use super::record::{Ring, Stats, key_hash};
use super::recording::Recordings;
use super::script::ActiveScript;
use super::seal::Seal;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The state of one simulator.
pub(crate) struct State {
    pub(crate) seal: Seal,
    pub(crate) script: ArcSwap<ActiveScript>,
    pub(crate) ring: Mutex<Ring>,
    pub(crate) stats: Mutex<Stats>,
    pub(crate) buckets: Mutex<Buckets>,
    pub(crate) memory: Mutex<Memory>,
    pub(crate) recordings: Mutex<Recordings>,
    pub(crate) objects: Mutex<Objects>,
    pub(crate) oauth: Mutex<OAuth>,
    /// Longest request body, in bytes.
    pub(crate) body_bytes_max: usize,
    numbers: AtomicU64,
}

impl State {
    pub(crate) fn new(seed: u64, script: ActiveScript, ring: Ring, body_bytes_max: usize) -> Self {
        Self {
            seal: Seal::new(seed),
            script: ArcSwap::from_pointee(script),
            ring: Mutex::new(ring),
            stats: Mutex::default(),
            buckets: Mutex::default(),
            memory: Mutex::default(),
            recordings: Mutex::default(),
            objects: Mutex::default(),
            oauth: Mutex::default(),
            body_bytes_max,
            numbers: AtomicU64::new(0),
        }
    }

    /// The next request's number, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Where a key stands against its limits.
    pub(crate) fn standing(&self, key: &str) -> [Option<Standing>; 2] {
        let limits = self.script.load().limits(key).unwrap_or_default();
        self.buckets.lock().standing(key, &limits)
    }
}

/// An answer under way. Counts itself out when it is dropped, whatever happened.
pub(crate) struct Flight {
    state: Arc<State>,
    key: String,
    hash: String,
    number: u64,
    pub(crate) dialect: Dialect,
    spent: Usage,
    whole: bool,
}

impl Flight {
    /// Counts request `number`, of `key`, in.
    pub(crate) fn begin(state: &Arc<State>, dialect: Dialect, key: &str, number: u64) -> Self {
        let hash = key_hash(key);
        state.stats.lock().begin(&hash);
        let (state, key) = (Arc::clone(state), key.to_owned());
        Self { state, key, hash, number, dialect, spent: Usage::default(), whole: false }
    }

    /// How many requests of this key are in flight, this one included.
    pub(crate) fn in_flight(&self) -> u64 {
        self.state.stats.lock().in_flight(&self.hash)
    }

    /// Notes the status that was sent.
    pub(crate) fn status(&self, number: u64, status: u16) {
        self.state.stats.lock().status(&self.hash, status);
        self.state.ring.lock().answered(number, status);
    }

    /// Adds to the bill, which is settled when the answer ends.
    pub(crate) fn bill(&mut self, spent: Usage) {
        self.spent.add(spent);
    }

    /// The answer was sent to its end.
    pub(crate) fn complete(&mut self) {
        self.whole = true;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let output = self.spent.output + self.spent.reasoning;
        if output > 0 {
            self.state.buckets.lock().charge(&self.key, output);
        }
        self.state.ring.lock().billed(self.number, self.spent);
        let mut stats = self.state.stats.lock();
        stats.bill(&self.hash, self.spent);
        stats.end(&self.hash, self.whole);
    }
}
