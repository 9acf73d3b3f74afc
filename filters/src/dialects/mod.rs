//! The dialects: one folder each, all with the same functions.
//!
//! | function | what it does |
//! |---|---|
//! | `decode_request(body, endpoint)` | bytes → [`Request`](crate::ir::Request) |
//! | `encode_request(request, target, out)` | [`Request`](crate::ir::Request) → bytes, with losses and notes |
//! | `decode_response(body)` | a whole answer → [`Response`](crate::ir::Response) |
//! | `encode_response(response, context, out)` | [`Response`](crate::ir::Response) → bytes |
//! | `StreamDecoder` | server-sent events → [`Event`](crate::ir::Event)s |
//! | `StreamEncoder` | [`Event`](crate::ir::Event)s → server-sent events |
//! | `decode_error(status, body)` | an error body → [`ApiError`](crate::ir::ApiError) |
//! | `encode_error(error, out)` | [`ApiError`](crate::ir::ApiError) → body, giving the HTTP status |

pub mod anthropic;
pub mod code_assist;
mod dispatch;
mod freeform;
pub mod gemini;
pub mod openai_chat;
pub mod openai_responses;
mod stored;
pub mod vertex;

pub use dispatch::{
    StreamDecoder, StreamEncoder, decode_error, decode_request, decode_response, encode_error, encode_request,
    encode_response, read_citations, read_logprobs, read_web_search,
};

use std::sync::Arc;

use crate::ir::{Losses, ReplyNotes};
use crate::json::Str;
use crate::profiles::{Profile, Profiles};
use crate::repair::Repairs;

/// A protocol that clients or providers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI Chat Completions.
    #[serde(rename = "openai_chat")]
    OpenAiChat,
    /// OpenAI Responses.
    #[serde(rename = "openai_responses")]
    OpenAiResponses,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini `generateContent`.
    Gemini,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Dialect; 4] = [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Anthropic, Dialect::Gemini];

    /// The name in configuration, metrics and headers.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::OpenAiChat => "openai_chat",
            Dialect::OpenAiResponses => "openai_responses",
            Dialect::Anthropic => "anthropic",
            Dialect::Gemini => "gemini",
        }
    }

    /// The dialect of a [`Self::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }
}

/// What the URL says of a request beside its body (Gemini names the model and the mode there).
#[derive(Clone, Debug, Default)]
pub struct Endpoint<'a> {
    /// Model from the path, without `models/`.
    pub model: Option<Str<'a>>,
    /// Mode from the path.
    pub stream: Option<bool>,
}

/// Where a request goes.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// Model in the provider's words.
    pub model: String,
    /// Whether the provider shall stream, which may differ from what the client wants.
    pub stream: bool,
    /// What this provider does otherwise than its dialect says.
    pub quirks: Quirks,
    /// What the model takes.
    pub profile: Profile,
    /// Which repairs are made.
    pub repairs: Repairs,
    /// Top-level members of a request that this provider answers with an error. They are left out in every lane.
    pub unsupported: Arc<[String]>,
}

impl Target {
    /// A request for `model` at the vendor of its dialect, with the built-in profile of that model.
    pub fn new(model: impl Into<String>, stream: bool) -> Self {
        let model = model.into();
        let profile = Profiles::builtin().find(&model);
        Target { model, stream, profile, ..Target::default() }
    }
}

/// What a provider does otherwise than its dialect says. The default is the dialect's own vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// OpenAI Chat: the token cap is called `max_tokens` (most compatible servers), not `max_completion_tokens`.
    pub max_tokens_name: bool,
    /// OpenAI Chat: `stream_options.include_usage` is understood.
    pub stream_usage: bool,
    /// OpenAI Chat: the role `developer` is understood; else it is sent as `system`.
    pub developer_role: bool,
    /// OpenAI Chat: `reasoning_content` of earlier answers is taken back (DeepSeek, vLLM). Anthropic: so are thoughts
    /// without a seal (compatible servers that seal nothing).
    pub reasoning_content: bool,
    /// OpenAI Chat: tools of the type `custom` are understood; else they are wrapped as functions with one string field
    /// `input` (most compatible servers know functions only).
    pub custom_tools: bool,
    /// Gemini: `parametersJsonSchema` and `responseJsonSchema` are understood; else the OpenAPI subset is sent.
    pub json_schema: bool,
    /// Gemini: ids are sent with calls and results.
    pub call_ids: bool,
    /// Gemini: the provider is Vertex AI, which knows `labels` and `excludeDomains`, and no `serviceTier`.
    pub vertex: bool,
    /// OpenAI Chat: whether and how an answer that the request begins is gone on with.
    pub prefill: Prefill,
    /// Cap of output tokens to ask for when the client named none and the dialect needs one.
    pub default_max_output_tokens: u64,
}

/// Whether and how a Chat server goes on with an answer that stands at the end of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prefill {
    /// It does not: it answers once more (OpenAI).
    #[default]
    None,
    /// It does for the models that can (OpenRouter).
    Plain,
    /// When the last message has `prefix: true` (Mistral, DeepSeek).
    Prefix,
    /// When the request has `continue_final_message: true` and `add_generation_prompt: false` (vLLM).
    ContinueFinalMessage,
}

impl Default for Quirks {
    fn default() -> Self {
        Quirks {
            max_tokens_name: false,
            stream_usage: true,
            developer_role: true,
            reasoning_content: false,
            custom_tools: true,
            json_schema: true,
            call_ids: false,
            vertex: false,
            prefill: Prefill::None,
            default_max_output_tokens: 16_384,
        }
    }
}

/// What came of encoding a request, beside its bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// What the target could not say.
    pub losses: Losses,
    /// What must be undone in the answer.
    pub notes: ReplyNotes,
}

/// A body that cannot be read in its dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// What is wrong and what to do, for the caller.
    pub message: String,
    /// The member at fault, where it is known.
    pub param: Option<String>,
}

impl DecodeError {
    /// An error without a member.
    pub fn new(message: impl Into<String>) -> Self {
        DecodeError { message: message.into(), param: None }
    }

    /// An error of the member `param`.
    pub fn at(param: impl Into<String>, message: impl Into<String>) -> Self {
        DecodeError { message: message.into(), param: Some(param.into()) }
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        DecodeError::new(format!("the body is not what this endpoint takes: {error}"))
    }
}

/// A request that cannot be said honestly in the target dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EncodeError {
    /// What cannot be said, and what to do, for the caller.
    pub message: String,
    /// The member at fault, where it is known.
    pub param: Option<String>,
}

impl EncodeError {
    /// An error of the member `param`.
    pub fn at(param: impl Into<String>, message: impl Into<String>) -> Self {
        EncodeError { message: message.into(), param: Some(param.into()) }
    }
}
