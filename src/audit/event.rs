//! What is noted.

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// Bytes of a hash that are shown: two of a million accounts share one with a chance of 1 in 30 million.
const HASH_BYTES: usize = 8;

/// An account, as a hash of its id: the first 16 hexadecimal digits of the SHA-256 of `interlingua account ` and the id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Hashed(String);

impl Hashed {
    /// Of the account with this id.
    pub fn account(id: &str) -> Self {
        let digest = Sha256::new().chain_update("interlingua account ").chain_update(id).finalize();
        Hashed(beginning(&digest, HASH_BYTES))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Hashed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The first bytes of a digest, in hexadecimal digits.
pub(crate) fn beginning(digest: &[u8], bytes: usize) -> String {
    digest.iter().take(bytes).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What happened to an entry of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Added,
    /// It says something else.
    Changed,
    /// It is gone.
    Removed,
}

/// One event. `account` is always a hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A call of the operator's API that may change something.
    AdminCall {
        /// The HTTP method.
        method: String,
        /// The path as the API describes it, with names in the place of values.
        path: String,
        /// The HTTP status of the answer.
        status: u16,
        /// The beginning of the SHA-256 of the admin key; `None`: no key was asked for, or it was refused.
        caller: Option<String>,
        /// Where the call came from.
        address: Option<String>,
        /// The account that the path or the query names.
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<Hashed>,
        /// The client that the path names.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<String>,
    },
    /// The configuration was read again.
    Reload {
        /// Whether it was put in force.
        applied: bool,
    },
    /// An account came, went, or changed in the configuration.
    Account {
        /// Which.
        account: Hashed,
        /// How.
        change: Change,
    },
    /// The same of a client.
    Client {
        /// Which.
        client: String,
        /// How.
        change: Change,
    },
    /// A breaker.
    Breaker {
        /// Whose.
        account: Hashed,
        /// `open`, `half_open` or `closed`.
        state: String,
        /// Failures in a row.
        failures: u32,
    },
    /// Safe mode was entered or left.
    SafeMode {
        /// `*` or an upstream.
        scope: String,
        /// Whether it is on now.
        active: bool,
        /// The reason of the last failure, `recovered`, or `manual`.
        why: String,
    },
    /// An access token was fetched, or could not be.
    Refresh {
        /// Whose.
        account: Hashed,
        /// Whether it was.
        ok: bool,
        /// Why not.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Somebody logged in to a provider for an account.
    Login {
        /// Which.
        account: Hashed,
        /// Whether it worked.
        ok: bool,
        /// Why not.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The process began.
    Start {
        /// The program's version.
        version: String,
    },
    /// Events that were lost, since the disk was too slow.
    Lost {
        /// How many.
        events: u64,
    },
}
