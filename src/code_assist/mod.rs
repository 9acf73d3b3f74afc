//! Google Code Assist beside its answers: which project an account works in, and what is left of its quota.
//!
//! Facts: `code_assist/{setup,server,types}.ts` of google-gemini/gemini-cli. The gateway names itself and claims to be no
//! plugin of any editor.

mod project;
mod quota;
#[cfg(test)]
mod tests;

use http::{HeaderName, header};
use serde_json::Value;

pub use project::{ProjectError, Projects};
pub(crate) use quota::ask as ask_quota;
pub use quota::{Bucket, buckets, user_quota};

use crate::config::BaseUrl;
use crate::credentials::http::{Http, Question};
use crate::credentials::{HttpError, Secret};
use crate::egress::Way;

/// A Code Assist endpoint as one account sees it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its address, without `/v1internal`.
    pub base: BaseUrl,
    /// The account's access token.
    pub token: Secret,
    /// The account's way to it, where it is not direct.
    pub way: Option<Way>,
}

/// A method of the endpoint failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// No answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A refusal.
    #[error("{method} was refused with status {status}")]
    Refused {
        /// The method.
        method: String,
        /// HTTP status.
        status: u16,
        /// The body, for its reasons; not for the log.
        body: Vec<u8>,
    },
    /// An answer that is no JSON.
    #[error("the answer of {0} cannot be read")]
    Unreadable(String),
}

/// Calls `suffix`, such as `:loadCodeAssist`: with a body by POST, without one by GET.
async fn call(http: &Http, endpoint: &Endpoint, suffix: &str, body: Option<&Value>) -> Result<Value, CallError> {
    let method = suffix.trim_start_matches([':', '/']).to_owned();
    let headers: Vec<(HeaderName, _)> =
        endpoint.token.expose_to_header("Bearer ").map(|value| (header::AUTHORIZATION, value)).into_iter().collect();
    let suffix = format!("/v1internal{suffix}");
    let question = Question {
        method: if body.is_some() { "POST" } else { "GET" },
        base: &endpoint.base,
        suffix: &suffix,
        headers,
        kind: "application/json",
        body: body.map(Value::to_string).unwrap_or_default(),
    };
    let told = http.on(endpoint.way.clone()).ask(&question).await?;
    if !(200..300).contains(&told.status) {
        return Err(CallError::Refused { method, status: told.status, body: told.body });
    }
    serde_json::from_slice(&told.body).map_err(|_| CallError::Unreadable(method))
}
