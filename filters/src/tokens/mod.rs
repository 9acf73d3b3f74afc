//! Numbers of tokens, without a tokenizer: an estimate of a request, and a calibrator that learns from real usage.

mod calibrate;
mod estimate;

pub use calibrate::Calibrator;
pub use estimate::{estimate, estimate_body, text};
