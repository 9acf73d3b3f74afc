//! The token endpoint, and the page that a browser is sent to (RFC 6749, 7523, 7636).
//!
//! Refresh tokens that rotate do as Auth0's and Okta's: the old one is good until the new one, or an access token that
//! came with it, is first used. What comes back later ends all that descends from the first one.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::request::Parts;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// Tokens and codes that are kept; the simulator starts anew behind them.
const KEPT_MAX: usize = 100_000;
/// How far a clock may be ahead of this one, in seconds.
const SKEW_S: i64 = 60;

/// What was given out.
#[derive(Debug, Default)]
pub(super) struct Grants {
    access: HashMap<String, Given>,
    /// Refresh tokens that came in the place of others.
    rotated: HashMap<String, Given>,
    /// Of refresh tokens that rotate, by the first one.
    families: HashMap<String, Family>,
    /// Of logins under way, by code.
    codes: HashMap<String, Login>,
    /// Public keys of service accounts, by address.
    robots: HashMap<String, Vec<u8>>,
    /// How often tokens were asked for with a refresh token or an assertion.
    pub(super) refreshes: u64,
    pub(super) logins: u64,
    /// Families that ended because an old token came back.
    pub(super) reused: u64,
    /// Refresh tokens of which nothing was seen before another one took their place.
    pub(super) superseded: u64,
}

/// A token.
#[derive(Clone, Debug)]
struct Given {
    /// The first refresh token.
    owner: String,
    /// Which of the refresh tokens it came with.
    number: u64,
}

/// The refresh tokens that descend from one.
#[derive(Debug, Default)]
struct Family {
    /// The latest one that is known to have arrived.
    good: u64,
    /// The one that was given out last, if nothing of it was seen yet.
    unseen: Option<u64>,
    last: u64,
    ended: bool,
}

/// What a browser brought.
#[derive(Debug)]
struct Login {
    client_id: String,
    redirect_uri: String,
    challenge: String,
    scope: String,
}

/// Whose an access token is.
pub(crate) enum Holder {
    /// It was not given out here.
    Unknown,
    /// The first refresh token of this account, or the address of a service account.
    Owner(String),
    /// It was given out, and its login has ended.
    Ended,
}

impl Grants {
    /// Whose an access token is. That it is used counts.
    pub(super) fn holder(&mut self, token: &str) -> Holder {
        let Some(given) = self.access.get(token) else { return Holder::Unknown };
        if let Some(family) = self.families.get_mut(&given.owner) {
            if family.ended {
                return Holder::Ended;
            }
            family.seen(given.number);
        }
        Holder::Owner(given.owner.clone())
    }

    /// Lets a service account in.
    ///
    /// # Errors
    /// When the body says less than its address and its public key.
    pub(super) fn register(&mut self, body: &[u8]) -> Result<(), String> {
        let told: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let email = told["service_account"].as_str().ok_or("`service_account` is its address")?;
        let key = told["public_key"].as_str().and_then(|key| STANDARD.decode(key).ok());
        let key = key.ok_or("`public_key` is its RSAPublicKey (DER) in base64")?;
        self.robots.insert(email.to_owned(), key);
        Ok(())
    }

    /// Sends the browser back at once, as if its user had agreed: where to.
    ///
    /// # Errors
    /// What the page would say.
    pub(super) fn authorize(&mut self, parts: &Parts) -> Result<String, Value> {
        let query: HashMap<String, String> =
            form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let said = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let invalid = |why: &str| json!({"error": "invalid_request", "error_description": why});
        let (client_id, redirect_uri) = (said("client_id"), said("redirect_uri"));
        if client_id.is_empty() || said("response_type") != "code" {
            return Err(invalid("client_id and response_type=code are required"));
        }
        // RFC 8252 section 7.3: a loopback address, with any port.
        if !redirect_uri.starts_with("http://127.0.0.1:") && !redirect_uri.starts_with("http://[::1]:") {
            return Err(invalid("redirect_uri_mismatch"));
        }
        if said("code_challenge_method") != "S256" || said("code_challenge").len() != 43 || said("state").len() < 16 {
            return Err(invalid("state and an S256 code_challenge are required"));
        }
        let mut answer = form_urlencoded::Serializer::new(String::new());
        if client_id.contains("denied") {
            answer.append_pair("error", "access_denied");
        } else {
            self.logins += 1;
            make_room(&mut self.codes);
            let code = format!("4/code-{}", self.logins);
            let login = Login {
                client_id: client_id.to_owned(),
                redirect_uri: redirect_uri.to_owned(),
                challenge: said("code_challenge").to_owned(),
                scope: said("scope").to_owned(),
            };
            self.codes.insert(code.clone(), login);
            answer.append_pair("code", &code);
        }
        let state = if client_id.contains("forged") { "the-state-of-somebody-else" } else { said("state") };
        answer.append_pair("state", state);
        Ok(format!("{redirect_uri}?{}", answer.finish()))
    }

    /// Answers the token endpoint.
    pub(super) fn token(&mut self, parts: &Parts, body: &[u8]) -> (u16, Value) {
        let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let said = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let granted = match said("grant_type") {
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => self.assertion(parts, said("assertion")),
            _ if said("client_id").is_empty() => Err((400, "invalid_request", "client_id is required")),
            "authorization_code" => self.code(&form),
            "refresh_token" => self.refresh(said("refresh_token")),
            _ => Err((400, "unsupported_grant_type", "")),
        };
        granted.unwrap_or_else(|(status, code, why)| (status, json!({"error": code, "error_description": why})))
    }

    fn refresh(&mut self, shown: &str) -> Result<(u16, Value), Refused> {
        self.refreshes += 1;
        if shown.is_empty() {
            return Err((400, "invalid_request", "refresh_token is required"));
        }
        if shown.contains("revoked") {
            return Err((400, "invalid_grant", "Token has been expired or revoked."));
        }
        if shown.contains("down") {
            return Err((503, "temporarily_unavailable", ""));
        }
        let given = self.rotated.get(shown).cloned().unwrap_or(Given { owner: shown.to_owned(), number: 0 });
        if !shown.contains("rotating") {
            return Ok(self.give(given, None));
        }
        let family = self.families.entry(given.owner.clone()).or_default();
        if family.ended || (given.number != family.good && Some(given.number) != family.unseen) {
            self.reused += u64::from(!family.ended);
            family.ended = true;
            return Err((400, "invalid_grant", "Unknown or invalid refresh token."));
        }
        family.seen(given.number);
        family.last += 1;
        self.superseded += u64::from(family.unseen.is_some());
        family.unseen = Some(family.last);
        let next = Given { number: family.last, ..given };
        make_room(&mut self.rotated);
        let token = format!("{}~{}", next.owner, next.number);
        self.rotated.insert(token.clone(), next.clone());
        Ok(self.give(next, Some(&token)))
    }

    fn code(&mut self, form: &HashMap<String, String>) -> Result<(u16, Value), Refused> {
        let said = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let client_id = said("client_id");
        if client_id.contains("confidential") && said("client_secret") != format!("secret-of-{client_id}") {
            return Err((401, "invalid_client", "The provided client secret is invalid."));
        }
        // Whatever comes of it, a code is taken once.
        let login = self.codes.remove(said("code")).ok_or((400, "invalid_grant", "Malformed auth code."))?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(said("code_verifier").as_bytes()));
        if login.client_id != client_id || login.redirect_uri != said("redirect_uri") || login.challenge != challenge {
            return Err((400, "invalid_grant", "The code is of another login."));
        }
        let word = if login.scope.contains("rotating") { "rotating-" } else { "" };
        let owner = format!("key-{word}login-{}", self.logins);
        let shown = (!login.scope.contains("online")).then(|| owner.clone());
        Ok(self.give(Given { owner, number: 0 }, shown.as_deref()))
    }

    fn assertion(&mut self, parts: &Parts, assertion: &str) -> Result<(u16, Value), Refused> {
        self.refreshes += 1;
        let bad = |why: &'static str| (400, "invalid_grant", why);
        let (signed, signature) = assertion.rsplit_once('.').ok_or(bad("Invalid JWT: it has three parts."))?;
        let (header, claims) = signed.split_once('.').ok_or(bad("Invalid JWT: it has three parts."))?;
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| bad("Invalid JWT: not base64url."));
        let json = |text: &str| {
            part(text)
                .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).map_err(|_| bad("Invalid JWT: no JSON.")))
        };
        let (header, claims) = (json(header)?, json(claims)?);
        if header["alg"] != "RS256" || header["typ"] != "JWT" {
            return Err(bad("Invalid JWT: RS256 only."));
        }
        let issuer = claims["iss"].as_str().unwrap_or_default();
        let key = self.robots.get(issuer).ok_or(bad("Invalid grant: account not found"))?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(signed.as_bytes(), &part(signature)?)
            .map_err(|_| bad("Invalid JWT Signature."))?;
        let host = parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        if claims["aud"] != format!("http://{host}/oauth/token") {
            return Err(bad("Invalid JWT: the audience is not this endpoint."));
        }
        let now = super::super::clock::epoch_seconds();
        let (issued, ends) = (claims["iat"].as_i64().unwrap_or(0), claims["exp"].as_i64().unwrap_or(0));
        if issued > now + SKEW_S || ends < now || ends - issued > 3600 {
            return Err(bad(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
            ));
        }
        if claims["scope"].as_str().unwrap_or_default().is_empty() {
            return Err((400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."));
        }
        Ok(self.give(Given { owner: issuer.to_owned(), number: 0 }, None))
    }

    fn give(&mut self, given: Given, refresh_token: Option<&str>) -> (u16, Value) {
        make_room(&mut self.access);
        let token = format!("ya29.mock-{}-{}-{}", self.logins, self.refreshes, self.access.len());
        let seconds = if given.owner.contains("brief") { 1 } else { 3599 };
        self.access.insert(token.clone(), given);
        let mut answer = json!({
            "access_token": token, "expires_in": seconds, "token_type": "Bearer", "scope": "cloud-platform",
        });
        if let Some(refresh_token) = refresh_token {
            answer["refresh_token"] = json!(refresh_token);
        }
        (200, answer)
    }
}

/// Status, code and description.
type Refused = (u16, &'static str, &'static str);

impl Family {
    /// Something of the refresh token `number` was used: so it has arrived, and the one before it is not needed any more.
    fn seen(&mut self, number: u64) {
        if self.unseen == Some(number) {
            (self.good, self.unseen) = (number, None);
        }
    }
}

fn make_room<T>(map: &mut HashMap<String, T>) {
    if map.len() >= KEPT_MAX {
        map.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The refresh and the access token that came for `shown`.
    fn refresh(grants: &mut Grants, shown: &str) -> Option<(String, String)> {
        let (_, answer) = grants.refresh(shown).ok()?;
        Some((answer["refresh_token"].as_str()?.to_owned(), answer["access_token"].as_str()?.to_owned()))
    }

    #[test]
    fn an_old_token_is_good_until_the_new_one_is_seen() {
        let mut grants = Grants::default();
        let (lost, _) = refresh(&mut grants, "rotating").unwrap();
        let (second, access) = refresh(&mut grants, "rotating").expect("nothing of the first answer was seen");
        assert!(lost != second && matches!(grants.holder(&access), Holder::Owner(owner) if owner == "rotating"));
        let (third, _) = refresh(&mut grants, &second).unwrap();
        let (fourth, _) = refresh(&mut grants, &second).expect("nothing of the third was seen");
        assert!(refresh(&mut grants, &third).is_none(), "it was given up for the fourth");
        assert!(refresh(&mut grants, &fourth).is_none() && grants.reused == 1, "and that ends them all");
        assert!(matches!(grants.holder(&access), Holder::Ended));
    }

    #[test]
    fn an_old_token_ends_with_the_first_use_of_what_came_for_it() {
        for uses_access in [true, false] {
            let mut grants = Grants::default();
            let (second, access) = refresh(&mut grants, "rotating").unwrap();
            if uses_access {
                grants.holder(&access);
            } else {
                refresh(&mut grants, &second).unwrap();
            }
            assert!(refresh(&mut grants, "rotating").is_none());
            assert!(refresh(&mut grants, &second).is_none());
        }
    }
}
