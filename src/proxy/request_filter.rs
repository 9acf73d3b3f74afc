//! Phase `request_filter`: who calls, what do they want, where may it go.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Version};
use interlingua_filters::ir::{ApiError, ErrorKind};
use interlingua_filters::json::skim::{self, Skim};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora_proxy::Session;

use super::clock::now;
use super::ctx::{Ctx, Inbound, Voice};
use super::endpoint::{self, Accent, Action, Generate};
use super::errand::Errand;
use super::gateway::Gateway;
use super::operate::{self, Planned};
use super::{auth, background, body, local, mcp, passthrough, replay, respond, safe_mode, terms};
use crate::limits::Refusals;
use crate::pool::session_key::{Parts, response_key, session_key};
use crate::routing::Route;

/// Slowest body that a client may send, in bytes a second, before it is cut off.
const MIN_SEND_RATE: usize = 1024;
/// How long leftovers of a refused body are read before the connection is closed.
const DRAIN: Duration = Duration::from_secs(5);
/// The header in which a caller names the account that it wants. It stays here.
const PINNED: &str = "x-interlingua-account";
/// Caller's headers that travel to a provider of the same dialect. Everything else stays here.
const TRAVELLING: [&str; 3] = ["anthropic-version", "anthropic-beta", "openai-beta"];

/// Sets the bounds of the client's connection for this request.
pub(super) fn bound(session: &mut Session, ctx: &Ctx) {
    let server = &ctx.snapshot.config.server;
    let downstream = &mut session.downstream_session;
    downstream.set_read_timeout(Some(server.downstream_read_timeout));
    downstream.set_write_timeout(Some(server.downstream_write_timeout));
    downstream.set_min_send_rate(Some(MIN_SEND_RATE));
    downstream.set_total_drain_timeout(Some(DRAIN));
    // A client that has closed its side has left: the provider's work for it is cancelled.
    downstream.set_abort_on_close(true);
    // A client may send its next request early. Without this, that looks like bytes behind the body, and it is cut off.
    downstream.set_pipelining_enabled(true);
}

/// Answers what is local and plans the rest. `true` when the answer was written.
pub(super) async fn request_filter(gateway: &Gateway, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
    let head = session.req_header();
    let accent = Accent {
        google: head.headers.contains_key("x-goog-api-key") || head.headers.contains_key("x-goog-api-client"),
        anthropic: head.headers.contains_key("anthropic-version") || head.headers.contains_key("x-api-key"),
    };
    if wants_websocket(&head.headers) {
        // Whatever the path: no answer of this gateway goes on in another protocol.
        ctx.dialect = accent.dialect();
        ctx.outcome.local = true;
        respond::no_websocket(session, ctx).await?;
        return Ok(true);
    }
    let found = endpoint::find(head.method.as_str(), head.uri.path(), head.uri.query(), accent);
    let action = match found {
        Ok(action) => action,
        Err(lost) => {
            ctx.dialect = lost.dialect;
            return refuse(session, ctx, &lost.error).await;
        }
    };
    listen_to(ctx, &action);
    if !matches!(action, Action::Health | Action::Ready | Action::Hello)
        && let Err(error) = identify(gateway, session, ctx)
    {
        return refuse(session, ctx, &error).await;
    }
    if !matches!(action, Action::Generate(_) | Action::Operate(_) | Action::Pass(_) | Action::Mcp { .. }) {
        ctx.outcome.local = true;
        local::answer(gateway, session, ctx, &action).await?;
        return Ok(true);
    }
    if let Some(error) = gateway.pause.refusal() {
        // Its body is not read; it would be read as the next request.
        session.set_keepalive(None);
        return refuse(session, ctx, &error).await;
    }
    let body = match body::read(session, ctx.snapshot.config.server.body_bytes_max).await? {
        Ok(body) => body,
        Err(error) => {
            // What is left of the body would be read as the next request.
            session.set_keepalive(None);
            return refuse(session, ctx, &error).await;
        }
    };
    let head = session.req_header();
    let planned = match action {
        Action::Operate(operate) => operate::plan(gateway, head, ctx, operate, &body),
        Action::Pass(pass) => passthrough::plan(gateway, head, ctx, pass, &body, now()).map(Planned::from),
        Action::Generate(generate) => plan(gateway, head, ctx, &generate, body.clone()).map(Planned::from),
        Action::Mcp { name, rest } => mcp::plan(head, ctx, &name, rest, body.clone()).map(Planned::from),
        _ => Err(ApiError::new(ErrorKind::NotFound, "nothing answers to this")),
    };
    match planned {
        Ok(Planned::Proxy(inbound)) => {
            ctx.inbound = Some(*inbound);
            if let Err(error) = terms::admit(gateway, ctx, &body).await {
                return refuse(session, ctx, &error).await;
            }
            background::steer(gateway, ctx);
            safe_mode::steer(gateway, ctx);
        }
        Ok(Planned::Estimate(body)) => {
            ctx.outcome.local = true;
            respond::estimate(session, ctx, body).await?;
            return Ok(true);
        }
        Err(error) => return refuse(session, ctx, &error).await,
    }
    if session.req_header().version == Version::HTTP_10 {
        // Its body ends with the connection.
        session.set_keepalive(None);
    }
    ctx.walk.refusals = Refusals::new(ctx.snapshot.config.resilience.same_refusal_max as usize);
    ctx.berth = Some(replay::install(session, body, Arc::clone(&ctx.outbox))?);
    Ok(false)
}

/// Finds out which client calls, and whether its key is good here and now.
fn identify(gateway: &Gateway, session: &Session, ctx: &mut Ctx) -> Result<(), ApiError> {
    let head = session.req_header();
    let address = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
    let caller = auth::Caller { headers: &head.headers, query: head.uri.query(), address };
    let clients = &ctx.snapshot.config.clients;
    match auth::authenticate(&ctx.snapshot.config, &caller, now()) {
        Ok(place) => {
            ctx.client = place.and_then(|place| clients.get(place)).map(|client| client.id.clone());
            ctx.client_place = place;
            Ok(())
        }
        Err(denied) => {
            if let Some((client, why)) = denied.of.and_then(|(place, why)| Some((clients.get(place)?, why))) {
                gateway.metrics.client_refusals.with_label_values(&[client.id.as_str(), why]).inc();
            }
            Err(denied.error)
        }
    }
}

async fn refuse(session: &mut Session, ctx: &mut Ctx, error: &ApiError) -> Result<bool> {
    ctx.outcome.local = true;
    respond::error(session, ctx, error).await?;
    Ok(true)
}

fn plan(
    gateway: &Gateway,
    head: &RequestHeader,
    ctx: &Ctx,
    generate: &Generate,
    body: Bytes,
) -> Result<Inbound, ApiError> {
    let config = &ctx.snapshot.config;
    let skimmed = skim::skim(generate.dialect, &body).map_err(|error| {
        let param = error.param().map(str::to_owned);
        ApiError { param, ..ApiError::new(ErrorKind::InvalidRequest, error.to_string()) }
    })?;
    let skimmed = skimmed.into_owned();
    let model = generate.model.clone().or_else(|| skimmed.model.as_ref().map(|(model, _)| model.to_string()));
    let Some(model) = model.filter(|model| !model.is_empty()) else {
        return Err(no_model());
    };
    let Some(route) = config.routes.resolve(&model, generate.dialect) else {
        return Err(local::unserved(config, &model));
    };
    let stream = generate.stream.or_else(|| skimmed.stream.as_ref().map(|(stream, _)| *stream)).unwrap_or(false);
    let previous = skimmed.previous_response_id.as_deref().filter(|_| config.resilience.affinity.enabled);
    // A cached content is its account's, whether or not conversations are bound.
    let held = previous.or(skimmed.cached_content.as_deref());
    let client = ctx.client.as_deref().unwrap_or_default();
    let continues = held.map(|id| response_key(client, id));
    // So are files.
    let continues = continues.or_else(|| passthrough::held_object(gateway, client, &body, now()));
    let session = if config.resilience.affinity.enabled { conversation(head, ctx, &skimmed) } else { None };
    let errand = Errand::Generate { array: generate.array };
    let inbound = inbound(head, ctx, errand, model, route, body);
    Ok(Inbound { stream, session, continues, skim: skimmed, ..inbound })
}

/// A planned request, without what only some have.
pub(super) fn inbound(
    head: &RequestHeader,
    ctx: &Ctx,
    errand: Errand,
    model: String,
    route: Route,
    body: Bytes,
) -> Inbound {
    Inbound {
        errand,
        model,
        stream: false,
        chunks: head.version == Version::HTTP_11,
        route,
        session: None,
        continues: None,
        travelling: travelling(&head.headers),
        sign: None,
        deadline: ctx.started + ctx.snapshot.config.resilience.deadline,
        skim: Skim::default(),
        rough: interlingua_filters::tokens::rough(&body),
        pinned: pinned(head, ctx),
        body,
    }
}

/// The account that the caller asks for, or else the operator.
fn pinned(head: &RequestHeader, ctx: &Ctx) -> Option<Arc<str>> {
    let asked = head.headers.get(PINNED).and_then(|value| value.to_str().ok()).map(str::trim);
    let known = |id: &&str| ctx.snapshot.roster.account(id).is_some();
    asked.filter(known).or(ctx.snapshot.config.resilience.pinned_account.as_deref()).map(Arc::from)
}

/// What a caller hears who names no model.
pub(super) fn no_model() -> ApiError {
    let message = "name a model: the body has no 'model'";
    ApiError { param: Some("model".into()), ..ApiError::new(ErrorKind::InvalidRequest, message) }
}

/// Takes over the caller's dialect, and how it reads errors.
fn listen_to(ctx: &mut Ctx, action: &Action) {
    match action {
        Action::Generate(Generate { dialect, array, .. }) => {
            ctx.dialect = *dialect;
            if *array {
                ctx.voice = Voice::Array;
            }
        }
        Action::Operate(operate) => ctx.dialect = operate.dialect,
        Action::Pass(pass) => ctx.dialect = pass.family.dialect,
        Action::ListModels(dialect) | Action::GetModel(dialect, _) => ctx.dialect = *dialect,
        Action::Mcp { .. } => ctx.voice = Voice::JsonRpc,
        Action::Health | Action::Ready | Action::Metrics | Action::Hello => {}
    }
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(http::header::UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|protocol| protocol.to_ascii_lowercase().contains("websocket"))
}

/// What binds the conversation to an account.
fn conversation(head: &RequestHeader, ctx: &Ctx, skimmed: &Skim<'_>) -> Option<u128> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let prefix = skimmed.prefix_hash.to_le_bytes();
    let parts = Parts {
        client: ctx.client.as_deref().unwrap_or_default(),
        explicit: header("x-session-id"),
        agent_session: header("x-claude-code-session-id").or_else(|| header("session-id")),
        user_id: skimmed.user_id.as_deref(),
        conversation: header("session_id").or_else(|| header("conversation_id")),
        prompt_cache_key: skimmed.prompt_cache_key.as_deref(),
        previous_response_id: skimmed.previous_response_id.as_deref(),
        // One hash of both: the skimmer reads up to the end of the first user turn.
        system: None,
        first_user: Some(&prefix),
    };
    session_key(&parts).map(|(key, _)| key)
}

fn travelling(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in TRAVELLING {
        for value in headers.get_all(name) {
            kept.append(http::HeaderName::from_static(name), value.clone());
        }
    }
    kept
}
