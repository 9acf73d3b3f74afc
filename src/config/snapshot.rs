//! The configuration in force.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::Config;

/// One configuration and its number. Never changed; a request keeps the one that it began with.
#[derive(Debug)]
pub struct Snapshot {
    /// From 1, one more with each configuration that is published.
    pub generation: u64,
    /// The configuration.
    pub config: Config,
}

/// Holds the snapshot in force. Reading never waits.
#[derive(Debug)]
pub struct Store {
    current: ArcSwap<Snapshot>,
    /// Held while a snapshot is replaced, so that no two have one number.
    publishing: Mutex<()>,
}

impl Store {
    /// A store with a first configuration, of generation 1.
    pub fn new(config: Config) -> Self {
        Store { current: ArcSwap::from_pointee(Snapshot { generation: 1, config }), publishing: Mutex::new(()) }
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
        self.current.store(Arc::new(Snapshot { generation, config }));
        generation
    }
}
