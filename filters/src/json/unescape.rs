//! JSON text that people and models can read.

use std::borrow::Cow;

/// JSON text with the characters beyond ASCII written as they are, where `json` has them as `\\uXXXX`. The value stays
/// the same: escapes of ASCII characters, of line and paragraph separators and of half surrogate pairs remain.
pub fn unescaped(json: &str) -> Cow<'_, str> {
    if memchr::memmem::find(json.as_bytes(), b"\\u").is_none() {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let (read, length) = character(escape).map_or((None, 2), |(letter, length)| (Some(letter), length));
        match read {
            Some(letter) => text.push(letter),
            None => text.push_str(escape.get(..length).unwrap_or(escape)),
        }
        rest = escape.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character at the head of `escape` and the length of its escapes, when it need not be escaped.
fn character(escape: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = escape.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let first = unit(0)?;
    let (letter, length) = match char::from_u32(u32::from(first)) {
        Some(letter) => (letter, 6),
        None => (char::decode_utf16([first, unit(6)?]).next()?.ok()?, 12),
    };
    (!letter.is_ascii() && !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}'))
        .then_some((letter, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn characters_beyond_ascii_are_written_as_they_are() {
        for (escaped, plain) in [
            (r#"{"a":"\u6674\u308c \u2600\ufe0f"}"#, "{\"a\":\"晴れ ☀\u{fe0f}\"}"),
            (r#""\ud83d\ude00!""#, "\"😀!\""),
            (r#""\u0022 \u000a \u007f \u0085 \u2028""#, r#""\u0022 \u000a \u007f \u0085 \u2028""#),
            (r#""\ud83d \ude00 \ud83d\n""#, r#""\ud83d \ude00 \ud83d\n""#),
            (r#""\\u6674 \\\u6674""#, "\"\\\\u6674 \\\\晴\""),
        ] {
            assert_eq!(unescaped(escaped), plain);
        }
        for odd in ["\\", "\\u", "\\u12", "\\u+123", "\\ud83d", "\\u12é", "é\\é"] {
            assert_eq!(unescaped(odd), odd);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn the_value_stays_the_same(text in "\\PC*[\"\\\\\n\u{2028}]?\\PC*") {
            let escapes: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("\"{}\"", escapes.concat());
            let read: String = serde_json::from_str(&unescaped(&json)).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
