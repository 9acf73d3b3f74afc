//! What stops failures from being repeated.
//!
//! - [`circuit`]: an account that fails again and again rests, and is tried by one request at a time.
//!
//! Pure: time and seeds are arguments.

pub mod circuit;

pub use circuit::{Circuit, CircuitState, CircuitView, StoredCircuit};
