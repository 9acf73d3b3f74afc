//! Accounts as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AccountLimits;
use crate::config::units::{OneOrMany, SecretText};

/// One of your accounts at a provider.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
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
    /// The credential: `${env:NAME}`, `${file:/path}`, `${vault:NAME}` or literally. Left out with `oauth`, and if the
    /// upstream has `auth: none`.
    pub credential: Option<SecretText>,
    /// Access tokens are fetched with a refresh token, in the place of `credential`. Default: none.
    pub oauth: Option<OAuth>,
    /// Access tokens are fetched with the JSON key of a Google service account, in the place of `credential`: the key
    /// itself, mostly as `${file:/path}`. Default: none.
    pub service_account: Option<SecretText>,
    /// Headers for every request with this account, beside those of the upstream, which they outrank. They are sent and
    /// never shown. Default: none.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretText>,
    /// vertex and code_assist: the Google Cloud project of this account. Default: that of the upstream; code_assist finds
    /// it out, and a service account has its own.
    pub project: Option<String>,
    /// The proxy through which this account reaches its provider, its token endpoint among it: `http://user:password@host:port`
    /// (CONNECT), `socks5://` (names are looked up here) or `socks5h://` (there). If it cannot be used, the account fails;
    /// it never goes directly. Default: that of the upstream.
    pub proxy: Option<SecretText>,
    /// One of `tiers`. Default: the last.
    pub tier: Option<String>,
    /// Most requests at a time. Default: 3.
    pub concurrency: Option<u64>,
    /// What the provider allows the account, where you know it.
    #[serde(default)]
    pub limits: AccountLimits,
    /// Whether the account takes part. Default: true.
    pub enabled: Option<bool>,
    /// Only these models, in the provider's words; `*` stands for anything. Default: all.
    pub models: Option<OneOrMany<String>>,
}

/// A refresh token and whom it was given to. Access tokens are fetched with it when they are needed. Where the provider
/// gives another refresh token with them, that one is kept in the vault, and counts until another one stands here.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["client_id", "refresh_token"]))]
pub struct OAuth {
    /// Id of your OAuth client: the program that the owner of the account has let in.
    pub client_id: Option<SecretText>,
    /// Its secret, if it has one. Default: none.
    pub client_secret: Option<SecretText>,
    /// The refresh token.
    pub refresh_token: Option<SecretText>,
    /// Where access tokens are given out, `https`. Default: https://oauth2.googleapis.com/token.
    pub token_url: Option<String>,
}
