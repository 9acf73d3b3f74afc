//! One validating pass over a request body, without a tree.
//!
//! A proxy that forwards a body unread must still know that it is JSON, where `model` and `stream` stand, and which
//! session it belongs to. The skimmer finds these as byte ranges, so that [`splice`](super::splice) can edit them in
//! place. It refuses what two readers could understand in two ways: a repeated `model` decides routing here and billing
//! there. Everything else that is valid JSON passes; the provider judges it.

mod members;
mod prefix;

use std::ops::Range;

use super::{DEPTH_MAX, Str};
use crate::Dialect;
use crate::ir::Signature;
use members::Members;

/// Where an object's braces are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectSpan {
    /// Offset of the byte behind `{`.
    pub open: usize,
    /// Offset of `}`.
    pub close: usize,
    /// Whether it has no member.
    pub is_empty: bool,
}

/// OpenAI Chat `stream_options`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// The whole value.
    pub span: Range<usize>,
    /// Its braces; `None` when it is `null`.
    pub object: Option<ObjectSpan>,
    /// `include_usage` (`null` counts as `false`) and where its value stands.
    pub include_usage: Option<(bool, Range<usize>)>,
}

/// What a proxy needs of a body that it does not decode. Ranges are byte offsets of whole values, quotes included.
#[derive(Clone, Debug, Default)]
pub struct Skim<'a> {
    /// The body's own braces.
    pub object: ObjectSpan,
    /// `model`.
    pub model: Option<(Str<'a>, Range<usize>)>,
    /// `stream` (`null` counts as `false`); never in Gemini, where the path says it.
    pub stream: Option<(bool, Range<usize>)>,
    /// OpenAI Chat `stream_options`.
    pub stream_options: Option<StreamOptions>,
    /// Anthropic `metadata.user_id`: agents put their session's id into it.
    pub user_id: Option<Str<'a>>,
    /// OpenAI `prompt_cache_key`.
    pub prompt_cache_key: Option<Str<'a>>,
    /// Responses `previous_response_id`: bound to the account that made it.
    pub previous_response_id: Option<Str<'a>>,
    /// OpenAI `user`.
    pub user: Option<Str<'a>>,
    /// Gemini `cachedContent`: bound to the account that made it.
    pub cached_content: Option<Str<'a>>,
    /// Hash of the system text and of the turns up to the first user turn, without cache marks (clients move them from
    /// request to request). Equal for all requests of one conversation; not for security.
    pub prefix_hash: u64,
    /// Whether a seal of another provider stands in the body, wrapped by [`Signature::carried`].
    pub has_carried_seal: bool,
    /// Anthropic: whether a thought with an empty seal may stand in the body.
    pub has_empty_seal: bool,
    /// OpenAI Chat: whether the cap of tokens is called `max_completion_tokens`.
    pub has_max_completion_tokens: bool,
    /// OpenAI Chat: whether the role `developer` may occur.
    pub has_developer: bool,
    /// OpenAI Chat: whether freeform tools, or calls of them, may occur.
    pub has_custom: bool,
    /// The cap of the answer's tokens: `max_tokens` and its names in other dialects.
    pub output_cap: Option<u64>,
}

impl Skim<'_> {
    /// Detaches what was found from the body; the ranges stay offsets in it.
    pub fn into_owned(self) -> Skim<'static> {
        Skim {
            object: self.object,
            model: self.model.map(|(model, at)| (model.into_owned(), at)),
            stream: self.stream,
            stream_options: self.stream_options,
            user_id: self.user_id.map(Str::into_owned),
            prompt_cache_key: self.prompt_cache_key.map(Str::into_owned),
            previous_response_id: self.previous_response_id.map(Str::into_owned),
            user: self.user.map(Str::into_owned),
            cached_content: self.cached_content.map(Str::into_owned),
            prefix_hash: self.prefix_hash,
            has_carried_seal: self.has_carried_seal,
            has_empty_seal: self.has_empty_seal,
            has_max_completion_tokens: self.has_max_completion_tokens,
            has_developer: self.has_developer,
            has_custom: self.has_custom,
            output_cap: self.output_cap,
        }
    }
}

/// A body that is not forwarded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkimError {
    /// Not UTF-8.
    #[error("the body is not UTF-8 at byte {at}; send JSON as UTF-8")]
    NotUtf8 {
        /// Offset of the first byte that is not.
        at: usize,
    },
    /// Not JSON.
    #[error("the body is not valid JSON: {0}")]
    NotJson(String),
    /// JSON, but no object.
    #[error("the body is not a JSON object; send one object with the request's members")]
    NotObject,
    /// A member that routing depends on stands there twice.
    #[error("`{0}` stands twice in the body; send it once")]
    Duplicate(&'static str),
    /// Deeper than [`DEPTH_MAX`].
    #[error("the body nests deeper than {DEPTH_MAX} levels; flatten it")]
    TooDeep,
    /// A member that routing depends on has the wrong type.
    #[error("`{member}` must be {expected}")]
    WrongType {
        /// The member.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl SkimError {
    /// The member at fault, where one is.
    pub fn param(&self) -> Option<&'static str> {
        match self {
            SkimError::Duplicate(member) | SkimError::WrongType { member, .. } => Some(member),
            _ => None,
        }
    }
}

/// Skims the body of a client that speaks `client`.
///
/// # Errors
/// See [`SkimError`].
pub fn skim(client: Dialect, body: &[u8]) -> Result<Skim<'_>, SkimError> {
    let text = std::str::from_utf8(body).map_err(|error| SkimError::NotUtf8 { at: error.valid_up_to() })?;
    let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
    if !trimmed.is_empty() && !trimmed.starts_with('{') {
        return Err(SkimError::NotObject);
    }
    let mut members = Members::read(text)?;
    if is_too_deep(body) {
        return Err(SkimError::TooDeep);
    }
    let is_chat = client == Dialect::OpenAiChat;
    let has_stream = client != Dialect::Gemini;
    Ok(Skim {
        object: ObjectSpan {
            open: offset_in(text, trimmed) + 1,
            close: offset_in(text, trimmed) + trimmed.len() - 1,
            is_empty: members.is_empty,
        },
        model: members.string("model", text)?,
        stream: if has_stream { members.flag("stream", text)? } else { None },
        stream_options: if is_chat { members.stream_options(text)? } else { None },
        user_id: members.metadata_user_id(),
        prompt_cache_key: members.id("prompt_cache_key"),
        previous_response_id: members.id("previous_response_id"),
        user: members.id("user"),
        cached_content: members.id("cachedContent").or_else(|| members.id("cached_content")),
        prefix_hash: prefix::hash(&members),
        has_carried_seal: Signature::is_carried_in(body),
        has_empty_seal: client == Dialect::Anthropic && has_empty_seal(body),
        has_max_completion_tokens: is_chat && members.has("max_completion_tokens"),
        has_developer: is_chat && memchr::memmem::find(body, b"\"developer\"").is_some(),
        has_custom: is_chat && memchr::memmem::find(body, b"\"custom\"").is_some(),
        output_cap: members.output_cap(),
    })
}

/// As the common JSON writers write it; inside a string its quotes would be escaped.
fn has_empty_seal(body: &[u8]) -> bool {
    let finder = memchr::memmem::Finder::new(b"\"signature\":");
    finder.find_iter(body).any(|at| {
        let value = body.get(at + finder.needle().len()..).unwrap_or_default();
        value.starts_with(b"\"\"") || value.starts_with(b" \"\"")
    })
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset_in(whole: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}

/// Whether valid JSON nests deeper than the bound. serde_json skips values without counting.
fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut rest) = (0_usize, json);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match byte {
            b'"' => behind_string(tail),
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
                tail
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                tail
            }
            _ => tail,
        };
    }
    false
}

/// What follows a string whose opening quote was read.
fn behind_string(mut rest: &[u8]) -> &[u8] {
    /// Most strings are keys or words: a search that pays for long ones starts behind these bytes.
    const SHORT: usize = 16;
    let is_mark = |byte: &u8| matches!(byte, b'"' | b'\\');
    loop {
        let head = rest.get(..SHORT).unwrap_or(rest);
        let found = head.iter().position(is_mark);
        let Some(at) = found.or_else(|| memchr::memchr2(b'"', b'\\', rest)) else { return &[] };
        let is_end = rest.get(at) == Some(&b'"');
        // Behind a backslash one more byte belongs to the escape: it may be a quote.
        rest = rest.get(at + if is_end { 1 } else { 2 }..).unwrap_or_default();
        if is_end {
            return rest;
        }
    }
}

#[cfg(test)]
mod tests;
