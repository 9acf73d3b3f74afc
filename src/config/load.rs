//! From a path to a configuration.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::additions::{Addition, Faulty, merge};
use super::mean::Mean;
use super::read;
use super::reference::Sources;
use super::report::{Problem, Problems, Report};
use super::{Config, raw};
use crate::mapping::Mappings;

/// Largest file, in bytes: some 100,000 accounts.
pub const CONFIG_BYTES_MAX: u64 = 16 << 20;

/// A configuration, and what is allowed in it but worth a word.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What the operator should know.
    pub warnings: Vec<Problem>,
}

/// Reads the file at `path`. `env` gives environment variables. Warnings are logged.
///
/// # Errors
/// Everything that is wrong with the file. A file with any error is refused as a whole.
pub fn load_file(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Report> {
    let loaded = inspect(path, env)?;
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.short());
    }
    Ok(loaded.config)
}

/// As [`load_file`], but gives the warnings instead of logging them.
///
/// # Errors
/// As [`load_file`].
pub fn inspect(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Report> {
    inspect_text(path, &read_text(path)?, env)
}

/// What stands beside a file: what references are looked up in, and what commands have added.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// Environment variables.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Secrets by name, for `${vault:NAME}`; says why there is none.
    pub vault: &'a dyn Fn(&str) -> Result<String, String>,
    /// Entries beside those of the file.
    pub additions: &'a [Addition],
    /// Names of models that stand for others.
    pub mappings: &'a Mappings,
}

/// No mappings.
static UNMAPPED: Mappings = Mappings { entries: std::collections::BTreeMap::new() };

impl<'a> Beside<'a> {
    /// Nothing but the environment.
    pub fn only(env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Beside { env, vault: &|_| Err("there is no vault here".to_owned()), additions: &[], mappings: &UNMAPPED }
    }
}

/// As [`inspect`], of a text that was read already; `path` names it in messages, and places `${file:}` references.
///
/// # Errors
/// As [`load_file`].
pub fn inspect_text(path: &Path, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Report> {
    inspect_with(path, text, Beside::only(env))
}

/// As [`inspect_text`], with what stands beside the file.
///
/// # Errors
/// As [`load_file`]. What is wrong with what was added is in [`Config::origins`] instead.
pub fn inspect_with(path: &Path, text: &str, beside: Beside<'_>) -> Result<Loaded, Report> {
    let mut problems = Problems::default();
    let raw = read::read(text, &mut problems).map_err(|error| Report::whole(path, error.place, error.message, None))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    means(&raw, beside, folder, &problems, (path, text))
}

/// From the file as written to its meaning. `text` is what places are looked up in; empty if there is none.
///
/// Added entries with a fault are taken out, and it is tried again: each time at least one, so it ends.
pub(super) fn means(
    raw: &raw::Config,
    beside: Beside<'_>,
    folder: &Path,
    found: &Problems,
    (path, text): (&Path, &str),
) -> Result<Loaded, Report> {
    let mut out: Vec<Faulty> = Vec::new();
    loop {
        let merged = merge(raw, beside.additions, out.clone());
        let mut problems = found.clone();
        let sources = Sources { env: beside.env, folder, vault: beside.vault };
        let mut config = Mean { sources, problems: &mut problems }.config(&merged.raw);
        if problems.errors.is_empty() {
            config.origins = merged.origins;
            config.routes.map(beside.mappings.alive());
            let warnings = match problems.warnings {
                none if none.is_empty() => Vec::new(),
                warnings => Report::locate(path, text, warnings).problems,
            };
            return Ok(Loaded { config, warnings });
        }
        match merged.blame(&problems.errors) {
            Some(faulty) if !faulty.is_empty() => out = merged.origins.faulty.into_iter().chain(faulty).collect(),
            _ if beside.additions.is_empty() => return Err(Report::locate(path, text, problems.errors)),
            // The file is at fault, and its own report is the clearest.
            _ => return means(raw, Beside { additions: &[], ..beside }, folder, found, (path, text)),
        }
    }
}

/// The text of the file.
pub(super) fn read_text(path: &Path) -> Result<String, Report> {
    let whole = |message: String, help: Option<&str>| Report::whole(path, None, message, help.map(str::to_owned));
    let file = File::open(path).map_err(|error| {
        let help = "give the path of the configuration, or set provider keys in the environment and give none";
        whole(format!("the file cannot be opened: {error}"), Some(help))
    })?;
    let mut bytes = Vec::new();
    let read = file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| whole(format!("the file cannot be read: {error}"), None))?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(whole(format!("the file is larger than {CONFIG_BYTES_MAX} bytes"), None));
    }
    String::from_utf8(bytes).map_err(|error| {
        let message = format!("the file is not UTF-8: byte {} is not", error.utf8_error().valid_up_to());
        whole(message, Some("save it as UTF-8"))
    })
}
