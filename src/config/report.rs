//! What is wrong with a file: all of it, with places, for people.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use super::spans::{Place, Spans};

/// Most problems that one report names. A file with more is refused with the first ones; the count of the rest is said.
pub const PROBLEMS_MAX: usize = 100;

/// Longest piece of a value that is shown, in characters.
const SNIPPET_CHARS_MAX: usize = 60;
/// Fewer letters and digits in a row are shown.
const KEY_RUN_MIN: usize = 16;

/// Keys whose values are never shown, nor anything below them.
const SECRET_KEYS: [&str; 7] = ["credential", "keys", "admin_keys", "headers", "oauth", "token", "proxy"];

/// One step of a key path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// A place in the file by its keys, such as `accounts[3].tier`. Lives on the stack while the tree is walked.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Option<AtStep<'a>>,
}

#[derive(Clone, Copy)]
enum AtStep<'a> {
    Key(&'a str),
    Index(usize),
}

/// Which part of an entry is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Value,
    /// The value, which is not shown: it may be anything, also a secret at the wrong place.
    Unshown,
}

/// A problem before its line is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: Vec<Step>,
    pub(crate) part: Part,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Problems and warnings while a file is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    pub(crate) errors: Vec<Found>,
    pub(crate) warnings: Vec<Found>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or what stands for it.
    pub file: PathBuf,
    /// From 1; 0 if there is no such line, as for settings out of the environment.
    pub line: usize,
    /// From 1, in characters; 0 if `line` is.
    pub column: usize,
    /// Where it is by its keys, such as `accounts[3].tier`; empty for the whole file.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub suggestion: Option<String>,
    /// The text at fault, if it can hold no secret.
    snippet: Option<String>,
}

/// Everything that is wrong with a file. At most [`PROBLEMS_MAX`] problems, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Whether there may be more than are named.
    pub more: bool,
}

impl<'a> At<'a> {
    pub(crate) const ROOT: At<'static> = At { parent: None, step: None };

    pub(crate) fn key(&'a self, key: &'a str) -> At<'a> {
        At { parent: Some(self), step: Some(AtStep::Key(key)) }
    }

    pub(crate) fn index(&'a self, index: usize) -> At<'a> {
        At { parent: Some(self), step: Some(AtStep::Index(index)) }
    }

    fn path(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut here = Some(self);
        while let Some(at) = here {
            match at.step {
                Some(AtStep::Key(key)) => steps.push(Step::Key(key.to_owned())),
                Some(AtStep::Index(index)) => steps.push(Step::Index(index)),
                None => {}
            }
            here = at.parent;
        }
        steps.reverse();
        steps
    }
}

impl Problems {
    pub(crate) fn error(&mut self, at: &At<'_>, message: impl Into<String>, help: Option<String>) {
        // No file needs more to be refused, and looking through what was said stays cheap.
        if self.errors.len() < PROBLEMS_MAX {
            self.errors.push(Found { path: at.path(), part: Part::Value, message: message.into(), help });
        }
    }

    pub(crate) fn warn(&mut self, at: &At<'_>, message: impl Into<String>, help: Option<String>) {
        if self.warnings.len() < PROBLEMS_MAX {
            self.warnings.push(Found { path: at.path(), part: Part::Value, message: message.into(), help });
        }
    }

    /// A required key is not there, or is empty. Silent if something was already said of this key.
    pub(crate) fn missing(&mut self, at: &At<'_>, key: &str, what: &str) {
        if !self.has(&at.key(key)) {
            self.error(at, format!("`{key}` is missing"), Some(format!("add `{key}`: {what}")));
        }
    }

    /// Whether something was said of this place, or of one around it: then its value is not what was written.
    pub(crate) fn has(&self, at: &At<'_>) -> bool {
        let path = at.path();
        self.errors.iter().any(|found| path.starts_with(&found.path))
    }

    /// An item of a list that could not be read, or that is empty.
    pub(crate) fn empty_item(&mut self, at: &At<'_>) {
        let path = at.path();
        if !self.errors.iter().any(|found| found.path.starts_with(&path)) {
            self.error(at, "this item of the list is empty", Some("fill it in, or remove its dash".to_owned()));
        }
    }
}

impl Report {
    /// A report of one problem with the file as a whole, or at a known place.
    pub(crate) fn whole(file: &Path, place: Option<Place>, message: String, suggestion: Option<String>) -> Self {
        let (line, column) = place.map_or((0, 0), |place| (place.line, place.column));
        let file = file.to_owned();
        let problem = Problem { file, line, column, path: String::new(), message, suggestion, snippet: None };
        Report { problems: vec![problem], more: false }
    }

    pub(crate) fn locate(file: &Path, text: &str, mut found: Vec<Found>) -> Self {
        let spans = Spans::of(text);
        let more = found.len() >= PROBLEMS_MAX;
        found.truncate(PROBLEMS_MAX);
        let mut problems: Vec<Problem> = found.into_iter().map(|found| problem(file, text, &spans, found)).collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Report { problems, more }
    }

    /// One line a problem: `file:line:column: path: message; suggestion`.
    pub fn short(&self) -> String {
        self.problems.iter().map(Problem::short).collect::<Vec<_>>().join("\n")
    }
}

impl Problem {
    /// One line.
    pub fn short(&self) -> String {
        let file = self.file.display();
        let place = if self.line == 0 { format!("{file}") } else { format!("{file}:{}:{}", self.line, self.column) };
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        let help = self.suggestion.as_ref().map_or(String::new(), |help| format!("; {help}"));
        format!("{place}: {path}{}{help}", self.message)
    }

    fn long(&self, kind: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{kind}: {}", self.message)?;
        let gutter = self.line.to_string().len();
        if self.line == 0 {
            writeln!(f, " --> {}", self.file.display())?;
        } else {
            writeln!(f, "{:gutter$}--> {}:{}:{}", " ", self.file.display(), self.line, self.column)?;
        }
        if let Some(snippet) = &self.snippet {
            let indent = self.column.saturating_sub(1);
            writeln!(f, "{:gutter$} |", "")?;
            writeln!(f, "{} | {:indent$}{snippet}", self.line, "")?;
            writeln!(f, "{:gutter$} | {:indent$}{}", "", "", "^".repeat(snippet.chars().count()))?;
        }
        if !self.path.is_empty() {
            writeln!(f, "{:gutter$} = at: {}", "", self.path)?;
        }
        if let Some(suggestion) = &self.suggestion {
            writeln!(f, "{:gutter$} = help: {suggestion}", "")?;
        }
        Ok(())
    }

    /// The long form, under the word `warning`.
    pub fn as_warning(&self) -> String {
        struct Warning<'a>(&'a Problem);
        impl fmt::Display for Warning<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.long("warning", f)
            }
        }
        Warning(self).to_string()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            problem.long("error", f)?;
            writeln!(f)?;
        }
        let count = self.problems.len();
        let more = if self.more { " or more" } else { "" };
        write!(f, "{count}{more} error{} in the configuration", if count == 1 { "" } else { "s" })
    }
}

impl std::error::Error for Report {}

fn problem(file: &Path, text: &str, spans: &Spans, found: Found) -> Problem {
    let place = spans.find(&found.path, found.part);
    let secret = found.part == Part::Unshown || found.part == Part::Value && is_secret(&found.path);
    let snippet = place.filter(|_| !secret).and_then(|place| snippet(text, place));
    let (line, column) = place.map_or((0, 0), |place| (place.line, place.column));
    let path = show(&found.path);
    Problem { file: file.to_owned(), line, column, path, message: found.message, suggestion: found.help, snippet }
}

/// Whether the value at `path` may hold a secret.
pub(crate) fn is_secret(path: &[Step]) -> bool {
    path.iter().any(|step| matches!(step, Step::Key(key) if SECRET_KEYS.contains(&key.as_str())))
}

/// A path as text: `accounts[3].tier`.
pub(crate) fn show(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            // Writing to a string cannot fail.
            Step::Index(index) => drop(write!(text, "[{index}]")),
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.extend(key.chars().take(SNIPPET_CHARS_MAX));
            }
        }
    }
    text
}

/// Only the text of the place itself: the rest of its line may hold a secret. Nothing for lists and maps.
fn snippet(text: &str, place: Place) -> Option<String> {
    if !place.scalar {
        return None;
    }
    let line = text.lines().nth(place.line.checked_sub(1)?)?;
    let shown: String = line.chars().skip(place.column - 1).take(place.chars.min(SNIPPET_CHARS_MAX)).collect();
    let shown = shown.trim_end().to_owned();
    // A URL may hold a password or a key where none belongs.
    if shown.contains("://") && shown.contains(['@', '?']) {
        return None;
    }
    // So may any place, by mistake: so many letters and digits in a row, some of them digits, look like a key.
    let mut runs = shown.split(|one: char| !one.is_ascii_alphanumeric());
    if runs.any(|run| run.len() >= KEY_RUN_MIN && run.contains(|one: char| one.is_ascii_digit())) {
        return None;
    }
    (!shown.is_empty() && !shown.contains(char::is_control)).then_some(shown)
}
