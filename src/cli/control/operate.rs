//! `interlingua pause`, `resume`, `reload`, `quota` and `warmup`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::table::{NOTHING, ago, percent, span, table};
use super::{Reach, moment};
use crate::admin::view;
use crate::cli::Failure;
use crate::quota::{AccountQuota, FamilyQuota, QuotaStatus};
use crate::warm_up::WarmUp;

/// Turn new requests of a running gateway away with a clear 503; those at work go on to their end
#[derive(Debug, Args)]
pub(in crate::cli) struct Pause {
    #[command(flatten)]
    reach: Reach,
    /// Why, for callers to read
    reason: Option<String>,
}

impl Pause {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        let body = serde_json::to_string(&view::SetPause { reason: self.reason.clone() })?;
        self.reach.run(async |client| client.ask("POST", "/api/pause", body).await, activity)
    }
}

/// Have a paused gateway take requests again
#[derive(Debug, Args)]
pub(in crate::cli) struct Resume {
    #[command(flatten)]
    reach: Reach,
}

impl Resume {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        self.reach.run(async |client| client.ask("POST", "/api/resume", String::new()).await, activity)
    }
}

fn activity(view: &view::Activity) -> String {
    match &view.paused {
        Some(paused) => format!("paused {}; {} requests are at work still", ago(Some(&paused.since)), view.in_flight),
        None => "it takes requests".to_owned(),
    }
}

/// Have a running gateway read its configuration again
#[derive(Debug, Args)]
pub(in crate::cli) struct Reload {
    #[command(flatten)]
    reach: Reach,
}

impl Reload {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        self.reach.run(
            async |client| client.ask("POST", "/api/reload", String::new()).await,
            |told: &view::Generation| format!("configuration {} is in force", told.generation),
        )
    }
}

/// What is left of the quotas of a running gateway's accounts
#[derive(Debug, Args)]
pub(in crate::cli) struct Quota {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    action: QuotaAction,
}

#[derive(Debug, Subcommand)]
enum QuotaAction {
    /// As it is known now
    Show,
    /// Ask the providers first
    Refresh {
        /// Only of this account
        account: Option<String>,
    },
}

impl Quota {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            QuotaAction::Show => self.reach.run(async |client| client.get("/api/quota").await, quota),
            QuotaAction::Refresh { account } => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                if let Some(account) = account {
                    query.append_pair("account", account);
                }
                let path = format!("/api/quota/refresh?{}", query.finish());
                self.reach.run(async |client| client.ask("POST", &path, String::new()).await, quota)
            }
        }
    }
}

fn quota(view: &QuotaStatus) -> String {
    let now = crate::proxy::now().0;
    let until = |ms: Option<u64>| ms.map_or(NOTHING.to_owned(), |ms| span(ms.saturating_sub(now)));
    let row = |account: &AccountQuota, family: &FamilyQuota| {
        [
            account.account.clone(),
            family.family.clone(),
            percent(family.left_percent / 100.0),
            until(family.reset_ms),
            format!("{} ago, {}", span(now.saturating_sub(family.read_ms)), family.source.name()),
            family.resting.clone().map_or(NOTHING.to_owned(), |why| why.replace('_', " ")),
        ]
    };
    let rows: Vec<_> = view
        .accounts
        .iter()
        .flat_map(|account| account.families.iter().map(move |family| row(account, family)))
        .collect();
    let mut text = if rows.is_empty() {
        "no provider has told anything of quotas yet\n".to_owned()
    } else {
        table(["ACCOUNT", "FAMILY", "LEFT", "WHOLE AGAIN IN", "AS OF", "LEFT OUT"], &rows)
    };
    for account in &view.accounts {
        if let Some(error) = &account.error {
            let _ = writeln!(text, "{} could not be asked: {error}", account.account);
        }
    }
    text
}

/// Small requests that start the windows of quotas
#[derive(Debug, Args)]
pub(in crate::cli) struct Warmup {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    action: WarmupAction,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum WarmupAction {
    /// Send them now
    Run,
    /// Those that were sent
    History,
}

impl Warmup {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        let method = match self.action {
            WarmupAction::Run => "POST",
            WarmupAction::History => "GET",
        };
        self.reach.run(async |client| client.ask(method, "/api/warm-ups", String::new()).await, warm_ups)
    }
}

fn warm_ups(view: &view::WarmUps) -> String {
    let row = |one: &WarmUp| {
        [moment(one.at_ms), one.account.clone(), one.model.clone(), span(one.took_ms), one.result.clone()]
    };
    let sent = view.sent.map_or(String::new(), |sent| format!("{sent} sent\n"));
    if view.history.is_empty() {
        return format!("{sent}none was sent yet");
    }
    let rows: Vec<_> = view.history.iter().map(row).collect();
    format!("{sent}{}", table(["SENT", "ACCOUNT", "MODEL", "TOOK", "RESULT"], &rows))
}
