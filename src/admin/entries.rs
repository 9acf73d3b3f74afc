//! What commands enter beside the configuration: written, put in force, and taken back if it cannot be.

use std::sync::Arc;

use axum::http::StatusCode;
use rusqlite::Connection;
use tokio::sync::OwnedMutexGuard;

use super::Shared;
use super::accounts_view::Sensitive;
use super::problem::Problem;
use crate::config::{Addition, EntryKind, Faulty};
use crate::store::{DeskError, desk};
use crate::vault::{Row, Vault, VaultError};

/// One change of the entries, or of their secrets.
#[derive(Clone)]
pub(super) enum Change {
    /// An entry, in the place of the one before.
    Put(Addition),
    /// The entry of that id goes, if there is one.
    Remove(EntryKind, String),
    /// A secret, by its name, in the place of the one before.
    Seal(String, Arc<Sensitive>),
    /// The secret of that name goes, if there is one.
    Forget(String),
    /// A secret as it was before.
    PutBack(Row),
}

/// What is changed: an entry or a secret.
enum Target<'a> {
    Entry(EntryKind, &'a str),
    Secret(&'a str),
}

impl Change {
    fn target(&self) -> Target<'_> {
        match self {
            Change::Put(addition) => Target::Entry(addition.kind, &addition.id),
            Change::Remove(kind, id) => Target::Entry(*kind, id),
            Change::Seal(name, _) | Change::Forget(name) => Target::Secret(name),
            Change::PutBack(row) => Target::Secret(row.name()),
        }
    }

    fn make(&self, connection: &Connection, vault: &Vault) -> Result<(), VaultError> {
        match self {
            Change::Put(addition) => Ok(desk::put_entry(connection, addition)?),
            Change::Remove(kind, id) => Ok(desk::remove_entry(connection, *kind, id).map(drop)?),
            Change::Seal(name, secret) => vault.seal_into(connection, name, secret.expose()),
            Change::Forget(name) => Vault::remove_from(connection, name).map(drop),
            Change::PutBack(row) => Vault::put_back(connection, row),
        }
    }

    /// What takes this back.
    fn undo(&self, connection: &Connection, before: &[desk::Entry]) -> Result<Change, VaultError> {
        Ok(match self.target() {
            Target::Entry(kind, id) => {
                let entry = before.iter().find(|one| one.addition.kind == kind && one.addition.id == id);
                entry.map_or_else(|| Change::Remove(kind, id.to_owned()), |entry| Change::Put(entry.addition.clone()))
            }
            Target::Secret(name) => {
                Vault::keep(connection, name)?.map_or_else(|| Change::Forget(name.to_owned()), Change::PutBack)
            }
        })
    }
}

/// Held by the one command that changes entries now.
#[derive(Clone)]
pub(super) struct Alone(#[expect(dead_code, reason = "it is held, not read")] Arc<OwnedMutexGuard<()>>);

impl Shared {
    /// Waits until no other command changes entries.
    pub(super) async fn alone(&self) -> Alone {
        Alone(Arc::new(Arc::clone(&self.entering).lock_owned().await))
    }

    /// All entries.
    ///
    /// # Errors
    /// If the state file cannot be read.
    pub(super) async fn entries(&self) -> Result<Vec<desk::Entry>, Problem> {
        match self.desk.run(|connection| desk::entries(connection)).await {
            Err(DeskError::Off) => Ok(Vec::new()),
            read => Ok(read?),
        }
    }

    /// Makes changes, all or none, and puts them in force. Gives the generation. One command at a time does so.
    ///
    /// # Errors
    /// As [`Self::enter_alone`].
    pub(super) async fn enter(&self, changes: Vec<Change>) -> Result<u64, Problem> {
        let alone = self.alone().await;
        self.enter_alone(&alone, changes).await
    }

    /// As [`Self::enter`], by who is alone already. It comes to its end also if the caller goes away.
    ///
    /// # Errors
    /// If the state file cannot be written, or an entry has a fault: then everything is as before.
    pub(super) async fn enter_alone(&self, alone: &Alone, changes: Vec<Change>) -> Result<u64, Problem> {
        let (shared, alone) = (self.clone(), alone.clone());
        let entered = tokio::spawn(async move {
            let _alone = alone;
            shared.entered(changes).await
        });
        let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the change broke off; the log says why");
        entered.await.map_err(broken)?
    }

    async fn entered(&self, changes: Vec<Change>) -> Result<u64, Problem> {
        let (made, vault) = (changes.clone(), self.vault.clone());
        let undo = self
            .desk
            .change(move |connection| {
                let before = desk::entries(connection)?;
                let undo = made.iter().map(|change| change.undo(connection, &before));
                let undo = undo.collect::<Result<Vec<Change>, VaultError>>()?;
                made.iter().try_for_each(|change| change.make(connection, &vault))?;
                Ok::<_, VaultError>(undo)
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
        let vault = self.vault.clone();
        self.desk.change(move |connection| undo.iter().try_for_each(|change| change.make(connection, &vault))).await?;
        self.reload().await?;
        Err(fault)
    }

    /// What is wrong with an entry that was put.
    fn fault(&self, changes: &[Change]) -> Option<Faulty> {
        let snapshot = self.gateway.store.load();
        let put = |faulty: &&Faulty| {
            changes.iter().any(|change| match change {
                Change::Put(addition) => addition.kind == faulty.kind && addition.id == faulty.id,
                _ => false,
            })
        };
        snapshot.config.origins.faulty.iter().find(put).cloned()
    }
}
