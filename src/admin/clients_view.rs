//! What the API says of clients. The commands read it with the same types, so members are added, never renamed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::When;

/// `GET /api/clients`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Clients {
    /// Those of the file first.
    pub(crate) clients: Vec<Client>,
    /// Whether anybody who reaches the gateway may use it: there are no clients.
    pub(crate) open: bool,
}

/// A client: what it may, and what it has used of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Client {
    pub(crate) client: String,
    pub(crate) label: Option<String>,
    /// `file`, or `command`: only those can be changed by commands.
    pub(crate) origin: String,
    /// `active`, `disabled` or `expired`; `faulty` for one that is left out, see `fault`.
    pub(crate) state: String,
    /// Why it is left out.
    pub(crate) fault: Option<String>,
    pub(crate) expires: Option<When>,
    /// Networks that it may come from; `None`: anywhere.
    pub(crate) addresses: Option<Vec<String>>,
    /// Patterns of models that it may use; `None`: all.
    pub(crate) models: Option<Vec<String>>,
    /// How many keys it has.
    pub(crate) keys: usize,
    /// Until when each replaced key is taken.
    pub(crate) old_keys: Vec<When>,
    /// Requests at work.
    pub(crate) in_flight: u32,
    /// Most requests that were ever at work at once, since the start.
    pub(crate) in_flight_max: u32,
    /// `None`: no limit.
    pub(crate) concurrency: Option<u32>,
    /// `None`: no limit.
    pub(crate) requests_per_minute: Option<Minute>,
    /// `None`: no limit.
    pub(crate) tokens_per_minute: Option<Minute>,
    pub(crate) budgets: Vec<Budget>,
    /// Since midnight, UTC.
    pub(crate) today: Spent,
    /// Since the first of the month, UTC.
    pub(crate) this_month: Spent,
}

/// A limit of a minute.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Minute {
    pub(crate) limit: u64,
    /// What there is room for now.
    pub(crate) left: u64,
}

/// A budget of a calendar day or month, in UTC.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Budget {
    /// `daily_tokens`, `daily_usd`, `monthly_tokens` or `monthly_usd`.
    pub(crate) budget: String,
    /// Tokens, or US dollars.
    pub(crate) limit: f64,
    pub(crate) used: f64,
    /// The part of it that is used; above 1 if it was passed.
    pub(crate) used_ratio: f64,
    pub(crate) renewed: When,
}

/// What was spent.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct Spent {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) usd: f64,
    /// Tokens of models without prices: they are in `tokens`, and cost nothing in `usd`.
    pub(crate) unpriced_tokens: u64,
}

/// What a client may, in the words of the file: the body of `POST` (with an id) and `PATCH`. In a `PATCH`, what is left out
/// stays, and `null` takes a limit away (RFC 7396).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Terms {
    /// Letters, digits and `. _ - @ /`, at most 64. In a `PATCH` it is left out.
    pub(crate) id: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) enabled: Option<bool>,
    /// RFC 3339.
    pub(crate) expires: Option<String>,
    /// Addresses or networks.
    pub(crate) addresses: Option<Vec<String>>,
    /// Patterns of models.
    pub(crate) models: Option<Vec<String>>,
    pub(crate) requests_per_minute: Option<u64>,
    pub(crate) tokens_per_minute: Option<u64>,
    pub(crate) concurrency: Option<u64>,
    pub(crate) budgets: Option<Budgets>,
}

/// What may be spent.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Budgets {
    /// From midnight to midnight, UTC.
    pub(crate) daily: Option<Amount>,
    /// From the first of a month to the first of the next, UTC.
    pub(crate) monthly: Option<Amount>,
}

/// How much.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Amount {
    pub(crate) tokens: Option<u64>,
    /// US dollars.
    pub(crate) usd: Option<f64>,
}

/// `POST /api/clients` and `POST /api/clients/ID/rotate`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Issued {
    pub(crate) client: Client,
    /// The key. It is told this once; only its SHA-256 is kept.
    pub(crate) key: String,
    /// What the operator should know of it.
    pub(crate) notes: Vec<String>,
}

/// `DELETE /api/clients/ID`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Revoked {
    pub(crate) client: String,
    /// What the operator should know of it.
    pub(crate) notes: Vec<String>,
}
