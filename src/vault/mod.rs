//! Secrets that commands have entered, sealed in the state file.
//!
//! - **What is sealed.** Each secret is a row of the table `secret`: XChaCha20-Poly1305 under a key of 256 bits, with a
//!   random nonce of 192 bits, and with the secret's name as associated data: a row that is put in the place of another
//!   one does not open.
//! - **Where the key is.** The first that is there: the systemd credential `interlingua-vault-key`, the variable
//!   `INTERLINGUA_VAULT_KEY`, or a file beside the state file (`vault.key`), made at the first use. The key is never in
//!   the state file, so a copy of that alone opens nothing. Each place may hold several keys: the first seals, all open.
//! - **Who waits for whom.** Whoever seals reads the key inside a transaction that writes; so does a rotation. So the lock
//!   of the state file is the lock of the key, also between processes, and nobody seals under a key that is about to go.
//! - **Losing nothing.** A new key is on disk before anything is sealed under it, an old one goes when no row needs it.
//!   No key is made while there are secrets that it would not open.
//!
//! The names of an account's secrets are `account/ID/credential`, `account/ID/refresh_token`, `account/ID/client_secret`,
//! `account/ID/service_account` and `account/ID/rotated`: the refresh token that a provider gave in the place of that one.

mod key;
mod key_file;
pub mod passphrase;
mod rotate;
mod seal;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _};
use zeroize::Zeroizing;

use self::key::Ring;
pub use self::key::{Key, KeyError};
use self::key_file::Source;
pub use self::rotate::Rotated;
use crate::proxy::now;
use crate::store::{Desk, DeskError};

/// Longest secret, in bytes: a service account's key is some 2 KiB.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;
/// Longest name, in bytes: ids of accounts have at most 64 characters.
const NAME_BYTES_MAX: usize = 200;
/// Most secrets that are kept: an account has one or two, and there are at most 100,000 entries.
const SECRETS_MAX: u32 = 200_000;

/// Why a secret cannot be had or kept. Says nothing of secrets and keys but names and key ids.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The state file cannot be used.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// There is no such secret.
    #[error("there is no secret of that name in the vault")]
    Missing,
    /// There are secrets, and no key at all.
    #[error(
        "there are sealed secrets, and no key: {0}; put the key back, or remove the secrets (`interlingua vault remove`) and enter them again"
    )]
    NoKey(String),
    /// The key cannot be read.
    #[error("the key of the vault cannot be used: {0}")]
    BadKey(#[from] KeyError),
    /// The key is another one.
    #[error("it was sealed under the key {sealed}, and {place} holds {known}; put the right key there")]
    WrongKey {
        /// Id of the key that it was sealed under.
        sealed: String,
        /// Where the keys come from.
        place: Place,
        /// Ids of the keys that are there.
        known: String,
    },
    /// The key is right, and the seal is broken.
    #[error("its row in the state file is damaged, or it is the row of another secret; enter it again")]
    Damaged,
    /// A name that no secret can have.
    #[error("a name of a secret may hold visible ASCII but `}}`, at most {NAME_BYTES_MAX} characters")]
    Name,
    /// Too much or nothing.
    #[error("a secret has 1 to {SECRET_BYTES_MAX} bytes")]
    Length,
    /// There are too many secrets.
    #[error("there are {SECRETS_MAX} secrets already; remove some first")]
    Full,
    /// A rotation needs to be told the new key.
    #[error(
        "the key comes from {0}, which this program cannot write. Give the new key (`--new-key-file FILE` or `--new-key-stdin`) and put it there in the place of the old one before the next start; or put `NEW OLD` there, restart, and rotate without an argument"
    )]
    NeedsNewKey(Place),
    /// There are no random numbers.
    #[error("the operating system gives no random numbers")]
    NoRandom,
    /// A test ends it here.
    #[cfg(test)]
    #[error("ended by a test")]
    Ended,
}

impl From<rusqlite::Error> for VaultError {
    fn from(error: rusqlite::Error) -> Self {
        VaultError::Desk(DeskError::from(error))
    }
}

/// Where the key comes from, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(String);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A secret as it is listed: never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Id of the key that it is sealed under.
    pub key_id: String,
    /// When it was last sealed, in milliseconds of the epoch.
    pub changed: u64,
}

/// A secret as it is kept, to be put back.
#[derive(Clone)]
pub struct Row {
    name: String,
    key_id: String,
    sealed: Vec<u8>,
    changed: i64,
}

impl Row {
    /// The name of the secret.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Secrets in the state file. Clones are handles of the same.
#[derive(Clone)]
pub struct Vault {
    desk: Desk,
    /// `None`: there is no folder for a key file, and no key was given.
    source: Option<Arc<Source>>,
    /// Keys that were read, or given by a rotation, and have opened something since.
    known: Arc<Mutex<Ring>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl Vault {
    /// The vault of a state file. `env` says where the key is. Nothing is read or made before it is needed.
    pub fn open(desk: &Desk, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let source = Source::find(desk.path(), env).map(Arc::new);
        Vault { desk: desk.clone(), source, known: Arc::default() }
    }

    /// The state file.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Where the key comes from.
    pub fn place(&self) -> Place {
        self.source.as_ref().map_or_else(|| Place("nowhere".to_owned()), |source| source.place())
    }

    /// The file that holds the key, if it is a file of our own.
    pub fn key_file(&self) -> Option<PathBuf> {
        self.source.as_ref()?.file().map(ToOwned::to_owned)
    }

    /// Opens a secret. Waits for the disk. Not from inside of other work on the state file: [`Self::get_from`] is for that.
    ///
    /// # Errors
    /// That there is none of that name, and why it cannot be opened.
    pub fn get(&self, name: &str) -> Result<String, VaultError> {
        self.desk.run_now(|connection| self.get_from(connection, name))
    }

    /// As [`Self::get`], inside of other work on the state file.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_from(&self, connection: &Connection, name: &str) -> Result<String, VaultError> {
        let row = row(connection, name)?.ok_or(VaultError::Missing)?;
        let mut opened = self.unseal(&row)?;
        Ok(std::mem::take(&mut *opened))
    }

    /// Seals a secret in the place of the one before. `connection` must be inside a transaction that writes
    /// ([`Desk::change`]): else a rotation could take the key away.
    ///
    /// # Errors
    /// If there is no usable key or the file cannot be written.
    pub fn seal_into(&self, connection: &Connection, name: &str, secret: &str) -> Result<(), VaultError> {
        if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
            return Err(VaultError::Length);
        }
        well_named(name)?;
        let key = self.sealing_key(connection)?;
        put_sealed(connection, name, &key, secret)
    }

    /// Seals a secret; it is on disk when this returns.
    ///
    /// # Errors
    /// As [`Self::seal_into`].
    pub async fn put(&self, name: &str, secret: &str) -> Result<(), VaultError> {
        let (vault, name, secret) = (self.clone(), name.to_owned(), Zeroizing::new(secret.to_owned()));
        self.desk.change(move |connection| vault.seal_into(connection, &name, &secret)).await
    }

    /// Removes a secret. `false` if there is none.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn remove_from(connection: &Connection, name: &str) -> Result<bool, VaultError> {
        Ok(connection.execute("DELETE FROM secret WHERE name = ?1", [name])? > 0)
    }

    /// All secrets by name, without their values.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn list(connection: &Connection) -> Result<Vec<Named>, VaultError> {
        let mut select = connection.prepare("SELECT name, key_id, changed FROM secret ORDER BY name LIMIT ?1")?;
        let named = |row: &rusqlite::Row<'_>| {
            let changed = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            Ok(Named { name: row.get(0)?, key_id: row.get(1)?, changed })
        };
        Ok(select.query_map([SECRETS_MAX], named)?.collect::<Result<_, _>>()?)
    }

    /// The row of a secret, to be put back by [`Self::put_back`].
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn keep(connection: &Connection, name: &str) -> Result<Option<Row>, VaultError> {
        row(connection, name)
    }

    /// Puts back what [`Self::keep`] gave.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn put_back(connection: &Connection, row: &Row) -> Result<(), VaultError> {
        insert(connection, row)
    }

    /// The key that seals now, made if there is none yet. Read anew: another process may have rotated.
    fn sealing_key(&self, connection: &Connection) -> Result<Key, VaultError> {
        let source = self.source.as_ref().ok_or(DeskError::Off)?;
        let mut ring = source.read()?;
        if ring.is_empty() {
            let count: i64 = connection.query_row("SELECT count(*) FROM secret", [], |row| row.get(0))?;
            if count > 0 {
                return Err(VaultError::NoKey(source.missing()));
            }
            let key = Key::generate().ok_or(VaultError::NoRandom)?;
            ring = Ring::of(key);
            source.write(&ring)?;
            tracing::info!(place = %source.place(), "a key for the vault was made; keep a copy of it apart from the state file");
        }
        let mut known = self.known.lock();
        // What a rotation was given goes before what an unchanged environment says.
        if source.file().is_none() && !known.is_empty() {
            ring = known.with(ring);
        }
        let key = ring.first().cloned().ok_or_else(|| VaultError::NoKey(source.missing()))?;
        *known = ring;
        Ok(key)
    }

    fn unseal(&self, row: &Row) -> Result<Zeroizing<String>, VaultError> {
        let key = self.key_of(&row.key_id)?;
        let opened = seal::open(&key, &row.name, &row.sealed).ok_or(VaultError::Damaged)?;
        let text = std::str::from_utf8(&opened).map_err(|_| VaultError::Damaged)?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// The key of that id: one that is known, else the source is read once more.
    fn key_of(&self, id: &str) -> Result<Key, VaultError> {
        let mut known = self.known.lock();
        if let Some(key) = known.find(id) {
            return Ok(key.clone());
        }
        let source = self.source.as_ref().ok_or(DeskError::Off)?;
        let read = source.read()?;
        if read.is_empty() && known.is_empty() {
            return Err(VaultError::NoKey(source.missing()));
        }
        *known = if source.file().is_none() && !known.is_empty() { known.with(read) } else { read };
        let wrong = || VaultError::WrongKey { sealed: id.to_owned(), place: source.place(), known: known.ids() };
        known.find(id).cloned().ok_or_else(wrong)
    }
}

fn put_sealed(connection: &Connection, name: &str, key: &Key, secret: &str) -> Result<(), VaultError> {
    let others: i64 = connection.query_row("SELECT count(*) FROM secret WHERE name <> ?1", [name], |row| row.get(0))?;
    if others >= i64::from(SECRETS_MAX) {
        return Err(VaultError::Full);
    }
    let sealed = seal::seal(key, name, secret.as_bytes()).ok_or(VaultError::NoRandom)?;
    let changed = i64::try_from(now().0).unwrap_or(i64::MAX);
    insert(connection, &Row { name: name.to_owned(), key_id: key.id(), sealed, changed })
}

fn row(connection: &Connection, name: &str) -> Result<Option<Row>, VaultError> {
    let select = "SELECT name, key_id, sealed, changed FROM secret WHERE name = ?1";
    Ok(connection.query_row(select, [name], read_row).optional()?)
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row { name: row.get(0)?, key_id: row.get(1)?, sealed: row.get(2)?, changed: row.get(3)? })
}

fn insert(connection: &Connection, row: &Row) -> Result<(), VaultError> {
    connection.execute(
        "INSERT INTO secret (name, key_id, sealed, changed) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE
         SET key_id = excluded.key_id, sealed = excluded.sealed, changed = excluded.changed",
        (&row.name, &row.key_id, &row.sealed, row.changed),
    )?;
    Ok(())
}

/// A name can stand in a reference `${vault:NAME}`.
fn well_named(name: &str) -> Result<(), VaultError> {
    let well = |byte: u8| byte.is_ascii_graphic() && byte != b'}';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(well) {
        return Err(VaultError::Name);
    }
    Ok(())
}
