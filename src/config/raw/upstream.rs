//! Providers as written.

use std::collections::BTreeMap;

use interlingua_filters::Dialect;
use interlingua_filters::dialects::Prefill;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::units::{SecretText, TimeSpan};
use crate::config::{AuthStyle, StreamMode};

/// A provider at one address, speaking one dialect. A provider that speaks several has an entry for each; an account
/// names all that its credential opens.
///
/// With `provider` all but what is special to you is known already: `- provider: groq` is a whole entry.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["provider"]}, {"required": ["id", "dialect"]}]))]
pub struct Upstream {
    /// A provider that is known by name, such as groq, openrouter or vertex: the keys below have its values if they are
    /// left out. `conf/providers.yaml` has them all. Default: none.
    pub provider: Option<String>,
    /// Name for accounts and models. Letters, digits and `. _ - @ /`, at most 64. Default: `provider`.
    pub id: Option<String>,
    /// What the provider speaks there. code_assist stands for gemini with `platform: code_assist`.
    pub dialect: Option<Spoken>,
    /// How the dialect is carried. direct: as its vendor has it. vertex: Google Vertex AI, for gemini and anthropic.
    /// azure: Azure OpenAI, for the OpenAI dialects. code_assist: Google Code Assist, for gemini. Default: direct.
    pub platform: Option<PlatformName>,
    /// Address, as the vendor's own SDK takes it: the OpenAI dialects with `/v1`, Anthropic and Gemini without their
    /// `/v1` and `/v1beta`. `http` or `https`; no user, query or fragment. azure: of the resource, such as
    /// `https://NAME.openai.azure.com`. Default for vertex: by `location`.
    pub base_url: Option<String>,
    /// vertex: the project, if an account does not name its own.
    pub project: Option<String>,
    /// vertex: the location, such as us-central1, or global. Default: global.
    pub location: Option<String>,
    /// azure: version of the older API, such as 2024-10-21, where the model names a deployment. Default: none, which is
    /// the API below `/openai/v1`.
    pub api_version: Option<String>,
    /// Where the credential goes. Default: bearer for the OpenAI dialects, x_api_key for Anthropic, x_goog_api_key for
    /// Gemini; api_key for azure; bearer for vertex and code_assist.
    pub auth: Option<AuthStyle>,
    /// Whether the provider is asked to stream. Default: as_client.
    pub stream: StreamMode,
    /// What the provider does otherwise than its dialect says.
    pub quirks: Quirks,
    /// Headers for every request, such as the name of an organisation. Not for credentials. Default: none.
    pub headers: BTreeMap<String, SecretText>,
    /// The proxy through which the provider is reached: `http://user:password@host:port` (CONNECT), `socks5://` (names are
    /// looked up here) or `socks5h://` (there). If it cannot be used, requests fail; they never go directly. An account can
    /// have another one. Default: none.
    pub proxy: Option<SecretText>,
    /// How long each phase may take.
    pub timeouts: Timeouts,
}

/// A dialect, or the short word for Gemini inside of Code Assist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spoken {
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
    /// Gemini, with `platform: code_assist`.
    CodeAssist,
}

impl Spoken {
    /// The dialect itself.
    pub fn dialect(self) -> Dialect {
        match self {
            Spoken::OpenAiChat => Dialect::OpenAiChat,
            Spoken::OpenAiResponses => Dialect::OpenAiResponses,
            Spoken::Anthropic => Dialect::Anthropic,
            Spoken::Gemini | Spoken::CodeAssist => Dialect::Gemini,
        }
    }
}

/// How a dialect is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlatformName {
    /// As its vendor has it.
    Direct,
    /// Google Vertex AI.
    Vertex,
    /// Google Code Assist.
    CodeAssist,
    /// Azure OpenAI.
    Azure,
}

/// What a provider does otherwise than its dialect says. The default is the dialect's own vendor.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// openai_chat: the cap of output tokens is called `max_tokens`, as most compatible servers have it. Default: false.
    pub max_tokens_name: Option<bool>,
    /// openai_chat: `stream_options.include_usage` is understood. Default: true.
    pub stream_usage: Option<bool>,
    /// openai_chat: the role `developer` is understood; else it is sent as `system`. Default: true.
    pub developer_role: Option<bool>,
    /// openai_chat: `reasoning_content` of earlier answers is taken back (DeepSeek, vLLM). Default: false.
    pub reasoning_content: Option<bool>,
    /// openai_chat: tools of the type `custom` are understood; else they are wrapped as functions with one string field
    /// `input`. Default: true.
    pub custom_tools: Option<bool>,
    /// gemini: JSON schemas are understood; else the OpenAPI subset is sent. Default: true.
    pub json_schema: Option<bool>,
    /// gemini: ids are sent with calls and results. Default: false.
    pub call_ids: Option<bool>,
    /// gemini: the provider is Vertex AI, which knows `labels` and no `serviceTier`. Default: true with `platform: vertex`.
    pub vertex: Option<bool>,
    /// anthropic, gemini, openai_responses: tokens can be counted there; else the gateway estimates them. Default: true.
    pub count_tokens: Option<bool>,
    /// Members of a request, at its top level, that the provider answers with an error: they are left out, and counted as
    /// losses. Default: none.
    pub unsupported: Option<Vec<String>>,
    /// openai_chat: whether and how an answer that the request begins is gone on with. none: it is not (OpenAI). plain: it is
    /// (OpenRouter). prefix: when the last message has `prefix: true` (Mistral, DeepSeek). continue_final_message: when the
    /// request has that member (vLLM). Default: none.
    #[schemars(schema_with = "prefill_schema")]
    pub prefill: Option<Prefill>,
    /// Cap of output tokens to ask for when the client named none and the dialect needs one. In tokens. Default: 16384.
    pub default_max_output_tokens: Option<u64>,
}

/// How long each phase of a request to the provider may take.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// TCP connect; with a proxy, until it has opened the way.
    pub connect: TimeSpan,
    /// TCP connect and TLS together.
    pub total_connect: TimeSpan,
    /// From the end of the request to the header of the response. Long, as an answer that is not streamed has no header
    /// before the model is done.
    pub first_byte: TimeSpan,
    /// Between two reads of the response.
    pub idle: TimeSpan,
    /// One write of the request.
    pub write: TimeSpan,
    /// The whole attempt, with the whole stream.
    pub total: TimeSpan,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: TimeSpan::secs(5),
            total_connect: TimeSpan::secs(8),
            first_byte: TimeSpan::secs(300),
            idle: TimeSpan::secs(120),
            write: TimeSpan::secs(30),
            total: TimeSpan::secs(3600),
        }
    }
}

fn prefill_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "enum": ["none", "plain", "prefix", "continue_final_message", null] })
}
