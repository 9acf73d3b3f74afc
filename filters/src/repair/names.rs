//! Tool names and call ids in the alphabet that a target takes.

use std::borrow::Cow;

/// Longest call id that every dialect takes (OpenAI), in bytes.
const CALL_ID_MAX: usize = 64;

/// Letters, digits, `_` and `-`: what OpenAI and Anthropic take in names and ids.
pub fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The name as a target takes it that allows `max` bytes of the alphabet `allowed`: the same when it fits, else the
/// allowed part of it with a hash of the whole, so that two long names stay two. The same name always gives the same.
pub fn tool_name(name: &str, max: usize, allowed: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if !name.is_empty() && name.len() <= max && name.bytes().all(&allowed) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(shortened(name, max, allowed))
}

/// A call id as OpenAI and Anthropic take it (`^[a-zA-Z0-9_-]{1,64}$`), by the same rule as [`tool_name`]. It needs no
/// way back: calls and results of one conversation pass through it alike.
pub fn call_id(id: &str) -> Cow<'_, str> {
    tool_name(id, CALL_ID_MAX, is_plain)
}

fn shortened(text: &str, max: usize, allowed: impl Fn(u8) -> bool) -> String {
    // FNV-1a, 64 bits: stable between versions and machines, which a std hasher is not.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let suffix = format!("_{:08x}", hash as u32 ^ (hash >> 32) as u32);
    let keep = max.saturating_sub(suffix.len());
    let mut kept: String = text.bytes().map(|byte| if allowed(byte) { byte as char } else { '_' }).take(keep).collect();
    kept.push_str(&suffix);
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fitting_names_stay() {
        assert_eq!(tool_name("get_weather", 64, is_plain), "get_weather");
    }

    #[test]
    fn long_names_that_share_a_prefix_stay_two() {
        let (one, two) = (format!("{}1", "a".repeat(100)), format!("{}2", "a".repeat(100)));
        assert_ne!(tool_name(&one, 64, is_plain), tool_name(&two, 64, is_plain));
    }

    proptest! {
        #[test]
        fn names_always_fit(name in ".{0,200}") {
            let fitted = tool_name(&name, 64, is_plain);
            prop_assert!(!fitted.is_empty() && fitted.len() <= 64 && fitted.bytes().all(is_plain));
        }
    }
}
