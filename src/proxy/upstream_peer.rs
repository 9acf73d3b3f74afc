//! Phase `upstream_peer`: which account takes the request, and how it is reached.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use interlingua_filters::Dialect;
use interlingua_filters::continuation::Begun;
use interlingua_filters::custody::{Custody, Seals};
use interlingua_filters::dialects::code_assist::Envelope;
use interlingua_filters::dialects::{Encoded, Endpoint, Target};
use interlingua_filters::ir::{ApiError, ErrorKind, ReplyContext};
use interlingua_filters::json::Str;
use interlingua_filters::reply::{Reply, ReplyPlan};
use interlingua_filters::request::{self, PrepareError, Prepared};
use interlingua_filters::sse::JsonArray;
use pingora::protocols::TcpKeepalive;
use pingora::upstreams::peer::{ALPN, HttpPeer};
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;

use super::access::{self, Access};
use super::answer::{Answer, Shape};
use super::choose::choose;
use super::clock::now;
use super::continuation;
use super::ctx::{Again, Attempt, Ctx, Inbound, Line};
use super::errand::{COUNT_PATIENCE, Errand};
use super::gateway::Gateway;
use super::{operate, passthrough, platform};
use crate::config::{Config, Platform, StreamMode, Upstream};
use crate::egress::Way;
use crate::pool::Lease;
use crate::routing::Step;

/// Idle time before the kernel asks whether a provider's connection lives, then how often and how many times.
const KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(30),
    interval: Duration::from_secs(10),
    count: 3,
    user_timeout: Duration::from_secs(0),
};
/// How long an unused connection to a provider is kept: most close theirs after 60 s.
const IDLE: Duration = Duration::from_secs(55);

/// Chooses the account, encodes the body for it, and names the address.
///
/// # Errors
/// With `ctx.walk.error` set: when nobody can serve, or the request cannot be said to any candidate.
pub(super) async fn upstream_peer(gateway: &Gateway, session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
    ctx.outbox.set_patience(None);
    let begun = tokio::select! {
        biased;
        begun = begin(gateway, ctx) => Some(begun),
        // Looked at only while there is something to wait for.
        _ = session.downstream_session.read_body_or_idle(true) => None,
    };
    let attempt = match begun {
        Some(Ok(attempt)) => attempt,
        Some(Err(error)) => {
            ctx.walk.error = Some(error);
            return Err(Error::explain(ErrorType::InternalError, "no account can take the request"));
        }
        None => {
            ctx.walk.client_left = true;
            return Err(Error::explain(ErrorType::ConnectionClosed, "the client left while it waited").into_down());
        }
    };
    let upstream = Arc::clone(&attempt.upstream);
    let way = Way::of(&attempt.account, &upstream);
    let header_until = attempt.streams.then(|| attempt.started + upstream.timeouts.first_byte);
    ctx.walk.attempts += 1;
    ctx.outbox.set_patience(header_until.into_iter().chain(attempt.content_until).min());
    ctx.attempt = Some(attempt);
    match gateway.peer_of(&upstream, way.as_ref(), header_until.is_some()).await {
        Ok(peer) => Ok(Box::new(peer)),
        Err(error) => Err(gateway.judge(ctx, error.into_up(), false)),
    }
}

/// The moment at which waiting for the first content of an attempt that begins at `started` ends.
fn content_until(ctx: &Ctx, started: Instant) -> Option<Instant> {
    let peek = &ctx.snapshot.config.resilience.peek;
    let total = ctx.started + peek.total.of(ctx.dialect);
    peek.enabled.then(|| (started + peek.first_content.of(ctx.dialect)).min(total))
}

/// Why an account does not get the request.
pub(super) enum Refused {
    /// Nobody can: the request is wrong.
    Everywhere(ApiError),
    /// It cannot be said to this upstream; another one may speak a dialect that can.
    Here { upstream: String, error: ApiError },
}

/// An account, and the request in its provider's words. Each round but the last leaves an upstream out.
async fn begin(gateway: &Gateway, ctx: &mut Ctx) -> Result<Attempt, ApiError> {
    loop {
        let (lease, step) = match ctx.walk.again.take() {
            Some(Again { lease, wait, counted }) => {
                tokio::time::sleep(wait).await;
                if counted {
                    // Taken when it is sent: what comes back meanwhile counts.
                    tokio::time::sleep(Duration::from_millis(lease.again(now()))).await;
                }
                let inbound = ctx.inbound.as_ref().ok_or_else(unplanned)?;
                (lease, inbound.route.steps.get(ctx.walk.step).cloned().ok_or_else(unplanned)?)
            }
            None => match choose(gateway, ctx).await {
                Ok(chosen) => chosen,
                Err(_) if continuation::asks_again(ctx) => continue,
                Err(error) => return Err(error),
            },
        };
        let access = match access::open(gateway, ctx, &lease, &step).await {
            Ok(access) => access,
            Err(why) => {
                access::closed(gateway, ctx, &lease, &step, &why);
                continue;
            }
        };
        match encode(gateway, ctx, lease, &step, access) {
            Ok(mut attempt) => {
                continuation::resume(ctx, &mut attempt);
                return Ok(attempt);
            }
            Err(Refused::Everywhere(error)) => return Err(error),
            Err(Refused::Here { upstream, mut error }) => {
                if ctx.inbound.as_ref().is_some_and(|inbound| inbound.errand.counts()) {
                    // The gateway chose this upstream, and can do without.
                    error.kind = ErrorKind::BadGateway;
                }
                ctx.walk.error.get_or_insert(error);
                ctx.walk.barred.push(upstream);
            }
        }
    }
}

/// Encodes the request for the account's provider.
pub(super) fn encode(
    gateway: &Gateway,
    ctx: &Ctx,
    lease: Lease,
    step: &Step,
    access: Access,
) -> Result<Attempt, Refused> {
    let lost = || Refused::Everywhere(unplanned());
    let inbound = ctx.inbound.as_ref().ok_or_else(lost)?;
    let config = &ctx.snapshot.config;
    let account = ctx.snapshot.roster.account(lease.account_id()).ok_or_else(lost)?;
    let open = ctx.walk.open(step);
    let upstream = account.upstream_in(&open).ok_or_else(lost)?;
    let here = |error| Refused::Here { upstream: upstream.id.clone(), error };
    if let Some(name) = inbound.skim.cached_content.as_deref().filter(|_| upstream.dialect == Dialect::Gemini)
        && !platform::knows_cached(upstream, account, name)
    {
        let message = "these cached contents belong to another project, or to another service of Google's".to_owned();
        return Err(here(invalid(message, Some("cachedContent".to_owned()))));
    }
    let parts = match &inbound.errand {
        Errand::Generate { array } => generate(gateway, ctx, inbound, upstream, step, *array),
        Errand::Operate(question) => operate::parts(ctx, inbound, question, (upstream, account), step),
        Errand::Pass(passage) => Ok(passthrough::parts(inbound, passage, upstream)),
    };
    let Parts { encoded, restored, body, streams, reply, line } = match parts {
        Ok(parts) => parts,
        Err(PrepareError::Encode(error)) => return Err(here(invalid(error.message, error.param))),
        Err(PrepareError::Decode(error)) => return Err(Refused::Everywhere(invalid(error.message, error.param))),
        Err(PrepareError::Splice(error)) => {
            return Err(Refused::Everywhere(ApiError::new(ErrorKind::Internal, error.to_string())));
        }
    };
    if let Some(loss) = encoded.losses.iter().next().filter(|_| config.server.strict) {
        let field = &loss.field;
        let message = format!("'{field}' cannot reach {} as it was written, and this gateway is strict", upstream.id);
        return Err(here(invalid(message, Some(field.to_string()))));
    }
    let body = if line.is_none() && upstream.platform != Platform::Direct {
        let envelope = Envelope {
            model: &step.model,
            project: access.project.as_deref(),
            user_prompt_id: &ctx.request_id(),
            session_id: &inbound.session.map_or_else(|| ctx.request_id(), |session| format!("{session:032x}")),
        };
        Bytes::from(platform::body(upstream, body.into(), &envelope).ok_or_else(lost)?)
    } else {
        body
    };
    let started = Instant::now();
    Ok(Attempt {
        lease,
        account: Arc::clone(account),
        upstream: Arc::clone(upstream),
        encoded,
        restored,
        line,
        body,
        streams,
        model: step.model.clone(),
        access,
        reply,
        unwrap: platform::unwrap(upstream),
        started,
        content_until: match &inbound.errand {
            errand if errand.counts() => Some(started + COUNT_PATIENCE),
            Errand::Pass(_) => None,
            _ if streams && inbound.stream => content_until(ctx, started),
            _ => None,
        },
        status: 0,
        headers: HeaderMap::new(),
        request_id: None,
        refusal: Vec::new(),
        held: Vec::new(),
        failure: None,
    })
}

/// What becomes of the seals in the conversation.
fn seals<'c>(ctx: &Ctx, ours: &'c dyn Custody) -> Seals<'c> {
    match () {
        () if ctx.walk.seals_dropped => Seals::Dropped,
        () if ctx.snapshot.config.custody.enabled => Seals::Restored(ours),
        () => Seals::AsSent,
    }
}

/// A request as an upstream gets it, and what becomes of the answer.
pub(super) struct Parts {
    /// Losses, and what the answer must undo.
    pub(super) encoded: Encoded,
    /// Calls whose seals were put back.
    pub(super) restored: usize,
    /// The body.
    pub(super) body: Bytes,
    /// Whether events are asked for.
    pub(super) streams: bool,
    /// The response side.
    pub(super) reply: Answer,
    /// Request line and headers, if it is no model's answer that is asked for.
    pub(super) line: Option<Line>,
}

/// What an upstream is like for `model`.
pub(super) fn target(config: &Config, upstream: &Upstream, model: &str, wants_stream: bool) -> Target {
    let streams = match upstream.stream {
        StreamMode::AsClient => wants_stream,
        StreamMode::Always => true,
        StreamMode::Never => false,
    };
    config.target(upstream, model, streams)
}

/// The same where only dialect and quirks matter.
pub(super) fn plain_target(upstream: &Upstream, model: &str) -> Target {
    Target { quirks: upstream.quirks, ..Target::new(model, false) }
}

/// A request for a model's answer in the words of an upstream.
fn generate(
    gateway: &Gateway,
    ctx: &Ctx,
    inbound: &Inbound,
    upstream: &Upstream,
    step: &Step,
    array: bool,
) -> Result<Parts, PrepareError> {
    let target = target(&ctx.snapshot.config, upstream, &step.model, inbound.stream);
    let ours = gateway.keeper.of(ctx.client.as_deref().unwrap_or_default(), inbound.session, now());
    let seals = seals(ctx, &ours);
    let said = continuation::said(ctx);
    let (prepared, begun, include_usage) = prepare(ctx.dialect, inbound, upstream.dialect, &target, seals, said)?;
    let Prepared { lane, body, encoded, strip_usage, restored } = prepared;
    let mut reply = Reply::new(ReplyPlan {
        lane,
        client: ctx.dialect,
        upstream: upstream.dialect,
        client_streams: inbound.stream,
        upstream_streams: target.stream,
        context: reply_context(ctx, inbound, &step.model, include_usage),
        notes: encoded.notes.clone(),
        strip_usage,
    });
    reply.weigh(gateway.costs.ratio(&step.model));
    let shape = if array { Shape::Array(JsonArray::default()) } else { Shape::Plain };
    let reply = match begun {
        Some(begun) => Answer::rest(reply, shape, begun),
        None => {
            continuation::keep(&ctx.snapshot.config, inbound, &mut reply);
            Answer::model(reply, shape)
        }
    };
    Ok(Parts { encoded, restored, body: body.into(), streams: target.stream, reply, line: None })
}

/// The provider's body, what it is shown of an answer of which `said` was said, and whether the client itself asked for a
/// usage chunk.
fn prepare(
    client: Dialect,
    inbound: &Inbound,
    upstream: Dialect,
    target: &Target,
    seals: Seals<'_>,
    said: Option<&str>,
) -> Result<(Prepared, Option<Begun>, bool), PrepareError> {
    let gemini = client == Dialect::Gemini;
    let endpoint =
        Endpoint { model: gemini.then(|| Str::from(inbound.model.as_str())), stream: gemini.then_some(inbound.stream) };
    let usage = inbound.skim.stream_options.as_ref().and_then(|options| options.include_usage.as_ref());
    let include_usage = usage.is_some_and(|(asked, _)| *asked);
    let (body, skim) = (&inbound.body, &inbound.skim);
    let Some(said) = said else {
        let prepared = request::prepare(client, &endpoint, body, skim, upstream, target, seals)?;
        return Ok((prepared, None, include_usage));
    };
    let to = (upstream, target);
    let (prepared, begun) = request::prepare_rest(client, &endpoint, body, skim, to, seals, said)?;
    Ok((prepared, Some(begun), include_usage))
}

pub(super) fn reply_context(ctx: &Ctx, inbound: &Inbound, model: &str, include_usage: bool) -> ReplyContext {
    let server = &ctx.snapshot.config.server;
    let echoes = ctx.dialect == Dialect::OpenAiResponses;
    ReplyContext {
        model: if server.echo_model { inbound.model.clone() } else { model.to_owned() },
        created: now().0 / 1000,
        seed: ctx.id,
        sequence: 0,
        include_usage,
        reasoning_content: server.reasoning_content,
        request: if echoes { Arc::from(&inbound.body[..]) } else { Arc::from([]) },
    }
}

impl Gateway {
    /// How an upstream is reached: on `way`, if it is not directly.
    ///
    /// # Errors
    /// When its name, or the proxy's, has no address.
    pub(crate) async fn peer_of(&self, upstream: &Upstream, way: Option<&Way>, streams: bool) -> Result<HttpPeer> {
        let base = &upstream.base_url;
        let Some(way) = way else {
            let address = self.endpoints.address(&base.host, base.port).await?;
            let sni = base.host.trim_start_matches('[').trim_end_matches(']').to_owned();
            return Ok(timed(HttpPeer::new(address, base.tls, sni), upstream, streams));
        };
        let (host, port) = way.hop();
        let hop = self.endpoints.address(host, port).await.map_err(|why| way.lost(&why))?;
        let found = if way.looks_up() { Some(self.endpoints.address(&base.host, base.port).await?) } else { None };
        Ok(timed(way.peer(base, hop, found, upstream.timeouts.connect), upstream, streams))
    }
}

fn timed(mut peer: HttpPeer, upstream: &Upstream, streams: bool) -> HttpPeer {
    let timeouts = &upstream.timeouts;
    let options = &mut peer.options;
    options.connection_timeout = Some(timeouts.connect);
    options.total_connection_timeout = Some(timeouts.total_connect);
    // An answer that is not streamed has no header before the model is done; a stream's header is waited for by the
    // request's own clock.
    options.read_timeout = Some(if streams { timeouts.idle } else { timeouts.first_byte });
    options.write_timeout = Some(timeouts.write);
    options.idle_timeout = Some(IDLE);
    options.tcp_keepalive = Some(KEEPALIVE);
    options.alpn = ALPN::H1;
    peer
}

fn invalid(message: String, param: Option<String>) -> ApiError {
    ApiError { param, ..ApiError::new(ErrorKind::InvalidRequest, message) }
}

pub(super) fn unplanned() -> ApiError {
    ApiError::new(ErrorKind::Unavailable, "the configuration changed under this request; send it again")
}
