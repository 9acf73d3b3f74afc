//! The configuration in force.

use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::{Config, Roster};

/// One configuration and its number. Never changed; a request keeps the one that it began with.
#[derive(Debug)]
pub struct Snapshot {
    /// From 1, one more with each configuration that is published.
    pub generation: u64,
    /// The configuration.
    pub config: Config,
    /// Its accounts, ready for selection.
    pub roster: Roster,
}

impl Snapshot {
    /// Indexes `config`.
    pub fn new(generation: u64, config: Config) -> Self {
        let roster = Roster::new(&config);
        Snapshot { generation, config, roster }
    }
}

/// Hears of each snapshot that is put in force.
pub type Follower = Box<dyn Fn(&Snapshot) + Send + Sync>;

/// Holds the snapshot in force. Reading never waits.
pub struct Store {
    current: ArcSwap<Snapshot>,
    /// Held while a snapshot is replaced, so that no two have one number.
    publishing: Mutex<()>,
    /// Set once, when the process starts.
    follower: OnceLock<Follower>,
}

impl Store {
    /// A store with a first configuration, of generation 1.
    pub fn new(config: Config) -> Self {
        let current = ArcSwap::from_pointee(Snapshot::new(1, config));
        Store { current, publishing: Mutex::new(()), follower: OnceLock::new() }
    }

    /// Calls `follower` with every snapshot that is published from now on, before the next one can be. It can be set
    /// once; `false` if it was set before.
    pub fn on_publish(&self, follower: Follower) -> bool {
        self.follower.set(follower).is_ok()
    }

    /// The snapshot in force, for a short look. Do not keep the guard; use [`Store::load_full`] for that.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The snapshot in force, to keep.
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Puts `config` in force for every request that begins from now on. Gives its generation.
    pub fn publish(&self, config: Config) -> u64 {
        let _publishing = self.publishing.lock();
        let generation = self.current.load().generation.saturating_add(1);
        let snapshot = Arc::new(Snapshot::new(generation, config));
        self.current.store(Arc::clone(&snapshot));
        if let Some(follower) = self.follower.get() {
            follower(&snapshot);
        }
        generation
    }
}
