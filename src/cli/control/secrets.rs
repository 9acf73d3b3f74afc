//! Where commands read secrets: not from their arguments, which `ps` shows to everybody on the machine.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Write as _, stdin};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::admin::accounts_view::Sensitive;
use crate::cli::Failure;
use crate::cli::serve::environment;
use crate::vault::SECRET_BYTES_MAX;

/// Where a key is. Without any of these it is asked for on the terminal.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct KeySource {
    /// Read the key from standard input
    #[arg(long)]
    key_stdin: bool,
    /// Read the key from a file
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Read the key from a variable of this command's environment
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
}

/// Where a passphrase is. Without any of these it is asked for on the terminal.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct PassphraseSource {
    /// Read the passphrase from a file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase from a variable of this command's environment
    #[arg(long, value_name = "NAME")]
    passphrase_env: Option<String>,
}

impl KeySource {
    /// The key, without what surrounds it.
    pub(super) fn read(&self, what: &str) -> Result<Sensitive, Failure> {
        if self.key_stdin {
            return from_stdin();
        }
        let given = given(self.key_file.as_deref(), self.key_env.as_deref())?;
        given.map_or_else(|| ask(what, "--key-stdin, --key-file or --key-env"), Ok)
    }
}

impl PassphraseSource {
    /// The passphrase; if it is a new one it is asked for twice.
    pub(super) fn read(&self, is_new: bool) -> Result<Sensitive, Failure> {
        const OTHERS: &str = "--passphrase-file or --passphrase-env";
        if let Some(given) = given(self.passphrase_file.as_deref(), self.passphrase_env.as_deref())? {
            return Ok(given);
        }
        let first = ask("Passphrase of the export", OTHERS)?;
        if is_new && ask("Once more", OTHERS)?.expose() != first.expose() {
            return Err("the two are not the same".into());
        }
        Ok(first)
    }
}

/// What standard input holds.
pub(super) fn from_stdin() -> Result<Sensitive, Failure> {
    read(stdin().lock(), "standard input")
}

/// What a file holds.
pub(super) fn from_file(path: &Path) -> Result<Sensitive, Failure> {
    let name = path.display().to_string();
    read(File::open(path).map_err(|error| format!("{name}: {error}"))?, &name)
}

/// Whether the operator says yes.
pub(super) fn confirmed(question: &str, yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !stdin().is_terminal() {
        return Err("there is nobody to ask here; say --yes if it is meant".into());
    }
    let mut out = std::io::stderr().lock();
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

pub(super) fn given(file: Option<&Path>, variable: Option<&str>) -> Result<Option<Sensitive>, Failure> {
    match (file, variable) {
        (Some(file), _) => from_file(file).map(Some),
        (None, Some(name)) => {
            let value = environment(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| format!("the environment variable {name} is not set, or empty"))?;
            Ok(Some(Sensitive::new(value)))
        }
        (None, None) => Ok(None),
    }
}

fn ask(what: &str, others: &str) -> Result<Sensitive, Failure> {
    if !stdin().is_terminal() {
        return Err(format!("{what} is not given, and there is nobody to ask here; use {others}").into());
    }
    // It reads from the terminal itself, without echo.
    let text = rpassword::prompt_password(format!("{what}: "))?;
    let text = text.trim();
    if text.is_empty() { Err(format!("{what} is empty").into()) } else { Ok(Sensitive::new(text.to_owned())) }
}

fn read(from: impl std::io::Read, name: &str) -> Result<Sensitive, Failure> {
    let mut text = String::new();
    let most = u64::try_from(SECRET_BYTES_MAX).unwrap_or(u64::MAX);
    from.take(most + 1).read_to_string(&mut text).map_err(|error| format!("{name}: {error}"))?;
    let text = text.trim();
    if text.is_empty() || text.len() > SECRET_BYTES_MAX {
        return Err(format!("{name} holds nothing, or more than {SECRET_BYTES_MAX} bytes").into());
    }
    Ok(Sensitive::new(text.to_owned()))
}
