//! What is kept, for the operator. Each question has a connection of its own, so it never stands in the writer's way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::types::Value;
use rusqlite::{Connection, InterruptHandle, OpenFlags, OptionalExtension as _, Row, params_from_iter};
use tokio::sync::{Semaphore, watch};

use super::Shared;
use super::entry::Entry;

/// Questions that are answered at the same time, over all handles.
static PLACES: Semaphore = Semaphore::const_new(4);
/// Longest time that one takes.
const TOTAL: Duration = Duration::from_secs(10);
/// Longest wait for a lock of the file.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There are too many questions.
    #[error("too many questions are asked of the records at the same time; ask again")]
    Busy,
    /// It takes too long.
    #[error("the answer takes too long; narrow it down, for example with `since`")]
    TooLong,
    /// The file cannot be read.
    #[error("the records cannot be read: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The thread that reads broke off.
    #[error("the reading of the records broke off")]
    BrokenOff,
}

/// Reads the log.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
    last: watch::Receiver<i64>,
}

/// Longest wait for what was noted before to be written; a disk that stalls is not waited for.
const SETTLE_MAX: Duration = Duration::from_millis(600);
/// How often it is looked whether it is.
const SETTLE_POLL: Duration = Duration::from_millis(10);

/// Which outcome is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusRule {
    /// This one.
    Exactly(u16),
    /// 400 to 499, by its first digit.
    Class(u16),
    /// All that were answered well.
    Ok,
    /// All that were not.
    Failed,
}

impl StatusRule {
    /// Reads `429`, `4xx`, `ok` or `failed`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ok" => Some(StatusRule::Ok),
            "failed" | "error" => Some(StatusRule::Failed),
            "1xx" | "2xx" | "3xx" | "4xx" | "5xx" => text.get(..1)?.parse().ok().map(StatusRule::Class),
            _ => text.parse().ok().filter(|status| *status < 600).map(StatusRule::Exactly),
        }
    }
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// The newest.
    Newest,
    /// Older ones than this number, the newest first.
    Before(i64),
    /// Newer ones than this number, the oldest first.
    After(i64),
}

/// Which requests are looked for. All that is said must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Begun at this moment or later, in milliseconds of the epoch.
    pub since: Option<u64>,
    /// Begun before this moment.
    pub until: Option<u64>,
    /// Its client.
    pub client: Option<String>,
    /// The model, as asked for or as served.
    pub model: Option<String>,
    /// An account that was tried.
    pub account: Option<String>,
    /// The outcome.
    pub status: Option<StatusRule>,
    /// It took so long or longer.
    pub min_ms: Option<u64>,
    /// Part of the error, of the path or of a model's name. Letters of ASCII in either case.
    pub text: Option<String>,
}

/// An entry with its number.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its number in the file; later entries have larger ones.
    pub seq: i64,
    /// The entry.
    pub entry: Entry,
}

/// A body as it is kept.
#[derive(Clone, Debug)]
pub struct KeptBody {
    /// As much of it as is kept, without what looks like a credential.
    pub bytes: Vec<u8>,
    /// How long it was, in bytes.
    pub whole: u64,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let last = shared.last.subscribe();
        Reader { shared, last }
    }

    /// Waits until what was noted before is written, so that whoever asks finds their own last request; not for long.
    async fn settle(&self) {
        let count = self.shared.queue.accepted();
        let until = Instant::now() + SETTLE_MAX;
        while !self.shared.queue.is_settled(count) && Instant::now() < until {
            tokio::time::sleep(SETTLE_POLL).await;
        }
    }

    /// Reads on a thread that may wait.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let place = PLACES.try_acquire().map_err(|_| ReadError::Busy)?;
        self.settle().await;
        let (path, running) = (self.shared.path.clone(), Arc::new(Mutex::new(None::<InterruptHandle>)));
        let handle = Arc::clone(&running);
        let task = tokio::task::spawn_blocking(move || {
            // Held for as long as the thread is, also if nobody waits for it any more.
            let _place = place;
            let connection =
                Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            connection.busy_timeout(BUSY_WAIT)?;
            *handle.lock() = Some(connection.get_interrupt_handle());
            work(&connection)
        });
        match tokio::time::timeout(TOTAL, task).await {
            Ok(Ok(done)) => Ok(done?),
            Ok(Err(_)) => Err(ReadError::BrokenOff),
            Err(_) => {
                if let Some(running) = running.lock().as_ref() {
                    running.interrupt();
                }
                Err(ReadError::TooLong)
            }
        }
    }

    /// Requests that fit, `limit` at most.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn list(&self, filter: &Filter, cursor: Cursor, limit: usize) -> Result<Vec<Kept>, ReadError> {
        let (mut wheres, mut values) = conditions(filter);
        let order = match cursor {
            Cursor::Newest => "DESC",
            Cursor::Before(seq) => {
                wheres.push("seq < ?".to_owned());
                values.push(seq.into());
                "DESC"
            }
            Cursor::After(seq) => {
                wheres.push("seq > ?".to_owned());
                values.push(seq.into());
                "ASC"
            }
        };
        let wheres = if wheres.is_empty() { "true".to_owned() } else { wheres.join(" AND ") };
        let select = format!("SELECT seq, entry FROM request WHERE {wheres} ORDER BY seq {order} LIMIT ?");
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        self.run(move |connection| {
            let mut select = connection.prepare(&select)?;
            select.query_map(params_from_iter(values), kept)?.collect()
        })
        .await
    }

    /// The request with this id, and its bodies.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn find(&self, id: &str) -> Result<Option<(Kept, Option<KeptBody>, Option<KeptBody>)>, ReadError> {
        let id = id.to_owned();
        self.run(move |connection| {
            let select = "SELECT seq, entry FROM request WHERE id = ?1 ORDER BY seq DESC LIMIT 1";
            let Some(found) = connection.query_row(select, [id], kept).optional()? else { return Ok(None) };
            let select = "SELECT request, request_bytes, answer, answer_bytes FROM body WHERE seq = ?1";
            let body = |row: &Row<'_>, at: usize| {
                let whole = u64::try_from(row.get::<_, i64>(at + 1)?).unwrap_or(0);
                Ok::<_, rusqlite::Error>(row.get::<_, Option<Vec<u8>>>(at)?.map(|bytes| KeptBody { bytes, whole }))
            };
            let bodies = connection.query_row(select, [found.seq], |row| Ok((body(row, 0)?, body(row, 2)?)));
            let (request, answer) = bodies.optional()?.unwrap_or_default();
            Ok(Some((found, request, answer)))
        })
        .await
    }

    /// The number of the last entry there is.
    pub fn last(&self) -> i64 {
        *self.last.borrow()
    }

    /// Waits until there is an entry behind this number, for `within` at most.
    pub async fn wait(&mut self, after: i64, within: Duration) {
        let _ = tokio::time::timeout(within, self.last.wait_for(|last| *last > after)).await;
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let text = row.get_ref(1)?.as_str()?;
    // An entry of a later version may say more than is understood.
    Ok(Kept { seq: row.get(0)?, entry: serde_json::from_str(text).unwrap_or_default() })
}

/// What must hold, and the values in it.
fn conditions(filter: &Filter) -> (Vec<String>, Vec<Value>) {
    let (mut wheres, mut values) = (Vec::new(), Vec::new());
    let mut add = |condition: &str, told: &[Value]| {
        wheres.push(condition.to_owned());
        values.extend_from_slice(told);
    };
    let number = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    if let Some(since) = filter.since {
        add("at >= ?", &[number(since)]);
    }
    if let Some(until) = filter.until {
        add("at < ?", &[number(until)]);
    }
    if let Some(client) = &filter.client {
        add("client = ?", &[client.clone().into()]);
    }
    if let Some(model) = &filter.model {
        add("(model = ? OR served_model = ?)", &[model.clone().into(), model.clone().into()]);
    }
    if let Some(account) = &filter.account {
        let tried = "EXISTS (SELECT 1 FROM json_each(entry, '$.attempts') WHERE value ->> 'account' = ?)";
        add(&format!("(account = ? OR {tried})"), &[account.clone().into(), account.clone().into()]);
    }
    match filter.status {
        Some(StatusRule::Exactly(status)) => add("status = ?", &[i64::from(status).into()]),
        Some(StatusRule::Class(class)) => add("status / 100 = ?", &[i64::from(class).into()]),
        Some(StatusRule::Ok) => add("error IS NULL AND status BETWEEN 1 AND 399", &[]),
        Some(StatusRule::Failed) => add("(error IS NOT NULL OR status >= 400)", &[]),
        None => {}
    }
    if let Some(min_ms) = filter.min_ms {
        add("total_ms >= ?", &[number(min_ms)]);
    }
    if let Some(text) = &filter.text {
        let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = Value::from(format!("%{escaped}%"));
        let like = |column: &str| format!("{column} LIKE ? ESCAPE '\\'");
        let columns = ["error", "path", "model", "served_model"];
        add(&format!("({})", columns.map(like).join(" OR ")), &columns.map(|_| pattern.clone()));
    }
    (wheres, values)
}
