//! The pool in a world of its own: providers with limits and troubles, clients, a virtual clock. The same seed gives the
//! same world, step by step. The line and the rule of waiting are the proxy's own files: they are pure.
#![cfg(test)]

/// What the pure parts of the proxy take from the configuration.
mod config {
    pub(crate) use interlingua::config::{Move, MoveRule};
}

#[path = "simulation/clients.rs"]
mod clients;
#[path = "simulation/figures.rs"]
mod figures;
#[path = "simulation/invariants.rs"]
mod invariants;
#[path = "../src/proxy/line.rs"]
mod line;
#[path = "simulation/meter.rs"]
mod meter;
#[path = "simulation/provider.rs"]
mod provider;
#[path = "simulation/queue.rs"]
mod queue;
#[path = "simulation/rng.rs"]
mod rng;
#[path = "simulation/setups.rs"]
mod setups;
#[path = "../src/proxy/stay.rs"]
mod stay;
#[path = "simulation/trace.rs"]
mod trace;
#[path = "simulation/walk.rs"]
mod walk;
#[path = "simulation/world.rs"]
mod world;

#[path = "simulation/tests.rs"]
mod tests;
