//! `interlingua audit`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Reach;
use super::table::{NOTHING, table};
use crate::admin::records_view as view;
use crate::audit::Hashed;
use crate::cli::{Failure, print};

/// The audit log of a running gateway: who changed what, breakers, tokens, safe mode
#[derive(Debug, Args)]
pub(in crate::cli) struct Audit {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The newest events
    List {
        /// Only of this kind, such as admin_call or breaker
        #[arg(long)]
        event: Option<String>,
        /// So many at most, 1 to 1000
        #[arg(long, short = 'n', default_value_t = 50)]
        limit: usize,
    },
    /// What stands for an account in the audit log; asks no gateway
    Id {
        /// Id of the account
        account: String,
    },
}

impl Audit {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::List { event, limit } => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("limit", &limit.to_string());
                if let Some(event) = event {
                    query.append_pair("event", event);
                }
                let path = format!("/api/audit?{}", query.finish());
                self.reach.run(async |client| client.get(&path).await, list)
            }
            Action::Id { account } => print(Hashed::account(account).as_str()),
        }
    }
}

fn list(told: &view::Audits) -> String {
    if told.events.is_empty() {
        return "nothing was noted yet".to_owned();
    }
    let rows: Vec<_> = told.events.iter().map(row).collect();
    table(["TIME", "EVENT", "ACCOUNT", "WHAT"], &rows)
}

fn row(event: &view::Audited) -> [String; 4] {
    let say = |(name, value): (&String, &Value)| match value {
        Value::Null => None,
        Value::String(text) => Some(format!("{name} {text}")),
        other => Some(format!("{name} {other}")),
    };
    let what: Vec<String> = event.details.iter().filter_map(say).collect();
    [
        event.at.get(..19).unwrap_or(&event.at).replace('T', " "),
        event.event.replace('_', " "),
        event.account_name.clone().or_else(|| event.account.clone()).unwrap_or_else(|| NOTHING.to_owned()),
        what.join(", "),
    ]
}
