//! Work beside the requests: SIGHUP reloads the configuration.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::{BackgroundService, GenBackgroundService, background_service};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Reloader;

/// What is to be kept in order while requests are served.
pub(crate) struct Housekeeping {
    /// Reads the configuration again; `None` when it came from no file.
    pub reloader: Option<Arc<Reloader>>,
}

impl Housekeeping {
    pub(super) fn service(self) -> GenBackgroundService<Self> {
        let mut service = background_service("housekeeping", self);
        service.threads = Some(1);
        service
    }
}

#[async_trait]
impl BackgroundService for Housekeeping {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => return tracing::error!(%error, "SIGHUP will not reload the configuration"),
        };
        loop {
            tokio::select! {
                _ = shutdown.changed() => return,
                received = hangups.recv() => if received.is_none() { return },
            }
            match &self.reloader {
                Some(reloader) => {
                    let reloader = Arc::clone(reloader);
                    // It reads a file. It logs what comes of it.
                    let _ = tokio::task::spawn_blocking(move || reloader.reload()).await;
                }
                None => tracing::warn!("SIGHUP: there is no configuration file to read again"),
            }
        }
    }
}
