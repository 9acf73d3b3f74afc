//! Asking a token endpoint: with a refresh token (RFC 6749 section 6), or with an assertion that a service account has
//! signed (RFC 7523).

use sha2::{Digest as _, Sha256};

use super::http::{Http, HttpError, Question, Told};
use super::service_account::ServiceAccount;
use super::{Secret, SecretError};
use crate::config::BaseUrl;
use crate::pool::Millis;

/// How long before its end a token is fetched anew, in milliseconds; half of its life at most.
pub(super) const AHEAD_MS: u64 = 5 * 60_000;
/// How long before its end a token is not used any more, in milliseconds; a quarter of its life at most.
const MARGIN_MS: u64 = 30_000;
/// The life of a token of which nothing is said, in milliseconds.
const LIFE_MS: u64 = 3_600_000;
/// Longest life that is believed, in milliseconds: a day.
pub(super) const LIFE_MS_MAX: u64 = 86_400_000;
/// The part of the time ahead by which fetches are spread, so that accounts that began together part.
pub(super) const SPREAD: u64 = 5;
/// The media type of what token endpoints are sent.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// How access tokens are got.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OAuth {
    /// What is shown there.
    pub way: Way,
    /// Where access tokens are given out.
    pub token_url: BaseUrl,
}

/// What a token endpoint is shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// A refresh token, and whom it was given to.
    Refresh {
        /// Id of the operator's OAuth client.
        client_id: Secret,
        /// Its secret, if it has one.
        client_secret: Secret,
        /// The refresh token, as it is configured. Endpoints may have changed it since.
        refresh_token: Secret,
    },
    /// What a service account signs.
    ServiceAccount(ServiceAccount),
}

impl OAuth {
    /// A mark by which what is shown is known again, at least 1; it cannot be turned back.
    pub fn mark(&self) -> u64 {
        let mut hash = Sha256::new();
        match &self.way {
            Way::Refresh { client_id, refresh_token, .. } => {
                hash.update(client_id.digest());
                hash.update(refresh_token.digest());
            }
            Way::ServiceAccount(account) => account.mark(&mut hash),
        }
        let digest: [u8; 32] = hash.finalize().into();
        digest.iter().take(8).fold(0u64, |mark, byte| mark << 8 | u64::from(*byte)).max(1)
    }

    /// The Google Cloud project that the key of a service account names.
    pub fn project(&self) -> Option<&str> {
        match &self.way {
            Way::Refresh { .. } => None,
            Way::ServiceAccount(account) => account.project(),
        }
    }
}

/// Why there is no access token. Says nothing secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The refresh token was revoked or has ended: only another one helps.
    #[error(
        "the refresh token was revoked or has expired (invalid_grant): log in again (`interlingua accounts login`), or give the account a new one"
    )]
    Revoked,
    /// The token endpoint refuses: a wrong client, for example.
    #[error("the token endpoint refuses with status {status}: {code}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The error's code (RFC 6749 section 5.2).
        code: String,
    },
    /// The token endpoint cannot be asked.
    #[error("no access token: {0}")]
    Unreachable(#[from] HttpError),
    /// There is a newer refresh token than the configured one, and it cannot be opened. The older one is not tried: many
    /// providers revoke all tokens of a login when an old one comes back.
    #[error("the refresh token that the provider gave in the place of the configured one cannot be read: {0}")]
    Kept(String),
    /// The key of a service account signs nothing.
    #[error("the key of the service account signs nothing: {0}")]
    Unsigned(String),
}

/// An access token, and when.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) secret: Secret,
    /// From here on another one is fetched.
    pub(super) fresh_until: Millis,
    /// From here on it is not used.
    pub(super) used_until: Millis,
}

/// What a token endpoint gave.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) token: Token,
    /// The refresh token that takes the place of the one that was shown.
    pub(super) rotated: Option<Secret>,
}

/// The members of the token endpoint's answers that matter (RFC 6749 sections 5.1 and 5.2).
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Answer {
    access_token: String,
    expires_in: Option<serde_json::Value>,
    refresh_token: Option<String>,
    error: Option<serde_json::Value>,
}

/// Asks for an access token; `refresh_token` stands in the place of the configured one.
pub(super) async fn ask(
    http: &Http,
    oauth: &OAuth,
    refresh_token: Option<&Secret>,
    now: Millis,
) -> Result<Granted, TokenError> {
    let (body, is_assertion) = match &oauth.way {
        Way::Refresh { client_id, client_secret, refresh_token: configured } => {
            let shown = refresh_token.unwrap_or(configured);
            let secrets = [("client_id", client_id), ("client_secret", client_secret), ("refresh_token", shown)];
            (form("refresh_token", &secrets), false)
        }
        Way::ServiceAccount(account) => {
            let assertion = account.assertion(now)?;
            let kind = "urn:ietf:params:oauth:grant-type:jwt-bearer";
            (form(kind, &[("assertion", &assertion)]), true)
        }
    };
    let question =
        Question { method: "POST", base: &oauth.token_url, suffix: "", headers: Vec::new(), kind: FORM, body };
    read(&http.ask(&question).await?, is_assertion, now)
}

fn form(kind: &str, secrets: &[(&str, &Secret)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", kind);
    for (name, secret) in secrets {
        secret.expose_to_form(name, &mut form);
    }
    form.finish()
}

fn read(told: &Told, is_assertion: bool, now: Millis) -> Result<Granted, TokenError> {
    let answer: Answer = serde_json::from_slice(&told.body).unwrap_or_default();
    let refused = |code: &str| TokenError::Refused { status: told.status, code: code.to_owned() };
    if !(200..300).contains(&told.status) || answer.access_token.is_empty() {
        let code = answer.error.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        return Err(match code {
            // Of an assertion it may mean no more than a clock that is wrong.
            "invalid_grant" if !is_assertion => TokenError::Revoked,
            _ if is_code(code) => refused(code),
            _ => refused("no access token in its answer"),
        });
    }
    let unsendable = |_: SecretError| refused("an access token that no header can carry");
    let secret = Secret::new(answer.access_token).map_err(unsendable)?;
    let rotated = answer.refresh_token.and_then(|token| Secret::new(token).ok()).filter(|token| !token.is_none());
    let life = answer.expires_in.as_ref().and_then(seconds).map_or(LIFE_MS, |seconds| seconds.saturating_mul(1000));
    Ok(Granted { token: token(secret, life.min(LIFE_MS_MAX), now), rotated })
}

/// A token that lives for `life_ms` from `now` on.
fn token(secret: Secret, life_ms: u64, now: Millis) -> Token {
    let ahead = AHEAD_MS.min(life_ms / 2);
    // Out of the token itself: it differs from one to the next, and needs no source of chance.
    let chance = secret.digest().bytes().take(8).fold(0_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 1000);
    let later = ahead / SPREAD * chance / 1000;
    let fresh_until = now.plus(life_ms - ahead + later);
    Token { secret, fresh_until, used_until: now.plus(life_ms - MARGIN_MS.min(life_ms / 4)) }
}

/// An error's code is a word; anything else is not shown.
pub(super) fn is_code(code: &str) -> bool {
    !code.is_empty() && code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A number, which some endpoints write as a text.
fn seconds(value: &serde_json::Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_are_spread_ahead_of_the_end_and_never_behind_it() {
        let mut moments = std::collections::HashSet::new();
        for number in 0..200 {
            let secret = Secret::new(format!("token-{number}")).unwrap();
            for life in [0, 1000, 60_000, 3_600_000, LIFE_MS_MAX] {
                let token = token(secret.clone(), life, Millis(7));
                assert!(token.fresh_until <= token.used_until && token.used_until <= Millis(7 + life), "{token:?}");
                assert!(token.fresh_until >= Millis(7 + life - AHEAD_MS.min(life / 2)));
            }
            moments.insert(token(secret, 3_600_000, Millis(7)).fresh_until);
        }
        assert!(moments.len() > 50, "they differ: {}", moments.len());
    }
}
