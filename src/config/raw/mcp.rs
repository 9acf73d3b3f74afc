//! The key `mcp`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::AuthStyle;
use crate::config::units::{SecretText, TimeSpan};

/// A tool server that speaks MCP over streamable HTTP. Clients authenticate at the gateway; the server gets the
/// credential from here.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["url"]))]
pub struct Mcp {
    /// Its endpoint. `http` or `https`; no user, query or fragment.
    #[schemars(required)]
    pub url: Option<String>,
    /// Where the credential goes. Default: bearer if there is a credential, else none. For another header, write it with
    /// its value under `headers`.
    pub auth: Option<AuthStyle>,
    /// The credential: `${env:NAME}`, `${file:/path}`, `${vault:NAME}` or literally. Default: none.
    pub credential: Option<SecretText>,
    /// Headers for every request. Values may be references. Default: none.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretText>,
    /// How long each phase may take.
    #[serde(default)]
    pub timeouts: McpTimeouts,
}

/// How long each phase of a request to a tool server may take.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct McpTimeouts {
    /// TCP connect.
    pub connect: TimeSpan,
    /// TCP connect and TLS together.
    pub total_connect: TimeSpan,
    /// From the end of the request to the header of the response.
    pub first_byte: TimeSpan,
    /// Between two reads of the response: a stream of notifications may be silent for long.
    pub idle: TimeSpan,
    /// One write of the request.
    pub write: TimeSpan,
    /// The whole request, with the whole stream.
    pub total: TimeSpan,
}

impl Default for McpTimeouts {
    fn default() -> Self {
        McpTimeouts {
            connect: TimeSpan::secs(5),
            total_connect: TimeSpan::secs(8),
            first_byte: TimeSpan::secs(300),
            idle: TimeSpan::secs(3600),
            write: TimeSpan::secs(30),
            total: TimeSpan::secs(24 * 3600),
        }
    }
}
