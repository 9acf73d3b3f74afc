//! What one request carries from hook to hook.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use interlingua_filters::Dialect;
use interlingua_filters::dialects::Encoded;
use interlingua_filters::dialects::code_assist::Unwrap;
use interlingua_filters::ir::{ApiError, Usage};
use interlingua_filters::json::skim::Skim;

use super::access::Access;
use super::answer::Answer;
use super::continuation::Continuing;
use super::errand::Errand;
use super::hedge::Hedge;
use super::outbox::Outbox;
use super::replay::Berth;
use crate::breaker::safe_mode::Trial;
use crate::clients::{Meter, Tab};
use crate::config::{Account, Snapshot, Upstream};
use crate::limits::{Reason, Refusals};
use crate::pool::{Attempted, Lease, Millis};
use crate::routing::{Causes, Route, Sign, StepKind};

/// The state of one request. It pins one configuration from the first hook to the last.
pub struct Ctx {
    /// When the request's header had come.
    pub started: Instant,
    /// The configuration this request sees.
    pub snapshot: Arc<Snapshot>,
    /// The caller's dialect: errors are said in it. OpenAI Chat until the path has told.
    pub dialect: Dialect,
    /// How errors are framed.
    pub voice: Voice,
    /// Id of this request in the log and towards the client; also the source of ids made for its answer.
    pub id: u64,
    /// The configured client that calls, if clients are configured.
    pub client: Option<String>,
    /// Its place in the snapshot's clients.
    pub client_place: Option<usize>,
    /// What the request takes of its client's limits.
    pub tab: Option<Arc<Tab>>,
    /// Where the client stands with its requests a minute.
    pub meter: Option<Meter>,
    /// What was asked; `None` until the body was read and understood, and for local answers.
    pub inbound: Option<Inbound>,
    /// What has been tried.
    pub walk: Walk,
    /// The attempt under way.
    pub attempt: Option<Attempt>,
    /// The second request, if this one is hedged.
    pub hedge: Option<Hedge>,
    /// An answer that broke off behind the commit point, and with which another account goes on.
    pub continuing: Option<Continuing>,
    /// What goes down to the client.
    pub outbox: Arc<Outbox>,
    /// Where the real downstream session is while the request is proxied.
    pub berth: Option<Arc<Berth>>,
    /// What came of it.
    pub outcome: Outcome,
}

/// How the gateway's own errors are framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Voice {
    /// As the dialect says them.
    #[default]
    Plain,
    /// As the one element of an array, as Google does where a stream is an array.
    Array,
    /// As JSON-RPC, for clients of tool servers.
    JsonRpc,
}

/// A request that was read, understood and routed.
#[derive(Clone)]
pub struct Inbound {
    /// What is wanted.
    pub errand: Errand,
    /// The model as the caller named it; empty where none is.
    pub model: String,
    /// Whether the caller wants events.
    pub stream: bool,
    /// Whether the caller's HTTP has chunks: 1.1 alone.
    pub chunks: bool,
    /// The body as it came.
    pub body: Bytes,
    /// Tokens of the body, by a glance at it.
    pub rough: u64,
    /// The account that the caller asks for, or the operator for all; others serve while it cannot.
    pub pinned: Option<Arc<str>>,
    /// What was found in the body, once for all attempts; empty but for a model's answer.
    pub skim: Skim<'static>,
    /// Where it may go.
    pub route: Route,
    /// What binds its conversation to an account; `None` with affinity off.
    pub session: Option<u128>,
    /// What stands for the stored answer that the request continues: only the account that gave it knows it.
    pub continues: Option<u128>,
    /// Caller's headers that may travel to a provider of the caller's own dialect.
    pub travelling: HeaderMap,
    /// What an agent asks for itself with it, where the rule has a place for that.
    pub sign: Option<Sign>,
    /// When the last attempt may begin.
    pub deadline: Instant,
}

impl Inbound {
    /// The conversation that an answer of this step binds. What an agent asks for itself binds none.
    pub fn bindable(&self, step: usize) -> Option<u128> {
        let aside = self.route.steps.get(step).is_some_and(|step| step.kind == StepKind::Background);
        self.session.filter(|_| !aside)
    }
}

/// The walk over accounts.
#[derive(Default)]
pub struct Walk {
    /// Attempts begun.
    pub attempts: u32,
    /// Position in the route's steps.
    pub step: usize,
    /// Accounts that failed at this step.
    pub attempted: Attempted,
    /// Equal refusals of different accounts.
    pub refusals: Refusals,
    /// What these refusals did to the accounts, to be taken back if it was not about them.
    pub booked: Vec<Booked>,
    /// Its place in the order of arrival; 0 before it has looked for an account.
    pub arrival: u64,
    /// How long it has waited for accounts.
    pub waited: Duration,
    /// The step that opens first, and when.
    pub opens: Option<(Millis, usize)>,
    /// Whether that step was gone back to: it happens once.
    pub second_round: bool,
    /// Upstreams whose accounts all refuse alike: asking more of them is pointless.
    pub barred: Vec<String>,
    /// Why the present step could not serve, so far.
    pub causes: Causes,
    /// The steps that were left behind: a bit for each.
    pub seen: u32,
    /// The request's own fault for which it went on to another step, as the caller will hear it if nobody can serve.
    pub verdict: Option<ApiError>,
    /// Upstreams that were in trouble or could not be reached, in the order of the attempts.
    pub troubled: Vec<String>,
    /// The last such trouble.
    pub trouble: Option<Reason>,
    /// Set if the request tries whether the normal way works again.
    pub trial: Option<Trial>,
    /// The last failure, as the caller will hear it if nobody can serve.
    pub error: Option<ApiError>,
    /// The last refusal of a request whose bytes pass, if the client may see it.
    pub refusal: Option<Refusal>,
    /// Whether some account refused because of a limit.
    pub limited: bool,
    /// Whether all accounts of a step rest because they have failed too often.
    pub broken: bool,
    /// Whether an account refused, or rests, for a reason of its own: not through trouble of its provider.
    pub rests: bool,
    /// Wait and take the same account again.
    pub again: Option<Again>,
    /// Whether the one grace retry was used.
    pub grace_used: bool,
    /// Whether a provider refused a seal: from then on the request goes without any.
    pub seals_dropped: bool,
    /// Whether a kept-alive connection that the provider had closed was replaced once.
    pub reconnected: bool,
    /// Whether an access token that the provider refused was replaced once.
    pub renewed: bool,
    /// Soonest moment at which an account becomes free.
    pub soonest: Option<Millis>,
    /// Whether the second of two hedged requests has served, whole.
    pub hedged: bool,
    /// Whether the client left before its answer was whole.
    pub client_left: bool,
}

/// A provider's refusal that passes as it is.
#[derive(Debug)]
pub struct Refusal {
    /// Its status.
    pub status: u16,
    /// Its content type.
    pub content_type: Option<HeaderValue>,
    /// Its body, whole.
    pub body: Vec<u8>,
}

/// The request line and headers of an attempt that is no model's answer.
#[derive(Debug)]
pub struct Line {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Headers beside those of every request.
    pub headers: HeaderMap,
}

/// What a refusal did to an account.
pub struct Booked {
    /// The upstream that refused.
    pub upstream: String,
    /// The account.
    pub account: Arc<str>,
    /// The model family that was asked for.
    pub family: String,
    /// Why it refused.
    pub reason: Reason,
    /// When.
    pub at: Millis,
    /// The number that the registry gave it.
    pub event: u64,
}

/// A second try at the same account, whose slot is kept.
pub struct Again {
    /// The slot.
    pub lease: Lease,
    /// How long to wait first.
    pub wait: Duration,
    /// Whether the provider has counted the first try: then the second one takes of its limits, too.
    pub counted: bool,
}

/// One attempt at one account.
pub struct Attempt {
    /// The reserved slot; given back when the attempt is dropped.
    pub lease: Lease,
    /// The account.
    pub account: Arc<Account>,
    /// Where it goes.
    pub upstream: Arc<Upstream>,
    /// What the encoding of the request came to.
    pub encoded: Encoded,
    /// Calls whose seals were put back.
    pub restored: usize,
    /// Request line and headers, if it is no model's answer that is asked for.
    pub line: Option<Line>,
    /// The body that is sent.
    pub body: Bytes,
    /// Whether the provider is asked for events.
    pub streams: bool,
    /// Model in the provider's words; cooldowns are kept by it.
    pub model: String,
    /// What opens the account, where that is not its credential.
    pub access: Access,
    /// The response side.
    pub reply: Answer,
    /// Takes the platform's envelope off the answer before `reply` sees it.
    pub unwrap: Option<Unwrap>,
    /// When the attempt began.
    pub started: Instant,
    /// Until when its first content must have come; `None` for as long as the provider's own timeouts allow.
    pub content_until: Option<Instant>,
    /// Status of the provider's answer; 0 before it came.
    pub status: u16,
    /// Headers of a refusal, for its hints.
    pub headers: HeaderMap,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// Body of a refusal, up to its bound.
    pub refusal: Vec<u8>,
    /// Output of `reply` that waits for the commit point.
    pub held: Vec<u8>,
    /// A failure that the provider or its bytes told; transport failures come as Pingora's errors.
    pub failure: Option<ApiError>,
}

/// What one attempt has used at its provider.
#[derive(Clone, Debug)]
pub struct Spent {
    /// The account.
    pub account: String,
    /// Where.
    pub upstream: String,
    /// Model in the provider's words.
    pub model: String,
    /// Tokens, as the provider told or as they are estimated.
    pub usage: Usage<'static>,
    /// What they cost, in millionths of a US dollar; `None` if the model has no prices.
    pub microusd: Option<u64>,
}

/// What came of a request, for the log and the metrics.
#[derive(Default)]
pub struct Outcome {
    /// HTTP status sent; 0 when the client left before.
    pub status: u16,
    /// Seconds until the first byte went down.
    pub first_byte: Option<Duration>,
    /// Tokens spent.
    pub usage: Option<Usage<'static>>,
    /// Reason of a failed end.
    pub error: Option<String>,
    /// Whether it was answered here, without a provider.
    pub local: bool,
    /// What each attempt has used that came so far; of one request there are several where one broke off.
    pub spent: Vec<Spent>,
}

impl Ctx {
    /// A request that has just begun.
    pub fn new(snapshot: Arc<Snapshot>, id: u64) -> Self {
        Ctx {
            started: Instant::now(),
            snapshot,
            dialect: Dialect::OpenAiChat,
            voice: Voice::default(),
            id,
            client: None,
            client_place: None,
            tab: None,
            meter: None,
            inbound: None,
            walk: Walk::default(),
            attempt: None,
            hedge: None,
            continuing: None,
            outbox: Arc::default(),
            berth: None,
            outcome: Outcome::default(),
        }
    }

    /// The request's id as clients and the log see it.
    pub fn request_id(&self) -> String {
        format!("req_{:016x}", self.id)
    }

    /// The caller's protocol: a metrics label.
    pub fn protocol(&self) -> &'static str {
        if self.voice == Voice::JsonRpc { "mcp" } else { self.dialect.name() }
    }

    /// `unary`, `stream` or `local`: a metrics label.
    pub fn mode(&self) -> &'static str {
        match &self.inbound {
            _ if self.outcome.local => "local",
            Some(inbound) if inbound.stream => "stream",
            _ => "unary",
        }
    }
}
