//! The names of one process: on disk before anybody hears that they were changed, and in force with the configuration.

use std::sync::Arc;

use rusqlite::Connection;

use super::{MappingError, Mappings, Replica};
use crate::config::Reloader;
use crate::proxy::now;
use crate::store::{Desk, DeskError, desk};

/// Changes the names, one change after the other. Clones are handles of the same.
#[derive(Clone)]
pub(crate) struct Keeper {
    desk: Desk,
    reloader: Arc<Reloader>,
}

/// Why the names were not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeeperError {
    /// An entry cannot be taken.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The state file cannot be read or written.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// They are kept, and not in force.
    #[error("the mappings are kept, but the configuration cannot be put in force: {0}")]
    NotInForce(String),
}

impl Keeper {
    pub(crate) fn new(desk: Desk, reloader: Arc<Reloader>) -> Self {
        Keeper { desk, reloader }
    }

    /// Whether names can be kept.
    pub(crate) fn is_on(&self) -> bool {
        self.desk.is_on()
    }

    /// The names as they are kept.
    pub(crate) async fn read(&self) -> Result<Mappings, KeeperError> {
        let read = |connection: &mut Connection| desk::replica(connection).map(|replica| replica.mappings);
        Ok(self.desk.run(read).await?)
    }

    /// Changes the names, all or nothing. What other names stand for is in force when it returns. Gives what `change` gives.
    pub(crate) async fn change<T, F>(&self, change: F) -> Result<T, KeeperError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Replica) -> Result<T, MappingError> + Send + 'static,
    {
        let (done, moved) = self
            .desk
            .change(move |connection| {
                let before = desk::replica(connection)?;
                let mut replica = before.clone();
                let done = change(&mut replica)?;
                if replica != before {
                    desk::put_replica(connection, &replica)?;
                }
                Ok::<_, KeeperError>((done, !replica.mappings.alive().eq(before.mappings.alive())))
            })
            .await?;
        if moved {
            let reloader = Arc::clone(&self.reloader);
            let reloaded = tokio::task::spawn_blocking(move || reloader.reload()).await;
            match reloaded {
                Ok(Ok(_)) => {}
                Ok(Err(report)) => return Err(KeeperError::NotInForce(report.short())),
                Err(_) => return Err(DeskError::BrokenOff.into()),
            }
        }
        Ok(done)
    }

    /// Takes what another gateway has, but for what comes from too far in the future. Gives what is kept then.
    pub(crate) async fn merge(&self, theirs: Mappings) -> Result<Mappings, KeeperError> {
        let (theirs, early) = theirs.checked(now())?;
        warn_of(&early);
        self.change(move |replica| {
            replica.mappings.merge(&theirs);
            Ok(replica.mappings.clone())
        })
        .await
    }
}

/// Says which names were not taken because they come from the future.
pub(super) fn warn_of(early: &[String]) {
    if !early.is_empty() {
        let names = early.join(", ");
        tracing::warn!(names, "mappings from more than a day ahead are not taken yet: one of the clocks is wrong");
    }
}
