//! The configuration as meant. Values of these types are right by construction; nothing checks them again.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use interlingua_filters::Dialect;
use interlingua_filters::dialects::{Quirks, Target};
use interlingua_filters::profiles::Profiles;
use interlingua_filters::repair::Repairs;
use ipnet::IpNet;
use sha2::{Digest, Sha256};

use super::{AccountLimits, Audit, BaseUrl, Family, Origins, Records, Resilience, State};
use crate::clients::Limits;
use crate::credentials::{OAuth, Secret};
use crate::egress::Proxy;
use crate::pool::Millis;
use crate::routing::{self, Pattern};

/// Everything that a request needs to know of the operator's wishes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gateway itself.
    pub server: Server,
    /// Who may use it. Empty: anybody who reaches a loopback address.
    pub clients: Vec<Client>,
    /// Providers, one entry a dialect and address.
    pub upstreams: Vec<Arc<Upstream>>,
    /// The operator's accounts there.
    pub accounts: Vec<Arc<Account>>,
    /// Which models go where.
    pub routes: routing::Table,
    /// Which requests of agents are known as their own.
    pub background: routing::Signs,
    /// Names of the tiers, the first served first. At most 256.
    pub tiers: Vec<String>,
    /// What is known of models.
    pub profiles: Profiles,
    /// What is mended in requests.
    pub repairs: Repairs,
    /// Models that share a limit.
    pub families: Vec<Family>,
    /// Retries and protections.
    pub resilience: Resilience,
    /// What is kept through a restart.
    pub state: State,
    /// Another gateway whose mappings are kept equal to those here.
    pub mapping: Option<MappingSync>,
    /// The request log and sums of usage.
    pub records: Records,
    /// The audit log.
    pub audit: Audit,
    /// Seals that clients cannot carry.
    pub custody: Custody,
    /// Tool servers.
    pub mcp: Vec<McpServer>,
    /// Which upstream serves what only a provider of the caller's dialect can serve.
    pub passthrough: Passthrough,
    /// What commands have added to the file.
    pub origins: Origins,
}

impl Config {
    /// What a request for `model` (in the provider's words) at `upstream` is encoded for.
    pub fn target(&self, upstream: &Upstream, model: &str, stream: bool) -> Target {
        let (quirks, profile) = (upstream.quirks, self.profiles.find(model));
        let unsupported = Arc::clone(&upstream.unsupported);
        Target { model: model.to_owned(), stream, quirks, profile, repairs: self.repairs, unsupported }
    }
}

/// The gateway itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Addresses for clients. At least one. A change needs a restart.
    pub listen: Vec<SocketAddr>,
    /// Address of the admin API and of the metrics. A change needs a restart.
    pub admin_listen: Option<SocketAddr>,
    /// SHA-256 of the keys of the admin API. Not empty if `admin_listen` is not loopback.
    pub admin_key_digests: Vec<[u8; 32]>,
    /// Worker threads, 1 to 1024. A change needs a restart.
    pub threads: usize,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Longest wait for the next bytes of a client.
    pub downstream_read_timeout: Duration,
    /// Longest wait for a client to take bytes.
    pub downstream_write_timeout: Duration,
    /// How long requests in flight may go on when the process shall end.
    pub drain_timeout: Duration,
    /// Name in translated answers the model that the client asked for, not the provider's.
    pub echo_model: bool,
    /// Show reasoning to Chat clients as `reasoning_content`.
    pub reasoning_content: bool,
    /// Refuse with 400 what cannot be translated without loss.
    pub strict: bool,
    /// Name the losses of a translation in a response header.
    pub show_losses: bool,
}

/// Another gateway whose mappings are kept equal to those here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingSync {
    /// Its admin API; `https`, or on loopback.
    pub url: BaseUrl,
    /// A key of it.
    pub token: Secret,
    /// How often. At least five seconds.
    pub interval: Duration,
}

/// Who may use the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its name in logs and metrics.
    pub id: String,
    /// What people call it.
    pub label: Option<String>,
    /// SHA-256 of its keys, never the keys. At least one.
    pub key_digests: Vec<[u8; 32]>,
    /// Keys that are taken until a moment.
    pub old_keys: Vec<OldKey>,
    /// Whether its keys are taken.
    pub enabled: bool,
    /// From when on they are not.
    pub expires: Option<Millis>,
    /// Where it may come from; `None` for anywhere.
    pub addresses: Option<Vec<IpNet>>,
    /// The models it may ask for; `None` for all.
    pub models: Option<Vec<Pattern>>,
    /// How much it may.
    pub limits: Limits,
}

/// A key that was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldKey {
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// Until when it is taken.
    pub until: Millis,
}

impl Client {
    /// One with a key and without limits.
    pub fn unlimited(id: String, key_digests: Vec<[u8; 32]>) -> Self {
        Client {
            id,
            label: None,
            key_digests,
            old_keys: Vec::new(),
            enabled: true,
            expires: None,
            addresses: None,
            models: None,
            limits: Limits::default(),
        }
    }
}

/// What a client's key is compared by. Compare digests in constant time.
pub fn key_digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// A provider at one address, speaking one dialect.
#[derive(Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in the file, in logs and metrics.
    pub id: String,
    /// The name under which its provider is known to the program, if the entry says one.
    pub provider: Option<String>,
    /// What it speaks.
    pub dialect: Dialect,
    /// Its address, as the vendor's own SDK takes it: the OpenAI dialects with `/v1`, Anthropic and Gemini without
    /// their `/v1` and `/v1beta`.
    pub base_url: BaseUrl,
    /// Where the credential goes.
    pub auth: AuthStyle,
    /// What it does otherwise than its dialect says.
    pub quirks: Quirks,
    /// Headers for every request, names in lower case. Values may be secret.
    pub headers: Vec<(String, String)>,
    /// The proxy through which it is reached. [`Way`](crate::egress::Way) says which one counts.
    pub proxy: Option<Arc<Proxy>>,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Whether it is asked to stream.
    pub stream: StreamMode,
    /// How the dialect is carried.
    pub platform: Platform,
    /// Top-level members of a request that it answers with an error.
    pub unsupported: Arc<[String]>,
    /// Whether it counts tokens.
    pub count_tokens: bool,
}

/// How a dialect is carried: paths, and what stands around the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Platform {
    /// As the dialect's vendor has it.
    #[default]
    Direct,
    /// Google Vertex AI: Gemini and Anthropic.
    Vertex {
        /// The project of accounts that name none.
        project: Option<String>,
        /// Such as `us-central1`, or `global`.
        location: String,
    },
    /// Google Code Assist: Gemini in an envelope.
    CodeAssist,
    /// Azure OpenAI.
    Azure {
        /// Of the older API, whose paths name a deployment; `None` for the one below `/openai/v1`.
        api_version: Option<String>,
    },
}

/// A tool server. To the pool it is an upstream with one account, both of the name `mcp/NAME`.
#[derive(Clone, Debug)]
pub struct McpServer {
    /// The name in `/mcp/NAME`.
    pub name: String,
    /// Where it is. The dialect means nothing.
    pub upstream: Arc<Upstream>,
    /// Its credential.
    pub account: Arc<Account>,
}

impl Config {
    /// All accounts that can be leased: the providers', then the tool servers'.
    pub fn leased(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.iter().chain(self.mcp.iter().map(|server| &server.account))
    }
}

/// Which upstream serves what only a provider of the caller's dialect can serve: files, batches, stored answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passthrough {
    /// Switch.
    pub enabled: bool,
    /// The upstream of a dialect where it is not the first.
    pub chosen: Vec<Arc<Upstream>>,
}

impl Passthrough {
    /// The upstream for the first of `dialects` that has one: the chosen one, else the first of `upstreams`.
    pub fn upstream(&self, dialects: &[Dialect], upstreams: &[Arc<Upstream>]) -> Option<Arc<Upstream>> {
        dialects.iter().find_map(|dialect| {
            let mut all = self.chosen.iter().chain(upstreams);
            all.find(|upstream| upstream.dialect == *dialect && upstream.platform == Platform::Direct).cloned()
        })
    }
}

impl fmt::Debug for Upstream {
    /// Without the values of `headers`, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Upstream")
            .field("id", &self.id)
            .field("dialect", &self.dialect)
            .field("platform", &self.platform)
            .field("base_url", &self.base_url)
            .field("headers", &names)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

/// Where the credential goes in a request to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthStyle {
    /// `authorization: Bearer …`
    Bearer,
    /// `x-api-key: …`
    XApiKey,
    /// `x-goog-api-key: …`
    XGoogApiKey,
    /// `api-key: …`, of Azure.
    ApiKey,
    /// No credential.
    None,
}

impl AuthStyle {
    /// What the vendor of a dialect wants.
    pub fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses => AuthStyle::Bearer,
            Dialect::Anthropic => AuthStyle::XApiKey,
            Dialect::Gemini => AuthStyle::XGoogApiKey,
        }
    }

    /// The header and what stands before the credential there.
    pub fn header(self) -> Option<(&'static str, &'static str)> {
        match self {
            AuthStyle::Bearer => Some(("authorization", "Bearer ")),
            AuthStyle::XApiKey => Some(("x-api-key", "")),
            AuthStyle::XGoogApiKey => Some(("x-goog-api-key", "")),
            AuthStyle::ApiKey => Some(("api-key", "")),
            AuthStyle::None => None,
        }
    }
}

/// Whether a provider is asked to stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamMode {
    /// As the client asks.
    #[default]
    AsClient,
    /// Always; collected for clients that want one answer.
    Always,
    /// Never; the answer is cut into events for clients that want a stream.
    Never,
}

/// How long each phase of an upstream request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP connect.
    pub connect: Duration,
    /// TCP connect and TLS. At least `connect`.
    pub total_connect: Duration,
    /// From the request's end to the response's header.
    pub first_byte: Duration,
    /// Between two reads of a body.
    pub idle: Duration,
    /// One write.
    pub write: Duration,
    /// The whole attempt.
    pub total: Duration,
}

/// One of the operator's accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its identity: live state stays with this name through reloads.
    pub id: String,
    /// The first of `upstreams`.
    pub upstream: Arc<Upstream>,
    /// All upstreams that its credential opens, as declared: one for each dialect of the provider. At least one. Its
    /// concurrency and its locks count for all of them together.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Index into [`Config::tiers`].
    pub tier: u8,
    /// What proves that a request is the operator's. None if the upstreams want none, and with `oauth`.
    pub credential: Secret,
    /// How access tokens are got, in the place of a credential.
    pub oauth: Option<Arc<OAuth>>,
    /// Headers for every request, which outrank those of the upstream. Marked sensitive: `Debug` does not show values.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its Google Cloud project, where that is not the upstream's.
    pub project: Option<String>,
    /// Its own proxy, in the place of the upstreams'.
    pub proxy: Option<Arc<Proxy>>,
    /// Most requests at a time. At least 1.
    pub concurrency: u32,
    /// What the provider allows it, as far as the operator knows.
    pub limits: AccountLimits,
    /// Whether it takes part.
    pub enabled: bool,
    /// Only these models, in the provider's words. `None`: all.
    pub models: Option<Vec<Pattern>>,
}

impl Account {
    /// Whether the account may be asked for `model` (in the provider's words).
    pub fn takes(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(model)))
    }

    /// The upstream to use this account through in a step: the first of `preferred` that it offers, if any.
    pub fn upstream_in<'s>(&self, preferred: &'s [Arc<Upstream>]) -> Option<&'s Arc<Upstream>> {
        preferred.iter().find(|wanted| self.upstreams.iter().any(|offered| offered.id == wanted.id))
    }
}

/// Seals of reasoning that a client cannot carry, kept by the ids of tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Custody {
    /// Switch.
    pub enabled: bool,
    /// Most calls to remember; the least recently used goes first.
    pub entries_max: usize,
    /// Most bytes of what is remembered.
    pub bytes_max: usize,
    /// A call is forgotten when unused for this long.
    pub ttl: Duration,
    /// When a provider refuses a seal, ask the same account once more without any.
    pub repair_retry: bool,
}
