//! Access tokens for refresh tokens (RFC 6749 section 6).
//!
//! A token is fetched when an account is first used, kept in memory alone, and fetched anew some minutes before it ends,
//! while requests go on with the old one. Of many requests that want the same token one fetches it. A failure is
//! remembered for a while, so that a token endpoint in trouble is not asked by every request. `invalid_grant` means that
//! the refresh token is gone for good: it is not asked for again until the configuration has another one.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Secret;
use super::http::{Http, HttpError, Question};
use crate::config::BaseUrl;
use crate::egress::Way;
use crate::pool::Millis;

/// How long a failure is the answer, in milliseconds.
pub(crate) const FAILED_FOR_MS: u64 = 30_000;
/// How long before its end a token is fetched anew, in milliseconds; half of its life at most.
const AHEAD_MS: u64 = 5 * 60_000;
/// How long before its end a token is not used any more, in milliseconds; a quarter of its life at most.
const MARGIN_MS: u64 = 30_000;
/// The life of a token of which nothing is said, in milliseconds.
const LIFE_MS: u64 = 3_600_000;
/// Longest life that is believed, in milliseconds: a day.
const LIFE_MS_MAX: u64 = 86_400_000;

/// A refresh token, and whom it was given to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OAuth {
    /// Id of the operator's OAuth client.
    pub client_id: Secret,
    /// Its secret, if it has one.
    pub client_secret: Secret,
    /// The refresh token.
    pub refresh_token: Secret,
    /// Where access tokens are given out.
    pub token_url: BaseUrl,
}

/// Why there is no access token. Says nothing secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The refresh token was revoked or has ended: only another one helps.
    #[error("the refresh token was revoked or has expired (invalid_grant): give the account a new one")]
    Revoked,
    /// The token endpoint refuses: a wrong client, for example.
    #[error("the token endpoint refuses with status {status}: {code}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The error's code (RFC 6749 section 5.2).
        code: String,
    },
    /// The token endpoint cannot be asked.
    #[error("no access token: {0}")]
    Unreachable(#[from] HttpError),
}

/// An account, and the refresh token that its access tokens are fetched with.
type Key = (String, Arc<OAuth>);

/// The access tokens of all accounts.
pub struct Tokens {
    http: Arc<Http>,
    entries: Mutex<HashMap<Key, Arc<Entry>>>,
}

#[derive(Default)]
struct Entry {
    state: Mutex<State>,
    /// Held by the one that fetches.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// Of the last fetch, and until when it is the answer.
    failure: Option<(TokenError, Millis)>,
    /// The refresh token that came with the last access token, where the endpoint changes them.
    rotated: Option<Secret>,
}

#[derive(Clone)]
struct Token {
    secret: Secret,
    /// From here on another one is fetched.
    fresh_until: Millis,
    /// From here on it is not used.
    used_until: Millis,
}

/// What is known before anything is asked.
enum Look {
    Fresh(Secret),
    Aging(Secret),
    Failed(TokenError),
    Missing,
}

impl Tokens {
    pub(crate) fn new(http: Arc<Http>) -> Self {
        Tokens { http, entries: Mutex::default() }
    }

    /// The access token of an account.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn access_token(&self, account: &str, oauth: &Arc<OAuth>, now: Millis) -> Result<Secret, TokenError> {
        self.access_token_on(None, account, oauth, now).await
    }

    /// The same; where it must be fetched, on the account's way.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn access_token_on(
        &self,
        way: Option<Way>,
        account: &str,
        oauth: &Arc<OAuth>,
        now: Millis,
    ) -> Result<Secret, TokenError> {
        let entry = self.entry(account, oauth);
        match entry.look(now) {
            Look::Fresh(token) => return Ok(token),
            Look::Failed(error) => return Err(error),
            Look::Aging(token) => {
                if let Ok(guard) = Arc::clone(&entry.fetching).try_lock_owned() {
                    drop(self.fetch(way, &entry, oauth, now, guard));
                }
                return Ok(token);
            }
            Look::Missing => {}
        }
        let guard = Arc::clone(&entry.fetching).lock_owned().await;
        // Another one may have fetched it meanwhile.
        if let Some(found) = entry.known(now) {
            return found;
        }
        // A task of its own: the client of this request may leave, but a changed refresh token must not get lost.
        let fetched = self.fetch(way, &entry, oauth, now, guard).await;
        match entry.known(now) {
            Some(found) if fetched.is_ok() => found,
            _ => Err(HttpError::Broken { host: oauth.token_url.authority(), why: "it was given up".to_owned() }.into()),
        }
    }

    /// The provider refused `token`. `true` if it was the one in use: then another one will be fetched.
    pub fn refused(&self, account: &str, oauth: &Arc<OAuth>, token: &Secret) -> bool {
        let entry = self.entry(account, oauth);
        let mut state = entry.state.lock();
        let is_current = state.token.as_ref().is_some_and(|current| current.secret == *token);
        if is_current {
            state.token = None;
        }
        is_current
    }

    /// Forgets what `keeps` does not name, and gives the accounts among it whose refresh token was revoked.
    pub fn retain(&self, keeps: impl Fn(&str, &OAuth) -> bool) -> Vec<String> {
        let mut revoked = Vec::new();
        self.entries.lock().retain(|(account, oauth), entry| {
            let kept = keeps(account, oauth);
            if !kept && matches!(entry.state.lock().failure, Some((TokenError::Revoked, _))) {
                revoked.push(account.clone());
            }
            kept
        });
        revoked
    }

    fn entry(&self, account: &str, oauth: &Arc<OAuth>) -> Arc<Entry> {
        let mut entries = self.entries.lock();
        Arc::clone(entries.entry((account.to_owned(), Arc::clone(oauth))).or_default())
    }

    fn fetch(
        &self,
        way: Option<Way>,
        entry: &Arc<Entry>,
        oauth: &Arc<OAuth>,
        now: Millis,
        guard: tokio::sync::OwnedMutexGuard<()>,
    ) -> tokio::task::JoinHandle<()> {
        let (http, entry, oauth) = (self.http.on(way), Arc::clone(entry), Arc::clone(oauth));
        tokio::spawn(async move {
            let refresh_token = entry.state.lock().rotated.clone().unwrap_or_else(|| oauth.refresh_token.clone());
            let result = grant(&http, &oauth, &refresh_token, now).await;
            entry.take(result, now);
            drop(guard);
        })
    }
}

impl Entry {
    fn look(&self, now: Millis) -> Look {
        let state = self.state.lock();
        let failure = state.failure.as_ref().filter(|(_, until)| now < *until).map(|(error, _)| error.clone());
        match (&state.token, failure) {
            (Some(token), _) if now < token.fresh_until => Look::Fresh(token.secret.clone()),
            (Some(token), None) if now < token.used_until => Look::Aging(token.secret.clone()),
            (Some(token), Some(_)) if now < token.used_until => Look::Fresh(token.secret.clone()),
            (_, Some(error)) => Look::Failed(error),
            (_, None) => Look::Missing,
        }
    }

    fn known(&self, now: Millis) -> Option<Result<Secret, TokenError>> {
        match self.look(now) {
            Look::Fresh(token) | Look::Aging(token) => Some(Ok(token)),
            Look::Failed(error) => Some(Err(error)),
            Look::Missing => None,
        }
    }

    fn take(&self, result: Result<Granted, TokenError>, now: Millis) {
        let mut state = self.state.lock();
        match result {
            Ok(granted) => {
                state.token = Some(granted.token);
                state.failure = None;
                state.rotated = granted.rotated.or_else(|| state.rotated.take());
            }
            Err(error) => {
                tracing::warn!(%error, "an access token could not be fetched");
                let until =
                    if matches!(error, TokenError::Revoked) { Millis(u64::MAX) } else { now.plus(FAILED_FOR_MS) };
                state.failure = Some((error, until));
            }
        }
    }
}

struct Granted {
    token: Token,
    rotated: Option<Secret>,
}

/// The members of the token endpoint's answers that matter (RFC 6749 sections 5.1 and 5.2).
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Answer {
    access_token: String,
    expires_in: Option<serde_json::Value>,
    refresh_token: Option<String>,
    error: Option<serde_json::Value>,
}

/// The body of a request for an access token (RFC 6749 section 6).
fn form(oauth: &OAuth, refresh_token: &Secret) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token");
    for (name, secret) in
        [("client_id", &oauth.client_id), ("client_secret", &oauth.client_secret), ("refresh_token", refresh_token)]
    {
        secret.expose_to_form(name, &mut form);
    }
    form.finish()
}

async fn grant(http: &Http, oauth: &OAuth, refresh_token: &Secret, now: Millis) -> Result<Granted, TokenError> {
    let question = Question {
        method: "POST",
        base: &oauth.token_url,
        suffix: "",
        headers: Vec::new(),
        kind: "application/x-www-form-urlencoded",
        body: form(oauth, refresh_token),
    };
    let told = http.ask(&question).await?;
    let answer: Answer = serde_json::from_slice(&told.body).unwrap_or_default();
    let refused = |code: &str| TokenError::Refused { status: told.status, code: code.to_owned() };
    if !(200..300).contains(&told.status) || answer.access_token.is_empty() {
        let code = answer.error.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        // A code is a word; anything else is not shown.
        let is_code =
            !code.is_empty() && code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        return Err(match code {
            "invalid_grant" => TokenError::Revoked,
            _ if is_code => refused(code),
            _ => refused("no access token in its answer"),
        });
    }
    let secret = Secret::new(answer.access_token).map_err(|_| refused("an access token that no header can carry"))?;
    let rotated = answer.refresh_token.and_then(|token| Secret::new(token).ok()).filter(|token| !token.is_none());
    let life = answer.expires_in.as_ref().and_then(seconds).map_or(LIFE_MS, |seconds| seconds.saturating_mul(1000));
    let life = life.min(LIFE_MS_MAX);
    let fresh_until = now.plus(life - AHEAD_MS.min(life / 2));
    let used_until = now.plus(life - MARGIN_MS.min(life / 4));
    Ok(Granted { token: Token { secret, fresh_until, used_until }, rotated })
}

/// A number, which some endpoints write as a text.
fn seconds(value: &serde_json::Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests;
