//! What the API says of secrets: never a value.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts_view::Sensitive;
use super::view::When;

/// A secret of the vault.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SecretName {
    pub(crate) name: String,
    /// Id of the key that it is sealed under.
    pub(crate) key_id: String,
    pub(crate) changed: When,
}

/// `GET /api/vault/secrets`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Secrets {
    /// Where the key comes from.
    pub(crate) key: String,
    pub(crate) secrets: Vec<SecretName>,
}

/// `PUT /api/vault/secrets`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetSecret {
    /// As in `${vault:NAME}`.
    pub(crate) name: String,
    pub(crate) value: Sensitive,
}

/// What `DELETE` and `PUT /api/vault/secrets` have changed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangedSecret {
    pub(crate) name: String,
}

/// `POST /api/vault/rotate`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WantRotation {
    /// Base64 of 32 bytes; needed where the gateway cannot write its key itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) new_key: Option<Sensitive>,
}

/// What a rotation has done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Rotation {
    /// How many secrets were sealed anew.
    pub(crate) secrets: usize,
    /// Id of the key that seals now.
    pub(crate) key_id: String,
    /// Where the key comes from.
    pub(crate) key: String,
    /// Whether the new key must be put there, in the place of the old one, before the next start.
    pub(crate) to_be_placed: bool,
}
