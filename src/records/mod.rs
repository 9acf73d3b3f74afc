//! The request log, and the ledger of who has used what.
//!
//! - **Never in the way.** When a request has ended, its entry is put into a bounded queue, under one short lock. A thread
//!   of its own writes what waits, in batches. If the disk is too slow, or the file cannot be written, the queue fills, and
//!   what comes beyond is dropped and counted: no request waits or fails for its entry.
//! - **A file of its own** beside the state: a busy log neither bloats nor locks the file that the operator's commands
//!   write. SQLite with a write-ahead log: a kill leaves a readable file that lacks the last moments at most.
//! - **The ledger outlives the log.** Sums by hour, client, model, upstream and account are made in memory, so they are
//!   whole even where entries of the log were dropped, and are kept for [`USAGE_KEPT`]; hours become days after
//!   [`HOURS_KEPT`]. Every attempt that used tokens is in it, whether or not its answer reached a client.
//! - **Secrets.** Headers and query strings are not kept at all. Bodies are kept only if the operator says so, without
//!   what looks like a credential ([`redact`]).

mod entry;
mod file;
mod ledger;
mod queue;
mod read;
pub mod redact;
mod sums;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

pub use entry::{Body, Entry, Record, Tokens, Tried};
pub use file::{HOURS_KEPT, USAGE_KEPT};
pub use ledger::{Key, OTHER, Sums, WARM_UP};
pub use read::{Cursor, Filter, Kept, KeptBody, ReadError, Reader, StatusRule};
pub use sums::{Grouping, SUMS_MAX, Sum, SumFilter};

use crate::config;
use crate::telemetry::metrics::Metrics;
use queue::Queue;

/// Longest time that the end of the process waits for the disk.
const END_WAIT: Duration = Duration::from_secs(3);

/// What can change while the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rules {
    keep: Duration,
    bytes_max: u64,
}

impl Rules {
    fn of(config: &config::Records) -> Self {
        Rules { keep: config.keep, bytes_max: config.bytes_max }
    }
}

/// What the handles and the writing thread share.
struct Shared {
    path: PathBuf,
    queue: Queue,
    rules: Mutex<Rules>,
    /// The number of the last entry that is in the file.
    last: watch::Sender<i64>,
    metrics: Metrics,
}

/// The log and the ledger. Clones are handles of the same.
#[derive(Clone)]
pub struct Records {
    shared: Option<Arc<Shared>>,
    ended: Arc<Mutex<Option<Receiver<()>>>>,
}

impl Records {
    /// Starts the thread, if anything is to be kept. The file is opened there: a slow disk does not keep the gateway from
    /// its start.
    pub fn start(config: &config::Records, metrics: &Metrics) -> Self {
        let off = Records { shared: None, ended: Arc::default() };
        let Some(path) = config.file.clone() else { return off };
        let shared = Arc::new(Shared {
            path,
            queue: Queue::new(config.queue_entries_max, config.queue_bytes_max),
            rules: Mutex::new(Rules::of(config)),
            last: watch::Sender::new(0),
            metrics: metrics.clone(),
        });
        match writer::start(Arc::clone(&shared)) {
            Ok(ended) => Records { shared: Some(shared), ended: Arc::new(Mutex::new(Some(ended))) },
            Err(error) => {
                tracing::error!(%error, "there is no thread for the request log; nothing is logged");
                off
            }
        }
    }

    /// Whether anything is kept.
    pub fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// The file.
    pub fn path(&self) -> Option<&Path> {
        self.shared.as_deref().map(|shared| shared.path.as_path())
    }

    /// Takes over what can change while the process runs.
    pub fn configure(&self, config: &config::Records) {
        if let Some(shared) = &self.shared {
            *shared.rules.lock() = Rules::of(config);
        }
    }

    /// Notes a request that has ended, and what it used. Never waits for the disk.
    pub fn put(&self, record: Record) {
        let Some(shared) = &self.shared else { return };
        let usage = ledger::of(&record.entry);
        if shared.queue.put(record, usage) {
            shared.metrics.records.with_label_values(&["dropped"]).inc();
        }
    }

    /// Notes what was used without a request that ends: by the second of a hedged request that was too late, or by a
    /// warm-up.
    pub fn used(&self, entry: &Entry) {
        if let Some(shared) = &self.shared {
            let mut usage = ledger::of(entry);
            for (_, sums) in &mut usage {
                (sums.requests, sums.errors) = (0, 0);
            }
            shared.queue.add(usage);
        }
    }

    /// Reads what is kept; `None` if nothing is.
    pub fn reader(&self) -> Option<Reader> {
        self.shared.as_ref().map(|shared| Reader::new(Arc::clone(shared)))
    }

    /// Entries that were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.metrics.records.with_label_values(&["dropped"]).get())
    }

    /// Writes what waits, and closes the file. Waits for it, but not for ever. A second call does nothing.
    pub fn finish(&self) {
        let Some(shared) = &self.shared else { return };
        let mut ended = self.ended.lock();
        let Some(ended) = ended.take() else { return };
        shared.queue.end();
        if ended.recv_timeout(END_WAIT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the request log was not written to the end: the disk is too slow");
        }
    }
}
