//! The commands that ask and steer a running gateway, over its operator's API.

mod account_files;
mod account_tables;
mod accounts;
mod breaker;
mod callback;
mod client;
mod clients;
mod cooldowns;
mod explained;
mod login;
mod models;
mod operate;
mod safe_mode;
mod secrets;
mod table;
mod vault;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

pub(super) use accounts::Accounts;
pub(super) use breaker::Breaker;
pub(super) use clients::Clients;
pub(super) use cooldowns::Cooldowns;
pub(super) use explained::explained;
pub(super) use models::{Mapping, Models};
pub(super) use operate::{Pause, Quota, Reload, Resume, Warmup};
pub(super) use safe_mode::SafeMode;
pub(super) use vault::VaultCommand as Vault;

use super::serve::DEFAULT_FILE;
use super::{Failure, print};
use client::Client;

/// Where the gateway is, and how to show what it says.
#[derive(Debug, Args)]
pub(super) struct Reach {
    /// Configuration file of the running gateway: tells where its admin API is, and a key
    #[arg(long, short, global = true, env = "INTERLINGUA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of its admin API, instead of the file's; the key comes from INTERLINGUA_ADMIN_KEY
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// Print what the API says, as JSON
    #[arg(long, global = true)]
    json: bool,
}

impl Reach {
    /// The file that was named, or the one that is there.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()))
    }

    /// Whether a gateway was named by its address.
    pub(super) fn is_remote(&self) -> bool {
        self.url.is_some()
    }

    /// Asks, and prints the answer as JSON or as `show` says it.
    fn run<A, T>(
        &self,
        ask: impl AsyncFnOnce(&Client) -> Result<A, Failure>,
        show: impl FnOnce(&A) -> T,
    ) -> Result<(), Failure>
    where
        A: Serialize,
        T: AsRef<str>,
    {
        let answer = self.asked(ask)?;
        if self.json { print(&serde_json::to_string_pretty(&answer)?) } else { print(show(&answer).as_ref()) }
    }

    /// As [`Self::run`], where the answer is no table: it is shown in one way only.
    fn answer<A>(
        &self,
        ask: impl AsyncFnOnce(&Client) -> Result<A, Failure>,
        show: impl FnOnce(&A) -> String,
    ) -> Result<(), Failure> {
        let text = show(&self.asked(ask)?);
        if text.is_empty() { Ok(()) } else { print(&text) }
    }

    fn asked<A>(&self, ask: impl AsyncFnOnce(&Client) -> Result<A, Failure>) -> Result<A, Failure> {
        let client = Client::new(self.config.as_deref(), self.url.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(ask(&client))
    }
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A moment in the words of people: to the second, in UTC.
fn moment(ms: u64) -> String {
    let moment =
        jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX)).unwrap_or(jiff::Timestamp::MAX);
    moment.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
