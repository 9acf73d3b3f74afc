//! The operator's API.
//!
//! Typed are the answers that have settled; each keeps what it does not know in `extra`. Everything else can be asked for
//! by its path: `/api/openapi.json` of the gateway lists all of them.

mod view;

use std::fmt::Write as _;

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Error;
use crate::transport::{Question, Transport};

pub use view::{
    Account, Activity, Cooldown, Generation, Health, Mapped, Models, Paused, Rule, Standing, State, Tally,
    UpstreamHealth, When,
};

/// The operator's API of a gateway.
///
/// ```no_run
/// # async fn run(client: interlingua_client::Client) -> Result<(), interlingua_client::Error> {
/// let admin = client.admin().await?;
/// for account in admin.accounts().await? {
///     println!("{} {:?}", account.account, account.standing.state);
/// }
/// admin.map_model("fast", "claude-haiku-4-5").await?;
/// // Whatever has no method of its own:
/// let usage: serde_json::Value = admin.get("api/usage?by=account").await?;
/// # let _ = usage;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Admin {
    transport: Transport,
}

impl Admin {
    pub(crate) fn new(transport: Transport) -> Self {
        Admin { transport }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        self.transport.url.as_str()
    }

    /// All accounts, and what keeps them from requests.
    ///
    /// # Errors
    /// See [`Error`]; so for all methods.
    pub async fn accounts(&self) -> Result<Vec<Account>, Error> {
        #[derive(serde::Deserialize)]
        struct Accounts {
            accounts: Vec<Account>,
        }
        self.get::<Accounts>("api/accounts/status").await.map(|list| list.accounts)
    }

    /// How the gateway and its upstreams are.
    pub async fn health(&self) -> Result<Health, Error> {
        self.get("api/resilience/health").await
    }

    /// The locks that hold.
    pub async fn cooldowns(&self) -> Result<Vec<Cooldown>, Error> {
        self.get::<view::Cooldowns>("api/resilience/cooldowns").await.map(|list| list.cooldowns)
    }

    /// Takes locks away: of one account, of one family of models, of both, or with neither of all. Gives what was cleared.
    pub async fn clear_cooldowns(&self, account: Option<&str>, family: Option<&str>) -> Result<Vec<Cooldown>, Error> {
        let mut query = String::new();
        for (name, value) in [("account", account), ("family", family)] {
            if let Some(value) = value {
                let _ = write!(query, "&{name}={}", segment(value));
            }
        }
        let query = if query.is_empty() { "all=true" } else { query.trim_start_matches('&') };
        let cleared: view::Cooldowns =
            self.ask(Method::DELETE, &format!("api/resilience/cooldowns?{query}"), None).await?;
        Ok(cleared.cooldowns)
    }

    /// Closes an account's breaker.
    pub async fn reset_breaker(&self, account: &str) -> Result<(), Error> {
        let path = format!("api/resilience/circuits/{}/reset", segment(account));
        self.ask::<Value>(Method::POST, &path, None).await.map(drop)
    }

    /// The models that are listed, the rules, and the names that stand for others.
    pub async fn models(&self) -> Result<Models, Error> {
        self.get("api/models").await
    }

    /// Lets `name`, or a pattern with `*`, stand for `target`.
    pub async fn map_model(&self, name: &str, target: &str) -> Result<Mapped, Error> {
        let path = format!("api/models/mappings/{}", segment(name));
        self.put(&path, &json!({"target": target})).await
    }

    /// Lets `name` stand for itself again.
    pub async fn unmap_model(&self, name: &str) -> Result<(), Error> {
        self.delete(&format!("api/models/mappings/{}", segment(name))).await
    }

    /// Turns new requests away, with a reason for callers to read; those at work go on.
    pub async fn pause(&self, reason: Option<&str>) -> Result<Activity, Error> {
        self.post("api/pause", &json!({"reason": reason})).await
    }

    /// Serves again.
    pub async fn resume(&self) -> Result<Activity, Error> {
        self.post("api/resume", &json!({})).await
    }

    /// Puts in force what the configuration's file says now.
    ///
    /// # Errors
    /// 422 with what is wrong in the file; then all stays as it was.
    pub async fn reload(&self) -> Result<Generation, Error> {
        self.post("api/reload", &json!({})).await
    }

    /// Any question, by its path.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.ask(Method::GET, path, None).await
    }

    /// Any `POST`, by its path. Sent again only if it was never sent.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.ask(Method::POST, path, Some(written(body)?)).await
    }

    /// Any `PUT`, by its path.
    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.ask(Method::PUT, path, Some(written(body)?)).await
    }

    /// Any `PATCH`, by its path.
    pub async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.ask(Method::PATCH, path, Some(written(body)?)).await
    }

    /// Any `DELETE`, by its path. What is answered is not looked at.
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<T, Error> {
        let body = self.send(method, path, body).await?;
        serde_json::from_slice(&body).map_err(Error::unreadable("answer"))
    }

    async fn send(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Bytes, Error> {
        let is_safe = method == Method::GET;
        let question = Question { method, path: path.trim_start_matches('/'), body, is_safe };
        self.transport.ask(&question).await.map(|(body, _)| body)
    }
}

fn written(body: &impl Serialize) -> Result<Bytes, Error> {
    serde_json::to_vec(body).map(Bytes::from).map_err(Error::unreadable("request"))
}

/// A part of a path, or the value in a query: every byte that means something there is escaped.
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && text.len() > 2) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_elsewhere() {
        assert_eq!(segment("a/b?c=d&e#f g*é"), "a%2Fb%3Fc%3Dd%26e%23f%20g%2A%C3%A9");
        assert_eq!((segment("gpt-5.1").as_str(), segment("..").as_str()), ("gpt-5.1", "%2E%2E"));
    }
}
