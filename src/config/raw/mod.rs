//! The file as written: one field a key, with its default and its unit.
//!
//! The doc comments here are the descriptions in `conf/schema.json`. Keys without a default are `Option`, also where
//! they are required: that something is missing is said together with all else that is wrong.

mod custody;
mod mcp;
mod models;
mod passthrough;
mod resilience;
mod server;

use std::collections::BTreeMap;

use interlingua_filters::Dialect;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use self::custody::Custody;
pub use self::mcp::{Mcp, McpTimeouts};
pub use self::models::{Profile, Repair};
pub use self::passthrough::Passthrough;
pub use self::resilience::{Affinity, Cooldown, GraceRetry, Peek, PerClient, Resilience};
pub use self::server::Server;
use super::units::{OneOrMany, SecretText, TimeSpan};
use super::{AuthStyle, StreamMode};
use crate::routing::DialectChoice;

/// The configuration of Interlingua.
///
/// Time spans are written with a unit (250ms, 30s, 5m, 1h30m), sizes too (64KiB, 100MiB). `${env:NAME}` and
/// `${file:/path}` stand for the value of an environment variable or the content of a file, in credentials, keys,
/// header values and URLs; a relative path starts at the folder of this file. `$${` is a literal `${`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The gateway itself.
    pub server: Server,
    /// Who may use the gateway. Default: none, which is anybody who reaches a loopback address.
    #[schemars(with = "Vec<Client>")]
    pub clients: Vec<Option<Client>>,
    /// Providers: one entry for each address and dialect.
    #[schemars(with = "Vec<Upstream>")]
    pub upstreams: Vec<Option<Upstream>>,
    /// Names of the tiers of accounts; accounts of an earlier tier are used first.
    pub tiers: Vec<String>,
    /// Your accounts at the providers.
    #[schemars(with = "Vec<Account>")]
    pub accounts: Vec<Option<Account>>,
    /// Which models go where.
    #[schemars(with = "Vec<Rule>")]
    pub models: Vec<Option<Rule>>,
    /// What is known of models beside what the program knows. Later entries outrank earlier ones. Default: none.
    #[schemars(with = "Vec<Profile>")]
    pub profiles: Vec<Option<Profile>>,
    /// What is mended in requests that their target would refuse. Each has a switch and is reported as a loss.
    pub repair: Repair,
    /// Retries and protections. Each has a switch; all off leaves a plain translating proxy.
    pub resilience: Resilience,
    /// Seals of reasoning that a client cannot carry.
    pub custody: Custody,
    /// Tool servers (MCP), by the name under which clients reach them: `/mcp/NAME`. Default: none.
    #[schemars(with = "BTreeMap<String, Mcp>")]
    pub mcp: BTreeMap<String, Option<Mcp>>,
    /// Files, batches, stored answers and whatever else only a provider of the caller's dialect can serve.
    pub passthrough: Passthrough,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            server: Server::default(),
            clients: Vec::new(),
            upstreams: Vec::new(),
            tiers: ["ultra-business", "ultra", "pro", "free", "unknown"].map(str::to_owned).to_vec(),
            accounts: Vec::new(),
            models: Vec::new(),
            profiles: Vec::new(),
            repair: Repair::default(),
            resilience: Resilience::default(),
            custody: Custody::default(),
            mcp: BTreeMap::new(),
            passthrough: Passthrough::default(),
        }
    }
}

/// Somebody who may use the gateway.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["id", "keys"]))]
pub struct Client {
    /// Name in logs and metrics. Letters, digits and `. _ - @ /`, at most 64.
    #[schemars(required)]
    pub id: Option<String>,
    /// Keys of this client, at least one; several allow for a change of keys. Each has at least 16 characters, or is
    /// written as `sha256:` with the 64 hexadecimal digits of its SHA-256.
    #[serde(default)]
    pub keys: OneOrMany<SecretText>,
}

/// A provider at one address, speaking one dialect. A provider that speaks several has an entry for each; an account
/// names all that its credential opens.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Name for accounts and models. Letters, digits and `. _ - @ /`, at most 64.
    #[schemars(required)]
    pub id: Option<String>,
    /// What the provider speaks there.
    #[schemars(required, schema_with = "dialect_schema")]
    pub dialect: Option<Dialect>,
    /// Address, as the vendor's own SDK takes it: the OpenAI dialects with `/v1`, Anthropic and Gemini without their
    /// `/v1` and `/v1beta`. `http` or `https`; no user, query or fragment.
    #[schemars(required)]
    pub base_url: Option<String>,
    /// Where the credential goes. Default: bearer for the OpenAI dialects, x_api_key for Anthropic, x_goog_api_key for
    /// Gemini.
    pub auth: Option<AuthStyle>,
    /// Whether the provider is asked to stream. Default: as_client.
    #[serde(default)]
    pub stream: StreamMode,
    /// What the provider does otherwise than its dialect says.
    #[serde(default)]
    pub quirks: Quirks,
    /// Headers for every request, such as the name of an organisation. Not for credentials. Default: none.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretText>,
    /// How long each phase may take.
    #[serde(default)]
    pub timeouts: Timeouts,
}

fn dialect_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Dialect::ALL.map(Dialect::name) })
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
    /// gemini: the provider is Vertex AI, which knows `labels` and no `serviceTier`. Default: false.
    pub vertex: Option<bool>,
    /// anthropic, gemini, openai_responses: tokens can be counted there; else the gateway estimates them. Default: true.
    pub count_tokens: Option<bool>,
    /// Cap of output tokens to ask for when the client named none and the dialect needs one. In tokens. Default: 16384.
    pub default_max_output_tokens: Option<u64>,
}

/// How long each phase of a request to the provider may take.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// TCP connect.
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

/// One of your accounts at a provider.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["id", "upstream"]))]
pub struct Account {
    /// Identity: what is learned of the account stays with this name through reloads. Letters, digits and `. _ - @ /`,
    /// at most 64.
    #[schemars(required)]
    pub id: Option<String>,
    /// The upstream of this account, or a list: one credential often opens several dialects of a provider. The account
    /// has one concurrency limit for all of them.
    #[serde(default)]
    pub upstream: OneOrMany<String>,
    /// The credential: `${env:NAME}`, `${file:/path}` or literally. Left out if the upstream has `auth: none`.
    pub credential: Option<SecretText>,
    /// One of `tiers`. Default: the last.
    pub tier: Option<String>,
    /// Most requests at a time. Default: 3.
    pub concurrency: Option<u64>,
    /// Whether the account takes part. Default: true.
    pub enabled: Option<bool>,
    /// Only these models, in the provider's words; `*` stands for anything. Default: all.
    pub models: Option<OneOrMany<String>>,
}

/// Which models go where. Exact names win, then the pattern with the most characters that are not `*`, then the one
/// declared first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["match", "upstream"]))]
pub struct Rule {
    /// Name of a model as clients say it, or a pattern; `*` stands for anything. Matched without `models/`,
    /// `publishers/…/models/` and `[1m]`.
    #[serde(rename = "match")]
    #[schemars(required)]
    pub pattern: Option<String>,
    /// The upstream, or a list: one pool over all of their accounts.
    #[serde(default)]
    pub upstream: OneOrMany<String>,
    /// The model in the provider's words; `{1}` is what the first `*` stands for, `{0}` the whole name. Default: `{0}`.
    pub model: Option<String>,
    /// How the upstreams are ordered for a client. prefer_own: those of the client's own dialect first, so that nothing
    /// is translated without need. own_if_offered: only those, if there is any. as_declared: as they stand. Default:
    /// prefer_own.
    #[serde(default)]
    pub dialect: DialectChoice,
    /// What is tried when no account of the target can serve, in order. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<Fallback>")]
    pub fallbacks: Vec<Option<Fallback>>,
    /// Names to show in the list of models, for a pattern. Default: none.
    #[serde(default)]
    pub list: Vec<String>,
    /// Keep an exact name out of the list of models. Default: false.
    #[serde(default)]
    pub hidden: bool,
}

/// What is tried when a target fails.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// The upstream, or a list. If left out, `model` is a name that the rules themselves send on, with their fallbacks.
    #[serde(default)]
    pub upstream: OneOrMany<String>,
    /// The model in the provider's words, with `{1}` as in the rule. Default: the model of the rule.
    pub model: Option<String>,
    /// As in the rule. Default: prefer_own.
    #[serde(default)]
    pub dialect: DialectChoice,
}
