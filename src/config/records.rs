//! The request log, sums of usage, and the audit log, as meant.

use std::path::PathBuf;
use std::time::Duration;

/// Of which requests the bodies are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyRule {
    /// Of none.
    #[default]
    None,
    /// Of those that failed.
    Errors,
    /// Of all.
    All,
}

/// The request log and sums of usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// The file; `None`: nothing is kept. Its folder need not exist. A change needs a restart.
    pub file: Option<PathBuf>,
    /// Of which requests the bodies are kept.
    pub bodies: BodyRule,
    /// Longest part of a body that is kept, in bytes. At most 512 KiB.
    pub body_bytes_max: usize,
    /// How long entries of the log are kept.
    pub keep: Duration,
    /// Largest file, in bytes. At least 1 MiB.
    pub bytes_max: u64,
    /// Most entries that wait for the disk. At least 16.
    pub queue_entries_max: usize,
    /// Most memory for them, in bytes. At least 1 MiB.
    pub queue_bytes_max: usize,
}

impl Records {
    /// Bytes of a body that may be kept; 0: none.
    pub fn kept_bytes(&self) -> usize {
        let keeps = self.file.is_some() && self.bodies != BodyRule::None;
        if keeps { self.body_bytes_max } else { 0 }
    }
}

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The folder; `None`: nothing is kept. It need not exist. A change needs a restart.
    pub folder: Option<PathBuf>,
    /// How long its files are kept.
    pub keep: Duration,
}
