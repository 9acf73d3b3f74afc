//! Service accounts of Google: a key signs an assertion, which the token endpoint takes for an access token (RFC 7523).
//!
//! The signature is made by the crypto that TLS has already (`ring`); crates for JSON Web Tokens bring a second one.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;

use sha2::{Digest as _, Sha256};

use super::Secret;
use super::grant::TokenError;
use crate::config::BaseUrl;
use crate::pool::Millis;

/// What the tokens are for: all that the account's roles allow on Google Cloud.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Google's token endpoint, where a key names none.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// How long an assertion holds, in seconds: the longest that Google takes.
const ASSERTION_S: u64 = 3600;

/// A service account and its key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServiceAccount {
    email: Box<str>,
    key_id: Option<Box<str>>,
    project: Option<String>,
    /// As the key writes it, since the assertion repeats it.
    audience: Box<str>,
    /// PKCS #8.
    key: Arc<[u8]>,
}

/// Why a text is not the key of a service account. Says nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not JSON, or not this kind.
    #[error("this is not the JSON key of a service account ({0})")]
    Malformed(String),
    /// The private key cannot be used.
    #[error("the `private_key` is no RSA key of at least 2048 bits in PKCS #8 (`BEGIN PRIVATE KEY`)")]
    PrivateKey,
    /// The token endpoint is wrong.
    #[error("the `token_uri` must be an `https` address")]
    TokenUri,
}

/// The file as Google writes it, as far as it matters.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    project_id: Option<String>,
    token_uri: Option<String>,
}

impl ServiceAccount {
    /// Reads the key, as Google gives it, and where its tokens are given out.
    pub fn parse(text: &str) -> Result<(Self, BaseUrl), KeyError> {
        // The place alone: the parser's own words could quote the key.
        let malformed = |error: serde_json::Error| {
            let why = if error.is_data() { "a member is missing, or of another kind" } else { "it is not JSON" };
            KeyError::Malformed(format!("{why}, line {} column {}", error.line(), error.column()))
        };
        let file: KeyFile = serde_json::from_str(text).map_err(malformed)?;
        if file.kind != "service_account" || file.client_email.is_empty() {
            return Err(KeyError::Malformed("`type` must be `service_account`, with a `client_email`".to_owned()));
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.as_bytes()).map_err(|_| KeyError::PrivateKey)?;
        let key: Arc<[u8]> = der.secret_pkcs8_der().into();
        RsaKeyPair::from_pkcs8(&key).map_err(|_| KeyError::PrivateKey)?;
        let audience = file.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned());
        let url = BaseUrl::parse(&audience).ok().filter(|url| url.tls || url.is_loopback());
        let account = ServiceAccount {
            email: file.client_email.into(),
            key_id: file.private_key_id.map(Into::into),
            project: file.project_id.filter(|project| !project.is_empty()),
            audience: audience.into(),
            key,
        };
        Ok((account, url.ok_or(KeyError::TokenUri)?))
    }

    /// The Google Cloud project that it was made in.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Adds what tells this key from others.
    pub(super) fn mark(&self, hash: &mut Sha256) {
        hash.update(self.email.as_bytes());
        hash.update(&self.key);
    }

    /// What the token endpoint is shown at `now`.
    pub(super) fn assertion(&self, now: Millis) -> Result<Secret, TokenError> {
        let unsigned = |why: &str| TokenError::Unsigned(why.to_owned());
        let issued = now.0 / 1000;
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let claims = json!({
            "iss": self.email, "scope": SCOPE, "aud": self.audience, "iat": issued, "exp": issued + ASSERTION_S,
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let pair = RsaKeyPair::from_pkcs8(&self.key).map_err(|_| unsigned("it is no RSA key"))?;
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| unsigned("the operating system gives no random numbers"))?;
        Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
            .map_err(|_| unsigned("no form can carry it"))
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("email", &self.email).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    /// The key of no account: made for tests.
    const KEY: &str = include_str!("../../tests/fixtures/not-a-real-service-account.json");

    fn with(member: &str, value: Value) -> String {
        let mut file: Value = serde_json::from_str(KEY).unwrap();
        file[member] = value;
        file.to_string()
    }

    #[test]
    fn rfc7523_the_assertion_says_who_for_what_to_whom_and_how_long() {
        let (account, url) = ServiceAccount::parse(KEY).unwrap();
        assert_eq!((account.project(), url.to_string().as_str()), (Some("not-a-real-project"), TOKEN_URI));
        let assertion = account.assertion(Millis(1_760_000_000_999)).unwrap();
        let parts: Vec<&str> = assertion.expose_to_vault().split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!("three parts") };
        let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(json(header), json!({"alg": "RS256", "typ": "JWT", "kid": "0000000000000000"}));
        let expected = json!({
            "iss": "robot@not-a-real-project.iam.gserviceaccount.com", "scope": SCOPE, "aud": TOKEN_URI,
            "iat": 1_760_000_000, "exp": 1_760_003_600,
        });
        assert_eq!(json(claims), expected);
        let pair = RsaKeyPair::from_pkcs8(&account.key).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public().as_ref().to_vec());
        public.verify(format!("{header}.{claims}").as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    }

    #[test]
    fn what_is_no_key_is_told_without_a_word_of_it() {
        for (text, expected) in [
            ("canary".to_owned(), "it is not JSON"),
            ("{\"private_key\": \"canary\"}".to_owned(), "a member is missing"),
            (with("type", json!("authorized_user")), "`type` must be"),
            (with("private_key", json!("canary")), "no RSA key"),
            (
                with("private_key", json!("-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n")),
                "no RSA",
            ),
            (with("private_key", json!(7)), "of another kind"),
            (with("token_uri", json!("http://canary.example/token")), "https"),
            (with("token_uri", json!("canary")), "https"),
        ] {
            let error = ServiceAccount::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("canary"), "{error}");
        }
        assert!(!format!("{:?}", ServiceAccount::parse(KEY)).to_lowercase().contains("private"));
    }
}
