//! Questions about a model beside its answer: planned, and put into a provider's words.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use interlingua_filters::Dialect;
use interlingua_filters::custody::Seals;
use interlingua_filters::dialects::{EncodeError, Encoded, Endpoint, Target};
use interlingua_filters::ir::{ApiError, LossKind, ReplyNotes};
use interlingua_filters::json::skim;
use interlingua_filters::operations::{self, CompletionsStream, Operation, Way};
use interlingua_filters::reply::{Reply, ReplyPlan};
use interlingua_filters::request::{self, PrepareError};
use pingora::http::RequestHeader;

use super::answer::{Answer, Shape};
use super::ctx::{Ctx, Inbound, Line};
use super::endpoint::Operate;
use super::errand::{Errand, Question};
use super::gateway::Gateway;
use super::upstream_line::operation_path;
use super::upstream_peer::{Parts, plain_target, reply_context, target};
use super::{local, platform, request_filter};
use crate::config::{Account, Platform, Upstream};
use crate::pool::session_key::response_key;
use crate::routing::{Route, Step};

/// What comes of a question before anybody is asked.
pub(super) enum Planned {
    /// A provider is asked.
    Proxy(Box<Inbound>),
    /// The gateway's own number of tokens.
    Estimate(Vec<u8>),
}

impl From<Inbound> for Planned {
    fn from(inbound: Inbound) -> Self {
        Planned::Proxy(Box::new(inbound))
    }
}

/// Reads a question and finds where it may go.
///
/// # Errors
/// When it cannot be read, names no model that is served, or no provider of the model can be asked.
pub(super) fn plan(
    gateway: &Gateway,
    head: &RequestHeader,
    ctx: &Ctx,
    operate: Operate,
    body: &Bytes,
) -> Result<Planned, ApiError> {
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut question = Question {
        operation: operate.operation,
        client: operate.dialect,
        model: operate.model,
        content_type: content_type.unwrap_or("application/json").to_owned(),
        body: body.clone(),
        chat: None,
    };
    let unreadable = |error| ApiError::from(&PrepareError::Decode(error));
    let named = operations::model_of(&question.asked()).map_err(unreadable)?;
    let counts = question.operation == Operation::CountTokens;
    let Some(model) = named.filter(|model| !model.is_empty()) else {
        if counts && question.client == Dialect::OpenAiResponses {
            // OpenAI counts without a model, too.
            return Ok(Planned::Estimate(gateway.counts.estimate(&question, "")));
        }
        return Err(request_filter::no_model());
    };
    let Some(mut route) = ctx.snapshot.config.routes.resolve(&model, question.client) else {
        return Err(local::unserved(&ctx.snapshot.config, &model));
    };
    if counts {
        let Some(first) = able(gateway, &question, &mut route) else {
            let model = route.steps.first().map_or(model.as_str(), |step| step.model.as_str());
            return Ok(Planned::Estimate(gateway.counts.estimate(&question, model)));
        };
        route.steps = vec![first];
    } else {
        possible(&question, &mut route)?;
    }
    if question.operation == Operation::Complete && needs_chat(&route) {
        let chat = operations::completion_to_chat(body).map_err(unreadable)?;
        let found = skim::skim(Dialect::OpenAiChat, &chat).map_err(|error| ApiError::from(&error))?.into_owned();
        question.chat = Some((Bytes::from(chat), found));
    }
    let stream = operations::streams(&question.asked());
    let continues = continued(ctx, &question);
    let inbound = Inbound {
        stream,
        continues,
        ..request_filter::inbound(head, ctx, Errand::Operate(question), model, route, body.clone())
    };
    Ok(Planned::Proxy(Box::new(inbound)))
}

/// The route's first step with the upstreams that can count; `None` if there is none.
fn able(gateway: &Gateway, question: &Question, route: &mut Route) -> Option<Step> {
    let step = route.steps.first()?;
    let able = |upstream: &&std::sync::Arc<Upstream>| gateway.counts.is_able(question, upstream, step);
    let upstreams: Vec<_> = step.upstreams.iter().filter(able).cloned().collect();
    (!upstreams.is_empty()).then(|| Step { upstreams, ..step.clone() })
}

/// Leaves out the upstreams that cannot be asked.
fn possible(question: &Question, route: &mut Route) -> Result<(), ApiError> {
    let asked = question.asked();
    let mut refused = None;
    for step in &mut route.steps {
        let model = &step.model;
        step.upstreams.retain(|upstream| {
            let carried = matches!(upstream.platform, Platform::Direct | Platform::Azure { .. });
            if !carried && !matches!(question.operation, Operation::CountTokens | Operation::Complete) {
                let message = "this model is served by a platform that has model answers only; ask for another model";
                refused.get_or_insert(EncodeError::at("model", message));
                return false;
            }
            match operations::way(&asked, upstream.dialect, &plain_target(upstream, model)) {
                Way::Impossible(error) => {
                    refused.get_or_insert(error);
                    false
                }
                Way::Native | Way::Translated | Way::Estimated => true,
            }
        });
    }
    route.retain(|step| !step.upstreams.is_empty());
    match refused {
        Some(error) if route.steps.is_empty() => Err(ApiError::from(&PrepareError::Encode(error))),
        _ => Ok(()),
    }
}

fn needs_chat(route: &Route) -> bool {
    route.steps.iter().flat_map(|step| &step.upstreams).any(|upstream| upstream.dialect != Dialect::OpenAiChat)
}

/// What stands for the stored answer whose continuation is counted.
fn continued(ctx: &Ctx, question: &Question) -> Option<u128> {
    if question.operation != Operation::CountTokens || question.client != Dialect::OpenAiResponses {
        return None;
    }
    let found = skim::skim(question.client, &question.body).ok()?;
    let id = found.previous_response_id.as_deref().filter(|_| ctx.snapshot.config.resilience.affinity.enabled)?;
    Some(response_key(ctx.client.as_deref().unwrap_or_default(), id))
}

/// The question in the words of an upstream.
pub(super) fn parts(
    ctx: &Ctx,
    inbound: &Inbound,
    question: &Question,
    (upstream, account): (&Upstream, &Account),
    step: &Step,
) -> Result<Parts, PrepareError> {
    let target = target(&ctx.snapshot.config, upstream, &step.model, inbound.stream);
    if let Some((body, found)) = question.chat.as_ref().filter(|_| upstream.dialect != Dialect::OpenAiChat) {
        return completion(ctx, inbound, question, (body, found), upstream, &target);
    }
    let asked = question.asked();
    let native = operations::way(&asked, upstream.dialect, &target) == Way::Native;
    let mut prepared = operations::prepare(&asked, upstream.dialect, &target)?;
    if question.operation == Operation::CountTokens {
        for name in platform::uncounted(upstream, &prepared.body) {
            prepared.losses.add(name, LossKind::Dropped);
        }
        let body = platform::count_body(upstream, std::mem::take(&mut prepared.body), &step.model);
        prepared.body = body.ok_or_else(|| EncodeError::at("contents", "the body is not a JSON object"))?;
    }
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_str(&prepared.content_type);
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/json")));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    let path = operation_path(upstream, account, &prepared.path, &step.model);
    // Speech is played while it comes.
    let passes = native && (inbound.stream || question.operation == Operation::Speak);
    let reply = if passes {
        Answer::raw(false)
    } else {
        let context = reply_context(ctx, inbound, &step.model, false);
        Answer::whole(question.clone(), upstream.dialect, prepared.state, context)
    };
    Ok(Parts {
        encoded: Encoded { losses: prepared.losses, notes: ReplyNotes::default() },
        restored: 0,
        body: prepared.body.into(),
        streams: passes,
        reply,
        line: Some(Line { method: Method::POST, path, headers }),
    })
}

/// A legacy completion as a Chat request, for an upstream of another dialect.
fn completion(
    ctx: &Ctx,
    inbound: &Inbound,
    question: &Question,
    (body, found): (&Bytes, &skim::Skim<'static>),
    upstream: &Upstream,
    target: &Target,
) -> Result<Parts, PrepareError> {
    let chat = Dialect::OpenAiChat;
    let prepared = request::prepare(chat, &Endpoint::default(), body, found, upstream.dialect, target, Seals::AsSent)?;
    let mut encoded = prepared.encoded;
    encoded.losses.extend(&operations::completion_losses(&question.body));
    let usage = found.stream_options.as_ref().and_then(|options| options.include_usage.as_ref());
    let reply = Reply::new(ReplyPlan {
        lane: prepared.lane,
        client: chat,
        upstream: upstream.dialect,
        client_streams: inbound.stream,
        upstream_streams: target.stream,
        context: reply_context(ctx, inbound, &target.model, usage.is_some_and(|(asked, _)| *asked)),
        notes: encoded.notes.clone(),
        strip_usage: prepared.strip_usage,
    });
    let shape = if inbound.stream { Shape::Completions(CompletionsStream::default()) } else { Shape::Completion };
    let reply = Answer::model(reply, shape);
    Ok(Parts { encoded, restored: 0, body: prepared.body.into(), streams: target.stream, reply, line: None })
}
