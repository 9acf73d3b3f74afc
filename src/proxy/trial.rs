//! Whether an account works, asked at its provider without a cost: the list of models, or on Code Assist the quota.

use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue};
use interlingua_filters::Dialect;
use serde_json::Value;

use super::access;
use super::gateway::Gateway;
use super::platform;
use super::upstream_request::ANTHROPIC_VERSION;
use crate::config::{Account, BaseUrl, Platform, Upstream};
use crate::credentials::http::{HttpError, Question, Told};
use crate::egress::Way;

/// Most models that are told.
const MODELS_MAX: usize = 1000;

/// What the provider thinks of the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialState {
    /// It was accepted.
    Accepted,
    /// It was refused.
    Refused,
    /// It did not come to that, or the provider does not say it for nothing.
    Unknown,
}

/// What came of one look.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    /// Whether anybody answered.
    pub(crate) reachable: bool,
    pub(crate) credential: CredentialState,
    /// Status of the answer.
    pub(crate) status: Option<u16>,
    /// Models that the provider lists.
    pub(crate) models: Vec<String>,
    pub(crate) took: Duration,
    /// In words; nothing that the provider wrote, since it may repeat the credential.
    pub(crate) said: String,
}

impl Gateway {
    /// Looks at an account through one of its upstreams, on a connection of its own. Nothing is booked.
    pub(crate) async fn try_out(&self, account: &Account, upstream: &Upstream) -> Trial {
        let begun = Instant::now();
        let mut trial = match &upstream.platform {
            Platform::CodeAssist => self.look_at_quota(account, upstream).await,
            _ => self.look_at_models(account, upstream).await,
        };
        trial.took = begun.elapsed();
        trial
    }

    async fn look_at_quota(&self, account: &Account, upstream: &Upstream) -> Trial {
        match self.ask_quota(account, upstream).await {
            Ok((buckets, project)) => {
                let said = project.map_or("the quota was told".to_owned(), |project| format!("project {project}"));
                let models = buckets.into_iter().map(|bucket| bucket.model).take(MODELS_MAX).collect();
                Trial { models, ..told(true, CredentialState::Accepted, said) }
            }
            Err(why) => told(false, CredentialState::Unknown, why),
        }
    }

    async fn look_at_models(&self, account: &Account, upstream: &Upstream) -> Trial {
        let access = match access::enter(self, account, upstream).await {
            Ok(access) => access,
            Err(why) => return told(false, CredentialState::Unknown, format!("no access token: {why}")),
        };
        let Some(path) = list_path(account, upstream) else {
            let got = if access.token.is_some() { CredentialState::Accepted } else { CredentialState::Unknown };
            return told(
                access.token.is_some(),
                got,
                "this platform lists no models; the access token is all that was tried",
            );
        };
        let credential = access.token.as_ref().unwrap_or(&account.credential);
        let mut headers = Vec::new();
        for (name, value) in &upstream.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
            {
                headers.push((name, value));
            }
        }
        if upstream.dialect == Dialect::Anthropic {
            headers.push((HeaderName::from_static("anthropic-version"), HeaderValue::from_static(ANTHROPIC_VERSION)));
        }
        if let Some((name, prefix)) = upstream.auth.header() {
            let Ok(value) = credential.expose_to_header(prefix) else {
                return told(false, CredentialState::Unknown, "the credential does not fit into a header");
            };
            headers.push((HeaderName::from_static(name), value));
        }
        let root = BaseUrl { path: String::new(), ..upstream.base_url.clone() };
        let question = Question {
            method: "GET",
            base: &root,
            suffix: &path,
            headers,
            kind: "application/json",
            body: String::new(),
        };
        judge(upstream, self.http.on(Way::of(account, upstream)).ask(&question).await)
    }
}

/// Where the models are listed; `None` where they are not.
fn list_path(account: &Account, upstream: &Upstream) -> Option<String> {
    let query = match (&upstream.platform, upstream.dialect) {
        (Platform::Vertex { .. } | Platform::CodeAssist, _) => return None,
        (Platform::Direct, Dialect::Anthropic) => "?limit=1000",
        (Platform::Direct, Dialect::Gemini) => "?pageSize=1000",
        _ => "",
    };
    if let Platform::Azure { api_version: Some(version) } = &upstream.platform {
        return Some(format!("{}/openai/models?api-version={version}", upstream.base_url.path));
    }
    Some(format!("{}{query}", platform::path(upstream, account, "", false, "/models")))
}

fn judge(upstream: &Upstream, answer: Result<Told, HttpError>) -> Trial {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return told(false, CredentialState::Unknown, error.to_string()),
    };
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    // Gemini says so of a wrong key with 400.
    let wrong_key = answer.status == 400 && body.to_string().contains("API_KEY_INVALID");
    let (credential, said) = match answer.status {
        200..300 => (CredentialState::Accepted, "it works"),
        401 | 403 => (CredentialState::Refused, "the provider refuses the credential"),
        _ if wrong_key => (CredentialState::Refused, "the provider refuses the credential"),
        404 | 405 => (CredentialState::Unknown, "the provider lists no models there; is the base URL right?"),
        429 => (CredentialState::Unknown, "the provider has a limit on just now"),
        500.. => (CredentialState::Unknown, "the provider is in trouble"),
        _ => (CredentialState::Unknown, "the provider does not understand the question"),
    };
    let models = if credential == CredentialState::Accepted { models(upstream.dialect, &body) } else { Vec::new() };
    Trial { status: Some(answer.status), models, ..told(true, credential, said) }
}

fn models(dialect: Dialect, body: &Value) -> Vec<String> {
    let (list, key) = if dialect == Dialect::Gemini { ("models", "name") } else { ("data", "id") };
    let all = body.get(list).and_then(Value::as_array).into_iter().flatten();
    let name = |one: &Value| Some(one.get(key)?.as_str()?.trim_start_matches("models/").to_owned());
    all.filter_map(name).take(MODELS_MAX).collect()
}

fn told(reachable: bool, credential: CredentialState, said: impl Into<String>) -> Trial {
    Trial { reachable, credential, status: None, models: Vec::new(), took: Duration::ZERO, said: said.into() }
}
