//! Logins: an authorization code with PKCE (RFC 6749 section 4.1, RFC 7636), as native programs do it (RFC 8252).
//!
//! The command has the browser, the gateway has the vault. So the command begins a login and reads what the browser brings
//! back; the gateway exchanges the code, and nobody else ever has the tokens.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use oauth2::basic::{BasicClient, BasicErrorResponse};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RequestTokenError, Scope, TokenResponse as _, TokenUrl,
};
use subtle::ConstantTimeEq as _;

use super::Secret;
use super::grant::{FORM, is_code};
use super::http::{Http, HttpError, Question};
use crate::config::BaseUrl;

/// Longest code and longest `state` that are looked at, in bytes.
const WORD_BYTES_MAX: usize = 8 * 1024;

/// Why a login came to nothing. Says nothing secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// An address is none.
    #[error("{0} is not an `https` address")]
    Address(&'static str),
    /// The user, or the provider, said no.
    #[error(
        "the login was refused (access_denied): somebody said no in the browser, or the account may not use this client"
    )]
    Denied,
    /// The provider said something else.
    #[error("the provider ends the login with the error {0}; look at the client, its redirect addresses and the scope")]
    Ended(String),
    /// What came back was not asked for by this login.
    #[error(
        "what came back belongs to another login (its `state` is not ours); begin anew, and use the newest address"
    )]
    State,
    /// There is no code in it.
    #[error("there is no code in what came back; it should look like `http://127.0.0.1:…/callback?code=…&state=…`")]
    NoCode,
    /// The code, or what belongs to it, is wrong.
    #[error("the provider does not take the code (invalid_grant): it is wrong, used or too old; begin anew")]
    Code,
    /// The client is wrong.
    #[error("the provider does not take the client (invalid_client): look at its id and its secret")]
    Client,
    /// The token endpoint says something else.
    #[error("the token endpoint refuses: {0}")]
    Refused(String),
    /// There is nothing to keep.
    #[error(
        "the provider gave no refresh token; ask for one (often `--scope offline_access`, or `--param access_type=offline`)"
    )]
    NoRefreshToken,
    /// The token endpoint cannot be asked.
    #[error(transparent)]
    Unreachable(HttpError),
}

/// A login that waits for the browser.
pub(crate) struct Begun {
    /// What the browser must open.
    pub(crate) url: String,
    /// Proves that the code was asked for here.
    pub(crate) verifier: String,
    /// Comes back with the code. For this login alone.
    state: String,
}

/// What the operator wants to be let in for.
pub(crate) struct Wanted<'w> {
    pub(crate) auth_url: &'w str,
    pub(crate) client_id: &'w str,
    pub(crate) redirect_uri: &'w str,
    pub(crate) scopes: &'w [String],
    /// More for the address.
    pub(crate) params: &'w [(String, String)],
}

/// What a code is exchanged with.
pub(crate) struct Exchange<'e> {
    pub(crate) client_id: &'e str,
    pub(crate) client_secret: Option<&'e str>,
    pub(crate) token_url: &'e BaseUrl,
    pub(crate) redirect_uri: &'e str,
    pub(crate) code: &'e str,
    pub(crate) verifier: &'e str,
}

impl Begun {
    /// Begins a login.
    pub(crate) fn new(wanted: &Wanted<'_>) -> Result<Self, LoginError> {
        let safe = wanted.auth_url.starts_with("https://") || is_loopback(wanted.auth_url);
        let auth_url = AuthUrl::new(wanted.auth_url.to_owned()).ok().filter(|_| safe);
        let redirect = RedirectUrl::new(wanted.redirect_uri.to_owned());
        let client = BasicClient::new(ClientId::new(wanted.client_id.to_owned()))
            .set_auth_uri(auth_url.ok_or(LoginError::Address("--auth-url"))?)
            .set_redirect_uri(redirect.map_err(|_| LoginError::Address("the redirect address"))?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client.authorize_url(|| CsrfToken::new_random_len(32)).set_pkce_challenge(challenge);
        request = request.add_scopes(wanted.scopes.iter().cloned().map(Scope::new));
        for (name, value) in wanted.params {
            request = request.add_extra_param(name, value);
        }
        let (url, state) = request.url();
        Ok(Begun { url: url.into(), verifier: verifier.into_secret(), state: state.into_secret() })
    }

    /// The code in the query that the browser brought.
    pub(crate) fn code(&self, query: &str) -> Result<String, LoginError> {
        let said = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        // First of all: what is not ours says nothing, not even an error.
        let state = said("state").unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(self.state.as_bytes())) {
            return Err(LoginError::State);
        }
        match said("error") {
            Some(error) if error == "access_denied" => return Err(LoginError::Denied),
            Some(error) if is_code(&error) => return Err(LoginError::Ended(error)),
            Some(_) => return Err(LoginError::Ended("of no known name".to_owned())),
            None => {}
        }
        well_formed(said("code").unwrap_or_default())
    }

    /// The code in what the user has pasted: the address that the browser ended at, or the code alone. That one comes
    /// without `state`, but only who began this login can exchange it.
    pub(crate) fn pasted(&self, text: &str) -> Result<String, LoginError> {
        let text = text.trim();
        match text.split_once('?') {
            Some((_, query)) => self.code(query.split_once('#').map_or(query, |(query, _)| query)),
            None if text.contains("code=") => self.code(text),
            None if text.contains("://") => Err(LoginError::NoCode),
            None => well_formed(text.to_owned()),
        }
    }
}

fn well_formed(code: String) -> Result<String, LoginError> {
    let is_word = !code.is_empty() && code.len() <= WORD_BYTES_MAX && code.bytes().all(|byte| byte.is_ascii_graphic());
    if is_word { Ok(code) } else { Err(LoginError::NoCode) }
}

fn is_loopback(url: &str) -> bool {
    let base = url.split_once('?').map_or(url, |(base, _)| base);
    BaseUrl::parse(base).is_ok_and(|base| base.is_loopback())
}

/// Gives a code away for a refresh token.
pub(crate) async fn exchange(http: &Arc<Http>, asked: &Exchange<'_>) -> Result<Secret, LoginError> {
    let token_url = TokenUrl::new(asked.token_url.to_string()).map_err(|_| LoginError::Address("the token address"))?;
    let redirect = RedirectUrl::new(asked.redirect_uri.to_owned());
    let mut client = BasicClient::new(ClientId::new(asked.client_id.to_owned()))
        .set_token_uri(token_url)
        .set_redirect_uri(redirect.map_err(|_| LoginError::Address("the redirect address"))?)
        .set_auth_type(AuthType::RequestBody);
    if let Some(secret) = asked.client_secret {
        client = client.set_client_secret(ClientSecret::new(secret.to_owned()));
    }
    let (http, base) = (Arc::clone(http), asked.token_url.clone());
    let transport = move |request| carry(Arc::clone(&http), base.clone(), request);
    let answer = client
        .exchange_code(AuthorizationCode::new(asked.code.to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(asked.verifier.to_owned()))
        .request_async(&transport)
        .await
        .map_err(refused)?;
    let token = answer.refresh_token().ok_or(LoginError::NoRefreshToken)?;
    let unusable = |_| LoginError::Refused("the refresh token holds what no token can".to_owned());
    let token = Secret::new(token.secret().as_str()).map_err(unusable)?;
    if token.is_none() { Err(LoginError::NoRefreshToken) } else { Ok(token) }
}

fn refused(error: RequestTokenError<HttpError, BasicErrorResponse>) -> LoginError {
    match error {
        RequestTokenError::ServerResponse(said) => match said.error().as_ref() {
            "invalid_grant" => LoginError::Code,
            "invalid_client" | "unauthorized_client" => LoginError::Client,
            code if is_code(code) => LoginError::Refused(code.to_owned()),
            _ => LoginError::Refused("with an error of no known name".to_owned()),
        },
        RequestTokenError::Request(error) => LoginError::Unreachable(error),
        // Neither is quoted: both may hold a token.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            LoginError::Refused("its answer is none of a token endpoint".to_owned())
        }
    }
}

/// Carries the exchange over the gateway's own connections.
async fn carry(http: Arc<Http>, base: BaseUrl, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, HttpError> {
    let body = String::from_utf8(request.into_body()).unwrap_or_default();
    let question = Question { method: "POST", base: &base, suffix: "", headers: Vec::new(), kind: FORM, body };
    let told = http.ask(&question).await?;
    let mut response = Response::new(told.body);
    *response.status_mut() = StatusCode::from_u16(told.status).unwrap_or(StatusCode::BAD_GATEWAY);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(client_id: &str) -> Begun {
        let scopes = ["a".to_owned(), "b c".to_owned()];
        let wanted = Wanted {
            auth_url: "https://login.example/authorize?tenant=x",
            client_id,
            redirect_uri: "http://127.0.0.1:7/callback",
            scopes: &scopes,
            params: &[("access_type".to_owned(), "offline".to_owned())],
        };
        Begun::new(&wanted).unwrap()
    }

    #[test]
    fn rfc7636_and_rfc6749_10_12_each_login_has_a_challenge_and_a_state_of_its_own() {
        let (one, other) = (begun("mine"), begun("mine"));
        for expected in [
            "tenant=x",
            "response_type=code",
            "code_challenge_method=S256",
            "scope=a+b+c",
            "access_type=offline",
            "redirect_uri=http%3A%2F%2F127.0.0.1%3A7%2Fcallback",
        ] {
            assert!(one.url.contains(expected), "{expected} in {}", one.url);
        }
        assert!(one.state != other.state && one.verifier != other.verifier && one.state != one.verifier);
        assert!(one.state.len() >= 43 && one.verifier.len() >= 43, "256 bits each");
        assert!(!one.url.contains(&one.verifier));
    }

    #[test]
    fn only_what_this_login_asked_for_is_read() {
        let one = begun("mine");
        let answer = |query: &str| one.code(&query.replace("OURS", &one.state));
        assert_eq!(answer("code=4%2Fabc&state=OURS").unwrap(), "4/abc");
        assert!(matches!(answer("error=access_denied&state=OURS"), Err(LoginError::Denied)));
        assert!(
            matches!(answer("error=invalid_scope&state=OURS"), Err(LoginError::Ended(code)) if code == "invalid_scope")
        );
        for (query, is_state) in
            [("code=x", true), ("code=x&state=y", true), ("error=access_denied&state=", true), ("state=OURS", false)]
        {
            let error = answer(query).unwrap_err();
            assert_eq!(matches!(error, LoginError::State), is_state, "{query}: {error}");
        }
        let error = answer("error=<script>&state=OURS").unwrap_err().to_string();
        assert!(!error.contains("script"), "{error}");
    }

    #[test]
    fn an_address_or_a_code_can_be_pasted() {
        let one = begun("mine");
        let pasted = |text: &str| one.pasted(&text.replace("OURS", &one.state));
        for text in ["http://127.0.0.1:7/callback?state=OURS&code=abc#x", " abc\n", "code=abc&state=OURS"] {
            assert_eq!(pasted(text).unwrap(), "abc", "{text}");
        }
        assert!(matches!(pasted("http://127.0.0.1:7/callback?code=abc&state=other"), Err(LoginError::State)));
        for text in ["", "two words", "http://127.0.0.1:7/callback", "http://127.0.0.1/?state=OURS"] {
            assert!(matches!(pasted(text), Err(LoginError::NoCode)), "{text}");
        }
    }

    #[test]
    fn a_login_over_plain_http_to_another_machine_is_not_begun() {
        for (auth_url, good) in [
            ("http://login.example/authorize", false),
            ("ftp://login.example/", false),
            ("login.example", false),
            ("http://127.0.0.1:9/oauth/authorize?x=y", true),
            ("https://login.example", true),
        ] {
            let wanted =
                Wanted { auth_url, client_id: "c", redirect_uri: "http://127.0.0.1:7/", scopes: &[], params: &[] };
            assert_eq!(Begun::new(&wanted).is_ok(), good, "{auth_url}");
        }
    }
}
