//! `interlingua models` and `interlingua mapping`.

use clap::{Args, Subcommand};

use super::table::{NOTHING, table};
use super::{Reach, segment};
use crate::admin::view;
use crate::cli::Failure;
use crate::mapping::Mappings;

/// The models of a running gateway: what clients may ask for, and names that stand for others
#[derive(Debug, Args)]
pub(in crate::cli) struct Models {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All rules, and the names that stand for others
    List,
    /// Have a name stand for another model, at once and until `unmap`
    Map {
        /// The name as clients say it, or a pattern: 'claude-*'
        name: String,
        /// The model it stands for, as a client would name it; {1} is what the first * stands for
        target: String,
    },
    /// Have a name stand for itself again
    Unmap {
        /// The name as it was mapped
        name: String,
    },
}

impl Models {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        let path = |name: &str| format!("/api/models/mappings/{}", segment(name));
        match &self.action {
            Action::List => self.reach.run(async |client| client.get("/api/models").await, list),
            Action::Map { name, target } => {
                let body = serde_json::to_string(&view::SetMapping { target: target.clone() })?;
                self.reach.run(async |client| client.ask("PUT", &path(name), body).await, mapped)
            }
            Action::Unmap { name } => self.reach.run(
                async |client| client.tell("DELETE", &path(name), String::new()).await,
                |()| format!("{name} stands for itself"),
            ),
        }
    }
}

fn mapped(view: &view::Mapped) -> String {
    let but = if view.served { "" } else { "; but no rule takes that, so it cannot be served" };
    format!("{} stands for {} now{but}", view.name, view.target)
}

fn list(view: &view::Models) -> String {
    let row = |rule: &view::Rule| {
        let fallbacks = if rule.fallbacks == 0 { NOTHING.to_owned() } else { rule.fallbacks.to_string() };
        [rule.name.clone(), rule.model.clone().unwrap_or("as asked".to_owned()), rule.upstreams.join(", "), fallbacks]
    };
    let rules =
        table(["MODEL", "AT THE PROVIDER", "UPSTREAMS", "FALLBACKS"], &view.rules.iter().map(row).collect::<Vec<_>>());
    if view.mappings.is_empty() {
        return rules;
    }
    let row = |one: &view::Mapped| {
        let served = if one.served { "yes" } else { "no: no rule takes it" };
        [one.name.clone(), one.target.clone(), served.to_owned()]
    };
    let mappings = table(["NAME", "STANDS FOR", "SERVED"], &view.mappings.iter().map(row).collect::<Vec<_>>());
    format!("{rules}\n{mappings}")
}

/// The sync of mappings with another gateway
#[derive(Debug, Args)]
pub(in crate::cli) struct Mapping {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    action: MappingAction,
}

#[derive(Debug, Subcommand)]
enum MappingAction {
    /// Sync now with the gateway of `mapping.sync`
    Sync,
}

impl Mapping {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        let MappingAction::Sync = self.action;
        let show = |all: &Mappings| format!("in sync: {} names stand for others", all.alive().count());
        self.reach.run(async |client| client.ask("POST", "/api/config/mapping/sync", String::new()).await, show)
    }
}
