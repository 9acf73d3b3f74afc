//! Tokens in this dialect's words: `input_tokens` counts neither cache reads nor cache writes, `output_tokens` counts
//! thinking (newer answers tell how much of it in `output_tokens_details`).

use crate::ir::Usage;
use crate::json::{Num, Raw, Writer};
use crate::wire_object;

/// Most tokens believed of one count: what a double can hold exactly, so that no sum of counts overflows.
const TOKENS_MAX: u64 = 1 << 53;

wire_object! {
    struct UsageWire<'a> {
        input: Num<'a> = "input_tokens",
        cache_read: Num<'a> = "cache_read_input_tokens",
        cache_write: Num<'a> = "cache_creation_input_tokens",
        cache_creation: CreationWire<'a> = "cache_creation",
        output: Num<'a> = "output_tokens",
        details: DetailsWire<'a> = "output_tokens_details",
    }
}

wire_object! {
    struct CreationWire<'a> {
        five_minutes: Num<'a> = "ephemeral_5m_input_tokens",
        one_hour: Num<'a> = "ephemeral_1h_input_tokens",
    }
}

wire_object! {
    struct DetailsWire<'a> {
        thinking: Num<'a> = "thinking_tokens",
    }
}

/// The ledger of a usage object, which it keeps; an object nobody can read counts nothing.
pub(super) fn decode(raw: Raw<'_>) -> Usage<'_> {
    let mut usage = raw.read::<UsageWire<'_>>().map_or_else(Usage::default, |wire| ledger(&wire));
    usage.raw = Some(raw);
    usage
}

/// The usage object of a later event laid over that of an earlier one: numbers are cumulative, so each member replaces
/// its namesake. Such numbers never shrink: compatible servers write 0 at the end for what they told at the start.
pub(super) fn merged(earlier: Option<&Raw<'_>>, later: &Raw<'_>) -> Raw<'static> {
    let mut object = match earlier.map(Raw::to_value) {
        Some(serde_json::Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    if let serde_json::Value::Object(members) = later.to_value() {
        for (key, value) in members {
            let says_nothing = value.is_null() || (value.as_u64() == Some(0) && object.contains_key(&key));
            if !says_nothing {
                object.insert(key, value);
            }
        }
    }
    Raw::from_value(&object).unwrap_or(Raw::NULL)
}

/// Writes the usage object: as it came when it came from this dialect, else from the counts.
pub(super) fn encode(usage: Option<&Usage<'_>>, own: bool, w: &mut Writer<'_>) {
    if let Some(raw) = usage.and_then(|usage| usage.raw.as_ref()).filter(|_| own) {
        return w.raw(raw);
    }
    let empty = Usage::default();
    let usage = usage.unwrap_or(&empty);
    let written = usage.cache_write_5m.saturating_add(usage.cache_write_1h);
    w.object(|w| {
        w.key("input_tokens").u64(usage.uncached);
        w.key("cache_creation_input_tokens").u64(written);
        w.key("cache_read_input_tokens").u64(usage.cache_read);
        w.key("cache_creation").object(|w| {
            w.key("ephemeral_5m_input_tokens").u64(usage.cache_write_5m);
            w.key("ephemeral_1h_input_tokens").u64(usage.cache_write_1h);
        });
        w.key("output_tokens").u64(usage.output.saturating_add(usage.reasoning));
        if usage.reasoning > 0 {
            w.key("output_tokens_details").object(|w| w.key("thinking_tokens").u64(usage.reasoning));
        }
    });
}

/// Whether a usage object is in this dialect's words: stream events do not say whose theirs is.
pub(super) fn is_own(raw: &Raw<'_>) -> bool {
    raw.read::<UsageWire<'_>>().is_some_and(|wire| {
        wire.input.is_some()
            && wire.output.is_some()
            && (wire.cache_read.is_some() || wire.cache_write.is_some())
            && wire.rest.get("total_tokens").is_none()
    })
}

fn ledger(wire: &UsageWire<'_>) -> Usage<'static> {
    let count = |num: &Option<Num<'_>>| num.as_ref().and_then(Num::as_u64).unwrap_or(0).min(TOKENS_MAX);
    let (five, hour) =
        wire.cache_creation.as_ref().map_or((0, 0), |made| (count(&made.five_minutes), count(&made.one_hour)));
    let written = count(&wire.cache_write).max(five.saturating_add(hour));
    let output = count(&wire.output);
    let reasoning = wire.details.as_ref().map_or(0, |details| count(&details.thinking)).min(output);
    let hour = hour.min(written);
    Usage {
        uncached: count(&wire.input),
        cache_read: count(&wire.cache_read),
        cache_write_5m: written - hour,
        cache_write_1h: hour,
        output: output - reasoning,
        reasoning,
        raw: None,
    }
}
