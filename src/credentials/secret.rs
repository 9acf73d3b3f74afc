//! A secret that can be sent, and nothing else.

use std::fmt::{self, Write as _};

use http::HeaderValue;
use sha2::{Digest as _, Sha256};

/// Shorter secrets are not looked for in texts.
const HIDDEN_BYTES_MIN: usize = 8;
/// What stands for one there.
const HIDDEN: &[u8] = b"[redacted]";

/// A provider credential.
///
/// It has no `Display` and no `Serialize`, its `Debug` is redacted, and there are three ways out:
/// [`Secret::expose_to_header`], [`Secret::expose_to_form`] for token endpoints, and [`Secret::expose_to_vault`]. Memory is
/// not wiped on drop: the header it is written into is copied by the connection anyway, so wiping this one copy would
/// promise more than it holds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Box<str>);

/// A secret that cannot stand in an HTTP header. Says nothing of the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credential holds a character that an HTTP header cannot carry (only visible ASCII can)")]
pub struct SecretError;

impl Secret {
    /// Takes `text`, which must be visible ASCII, as HTTP headers demand (RFC 9110 §5.5). Empty means: no credential.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, SecretError> {
        let text = text.into();
        if text.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(Secret(text)) } else { Err(SecretError) }
    }

    /// No credential, for an upstream that wants none.
    pub fn none() -> Self {
        Secret(Box::default())
    }

    /// Whether there is no credential.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// `prefix` and the secret as a header value that is marked sensitive, so that it is neither logged by the HTTP
    /// stack nor put into a compression table (RFC 7541 §7.1.3).
    pub fn expose_to_header(&self, prefix: &str) -> Result<HeaderValue, SecretError> {
        let mut value = HeaderValue::try_from(format!("{prefix}{}", self.0)).map_err(|_| SecretError)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Adds the secret to a form as `name`, if there is one.
    pub(crate) fn expose_to_form(&self, name: &str, form: &mut form_urlencoded::Serializer<'_, String>) {
        if !self.is_none() {
            form.append_pair(name, &self.0);
        }
    }

    /// The secret itself, to be sealed.
    pub(crate) fn expose_to_vault(&self) -> &str {
        &self.0
    }

    /// Puts `[redacted]` in the place of the secret wherever it stands in `text`: providers quote credentials that they
    /// refuse. A short one could be a word of any text, and stays.
    pub(crate) fn hide_in(&self, text: &mut Vec<u8>) {
        let secret = self.0.as_bytes();
        if secret.len() < HIDDEN_BYTES_MIN || text.len() < secret.len() {
            return;
        }
        let (mut rest, mut clean) = (text.as_slice(), Vec::new());
        while let Some(at) = memchr::memmem::find(rest, secret) {
            clean.extend_from_slice(rest.get(..at).unwrap_or_default());
            clean.extend_from_slice(HIDDEN);
            rest = rest.get(at + secret.len()..).unwrap_or_default();
        }
        if !clean.is_empty() {
            clean.extend_from_slice(rest);
            *text = clean;
        }
    }

    /// What tells it from others, and nothing of it: the SHA-256, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        Sha256::digest(self.0.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_none() { "Secret(none)" } else { "Secret(redacted)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_secret() {
        let secret = Secret::new("sk-canary-123").unwrap();
        assert_eq!(format!("{secret:?} {:?}", Secret::none()), "Secret(redacted) Secret(none)");
        assert!(!format!("{:?}", secret.expose_to_header("Bearer ").unwrap()).contains("canary"));
    }

    #[test]
    fn the_header_holds_the_prefix_and_is_sensitive() {
        let value = Secret::new("sk-1").unwrap().expose_to_header("Bearer ").unwrap();
        assert_eq!(value.as_bytes(), b"Bearer sk-1");
        assert!(value.is_sensitive());
    }

    #[test]
    fn a_secret_that_a_provider_quotes_is_hidden() {
        let cases = [
            ("the key canary-0123 is bad: canary-0123", "the key [redacted] is bad: [redacted]"),
            ("canary-0123", "[redacted]"),
            ("canary-012", "canary-012"),
            ("", ""),
        ];
        for (said, hidden) in cases {
            let mut text = said.as_bytes().to_vec();
            Secret::new("canary-0123").unwrap().hide_in(&mut text);
            assert_eq!(String::from_utf8(text).unwrap(), hidden);
        }
        let mut text = b"any key".to_vec();
        Secret::new("any").unwrap().hide_in(&mut text);
        Secret::none().hide_in(&mut text);
        assert_eq!(text, b"any key");
    }

    #[test]
    fn rfc9110_5_5_a_line_break_cannot_enter_a_header() {
        for text in ["sk\r\nx: y", "sk 1", "sk\u{e4}", "\u{0}"] {
            assert_eq!(Secret::new(text), Err(SecretError), "{text:?}");
        }
        assert_eq!(Secret::new("sk").unwrap().expose_to_header("a\n"), Err(SecretError));
    }
}
