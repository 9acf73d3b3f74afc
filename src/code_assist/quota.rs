//! What is left of an account's quota.

use serde_json::{Value, json};

use super::{CallError, Endpoint, call};
use crate::credentials::http::Http;
use crate::pool::Millis;

/// Buckets of one answer that are looked at.
const BUCKETS_MAX: usize = 256;

/// What is left for one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// The model.
    pub model: String,
    /// What is left of the whole, 0 to 1. `None`: not told.
    pub remaining: Option<f64>,
    /// When it is whole again.
    pub reset: Option<Millis>,
    /// What is counted, such as `REQUESTS`.
    pub unit: Option<String>,
}

impl Bucket {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.remaining.is_some_and(|remaining| remaining <= 0.0)
    }
}

/// Asks what is left of an account's quota in a project.
///
/// # Errors
/// See [`CallError`].
pub(crate) async fn ask(http: &Http, endpoint: &Endpoint, project: Option<&str>) -> Result<Vec<Bucket>, CallError> {
    let body = project.map_or(json!({}), |project| json!({ "project": project }));
    call(http, endpoint, ":retrieveUserQuota", Some(&body)).await.map(|answer| buckets(&answer))
}

/// Asks what is left of an account's quota in a project, over a connection of its own.
///
/// # Errors
/// See [`CallError`].
pub async fn user_quota(endpoint: &Endpoint, project: Option<&str>) -> Result<Vec<Bucket>, CallError> {
    ask(&Http::new(), endpoint, project).await
}

/// The buckets of an answer to `retrieveUserQuota`. What cannot be read is left out.
///
/// Google leaves a number out that is zero, as its JSON form of protocol buffers does. So a bucket that tells when it will
/// be whole again, but not what is left, has nothing left.
pub fn buckets(answer: &Value) -> Vec<Bucket> {
    let list = answer["buckets"].as_array().map_or(&[][..], Vec::as_slice);
    let bucket = |value: &Value| {
        let number = |name: &str| value[name].as_f64().or_else(|| value[name].as_str()?.parse().ok());
        let reset = value["resetTime"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let reset = reset.and_then(|at| u64::try_from(at.as_millisecond()).ok()).map(Millis);
        let told = number("remainingFraction").filter(|fraction| fraction.is_finite());
        let amount = number("remainingAmount");
        let remaining = match (told, amount, reset) {
            (Some(fraction), _, _) => Some(fraction.clamp(0.0, 1.0)),
            (None, Some(amount), _) if amount > 0.0 => None,
            (None, _, Some(_)) => Some(0.0),
            (None, _, None) => None,
        };
        let unit = value["tokenType"].as_str().map(str::to_owned);
        Some(Bucket { model: value["modelId"].as_str()?.to_owned(), remaining, reset, unit })
    };
    list.iter().take(BUCKETS_MAX).filter_map(bucket).collect()
}
