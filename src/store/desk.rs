//! What the operator enters by commands, in the same file: entries beside the configuration, sealed secrets, model mappings.
//!
//! Unlike what is learned, it is written before the command is answered, and it is never set aside in silence. Calls wait
//! for the disk: [`Desk::run`] does so on a thread for that, [`Desk::run_now`] is for the start and for threads that may wait.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior};

use super::file::{File, OpenError};
use crate::config::{Addition, EntryKind};
use crate::mapping::{self, Replica};
use crate::proxy::now;

/// Most entries that are kept: a hundred times what the gateway is made for.
const ENTRIES_MAX: usize = 100_000;

/// Why the file did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// There is no file.
    #[error("nothing is kept: `state.enabled` is false, or there is no folder for `state.file`")]
    Off,
    /// It cannot be opened.
    #[error("the state file {0} cannot be used: {1}")]
    Unusable(PathBuf, String),
    /// SQLite says no.
    #[error("the state file cannot be read or written: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// There are too many entries.
    #[error("there are {ENTRIES_MAX} entries already; remove some first")]
    Full,
    /// The thread that waits for the disk broke off.
    #[error("the work on the state file broke off")]
    BrokenOff,
}

/// The state file as the operator's commands use it. Clones are handles of the same.
#[derive(Clone, Debug)]
pub struct Desk {
    path: Option<Arc<Path>>,
    /// Opened when it is first needed, and again after it could not be or is another.
    file: Arc<Mutex<Option<File>>>,
}

/// An entry with its times, in milliseconds of the epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it is and says.
    pub addition: Addition,
    /// When it was made.
    pub created: u64,
    /// When it was last changed.
    pub changed: u64,
}

impl Desk {
    /// For the file at `path`; `None` keeps nothing. The file is opened, and made, when it is first needed.
    pub fn new(path: Option<&Path>) -> Self {
        Desk { path: path.map(Arc::from), file: Arc::default() }
    }

    /// Whether anything can be kept.
    pub fn is_on(&self) -> bool {
        self.path.is_some()
    }

    /// The file.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Works on the file, on a thread that may wait.
    ///
    /// # Errors
    /// What `work` says, and that there is no file or it cannot be opened.
    pub async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DeskError> + Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let desk = self.clone();
        match tokio::task::spawn_blocking(move || desk.run_now(work)).await {
            Ok(done) => done,
            Err(_) => Err(DeskError::BrokenOff.into()),
        }
    }

    /// Works on the file, and waits for it.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_now<T, E: From<DeskError>>(&self, work: impl FnOnce(&mut Connection) -> Result<T, E>) -> Result<T, E> {
        let path = self.path.as_deref().ok_or(DeskError::Off)?;
        let mut held = self.file.lock();
        if held.as_ref().is_some_and(|file| !file.is_at(path)) {
            *held = None;
        }
        if held.is_none() {
            let unusable = |error: OpenError| DeskError::Unusable(path.to_owned(), error.to_string());
            let file = File::open(path).map_err(unusable)?;
            file.waits().map_err(DeskError::from)?;
            *held = Some(file);
        }
        match held.as_mut() {
            Some(file) => work(file.connection()),
            None => Err(DeskError::BrokenOff.into()),
        }
    }

    /// As [`Self::run`], all or nothing: what `work` writes stays only if it ends well.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn change<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DeskError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        self.run(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
            let transaction = transaction.map_err(DeskError::from)?;
            let done = work(&transaction)?;
            transaction.commit().map_err(DeskError::from)?;
            Ok(done)
        })
        .await
    }
}

/// All entries, in the order in which they were made.
///
/// # Errors
/// If the file cannot be read.
pub fn entries(connection: &Connection) -> Result<Vec<Entry>, DeskError> {
    let select = "SELECT kind, id, body, created, changed FROM entry ORDER BY created, kind, id LIMIT ?1";
    let mut select = connection.prepare(select)?;
    let mut rows = select.query([i64::try_from(ENTRIES_MAX).unwrap_or(i64::MAX)])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let (kind, body): (String, String) = (row.get(0)?, row.get(2)?);
        // What a newer version has added is not ours to read.
        let (Some(kind), Ok(body)) = (EntryKind::parse(&kind), serde_json::from_str(&body)) else { continue };
        let moment = |at: i64| u64::try_from(at).unwrap_or(0);
        all.push(Entry {
            addition: Addition { kind, id: row.get(1)?, body },
            created: moment(row.get(3)?),
            changed: moment(row.get(4)?),
        });
    }
    Ok(all)
}

/// Writes an entry, in the place of the one before.
///
/// # Errors
/// If the file cannot be written, or is full.
pub fn put_entry(connection: &Connection, entry: &Addition) -> Result<(), DeskError> {
    let count: i64 = connection.query_row("SELECT count(*) FROM entry", [], |row| row.get(0))?;
    if usize::try_from(count).is_ok_and(|count| count >= ENTRIES_MAX) {
        return Err(DeskError::Full);
    }
    let now = i64::try_from(now().0).unwrap_or(i64::MAX);
    connection.execute(
        "INSERT INTO entry (kind, id, body, created, changed) VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, changed = excluded.changed",
        (entry.kind.name(), &entry.id, entry.body.to_string(), now),
    )?;
    Ok(())
}

/// Removes an entry. `false` if there is none.
///
/// # Errors
/// If the file cannot be written.
pub fn remove_entry(connection: &Connection, kind: EntryKind, id: &str) -> Result<bool, DeskError> {
    Ok(connection.execute("DELETE FROM entry WHERE kind = ?1 AND id = ?2", (kind.name(), id))? > 0)
}

/// The names of models that stand for others, with what another gateway was seen to have of them.
///
/// # Errors
/// If the file cannot be read.
pub fn replica(connection: &Connection) -> Result<Replica, DeskError> {
    let mut select = connection.prepare("SELECT model, target, updated_at, deleted, common FROM mapping")?;
    let mut rows = select.query([])?;
    let mut replica = Replica::default();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let updated_at = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        if let Some(common) = row.get::<_, Option<i64>>(4)? {
            replica.common.insert(name.clone(), u64::try_from(common).unwrap_or(0));
        }
        replica.mappings.entries.insert(name, mapping::Entry { updated_at, target: row.get(1)?, deleted: row.get(3)? });
    }
    Ok(replica)
}

/// Writes all names that stand for others, in the place of those before.
///
/// # Errors
/// If the file cannot be written.
pub fn put_replica(connection: &Connection, replica: &Replica) -> Result<(), DeskError> {
    connection.execute("DELETE FROM mapping", [])?;
    let insert = "INSERT INTO mapping (model, target, updated_at, deleted, common) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = connection.prepare(insert)?;
    let signed = |moment: u64| i64::try_from(moment).unwrap_or(i64::MAX);
    for (name, entry) in &replica.mappings.entries {
        let common = replica.common.get(name).copied().map(signed);
        insert.execute((name, &entry.target, signed(entry.updated_at), entry.deleted, common))?;
    }
    Ok(())
}
