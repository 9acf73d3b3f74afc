//! `interlingua cooldowns`.

use clap::{Args, Subcommand};

use super::Reach;
use super::table::{ago, or_nothing, table, until};
use crate::admin::view;
use crate::cli::Failure;

/// The cooldowns of a running gateway: accounts that rest after a refusal
#[derive(Debug, Args)]
pub(in crate::cli) struct Cooldowns {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All cooldowns, those that end first first
    List {
        /// Only of this account
        account: Option<String>,
        /// Only of this model family
        #[arg(long)]
        family: Option<String>,
    },
    /// End cooldowns now
    #[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
    Clear {
        /// Those of this account
        #[arg(group = "which")]
        account: Option<String>,
        /// Those of this model family
        #[arg(long, group = "which")]
        family: Option<String>,
        /// All of them
        #[arg(long, group = "which", conflicts_with_all = ["account", "family"])]
        all: bool,
    },
}

impl Cooldowns {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::List { account, family } => {
                let path = path(account.as_deref(), family.as_deref(), false);
                self.reach.run(async |client| client.get(&path).await, list)
            }
            Action::Clear { account, family, all } => {
                let path = path(account.as_deref(), family.as_deref(), *all);
                self.reach.run(async |client| client.ask("DELETE", &path, String::new()).await, cleared)
            }
        }
    }
}

fn path(account: Option<&str>, family: Option<&str>, all: bool) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("account", account), ("family", family)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    if all {
        query.append_pair("all", "true");
    }
    format!("/api/resilience/cooldowns?{}", query.finish())
}

fn list(view: &view::Cooldowns) -> String {
    if view.cooldowns.is_empty() {
        return "no account rests".to_owned();
    }
    let row = |lock: &view::Cooldown| {
        let next = if lock.probing { "now trying".to_owned() } else { until(lock.next_probe.as_ref()) };
        let family = lock.family.as_deref().unwrap_or("all models").to_owned();
        let again = if lock.strikes > 0 { format!(", {} times in a row", lock.strikes + 1) } else { String::new() };
        let why = format!("{}{again}", lock.reason);
        [lock.account.clone(), family, until(Some(&lock.until)), next, ago(Some(&lock.since)), why]
    };
    let rows: Vec<_> = view.cooldowns.iter().map(row).collect();
    table(["ACCOUNT", "FAMILY", "ENDS IN", "NEXT TRY", "SINCE", "WHY"], &rows)
}

fn cleared(view: &view::Cooldowns) -> String {
    if view.cooldowns.is_empty() {
        return "there was nothing to clear".to_owned();
    }
    let row = |lock: &view::Cooldown| {
        [lock.account.clone(), or_nothing(lock.family.as_deref()), until(Some(&lock.until)), lock.reason.clone()]
    };
    table(["CLEARED", "FAMILY", "WOULD HAVE ENDED IN", "WHY"], &view.cooldowns.iter().map(row).collect::<Vec<_>>())
}
