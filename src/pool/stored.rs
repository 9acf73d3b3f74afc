//! What is learned of the accounts, as the store keeps it. Members that are not known are left out, missing ones have
//! their defaults, so that an older or newer file can be read.

use serde::{Deserialize, Serialize};

/// All that is learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredPool {
    /// Accounts with something to be kept.
    pub accounts: Vec<StoredAccount>,
}

/// What is learned of one account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredAccount {
    /// The account.
    pub id: String,
}
