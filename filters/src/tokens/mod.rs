//! Numbers of tokens, without a tokenizer: an estimate of a request, and a calibrator that learns from real usage.
//!
//! Vendors keep their tokenizers to themselves or change them with each model, and a count must cost little: agents ask
//! before every turn. So characters are counted, and what a provider later says it has read corrects the next estimate
//! for that model.

mod calibrate;
mod estimate;

pub use calibrate::{Calibrator, RATIO_MAX, RATIO_MIN};
pub use estimate::{IMAGE_TOKENS, estimate, estimate_body, plain, rough, text};
