//! Randomness of the answer, as the model takes it.

use super::words::Words;
use crate::dialects::Target;
use crate::ir::LossKind::{Clamped, Dropped};
use crate::ir::{Losses, Request};
use crate::json::{Num, Writer};

/// Greatest temperature, where the profile does not say.
const TEMPERATURE_MAX: f64 = 1.0;

/// Sampling numbers as the model takes them.
#[derive(Debug, Default)]
pub(super) struct Sampling<'r> {
    temperature: Option<Num<'r>>,
    top_p: Option<Num<'r>>,
    top_k: Option<u64>,
}

impl<'r> Sampling<'r> {
    pub(super) fn of(
        request: &'r Request<'r>,
        target: &Target,
        thinks: bool,
        words: Words,
        losses: &mut Losses,
    ) -> Self {
        let asked = &request.sampling;
        let temperature = words.sampling("temperature", "generationConfig.temperature");
        let top_p = words.sampling("top_p", "generationConfig.topP");
        let top_k = words.sampling("top_k", "generationConfig.topK");
        for (value, name) in [
            (&asked.presence_penalty, words.sampling("presence_penalty", "generationConfig.presencePenalty")),
            (&asked.frequency_penalty, words.sampling("frequency_penalty", "generationConfig.frequencyPenalty")),
        ] {
            if value.as_ref().is_some_and(|value| value.as_f64() != 0.0) {
                losses.add(name, Dropped);
            }
        }
        if asked.seed.is_some() {
            losses.add(words.sampling("seed", "generationConfig.seed"), Dropped);
        }
        if request.candidates.as_ref().is_some_and(|n| n.as_u64() != Some(1)) {
            losses.add(words.candidates(), Dropped);
        }
        let bounds = target.repairs.bounds;
        if target.profile.sampling == Some(false) && bounds {
            for (value, name) in [(&asked.temperature, temperature), (&asked.top_p, top_p), (&asked.top_k, top_k)] {
                // One is the default of the first two.
                if value.as_ref().is_some_and(|value| name == top_k || (value.as_f64() - 1.0).abs() > f64::EPSILON) {
                    losses.add(name, Dropped);
                }
            }
            return Sampling::default();
        }
        let mut sent = Sampling {
            temperature: asked.temperature.clone(),
            top_p: asked.top_p.clone(),
            top_k: asked.top_k.as_ref().and_then(Num::as_u64),
        };
        if asked.top_k.is_some() && sent.top_k.is_none() {
            losses.add(top_k, Dropped);
        }
        if !bounds {
            return sent;
        }
        let most = target.profile.temperature_max.unwrap_or(TEMPERATURE_MAX);
        bound(&mut sent.temperature, most, temperature, losses);
        bound(&mut sent.top_p, 1.0, top_p, losses);
        if thinks {
            if sent.temperature.take().is_some_and(|value| (value.as_f64() - 1.0).abs() > f64::EPSILON) {
                losses.add(temperature, Dropped);
            }
            if sent.top_k.take().is_some() {
                losses.add(top_k, Dropped);
            }
            if sent.top_p.take_if(|value| value.as_f64() < 0.95).is_some() {
                losses.add(top_p, Dropped);
            }
        }
        // Some models refuse both at once; the temperature is what clients mean more often.
        let exclusive = target.profile.temperature_with_top_p == Some(false) && sent.temperature.is_some();
        if exclusive && sent.top_p.take().is_some_and(|value| value.as_f64() < 1.0) {
            losses.add(top_p, Dropped);
        }
        sent
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.opt_num("temperature", self.temperature.as_ref());
        w.opt_num("top_p", self.top_p.as_ref());
        if let Some(top_k) = self.top_k {
            w.key("top_k").u64(top_k);
        }
    }
}

/// Brings the number between 0 and `most`.
fn bound(value: &mut Option<Num<'_>>, most: f64, name: &'static str, losses: &mut Losses) {
    let Some(number) = value.as_ref().map(Num::as_f64).filter(|number| !(0.0..=most).contains(number)) else { return };
    losses.add(name, Clamped);
    let bounded = number.clamp(0.0, most);
    // Whole numbers stay whole.
    *value = Some(if bounded.fract() == 0.0 { Num::from(bounded as u64) } else { Num::from(bounded) });
}
