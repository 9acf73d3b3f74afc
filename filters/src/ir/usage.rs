//! One ledger of tokens for all dialects.

use crate::json::Raw;

/// Tokens of one answer. Buckets do not overlap; a dialect's own totals are sums of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage<'a> {
    /// Input tokens read at full price.
    pub uncached: u64,
    /// Input tokens read from a prompt cache.
    pub cache_read: u64,
    /// Input tokens written to a cache of five minutes (or of unknown length).
    pub cache_write_5m: u64,
    /// Input tokens written to a cache of one hour.
    pub cache_write_1h: u64,
    /// Output tokens that are not counted in `reasoning`. Anthropic does not tell them apart: all stand here.
    pub output: u64,
    /// Output tokens spent on reasoning, where the provider says so.
    pub reasoning: u64,
    /// The usage object as the provider wrote it, to be written again for a client of the same dialect.
    pub raw: Option<Raw<'a>>,
}

impl Usage<'_> {
    /// All input tokens: uncached, cache reads and cache writes.
    pub fn input_total(&self) -> u64 {
        self.uncached + self.cache_read + self.cache_write_5m + self.cache_write_1h
    }

    /// All output tokens, reasoning included.
    pub fn output_total(&self) -> u64 {
        self.output + self.reasoning
    }

    /// The same counts without the borrowed raw text.
    pub fn counts(&self) -> Usage<'static> {
        Usage { raw: None, ..*self }
    }

    /// Detaches the ledger from the body it was read from.
    pub fn into_owned(self) -> Usage<'static> {
        Usage {
            uncached: self.uncached,
            cache_read: self.cache_read,
            cache_write_5m: self.cache_write_5m,
            cache_write_1h: self.cache_write_1h,
            output: self.output,
            reasoning: self.reasoning,
            raw: self.raw.map(Raw::into_owned),
        }
    }
}
