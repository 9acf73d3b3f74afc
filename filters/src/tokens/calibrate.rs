//! What real usage teaches.

/// Learns for each model how many tokens its provider counts for one that is estimated.
#[derive(Debug, Default)]
pub struct Calibrator {}

impl Calibrator {
    /// A calibrator that remembers at most `models_max` models.
    pub fn new(_models_max: usize) -> Self {
        Calibrator {}
    }

    /// Learns that a request to `model`, estimated at `estimated` tokens, had `real` input tokens.
    pub fn observe(&mut self, _model: &str, _estimated: u64, _real: u64) {}

    /// What an estimate for `model` is to be multiplied by; 1 while nothing is known.
    pub fn factor(&self, _model: &str) -> f64 {
        1.0
    }

    /// An estimate for `model`, corrected.
    pub fn corrected(&self, model: &str, estimated: u64) -> u64 {
        (estimated as f64 * self.factor(model)) as u64
    }
}
