//! Seals that clients cannot carry.

use super::Mean;
use crate::config::report::At;
use crate::config::{Custody, raw};

/// Most calls to remember.
const ENTRIES_MAX: u64 = 10_000_000;

/// Most memory for them, in bytes.
const BYTES_MAX: u64 = 16 << 30;

impl Mean<'_> {
    pub(super) fn custody(&mut self, at: &At<'_>, raw: &raw::Custody) -> Custody {
        Custody {
            enabled: raw.enabled,
            entries_max: self.number(at, "entries_max", raw.entries_max, (1, ENTRIES_MAX)),
            bytes_max: self.number(at, "bytes_max", raw.bytes_max.0, (1, BYTES_MAX)),
            ttl: self.positive(at, "ttl", raw.ttl),
            repair_retry: raw.repair_retry,
        }
    }
}
