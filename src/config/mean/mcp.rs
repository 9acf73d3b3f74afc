//! Tool servers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use interlingua_filters::Dialect;
use interlingua_filters::dialects::Quirks;

use super::Mean;
use super::accounts::Accounts;
use crate::config::report::At;
use crate::config::{Account, AccountLimits, AuthStyle, McpServer, Platform, StreamMode, Upstream, raw};
use crate::credentials::Secret;

/// Requests at a time to one server: it has limits of its own, and streams of notifications are many and long.
const CONCURRENCY: u32 = 10_000;

impl Mean<'_> {
    pub(super) fn mcp(
        &mut self,
        at: &At<'_>,
        raw: &BTreeMap<String, Option<raw::Mcp>>,
        listen: &[SocketAddr],
        accounts: &Accounts,
    ) -> Vec<McpServer> {
        let mut servers = Vec::with_capacity(raw.len());
        for (name, server) in raw {
            let at = at.key(name);
            let well = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if !name.chars().all(well) || name.is_empty() || name.len() > super::ID_CHARS_MAX - "mcp/".len() {
                let message = "the name of a tool server may hold letters, digits and `. _ -`, at most 60 characters";
                self.problems.error(&at, message, None);
            }
            let id = format!("mcp/{name}");
            if accounts.list.iter().any(|account| account.id == id) {
                let help = "give the account another name".to_owned();
                self.problems.error(&at, format!("there is an account `{id}`, which is this server's own"), Some(help));
            }
            match server {
                None => self.problems.missing(&at, "url", "the endpoint of the server"),
                Some(server) => servers.extend(self.mcp_server(&at, name, id, server, listen)),
            }
        }
        servers
    }

    fn mcp_server(
        &mut self,
        at: &At<'_>,
        name: &str,
        id: String,
        raw: &raw::Mcp,
        listen: &[SocketAddr],
    ) -> Option<McpServer> {
        let base_url = match raw.url.as_deref() {
            Some(text) if !text.is_empty() => self.base_url(&at.key("url"), text, None, None, listen),
            _ => {
                self.problems.missing(at, "url", "for example `https://tools.example.com/mcp`");
                None
            }
        };
        let headers = self.headers(&at.key("headers"), &raw.headers);
        let raw::McpTimeouts { connect, total_connect, first_byte, idle, write, total } = raw.timeouts.clone();
        let spans = raw::Timeouts { connect, total_connect, first_byte, idle, write, total };
        let timeouts = self.timeouts(&at.key("timeouts"), &spans);
        let credential = self.mcp_credential(at, raw)?;
        let auth = raw.auth.unwrap_or(if credential.is_none() { AuthStyle::None } else { AuthStyle::Bearer });
        let upstream = Arc::new(Upstream {
            id: id.clone(),
            provider: None,
            // It has none; no body of it is ever read.
            dialect: Dialect::OpenAiChat,
            base_url: base_url?,
            auth,
            quirks: Quirks::default(),
            headers,
            proxy: None,
            timeouts,
            stream: StreamMode::default(),
            platform: Platform::Direct,
            unsupported: Arc::from([]),
            count_tokens: false,
        });
        let upstreams = vec![Arc::clone(&upstream)];
        let account = Account {
            id,
            upstream: Arc::clone(&upstream),
            upstreams,
            tier: 0,
            credential,
            oauth: None,
            headers: Vec::new(),
            project: None,
            proxy: None,
            limits: AccountLimits::default(),
            concurrency: CONCURRENCY,
            enabled: true,
            models: None,
        };
        Some(McpServer { name: name.to_owned(), upstream, account: Arc::new(account) })
    }

    fn mcp_credential(&mut self, at: &At<'_>, raw: &raw::Mcp) -> Option<Secret> {
        let at_key = at.key("credential");
        let Some(text) = &raw.credential else {
            if raw.auth.is_some_and(|auth| auth != AuthStyle::None) {
                self.problems.missing(at, "credential", "for example `${env:NAME}`; or write `auth: none`");
            }
            return Some(Secret::none());
        };
        if raw.auth == Some(AuthStyle::None) {
            let help = "leave the credential out, or say with `auth` where it goes".to_owned();
            self.problems.error(&at_key, "the server has `auth: none`, so this would never be sent", Some(help));
        }
        let text = self.expand(&at_key, &text.0)?;
        if text.is_empty() {
            let help = "write `${env:NAME}`, `${file:/path}` or the credential itself".to_owned();
            self.problems.error(&at_key, "the credential is empty", Some(help));
        }
        match Secret::new(text) {
            Ok(secret) => Some(secret),
            Err(error) => {
                self.problems.error(&at_key, error.to_string(), None);
                None
            }
        }
    }
}
