//! The commands that ask and steer a running gateway, over its operator's API.

mod accounts;
mod audit;
mod breaker;
mod client;
mod cooldowns;
mod logs;
mod money;
mod safe_mode;
mod table;
mod usage;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

pub(super) use accounts::Accounts;
pub(super) use audit::Audit;
pub(super) use breaker::Breaker;
pub(super) use cooldowns::Cooldowns;
pub(super) use logs::Logs;
pub(super) use safe_mode::SafeMode;
pub(super) use usage::Usage;

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
    /// Asks more than once; `talk` prints itself, as JSON if it is told so.
    fn talk(&self, talk: impl AsyncFnOnce(&Client, bool) -> Result<(), Failure>) -> Result<(), Failure> {
        let client = Client::new(self.config.as_deref(), self.url.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(talk(&client, self.json))
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
        let client = Client::new(self.config.as_deref(), self.url.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(ask(&client))?;
        if self.json { print(&serde_json::to_string_pretty(&answer)?) } else { print(show(&answer).as_ref()) }
    }
}
