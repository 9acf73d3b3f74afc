//! Secrets that leave the gateway in a file, sealed under a passphrase.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::Generate as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::key::{KEY_BYTES, Key};
use super::seal;

/// Shortest passphrase, in characters: who has the file can guess without end.
pub const PASSPHRASE_CHARS_MIN: usize = 12;
/// Memory, passes and lanes (RFC 9106 §4, the second choice: 64 MiB, 3 passes, 4 lanes).
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
/// The most that a file may ask for, in KiB and passes: a foreign file must not take the machine's memory.
const COST_MAX: Cost = Cost { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };
/// What the seal holds for.
const NAME: &str = "export";

/// What the passphrase costs to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Something sealed under a passphrase: Argon2id, XChaCha20-Poly1305.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    argon2id: Cost,
    /// Base64.
    salt: String,
    /// Base64.
    sealed: String,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("argon2id", &self.argon2id).finish_non_exhaustive()
    }
}

/// Why something cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Too easy to guess.
    #[error("the passphrase is shorter than {PASSPHRASE_CHARS_MIN} characters")]
    Short,
    /// It does not open.
    #[error("the passphrase is wrong, or the sealed part of the file was changed")]
    Wrong,
    /// It is not ours.
    #[error("the sealed part of the file is not what this program writes")]
    Form,
    /// There is no memory or there are no random numbers.
    #[error("the passphrase cannot be worked on: no memory or no random numbers")]
    Failed,
}

/// Seals `secret`. Takes some 100 ms and 64 MiB.
///
/// # Errors
/// If the passphrase is too short.
pub fn seal(passphrase: &str, secret: &[u8]) -> Result<Sealed, PassphraseError> {
    if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(PassphraseError::Short);
    }
    // A nonce is as random and as long as a salt should be.
    let salt = XNonce::try_generate().map_err(|_| PassphraseError::Failed)?;
    let key = key(passphrase, &salt, COST)?;
    let sealed = seal::seal(&key, NAME, secret).ok_or(PassphraseError::Failed)?;
    Ok(Sealed { argon2id: COST, salt: STANDARD.encode(salt), sealed: STANDARD.encode(sealed) })
}

/// Opens what [`seal`] made.
///
/// # Errors
/// If the passphrase is another one, or it was changed.
pub fn open(passphrase: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
    let Cost { memory_kib, passes, lanes } = sealed.argon2id;
    if memory_kib > COST_MAX.memory_kib || passes > COST_MAX.passes || lanes > COST_MAX.lanes {
        return Err(PassphraseError::Form);
    }
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| PassphraseError::Form);
    let key = key(passphrase, &decode(&sealed.salt)?, sealed.argon2id)?;
    seal::open(&key, NAME, &decode(&sealed.sealed)?).ok_or(PassphraseError::Wrong)
}

fn key(passphrase: &str, salt: &[u8], cost: Cost) -> Result<Key, PassphraseError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_BYTES));
    let params = params.map_err(|_| PassphraseError::Form)?;
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(passphrase.as_bytes(), salt, bytes.as_mut_slice()).map_err(|_| PassphraseError::Failed)?;
    Key::of(bytes.as_slice()).ok_or(PassphraseError::Failed)
}
