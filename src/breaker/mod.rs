//! What stops failures from being repeated.
//!
//! - [`circuit`]: an account that fails again and again rests, and is tried by one request at a time.
//! - [`safe_mode`]: an upstream whose requests fail whatever is tried gives way to the one of last resort.
//!
//! Pure: time and seeds are arguments.

pub mod circuit;
pub mod safe_mode;

pub use circuit::{Circuit, CircuitState, CircuitView, StoredCircuit};
