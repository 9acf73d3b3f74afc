//! What the pool needs of the breaker.

#[path = "../../src/breaker/circuit.rs"]
pub mod circuit;

pub use circuit::{Circuit, CircuitState, CircuitView, StoredCircuit};
