//! Work beside the requests: SIGHUP reloads the configuration, quotas are read, accounts are kept warm, upstreams are
//! looked at. All of it ends when the process begins to leave.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::{BackgroundService, GenBackgroundService, background_service};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Reloader;
use crate::mapping::keeper::Keeper;
use crate::proxy::Gateway;
use crate::{health, mapping, quota, warm_up};

/// How often a state file that could not be read is tried again for what commands have added.
const ENTRIES_AGAIN: Duration = Duration::from_secs(5);

/// What is to be kept in order while requests are served.
pub(crate) struct Housekeeping {
    /// Reads the configuration again.
    pub reloader: Arc<Reloader>,
    /// Names of models that stand for others.
    pub keeper: Keeper,
    /// Whose accounts and upstreams are looked after.
    pub gateway: Arc<Gateway>,
}

impl Housekeeping {
    pub(super) fn service(self) -> GenBackgroundService<Self> {
        let mut service = background_service("housekeeping", self);
        service.threads = Some(1);
        service
    }

    /// Puts what commands have added in force when a disk that was in trouble is well again, for ever.
    async fn look_for_entries(&self) {
        loop {
            tokio::time::sleep(ENTRIES_AGAIN).await;
            let reloader = Arc::clone(&self.reloader);
            let _ = tokio::task::spawn_blocking(move || reloader.reload_if_missed()).await;
        }
    }

    /// Reloads on each SIGHUP, for ever.
    async fn hear_hangups(&self) {
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => {
                tracing::error!(%error, "SIGHUP will not reload the configuration");
                return std::future::pending().await;
            }
        };
        while hangups.recv().await.is_some() {
            let reloader = Arc::clone(&self.reloader);
            // It reads files. It logs what comes of it.
            let _ = tokio::task::spawn_blocking(move || reloader.reload()).await;
        }
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl BackgroundService for Housekeeping {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let shared = || Arc::clone(&self.gateway);
        tokio::select! {
            _ = shutdown.changed() => {}
            () = self.hear_hangups() => {}
            () = quota::refresh::run(shared()) => {}
            () = warm_up::run(shared()) => {}
            () = health::run(shared()) => {}
            () = self.look_for_entries() => {}
            () = mapping::sync::run(&self.gateway, &self.keeper) => {}
        }
    }
}
