//! What the attempts at one answer cost, in one ledger.

use crate::Dialect;
use crate::ir::Usage;
use crate::tokens;

/// What the estimate of a text adds for safety, in percent: a bill wants none of it.
const MARGIN_PERCENT: u64 = 15;
/// Bytes of a token of words that are not kept: thoughts.
const TOKEN_BYTES: u64 = 4;

/// What one attempt that broke off cost.
#[derive(Clone, Debug, Default)]
pub struct Bill {
    /// What it told; where it told no output, the estimate of it.
    pub usage: Usage<'static>,
    /// Whether the input is unknown.
    pub input_untold: bool,
    /// Whether the output is an estimate.
    pub estimated: bool,
}

impl Bill {
    /// Of an attempt at a provider that speaks `upstream`, which had told `told`, and sent `said` as text and
    /// `other_bytes` of thoughts.
    pub fn of(upstream: Dialect, told: Option<&Usage<'_>>, said: &str, other_bytes: u64) -> Self {
        let mut usage = told.map(Usage::counts).unwrap_or_default();
        let seen = tokens_of(said) + other_bytes.div_ceil(TOKEN_BYTES);
        // Gemini alone tells the running count; what others tell at the start is a placeholder.
        let estimated = (upstream != Dialect::Gemini || told.is_none()) && seen > usage.output_total();
        if estimated {
            usage.output = seen.saturating_sub(usage.reasoning);
        }
        Bill { input_untold: usage.input_total() == 0, usage, estimated }
    }
}

/// The bills of all attempts but the last.
#[derive(Clone, Debug, Default)]
pub struct Bills {
    known: Usage<'static>,
    /// For each attempt with unknown input: tokens of the begun answer in its request.
    untold: Vec<u64>,
    estimated: bool,
}

impl Bills {
    /// Adds an attempt in whose request `begun_tokens` were the begun answer.
    pub fn add(&mut self, bill: &Bill, begun_tokens: u64) {
        add(&mut self.known, &bill.usage);
        if bill.input_untold {
            self.untold.push(begun_tokens);
        }
        self.estimated |= bill.estimated || bill.input_untold;
    }

    /// The whole ledger, with `last` of the attempt under way, in whose request `begun_tokens` were the begun answer.
    pub fn with(&self, last: &Usage<'_>, begun_tokens: u64) -> Usage<'static> {
        let mut all = self.known.counts();
        for own in &self.untold {
            all.uncached += last.input_total().saturating_sub(begun_tokens.saturating_sub(*own));
        }
        add(&mut all, last);
        all
    }

    /// Whether anything in it is an estimate.
    pub fn is_estimated(&self) -> bool {
        self.estimated
    }
}

/// Tokens of a text, without a margin.
pub fn tokens_of(text: &str) -> u64 {
    if text.is_empty() { 0 } else { (tokens::text(text) * 100).div_ceil(100 + MARGIN_PERCENT) }
}

fn add(sum: &mut Usage<'_>, more: &Usage<'_>) {
    sum.uncached += more.uncached;
    sum.cache_read += more.cache_read;
    sum.cache_write_5m += more.cache_write_5m;
    sum.cache_write_1h += more.cache_write_1h;
    sum.output += more.output;
    sum.reasoning += more.reasoning;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_added_and_the_rest_estimated() {
        let told = Usage { uncached: 10, output: 3, reasoning: 2, ..Usage::default() };
        let exact = Bill::of(Dialect::Gemini, Some(&told), "some words that came", 0);
        assert!(!exact.estimated && exact.usage == told);
        let placeholder = Usage { uncached: 10, output: 1, ..Usage::default() };
        let estimated = Bill::of(Dialect::Anthropic, Some(&placeholder), "some words that came", 0);
        assert!(
            estimated.estimated
                && !estimated.input_untold
                && estimated.usage.output == tokens_of("some words that came")
        );
        let silent = Bill::of(Dialect::OpenAiChat, None, "some words that came", 0);
        let mut bills = Bills::default();
        bills.add(&exact, 0);
        assert!(!bills.is_estimated());
        bills.add(&silent, 0);
        let last = Usage { uncached: 15, output: 7, ..Usage::default() };
        let all = bills.with(&last, 5);
        assert!(bills.is_estimated());
        let output = 3 + tokens_of("some words that came") + 7;
        assert_eq!((all.uncached, all.output, all.reasoning), (10 + 10 + 15, output, 2));
    }
}
