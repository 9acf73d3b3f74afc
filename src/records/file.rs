//! The file: its tables, and what is removed from it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};
use rusqlite_migration::M;

use super::Rules;
use super::entry::{Body, Record};
use super::queue::Batch;
use super::redact::redact;
use crate::store::file::{OpenError, Schema, connect, signed};

/// Steps of the schema, never changed once released. The file is marked as ours: "ILGR" in ASCII.
const SCHEMA: Schema = Schema {
    application_id: 0x494C_4752,
    steps: &[M::up(
        "CREATE TABLE request (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL,
            at INTEGER NOT NULL,
            client TEXT,
            model TEXT,
            served_model TEXT,
            account TEXT,
            status INTEGER NOT NULL,
            total_ms INTEGER NOT NULL,
            path TEXT NOT NULL,
            error TEXT,
            entry TEXT NOT NULL
        ) STRICT;
        CREATE INDEX request_id ON request (id);
        CREATE INDEX request_at ON request (at);
        CREATE TABLE body (
            seq INTEGER PRIMARY KEY,
            request BLOB,
            request_bytes INTEGER NOT NULL,
            answer BLOB,
            answer_bytes INTEGER NOT NULL
        ) STRICT;
        CREATE TRIGGER request_removed AFTER DELETE ON request BEGIN DELETE FROM body WHERE seq = old.seq; END;
        CREATE TABLE usage (
            hour INTEGER NOT NULL,
            client TEXT NOT NULL,
            model TEXT NOT NULL,
            served_model TEXT NOT NULL,
            upstream TEXT NOT NULL,
            account TEXT NOT NULL,
            requests INTEGER NOT NULL,
            errors INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            uncached INTEGER NOT NULL,
            cache_read INTEGER NOT NULL,
            cache_write_5m INTEGER NOT NULL,
            cache_write_1h INTEGER NOT NULL,
            output INTEGER NOT NULL,
            reasoning INTEGER NOT NULL,
            microusd INTEGER NOT NULL,
            unpriced INTEGER NOT NULL,
            PRIMARY KEY (hour, client, model, served_model, upstream, account)
        ) STRICT, WITHOUT ROWID;
        PRAGMA application_id = 1229735762;",
    )],
    // So that what is removed can be given back to the disk bit by bit.
    first: &[("auto_vacuum", "incremental")],
};
/// Largest write-ahead log that stays on the disk, in bytes.
const WAL_BYTES_MAX: i64 = 64 << 20;
/// How long sums of usage are kept.
pub const USAGE_KEPT: Duration = Duration::from_hours(400 * 24);
/// How long they are kept by the hour; older ones by the day.
pub const HOURS_KEPT: Duration = Duration::from_hours(8 * 24);
/// Entries that are removed in one transaction.
const REMOVED_AT_ONCE: u32 = 100;
/// Such transactions in one go, at most: what waits is to be written meanwhile.
const REMOVALS: usize = 20;
/// The part of the largest size that is filled before entries are removed, in percent.
const FULL_PERCENT: u64 = 95;
/// Pages that are given back to the disk in one go.
const PAGES_FREED: i64 = 2_000;

/// An open file.
pub(super) struct File {
    connection: Connection,
}

impl File {
    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = connect(path, &SCHEMA)?;
        connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
        Ok(File { connection })
    }

    /// Writes a batch, all or nothing. Gives the number of the last entry there is.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<i64, OpenError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare(
                "INSERT INTO request (id, at, client, model, served_model, account, status, total_ms, path, error, entry)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?;
            let mut keep = transaction.prepare(
                "INSERT INTO body (seq, request, request_bytes, answer, answer_bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for Record { entry, request, answer } in &batch.records {
                // Entries are made of texts and numbers.
                let text = serde_json::to_string(entry).unwrap_or_default();
                insert.execute(params![
                    entry.id,
                    signed(entry.at_ms),
                    entry.client,
                    entry.model,
                    entry.served_model,
                    entry.account,
                    entry.status,
                    signed(entry.total_ms),
                    entry.path,
                    entry.error,
                    text,
                ])?;
                if request.is_some() || answer.is_some() {
                    let bytes = |body: &Option<Body>| body.as_ref().map(|body| redact(&body.bytes));
                    let whole = |body: &Option<Body>| signed(body.as_ref().map_or(0, |body| body.whole));
                    let seq = transaction.last_insert_rowid();
                    keep.execute(params![seq, bytes(request), whole(request), bytes(answer), whole(answer)])?;
                }
            }
            let mut add = transaction.prepare(
                "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
                 ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, errors = errors + excluded.errors,
                    attempts = attempts + excluded.attempts, uncached = uncached + excluded.uncached,
                    cache_read = cache_read + excluded.cache_read,
                    cache_write_5m = cache_write_5m + excluded.cache_write_5m,
                    cache_write_1h = cache_write_1h + excluded.cache_write_1h, output = output + excluded.output,
                    reasoning = reasoning + excluded.reasoning, microusd = microusd + excluded.microusd,
                    unpriced = unpriced + excluded.unpriced",
            )?;
            for (key, sums) in &batch.usage {
                let tokens = &sums.tokens;
                add.execute(params![
                    signed(key.hour),
                    key.client,
                    key.model,
                    key.served_model,
                    key.upstream,
                    key.account,
                    signed(sums.requests),
                    signed(sums.errors),
                    signed(sums.attempts),
                    signed(tokens.uncached),
                    signed(tokens.cache_read),
                    signed(tokens.cache_write_5m),
                    signed(tokens.cache_write_1h),
                    signed(tokens.output),
                    signed(tokens.reasoning),
                    signed(sums.microusd),
                    signed(sums.unpriced),
                ])?;
            }
        }
        let last = transaction.query_row("SELECT ifnull(max(seq), 0) FROM request", [], |row| row.get(0))?;
        transaction.commit()?;
        Ok(last)
    }

    /// The number of the last entry there is.
    pub(super) fn last(&self) -> Result<i64, OpenError> {
        Ok(self.connection.query_row("SELECT ifnull(max(seq), 0) FROM request", [], |row| row.get(0))?)
    }

    /// Removes entries that are too old. `false` if there are more of them.
    pub(super) fn remove_old(&mut self, rules: &Rules, now: u64) -> Result<bool, OpenError> {
        let before = signed(now.saturating_sub(ms(rules.keep)));
        for _ in 0..REMOVALS {
            let removed = self.connection.execute(
                "DELETE FROM request WHERE seq IN (SELECT seq FROM request WHERE at < ?1 ORDER BY at LIMIT ?2)",
                params![before, REMOVED_AT_ONCE],
            )?;
            if removed < REMOVED_AT_ONCE as usize {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes the oldest entries while the file is too large, and gives free pages back to the disk.
    pub(super) fn remove_surplus(&mut self, rules: &Rules) -> Result<(), OpenError> {
        let most = rules.bytes_max / 100 * FULL_PERCENT;
        for _ in 0..REMOVALS {
            let used = self.size()?.0;
            if used <= most {
                break;
            }
            // As large a part of the entries as of the bytes; numbers have few gaps.
            let span = "SELECT ifnull(max(seq) - min(seq) + 1, 0) FROM request";
            let entries: i64 = self.connection.query_row(span, [], |row| row.get(0))?;
            let entries = u64::try_from(entries).unwrap_or(0);
            let surplus = entries.saturating_mul(used - most) / used.max(1) + 1;
            let removed = self.connection.execute(
                "DELETE FROM request WHERE seq IN (SELECT seq FROM request ORDER BY seq LIMIT ?1)",
                [signed(surplus.min(REMOVED_AT_ONCE.into()))],
            )?;
            if removed == 0 {
                break;
            }
        }
        if self.size()?.1 > rules.bytes_max {
            // It gives a row for each page.
            let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_FREED})"))?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(())
    }

    /// Bytes that are in use, and bytes of the file.
    pub(super) fn size(&self) -> Result<(u64, u64), OpenError> {
        let number = |pragma: &str| {
            let value = self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
            value.map(|value| u64::try_from(value).unwrap_or(0))
        };
        let (pages, free, size) = (number("page_count")?, number("freelist_count")?, number("page_size")?);
        Ok((pages.saturating_sub(free) * size, pages * size))
    }

    /// Makes days of the hours of usage that are old, and removes what is very old.
    pub(super) fn fold_usage(&mut self, now: u64) -> Result<(), OpenError> {
        const HOUR_MS: u64 = 3_600_000;
        let hour = |kept: Duration| signed(now.saturating_sub(ms(kept)) / HOUR_MS);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("DELETE FROM usage WHERE hour < ?1", [hour(USAGE_KEPT)])?;
        // Whole days alone, so that no hour comes to a day that was made already.
        let before = hour(HOURS_KEPT) / 24 * 24;
        transaction.execute(
            "INSERT INTO usage SELECT hour / 24 * 24, client, model, served_model, upstream, account, sum(requests),
                sum(errors), sum(attempts), sum(uncached), sum(cache_read), sum(cache_write_5m), sum(cache_write_1h),
                sum(output), sum(reasoning), sum(microusd), sum(unpriced)
             FROM usage WHERE hour < ?1 AND hour % 24 <> 0
             GROUP BY hour / 24, client, model, served_model, upstream, account
             ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, errors = errors + excluded.errors,
                attempts = attempts + excluded.attempts, uncached = uncached + excluded.uncached,
                cache_read = cache_read + excluded.cache_read,
                cache_write_5m = cache_write_5m + excluded.cache_write_5m,
                cache_write_1h = cache_write_1h + excluded.cache_write_1h, output = output + excluded.output,
                reasoning = reasoning + excluded.reasoning, microusd = microusd + excluded.microusd,
                unpriced = unpriced + excluded.unpriced",
            [before],
        )?;
        transaction.execute("DELETE FROM usage WHERE hour < ?1 AND hour % 24 <> 0", [before])?;
        Ok(transaction.commit()?)
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
