//! The members of the top-level object that the skimmer looks at.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{ObjectSpan, SkimError, StreamOptions, offset_in};
use crate::json::Str;

/// Members that decide where a request goes or how it is answered: each may stand once.
const ONCE: [&str; 8] = [
    "model",
    "stream",
    "stream_options",
    "metadata",
    "prompt_cache_key",
    "previous_response_id",
    "user",
    "cachedContent",
];

/// Members that are only read; of a repeated one the last counts.
const READ: [&str; 13] = [
    "cached_content",
    "max_completion_tokens",
    "max_tokens",
    "max_output_tokens",
    "generationConfig",
    "generation_config",
    "system",
    "instructions",
    "systemInstruction",
    "system_instruction",
    "messages",
    "input",
    "contents",
];

/// Marks an error of this reader among serde_json's own.
const DUPLICATE: &str = "duplicate:";

/// The known members as they stand in the body.
pub(super) struct Members<'a> {
    found: Vec<(&'static str, &'a RawValue)>,
    /// Whether the object has no member at all.
    pub(super) is_empty: bool,
}

impl<'a> Members<'a> {
    /// Reads a whole body.
    pub(super) fn read(text: &'a str) -> Result<Self, SkimError> {
        serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            let duplicate = ONCE
                .into_iter()
                .find(|name| message.strip_prefix(DUPLICATE).is_some_and(|rest| rest.split(' ').next() == Some(name)));
            duplicate.map_or(SkimError::NotJson(message), SkimError::Duplicate)
        })
    }

    /// Whether `name` is there and not `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|raw| raw.get() != "null")
    }

    /// The raw value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.found.iter().rev().find(|(found, _)| *found == name).map(|(_, raw)| *raw)
    }

    /// A member that must be a string.
    pub(super) fn string(
        &mut self,
        member: &'static str,
        text: &str,
    ) -> Result<Option<(Str<'a>, Range<usize>)>, SkimError> {
        let Some(raw) = self.get(member) else { return Ok(None) };
        let value =
            serde_json::from_str(raw.get()).map_err(|_| SkimError::WrongType { member, expected: "a string" })?;
        Ok(Some((value, span(text, raw))))
    }

    /// A member that must be a boolean or `null`.
    pub(super) fn flag(&mut self, member: &'static str, text: &str) -> Result<Option<(bool, Range<usize>)>, SkimError> {
        self.get(member).map(|raw| Ok((flag(raw, member)?, span(text, raw)))).transpose()
    }

    /// A member that names a session, when it is a string with anything in it. Other types are the provider's affair.
    pub(super) fn id(&self, member: &str) -> Option<Str<'a>> {
        let id: Str<'a> = serde_json::from_str(self.get(member)?.get()).ok()?;
        (!id.is_empty()).then_some(id)
    }

    /// The cap of the answer's tokens, by whatever name the dialect has for it. What is no such number is the provider's
    /// affair.
    pub(super) fn output_cap(&self) -> Option<u64> {
        #[derive(serde::Deserialize)]
        struct Generation {
            #[serde(rename = "maxOutputTokens", alias = "max_output_tokens")]
            max: Option<u64>,
        }
        let number = |name: &str| serde_json::from_str::<u64>(self.get(name)?.get()).ok();
        let nested = |name: &str| serde_json::from_str::<Generation>(self.get(name)?.get()).ok()?.max;
        number("max_completion_tokens")
            .or_else(|| number("max_tokens"))
            .or_else(|| number("max_output_tokens"))
            .or_else(|| nested("generationConfig"))
            .or_else(|| nested("generation_config"))
    }

    /// `metadata.user_id`.
    pub(super) fn metadata_user_id(&self) -> Option<Str<'a>> {
        let metadata: Nested<'a> = serde_json::from_str(self.get("metadata")?.get()).ok()?;
        let id: Str<'a> = serde_json::from_str(metadata.user_id?.get()).ok()?;
        (!id.is_empty()).then_some(id)
    }

    /// `stream_options`.
    pub(super) fn stream_options(&self, text: &str) -> Result<Option<StreamOptions>, SkimError> {
        let Some(raw) = self.get("stream_options") else { return Ok(None) };
        let span_of_options = span(text, raw);
        if raw.get() == "null" {
            return Ok(Some(StreamOptions { span: span_of_options, object: None, include_usage: None }));
        }
        let wrong = |_| SkimError::WrongType { member: "stream_options", expected: "an object" };
        let nested: Nested<'a> = serde_json::from_str(raw.get()).map_err(wrong)?;
        let include_usage = match nested.include_usage {
            Some(raw) => Some((flag(raw, "stream_options.include_usage")?, span(text, raw))),
            None => None,
        };
        let object =
            ObjectSpan { open: span_of_options.start + 1, close: span_of_options.end - 1, is_empty: nested.is_empty };
        Ok(Some(StreamOptions { span: span_of_options, object: Some(object), include_usage }))
    }
}

fn flag(raw: &RawValue, member: &'static str) -> Result<bool, SkimError> {
    match raw.get() {
        "true" => Ok(true),
        "false" | "null" => Ok(false),
        _ => Err(SkimError::WrongType { member, expected: "true or false" }),
    }
}

fn span(text: &str, raw: &RawValue) -> Range<usize> {
    let start = offset_in(text, raw.get());
    start..start + raw.get().len()
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members { found: Vec::with_capacity(8), is_empty: true };
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    members.is_empty = false;
                    let once = ONCE.into_iter().find(|name| key == *name);
                    if let Some(name) = once
                        && members.get(name).is_some()
                    {
                        return Err(A::Error::custom(format_args!("{DUPLICATE}{name} ")));
                    }
                    match once.or_else(|| READ.into_iter().find(|name| key == *name)) {
                        Some(name) => members.found.push((name, map.next_value()?)),
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The members of nested objects that are looked at.
#[derive(Default)]
struct Nested<'a> {
    user_id: Option<&'a RawValue>,
    include_usage: Option<&'a RawValue>,
    is_empty: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Nested<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Nested<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut nested = Nested { is_empty: true, ..Nested::default() };
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    nested.is_empty = false;
                    match key.as_str() {
                        "user_id" => nested.user_id = Some(map.next_value()?),
                        "include_usage" => nested.include_usage = Some(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(nested)
            }
        }
        deserializer.deserialize_map(Object)
    }
}
