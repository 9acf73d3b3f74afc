//! Refresh tokens that a provider has given in the place of the configured ones.
//!
//! Many token endpoints change the refresh token with each use, and take the old one back only until the new one, or the
//! access token that came with it, is first seen. So the new one is on disk before either is used (write-ahead): whenever
//! the process is killed, the disk holds a token that is still good.
//!
//! What is kept stands in the vault as `account/ID/rotated`, with a digest of the configured token that it descends from:
//! when the operator configures another one, that one counts. The access token is kept beside it, so that a restart, or
//! the other process of an upgrade, needs none of its own. Only one process at a time asks for an account: it holds a
//! lock on a file beside the state file.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Secret;
use super::grant::{LIFE_MS_MAX, Token};
use crate::pool::Millis;
use crate::store::DeskError;
use crate::vault::{Vault, VaultError};

/// Longest wait for another process that asks for the same account. It is longer than a request to a token endpoint may
/// take; who waits beyond it goes on without.
const LOCK_WAIT: Duration = Duration::from_secs(25);
/// Between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Longest wait for the disk before a token is used without being kept.
const WRITE_WAIT: Duration = Duration::from_secs(5);

/// Keeps secrets on disk.
#[async_trait]
pub trait Keep: Send + Sync {
    /// The secret of that name, if there is one. Waits for the disk.
    ///
    /// # Errors
    /// If there is one and it cannot be read.
    fn get(&self, name: &str) -> Result<Option<String>, KeepError>;

    /// Keeps a secret in the place of the one before; it is on disk when this returns.
    ///
    /// # Errors
    /// If it cannot be written.
    async fn put(&self, name: &str, secret: &str) -> Result<(), KeepError>;
}

/// Why a secret cannot be kept or read. Says nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// Nothing is kept at all.
    #[error("nothing is kept through a restart (`state.enabled` is false, or there is no folder for it)")]
    Off,
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
}

/// A refresh token in the place of a configured one, as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Rotated {
    /// Digest of the configured one.
    original: String,
    refresh_token: String,
    access_token: String,
    /// See [`Token`]; milliseconds of the epoch.
    fresh_until: u64,
    used_until: u64,
}

impl Rotated {
    pub(super) fn new(configured: &Secret, refresh_token: &Secret, token: &Token) -> Self {
        Rotated {
            original: configured.digest(),
            refresh_token: refresh_token.expose_to_vault().to_owned(),
            access_token: token.secret.expose_to_vault().to_owned(),
            fresh_until: token.fresh_until.0,
            used_until: token.used_until.0,
        }
    }

    pub(super) fn refresh_token(&self) -> Option<Secret> {
        Secret::new(self.refresh_token.as_str()).ok().filter(|token| !token.is_none())
    }

    /// The access token, if it need not be fetched anew at `now`. A moment that no token reaches was written by a clock
    /// that was wrong.
    pub(super) fn token(&self, now: Millis) -> Option<Token> {
        let secret = Secret::new(self.access_token.as_str()).ok().filter(|token| !token.is_none())?;
        let is_fresh = now.0 < self.fresh_until && self.used_until <= now.0.saturating_add(LIFE_MS_MAX);
        is_fresh.then_some(Token { secret, fresh_until: Millis(self.fresh_until), used_until: Millis(self.used_until) })
    }
}

#[async_trait]
impl Keep for Vault {
    fn get(&self, name: &str) -> Result<Option<String>, KeepError> {
        match Vault::get(self, name) {
            Ok(secret) => Ok(Some(secret)),
            // Who cannot even open the file knows of nothing that was kept there.
            Err(VaultError::Missing | VaultError::Desk(DeskError::Off | DeskError::Unusable(..))) => Ok(None),
            Err(error) => Err(KeepError::Failed(error.to_string())),
        }
    }

    async fn put(&self, name: &str, secret: &str) -> Result<(), KeepError> {
        Vault::put(self, name, secret).await.map_err(|error| match error {
            VaultError::Desk(DeskError::Off) => KeepError::Off,
            error => KeepError::Failed(error.to_string()),
        })
    }
}

/// The place where they are kept.
pub(crate) struct Keeping {
    keep: Arc<dyn Keep>,
    locks: PathBuf,
}

impl Keeping {
    /// In `keep`, with locks in the folder of the state file.
    pub(crate) fn new(keep: Arc<dyn Keep>, state: &Path) -> Self {
        Keeping { keep, locks: state.parent().unwrap_or(Path::new(".")).join("locks") }
    }

    /// The lock of an account; given back when it is dropped, and when the process ends. `None`: it cannot be had.
    pub(super) async fn lock(&self, account: &str) -> Option<File> {
        let (folder, account) = (self.locks.clone(), account.to_owned());
        let name = Secret::new(account.as_str()).ok()?.digest();
        let path = folder.join(format!("{}.lock", name.get(..32)?));
        let locked = tokio::task::spawn_blocking(move || wait_for(&folder, &path)).await;
        let why = match locked {
            Ok(Ok(file)) => return Some(file),
            Ok(Err(why)) => why,
            Err(_) => "it broke off".to_owned(),
        };
        tracing::warn!(account, "its access token is fetched without the lock against other processes: {why}");
        None
    }

    /// What is kept for an account whose configured refresh token is `configured`.
    pub(super) async fn load(&self, account: &str, configured: &Secret) -> Result<Option<Rotated>, KeepError> {
        let (keep, name) = (Arc::clone(&self.keep), name(account));
        let found = tokio::task::spawn_blocking(move || keep.get(&name)).await;
        let found = found.unwrap_or_else(|_| Err(KeepError::Failed("reading it broke off".to_owned())))?;
        let Some(text) = found else { return Ok(None) };
        let damaged = |_| KeepError::Failed("its content in the vault is not understood".to_owned());
        let rotated: Rotated = serde_json::from_str(&text).map_err(damaged)?;
        Ok(Some(rotated).filter(|rotated| rotated.original == configured.digest()))
    }

    /// Keeps it; it is on disk when this returns.
    pub(super) async fn save(&self, account: &str, rotated: &Rotated) -> Result<(), KeepError> {
        let text = serde_json::to_string(rotated).map_err(|error| KeepError::Failed(error.to_string()))?;
        match tokio::time::timeout(WRITE_WAIT, self.keep.put(&name(account), &text)).await {
            Ok(done) => done,
            Err(_) => Err(KeepError::Failed(format!("the disk did not take it within {WRITE_WAIT:?}"))),
        }
    }
}

/// The name of what is kept for an account.
pub(crate) fn name(account: &str) -> String {
    format!("account/{account}/rotated")
}

fn wait_for(folder: &Path, path: &Path) -> Result<File, String> {
    let said = |error: std::io::Error| format!("{}: {error}", path.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(said)?;
    let mut open = OpenOptions::new();
    let file = open.write(true).create(true).truncate(false).mode(0o600).open(path).map_err(said)?;
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(format!("another one holds it for {LOCK_WAIT:?}")),
            Err(TryLockError::Error(error)) => return Err(said(error)),
        }
    }
}
