//! What commands enter beside the configuration: written, put in force, and taken back if it cannot be.

use axum::http::StatusCode;
use rusqlite::Connection;

use super::Shared;
use super::problem::Problem;
use crate::config::{Addition, EntryKind, Faulty};
use crate::store::{DeskError, desk};

/// One change of the entries.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// An entry, in the place of the one before.
    Put(Addition),
    /// The entry of that id goes, if there is one.
    Remove(EntryKind, String),
}

impl Change {
    fn target(&self) -> (EntryKind, &str) {
        match self {
            Change::Put(addition) => (addition.kind, &addition.id),
            Change::Remove(kind, id) => (*kind, id),
        }
    }

    fn make(&self, connection: &Connection) -> Result<(), DeskError> {
        match self {
            Change::Put(addition) => desk::put_entry(connection, addition),
            Change::Remove(kind, id) => desk::remove_entry(connection, *kind, id).map(drop),
        }
    }
}

impl Shared {
    /// Makes changes of the entries, all or none, and puts them in force. Gives the generation. One command at a time does so.
    ///
    /// # Errors
    /// If the state file cannot be written, or an entry has a fault: then everything is as before.
    pub(super) async fn enter(&self, changes: Vec<Change>) -> Result<u64, Problem> {
        let _alone = self.entering.lock().await;
        let made = changes.clone();
        let undo = self
            .desk
            .change(move |connection| {
                let before = desk::entries(connection)?;
                let old = |change: &Change| {
                    let (kind, id) = change.target();
                    let entry = before.iter().find(|one| one.addition.kind == kind && one.addition.id == id);
                    match entry {
                        Some(entry) => Change::Put(entry.addition.clone()),
                        None => Change::Remove(kind, id.to_owned()),
                    }
                };
                let undo: Vec<Change> = made.iter().map(old).collect();
                made.iter().try_for_each(|change| change.make(connection))?;
                Ok::<_, DeskError>(undo)
            })
            .await?;
        let fault = match self.reload().await {
            Ok(generation) => match self.fault(&changes) {
                None => return Ok(generation),
                Some(Faulty { kind, id, why }) => {
                    let detail = format!("the {} '{id}' was not taken: {why}", kind.name());
                    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
                }
            },
            Err(problem) => problem,
        };
        self.desk.change(move |connection| undo.iter().try_for_each(|change| change.make(connection))).await?;
        self.reload().await?;
        Err(fault)
    }

    /// What is wrong with an entry that was put.
    fn fault(&self, changes: &[Change]) -> Option<Faulty> {
        let snapshot = self.gateway.store.load();
        let put = |faulty: &&Faulty| {
            changes.iter().any(|change| {
                matches!(change, Change::Put(addition) if addition.kind == faulty.kind && addition.id == faulty.id)
            })
        };
        snapshot.config.origins.faulty.iter().find(put).cloned()
    }
}
