//! The key `passthrough`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which upstream serves what only a provider of the caller's dialect can serve: files, batches, stored answers, cached
/// contents, moderations, vector stores and the like. Their bytes pass untouched.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Passthrough {
    /// Switch. If off, such paths are answered with 404.
    pub enabled: bool,
    /// The upstream for OpenAI's paths. Default: the first of this dialect.
    pub openai_responses: Option<String>,
    /// The upstream for OpenAI's paths where none of the dialect openai_responses is there, and for stored chat
    /// completions. Default: the first of this dialect.
    pub openai_chat: Option<String>,
    /// The upstream for Anthropic's paths. Default: the first of this dialect.
    pub anthropic: Option<String>,
    /// The upstream for Gemini's paths. Default: the first of this dialect.
    pub gemini: Option<String>,
}

impl Default for Passthrough {
    fn default() -> Self {
        Passthrough { enabled: true, openai_responses: None, openai_chat: None, anthropic: None, gemini: None }
    }
}
