//! Where the configuration comes from, but for what commands have added.

use std::path::{Path, PathBuf};

use super::load::{Beside, Loaded, inspect_with, read_text};
use super::mean::Mean;
use super::read;
use super::reference::Sources;
use super::report::{Problems, Report};
use super::zero::zero_with;
use super::{Config, State, raw};

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Base {
    /// A file.
    File(PathBuf),
    /// The providers' well-known environment variables.
    Environment,
    /// A text that does not change, and its name in messages.
    Text(PathBuf, String),
}

impl Base {
    /// The file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Base::File(path) => Some(path),
            Base::Environment | Base::Text(..) => None,
        }
    }

    /// Its text as it is now; nothing for the environment.
    pub(super) fn text(&self) -> Result<String, Report> {
        match self {
            Base::File(path) => read_text(path),
            Base::Environment => Ok(String::new()),
            Base::Text(_, text) => Ok(text.clone()),
        }
    }

    /// Its meaning, with what stands beside it. Warnings are logged.
    ///
    /// # Errors
    /// Everything that is wrong with it. One with any error is refused as a whole.
    pub fn load(&self, beside: Beside<'_>) -> Result<Config, Report> {
        self.means(&self.text()?, beside)
    }

    /// As [`Self::load`] of a file, but gives the warnings instead of logging them.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn inspect(&self, beside: Beside<'_>) -> Result<Loaded, Report> {
        inspect_with(self.file().unwrap_or(Path::new("")), &self.text()?, beside)
    }

    /// The meaning of `text`, which was read of it.
    pub(super) fn means(&self, text: &str, beside: Beside<'_>) -> Result<Config, Report> {
        let path = match self {
            Base::Environment => return zero_with(beside),
            Base::File(path) | Base::Text(path, _) => path,
        };
        let loaded = inspect_with(path, text, beside)?;
        for warning in &loaded.warnings {
            tracing::warn!("{}", warning.short());
        }
        Ok(loaded.config)
    }

    /// Where it keeps what outlives the process. Other faults than that it cannot be read at all are for [`Self::load`].
    ///
    /// # Errors
    /// If it cannot be read or is no YAML.
    pub fn state(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<State, Report> {
        let (path, raw) = match self {
            Base::Environment => (Path::new(""), raw::Config::default()),
            Base::File(path) | Base::Text(path, _) => {
                let raw = read::read(&self.text()?, &mut Problems::default());
                (path.as_path(), raw.map_err(|error| Report::whole(path, error.place, error.message, None))?)
            }
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let vault = |_: &str| Err("it is not open yet".to_owned());
        let mut problems = Problems::default();
        let mut mean = Mean { sources: Sources { env, folder, vault: &vault }, problems: &mut problems };
        Ok(mean.state_alone(&raw.state))
    }
}
