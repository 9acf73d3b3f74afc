//! The files: one a day.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::event::Event;
use crate::pool::Millis;

/// How often it is said that it cannot be written, and how often old files are looked for.
const EVERY: Duration = Duration::from_mins(10);

/// A line.
#[derive(Serialize)]
struct Line<'a> {
    at: String,
    #[serde(flatten)]
    event: &'a Event,
}

/// The folder, and the file of today.
pub(super) struct Files {
    folder: PathBuf,
    keep: Duration,
    today: Option<(Date, File)>,
    unsynced: bool,
    warned: Option<Instant>,
    tidied: Option<Instant>,
}

impl Files {
    pub(super) fn new(folder: PathBuf, keep: Duration) -> Self {
        Files { folder, keep, today: None, unsynced: false, warned: None, tidied: None }
    }

    /// Writes a line. What cannot be written is lost, and the log says so.
    pub(super) fn write(&mut self, at: Millis, event: &Event) {
        if let Err(error) = self.try_write(at, event)
            && self.warned.is_none_or(|warned| warned.elapsed() >= EVERY)
        {
            self.warned = Some(Instant::now());
            tracing::error!(folder = %self.folder.display(), %error, "the audit log cannot be written; events are lost");
        }
    }

    fn try_write(&mut self, at: Millis, event: &Event) -> io::Result<()> {
        let moment = timestamp(at);
        let mut line = serde_json::to_vec(&Line { at: moment.to_string(), event }).map_err(io::Error::other)?;
        line.push(b'\n');
        let today = moment.to_zoned(TimeZone::UTC).date();
        if self.today.as_ref().is_none_or(|(day, _)| *day != today) {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            let path = self.folder.join(format!("{today}.jsonl"));
            self.today = Some((today, OpenOptions::new().append(true).create(true).mode(0o600).open(path)?));
        }
        if let Some((_, file)) = &mut self.today {
            // One write, so that lines of two processes do not mix.
            if let Err(error) = file.write_all(&line) {
                self.today = None;
                return Err(error);
            }
            self.unsynced = true;
        }
        Ok(())
    }

    /// Waits until the disk has it.
    pub(super) fn sync(&mut self) {
        if std::mem::take(&mut self.unsynced)
            && let Some((_, file)) = &self.today
        {
            let _ = file.sync_data();
        }
    }

    /// Removes files that are too old. Other files in the folder stay.
    pub(super) fn tidy(&mut self, now: Millis) {
        if self.tidied.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.tidied = Some(Instant::now());
        let keep_ms = u64::try_from(self.keep.as_millis()).unwrap_or(u64::MAX);
        let oldest = timestamp(Millis(now.0.saturating_sub(keep_ms))).to_zoned(TimeZone::UTC).date();
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let day = name.to_str().and_then(day_of);
            if day.is_some_and(|day| day < oldest) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// The day of a file by its name.
pub(super) fn day_of(name: &str) -> Option<Date> {
    name.strip_suffix(".jsonl")?.parse().ok()
}

fn timestamp(at: Millis) -> Timestamp {
    i64::try_from(at.0).ok().and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(Timestamp::MAX)
}
