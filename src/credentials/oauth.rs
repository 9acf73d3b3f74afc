//! Access tokens of accounts that have more than a key.
//!
//! A token is fetched when an account is first used, and fetched anew some minutes before it ends, while requests go on
//! with the old one. Of many requests that want the same token one fetches it, and of several processes one at a time. A
//! failure is remembered for a while, so that a token endpoint in trouble is not asked by every request. `invalid_grant`
//! means that the refresh token is gone for good: it is not asked for again until the configuration has another one.
//!
//! A refresh token that the endpoint gives in the place of the one that was shown is on disk before the access token that
//! came with it is used (`kept.rs`). If the disk does not take it, the gateway goes on with it in memory, says so, and
//! tries again.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::Secret;
use super::grant::{self, Granted, OAuth, Token, TokenError, Way};
use super::http::{Http, HttpError};
use super::kept::{KeepError, Keeping, Rotated};
use crate::egress;
use crate::pool::Millis;

/// How long a failure is the answer, in milliseconds.
pub(crate) const FAILED_FOR_MS: u64 = 30_000;
/// The first wait before a token that the disk did not take is written again; it doubles from there.
const SAVE_AGAIN: Duration = Duration::from_secs(1);
/// And the longest.
const SAVE_AGAIN_MAX: Duration = Duration::from_mins(1);

/// Hears of each fetch: the account, and why it failed if it did.
pub(super) type Heard = Box<dyn Fn(&str, Option<&TokenError>) + Send + Sync>;

/// An account, and how its access tokens are got.
type Key = (String, Arc<OAuth>);

/// The access tokens of all accounts.
pub struct Tokens {
    http: Arc<Http>,
    /// Set once, when the process starts; without it all stays in memory.
    keeping: OnceLock<Arc<Keeping>>,
    heard: Arc<OnceLock<Heard>>,
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
    /// The last token that the provider did not take.
    refused: Option<Secret>,
    /// Of the last fetch, and until when it is the answer.
    failure: Option<(TokenError, Millis)>,
    /// The refresh token that came with the last access token, where the endpoint changes them.
    rotated: Option<Secret>,
    /// What the disk has not taken yet.
    unsaved: Option<Rotated>,
    /// Whether somebody tries to write it.
    saving: bool,
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
        Tokens { http, keeping: OnceLock::new(), heard: Arc::default(), entries: Mutex::default() }
    }

    /// Keeps changed refresh tokens from now on. It can be said once; `false` if it was said before.
    pub(crate) fn keep(&self, keeping: Keeping) -> bool {
        self.keeping.set(Arc::new(keeping)).is_ok()
    }

    /// Calls `heard` after each fetch from now on. It can be set once; `false` if it was set before.
    pub fn on_fetch(&self, heard: Heard) -> bool {
        self.heard.set(heard).is_ok()
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
        way: Option<egress::Way>,
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
                    drop(self.fetch(way, &entry, account, oauth, now, guard));
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
        let fetched = self.fetch(way, &entry, account, oauth, now, guard).await;
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
            state.refused = Some(token.clone());
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
        way: Option<egress::Way>,
        entry: &Arc<Entry>,
        account: &str,
        oauth: &Arc<OAuth>,
        now: Millis,
        guard: tokio::sync::OwnedMutexGuard<()>,
    ) -> tokio::task::JoinHandle<()> {
        let fetch = Fetch {
            http: Arc::new(self.http.on(way)),
            keeping: self.keeping.get().cloned(),
            entry: Arc::clone(entry),
            account: account.to_owned(),
            oauth: Arc::clone(oauth),
            now,
        };
        let heard = Arc::clone(&self.heard);
        tokio::spawn(async move {
            let result = fetch.run().await;
            if let Some(heard) = heard.get() {
                heard(&fetch.account, result.as_ref().err());
            }
            fetch.entry.take(&fetch.account, result, now);
            drop(guard);
        })
    }
}

/// One fetch.
struct Fetch {
    http: Arc<Http>,
    keeping: Option<Arc<Keeping>>,
    entry: Arc<Entry>,
    account: String,
    oauth: Arc<OAuth>,
    now: Millis,
}

impl Fetch {
    async fn run(&self) -> Result<Granted, TokenError> {
        let Way::Refresh { refresh_token: configured, .. } = &self.oauth.way else {
            return grant::ask(&self.http, &self.oauth, None, self.now).await;
        };
        let _alone = match &self.keeping {
            Some(keeping) => keeping.lock(&self.account).await,
            None => None,
        };
        let shown = match self.known(configured).await? {
            Known::Granted(granted) => return Ok(granted),
            Known::Refresh(token) => token,
        };
        let mut granted = grant::ask(&self.http, &self.oauth, Some(&shown), self.now).await?;
        // Some endpoints repeat the token that they were shown.
        granted.rotated = granted.rotated.filter(|token| *token != shown);
        if let Some(token) = &granted.rotated {
            self.write_ahead(Rotated::new(configured, token, &granted.token)).await;
        }
        Ok(granted)
    }

    /// What this process, or another one, has got in the place of the configured refresh token.
    async fn known(&self, configured: &Secret) -> Result<Known, TokenError> {
        let (in_memory, is_unsaved, refused) = {
            let state = self.entry.state.lock();
            (state.rotated.clone(), state.unsaved.is_some(), state.refused.clone())
        };
        let of_memory = || Known::Refresh(in_memory.clone().unwrap_or_else(|| configured.clone()));
        let Some(keeping) = self.keeping.as_ref().filter(|_| !is_unsaved) else { return Ok(of_memory()) };
        let kept = match keeping.load(&self.account, configured).await {
            Ok(Some(kept)) => kept,
            Ok(None) => return Ok(of_memory()),
            Err(error) if in_memory.is_some() => {
                tracing::warn!(account = self.account, %error, "the kept refresh token cannot be read; going on with that in memory");
                return Ok(of_memory());
            }
            Err(error) => return Err(TokenError::Kept(error.to_string())),
        };
        let Some(rotated) = kept.refresh_token() else { return Ok(of_memory()) };
        Ok(match kept.token(self.now).filter(|token| Some(&token.secret) != refused.as_ref()) {
            Some(token) => Known::Granted(Granted { token, rotated: Some(rotated) }),
            None => Known::Refresh(rotated),
        })
    }

    /// Puts a changed refresh token on disk. What the disk does not take is tried again.
    async fn write_ahead(&self, rotated: Rotated) {
        let account = &self.account;
        let result = match &self.keeping {
            Some(keeping) => keeping.save(account, &rotated).await,
            None => Err(KeepError::Off),
        };
        let (error, keeping) = match (result, &self.keeping) {
            (Ok(()), _) => {
                self.entry.state.lock().unsaved = None;
                return;
            }
            (Err(error @ KeepError::Failed(_)), Some(keeping)) => (error, keeping),
            (Err(error), _) => {
                tracing::warn!(
                    account,
                    "its provider changes refresh tokens: {error}, so the next start may need a new login"
                );
                return;
            }
        };
        tracing::error!(account, %error, "its changed refresh token is not on disk: a restart now would need a new login");
        let mut state = self.entry.state.lock();
        state.unsaved = Some(rotated);
        if !std::mem::replace(&mut state.saving, true) {
            let (entry, keeping, account) = (Arc::downgrade(&self.entry), Arc::clone(keeping), account.clone());
            tokio::spawn(save_later(entry, keeping, account));
        }
    }
}

/// What a fetch begins with.
enum Known {
    /// Another process has fetched it already.
    Granted(Granted),
    /// The refresh token to show.
    Refresh(Secret),
}

/// Tries to write what the disk did not take, until it does or the account is gone.
async fn save_later(entry: Weak<Entry>, keeping: Arc<Keeping>, account: String) {
    let mut pause = SAVE_AGAIN;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SAVE_AGAIN_MAX);
        let Some(entry) = entry.upgrade() else { return };
        // Nobody fetches meanwhile, so nothing newer can be on disk.
        let _alone = entry.fetching.lock().await;
        let unsaved = entry.state.lock().unsaved.clone();
        let Some(rotated) = unsaved else {
            entry.state.lock().saving = false;
            return;
        };
        match keeping.save(&account, &rotated).await {
            Ok(()) => {
                let mut state = entry.state.lock();
                (state.unsaved, state.saving) = (None, false);
                tracing::info!(account, "its changed refresh token is on disk now");
                return;
            }
            Err(error) => tracing::warn!(account, %error, "its changed refresh token is still not on disk"),
        }
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

    fn take(&self, account: &str, result: Result<Granted, TokenError>, now: Millis) {
        let mut state = self.state.lock();
        match result {
            Ok(granted) => {
                state.token = Some(granted.token);
                state.failure = None;
                state.rotated = granted.rotated.or_else(|| state.rotated.take());
            }
            Err(error) => {
                tracing::warn!(account, %error, "an access token could not be fetched");
                let until =
                    if matches!(error, TokenError::Revoked) { Millis(u64::MAX) } else { now.plus(FAILED_FOR_MS) };
                state.failure = Some((error, until));
            }
        }
    }
}

#[cfg(test)]
mod tests;
