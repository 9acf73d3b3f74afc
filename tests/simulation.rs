//! The pool in a world of its own: providers with limits and troubles, clients, a virtual clock. The same seed gives the
//! same world, step by step.
#![cfg(test)]

#[path = "simulation/clients.rs"]
mod clients;
#[path = "simulation/figures.rs"]
mod figures;
#[path = "simulation/invariants.rs"]
mod invariants;
#[path = "simulation/meter.rs"]
mod meter;
#[path = "simulation/provider.rs"]
mod provider;
#[path = "simulation/rng.rs"]
mod rng;
#[path = "simulation/setups.rs"]
mod setups;
#[path = "simulation/trace.rs"]
mod trace;
#[path = "simulation/walk.rs"]
mod walk;
#[path = "simulation/world.rs"]
mod world;

#[path = "simulation/tests.rs"]
mod tests;
