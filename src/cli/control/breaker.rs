//! `interlingua breaker`.

use clap::{Args, Subcommand};

use super::table::{NOTHING, table, until};
use super::{Reach, segment};
use crate::admin::view;
use crate::cli::Failure;

/// The breakers of a running gateway: accounts that fail again and again rest
#[derive(Debug, Args)]
pub(in crate::cli) struct Breaker {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All breakers, the open ones first
    List,
    /// Close the breaker of an account: it is used again at once
    Reset {
        /// The account
        account: String,
    },
}

impl Breaker {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::List => self.reach.run(async |client| client.get("/api/resilience/circuits").await, list),
            Action::Reset { account } => {
                let path = format!("/api/resilience/circuits/{}/reset", segment(account));
                self.reach.run(
                    async |client| client.ask("POST", &path, String::new()).await,
                    |circuit: &view::Circuit| {
                        format!("the breaker of {} is {}", circuit.account, circuit.state.replace('_', " "))
                    },
                )
            }
        }
    }
}

fn list(view: &view::Circuits) -> String {
    let mut circuits: Vec<&view::Circuit> = view.circuits.iter().collect();
    circuits.sort_by_key(|circuit| (circuit.state == "closed", circuit.account.clone()));
    let row = |circuit: &&view::Circuit| {
        let why = match (circuit.state.as_str(), circuit.failures) {
            ("closed", 0) => NOTHING.to_owned(),
            ("closed", 1) => "failed once just now".to_owned(),
            (_, failures) => format!("failed {failures} times in a row"),
        };
        [circuit.account.clone(), circuit.state.replace('_', " "), until(circuit.next_probe.as_ref()), why]
    };
    let text = table(["ACCOUNT", "BREAKER", "NEXT TRY", "WHY"], &circuits.iter().map(row).collect::<Vec<_>>());
    let open = circuits.iter().filter(|circuit| circuit.state != "closed").count();
    format!("{text}{open} of {} are not closed\n", circuits.len())
}
