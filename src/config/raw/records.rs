//! The keys `records` and `audit`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::records::BodyRule;
use crate::config::units::{ByteSize, TimeSpan};

/// The request log, and what is used by whom. Never waited for: if the disk is too slow, entries of the log are dropped and
/// counted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Records {
    /// Switch.
    pub enabled: bool,
    /// The file. A relative path starts at the folder of this file. Default: records.db beside state.file; none without one.
    pub file: Option<String>,
    /// Of which requests the bodies are kept, as the client sent and saw them, without what looks like a credential: none,
    /// errors, or all.
    #[schemars(schema_with = "bodies_schema")]
    pub bodies: BodyRule,
    /// Longest part of a body that is kept, up to 512KiB.
    pub body_bytes_max: ByteSize,
    /// Entries of the log are removed when they are this old. Sums of usage are kept for 400 days.
    pub keep: TimeSpan,
    /// Largest file, 1MiB to 1TiB; the oldest entries of the log are removed first.
    pub bytes_max: ByteSize,
    /// Most entries that wait for the disk, 16 to 1 million; what comes beyond is dropped.
    pub queue_entries_max: u64,
    /// Most memory for them, 1MiB to 16GiB.
    pub queue_bytes_max: ByteSize,
}

impl Default for Records {
    fn default() -> Self {
        Records {
            enabled: true,
            file: None,
            bodies: BodyRule::None,
            body_bytes_max: ByteSize(512 << 10),
            keep: TimeSpan::secs(30 * 86_400),
            bytes_max: ByteSize(1 << 30),
            queue_entries_max: 10_000,
            queue_bytes_max: ByteSize(64 << 20),
        }
    }
}

/// The audit log: who changed what, logins, breakers, safe mode. One file of JSON lines a day.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// Switch.
    pub enabled: bool,
    /// The folder. A relative path starts at the folder of this file. Default: audit beside state.file; none without one.
    pub folder: Option<String>,
    /// Files are removed when they are this old.
    pub keep: TimeSpan,
}

impl Default for Audit {
    fn default() -> Self {
        Audit { enabled: true, folder: None, keep: TimeSpan::secs(90 * 86_400) }
    }
}

fn bodies_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["none", "errors", "all"], "default": "none" })
}
