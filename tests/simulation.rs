//! The pool in a world of its own: providers with limits and troubles, clients, a virtual clock. The same seed gives the
//! same world, step by step. The lines and the steps of waiting in them, and the rule of staying, are the proxy's own files: they are pure.
#![cfg(test)]

/// What the pure parts of the proxy take from the rest of the product.
mod config {
    pub(crate) use interlingua::config::{Move, MoveRule};
}

mod limits {
    pub(crate) use interlingua::limits::Cost;
}

mod pool {
    pub(crate) use interlingua::pool::{Ask, Lease, Millis, Registry, Rooms, Unavailable, UnavailableReason, select};
}

#[path = "simulation/clients.rs"]
mod clients;
#[path = "simulation/figures.rs"]
mod figures;
#[path = "simulation/invariants.rs"]
mod invariants;
#[path = "../src/proxy/line.rs"]
mod line;
#[path = "../src/proxy/queue.rs"]
mod line_steps;
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
