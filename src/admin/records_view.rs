//! What the API says of requests, usage and audited events. The commands read it with the same types, so members are added,
//! never renamed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::When;
use crate::records::{Entry, Tokens};

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Logged {
    /// Its number; later entries have larger ones.
    pub(crate) seq: i64,
    /// When it began.
    pub(crate) when: When,
    #[serde(flatten)]
    pub(crate) entry: Entry,
}

/// `GET /api/logs` and `GET /api/logs/tail`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Logs {
    /// The newest first; those of `tail` the oldest first.
    pub(crate) requests: Vec<Logged>,
    /// `before` of the next page, or `after` of the next `tail`; `None`: there are no more.
    pub(crate) next: Option<i64>,
    /// Entries that were dropped since the start of the process, since the disk was too slow.
    pub(crate) dropped: u64,
}

/// A body.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LoggedBody {
    /// As text; what is no UTF-8 as `base64` alone.
    pub(crate) text: Option<String>,
    /// What is no text.
    pub(crate) base64: Option<String>,
    /// How long it was, in bytes.
    pub(crate) bytes: u64,
    /// Whether only its beginning is kept.
    pub(crate) cut: bool,
}

/// `GET /api/logs/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LoggedWhole {
    #[serde(flatten)]
    pub(crate) logged: Logged,
    /// As the client sent it, if it is kept.
    pub(crate) request_body: Option<LoggedBody>,
    /// As the client saw it, if it is kept.
    pub(crate) answer_body: Option<LoggedBody>,
}

/// What a group used. Of what it is grouped by, each member is there; the others are not.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Used {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    /// As the client named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// In the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) served_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// In UTC: 2026-11-20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) day: Option<String>,
    /// In UTC, RFC 3339. What is older than 8 days is told by the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hour: Option<String>,
    /// Requests that ended there.
    pub(crate) requests: u64,
    /// Of these, the ones that were not answered well.
    pub(crate) errors: u64,
    /// Attempts, those included that failed.
    pub(crate) attempts: u64,
    /// Of all attempts, also of those whose answers no client got.
    pub(crate) tokens: Tokens,
    /// Millionths of a US dollar, by the prices of the model profiles.
    pub(crate) microusd: u64,
    /// Attempts that used tokens of models without a price: what they cost is not in the sum.
    pub(crate) unpriced: u64,
}

/// `GET /api/usage`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Usage {
    /// What it is grouped by, in this order.
    pub(crate) group_by: Vec<String>,
    /// From when on; `None`: from the beginning.
    pub(crate) since: Option<When>,
    /// Until when; `None`: until now.
    pub(crate) until: Option<When>,
    /// The groups that cost most first; if grouped by day or hour, by time.
    pub(crate) groups: Vec<Used>,
    pub(crate) total: Used,
}

/// One audited event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Audited {
    /// RFC 3339, in UTC.
    pub(crate) at: String,
    pub(crate) event: String,
    /// The hash of the account that it is about.
    pub(crate) account: Option<String>,
    /// That account, if it is configured now. Not in the files.
    pub(crate) account_name: Option<String>,
    /// What else stands in the file.
    #[schema(value_type = Object)]
    pub(crate) details: serde_json::Map<String, serde_json::Value>,
}

/// `GET /api/audit`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Audits {
    /// The newest first.
    pub(crate) events: Vec<Audited>,
}
