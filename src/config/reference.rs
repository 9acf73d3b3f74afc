//! `${env:NAME}`, `${file:/path}` and `${vault:NAME}` in values.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest content of a `${file:…}`, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Where references are looked up.
pub(crate) struct Sources<'a> {
    /// Environment variables.
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// Where relative paths start.
    pub(crate) folder: &'a Path,
    /// Secrets by name; says why there is none.
    pub(crate) vault: &'a dyn Fn(&str) -> Result<String, String>,
}

/// A reference that leads nowhere. Says nothing of values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReferenceError {
    #[error("the environment variable `{0}` is not set")]
    NoVariable(String),
    #[error("the environment variable `{0}` is empty")]
    EmptyVariable(String),
    #[error("the file {0} cannot be read: {1}")]
    NoFile(PathBuf, String),
    #[error("the file {0} is empty")]
    EmptyFile(PathBuf),
    #[error("the secret `{0}` is not there: {1}")]
    NoSecret(String, String),
    #[error("a reference is not closed: `${{` without `}}`")]
    Open,
    #[error(
        "unknown kind of reference; there are `${{env:NAME}}`, `${{file:/path}}` and `${{vault:NAME}}`, and `$${{` is a literal `${{`"
    )]
    Kind,
}

impl ReferenceError {
    /// What to do.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            ReferenceError::NoVariable(name) | ReferenceError::EmptyVariable(name) => {
                Some(format!("set {name} where the gateway starts, or write `${{file:/path}}`"))
            }
            ReferenceError::NoFile(..) => Some("make the file readable for the user of the gateway".to_owned()),
            ReferenceError::NoSecret(..) => Some("`interlingua vault list` names what is there".to_owned()),
            ReferenceError::EmptyFile(_) | ReferenceError::Open | ReferenceError::Kind => None,
        }
    }
}

impl Sources<'_> {
    /// `text` with its references replaced. Values are not searched for references again.
    pub(crate) fn expand(&self, text: &str) -> Result<String, ReferenceError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = after;
                continue;
            }
            let (reference, tail) = after.split_once('}').ok_or(ReferenceError::Open)?;
            out.push_str(before);
            out.push_str(&self.value(reference)?);
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn value(&self, reference: &str) -> Result<String, ReferenceError> {
        match reference.split_once(':') {
            Some(("env", name)) if !name.is_empty() => {
                let value = (self.env)(name).ok_or_else(|| ReferenceError::NoVariable(name.to_owned()))?;
                // Keys are pasted with a line break at their end.
                let value = value.trim().to_owned();
                if value.is_empty() { Err(ReferenceError::EmptyVariable(name.to_owned())) } else { Ok(value) }
            }
            Some(("file", path)) if !path.is_empty() => read_file(&self.folder.join(path)),
            Some(("vault", name)) if !name.is_empty() => {
                (self.vault)(name).map_err(|why| ReferenceError::NoSecret(name.to_owned(), why))
            }
            _ => Err(ReferenceError::Kind),
        }
    }
}

fn read_file(path: &Path) -> Result<String, ReferenceError> {
    let error = |error: &dyn ToString| ReferenceError::NoFile(path.to_owned(), error.to_string());
    // Asked before it is opened: opening a pipe would wait for its writer, and a device may never end.
    if !std::fs::metadata(path).map_err(|e| error(&e))?.is_file() {
        return Err(error(&"it is not a regular file"));
    }
    let file = File::open(path).map_err(|e| error(&e))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|e| error(&e))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(error(&format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    let text = text.trim();
    if text.is_empty() { Err(ReferenceError::EmptyFile(path.to_owned())) } else { Ok(text.to_owned()) }
}
