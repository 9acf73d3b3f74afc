//! What the API says of accounts, and what it is told. The commands use the same types.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::view::{Standing, When};
use crate::vault::passphrase::Sealed;

/// A secret on its way into the vault. It is sent to the gateway, never back; nothing shows it.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = Password)]
pub(crate) struct Sensitive(Zeroizing<String>);

impl Sensitive {
    pub(crate) fn new(text: String) -> Self {
        Sensitive(Zeroizing::new(text))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(redacted)")
    }
}

/// What the provider allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requests_per_minute: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tokens_per_minute: Option<u64>,
}

/// `POST /api/accounts`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NewAccount {
    /// Letters, digits and `. _ - @ /`, at most 64.
    pub(crate) id: String,
    /// A provider that is known by name. Its upstreams are made if there are none of that address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    /// Of the provider, where it is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    /// Upstreams that are there, in the place of `provider`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) upstream: Vec<String>,
    /// The credential, for the vault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Sensitive>,
    /// In the place of `key`, where the gateway finds the credential: `${env:NAME}`, `${file:/path}`, `${vault:NAME}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) concurrency: Option<u64>,
    /// Only these, in the provider's words; `*` stands for anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) models: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limits: Option<Limits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) enabled: Option<bool>,
}

/// `PATCH /api/accounts/{id}`. What is left out stays; `null` gives back the default.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChangeAccount {
    /// Also of accounts of the file: then it is kept beside it until it is set to what the file says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) concurrency: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) models: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limits: Option<Limits>,
    /// Another credential, for the vault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Sensitive>,
}

/// An upstream of an account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccountUpstream {
    pub(crate) id: String,
    pub(crate) provider: Option<String>,
    pub(crate) dialect: String,
    /// Host, port and path.
    pub(crate) address: String,
}

/// `GET /api/accounts/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccountEntry {
    pub(crate) id: String,
    /// `file`, `environment` or `command`.
    pub(crate) origin: String,
    pub(crate) upstreams: Vec<AccountUpstream>,
    pub(crate) tier: String,
    pub(crate) concurrency: u32,
    /// `None`: all.
    pub(crate) models: Option<Vec<String>>,
    pub(crate) limits: Limits,
    pub(crate) enabled: bool,
    /// Whether a command says so, and the file the contrary or nothing.
    pub(crate) switched: bool,
    /// `vault`, `configuration`, `oauth` or `none`.
    pub(crate) credential: String,
    pub(crate) pinned: bool,
    /// What keeps it from requests, or does not. `None`: it is not in force.
    pub(crate) standing: Option<Standing>,
    /// Why it is not in force.
    pub(crate) fault: Option<String>,
    /// Of accounts that were added by a command.
    pub(crate) created: Option<When>,
    pub(crate) changed: Option<When>,
}

/// `GET /api/accounts`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccountEntries {
    pub(crate) accounts: Vec<AccountEntry>,
}

/// `DELETE /api/accounts/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Removed {
    pub(crate) account: String,
    /// Upstreams that went with it, since no other account opens them.
    pub(crate) upstreams: Vec<String>,
    /// Names of the secrets that went with it.
    pub(crate) secrets: Vec<String>,
}

/// What a look at one upstream of an account has shown.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Look {
    pub(crate) upstream: String,
    pub(crate) address: String,
    /// Whether anybody answers.
    pub(crate) reachable: bool,
    /// `accepted`, `refused` or `unknown`.
    pub(crate) credential: String,
    /// HTTP status of the answer.
    pub(crate) status: Option<u16>,
    /// Models that the provider lists for the account; at most 1000.
    pub(crate) models: Vec<String>,
    pub(crate) latency_ms: u64,
    pub(crate) said: String,
}

/// `POST /api/accounts/{id}/test`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Tested {
    pub(crate) account: String,
    /// Whether at least one upstream has accepted the credential, and none has refused it.
    pub(crate) works: bool,
    pub(crate) looks: Vec<Look>,
}

/// `POST /api/accounts/export`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WantExport {
    /// Seals the secrets under this passphrase. Without one they are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) passphrase: Option<Sensitive>,
}

/// Accounts that commands have added, with their upstreams.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    /// Version of this form: 1.
    pub(crate) interlingua_accounts: u32,
    /// Entries in the words of the configuration file.
    #[schema(value_type = Vec<Object>)]
    pub(crate) upstreams: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    pub(crate) accounts: Vec<Value>,
    /// Their secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secrets: Option<Sealed>,
}

/// `POST /api/accounts/import`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantImport {
    pub(crate) export: Export,
    /// Opens its secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) passphrase: Option<Sensitive>,
}

/// What an import has done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Imported {
    pub(crate) added: Vec<String>,
    /// There is an account of that id already; it was left as it is.
    pub(crate) there: Vec<String>,
    /// Left out: their secret is neither in the import nor in the vault.
    pub(crate) without_secret: Vec<String>,
}

/// `GET` and `PUT /api/pinned-account`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pinned {
    /// The account that all requests prefer; `None`: none is pinned.
    pub(crate) account: Option<String>,
    /// Whether a command has pinned it, and not the configuration.
    #[serde(default)]
    pub(crate) by_command: bool,
}
