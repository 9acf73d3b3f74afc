//! The handle that everybody has: what was found at the start, and what is to be written.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::file::{Entry, File, OpenError, Row};
use super::{Change, Kind, Record};
use crate::proxy::now;

/// Records that wait to be written, at most. It is reached only while the file cannot be written; what comes then is
/// forgotten, and the next change of the same record is kept again.
const PENDING_MAX: usize = 262_144;

/// The memory that outlives the process. Clones are handles of the same.
#[derive(Clone, Debug)]
pub struct Durable {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// `None`: nothing is kept.
    pub(super) path: Option<PathBuf>,
    /// What was found at the start and nobody has asked for yet.
    found: Mutex<HashMap<Kind, Vec<Record>>>,
    pub(super) pending: Mutex<Pending>,
    /// Wakes the writer.
    pub(super) wake: Condvar,
    /// What is wrong with the file now, and what to do.
    pub(super) trouble: Mutex<Option<String>>,
    /// The open file, until the writer takes it over.
    pub(super) file: Mutex<Option<File>>,
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) entries: HashMap<Entry, Row>,
    /// The last stamp that was given.
    stamp: u64,
    /// The gateway ends: write what there is, and end.
    pub(super) ending: bool,
}

impl Durable {
    /// Keeps nothing.
    pub fn none() -> Self {
        Durable::with(None, Ok(None), HashMap::new())
    }

    /// Opens the file and reads it; `None` keeps nothing. It takes as long as the disk does, so it is for the start.
    ///
    /// It never fails: what is wrong is logged. A file that is damaged or not ours is set aside; one that cannot be
    /// opened is tried again later by the [`Writer`].
    pub fn open(path: Option<&Path>) -> Self {
        let Some(path) = path else { return Durable::none() };
        let began = Instant::now();
        let (file, found) = match open_and_read(path) {
            Ok((file, found)) => (Ok(Some(file)), found),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "nothing is kept through a restart for now: the gateway starts with nothing known of its accounts");
                (Err(error.to_string()), HashMap::new())
            }
        };
        let records: usize = found.values().map(Vec::len).sum();
        let took = took_ms(began.elapsed());
        tracing::info!(file = %path.display(), records, took_ms = took, "state read");
        Durable::with(Some(path.to_owned()), file, found)
    }

    fn with(path: Option<PathBuf>, file: Result<Option<File>, String>, found: HashMap<Kind, Vec<Record>>) -> Self {
        let (file, trouble) = file.map_or_else(|trouble| (None, Some(trouble)), |file| (file, None));
        let shared = Shared {
            path,
            found: Mutex::new(found),
            pending: Mutex::default(),
            wake: Condvar::new(),
            trouble: Mutex::new(trouble),
            file: Mutex::new(file),
        };
        Durable { shared: Arc::new(shared) }
    }

    /// Why what is learned cannot be written now, and what to do. `None`: it can, or is not to be.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().clone()
    }

    /// Whether anything is kept.
    pub fn is_on(&self) -> bool {
        self.shared.path.is_some()
    }

    /// What was found of a kind at the start. It is given once: a second call finds nothing.
    pub fn take(&self, kind: Kind) -> Vec<Record> {
        self.shared.found.lock().remove(&kind).unwrap_or_default()
    }

    /// As [`Self::take`], read as JSON. What cannot be read, as it may be after an upgrade or by another hand, is left
    /// out.
    pub fn take_json<T: DeserializeOwned>(&self, kind: Kind) -> Vec<(String, T)> {
        let read = |record: Record| Some((record.key, serde_json::from_str(&record.value).ok()?));
        self.take(kind).into_iter().filter_map(read).collect()
    }

    /// Keeps a value as JSON, in the place of the one before, for `keep_ms` milliseconds. Quick: it is written later.
    pub fn put(&self, kind: Kind, key: &str, value: &impl Serialize, keep_ms: u64) {
        // A value of ours that is no JSON would be a mistake in its type; it is not kept then.
        let Ok(value) = serde_json::to_string(value) else { return };
        self.change([Change { kind, key: key.to_owned(), value: Some(value), keep_ms }]);
    }

    /// Forgets a value.
    pub fn remove(&self, kind: Kind, key: &str) {
        self.change([Change { kind, key: key.to_owned(), value: None, keep_ms: 0 }]);
    }

    /// Notes changes to be written, all with one stamp.
    pub(super) fn change(&self, changes: impl IntoIterator<Item = Change>) {
        if !self.is_on() {
            return;
        }
        let mut pending = self.shared.pending.lock();
        pending.stamp = pending.stamp.max(now().0);
        let changed = pending.stamp;
        for change in changes {
            let (entry, row) = Row::of(change, changed);
            if pending.entries.len() < PENDING_MAX || pending.entries.contains_key(&entry) {
                pending.entries.insert(entry, row);
            }
        }
    }
}

fn open_and_read(path: &Path) -> Result<(File, HashMap<Kind, Vec<Record>>), OpenError> {
    match File::open(path).and_then(|file| file.read(now().0).map(|found| (file, found))) {
        Err(OpenError::NotOurs(why)) => {
            let aside = File::set_aside(path, now().0)?;
            tracing::error!(file = %path.display(), aside = %aside.display(), why, "the state file is not usable; it was set aside, and the gateway starts with nothing known of its accounts");
            File::open(path).map(|file| (file, HashMap::new()))
        }
        other => other,
    }
}

fn took_ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
