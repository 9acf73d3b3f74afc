//! `interlingua agents setup`: an agent's own configuration for this gateway.

mod write;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Failure, print};
use crate::config::BaseUrl;
use crate::credentials::http::{Http, Question};
use write::{Place, Written};

/// Agents that work through a gateway
#[derive(Debug, Args)]
pub(super) struct Agents {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print an agent's configuration for this gateway, or write it
    Setup(Setup),
}

#[derive(Debug, Args)]
struct Setup {
    /// Which agent
    agent: Agent,
    /// Where the gateway listens for clients
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    gateway: String,
    /// The model that it asks for, as the gateway names it
    #[arg(long)]
    model: Option<String>,
    /// Environment variable that holds the client key; what is written names it where the agent can read variables
    #[arg(long, default_value = "INTERLINGUA_KEY", value_name = "NAME")]
    key_env: String,
    /// Write it into the agent's own files instead of printing it; what else stands there stays, and a copy is kept
    #[arg(long)]
    write: bool,
    /// The home folder whose files are written
    #[arg(long, env = "HOME", value_name = "FOLDER", hide_env_values = true)]
    home: Option<PathBuf>,
}

/// Agents whose configuration is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Agent {
    ClaudeCode,
    Codex,
    GeminiCli,
    Opencode,
}

impl Agents {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let Action::Setup(setup) = &self.action;
        setup.run()
    }
}

impl Setup {
    fn run(&self) -> Result<(), Failure> {
        let base = BaseUrl::parse(&self.gateway).map_err(|error| format!("--gateway {}: {error}", self.gateway))?;
        let url = base.to_string();
        let url = url.trim_end_matches('/');
        let key = std::env::var(&self.key_env).ok().filter(|key| !key.is_empty());
        let place = Place { url, model: self.model.as_deref(), key_env: &self.key_env, key: key.as_deref() };
        let written = write::of(self.agent, &place);
        if !self.write {
            print(&written.shown())?;
            return Ok(());
        }
        let home = self.home.as_deref().ok_or("there is no home folder: name it with --home")?;
        for line in written.write(home)? {
            print(&line)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        print(&runtime.block_on(self.check(&base, key.as_deref(), &written))?)
    }

    /// Asks the gateway once, as the agent would.
    async fn check(&self, base: &BaseUrl, key: Option<&str>, written: &Written) -> Result<String, Failure> {
        let (suffix, name, prefix, body) = written.question(self.model.as_deref());
        let mut headers = Vec::new();
        if let Some(key) = key {
            let secret = crate::credentials::Secret::new(key).map_err(|error| format!("{}: {error}", self.key_env))?;
            headers.push((http::HeaderName::from_static(name), secret.expose_to_header(prefix)?));
        }
        let method = if body.is_empty() { "GET" } else { "POST" };
        let question = Question { method, base, suffix: &suffix, headers, kind: "application/json", body };
        let told = Http::new().ask(&question).await.map_err(|error| {
            format!("it is written, but the gateway does not answer: {error}\nStart it with `interlingua serve`.")
        })?;
        match told.status {
            200 => Ok(format!("the gateway answers at {}{suffix}: the agent can be started", base.authority())),
            401 => Err(format!(
                "it is written, but the gateway wants a client key: put one into the environment variable {} and run this again",
                self.key_env
            )
            .into()),
            status => {
                let text = String::from_utf8_lossy(&told.body);
                let text: String = text.chars().take(400).collect();
                Err(format!("it is written, but the gateway answers a request with {status}: {text}").into())
            }
        }
    }
}
