//! `interlingua accounts export` and `import`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::Args;

use super::Reach;
use super::account_tables::imported;
use super::secrets::PassphraseSource;
use crate::admin::accounts_view::{self as view, Imported, WantExport, WantImport};
use crate::cli::Failure;

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file, which must not be there yet; without one, standard output
    file: Option<PathBuf>,
    /// With their keys, sealed under a passphrase
    #[arg(long)]
    secrets: bool,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

impl Export {
    pub(super) fn run(&self, reach: &Reach) -> Result<(), Failure> {
        let passphrase = if self.secrets { Some(self.passphrase.read(true)?) } else { None };
        let body = serde_json::to_string(&WantExport { passphrase })?;
        let mut failed = None;
        let show = |export: &view::Export| {
            let written = serde_json::to_string_pretty(export).map_err(Failure::from).and_then(|text| self.write(text));
            written.unwrap_or_else(|error| {
                failed = Some(error);
                String::new()
            })
        };
        let asked = async |client: &super::Client| client.ask("POST", "/api/accounts/export", body).await;
        reach.answer(asked, show)?;
        failed.map_or(Ok(()), Err)
    }

    /// Gives what is to be printed.
    fn write(&self, text: String) -> Result<String, Failure> {
        let Some(path) = &self.file else { return Ok(text) };
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = opened.map_err(|error| format!("{}: {error}", path.display()))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(format!("written to {}", path.display()))
    }
}

impl Import {
    pub(super) fn run(&self, reach: &Reach) -> Result<(), Failure> {
        let text = std::fs::read_to_string(&self.file).map_err(|error| format!("{}: {error}", self.file.display()))?;
        let export: view::Export = serde_json::from_str(&text)
            .map_err(|error| format!("{} is no export of accounts: {error}", self.file.display()))?;
        let passphrase = if export.secrets.is_some() { Some(self.passphrase.read(false)?) } else { None };
        let body = serde_json::to_string(&WantImport { export, passphrase })?;
        let asked = async |client: &super::Client| client.ask("POST", "/api/accounts/import", body).await;
        reach.run(asked, |view: &Imported| imported(view))
    }
}
