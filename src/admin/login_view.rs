//! What the API is told of a login.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts_view::Sensitive;

/// `POST /api/accounts/{id}/login`: what a browser has brought, and whom the code was asked for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    /// For a new account: a provider that is known by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    /// Of the provider, where it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    /// For a new account: upstreams that are there, in the place of `provider`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) upstream: Vec<String>,
    /// Id of the operator's own OAuth client.
    pub(crate) client_id: String,
    /// Its secret, if it has one; for the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<Sensitive>,
    /// Where the code is exchanged, and later access tokens are given out.
    pub(crate) token_url: String,
    /// Where the browser was sent back to.
    pub(crate) redirect_uri: String,
    /// What it brought.
    pub(crate) code: Sensitive,
    /// What the code was asked for with (RFC 7636).
    pub(crate) verifier: Sensitive,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) concurrency: Option<u64>,
}
