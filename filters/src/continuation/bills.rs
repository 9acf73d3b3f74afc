//! What the attempts at one answer cost, in one ledger.

use super::Heard;
use crate::Dialect;
use crate::ir::Usage;
use crate::tokens;

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
    /// Of an attempt at a provider that speaks `upstream`, which had told `told`, and was `heard`; its model counts `ratio`
    /// tokens for one that is estimated.
    pub fn of(upstream: Dialect, told: Option<&Usage<'_>>, heard: &Heard, ratio: f64) -> Self {
        let mut usage = told.map(Usage::counts).unwrap_or_default();
        let billed = |tokens: u64| (tokens as f64 * ratio).round() as u64;
        let all = billed(heard.total());
        // Gemini alone tells the running count; what others tell at the start is a placeholder.
        let estimated = (upstream != Dialect::Gemini || told.is_none()) && all > usage.output_total();
        if estimated {
            // Anthropic's ledger does not tell thoughts apart.
            usage.reasoning = if upstream == Dialect::Anthropic { 0 } else { billed(heard.thoughts).min(all) };
            usage.output = all - usage.reasoning;
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
    tokens::plain(text)
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
        let heard = Heard { words: 40, thoughts: 10, ..Heard::default() };
        let told = Usage { uncached: 10, output: 3, reasoning: 2, ..Usage::default() };
        let exact = Bill::of(Dialect::Gemini, Some(&told), &heard, 1.5);
        assert!(!exact.estimated && exact.usage == told);
        let placeholder = Usage { uncached: 10, output: 1, ..Usage::default() };
        let estimated = Bill::of(Dialect::Anthropic, Some(&placeholder), &heard, 1.0);
        assert!(estimated.estimated && !estimated.input_untold && estimated.usage.output == 50);
        let silent = Bill::of(Dialect::OpenAiChat, None, &heard, 1.1);
        assert_eq!((silent.usage.output, silent.usage.reasoning), (44, 11));
        let mut bills = Bills::default();
        bills.add(&exact, 0);
        assert!(!bills.is_estimated());
        bills.add(&silent, 0);
        let last = Usage { uncached: 15, output: 7, ..Usage::default() };
        let all = bills.with(&last, 5);
        assert!(bills.is_estimated());
        assert_eq!((all.uncached, all.output, all.reasoning), (10 + 10 + 15, 3 + 44 + 7, 2 + 11));
    }
}
