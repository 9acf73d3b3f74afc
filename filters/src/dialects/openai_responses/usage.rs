//! Tokens: `input_tokens` holds cache reads and writes, `output_tokens` holds reasoning.

use serde_json::value::RawValue;

use super::wire::keep;
use crate::ir::Usage;
use crate::json::{Num, Writer};
use crate::wire_object;

/// Most tokens believed of one bucket, so that sums stay far below 2⁶⁴.
const TOKENS_MAX: u64 = 1 << 48;

wire_object! {
    struct UsageWire<'a> {
        input_tokens: Num<'a> = "input_tokens",
        input_tokens_details: DetailsWire<'a> = "input_tokens_details",
        output_tokens: Num<'a> = "output_tokens",
        output_tokens_details: DetailsWire<'a> = "output_tokens_details",
    }
}

wire_object! {
    struct DetailsWire<'a> {
        cached_tokens: Num<'a> = "cached_tokens",
        cache_write_tokens: Num<'a> = "cache_write_tokens",
        reasoning_tokens: Num<'a> = "reasoning_tokens",
    }
}

/// Reads `usage`. An object of another shape counts nothing, but is kept.
pub(super) fn decode(value: &RawValue) -> Usage<'_> {
    let wire: UsageWire<'_> = serde_json::from_str(value.get()).unwrap_or_default();
    let count = |number: Option<Num<'_>>| number.and_then(|number| number.as_u64()).unwrap_or(0).min(TOKENS_MAX);
    let input = wire.input_tokens_details.unwrap_or_default();
    let (cache_read, cache_write) = (count(input.cached_tokens), count(input.cache_write_tokens));
    let reasoning = count(wire.output_tokens_details.and_then(|details| details.reasoning_tokens));
    Usage {
        uncached: count(wire.input_tokens).saturating_sub(cache_read).saturating_sub(cache_write),
        cache_read,
        cache_write_5m: cache_write,
        cache_write_1h: 0,
        output: count(wire.output_tokens).saturating_sub(reasoning),
        reasoning,
        raw: Some(keep(value)),
    }
}

/// Writes the ledger with all details: Codex does not take a usage without them.
pub(super) fn encode(w: &mut Writer<'_>, usage: &Usage<'_>) {
    w.object(|w| {
        w.key("input_tokens").u64(usage.input_total());
        w.key("input_tokens_details").object(|w| {
            w.key("cached_tokens").u64(usage.cache_read);
            w.key("cache_write_tokens").u64(usage.cache_write_5m.saturating_add(usage.cache_write_1h));
        });
        w.key("output_tokens").u64(usage.output_total());
        w.key("output_tokens_details").object(|w| w.key("reasoning_tokens").u64(usage.reasoning));
        w.key("total_tokens").u64(usage.input_total().saturating_add(usage.output_total()));
    });
}

/// Writes the ledger of a stream, which does not say whose words `raw` is in: they are ours when both details are there.
pub(super) fn encode_event(w: &mut Writer<'_>, usage: &Usage<'_>) {
    let own = usage.raw.as_ref().filter(|raw| {
        raw.read::<UsageWire<'_>>()
            .is_some_and(|wire| wire.input_tokens_details.is_some() && wire.output_tokens_details.is_some())
    });
    match own {
        Some(raw) => w.raw(raw),
        None => encode(w, usage),
    }
}
