//! What the API says. The commands read it with the same types, so members are added, never renamed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pool::Millis;
use crate::warm_up::WarmUp;

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct When {
    /// RFC 3339, in UTC.
    pub(crate) at: String,
    /// Milliseconds from the answer on; negative for what has been.
    pub(crate) in_ms: i64,
}

impl When {
    pub(crate) fn new(moment: Millis, now: Millis) -> Self {
        let signed = |millis: Millis| i64::try_from(millis.0).unwrap_or(i64::MAX);
        // Beyond the year 9999 there is no RFC 3339.
        let at = Timestamp::from_millisecond(signed(moment)).unwrap_or(Timestamp::MAX).to_string();
        When { at, in_ms: signed(moment).saturating_sub(signed(now)) }
    }
}

/// What keeps an account from requests, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Nothing does.
    Ready,
    /// Nothing does for most models; some families rest or have no room.
    Limited,
    /// All its slots are in use.
    Busy,
    /// It rests for all models.
    Cooling,
    /// It has failed too often; one request at a time tries it.
    HalfOpen,
    /// It has failed too often.
    Open,
    /// The configuration, or what a provider said of it, has shut it out.
    Disabled,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Ready => "ready",
            State::Limited => "limited",
            State::Busy => "busy",
            State::Cooling => "cooling",
            State::HalfOpen => "half open",
            State::Open => "open",
            State::Disabled => "disabled",
        }
    }
}

/// A state with what is known of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Standing {
    pub(crate) state: State,
    /// Why, if it is not ready.
    pub(crate) reason: Option<String>,
    /// When it ends.
    pub(crate) until: Option<When>,
    /// When one request may try before that.
    pub(crate) next_probe: Option<When>,
}

/// A lock.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Cooldown {
    pub(crate) account: String,
    /// `None`: for all models.
    pub(crate) family: Option<String>,
    pub(crate) reason: String,
    pub(crate) since: When,
    pub(crate) until: When,
    pub(crate) next_probe: Option<When>,
    /// Whether one request tries just now.
    pub(crate) probing: bool,
    /// How often in a row a window was refused, less one.
    pub(crate) strikes: u32,
}

/// A breaker.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Circuit {
    pub(crate) account: String,
    /// `closed`, `open` or `half_open`.
    pub(crate) state: String,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// When one request may try.
    pub(crate) next_probe: Option<When>,
}

/// One limit a minute.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Meter {
    /// `None`: none is known.
    pub(crate) limit: Option<u64>,
    /// Who named it: `operator`, `header` or `learned`.
    pub(crate) source: Option<String>,
    /// The part of it that is used; above 1 if it was passed.
    pub(crate) used_ratio: f64,
    pub(crate) last_minute: u64,
}

/// A pace.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Pace {
    pub(crate) account: String,
    pub(crate) family: String,
    pub(crate) requests: Meter,
    pub(crate) tokens: Meter,
    /// Until when not even the smallest request has room.
    pub(crate) until: Option<When>,
}

/// A lowered ceiling.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Ceiling {
    /// Upstreams, joined with `+`.
    pub(crate) upstream: String,
    /// Requests at a time at most.
    pub(crate) ceiling: Option<u32>,
    pub(crate) in_flight: u32,
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Account {
    pub(crate) account: String,
    pub(crate) tier: String,
    pub(crate) upstreams: Vec<String>,
    pub(crate) standing: Standing,
    pub(crate) in_flight: u32,
    /// `None`: no limit.
    pub(crate) limit: Option<u32>,
    pub(crate) cooldowns: Vec<Cooldown>,
    pub(crate) circuit: Circuit,
    pub(crate) paces: Vec<Pace>,
    /// Since the start: the part of all prompt tokens that came from the provider's cache; `None` without any.
    pub(crate) cached_token_ratio: Option<f64>,
    /// Since the start.
    pub(crate) served: u64,
    /// Since the start.
    pub(crate) failed: u64,
    pub(crate) last_used: Option<When>,
    /// What is known of its quotas.
    #[serde(default)]
    pub(crate) quotas: Vec<Quota>,
}

/// What is left of an account's quota for a family.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Quota {
    pub(crate) family: String,
    /// Of the whole.
    pub(crate) left_ratio: f64,
    /// When it is whole again.
    pub(crate) reset: Option<When>,
    /// `poll`, `header` or `refusal`.
    pub(crate) source: String,
    /// As of when.
    pub(crate) read: When,
    /// Whether the family has a protected model in it.
    pub(crate) protected: bool,
}

/// `GET /api/accounts/status`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Accounts {
    pub(crate) accounts: Vec<Account>,
    /// Why what is learned is not kept through a restart, if it is to be, and what to do.
    #[serde(default)]
    pub(crate) state_error: Option<String>,
}

/// `GET` and `DELETE /api/resilience/cooldowns`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Cooldowns {
    /// Those that hold, or those that were cleared.
    pub(crate) cooldowns: Vec<Cooldown>,
}

/// `GET /api/resilience/circuits`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Circuits {
    pub(crate) circuits: Vec<Circuit>,
}

/// `GET /api/resilience/aimd`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Paces {
    pub(crate) paces: Vec<Pace>,
    pub(crate) ceilings: Vec<Ceiling>,
}

/// Accounts by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Tally {
    pub(crate) total: usize,
    pub(crate) ready: usize,
    pub(crate) limited: usize,
    pub(crate) busy: usize,
    pub(crate) cooling: usize,
    pub(crate) half_open: usize,
    pub(crate) open: usize,
    pub(crate) disabled: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, state: State) {
        self.total += 1;
        *match state {
            State::Ready => &mut self.ready,
            State::Limited => &mut self.limited,
            State::Busy => &mut self.busy,
            State::Cooling => &mut self.cooling,
            State::HalfOpen => &mut self.half_open,
            State::Open => &mut self.open,
            State::Disabled => &mut self.disabled,
        } += 1;
    }

    /// How many could take a request now, of some model.
    pub(crate) fn open_to_requests(&self) -> usize {
        self.ready + self.limited
    }
}

/// An upstream with its accounts.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Upstream {
    pub(crate) upstream: String,
    /// `ok`, `degraded` (some account is out) or `down` (no account can take a request).
    pub(crate) status: String,
    pub(crate) accounts: Tally,
    pub(crate) in_flight: u32,
}

/// `GET /api/resilience/health`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Health {
    /// As of an upstream, over all of them.
    pub(crate) status: String,
    pub(crate) accounts: Tally,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) safe_mode: SafeMode,
    /// Requests at work.
    pub(crate) in_flight: i64,
    /// Requests that wait in line for an account.
    pub(crate) waiting: usize,
    /// Whether what is learned is kept through a restart.
    pub(crate) durable: bool,
    /// Whether new requests are turned away for maintenance.
    #[serde(default)]
    pub(crate) paused: bool,
    /// Why it is not, if it is to be, and what to do.
    pub(crate) state_error: Option<String>,
}

/// `GET /api/safe-mode`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SafeMode {
    /// The upstream of last resort; `None`: none is configured, and there is no safe mode.
    pub(crate) upstream: Option<String>,
    pub(crate) model: Option<String>,
    /// Whether any requests go there now.
    pub(crate) active: bool,
    pub(crate) scopes: Vec<SafeScope>,
}

/// Safe mode of all upstreams (`*`) or of one.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SafeScope {
    pub(crate) scope: String,
    pub(crate) active: bool,
    /// What the operator says: `on`, `off` or `auto`.
    pub(crate) mode: String,
    pub(crate) since: Option<When>,
    pub(crate) reason: Option<String>,
    /// Failures that count now.
    pub(crate) failures: usize,
    /// Good tries in a row.
    pub(crate) good_tries: u32,
    pub(crate) trying: bool,
    pub(crate) next_probe: Option<When>,
}

/// `PUT /api/safe-mode`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetSafeMode {
    /// `on`, `off` or `auto`.
    pub(crate) mode: String,
    /// `*`, or an upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
}

/// `POST /api/reload`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Generation {
    /// The number of the configuration that is in force now.
    pub(crate) generation: u64,
}

/// RFC 9457 problem details.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Problem {
    pub(crate) title: String,
    pub(crate) status: u16,
    pub(crate) detail: String,
}

/// `GET /api/models`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Models {
    /// What `/v1/models` lists.
    pub(crate) listed: Vec<String>,
    /// The rules.
    pub(crate) rules: Vec<Rule>,
    /// Names that stand for others.
    pub(crate) mappings: Vec<Mapped>,
}

/// A rule for models.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Rule {
    /// A name, or a pattern.
    pub(crate) name: String,
    /// The model in the provider's words; `None` for a pattern.
    pub(crate) model: Option<String>,
    pub(crate) upstreams: Vec<String>,
    /// How many fallbacks it has.
    pub(crate) fallbacks: usize,
}

/// A name that stands for another.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Mapped {
    pub(crate) name: String,
    pub(crate) target: String,
    /// Whether some rule takes the target.
    pub(crate) served: bool,
}

/// `PUT /api/models/mappings/{name}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetMapping {
    /// The model that it stands for, as a client would name it.
    pub(crate) target: String,
}

/// `POST /api/pause`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetPause {
    /// For callers to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 300)]
    pub(crate) reason: Option<String>,
}

/// A pause.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Paused {
    pub(crate) since: When,
    pub(crate) reason: Option<String>,
}

/// `POST /api/pause` and `/api/resume`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Activity {
    /// The pause that holds.
    pub(crate) paused: Option<Paused>,
    /// Requests at work.
    pub(crate) in_flight: i64,
}

/// `GET` and `POST /api/warm-ups`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct WarmUps {
    /// How many were sent now.
    pub(crate) sent: Option<usize>,
    /// The last ones, the latest first.
    pub(crate) history: Vec<WarmUp>,
}

/// `GET /api/explain`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Explained {
    pub(crate) model: String,
    /// What the name was mapped to by `models map`.
    pub(crate) stands_for: Option<String>,
    /// The rule that takes it.
    pub(crate) rule: String,
    /// What is tried, in order.
    pub(crate) steps: Vec<ExplainedStep>,
}

/// One step of a route.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ExplainedStep {
    /// `target`, `fallback`, `large_output`, `background` or `safe_mode`.
    pub(crate) kind: String,
    /// For which causes a request goes on to it.
    pub(crate) on: String,
    /// The model in the provider's words.
    pub(crate) model: String,
    pub(crate) upstreams: Vec<ExplainedUpstream>,
    /// In the order in which they would be tried now; those that are passed over stand last.
    pub(crate) candidates: Vec<Candidate>,
}

/// An upstream, as a client's protocol sees it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ExplainedUpstream {
    pub(crate) upstream: String,
    pub(crate) dialect: String,
    /// `passes` (bytes as they are), `translated` or `refused`.
    pub(crate) lane: String,
}

/// An account for a request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Candidate {
    pub(crate) account: String,
    pub(crate) tier: String,
    /// Through which upstream it would be asked.
    pub(crate) upstream: Option<String>,
    pub(crate) in_flight: u32,
    /// `None`: no limit.
    pub(crate) limit: Option<u32>,
    /// Why it is passed over, if it is.
    pub(crate) passed_over: Option<String>,
    pub(crate) until: Option<When>,
}
