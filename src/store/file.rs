//! The SQLite file.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use super::{Change, Kind, Record};

/// Marks a SQLite file as ours: "ILGA" in ASCII.
const APPLICATION_ID: i64 = 0x494C_4741;
/// Steps of the schema, never changed once released. The last one is the version of a file.
const STEPS: &[M<'_>] = &[
    M::up(
        "CREATE TABLE record (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT,
        changed INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT, WITHOUT ROWID;
    PRAGMA application_id = 1229735745;",
    ),
    // What commands enter. A mapping that was removed stays as `deleted` until nobody can bring it back.
    M::up(
        "CREATE TABLE entry (
            kind TEXT NOT NULL,
            id TEXT NOT NULL,
            body TEXT NOT NULL,
            created INTEGER NOT NULL,
            changed INTEGER NOT NULL,
            PRIMARY KEY (kind, id)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE secret (
            name TEXT NOT NULL PRIMARY KEY,
            key_id TEXT NOT NULL,
            sealed BLOB NOT NULL,
            changed INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE mapping (
            model TEXT NOT NULL PRIMARY KEY,
            target TEXT NOT NULL,
            updated_at INTEGER NOT NULL,
            deleted INTEGER NOT NULL,
            common INTEGER
        ) STRICT, WITHOUT ROWID;",
    ),
];
/// Longest wait for another process that writes.
const BUSY_WAIT: Duration = Duration::from_secs(1);
/// Records that are read at the start, at most; a larger file is some other program's work.
const RECORDS_MAX: usize = 2_000_000;
/// How long a removed record is remembered, in milliseconds: longer than two processes of an upgrade live side by side.
const REMOVED_KEPT_MS: u64 = 60 * 60 * 1000;
/// Longest life of a record, in milliseconds. Beyond it somebody's clock was wrong.
const KEEP_MS_MAX: u64 = 400 * 24 * 60 * 60 * 1000;

/// Kind and key.
pub(super) type Entry = (Kind, String);

/// A record as it stands in the file.
#[derive(Clone, Debug)]
pub(super) struct Row {
    value: Option<String>,
    changed: u64,
    expires: u64,
}

impl Row {
    /// The row of a change that happened at `changed`.
    pub(super) fn of(change: Change, changed: u64) -> (Entry, Row) {
        let keep = if change.value.is_some() { change.keep_ms.min(KEEP_MS_MAX) } else { REMOVED_KEPT_MS };
        let row = Row { value: change.value, changed, expires: changed.saturating_add(keep) };
        ((change.kind, change.key), row)
    }
}

/// Why a file is not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// It is damaged, or another program's. It is to be set aside.
    #[error("{0}")]
    NotOurs(String),
    /// It cannot be read or written now.
    #[error("{what}: {advice}, or name another file as `state.file`")]
    Unusable {
        /// In the words of the system.
        what: String,
        /// What to do.
        advice: &'static str,
    },
}

const FULL: &str = "make room on its disk";
const READ_ONLY: &str = "give the gateway's user the right to write the file and its folder";
const LOCKED: &str = "end the program that holds it locked";
const NEWER: &str = "run the newer version";
const BROKEN: &str = "look whether its disk fails";
const UNKNOWN: &str = "look at its folder, its owner and the space on its disk";

impl OpenError {
    pub(super) fn no_file() -> Self {
        OpenError::Unusable { what: "there is no file".to_owned(), advice: UNKNOWN }
    }

    /// Whether only somebody else stands in the way for the moment.
    pub(super) fn is_locked(&self) -> bool {
        matches!(self, OpenError::Unusable { advice: LOCKED, .. })
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                OpenError::NotOurs(format!("it is damaged: {error}"))
            }
            code => {
                let advice = match code {
                    Some(ErrorCode::DiskFull) => FULL,
                    Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => READ_ONLY,
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LOCKED,
                    Some(ErrorCode::SystemIoFailure) => BROKEN,
                    _ => UNKNOWN,
                };
                OpenError::Unusable { what: error.to_string(), advice }
            }
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FULL,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => READ_ONLY,
            _ => UNKNOWN,
        };
        OpenError::Unusable { what: error.to_string(), advice }
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct File {
    connection: Connection,
    /// Device and number of the file, to see whether it is still there.
    identity: (u64, u64),
    /// Whether it had no schema when it was opened: nothing of ours stands in it.
    pub(super) new: bool,
}

impl File {
    /// Opens the file; makes it, and its folder, if they are not there. Nobody but the owner may read them.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let schema = Schema { application_id: APPLICATION_ID, steps: STEPS, first: &[] };
        let Opened { connection, identity, new } = open(path, &schema)?;
        Ok(File { connection, identity, new })
    }

    /// Whether its name leads to it still: SQLite writes on into a file that was removed or replaced.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }

    /// Has it wait for the disk when it commits: what an operator has entered must not be lost with the power.
    pub(super) fn waits(&self) -> Result<(), rusqlite::Error> {
        self.connection.pragma_update(None, "synchronous", "full")
    }

    /// The connection, for what is not a record.
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// All records that are still worth something at `now`.
    pub(super) fn read(&self, now: u64) -> Result<HashMap<Kind, Vec<Record>>, OpenError> {
        let mut found: HashMap<Kind, Vec<Record>> = HashMap::new();
        let select = "SELECT kind, key, value, changed FROM record WHERE value IS NOT NULL AND expires > ?1";
        let mut select = self.connection.prepare(select)?;
        let mut rows = select.query([signed(now)])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            if count > RECORDS_MAX {
                tracing::warn!(read = RECORDS_MAX, "the state file has more records than are read");
                break;
            }
            let Some(kind) = row.get_ref(0)?.as_str().ok().and_then(Kind::parse) else { continue };
            let changed = u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0).min(now);
            found.entry(kind).or_default().push(Record { key: row.get(1)?, value: row.get(2)?, changed });
        }
        Ok(found)
    }

    /// Writes records in one transaction. Those that changed later in the file stay.
    pub(super) fn write<'a>(&mut self, rows: impl Iterator<Item = (&'a Entry, &'a Row)>) -> Result<(), OpenError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut upsert = transaction.prepare(
                "INSERT INTO record (kind, key, value, changed, expires) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (kind, key) DO UPDATE
                 SET value = excluded.value, changed = excluded.changed, expires = excluded.expires
                 WHERE excluded.changed >= record.changed",
            )?;
            for ((kind, key), row) in rows {
                upsert.execute((kind.name(), key, &row.value, signed(row.changed), signed(row.expires)))?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Forgets what has ended, and takes for now what a wrong clock has put into the future.
    pub(super) fn tidy(&mut self, now: u64) -> Result<(), OpenError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("DELETE FROM record WHERE expires <= ?1", [signed(now)])?;
        let latest = now.saturating_add(KEEP_MS_MAX);
        transaction.execute(
            "UPDATE record SET changed = min(changed, ?1), expires = min(expires, ?2) WHERE changed > ?1",
            [signed(now), signed(latest)],
        )?;
        Ok(transaction.commit()?)
    }

    /// Renames a file that is not ours, with what SQLite has put beside it. Gives the new name.
    pub(crate) fn set_aside(path: &Path, now: u64) -> Result<PathBuf, OpenError> {
        let beside = |suffix: &str| {
            let mut name = OsString::from(path);
            name.push(suffix);
            PathBuf::from(name)
        };
        let aside = beside(&format!(".aside-{now}"));
        fs::rename(path, &aside)?;
        for suffix in ["-wal", "-shm"] {
            // They are seldom there; they would spoil the new file if they were.
            let _ = fs::rename(beside(suffix), beside(&format!(".aside-{now}{suffix}")));
        }
        Ok(aside)
    }
}

/// What a file of ours is.
pub(crate) struct Schema {
    /// Marks it as ours; the first step sets it.
    pub(crate) application_id: i64,
    /// Steps of its tables.
    pub(crate) steps: &'static [M<'static>],
    /// Pragmas that must be set before there is any table.
    pub(crate) first: &'static [(&'static str, &'static str)],
}

/// An open file, of whatever schema.
struct Opened {
    connection: Connection,
    /// Device and number of the file.
    identity: (u64, u64),
    /// Whether it had no schema.
    new: bool,
}

/// Opens a file that is not the state's; else as [`File::open`].
pub(crate) fn connect(path: &Path, schema: &Schema) -> Result<Connection, OpenError> {
    open(path, schema).map(|opened| opened.connection)
}

/// Opens a file; makes it, and its folder, if they are not there. Nobody but the owner may read them.
fn open(path: &Path, schema: &Schema) -> Result<Opened, OpenError> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let made = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let metadata = made.metadata()?;
    if metadata.permissions().mode() & 0o077 != 0 {
        made.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    let identity = (metadata.dev(), metadata.ino());
    drop(made);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    let new = known(&connection, schema)?;
    for (name, value) in schema.first {
        connection.pragma_update(None, name, value)?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    Migrations::from_slice(schema.steps).to_latest(&mut connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => OpenError::from(err),
        other => OpenError::NotOurs(other.to_string()),
    })?;
    Ok(Opened { connection, identity, new })
}

/// Refuses the file of another program, and one of a newer version of this one. Whether it is a new one.
fn known(connection: &Connection, schema: &Schema) -> Result<bool, OpenError> {
    // One look: another process may be making the file just now.
    let look = connection.unchecked_transaction()?;
    let number = |pragma: &str| look.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (id, version) = (number("application_id")?, usize::try_from(number("user_version")?));
    let tables: i64 = look.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id != schema.application_id && (id != 0 || tables > 0) {
        return Err(OpenError::NotOurs("it is the file of another program".to_owned()));
    }
    match version {
        Ok(version) if version <= schema.steps.len() => Ok(version == 0),
        // The operator's accounts may be in it: it is left as it is.
        _ => Err(OpenError::Unusable {
            what: format!(
                "it was written by a newer version of the program; this one knows step {}",
                schema.steps.len()
            ),
            advice: NEWER,
        }),
    }
}

/// SQLite has signed numbers.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_costs_no_record_and_is_told_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let mut file = File::open(&path).unwrap();
        let rows: Vec<_> = (0..2_000)
            .map(|n| {
                let (key, value) = (format!("key {n}"), Some("x".repeat(200)));
                Row::of(Change { kind: Kind::Quota, key, value, keep_ms: 1_000_000 }, 1_000)
            })
            .collect();
        let all = || rows.iter().map(|(entry, row)| (entry, row));
        file.write(all().take(10)).unwrap();
        file.connection.pragma_update(None, "max_page_count", 8).unwrap();
        let error = file.write(all()).unwrap_err();
        assert!(error.to_string().contains("full: make room on its disk, or name another file"), "{error}");
        let count = |file: &File| file.read(2_000).unwrap().get(&Kind::Quota).map_or(0, Vec::len);
        assert_eq!(count(&file), 10, "all of a transaction or nothing");
        file.connection.pragma_update(None, "max_page_count", 100_000).unwrap();
        file.write(all()).unwrap();
        assert_eq!(count(&file), 2_000);
    }
}
