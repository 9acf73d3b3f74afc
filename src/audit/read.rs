//! The newest lines, for the operator.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::{Map, Value};

use super::file::day_of;

/// Lines that are told, at most.
pub const LINES_MAX: usize = 1_000;
/// Bytes of one file that are read, at most: its end.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A line, read again.
#[derive(Clone, Debug, PartialEq)]
pub struct Noted {
    /// When, RFC 3339.
    pub at: String,
    /// What kind of event.
    pub event: String,
    /// The account's hash.
    pub account: Option<String>,
    /// What else it says.
    pub details: Map<String, Value>,
}

/// The newest lines of a folder, the newest first, of the kind `event` if one is named.
///
/// # Errors
/// If the folder or a file cannot be read.
pub fn recent(folder: &Path, event: Option<&str>, limit: usize) -> io::Result<Vec<Noted>> {
    let mut days: Vec<_> = match fs::read_dir(folder) {
        Ok(entries) => {
            entries.flatten().filter_map(|entry| Some((day_of(entry.file_name().to_str()?)?, entry.path()))).collect()
        }
        // Nothing was noted yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    days.sort();
    let mut found = Vec::new();
    for (_, path) in days.iter().rev() {
        let text = end_of(path)?;
        let lines = text.lines().rev().filter_map(read);
        found.extend(lines.filter(|noted| event.is_none_or(|event| noted.event == event)).take(limit - found.len()));
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(FILE_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A line that was cut off says nothing.
fn read(line: &str) -> Option<Noted> {
    let mut details: Map<String, Value> = serde_json::from_str(line).ok()?;
    let mut text = |name: &str| match details.shift_remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    Some(Noted { at: text("at")?, event: text("event")?, account: text("account"), details })
}
