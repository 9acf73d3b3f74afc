//! The usage object and the ledger.
//!
//! `cached_tokens` is part of `prompt_tokens` and `reasoning_tokens` part of `completion_tokens`, except at xAI, whose
//! `completion_tokens` leave reasoning out: its own total tells.

use serde::Deserialize;

use crate::ir::Usage;
use crate::json::{Num, Raw, Writer};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    prompt_tokens: Option<Num<'a>>,
    #[serde(borrow)]
    completion_tokens: Option<Num<'a>>,
    #[serde(borrow)]
    total_tokens: Option<Num<'a>>,
    #[serde(borrow)]
    prompt_tokens_details: Option<Details<'a>>,
    #[serde(borrow)]
    completion_tokens_details: Option<Details<'a>>,
    /// DeepSeek.
    #[serde(borrow)]
    prompt_cache_hit_tokens: Option<Num<'a>>,
    /// Moonshot.
    #[serde(borrow)]
    cached_tokens: Option<Num<'a>>,
    /// Mistral.
    #[serde(borrow)]
    num_cached_tokens: Option<Num<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    cached_tokens: Option<Num<'a>>,
    /// OpenRouter; also what this gateway writes.
    #[serde(borrow)]
    cache_write_tokens: Option<Num<'a>>,
    #[serde(borrow)]
    reasoning_tokens: Option<Num<'a>>,
}

/// More tokens than any answer has: sums of such counts stay far below 2⁶⁴.
const TOKENS_MAX: u64 = 1 << 48;

fn count(number: Option<&Num<'_>>) -> u64 {
    number.and_then(Num::as_u64).unwrap_or(0).min(TOKENS_MAX)
}

/// Reads a provider's usage; `None` when it is not an object of this shape.
pub(super) fn decode(raw: Raw<'_>) -> Option<Usage<'_>> {
    let wire: Wire<'_> = raw.read()?;
    let input = wire.prompt_tokens_details.unwrap_or_default();
    let cache_read =
        [&input.cached_tokens, &wire.prompt_cache_hit_tokens, &wire.cached_tokens, &wire.num_cached_tokens]
            .into_iter()
            .map(|number| count(number.as_ref()))
            .max()
            .unwrap_or(0);
    let cache_write = count(input.cache_write_tokens.as_ref());
    let prompt = count(wire.prompt_tokens.as_ref());
    let completion = count(wire.completion_tokens.as_ref());
    let reasoning = count(wire.completion_tokens_details.unwrap_or_default().reasoning_tokens.as_ref());
    let total = count(wire.total_tokens.as_ref());
    let apart = reasoning > completion || total == prompt + completion + reasoning;
    let usage = Usage {
        uncached: prompt.saturating_sub(cache_read + cache_write),
        cache_read,
        cache_write_5m: cache_write,
        cache_write_1h: 0,
        output: if apart { completion } else { completion.saturating_sub(reasoning) },
        reasoning,
        raw: None,
    };
    Some(Usage { raw: Some(raw), ..usage })
}

/// Writes the usage object; `raw` is what a provider of this very dialect wrote.
pub(super) fn write(w: &mut Writer<'_>, usage: &Usage<'_>, raw: Option<&Raw<'_>>) {
    if let Some(raw) = raw {
        return w.raw(raw);
    }
    let (input, output) = (usage.input_total(), usage.output_total());
    w.object(|w| {
        w.key("prompt_tokens").u64(input);
        w.key("completion_tokens").u64(output);
        w.key("total_tokens").u64(input + output);
        w.key("prompt_tokens_details").object(|w| {
            w.key("cached_tokens").u64(usage.cache_read);
            // Chat has no word for cache writes; this one is OpenRouter's.
            let written = usage.cache_write_5m + usage.cache_write_1h;
            if written > 0 {
                w.key("cache_write_tokens").u64(written);
            }
        });
        w.key("completion_tokens_details").object(|w| w.key("reasoning_tokens").u64(usage.reasoning));
    });
}

/// The raw usage of an event, when it has this dialect's shape: events do not say whose words they hold.
pub(super) fn own_raw<'r, 'a>(usage: &'r Usage<'a>) -> Option<&'r Raw<'a>> {
    #[derive(Deserialize)]
    struct Shape {
        #[serde(rename = "prompt_tokens")]
        _input: serde::de::IgnoredAny,
        #[serde(rename = "completion_tokens")]
        _output: serde::de::IgnoredAny,
    }
    usage.raw.as_ref().filter(|raw| raw.read::<Shape>().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(text: &str) -> (u64, u64, u64, u64, u64) {
        let usage = decode(Raw::parse(text).unwrap()).unwrap();
        (usage.uncached, usage.cache_read, usage.cache_write_5m, usage.output, usage.reasoning)
    }

    #[test]
    fn subsets_are_not_counted_twice() {
        let openai = r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
            "prompt_tokens_details":{"cached_tokens":64},"completion_tokens_details":{"reasoning_tokens":20}}"#;
        assert_eq!(ledger(openai), (36, 64, 0, 30, 20));
        let deepseek = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_cache_hit_tokens":4,
            "prompt_cache_miss_tokens":6,"prompt_tokens_details":{"cached_tokens":4}}"#;
        assert_eq!(ledger(deepseek), (6, 4, 0, 5, 0));
        assert_eq!(ledger(r#"{"prompt_tokens":9,"completion_tokens":2,"cached_tokens":8}"#), (1, 8, 0, 2, 0));
    }

    #[test]
    fn reasoning_outside_the_completion_is_seen_by_the_total() {
        let xai = r#"{"prompt_tokens":12,"completion_tokens":1,"total_tokens":241,
            "completion_tokens_details":{"reasoning_tokens":228}}"#;
        assert_eq!(ledger(xai), (12, 0, 0, 1, 228));
    }

    #[test]
    fn wire_116_cache_writes_come_back() {
        let usage =
            Usage { uncached: 1, cache_read: 2, cache_write_5m: 3, cache_write_1h: 4, output: 5, ..Usage::default() };
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out), &usage, None);
        assert_eq!(ledger(std::str::from_utf8(&out).unwrap()), (1, 2, 7, 5, 0));
    }

    #[test]
    fn odd_counts_are_no_tokens() {
        assert_eq!(
            ledger(r#"{"prompt_tokens":-4,"completion_tokens":null,"prompt_tokens_details":null}"#),
            (0, 0, 0, 0, 0)
        );
        assert_eq!(
            ledger(r#"{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":18446744073709551615}}"#).0,
            0
        );
        assert!(decode(Raw::parse("7").unwrap()).is_none());
    }
}
