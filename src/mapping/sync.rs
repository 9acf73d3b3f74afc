//! Keeps the names equal to those of another gateway: `mapping.sync`.
//!
//! Asks the other for its names, tells it those that are here, and takes what it answers. Only names of models travel; no
//! address and no key is changed by what the other says.

use std::time::Duration;

use http::{HeaderValue, header};

use super::Mappings;
use super::keeper::{Keeper, KeeperError, warn_of};
use crate::config::{BaseUrl, MappingSync};
use crate::credentials::http::{HttpError, Question};
use crate::proxy::{Gateway, now};

/// Longest answer that is read, in bytes: 10,000 names of usual length.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Where the other has its names.
const PATH: &str = "/api/config/mapping";
/// How often it is looked whether the configuration wants a sync at all, and whether names are to be collected.
const LOOK: Duration = Duration::from_secs(1);
/// How often removed names are collected.
const COLLECT_EVERY_MS: u64 = 60 * 60 * 1000;

/// Why the names could not be synced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    /// Nobody says with whom.
    #[error("there is nobody to sync with: `mapping.sync.url` is not set")]
    Off,
    /// It cannot be asked.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It refuses.
    #[error("{0} answers with status {1}")]
    Refused(String, u16),
    /// It says what cannot be read.
    #[error("{0} answers with what is no list of mappings: {1}")]
    Unreadable(String, String),
    /// Its names cannot be kept here.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// Syncs and collects until it is dropped.
pub(crate) async fn run(gateway: &Gateway, keeper: &Keeper) {
    if !keeper.is_on() {
        return std::future::pending().await;
    }
    let (mut synced, mut collected, mut failing) = (None, None, false);
    let due =
        |last: Option<u64>, every: u64| last.is_none_or(|last| now().0.saturating_sub(last) >= every || last > now().0);
    loop {
        let sync = gateway.store.load().config.mapping.clone();
        if let Some(sync) = sync.as_ref().filter(|sync| due(synced, sync.interval.as_millis() as u64)) {
            synced = Some(now().0);
            let done = once(gateway, keeper, sync).await;
            // Each is said once, until it is otherwise.
            match &done {
                Ok(()) if failing => tracing::info!(with = sync.url.authority(), "mappings are in sync again"),
                Err(error) if !failing => tracing::warn!(%error, "mappings are not in sync"),
                Ok(()) | Err(_) => {}
            }
            failing = done.is_err();
        }
        if due(collected, COLLECT_EVERY_MS) {
            collected = Some(now().0);
            let syncs = sync.is_some();
            match keeper.change(move |replica| Ok(replica.collect(now(), syncs))).await {
                Ok(gone) if !gone.is_empty() => tracing::info!(names = gone.len(), "removed mappings were forgotten"),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "removed mappings cannot be forgotten"),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Syncs now.
pub(crate) async fn now_with(gateway: &Gateway, keeper: &Keeper) -> Result<(), SyncError> {
    let sync = gateway.store.load().config.mapping.clone().ok_or(SyncError::Off)?;
    once(gateway, keeper, &sync).await
}

async fn once(gateway: &Gateway, keeper: &Keeper, sync: &MappingSync) -> Result<(), SyncError> {
    let done = meet(gateway, keeper, sync).await;
    gateway.metrics.mapping_synced.set(i64::from(done.is_ok()));
    gateway.metrics.mapping_syncs.with_label_values(&[if done.is_ok() { "ok" } else { "failed" }]).inc();
    done
}

async fn meet(gateway: &Gateway, keeper: &Keeper, sync: &MappingSync) -> Result<(), SyncError> {
    let theirs = ask(gateway, sync, "GET", String::new()).await?;
    let ours = keeper
        .change(move |replica| {
            replica.hear(&theirs);
            Ok(replica.mappings.clone())
        })
        .await?;
    let told = serde_json::to_string(&ours).map_err(|error| unreadable(&sync.url, &error))?;
    let theirs = ask(gateway, sync, "POST", told).await?;
    keeper
        .change(move |replica| {
            replica.met(&theirs);
            Ok(())
        })
        .await?;
    Ok(())
}

async fn ask(gateway: &Gateway, sync: &MappingSync, method: &'static str, body: String) -> Result<Mappings, SyncError> {
    let host = || sync.url.authority();
    let key: HeaderValue = match sync.token.expose_to_header("Bearer ") {
        Ok(key) => key,
        Err(error) => return Err(SyncError::Unreadable(host(), error.to_string())),
    };
    let headers = vec![(header::AUTHORIZATION, key)];
    let question = Question { method, base: &sync.url, suffix: PATH, headers, kind: "application/json", body };
    let told = gateway.http.ask(&question).await?;
    if told.status != 200 {
        return Err(SyncError::Refused(host(), told.status));
    }
    if told.body.len() > ANSWER_BYTES_MAX {
        return Err(HttpError::TooLong(host()).into());
    }
    let theirs: Mappings = serde_json::from_slice(&told.body).map_err(|error| unreadable(&sync.url, &error))?;
    let (theirs, early) = theirs.checked(now()).map_err(KeeperError::from)?;
    warn_of(&early);
    Ok(theirs)
}

fn unreadable(url: &BaseUrl, error: &serde_json::Error) -> SyncError {
    SyncError::Unreadable(url.authority(), error.to_string())
}
