//! What a run has shown.

use std::collections::BTreeMap;
use std::fmt;

/// A retry-after is right within this part of the truth, or within the second that the header can say.
const RIGHT_WITHIN: f64 = 0.1;
const HEADER_UNIT_MS: u64 = 1_000;

/// Counts of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) offered: u64,
    pub(crate) served: u64,
    pub(crate) attempts: u64,
    /// Attempts that a provider refused or that broke.
    pub(crate) refused: u64,
    /// What clients were answered but 200, without the poisoned requests.
    pub(crate) failures: BTreeMap<u16, u64>,
    /// The same for poisoned requests.
    pub(crate) poisoned: BTreeMap<u16, u64>,
    /// Tokens of prompts that a cache had, and that it would have had with one account.
    pub(crate) cached: u64,
    pub(crate) cacheable: u64,
    /// What was said to clients that were refused, and the truth between its bounds, in milliseconds.
    pub(crate) again: Vec<(u64, u64, u64)>,
    /// Time between arrival and sending, of those served, in milliseconds.
    pub(crate) waited_ms: u64,
    pub(crate) waited_ms_max: u64,
    /// Part of what the limits allowed, that was served.
    pub(crate) of_limit: f64,
    /// Jain's index of the accounts in use.
    pub(crate) jain: f64,
    /// Most that an account had in flight above another one in its tier that was as free.
    pub(crate) skew: u32,
    /// Time that accounts were locked, summed over them, in milliseconds.
    pub(crate) locked_ms: u64,
    pub(crate) steps: u64,
    pub(crate) trace: u64,
}

impl Figures {
    /// Served of offered.
    pub(crate) fn goodput(&self) -> f64 {
        self.served as f64 / self.offered.max(1) as f64
    }

    /// Refused of all attempts.
    pub(crate) fn refused_part(&self) -> f64 {
        self.refused as f64 / self.attempts.max(1) as f64
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    pub(crate) fn cache_part(&self) -> f64 {
        self.cached as f64 / self.cacheable.max(1) as f64
    }

    /// The part of those refused who were told the right moment.
    pub(crate) fn again_right(&self) -> f64 {
        1.0 - self.again_missed().len() as f64 / self.again.len().max(1) as f64
    }

    /// Those who were told a wrong one.
    pub(crate) fn again_missed(&self) -> Vec<(u64, u64, u64)> {
        self.again.iter().copied().filter(|(said, low, high)| !is_right(*said, *low, *high)).collect()
    }

    /// The worst of them.
    pub(crate) fn again_worst(&self) -> Option<(u64, u64, u64)> {
        let error = |(said, low, high): &(u64, u64, u64)| low.saturating_sub(*said).max(said.saturating_sub(*high));
        self.again.iter().copied().max_by_key(error)
    }
}

fn is_right(said: u64, low: u64, high: u64) -> bool {
    let margin = |truth: u64| ((truth as f64 * RIGHT_WITHIN) as u64).max(HEADER_UNIT_MS);
    said + margin(low) >= low && said <= high + margin(high)
}

/// Jain's index: 1 if all have the same, 1/n if one has all.
pub(crate) fn jain(shares: &[f64]) -> f64 {
    let (sum, squares) = (shares.iter().sum::<f64>(), shares.iter().map(|share| share * share).sum::<f64>());
    if squares == 0.0 { 1.0 } else { sum * sum / (shares.len() as f64 * squares) }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: f64| format!("{:.2}%", part * 100.0);
        write!(
            f,
            "{:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>6.3} {:>4} {:>7} {:>7} {:>7} {:016x}  {:?}",
            self.steps,
            self.offered,
            percent(self.goodput()),
            percent(self.of_limit),
            percent(self.refused_part()),
            if self.cacheable == 0 { "-".to_owned() } else { percent(self.cache_part()) },
            if self.again.is_empty() { "-".to_owned() } else { percent(self.again_right()) },
            self.jain,
            self.skew,
            self.waited_ms / self.served.max(1),
            self.waited_ms_max,
            self.locked_ms / 1_000,
            self.trace,
            self.failures,
        )
    }
}

/// The head of the table that [`Figures`] are lines of.
pub(crate) const HEAD: &str = "    steps  offered  goodput of limit  refused    cache    again   jain skew wait ms     max lock s trace             client failures";
