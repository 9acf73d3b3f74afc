//! What waits for the disk, within bounds.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::entry::Record;
use super::ledger::{Key, Ledger, Sums};

/// How often what waits is written.
const WRITE_EVERY: Duration = Duration::from_millis(250);
/// Or as soon as so many entries wait.
const BATCH: usize = 500;
/// Entries of one transaction, at most.
const BATCH_MAX: usize = 1_000;
/// Bytes of one transaction, at most, but for its last entry.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// How often it is said that entries are dropped.
const WARN_EVERY: Duration = Duration::from_mins(1);
/// What an entry weighs beside its bodies: about what its texts take.
const ENTRY_BYTES: usize = 1024;

/// See the module.
pub(super) struct Queue {
    entries_max: usize,
    bytes_max: usize,
    pending: Mutex<Pending>,
    wake: Condvar,
}

#[derive(Default)]
struct Pending {
    records: VecDeque<Record>,
    ledger: Ledger,
    /// Of `records`, and of those that are being written.
    entries: usize,
    bytes: usize,
    /// Entries that were ever put in, and those of them that are written or given up.
    accepted: u64,
    settled: u64,
    ending: bool,
    /// Dropped since it was last said, and when that was.
    dropped: u64,
    warned: Option<Instant>,
}

/// What is written in one transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) usage: HashMap<Key, Sums>,
    bytes: usize,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.usage.is_empty()
    }
}

impl Queue {
    pub(super) fn new(entries_max: usize, bytes_max: usize) -> Self {
        Queue { entries_max, bytes_max, pending: Mutex::default(), wake: Condvar::new() }
    }

    /// Puts an entry in, unless there is no room; what was used counts in any case. `true` if it was dropped.
    pub(super) fn put(&self, record: Record, usage: Vec<(Key, Sums)>) -> bool {
        let bytes = weight(&record);
        let (is_dropped, told) = {
            let mut pending = self.pending.lock();
            pending.ledger.add(usage);
            let has_room = pending.entries < self.entries_max && pending.bytes.saturating_add(bytes) <= self.bytes_max;
            if has_room {
                pending.entries += 1;
                pending.accepted += 1;
                pending.bytes += bytes;
                pending.records.push_back(record);
                if pending.records.len() == BATCH {
                    self.wake.notify_one();
                }
                (false, None)
            } else {
                pending.dropped += 1;
                (true, pending.tells())
            }
        };
        if let Some(dropped) = told {
            tracing::warn!(
                dropped,
                "entries of the request log are dropped: the disk is too slow, or cannot be written"
            );
        }
        is_dropped
    }

    /// Adds to the ledger alone.
    pub(super) fn add(&self, usage: Vec<(Key, Sums)>) {
        self.pending.lock().ledger.add(usage);
    }

    /// From now on nothing is waited for.
    pub(super) fn end(&self) {
        self.pending.lock().ending = true;
        self.wake.notify_all();
    }

    /// Waits until it is time to write; gives whether the process ends.
    pub(super) fn wait(&self) -> bool {
        let mut pending = self.pending.lock();
        if !pending.ending && pending.records.len() < BATCH {
            self.wake.wait_for(&mut pending, WRITE_EVERY);
        }
        pending.ending
    }

    /// Sleeps, unless the process ends; gives whether it does.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut pending = self.pending.lock();
        while !pending.ending && Instant::now() < until {
            self.wake.wait_until(&mut pending, until);
        }
        pending.ending
    }

    /// Takes what is written next. It counts as waiting until [`Self::done`].
    pub(super) fn take(&self) -> Batch {
        let mut pending = self.pending.lock();
        let mut batch = Batch { usage: pending.ledger.take(), ..Batch::default() };
        while batch.records.len() < BATCH_MAX && batch.bytes < BATCH_BYTES_MAX {
            let Some(record) = pending.records.pop_front() else { break };
            batch.bytes += weight(&record);
            batch.records.push(record);
        }
        batch
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        let pending = self.pending.lock();
        pending.records.is_empty() && pending.ledger.is_empty()
    }

    /// A batch is written, or given up.
    pub(super) fn done(&self, batch: &Batch) {
        let mut pending = self.pending.lock();
        pending.entries = pending.entries.saturating_sub(batch.records.len());
        pending.bytes = pending.bytes.saturating_sub(batch.bytes);
        pending.settled += batch.records.len() as u64;
    }

    /// Entries that were ever put in.
    pub(super) fn accepted(&self) -> u64 {
        self.pending.lock().accepted
    }

    /// Whether the first `count` of them wait no more.
    pub(super) fn is_settled(&self, count: u64) -> bool {
        self.pending.lock().settled >= count
    }
}

impl Pending {
    /// How many to tell of, if it is time.
    fn tells(&mut self) -> Option<u64> {
        let now = Instant::now();
        if self.warned.is_some_and(|at| now.duration_since(at) < WARN_EVERY) {
            return None;
        }
        self.warned = Some(now);
        Some(std::mem::take(&mut self.dropped))
    }
}

fn weight(record: &Record) -> usize {
    let bodies = [&record.request, &record.answer].into_iter().flatten().map(|body| body.bytes.len());
    ENTRY_BYTES + record.entry.attempts.len() * 256 + bodies.sum::<usize>()
}
