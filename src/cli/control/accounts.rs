//! `interlingua accounts status`.

use clap::{Args, Subcommand};

use super::Reach;
use super::table::{NOTHING, percent, table, until};
use crate::admin::view;
use crate::cli::Failure;

/// The accounts of a running gateway
#[derive(Debug, Args)]
pub(in crate::cli) struct Accounts {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every account: what it does, how near it is to its limits, and what keeps it from requests
    Status,
}

impl Accounts {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        match self.action {
            Action::Status => self.reach.run(async |client| client.get("/api/accounts/status").await, show),
        }
    }
}

fn show(view: &view::Accounts) -> String {
    let rows: Vec<_> = view.accounts.iter().map(row).collect();
    let mut tally = view::Tally::default();
    for account in &view.accounts {
        tally.add(account.standing.state);
    }
    let out = tally.total - tally.open_to_requests();
    let text = table(
        ["ACCOUNT", "TIER", "STATE", "AT WORK", "NEXT TRY", "NEAREST LIMIT", "QUOTA LEFT", "CACHED", "WHY"],
        &rows,
    );
    let trouble = view.state_error.as_ref();
    let trouble = trouble.map_or(String::new(), |why| format!("what is learned is lost at a restart now: {why}\n"));
    format!("{text}{} accounts, {} can take requests, {out} cannot\n{trouble}", tally.total, tally.open_to_requests())
}

fn row(account: &view::Account) -> [String; 9] {
    let standing = &account.standing;
    let limit = account.limit.map_or("∞".to_owned(), |limit| limit.to_string());
    let next = standing.next_probe.as_ref().or(standing.until.as_ref());
    let mut why = standing.reason.clone().unwrap_or_else(|| NOTHING.to_owned());
    if let (Some(end), Some(_)) = (&standing.until, &standing.next_probe) {
        why = format!("{why}, ends in {}", until(Some(end)));
    }
    [
        account.account.clone(),
        account.tier.clone(),
        standing.state.name().to_owned(),
        format!("{}/{limit}", account.in_flight),
        until(next),
        nearest(&account.paces),
        scarcest(&account.quotas),
        account.cached_token_ratio.map_or(NOTHING.to_owned(), percent),
        why,
    ]
}

/// The limit that is used most: `82% of 500 requests/min (header)`.
fn nearest(paces: &[view::Pace]) -> String {
    let meters = paces.iter().flat_map(|pace| [(&pace.requests, "requests"), (&pace.tokens, "tokens")]);
    let known = meters.filter_map(|(meter, what)| Some((meter.limit?, meter, what)));
    let nearest = known.max_by(|a, b| a.1.used_ratio.total_cmp(&b.1.used_ratio));
    nearest.map_or(NOTHING.to_owned(), |(limit, meter, what)| {
        let source = meter.source.as_deref().unwrap_or("unknown");
        format!("{} of {limit} {what} ({source})", percent(meter.used_ratio))
    })
}

/// The quota of which the least is left: `12% for opus, whole in 3h`.
fn scarcest(quotas: &[view::Quota]) -> String {
    let scarcest = quotas.iter().min_by(|a, b| a.left_ratio.total_cmp(&b.left_ratio));
    scarcest.map_or(NOTHING.to_owned(), |quota| {
        let reset = quota.reset.as_ref().map_or(String::new(), |reset| format!(", whole in {}", until(Some(reset))));
        format!("{} for {}{reset}", percent(quota.left_ratio), quota.family)
    })
}
