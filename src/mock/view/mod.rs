//! What a scenario needs to know of a request, read from each dialect's JSON. Reads leniently: `checks/` complains.

mod anthropic;
mod gemini;
mod openai_chat;
mod openai_responses;

use super::dialect::Dialect;
use super::tokens;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Nesting that is followed in a request; deeper values weigh nothing.
const DEPTH_MAX: usize = 64;

/// A declared tool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tool {
    /// Its name.
    pub(crate) name: String,
    /// The schema of its arguments.
    pub(crate) schema: Value,
}

/// Which tools may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The model decides.
    #[default]
    Auto,
    /// None.
    None,
    /// At least one.
    Any,
    /// This one.
    Named(String),
}

/// An image or another medium that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// Its bytes.
    Inline { mime: String, bytes: Vec<u8> },
    /// Base64 that cannot be decoded.
    Broken { mime: String },
    /// Where it is.
    Url(String),
}

/// One step of the prompt, in the order in which prompts are cached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Digest of the content, without cache marks.
    pub(crate) digest: [u8; 32],
    /// Its weight.
    pub(crate) tokens: u64,
    /// Whether it carries an Anthropic cache mark, and whether for an hour.
    pub(crate) mark: Option<bool>,
}

/// What a scenario sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Chat's `stream_options.include_usage`.
    pub(crate) include_usage: bool,
    /// The last text that the user wrote.
    pub(crate) user_text: String,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    /// The tool results that the conversation ends with.
    pub(crate) results: Vec<String>,
    /// The last image or document.
    pub(crate) media: Option<Media>,
    /// The schema of a structured answer.
    pub(crate) schema: Option<Value>,
    /// JSON was asked for without a schema.
    pub(crate) json: bool,
    /// The first stop sequence.
    pub(crate) stop: Option<String>,
    /// Responses: `include` names the encrypted reasoning.
    pub(crate) encrypted: bool,
    /// Gemini: thoughts are not wanted.
    pub(crate) thoughts_hidden: bool,
    /// Anthropic: thinking is `enabled`, so that a turn with calls has to begin with it.
    pub(crate) must_think: bool,
    /// The answer that the request ends in and that is to be gone on with.
    pub(crate) begun: Option<String>,
    pub(crate) prompt: Vec<Step>,
}

impl View {
    /// Reads a body.
    pub(crate) fn read(dialect: Dialect, body: &Value) -> Self {
        match dialect {
            Dialect::Chat => openai_chat::read(body),
            Dialect::Responses => openai_responses::read(body),
            Dialect::Anthropic => anthropic::read(body),
            Dialect::Gemini => gemini::read(body),
        }
    }

    /// Tokens of the whole prompt; at least one.
    pub(crate) fn prompt_tokens(&self) -> u64 {
        self.prompt.iter().map(|step| step.tokens).sum::<u64>().max(1)
    }

    /// Adds a step of the prompt.
    fn step(&mut self, value: &Value) {
        if value.is_null() {
            return;
        }
        let mut hash = Sha256::new();
        feed(value, &mut hash, 0);
        self.prompt.push(Step { digest: hash.finalize().into(), tokens: weigh(value, 0), mark: mark(value, 0) });
    }
}

/// The elements of an array; nothing for any other value.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A string; empty for any other value.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `camelCase` or `snake_case`, as Google's JSON allows both.
pub(crate) fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> &'a Value {
    let found = &value[camel];
    if found.is_null() { &value[snake] } else { found }
}

/// Base64 in either alphabet, padded or not.
pub(crate) fn decode_base64(data: &str) -> Option<Vec<u8>> {
    [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].iter().find_map(|engine| engine.decode(data).ok())
}

/// Base64 in the standard alphabet.
pub(crate) fn decode_standard(data: &str) -> Option<Vec<u8>> {
    STANDARD.decode(data).ok()
}

fn inline(mime: &str, data: &str) -> Media {
    let mime = mime.to_owned();
    match decode_base64(data) {
        Some(bytes) => Media::Inline { mime, bytes },
        None => Media::Broken { mime },
    }
}

/// A `data:` URL or another one.
fn from_url(url: &str) -> Media {
    let parts = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
    match parts {
        Some((head, data)) => inline(head.split(';').next().unwrap_or_default(), data),
        None => Media::Url(url.to_owned()),
    }
}

/// Feeds a value into a digest; cache marks move between turns and do not belong to the prefix.
fn feed(value: &Value, hash: &mut Sha256, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        Value::Object(members) => {
            hash.update(b"{");
            for (key, value) in members.iter().filter(|(key, _)| *key != "cache_control") {
                hash.update(key.as_bytes());
                feed(value, hash, depth + 1);
            }
            hash.update(b"}");
        }
        Value::Array(list) => {
            hash.update(b"[");
            for value in list {
                feed(value, hash, depth + 1);
            }
            hash.update(b"]");
        }
        Value::String(text) => {
            hash.update(b"\"");
            hash.update(text.as_bytes());
        }
        other => hash.update(other.to_string().as_bytes()),
    }
}

/// Tokens of every text in a value; media weigh a fixed sum, signatures nothing.
fn weigh(value: &Value, depth: usize) -> u64 {
    match value {
        _ if depth > DEPTH_MAX => 0,
        Value::Object(members) => members.iter().map(|(key, value)| weigh_member(key, value, depth)).sum(),
        Value::Array(list) => list.iter().map(|value| weigh(value, depth + 1)).sum(),
        Value::String(text) => tokens::count(text),
        _ => 1,
    }
}

fn weigh_member(key: &str, value: &Value, depth: usize) -> u64 {
    match key {
        "type" | "role" | "cache_control" | "signature" | "thoughtSignature" | "encrypted_content" | "id" => 0,
        "data" | "file_data" if value.is_string() => tokens::MEDIA_TOKENS,
        "url" | "image_url" if text(value).starts_with("data:") => tokens::MEDIA_TOKENS,
        _ => tokens::count(key) + weigh(value, depth + 1),
    }
}

/// The last cache mark inside a value.
fn mark(value: &Value, depth: usize) -> Option<bool> {
    match value {
        _ if depth > DEPTH_MAX => None,
        Value::Object(members) => {
            let own = members.get("cache_control").filter(|mark| mark.is_object()).map(|mark| mark["ttl"] == "1h");
            own.or_else(|| members.values().filter_map(|value| mark(value, depth + 1)).next_back())
        }
        Value::Array(list) => list.iter().filter_map(|value| mark(value, depth + 1)).next_back(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
