//! Refresh tokens, and keys of service accounts.

use super::Mean;
use crate::config::report::At;
use crate::config::units::SecretText;
use crate::config::{BaseUrl, raw};
use crate::credentials::{OAuth, Secret, ServiceAccount, Way};

/// Google's token endpoint.
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

impl Mean<'_> {
    /// `None` was reported.
    pub(super) fn oauth(&mut self, at: &At<'_>, raw: &raw::OAuth) -> Option<OAuth> {
        let client_id = self.oauth_text(at, "client_id", raw.client_id.as_ref(), Some("that of your own OAuth client"));
        let client_secret = self.oauth_text(at, "client_secret", raw.client_secret.as_ref(), None);
        let refresh_token =
            self.oauth_text(at, "refresh_token", raw.refresh_token.as_ref(), Some("for example `${file:/path}`"));
        let at_url = at.key("token_url");
        let text = self.expand(&at_url, raw.token_url.as_deref().unwrap_or(TOKEN_URL))?;
        let token_url = match BaseUrl::parse(&text) {
            Ok(url) if url.tls || url.is_loopback() => url,
            Ok(_) => {
                let message = "`http` to another machine would show the refresh token on the way";
                self.problems.error(&at_url, message, Some("use `https`".to_owned()));
                return None;
            }
            Err(error) => {
                self.problems.error(&at_url, error.to_string(), None);
                return None;
            }
        };
        let (client_id, client_secret, refresh_token) = (client_id?, client_secret?, refresh_token?);
        Some(OAuth { way: Way::Refresh { client_id, client_secret, refresh_token }, token_url })
    }

    /// The key of a service account. `None` was reported.
    pub(super) fn service_account(&mut self, at: &At<'_>, text: &SecretText) -> Option<OAuth> {
        let text = self.expand(at, &text.0)?;
        match ServiceAccount::parse(&text) {
            Ok((account, token_url)) => Some(OAuth { way: Way::ServiceAccount(account), token_url }),
            Err(error) => {
                let help = "write `${file:/path}` of the JSON key as Google gives it";
                self.problems.error(at, error.to_string(), Some(help.to_owned()));
                None
            }
        }
    }

    /// One of the texts. Where `wanted` says so it must be there; else it may be empty.
    fn oauth_text(
        &mut self,
        at: &At<'_>,
        key: &str,
        text: Option<&SecretText>,
        wanted: Option<&str>,
    ) -> Option<Secret> {
        let Some(text) = text.filter(|text| !text.0.is_empty()) else {
            return match wanted {
                Some(what) => {
                    self.problems.missing(at, key, what);
                    None
                }
                None => Some(Secret::none()),
            };
        };
        let at = at.key(key);
        let text = self.expand(&at, &text.0)?;
        match Secret::new(text) {
            Ok(secret) => Some(secret),
            Err(error) => {
                self.problems.error(&at, error.to_string(), None);
                None
            }
        }
    }
}
