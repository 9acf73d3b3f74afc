//! `interlingua accounts`.

use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::Reach;
use super::account_files::{Export, Import};
use super::account_tables::{list, one, pinned, removed, status, tested};
use super::login::Login;
use super::secrets::{KeySource, confirmed};
use crate::admin::accounts_view::{AccountEntry, ChangeAccount, Limits, NewAccount, Pinned, Tested};
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
    /// Every account: where it is entered, and what it may do
    List,
    /// One account
    Show {
        /// The account
        id: String,
    },
    /// Add an account; it serves at once. Its key is kept sealed
    Add(Add),
    /// Log in at a provider with an OAuth client of your own: the account has a refresh token then, and serves at once
    Login(Box<Login>),
    /// Look whether an account works: its upstreams are asked for something that costs nothing
    Test {
        /// The account
        id: String,
    },
    /// Let an account take part, whatever the configuration file says
    Enable {
        /// The account
        id: String,
    },
    /// Shut an account out, whatever the configuration file says; requests at work go on
    Disable {
        /// The account
        id: String,
    },
    /// Change an account that was added by a command
    Set {
        /// The account
        id: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Give an account that was added by a command another key
    Key {
        /// The account
        id: String,
        #[command(flatten)]
        key: KeySource,
    },
    /// Remove an account that was added by a command, with its key
    Remove {
        /// The account
        id: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Let all requests prefer one account, until `unpin`
    Pin {
        /// The account; without one, tell which is pinned
        id: Option<String>,
    },
    /// Take back what `pin` has set
    Unpin,
    /// Write the accounts that were added by commands into a file, for `import`
    Export(Export),
    /// Add the accounts of a file that `export` has written
    Import(Import),
}

#[derive(Debug, Args)]
struct Add {
    /// Its name: letters, digits and `. _ - @ /`
    id: String,
    /// A known provider, such as openai, anthropic, gemini, openrouter
    #[arg(long, value_name = "NAME", required_unless_present = "upstream", conflicts_with = "upstream")]
    provider: Option<String>,
    /// The provider's address, where it is not the usual one
    #[arg(long, value_name = "URL", requires = "provider")]
    base_url: Option<String>,
    /// Upstreams that are there already
    #[arg(long, value_name = "ID", num_args = 1..)]
    upstream: Vec<String>,
    #[command(flatten)]
    key: KeySource,
    /// Where the gateway finds the key, if not in its vault: `${env:NAME}` or `${file:/path}`
    #[arg(long, value_name = "REFERENCE", conflicts_with_all = ["key_stdin", "key_file", "key_env"])]
    credential: Option<String>,
    /// The upstream wants no key
    #[arg(long, conflicts_with_all = ["key_stdin", "key_file", "key_env", "credential"])]
    no_key: bool,
    /// Its Google Cloud project
    #[arg(long)]
    project: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// Do not let it take part yet
    #[arg(long)]
    disabled: bool,
}

#[derive(Debug, Args)]
struct Settings {
    /// One of `tiers`
    #[arg(long)]
    tier: Option<String>,
    /// Most requests at a time
    #[arg(long)]
    concurrency: Option<u64>,
    /// Only these models, in the provider's words; `*` stands for anything
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    models: Option<Vec<String>>,
    /// What the provider allows
    #[arg(long, value_name = "NUMBER")]
    requests_per_minute: Option<u64>,
    /// What the provider allows
    #[arg(long, value_name = "NUMBER")]
    tokens_per_minute: Option<u64>,
}

impl Settings {
    fn limits(&self) -> Option<Limits> {
        let limits =
            Limits { requests_per_minute: self.requests_per_minute, tokens_per_minute: self.tokens_per_minute };
        (limits != Limits::default()).then_some(limits)
    }
}

impl Accounts {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        const PINNED: &str = "/api/pinned-account";
        let reach = &self.reach;
        match &self.action {
            Action::Status => reach.run(async |client| client.get("/api/accounts/status").await, status),
            Action::List => reach.run(async |client| client.get("/api/accounts").await, list),
            Action::Show { id } => reach.run(async |client| client.get(&path(id)).await, one),
            Action::Add(add) => self.send("POST", "/api/accounts", &add.wanted()?),
            Action::Login(login) => login.run(reach),
            Action::Test { id } => self.test(id),
            Action::Enable { id } => self.switch(id, true),
            Action::Disable { id } => self.switch(id, false),
            Action::Set { id, settings } => {
                let wanted = ChangeAccount {
                    tier: settings.tier.clone(),
                    concurrency: settings.concurrency,
                    models: settings.models.clone(),
                    limits: settings.limits(),
                    ..ChangeAccount::default()
                };
                self.send("PATCH", &path(id), &wanted)
            }
            Action::Key { id, key } => {
                let key = Some(key.read(&format!("Key of {id}"))?);
                self.send("PATCH", &path(id), &ChangeAccount { key, ..ChangeAccount::default() })
            }
            Action::Remove { id, yes } => {
                if !confirmed(&format!("Remove the account {id} and its key?"), *yes)? {
                    return Err("nothing was removed".into());
                }
                reach.run(async |client| client.ask("DELETE", &path(id), String::new()).await, removed)
            }
            Action::Pin { id: None } => reach.run(async |client| client.get(PINNED).await, pinned),
            Action::Pin { id: Some(id) } => {
                let body = serde_json::to_string(&Pinned { account: Some(id.clone()), by_command: true })?;
                reach.run(async |client| client.ask("PUT", PINNED, body).await, pinned)
            }
            Action::Unpin => reach.run(async |client| client.ask("DELETE", PINNED, String::new()).await, pinned),
            Action::Export(export) => export.run(reach),
            Action::Import(import) => import.run(reach),
        }
    }

    fn switch(&self, id: &str, enabled: bool) -> Result<(), Failure> {
        self.send("PATCH", &path(id), &ChangeAccount { enabled: Some(enabled), ..ChangeAccount::default() })
    }

    /// Exits with 1 if the account does not work.
    fn test(&self, id: &str) -> Result<(), Failure> {
        let mut works = true;
        let path = format!("{}/test", path(id));
        let show = |view: &Tested| {
            works = view.works;
            tested(view)
        };
        self.reach.run(async |client| client.ask("POST", &path, String::new()).await, show)?;
        if works { Ok(()) } else { Err(format!("the account {id} was not seen to work").into()) }
    }

    fn send(&self, method: &'static str, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        let body = serde_json::to_string(body)?;
        self.reach.run(async |client| client.ask(method, path, body).await, |entry: &AccountEntry| one(entry))
    }
}

impl Add {
    fn wanted(&self) -> Result<NewAccount, Failure> {
        let key = if self.no_key || self.credential.is_some() {
            None
        } else {
            Some(self.key.read(&format!("Key of {}", self.id))?)
        };
        Ok(NewAccount {
            id: self.id.clone(),
            provider: self.provider.clone(),
            base_url: self.base_url.clone(),
            upstream: self.upstream.clone(),
            key,
            credential: self.credential.clone(),
            project: self.project.clone(),
            tier: self.settings.tier.clone(),
            concurrency: self.settings.concurrency,
            models: self.settings.models.clone(),
            limits: self.settings.limits(),
            enabled: self.disabled.then_some(false),
        })
    }
}

pub(super) fn path(id: &str) -> String {
    format!("/api/accounts/{}", utf8_percent_encode(id, NON_ALPHANUMERIC))
}
