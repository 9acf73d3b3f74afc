//! `interlingua vault`: over the API of a running gateway; if none runs, on the state file itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Reach;
use super::client::Client;
use super::secrets::{KeySource, confirmed, from_file, from_stdin};
use super::table::{ago, table};
use crate::admin::accounts_view::Sensitive;
use crate::admin::vault_view::{ChangedSecret, Rotation, SecretName, Secrets, SetSecret, WantRotation};
use crate::admin::view::When;
use crate::cli::serve::{DEFAULT_FILE, environment};
use crate::cli::{Failure, print};
use crate::config::Base;
use crate::pool::Millis;
use crate::proxy::now;
use crate::store::Desk;
use crate::vault::{Key, Vault};

const SECRETS: &str = "/api/vault/secrets";

/// Secrets that are kept sealed in the state file; `${vault:NAME}` in the configuration stands for one
///
/// The key is the systemd credential `interlingua-vault-key`, else the variable INTERLINGUA_VAULT_KEY, else the file
/// `vault.key` beside the state file. Keep a copy of it apart from copies of the state file. If no gateway runs, these
/// commands work on the state file itself.
#[derive(Debug, Args)]
#[command(name = "vault")]
pub(in crate::cli) struct VaultCommand {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The names of the secrets; never their values
    List,
    /// Keep a secret, in the place of one of that name
    Set {
        /// As in `${vault:NAME}`
        name: String,
        #[command(flatten)]
        key: KeySource,
    },
    /// Remove a secret
    Remove {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Make a new key, and seal all secrets anew
    ///
    /// A key file is replaced by this command. A key from systemd or the environment cannot be: give the new one here, and
    /// put it into the place of the old one before the gateway starts again. Or put `NEW OLD` there, restart, rotate
    /// without an option, and take OLD out.
    Rotate {
        /// The new key: base64 of 32 bytes, as of `openssl rand -base64 32`
        #[arg(long, value_name = "FILE", conflicts_with = "new_key_stdin")]
        new_key_file: Option<PathBuf>,
        /// Read the new key from standard input
        #[arg(long)]
        new_key_stdin: bool,
    },
}

impl VaultCommand {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match &self.action {
            Action::List => runtime.block_on(self.list()),
            Action::Set { name, key } => {
                let value = key.read(&format!("Secret {name}"))?;
                runtime.block_on(self.set(name, value))
            }
            Action::Remove { name, yes } => {
                if !confirmed(&format!("Remove the secret {name}?"), *yes)? {
                    return Err("nothing was removed".into());
                }
                runtime.block_on(self.remove(name))
            }
            Action::Rotate { new_key_file, new_key_stdin } => {
                let given = match new_key_file {
                    Some(file) => Some(from_file(file)?),
                    None if *new_key_stdin => Some(from_stdin()?),
                    None => None,
                };
                runtime.block_on(self.rotate(given))
            }
        }
    }

    async fn list(&self) -> Result<(), Failure> {
        let view = match self.gateway().await? {
            Some(client) => client.get(SECRETS).await?,
            None => {
                let vault = self.vault()?;
                let (named, now) = (vault.desk().run_now(|connection| Vault::list(connection))?, now());
                let named = named.into_iter().map(|one| SecretName {
                    name: one.name,
                    key_id: one.key_id,
                    changed: When::new(Millis(one.changed), now),
                });
                Secrets { key: vault.place().to_string(), secrets: named.collect() }
            }
        };
        self.show(&view, |view: &Secrets| {
            let row = |one: &SecretName| [one.name.clone(), ago(Some(&one.changed)), one.key_id.clone()];
            let rows: Vec<_> = view.secrets.iter().map(row).collect();
            format!("{}the key comes from {}\n", table(["SECRET", "CHANGED", "KEY ID"], &rows), view.key)
        })
    }

    async fn set(&self, name: &str, value: Sensitive) -> Result<(), Failure> {
        let view = match self.gateway().await? {
            Some(client) => ask(&client, "PUT", SECRETS, &SetSecret { name: name.to_owned(), value }).await?,
            None => {
                self.vault()?.put(name, value.expose()).await?;
                ChangedSecret { name: name.to_owned() }
            }
        };
        self.show(&view, |view: &ChangedSecret| {
            format!("{0} is kept; write `${{vault:{0}}}` where it is wanted", view.name)
        })
    }

    async fn remove(&self, name: &str) -> Result<(), Failure> {
        let view = match self.gateway().await? {
            Some(client) => {
                let query = form_urlencoded::Serializer::new(String::new()).append_pair("name", name).finish();
                client.ask("DELETE", &format!("{SECRETS}?{query}"), String::new()).await?
            }
            None => {
                let removed = self.vault()?.desk().run_now(|connection| Vault::remove_from(connection, name))?;
                if !removed {
                    return Err(format!("there is no secret '{name}'; `interlingua vault list` names them").into());
                }
                ChangedSecret { name: name.to_owned() }
            }
        };
        self.show(&view, |view: &ChangedSecret| format!("{} is removed", view.name))
    }

    async fn rotate(&self, given: Option<Sensitive>) -> Result<(), Failure> {
        let view = match self.gateway().await? {
            Some(client) => ask(&client, "POST", "/api/vault/rotate", &WantRotation { new_key: given }).await?,
            None => {
                let form = "the new key is not base64 of 32 bytes; make one with `openssl rand -base64 32`";
                let given = given.map(|text| Key::parse(text.expose()).ok_or(form)).transpose()?;
                let vault = self.vault()?;
                let rotated = vault.rotate(given)?;
                Rotation {
                    secrets: rotated.secrets,
                    key_id: rotated.key_id,
                    key: vault.place().to_string(),
                    to_be_placed: rotated.to_be_placed,
                }
            }
        };
        self.show(&view, |view: &Rotation| {
            let mut text = format!("{} secrets are sealed under the new key {}\n", view.secrets, view.key_id);
            if view.to_be_placed {
                text.extend(["Put the new key into ", &view.key, " now: the next start needs it.\n"]);
            }
            text
        })
    }

    /// The gateway, if one answers. One that is named by its address must.
    async fn gateway(&self) -> Result<Option<Client>, Failure> {
        let client = Client::new(self.reach.config.as_deref(), self.reach.url.as_deref());
        if self.reach.url.is_some() {
            return client.map(Some);
        }
        match client {
            Ok(client) if client.is_up().await => Ok(Some(client)),
            // Without an API a gateway may run all the same: it reads the key anew when it must.
            _ => Ok(None),
        }
    }

    /// The vault of the configuration, without a gateway.
    fn vault(&self) -> Result<Vault, Failure> {
        let default = PathBuf::from(DEFAULT_FILE);
        let file = self.reach.config.clone().or_else(|| Some(default).filter(|file| file.exists()));
        let base = file.map_or(Base::Environment, Base::File);
        let state = base.state(&environment).map_err(|report| report.to_string())?;
        if let Some(file) = &state.file {
            tracing::info!(file = %file.display(), "no gateway answers: this works on the state file itself");
        }
        Ok(Vault::open(&Desk::new(state.file.as_deref()), &environment))
    }

    fn show<A: Serialize>(&self, view: &A, show: impl FnOnce(&A) -> String) -> Result<(), Failure> {
        if self.reach.json { print(&serde_json::to_string_pretty(view)?) } else { print(&show(view)) }
    }
}

async fn ask<A: DeserializeOwned>(
    client: &Client,
    method: &'static str,
    path: &str,
    body: &impl Serialize,
) -> Result<A, Failure> {
    client.ask(method, path, serde_json::to_string(body)?).await
}
