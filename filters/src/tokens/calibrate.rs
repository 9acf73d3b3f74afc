//! What real usage teaches about the estimates of a model.

use std::collections::BTreeMap;

/// Least ratio of real to estimated tokens that is believed: below it the estimate was of another request.
pub const RATIO_MIN: f64 = 0.25;
/// Greatest ratio that is believed.
pub const RATIO_MAX: f64 = 4.0;
/// Share that a new request has in what is known, once enough are known.
const WEIGHT_MIN: f64 = 0.1;
/// Requests that what is believed without any is worth.
const PRIOR: f64 = 1.0;
/// Requests after which the share of a new one is the same as that of the next.
const SAMPLES_MAX: u32 = 64;
/// Estimates below this many tokens teach nothing: what surrounds the words weighs more than they do.
const ESTIMATED_MIN: u64 = 64;
/// Longest name of a model that is remembered, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Learns for each model how many tokens its provider counts for one that is estimated.
///
/// Deterministic: the same observations in the same order give the same factors. One wild figure moves a factor by no more
/// than its weight times the distance to the bounds.
#[derive(Clone, Debug, Default)]
pub struct Calibrator {
    models: BTreeMap<String, Learned>,
    models_max: usize,
    /// Counts observations, to tell which model was seen longest ago.
    turn: u64,
}

#[derive(Clone, Debug)]
struct Learned {
    ratio: f64,
    samples: u32,
    seen: u64,
}

impl Calibrator {
    /// A calibrator that remembers at most `models_max` models; of more it forgets the one not heard of for longest.
    pub fn new(models_max: usize) -> Self {
        Calibrator { models_max, ..Calibrator::default() }
    }

    /// Learns that a request to `model`, estimated at `estimated` tokens without correction, had `real` input tokens
    /// ([`Usage::input_total`](crate::ir::Usage::input_total)).
    pub fn observe(&mut self, model: &str, estimated: u64, real: u64) {
        if estimated < ESTIMATED_MIN || real == 0 || self.models_max == 0 || model.len() > NAME_BYTES_MAX {
            return;
        }
        let ratio = (real as f64 / estimated as f64).clamp(RATIO_MIN, RATIO_MAX);
        self.turn += 1;
        if !self.models.contains_key(model) {
            self.make_room();
            self.models.insert(model.to_owned(), Learned { ratio: 1.0, samples: 0, seen: 0 });
        }
        if let Some(learned) = self.models.get_mut(model) {
            let weight = (1.0 / (f64::from(learned.samples) + 1.0 + PRIOR)).max(WEIGHT_MIN);
            learned.ratio = (learned.ratio + weight * (ratio - learned.ratio)).clamp(RATIO_MIN, RATIO_MAX);
            learned.samples = (learned.samples + 1).min(SAMPLES_MAX);
            learned.seen = self.turn;
        }
    }

    /// What an estimate for `model` is to be multiplied by: 1 while nothing is known, else from [`RATIO_MIN`] to
    /// [`RATIO_MAX`].
    pub fn factor(&self, model: &str) -> f64 {
        self.models.get(model).map_or(1.0, |learned| learned.ratio)
    }

    /// An estimate for `model`, corrected; never 0 for an estimate that is not.
    pub fn corrected(&self, model: &str, estimated: u64) -> u64 {
        let corrected = (estimated as f64 * self.factor(model)).round() as u64;
        corrected.max(estimated.min(1))
    }

    /// How many models are remembered.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether nothing was learned yet.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    fn make_room(&mut self) {
        if self.models.len() < self.models_max {
            return;
        }
        let oldest = self.models.iter().min_by_key(|(_, learned)| learned.seen).map(|(name, _)| name.clone());
        if let Some(oldest) = oldest {
            self.models.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_known_changes_nothing() {
        let calibrator = Calibrator::new(4);
        assert_eq!(calibrator.corrected("m", 123), 123);
        assert_eq!(calibrator.corrected("m", 0), 0);
    }

    #[test]
    fn small_requests_and_missing_figures_teach_nothing() {
        let mut calibrator = Calibrator::new(4);
        calibrator.observe("m", 10, 300);
        calibrator.observe("m", 1_000, 0);
        calibrator.observe(&"m".repeat(NAME_BYTES_MAX + 1), 1_000, 2_000);
        assert!(calibrator.is_empty());
    }

    #[test]
    fn one_wild_figure_does_not_spoil_what_many_taught() {
        let mut calibrator = Calibrator::new(4);
        (0..50).for_each(|_| calibrator.observe("m", 1_000, 1_200));
        calibrator.observe("m", 1_000, 1_000_000_000);
        assert!((1.2..1.5).contains(&calibrator.factor("m")), "{}", calibrator.factor("m"));
    }

    #[test]
    fn the_model_not_heard_of_for_longest_is_forgotten() {
        let mut calibrator = Calibrator::new(2);
        for model in ["a", "b", "a", "c"] {
            calibrator.observe(model, 1_000, 2_000);
        }
        assert_eq!(calibrator.len(), 2);
        assert!(calibrator.factor("a") > 1.0 && calibrator.factor("c") > 1.0);
        assert!((calibrator.factor("b") - 1.0).abs() < f64::EPSILON);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn it_converges_on_a_steady_ratio(ratio in RATIO_MIN..RATIO_MAX, start in 0_u64..5_000) {
            let mut calibrator = Calibrator::new(1);
            calibrator.observe("m", 1_000, start);
            for _ in 0..120 {
                calibrator.observe("m", 100_000, (100_000.0 * ratio) as u64);
            }
            prop_assert!((calibrator.factor("m") - ratio).abs() < 0.01);
        }

        #[test]
        fn it_stays_in_bounds(seen in proptest::collection::vec(("[a-e]", any::<u64>(), any::<u64>()), 0..60)) {
            let mut calibrator = Calibrator::new(3);
            for (model, estimated, real) in &seen {
                calibrator.observe(model, *estimated, *real);
                prop_assert!(calibrator.len() <= 3);
                prop_assert!((RATIO_MIN..=RATIO_MAX).contains(&calibrator.factor(model)));
                prop_assert!(*estimated == 0 || calibrator.corrected(model, *estimated) > 0);
            }
        }
    }
}
