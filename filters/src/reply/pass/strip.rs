//! Takes out of an OpenAI Chat stream the usage that only the gateway asked for.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Verdict;
use crate::json::Str;

/// Judges one chunk: the extra chunk without choices goes, `"usage":null` beside choices is cut out, and usage that a
/// provider reports unasked in another chunk stays.
///
/// `data` must stand in one piece in `event`; ranges of the verdict are offsets in `event`.
pub(in crate::reply) fn judge(event: &[u8], data: &str) -> Verdict {
    if memchr::memmem::find(data.as_bytes(), b"\"usage\"").is_none() {
        return Verdict::Keep;
    }
    if let Some(verdict) = last_member(event, data) {
        return verdict;
    }
    let Ok(chunk) = serde_json::Deserializer::from_str(data).deserialize_map(Chunk { data }) else {
        return Verdict::Keep;
    };
    match (chunk.usage, chunk.choices) {
        (Some((key, "null")), _) => cut(event, data, key),
        (Some(_), Some(choices)) if serde_json::from_str::<[(); 0]>(choices).is_ok() => Verdict::Drop,
        _ => Verdict::Keep,
    }
}

/// The form in which OpenAI writes every chunk but the last: `"usage":null` closes the object, so that nothing need be read
/// to know that it is the chunk's own member.
fn last_member(event: &[u8], data: &str) -> Option<Verdict> {
    const FIELD: &[u8] = b"data: ";
    const MEMBER: &str = ",\"usage\":null";
    let rest = data.strip_suffix('}')?.strip_suffix(MEMBER)?;
    let stands = event.strip_prefix(FIELD)?.starts_with(data.as_bytes());
    let start = FIELD.len() + rest.len();
    stands.then(|| Verdict::Cut(start..start + MEMBER.len()))
}

/// Cuts the member whose key begins at `key` and whose value is `null`, with the comma that it needs no more.
fn cut(event: &[u8], data: &str, key: usize) -> Verdict {
    let Some(data_at) = memchr::memmem::find(event, data.as_bytes()) else { return Verdict::Keep };
    let Some(length) = data.get(key..).and_then(|rest| rest.find("null")).map(|at| at + "null".len()) else {
        return Verdict::Keep;
    };
    let Range { mut start, mut end } = key..key + length;
    let blank = [' ', '\t', '\n', '\r'];
    let before = data.get(..start).unwrap_or_default().trim_end_matches(blank);
    let behind = data.get(end..).unwrap_or_default();
    if before.ends_with(',') {
        start = before.len() - 1;
    } else if let Some(rest) = behind.trim_start_matches(blank).strip_prefix(',') {
        end = data.len() - rest.len();
    }
    Verdict::Cut(data_at + start..data_at + end)
}

/// Reads the members of a chunk that decide.
struct Chunk<'a> {
    data: &'a str,
}

#[derive(Default)]
struct Found<'a> {
    /// Where the key's quote stands, and the value.
    usage: Option<(usize, &'a str)>,
    choices: Option<&'a str>,
}

impl<'de> Visitor<'de> for Chunk<'de> {
    type Value = Found<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a chunk")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let mut found = Found::default();
        while let Some(key) = map.next_key::<Str<'de>>()? {
            match key.0 {
                Cow::Borrowed("usage") => {
                    // The key's text begins one byte behind its quote.
                    let at = key.as_ptr().addr().saturating_sub(self.data.as_ptr().addr() + 1);
                    found.usage = Some((at, map.next_value::<&'de RawValue>()?.get()));
                }
                Cow::Borrowed("choices") => found.choices = Some(map.next_value::<&'de RawValue>()?.get()),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(data: &str) -> Option<String> {
        let event = format!("data: {data}\n\n");
        match judge(event.as_bytes(), data) {
            Verdict::Keep => Some(data.to_owned()),
            Verdict::Drop | Verdict::Hold => None,
            Verdict::Cut(range) => {
                let mut text = event;
                text.replace_range(range, "");
                Some(text.trim_end().strip_prefix("data: ").unwrap().to_owned())
            }
        }
    }

    #[test]
    fn wire_034_the_extra_chunk_goes() {
        assert_eq!(stripped(r#"{"id":"c","choices":[],"usage":{"prompt_tokens":1}}"#), None);
    }

    #[test]
    fn wire_035_null_companions_are_cut_wherever_they_stand() {
        for (data, expected) in [
            (r#"{"choices":[{"usage":null}],"usage":null}"#, r#"{"choices":[{"usage":null}]}"#),
            (r#"{"usage":null,"choices":[{}]}"#, r#"{"choices":[{}]}"#),
            (r#"{"usage": null , "choices":[{}]}"#, r#"{ "choices":[{}]}"#),
            (r#"{"a":1, "usage" : null ,"choices":[{}]}"#, r#"{"a":1 ,"choices":[{}]}"#),
            (r#"{"usage":null}"#, "{}"),
        ] {
            assert_eq!(stripped(data).unwrap(), expected);
        }
    }

    #[test]
    fn words_about_usage_and_usage_reported_unasked_stay() {
        for data in [
            r#"{"choices":[{"delta":{"content":"\"usage\":null"}}]}"#,
            r#"{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#,
            r#"{"x_groq":{"usage":null},"choices":[]}"#,
            r#"{"usage":null"#,
        ] {
            assert_eq!(stripped(data).unwrap(), data);
        }
    }
}
