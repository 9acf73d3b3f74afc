//! `interlingua accounts login`: the browser's part of a login. The gateway exchanges what it brings.

use std::io::{Write as _, stderr, stdin};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;

use super::Reach;
use super::account_tables::one;
use super::accounts::path;
use super::callback::{Callback, PATH};
use super::secrets::{from_stdin, given};
use crate::admin::accounts_view::{AccountEntries, AccountEntry, Sensitive};
use crate::admin::login_view::LogIn;
use crate::cli::Failure;
use crate::credentials::login::{Begun, Wanted};

/// Google's addresses and scope: the ones that stand in where none are given.
const GOOGLE: (&str, &str, &str) = (
    "https://accounts.google.com/o/oauth2/v2/auth",
    "https://oauth2.googleapis.com/token",
    "https://www.googleapis.com/auth/cloud-platform",
);
/// What Google wants to hear before it gives a refresh token.
const OFFLINE: [(&str, &str); 2] = [("access_type", "offline"), ("prompt", "consent")];
/// Known providers whose accounts are Google's.
const OF_GOOGLE: [&str; 4] = ["vertex", "vertex-claude", "gemini", "code-assist"];
/// Where the browser is sent when nobody listens: the user copies the address from it.
const NOWHERE: u16 = 8765;

#[derive(Debug, Args)]
pub(super) struct Login {
    /// The account: a new one, or one that was added by a command
    id: String,
    /// For a new account: a known provider
    #[arg(long, value_name = "NAME", conflicts_with = "upstream")]
    provider: Option<String>,
    /// The provider's address, where it is not the usual one
    #[arg(long, value_name = "URL", requires = "provider")]
    base_url: Option<String>,
    /// For a new account: upstreams that are there already
    #[arg(long, value_name = "ID", num_args = 1..)]
    upstream: Vec<String>,
    /// Id of your own OAuth client at the provider (for native or desktop programs)
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// Read the client's secret from standard input
    #[arg(long, conflicts_with_all = ["client_secret_file", "client_secret_env", "paste"])]
    client_secret_stdin: bool,
    /// Read the client's secret from a file
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// Read the client's secret from a variable of this command's environment
    #[arg(long, value_name = "NAME", conflicts_with = "client_secret_file")]
    client_secret_env: Option<String>,
    /// Where the browser logs in. Default: Google's
    #[arg(long, value_name = "URL", requires = "token_url")]
    auth_url: Option<String>,
    /// Where tokens are given out. Default: Google's
    #[arg(long, value_name = "URL", requires = "auth_url")]
    token_url: Option<String>,
    /// What to ask for; may be given several times. Default for Google: cloud-platform
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// More for the address of the login, such as `access_type=offline`; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// Its Google Cloud project
    #[arg(long)]
    project: Option<String>,
    /// One of `tiers`
    #[arg(long)]
    tier: Option<String>,
    /// Most requests at a time
    #[arg(long)]
    concurrency: Option<u64>,
    /// For machines without a browser: paste the address that the browser ends at, or the code
    #[arg(long)]
    paste: bool,
    /// Do not open a browser, only print the address
    #[arg(long)]
    no_browser: bool,
    /// Port for the browser to come back to, if your client names one. Default: any that is free
    #[arg(long)]
    port: Option<u16>,
    /// How long to wait for the browser, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl Login {
    pub(super) fn run(&self, reach: &Reach) -> Result<(), Failure> {
        let secret = self.secret()?;
        let at = format!("{}/login", path(&self.id));
        let ask = async |client: &super::client::Client| {
            // Before somebody takes the way through the browser for nothing.
            let _: AccountEntries = client.get("/api/accounts").await?;
            let body = serde_json::to_string(&self.browse(secret).await?)?;
            client.ask("POST", &at, body).await
        };
        reach.run(ask, |entry: &AccountEntry| one(entry))
    }

    fn secret(&self) -> Result<Option<Sensitive>, Failure> {
        if self.client_secret_stdin {
            return from_stdin().map(Some);
        }
        given(self.client_secret_file.as_deref(), self.client_secret_env.as_deref())
    }

    /// Goes through the browser.
    async fn browse(&self, client_secret: Option<Sensitive>) -> Result<LogIn, Failure> {
        let is_google = self.auth_url.is_none();
        if is_google && self.provider.as_deref().is_some_and(|name| !OF_GOOGLE.contains(&name)) {
            return Err(
                "say where the login is: --auth-url and --token-url, with the --scope that the provider wants".into()
            );
        }
        let mut scopes = self.scope.clone();
        let mut params = self.param.clone();
        if is_google {
            if scopes.is_empty() {
                scopes.push(GOOGLE.2.to_owned());
            }
            let own = OFFLINE.map(|(name, value)| (name.to_owned(), value.to_owned()));
            params.extend(own.into_iter().filter(|(name, _)| !self.param.iter().any(|(known, _)| known == name)));
        }
        let callback = if self.paste { None } else { Some(Callback::listen(self.port.unwrap_or(0)).await?) };
        let port = callback.as_ref().map_or(self.port.unwrap_or(NOWHERE), Callback::port);
        let redirect_uri = format!("http://127.0.0.1:{port}{PATH}");
        let auth_url = self.auth_url.as_deref().unwrap_or(GOOGLE.0);
        let wanted = Wanted {
            auth_url,
            client_id: &self.client_id,
            redirect_uri: &redirect_uri,
            scopes: &scopes,
            params: &params,
        };
        let begun = Begun::new(&wanted)?;
        let wait = Duration::from_secs(self.timeout);
        let code = match callback {
            Some(callback) => {
                say(&format!(
                    "Open this address in a browser on this machine:\n\n  {}\n\nWaiting for it to come back to {redirect_uri} …",
                    begun.url
                ))?;
                if !self.no_browser {
                    open(&begun.url);
                }
                callback.code(&begun, wait).await?
            }
            None => {
                say(&format!(
                    "Open this address in any browser:\n\n  {}\n\nAfter the login it ends at an address that it cannot load. Paste that address here:",
                    begun.url
                ))?;
                begun.pasted(&line(wait).await?)?
            }
        };
        Ok(LogIn {
            provider: self.provider.clone(),
            base_url: self.base_url.clone(),
            upstream: self.upstream.clone(),
            client_id: self.client_id.clone(),
            client_secret,
            token_url: self.token_url.clone().unwrap_or_else(|| GOOGLE.1.to_owned()),
            redirect_uri,
            code: Sensitive::new(code),
            verifier: Sensitive::new(begun.verifier),
            project: self.project.clone(),
            tier: self.tier.clone(),
            concurrency: self.concurrency,
        })
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    // These make the login ours.
    let own =
        ["client_id", "redirect_uri", "response_type", "state", "code_challenge", "code_challenge_method", "scope"];
    if name.is_empty() || own.contains(&name) {
        return Err(format!("`{name}` cannot be set"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// On standard error, so that what the command answers stays alone.
fn say(text: &str) -> Result<(), Failure> {
    writeln!(stderr().lock(), "{text}")?;
    Ok(())
}

/// Opens the user's browser, if there is one: the address is printed in any case.
fn open(url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let _ = Command::new(program).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

/// A line of standard input. The thread that reads it may stay: the process ends soon.
async fn line(wait: Duration) -> Result<String, Failure> {
    let (told, heard) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("paste".to_owned()).spawn(move || {
        let mut text = String::new();
        let _ = told.send(stdin().read_line(&mut text).map(|_| text));
    })?;
    match tokio::time::timeout(wait, heard).await {
        Ok(Ok(line)) => Ok(line?),
        Ok(Err(_)) => Err("standard input cannot be read".into()),
        Err(_) => Err(format!("nothing was pasted within {} s; begin anew", wait.as_secs()).into()),
    }
}
