//! What stops failures from being repeated.
//!
//! - [`circuit`]: an account that fails again and again rests, and is tried by one request at a time.
//! - [`safe_mode`]: one upstream of last resort takes what the others cannot serve.
//!
//! Pure: time and seeds are arguments.

pub mod circuit;
pub mod safe_mode;

pub use circuit::{Circuit, CircuitState, CircuitView, StoredCircuit};
