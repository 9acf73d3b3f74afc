//! The key `custody`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{ByteSize, TimeSpan};

/// Seals of reasoning that a client cannot carry (thinking signatures, thought signatures, encrypted reasoning) are kept
/// by the ids of tool calls and given back to the provider that issued them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Custody {
    /// Switch.
    pub enabled: bool,
    /// Most calls to remember, 1 to 10 million; the least recently used goes first.
    pub entries_max: u64,
    /// Most memory for what is remembered, up to 16GiB; the least recently used goes first.
    pub bytes_max: ByteSize,
    /// A call is forgotten when its conversation was not heard of for this long.
    pub ttl: TimeSpan,
    /// When a provider refuses a seal: ask the same account once more without any. Not with `server.strict`.
    pub repair_retry: bool,
}

impl Default for Custody {
    fn default() -> Self {
        Custody {
            enabled: true,
            entries_max: 10_000,
            bytes_max: ByteSize(64 << 20),
            ttl: TimeSpan::secs(24 * 3600),
            repair_retry: true,
        }
    }
}
