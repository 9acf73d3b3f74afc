//! What a planned request wants of a provider, beside the model and the route.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use interlingua_filters::Dialect;
use interlingua_filters::dialects::Endpoint;
use interlingua_filters::json::Str;
use interlingua_filters::json::skim::Skim;
use interlingua_filters::operations::{Asked, Operation};

use crate::config::Config;

/// Attempts to have tokens counted before the gateway estimates them itself.
const COUNT_ATTEMPTS_MAX: u32 = 2;
/// How long a provider may take to count tokens before the gateway estimates them itself.
pub(super) const COUNT_PATIENCE: Duration = Duration::from_secs(10);

/// What is wanted.
#[derive(Clone, Debug)]
pub enum Errand {
    /// A model's answer.
    Generate {
        /// Whether the client wants its stream as one JSON array (Gemini without `alt=sse`).
        array: bool,
    },
    /// Another question about a model.
    Operate(Question),
    /// Bytes that pass.
    Pass(Passage),
}

/// Another question about a model, as it came.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is asked.
    pub operation: Operation,
    /// The client's dialect.
    pub client: Dialect,
    /// Model from the path (Gemini).
    pub model: Option<String>,
    /// The header `content-type`.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
    /// A legacy completion as a Chat request, for upstreams of other dialects.
    pub chat: Option<(Bytes, Skim<'static>)>,
}

/// A request whose bytes pass.
#[derive(Clone, Debug)]
pub struct Passage {
    /// The method.
    pub method: Method,
    /// The API's version, as the client wrote it; without meaning for a tool server.
    pub version: String,
    /// The path below the version, or below a tool server's address.
    pub rest: String,
    /// Gemini: whether `/upload` stands before the version.
    pub upload: bool,
    /// The query, without the client's key.
    pub query: Option<String>,
    /// Headers that go with it.
    pub headers: HeaderMap,
    /// Where clients reach this gateway, for addresses in the answer's headers: scheme and authority.
    pub origin: String,
    /// Whose it is.
    pub kind: PassageKind,
}

/// Whose a passing request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassageKind {
    /// A provider's.
    Provider {
        /// Whether it names an object whose account is not known: another account may have it.
        searches: bool,
    },
    /// A tool server's.
    Mcp,
}

impl Passage {
    /// Whether it goes to a tool server.
    pub fn is_mcp(&self) -> bool {
        self.kind == PassageKind::Mcp
    }

    /// Whether it names an object whose account is not known.
    pub fn searches(&self) -> bool {
        self.kind == PassageKind::Provider { searches: true }
    }

    /// Whether it may be sent twice (RFC 9110, section 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE" | "PUT") && !self.is_mcp()
    }
}

impl Errand {
    /// The name under which cooldowns and limits of a model are kept: its family's. Counting has limits of its own at the providers, and what
    /// passes has no model.
    pub fn family(&self, config: &Config, model: &str) -> String {
        let family = config.family(model);
        match self {
            Errand::Operate(question) if question.counts() => format!("{family}#count_tokens"),
            Errand::Generate { .. } | Errand::Operate(_) => family.to_owned(),
            Errand::Pass(_) => model.to_owned(),
        }
    }

    /// How long to wait for a slot, when `usual` is configured. Who can answer by itself does not wait.
    pub fn wait(&self, usual: Duration) -> Duration {
        if self.counts() { Duration::ZERO } else { usual }
    }

    /// Attempts at most, when `usual` are configured.
    pub fn attempts_max(&self, usual: u32) -> u32 {
        if self.counts() { usual.min(COUNT_ATTEMPTS_MAX) } else { usual }
    }

    /// Whether it names a model, so that accounts can be told apart by it.
    pub fn has_model(&self) -> bool {
        !matches!(self, Errand::Pass(_))
    }

    /// Whether tokens are to be counted.
    pub fn counts(&self) -> bool {
        matches!(self, Errand::Operate(question) if question.counts())
    }

    /// What passes, if anything does.
    pub fn passage(&self) -> Option<&Passage> {
        if let Errand::Pass(passage) = self { Some(passage) } else { None }
    }
}

impl Question {
    /// The question in the words of the filters.
    pub fn asked(&self) -> Asked<'_> {
        Asked {
            operation: self.operation,
            client: self.client,
            endpoint: Endpoint { model: self.model.as_deref().map(Str::from), stream: None },
            content_type: &self.content_type,
            body: &self.body,
        }
    }

    fn counts(&self) -> bool {
        self.operation == Operation::CountTokens
    }
}
