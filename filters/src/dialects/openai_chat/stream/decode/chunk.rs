//! The shapes of a chunk. Lean: on the hot path nothing is kept that no event needs.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::dialects::openai_chat::wire::Later;
use crate::json::Str;

#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub model: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub choices: Option<Vec<ChunkChoice<'a>>>,
    #[serde(borrow, default)]
    pub usage: Option<Later<'a>>,
    #[serde(borrow, default)]
    pub error: Option<Later<'a>>,
    /// Groq said usage only here for a long time.
    #[serde(borrow, default)]
    pub x_groq: Option<Nested<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Nested<'a> {
    #[serde(borrow, default)]
    pub usage: Option<Later<'a>>,
}

#[derive(Deserialize)]
pub(super) struct ChunkChoice<'a> {
    #[serde(default)]
    pub index: Option<u32>,
    #[serde(borrow, default)]
    pub delta: Option<ChunkDelta<'a>>,
    #[serde(borrow, default)]
    pub finish_reason: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub logprobs: Option<Later<'a>>,
    /// vLLM: the stop sequence that was met, or the number of a token.
    #[serde(borrow, default)]
    pub stop_reason: Option<Later<'a>>,
    /// Moonshot.
    #[serde(borrow, default)]
    pub usage: Option<Later<'a>>,
    /// OpenRouter.
    #[serde(borrow, default)]
    pub error: Option<Later<'a>>,
}

#[derive(Deserialize)]
pub(super) struct ChunkDelta<'a> {
    #[serde(borrow, default)]
    pub content: Option<Said<'a>>,
    #[serde(borrow, default)]
    pub reasoning_content: Option<Said<'a>>,
    #[serde(borrow, default)]
    pub reasoning: Option<Said<'a>>,
    /// OpenRouter.
    #[serde(borrow, default)]
    pub reasoning_details: Option<Later<'a>>,
    #[serde(borrow, default)]
    pub audio: Option<Later<'a>>,
    #[serde(borrow, default)]
    pub refusal: Option<Said<'a>>,
    #[serde(borrow, default)]
    pub tool_calls: Option<Vec<CallDelta<'a>>>,
    #[serde(borrow, default)]
    pub function_call: Option<Called<'a>>,
    #[serde(borrow, default)]
    pub annotations: Option<Vec<Later<'a>>>,
    #[serde(borrow, default)]
    pub images: Option<Vec<ImagePart<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct CallDelta<'a> {
    #[serde(default)]
    pub index: Option<u32>,
    #[serde(borrow, default)]
    pub id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub function: Option<Called<'a>>,
    #[serde(borrow, default)]
    pub custom: Option<Called<'a>>,
}

#[derive(Default, Deserialize)]
pub(super) struct Called<'a> {
    #[serde(borrow, default)]
    pub name: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub arguments: Option<Later<'a>>,
    #[serde(borrow, default)]
    pub input: Option<Str<'a>>,
}

#[derive(Deserialize)]
pub(super) struct ImagePart<'a> {
    #[serde(borrow, default)]
    pub image_url: Option<ImageUrl<'a>>,
}

#[derive(Deserialize)]
pub(super) struct ImageUrl<'a> {
    #[serde(borrow)]
    pub url: Str<'a>,
}

/// Words in whatever form a server gives them.
pub(super) enum Said<'a> {
    /// A string.
    Text(Str<'a>),
    /// A list of parts (Mistral).
    Parts(Vec<Later<'a>>),
    /// Something that is no words.
    Nothing,
}

impl<'de: 'a, 'a> Deserialize<'de> for Said<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SaidVisitor;
        impl<'de> Visitor<'de> for SaidVisitor {
            type Value = Said<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("words")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Said::Text(Str::from(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Said::Text(Str::from(text.to_owned())))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Said::Nothing)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Said::Nothing)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Said::Nothing)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Said::Nothing)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Said::Nothing)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = list.next_element()? {
                    parts.push(part);
                }
                Ok(Said::Parts(parts))
            }
        }
        deserializer.deserialize_any(SaidVisitor)
    }
}

impl Called<'_> {
    /// Whether it is more than the empty object that some servers write beside the real one.
    pub(super) fn says_something(&self) -> bool {
        self.name.as_ref().is_some_and(|name| !name.is_empty())
            || self.arguments.is_some_and(|text| !matches!(text.get(), "null" | "\"\""))
    }
}
