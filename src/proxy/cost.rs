//! What a request will take of an account's limits, told before it is sent, and what it took.
//!
//! A full count would cost more than it tells. So the body is looked at in some places only ([`tokens::rough`]), corrected
//! by what the provider billed for such bodies to this model; and an answer is expected to be as long as those before it,
//! or as its cap allows.

use std::num::NonZeroUsize;

use interlingua_filters::Dialect;
use interlingua_filters::ir::Usage;
use interlingua_filters::tokens::Calibrator;
use lru::LruCache;
use parking_lot::Mutex;

use super::ctx::{Attempt, Inbound};
use super::errand::Errand;
use crate::limits::Cost;

/// Models that are remembered.
const MODELS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);
/// Tokens of an answer of which nothing is known: what agents get in the mean is shorter, what people get longer.
const OUTPUT_TOKENS: u64 = 500;
/// The part of the newest answer in the mean of answers, as a divisor.
const OUTPUT_WEIGHT: u64 = 8;

/// What is learned of prompts and answers. It lives as long as the process.
pub(super) struct Costs {
    prompts: Mutex<Calibrator>,
    outputs: Mutex<LruCache<String, u64>>,
    /// Of what answers were heard to say.
    words: Mutex<Calibrator>,
}

impl Default for Costs {
    fn default() -> Self {
        let calibrator = || Mutex::new(Calibrator::new(MODELS_MAX.get()));
        Costs { prompts: calibrator(), outputs: Mutex::new(LruCache::new(MODELS_MAX)), words: calibrator() }
    }
}

impl Costs {
    /// Tokens of the prompt, as `model` counts them.
    pub(super) fn prompt(&self, inbound: &Inbound, model: &str) -> u64 {
        if inbound.errand.has_model() { self.prompts.lock().corrected(model, inbound.rough) } else { 0 }
    }

    /// What a request takes. What is no model's answer takes no tokens but those of its prompt.
    pub(super) fn of(&self, inbound: &Inbound, model: &str) -> Cost {
        let output = match &inbound.errand {
            Errand::Generate { .. } => {
                let usual = self.outputs.lock().get(model).copied().unwrap_or(OUTPUT_TOKENS);
                inbound.skim.output_cap.map_or(usual, |cap| cap.min(usual))
            }
            Errand::Operate(_) | Errand::Pass(_) => 0,
        };
        Cost { tokens: self.prompt(inbound, model).saturating_add(output) }
    }

    /// Tokens that `model` counts for one that is estimated of what an answer was heard to say.
    pub(super) fn ratio(&self, model: &str) -> f64 {
        self.words.lock().factor(model)
    }

    /// Learns from an answer that is whole.
    pub(super) fn learn(&self, inbound: &Inbound, attempt: &Attempt, usage: &Usage<'_>) {
        if !matches!(inbound.errand, Errand::Generate { .. }) {
            return;
        }
        self.prompts.lock().observe(&attempt.model, inbound.rough, usage.input_total());
        if let Some(reply) = attempt.reply.reply() {
            let (heard, billed) = reply.heard().lesson(usage);
            self.words.lock().observe(&attempt.model, heard, billed);
        }
        let (output, mut outputs) = (usage.output_total(), self.outputs.lock());
        match outputs.get_mut(&attempt.model) {
            Some(usual) => *usual = (*usual * (OUTPUT_WEIGHT - 1) + output) / OUTPUT_WEIGHT,
            None => {
                outputs.push(attempt.model.clone(), output);
            }
        }
    }
}

/// Tokens that count against a provider's limits. Anthropic leaves out what is read from its cache (docs.claude.com, "Rate
/// limits"); the others count all.
pub(super) fn billed(upstream: Dialect, usage: &Usage<'_>) -> u64 {
    let all = usage.input_total().saturating_add(usage.output_total());
    if upstream == Dialect::Anthropic { all.saturating_sub(usage.cache_read) } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_of_a_cache_are_free_of_anthropics_limits_alone() {
        let usage = Usage { uncached: 10, cache_read: 1_000, cache_write_5m: 100, output: 5, ..Usage::default() };
        assert_eq!(billed(Dialect::Anthropic, &usage), 115);
        assert_eq!(billed(Dialect::OpenAiChat, &usage), 1_115);
    }
}
