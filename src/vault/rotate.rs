//! A new key for all secrets.
//!
//! ```text
//! file          rows
//! old           old     begin: a transaction that writes, so nobody else seals or rotates
//! new old       old     the new key is on disk; still everything opens
//! new old       new     all rows are re-sealed and committed, together
//! new           new     the old key goes, in a second transaction, if no row needs it
//! ```
//!
//! A crash between any two lines leaves a file that opens every row; the next rotation cleans up.

use std::collections::BTreeSet;

use rusqlite::{Connection, TransactionBehavior};

use super::key::{Key, Ring};
use super::{SECRETS_MAX, Vault, VaultError, read_row, seal};
use crate::store::DeskError;

/// What a rotation has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// How many secrets were re-sealed.
    pub secrets: usize,
    /// Id of the key that seals now.
    pub key_id: String,
    /// Whether the operator must put the new key into its place before the next start.
    pub to_be_placed: bool,
}

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is changed.
    Begun,
    /// The new key is on disk.
    KeyAdded,
    /// The rows are re-sealed, and not committed.
    Resealed,
    /// They are committed.
    Committed,
    /// The old key is gone.
    OldKeyGone,
}

impl Vault {
    /// Seals all secrets anew, under `given` or a new key. Where the key does not come from our own file and none is given,
    /// the first of the keys there is taken, if there are several. Waits for the disk.
    ///
    /// # Errors
    /// If a secret cannot be opened, and if keys or file cannot be written. Then everything opens as before.
    pub fn rotate(&self, given: Option<Key>) -> Result<Rotated, VaultError> {
        self.rotate_with(given, &mut |_| Ok(()))
    }

    pub(super) fn rotate_with(
        &self,
        given: Option<Key>,
        reached: &mut dyn FnMut(Step) -> Result<(), VaultError>,
    ) -> Result<Rotated, VaultError> {
        let before = self.known.lock().clone();
        let mut committed = false;
        let mut noted = |step| {
            committed |= step == Step::Committed;
            reached(step)
        };
        let rotated = self.rotated(given, &mut noted);
        if rotated.is_err() && !committed {
            // Nothing may be sealed under a key that nobody will put into its place.
            *self.known.lock() = before;
        }
        rotated
    }

    fn rotated(
        &self,
        given: Option<Key>,
        reached: &mut dyn FnMut(Step) -> Result<(), VaultError>,
    ) -> Result<Rotated, VaultError> {
        self.desk.run_now(|connection| {
            // Rows under the old key are overwritten in the file, not only forgotten.
            connection.pragma_update(None, "secure_delete", true)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            reached(Step::Begun)?;
            let ring = self.with_new_key(given)?;
            let key = ring.first().cloned().ok_or(VaultError::NoRandom)?;
            reached(Step::KeyAdded)?;
            let secrets = self.reseal(&transaction, &key)?;
            reached(Step::Resealed)?;
            transaction.commit()?;
            reached(Step::Committed)?;
            self.forget_unneeded(connection)?;
            reached(Step::OldKeyGone)?;
            // What the log of the file still holds of old rows goes, too, if nobody reads it just now.
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            let read = self.source.as_ref().map(|source| source.read()).transpose()?.unwrap_or_default();
            let to_be_placed = read.first() != Some(&key);
            tracing::info!(secrets, key = key.id(), "the key of the vault was changed");
            Ok(Rotated { secrets, key_id: key.id(), to_be_placed })
        })
    }

    /// The keys, the new one first, on disk where that is ours.
    fn with_new_key(&self, given: Option<Key>) -> Result<Ring, VaultError> {
        let source = self.source.as_ref().ok_or(DeskError::Off)?;
        let read = source.read()?;
        let ours = source.file().is_some();
        let new = match given {
            Some(key) => Ring::of(key),
            None if ours => Ring::of(Key::generate().ok_or(VaultError::NoRandom)?),
            None if read.len() > 1 => Ring::default(),
            None => return Err(VaultError::NeedsNewKey(source.place())),
        };
        let mut known = self.known.lock();
        let ring = if ours { new.with(read) } else { new.with(read).with(known.clone()) };
        source.write(&ring)?;
        *known = ring.clone();
        Ok(ring)
    }

    fn reseal(&self, connection: &Connection, key: &Key) -> Result<usize, VaultError> {
        let mut select = connection.prepare("SELECT name, key_id, sealed, changed FROM secret LIMIT ?1")?;
        let rows = select.query_map([SECRETS_MAX], read_row)?.collect::<Result<Vec<_>, _>>()?;
        for row in &rows {
            let secret = self.unseal(row)?;
            let sealed = seal::seal(key, &row.name, secret.as_bytes()).ok_or(VaultError::NoRandom)?;
            let update = "UPDATE secret SET key_id = ?2, sealed = ?3 WHERE name = ?1";
            connection.execute(update, (&row.name, key.id(), sealed))?;
        }
        Ok(rows.len())
    }

    /// Takes keys out of our file that no row needs any more.
    fn forget_unneeded(&self, connection: &mut Connection) -> Result<(), VaultError> {
        let Some(source) = self.source.as_ref().filter(|source| source.file().is_some()) else { return Ok(()) };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let needed: BTreeSet<String> = {
            let mut select = transaction.prepare("SELECT DISTINCT key_id FROM secret")?;
            select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        let ring = source.read()?.only(&needed.into_iter().collect::<Vec<_>>());
        source.write(&ring)?;
        *self.known.lock() = ring;
        Ok(transaction.commit()?)
    }
}
