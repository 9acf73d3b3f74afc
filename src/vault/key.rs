//! Keys of the vault.

use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Generate as _, Key as AeadKey};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// Length of a key, in bytes.
pub(super) const KEY_BYTES: usize = 32;
/// Most keys in one place: one that seals, and some that still open.
const KEYS_MAX: usize = 8;

/// Why a place of keys cannot be used. Says nothing of the keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is no key.
    #[error("{0} does not hold a key: base64 of {KEY_BYTES} bytes, for example of `openssl rand -base64 32`")]
    Form(String),
    /// Too many keys.
    #[error("{0} holds more than {KEYS_MAX} keys")]
    Many(String),
    /// Others may read it.
    #[error(
        "{0} can be read by others than its owner; `chmod 600` it, and rotate the key if somebody may have read it"
    )]
    Open(PathBuf),
    /// It cannot be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
}

/// A key of the vault. Wiped when it goes; nothing shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

impl Key {
    /// A new one. `None`: there are no random numbers.
    pub fn generate() -> Option<Self> {
        let mut made = AeadKey::<XChaCha20Poly1305>::try_generate().ok()?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        bytes.copy_from_slice(&made);
        made.as_mut_slice().zeroize();
        Some(Key(bytes))
    }

    /// Reads base64 of 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('=');
        let decoded = Zeroizing::new(STANDARD_NO_PAD.decode(text).ok()?);
        Key::of(&decoded)
    }

    /// The key of these bytes; they must be 32.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        (bytes.len() == KEY_BYTES).then(|| key.copy_from_slice(bytes))?;
        Some(Key(key))
    }

    /// What it is told apart by: half of a digest, from which nobody gets the key.
    pub fn id(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(b"interlingua vault key id\0");
        digest.update(self.0.as_slice());
        let mut id = String::with_capacity(16);
        for byte in digest.finalize().iter().take(8) {
            // Writing to a string cannot fail.
            let _ = write!(id, "{byte:02x}");
        }
        id
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    pub(super) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }
}

/// The keys of one place: the first seals, all open.
#[derive(Clone, Default)]
pub(super) struct Ring(Vec<Key>);

impl Ring {
    pub(super) fn of(key: Key) -> Self {
        Ring(vec![key])
    }

    /// Reads keys, one after the other; lines that begin with `#` say nothing. `place` is named in errors.
    pub(super) fn parse(text: &str, place: &str) -> Result<Self, KeyError> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let mut ring = Ring::default();
        for word in lines.flat_map(str::split_whitespace) {
            ring.push(Key::parse(word).ok_or_else(|| KeyError::Form(place.to_owned()))?);
            if ring.0.len() > KEYS_MAX {
                return Err(KeyError::Many(place.to_owned()));
            }
        }
        Ok(ring)
    }

    /// As it stands in a file.
    pub(super) fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64 * (self.0.len() + 2)));
        text.push_str("# The key of the vault of Interlingua. Without it the secrets of the state file are lost.\n");
        for key in &self.0 {
            text.push_str(&key.text());
            text.push('\n');
        }
        text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn first(&self) -> Option<&Key> {
        self.0.first()
    }

    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id() == id)
    }

    pub(super) fn ids(&self) -> String {
        let ids: Vec<String> = self.0.iter().map(Key::id).collect();
        if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
    }

    /// These, then `others`.
    pub(super) fn with(&self, others: Ring) -> Ring {
        let mut all = self.clone();
        others.0.into_iter().for_each(|key| all.push(key));
        all
    }

    /// The first, and of the others those that `needed` names.
    pub(super) fn only(&self, needed: &[String]) -> Ring {
        let rest = self.0.iter().skip(1).filter(|key| needed.contains(&key.id()));
        Ring(self.0.first().into_iter().chain(rest).cloned().collect())
    }

    fn push(&mut self, key: Key) {
        if !self.0.contains(&key) {
            self.0.push(key);
        }
    }
}
