//! The seal: version, nonce, ciphertext with its tag.

use chacha20poly1305::aead::{Aead as _, Generate as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::key::Key;

/// What the first byte says of the rest.
const VERSION: u8 = 1;
/// Length of a nonce, in bytes. Random ones of this length do not meet (XChaCha20, draft-irtf-cfrg-xchacha §3).
const NONCE_BYTES: usize = 24;

/// Seals `secret` under its name. `None`: there are no random numbers.
pub(super) fn seal(key: &Key, name: &str, secret: &[u8]) -> Option<Vec<u8>> {
    let nonce = XNonce::try_generate().ok()?;
    let bound = bound(name);
    let sealed = cipher(key).encrypt(&nonce, Payload { msg: secret, aad: &bound }).ok()?;
    Some([&[VERSION], nonce.as_slice(), &sealed].concat())
}

/// Opens what [`seal`] made under that name and key. `None`: it is anything else.
pub(super) fn open(key: &Key, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (&VERSION, rest) = sealed.split_first()? else { return None };
    let (nonce, rest) = rest.split_at_checked(NONCE_BYTES)?;
    let nonce = XNonce::try_from(nonce).ok()?;
    let bound = bound(name);
    cipher(key).decrypt(&nonce, Payload { msg: rest, aad: &bound }).ok().map(Zeroizing::new)
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

/// What a seal holds for beside its key.
fn bound(name: &str) -> Vec<u8> {
    [b"interlingua secret 1\0", name.as_bytes()].concat()
}
