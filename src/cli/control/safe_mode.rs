//! `interlingua safe-mode`.

use clap::{Args, Subcommand};

use super::Reach;
use super::table::{NOTHING, ago, table, until};
use crate::admin::view;
use crate::cli::Failure;

/// Safe mode of a running gateway: one upstream of last resort serves in the place of what fails
#[derive(Debug, Args)]
pub(in crate::cli) struct SafeMode {
    #[command(flatten)]
    reach: Reach,
    /// Only for this upstream
    #[arg(long, global = true, value_name = "ID")]
    upstream: Option<String>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Action {
    /// What holds now
    Status,
    /// All requests go to the upstream of last resort, until it is changed
    On,
    /// No request goes there, until it is changed
    Off,
    /// Failures and successes decide
    Auto,
}

impl SafeMode {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        const PATH: &str = "/api/safe-mode";
        let mode = match self.action.unwrap_or(Action::Status) {
            Action::Status => return self.reach.run(async |client| client.get(PATH).await, show),
            Action::On => "on",
            Action::Off => "off",
            Action::Auto => "auto",
        };
        let wanted = view::SetSafeMode { mode: mode.to_owned(), scope: self.upstream.clone() };
        let body = serde_json::to_string(&wanted)?;
        self.reach.run(async |client| client.ask("PUT", PATH, body).await, show)
    }
}

fn show(view: &view::SafeMode) -> String {
    let Some(upstream) = &view.upstream else {
        return "there is no safe mode: `resilience.safe_mode.upstream` names no upstream of last resort".to_owned();
    };
    let rows: Vec<_> = view.scopes.iter().map(row).collect();
    let text = table(["FOR", "SAFE MODE", "SET TO", "SINCE", "NEXT TRY", "GOOD TRIES", "WHY"], &rows);
    let model = view.model.as_ref().map_or(String::new(), |model| format!(" as {model}"));
    let now = if view.active { "serves in the place of others now" } else { "stands by" };
    format!("{text}{upstream}{model} {now}\n")
}

fn row(scope: &view::SafeScope) -> [String; 7] {
    let name = if scope.scope == "*" { "all upstreams" } else { &scope.scope };
    let why = match (&scope.reason, scope.failures) {
        _ if scope.mode != "auto" => "set by the operator".to_owned(),
        (Some(reason), _) => reason.clone(),
        (None, 0) => NOTHING.to_owned(),
        (None, failures) => format!("{failures} failures lately"),
    };
    [
        name.to_owned(),
        if scope.active { "on" } else { "off" }.to_owned(),
        scope.mode.clone(),
        ago(scope.since.as_ref()),
        if scope.trying { "now trying".to_owned() } else { until(scope.next_probe.as_ref()) },
        scope.good_tries.to_string(),
        why,
    ]
}
