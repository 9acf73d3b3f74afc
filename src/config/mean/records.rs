//! The request log, sums of usage, and the audit log.

use std::path::PathBuf;

use super::Mean;
use crate::config::report::At;
use crate::config::{Audit, Records, State, raw};

/// Longest part of a body that is kept, in bytes.
const BODY_BYTES_MAX: u64 = 512 << 10;
/// Sizes of the file, in bytes.
const FILE_BYTES: (u64, u64) = (1 << 20, 1 << 40);
/// Entries that wait for the disk.
const QUEUE_ENTRIES: (u64, u64) = (16, 1_000_000);
/// Memory for them, in bytes.
const QUEUE_BYTES: (u64, u64) = (1 << 20, 16 << 30);

impl Mean<'_> {
    pub(super) fn records(&mut self, at: &At<'_>, raw: &raw::Records, state: &State) -> Records {
        let file = self.beside(&at.key("file"), raw.file.as_deref(), state, "records.db");
        Records {
            file: file.filter(|_| raw.enabled),
            bodies: raw.bodies,
            body_bytes_max: self.number(at, "body_bytes_max", raw.body_bytes_max.0, (1, BODY_BYTES_MAX)),
            keep: self.positive(at, "keep", raw.keep),
            bytes_max: self.number(at, "bytes_max", raw.bytes_max.0, FILE_BYTES),
            queue_entries_max: self.number(at, "queue_entries_max", raw.queue_entries_max, QUEUE_ENTRIES),
            queue_bytes_max: self.number(at, "queue_bytes_max", raw.queue_bytes_max.0, QUEUE_BYTES),
        }
    }

    pub(super) fn audit(&mut self, at: &At<'_>, raw: &raw::Audit, state: &State) -> Audit {
        let folder = self.beside(&at.key("folder"), raw.folder.as_deref(), state, "audit");
        Audit { folder: folder.filter(|_| raw.enabled), keep: self.positive(at, "keep", raw.keep) }
    }

    /// A path as written, or `name` beside the state file.
    fn beside(&mut self, at: &At<'_>, text: Option<&str>, state: &State, name: &str) -> Option<PathBuf> {
        match text {
            Some(text) => self.expand(at, text).map(|text| self.sources.folder.join(text)),
            None => Some(state.file.as_deref()?.parent()?.join(name)),
        }
    }
}
