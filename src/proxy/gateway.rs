//! The `ProxyHttp` of the gateway. Each hook only delegates to the file of its name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};

use super::clock::now;
use super::cost::Costs;
use super::count::Counts;
use super::ctx::{Ctx, Inbound};
use super::endpoints::Endpoints;
use super::failover::Serving;
use super::pause::Pause;
use super::wait::Queue;
use super::{
    fail_to_proxy, hedge, logging, passthrough, request_filter, response, safe_mode, settings, upstream_peer,
    upstream_request,
};
use crate::breaker::safe_mode::SafeMode;
use crate::clients::Clients;
use crate::code_assist::Projects;
use crate::config::Store;
use crate::credentials::Tokens;
use crate::credentials::http::Http;
use crate::custody::Keeper;
use crate::health::Health;
use crate::hedging::Hedges;
use crate::pool::{Affinity, Millis, Registry};
use crate::quota::{QuotaStatus, Quotas, Rules, Told, told};
use crate::store::Durable;
use crate::telemetry::metrics::Metrics;
use crate::warm_up::WarmUps;

/// Everything the hooks share.
pub struct Gateway {
    /// The configuration in force.
    pub store: Arc<Store>,
    /// Live state of the accounts.
    pub registry: Registry,
    /// Requests that wait for an account.
    pub(super) queue: Arc<Queue>,
    /// When each upstream last answered well.
    pub(super) serving: Serving,
    /// Which conversation belongs to which account.
    pub affinity: Affinity,
    /// Seals that clients cannot carry.
    pub keeper: Keeper,
    /// What Prometheus sees.
    pub metrics: Metrics,
    /// Addresses of the upstreams.
    pub(super) endpoints: Endpoints,
    /// What outlives the process.
    pub durable: Durable,
    /// Which account holds an object that was made through it.
    pub holders: Affinity,
    /// What is known of numbers of tokens.
    pub(super) counts: Counts,
    /// What requests take of the accounts' limits.
    pub(super) costs: Costs,
    /// What clients may, and have done of it.
    pub clients: Clients,
    /// What is left of the accounts' quotas.
    pub quotas: Quotas,
    /// Which requests may be hedged.
    pub hedges: Hedges,
    /// Which upstreams cannot be reached.
    pub health: Health,
    /// Warm-ups that were sent.
    pub warm_ups: WarmUps,
    /// Sends the gateway's own small requests.
    pub(crate) http: Arc<Http>,
    /// Access tokens of accounts with refresh tokens.
    pub(super) tokens: Tokens,
    /// Which upstreams are passed over for the one of last resort.
    pub safe_mode: SafeMode,
    /// Projects of accounts at Code Assist.
    pub(super) projects: Projects,
    /// Whether new requests are turned away.
    pub pause: Pause,
    /// Source of request ids.
    ids: AtomicU64,
}

impl Gateway {
    /// A gateway over shared state. `seed` makes its request ids differ from those of another process.
    pub fn new(
        store: Arc<Store>,
        registry: Registry,
        affinity: Affinity,
        metrics: Metrics,
        durable: Durable,
        seed: u64,
    ) -> Self {
        let queue = Arc::new(Queue::default());
        let hook = Arc::clone(&queue);
        registry.on_release(move || hook.released());
        let (endpoints, ids) = (Endpoints::default(), AtomicU64::new(seed));
        let keeper = Keeper::new(settings::custody(&store.load().config.custody));
        let (holders, counts) = (passthrough::holders(), Counts::default());
        let http = Arc::new(Http::new());
        let safe_mode = safe_mode::new(&store.load().config);
        let (tokens, projects) = (Tokens::new(Arc::clone(&http)), Projects::new(Arc::clone(&http)));
        Gateway {
            store,
            registry,
            queue,
            serving: Serving::default(),
            affinity,
            keeper,
            metrics,
            endpoints,
            durable,
            holders,
            counts,
            costs: Costs::default(),
            clients: Clients::default(),
            quotas: Quotas::default(),
            hedges: Hedges::default(),
            health: Health::default(),
            warm_ups: WarmUps::default(),
            http,
            tokens,
            safe_mode,
            projects,
            pause: Pause::default(),
            ids,
        }
    }

    /// Requests that wait in line for an account.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// The metrics, with the gauges that are read off the registry.
    pub fn render_metrics(&self) -> String {
        self.metrics.observe(&self.registry.accounts(), &self.store.load().config.tiers, now());
        self.metrics.waiting.set(i64::try_from(self.queue.waiting()).unwrap_or(i64::MAX));
        self.metrics.observe_clients(&self.clients, &self.store.load().config.clients, now());
        self.metrics.observe_safe_mode(&self.safe_mode.status(now()));
        self.metrics.render()
    }

    /// The id of a new request.
    pub(super) fn next_id(&self) -> u64 {
        // An odd stride visits every number before one returns, and neighbours look unlike.
        self.ids.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }

    /// What is left of the accounts' quotas, for the operator.
    pub fn quota_status(&self) -> QuotaStatus {
        self.quotas.status(&self.registry, &self.store.load().config, now())
    }

    /// The headers of an answer, or of a refusal, may tell what is left of the account's quotas. `asked` is when the request
    /// was sent: what was learned since counts more.
    pub fn quota_told(&self, account: &str, model: &str, headers: &HeaderMap, asked: Millis) {
        let (now, snapshot) = (now(), self.store.load());
        // Not every question is about a model.
        let told = if model.is_empty() { Told::default() } else { told(headers, model, now) };
        if told != Told::default() && snapshot.config.resilience.quota.enabled {
            let rules = Rules::new(&snapshot.config);
            self.quotas.answered(&self.registry, &rules, (account, model), told, asked, now);
        }
    }

    /// A provider refused a request because the account's quota for a model is used up, until `reset` if it said so.
    pub fn quota_refused(&self, account: &str, model: &str, reset: Option<Millis>) {
        let snapshot = self.store.load();
        let quota = &snapshot.config.resilience.quota;
        if quota.enabled {
            let rules = Rules::new(&snapshot.config);
            self.quotas.refused(&self.registry, &rules, account, model, reset, now());
        }
    }
}

impl Ctx {
    /// The planned request; the hooks after `request_filter` have one.
    pub fn inbound(&self) -> Result<&Inbound> {
        self.inbound.as_ref().ok_or_else(|| Error::explain(ErrorType::InternalError, "no planned request"))
    }
}

/// The hooks of a gateway that others hold too.
pub struct Hooks(pub Arc<Gateway>);

#[async_trait]
impl ProxyHttp for Hooks {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        self.0.metrics.in_flight.inc();
        Ctx::new(self.0.store.load_full(), self.0.next_id())
    }

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        request_filter::bound(session, ctx);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        request_filter::request_filter(&self.0, session, ctx).await
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let peer = upstream_peer::upstream_peer(&self.0, session, ctx).await?;
        hedge::arm(&self.0, ctx);
        Ok(peer)
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let lost = || Error::explain(ErrorType::InternalError, "no attempt under way");
        let attempt = ctx.attempt.as_ref().ok_or_else(lost)?;
        upstream_request::upstream_request_filter(request, attempt, ctx.inbound()?)
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        // The client's body came whole; the provider gets the one that was encoded for it.
        if let Some(attempt) = &ctx.attempt {
            *body = Some(attempt.body.clone());
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        response::upstream_response_filter(&self.0, response, ctx)
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<Duration>> {
        response::response_body_filter(&self.0, body, end_of_stream, ctx)?;
        Ok(None)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        _session: &mut Session,
        error: Box<Error>,
        ctx: &mut Ctx,
        client_reused: bool,
    ) -> Box<Error> {
        self.0.judge(ctx, error, client_reused)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Ctx,
        error: Box<Error>,
    ) -> Box<Error> {
        self.0.judge(ctx, error, false)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Ctx) -> FailToProxy {
        fail_to_proxy::fail_to_proxy(&self.0, session, error, ctx).await
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        logging::logging(&self.0, session, error, ctx).await;
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        // The access log says it, in one line.
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _ctx: &Ctx,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}
