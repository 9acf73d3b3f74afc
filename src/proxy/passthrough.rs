//! What only a provider of the caller's own dialect, or a tool server, can serve: bytes pass.
//!
//! Objects (files, batches, stored answers, cached contents) belong to the account that made them. So the ids in an
//! answer are remembered with its account, and a request that names one of them goes there. An id of which nothing is
//! known is looked for at one account after the other.

mod ids;
pub(super) mod table;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use interlingua_filters::Dialect;
use interlingua_filters::dialects::Encoded;
use interlingua_filters::ir::{ApiError, ErrorKind};
use interlingua_filters::json::skim;
use interlingua_filters::json::splice::Edits;
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use super::answer::Answer;
use super::ctx::{Attempt, Ctx, Inbound, Line, Refusal};
use super::endpoint::Pass;
use super::errand::{Errand, Passage, PassageKind};
use super::gateway::Gateway;
use super::upstream_line::passing_path;
use super::upstream_peer::Parts;
use super::{request_filter, respond};
use crate::config::{Config, Upstream};
use crate::limits::{Failure, Fault, Reason, Retry, Scope, Transport};
use crate::pool::session_key::response_key;
use crate::pool::{Affinity, Millis, affinity};
use crate::routing::Route;

/// Objects remembered with their accounts, over all clients; some 200 bytes each.
const HOLDERS_MAX: usize = 100_000;
/// How long an object is remembered after it was last seen: longer than most providers keep theirs.
const HOLDERS_TTL_MS: u64 = 30 * 24 * 3_600_000;

/// Headers that go with a request to a provider of the caller's dialect, beside those that always travel.
const PASS_ON: [&str; 3] = ["accept", "content-type", "idempotency-key"];
/// Headers that come back with the answer.
const PASS_BACK: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-type",
    "etag",
    "last-modified",
    "mcp-protocol-version",
    "mcp-session-id",
];
/// How Gemini's headers of uploads begin, both ways.
const UPLOAD_HEADERS: &str = "x-goog-upload-";
/// Where the rest of an upload goes.
const UPLOAD_URL: &str = "x-goog-upload-url";

/// Which objects are whose: a binding is a fact here, so nothing but age and number ends it.
pub(super) fn holders() -> Affinity {
    Affinity::new(affinity::Settings {
        enabled: true,
        entries_max: HOLDERS_MAX,
        ttl_ms: HOLDERS_TTL_MS,
        failures_max: 0,
        lock_ms_max: 0,
    })
}

/// Whether a header of an answer passes to the client.
pub(super) fn passes_back(name: &str) -> bool {
    PASS_BACK.contains(&name) || name.starts_with(UPLOAD_HEADERS)
}

/// Finds the upstream and the account of a request whose bytes pass.
///
/// # Errors
/// When it is switched off, or no upstream can have what is asked for.
pub(super) fn plan(
    gateway: &Gateway,
    head: &RequestHeader,
    ctx: &Ctx,
    pass: Pass,
    body: &Bytes,
    now: Millis,
) -> Result<Inbound, ApiError> {
    let config = &ctx.snapshot.config;
    let (route, body) = route(config, &pass, body)?;
    let client = ctx.client.as_deref().unwrap_or_default();
    let named = ids::in_request(pass.family, &pass.path, head.uri.query(), &body);
    let key = named
        .iter()
        .map(|id| response_key(client, id))
        .find(|key| [&gateway.holders, &gateway.affinity].iter().any(|known| known.bound(*key, now).is_some()));
    let names_object = ids::in_path(pass.family, &pass.path).next().is_some();
    let kind = PassageKind::Provider { searches: names_object && key.is_none() };
    let mut headers: HeaderMap = PASS_ON
        .iter()
        .filter_map(|name| Some((HeaderName::from_static(name), head.headers.get(*name)?.clone())))
        .collect();
    if pass.family.dialect == Dialect::Gemini {
        let uploads = head.headers.iter().filter(|(name, _)| name.as_str().starts_with(UPLOAD_HEADERS));
        headers.extend(uploads.map(|(name, value)| (name.clone(), value.clone())));
    }
    let passage = Passage {
        method: head.method.clone(),
        version: pass.version,
        rest: pass.path,
        upload: pass.upload,
        query: without_key(head.uri.query()),
        headers,
        origin: origin(head),
        kind,
    };
    let inbound = request_filter::inbound(head, ctx, Errand::Pass(passage), pass.family.prefix.to_owned(), route, body);
    // A client's objects are made through one account as long as it can serve, so that its lists are whole.
    let session = config.resilience.affinity.enabled.then(|| response_key(client, pass.family.prefix));
    Ok(Inbound { continues: key, session, ..inbound })
}

/// What stands for the first object in a request for a model's answer whose account is known.
pub(super) fn held_object(gateway: &Gateway, client: &str, body: &[u8], now: Millis) -> Option<u128> {
    if gateway.holders.is_empty() {
        return None;
    }
    let mut keys = ids::in_generate(body).into_iter().map(|id| response_key(client, &id));
    keys.find(|key| gateway.holders.bound(*key, now).is_some())
}

/// Where it goes, and the body with the model in the provider's words, where it names one that a rule sends there.
fn route(config: &Config, pass: &Pass, body: &Bytes) -> Result<(Route, Bytes), ApiError> {
    let family = pass.family;
    if !config.passthrough.enabled {
        let message = format!("this gateway does not pass {} on: `passthrough` is switched off", family.prefix);
        return Err(ApiError::new(ErrorKind::NotFound, message));
    }
    let one = |upstreams, model| Route::single("passthrough".to_owned(), upstreams, model);
    let found = skim::skim(Dialect::OpenAiResponses, body).ok();
    if let Some((model, at)) = found.and_then(|found| found.model)
        && let Some(route) = config.routes.resolve(&model, family.dialect)
    {
        for step in &route.steps {
            let own = step.upstreams.iter().filter(|upstream| family.upstreams.contains(&upstream.dialect));
            let upstreams: Vec<_> = own.cloned().collect();
            if !upstreams.is_empty() {
                let mut edits = Edits::default();
                if *model != *step.model {
                    edits.replace_str(at, &step.model);
                }
                let body = edits.apply(body).map_or_else(|_| body.clone(), Bytes::from);
                return Ok((one(upstreams, family.prefix.to_owned()), body));
            }
        }
    }
    match config.passthrough.upstream(family.upstreams, &config.upstreams) {
        Some(upstream) => Ok((one(vec![upstream], family.prefix.to_owned()), body.clone())),
        None => {
            let names: Vec<&str> = family.upstreams.iter().map(|dialect| dialect.name()).collect();
            let message = format!(
                "{} exists at providers of the dialect {} alone, and this gateway has no such upstream",
                family.prefix,
                names.join(" or ")
            );
            Err(ApiError::new(ErrorKind::NotFound, message))
        }
    }
}

/// The request as it passes to an upstream.
pub(super) fn parts(inbound: &Inbound, passage: &Passage, upstream: &Upstream) -> Parts {
    let base = &upstream.base_url;
    let mut path = match passage.kind {
        PassageKind::Mcp => format!("{}{}", base.path, passage.rest),
        PassageKind::Provider { .. } => {
            passing_path(upstream.dialect, base, &passage.version, passage.upload, &passage.rest)
        }
    };
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    if let Some(query) = &passage.query {
        path.push('?');
        path.push_str(query);
    }
    let line = Line { method: passage.method.clone(), path, headers: passage.headers.clone() };
    Parts {
        restored: 0,
        encoded: Encoded::default(),
        body: inbound.body.clone(),
        // A tool server's events may be far apart.
        streams: passage.is_mcp(),
        reply: Answer::raw(!passage.is_mcp()),
        line: Some(line),
    }
}

/// The provider's header passes: what comes now is the client's.
pub(super) fn commit(response: &ResponseHeader, ctx: &mut Ctx) -> Result<()> {
    let (Some(attempt), inbound) = (ctx.attempt.as_ref(), ctx.inbound()?) else { return Ok(()) };
    let Some((status, headers)) = attempt.reply.head() else { return Ok(()) };
    let mut built = ResponseHeader::build(status, Some(8))?;
    for (name, value) in &headers {
        let passage = inbound.errand.passage().filter(|_| name.as_str() == UPLOAD_URL);
        let value = passage.and_then(|passage| here(value, &passage.origin)).unwrap_or_else(|| value.clone());
        built.append_header(name.clone(), value)?;
    }
    let head = inbound.errand.passage().is_some_and(|passage| passage.method == http::Method::HEAD);
    let length = response.headers.get(header::CONTENT_LENGTH);
    let bare = head || matches!(status, 204 | 304) || length.is_some_and(|length| length == "0");
    match length {
        Some(length) if status != 204 => built.insert_header(header::CONTENT_LENGTH, length.clone())?,
        _ if !bare && inbound.chunks => {
            built.insert_header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
        }
        _ => {}
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("text/event-stream") {
        built.insert_header(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))?;
    }
    respond::stamp(&mut built, ctx)?;
    ctx.outcome.status = status;
    ctx.outcome.first_byte = Some(ctx.started.elapsed());
    ctx.outbox.commit(Box::new(built));
    if bare {
        ctx.outbox.end();
        if let Some(attempt) = ctx.attempt.as_mut() {
            attempt.reply.finish(&mut Vec::new());
        }
    }
    Ok(())
}

/// An address at the provider as one at this gateway.
fn here(value: &HeaderValue, origin: &str) -> Option<HeaderValue> {
    let (_, rest) = value.to_str().ok()?.split_once("://")?;
    let path = rest.find('/').and_then(|at| rest.get(at..))?;
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, without_key(Some(query))));
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    HeaderValue::from_str(&format!("{origin}{path}{query}")).ok()
}

/// Remembers which account holds what an answer names.
pub(super) fn remember(gateway: &Gateway, ctx: &Ctx, attempt: &Attempt, now: Millis) {
    let Some(passage) = ctx.inbound.as_ref().and_then(|inbound| inbound.errand.passage()) else { return };
    if passage.is_mcp() {
        return;
    }
    let client = ctx.client.as_deref().unwrap_or_default();
    let bind = |id: &str| gateway.holders.served(response_key(client, id), &attempt.account.id, now);
    let head = attempt.reply.head();
    let url = head.as_ref().and_then(|(_, headers)| headers.get(UPLOAD_URL)?.to_str().ok());
    if let Some(id) = url.and_then(|url| ids::in_query(url.split_once('?').map(|(_, query)| query))) {
        bind(&id);
    }
    for id in ids::in_answer(attempt.reply.seen().unwrap_or_default()) {
        bind(&id);
    }
}

/// What a failure means where bytes pass: no model's limit is reached, and what has an effect is not done twice.
pub(super) fn amend(passage: &Passage, status: u16, transport: Option<Transport>, failure: &mut Failure) {
    let unreached = matches!(transport, Some(Transport::Dns | Transport::Connect | Transport::Proxy | Transport::Tls));
    if transport.is_some() && !unreached && !passage.is_idempotent() {
        failure.retry = Retry::No;
    }
    if transport.is_some() {
        return;
    }
    let quiet = |fault, retry, reason| Failure {
        fault,
        scope: Scope::Request,
        retry,
        cooldown_ms: None,
        reason,
        hinted: false,
    };
    if passage.is_mcp() {
        let fault = if matches!(status, 401 | 403) { Fault::Account } else { Fault::Client };
        *failure = quiet(fault, Retry::No, failure.reason);
        return;
    }
    let missing = failure.reason == Reason::ObjectMissing;
    match status {
        404 | 403 if passage.searches() && (status == 404 || missing) => {
            *failure = quiet(Fault::Client, Retry::OtherAccount, Reason::ObjectMissing);
        }
        403 if !missing => *failure = quiet(Fault::Account, Retry::OtherAccount, failure.reason),
        401 | 402 | 429 => {}
        500.. if passage.is_idempotent() => {}
        _ => *failure = quiet(if status >= 500 { Fault::Provider } else { Fault::Client }, Retry::No, failure.reason),
    }
}

/// The refusal as it passes to the client; an account's own troubles do not.
pub(super) fn refusal(attempt: &Attempt, failure: &Failure, bytes_max: usize) -> Option<Refusal> {
    if failure.fault == Fault::Account || attempt.status == 0 || attempt.refusal.len() >= bytes_max {
        return None;
    }
    let content_type = attempt.headers.get(header::CONTENT_TYPE).cloned();
    Some(Refusal { status: attempt.status, content_type, body: attempt.refusal.clone() })
}

/// A query without the client's key.
pub(super) fn without_key(query: Option<&str>) -> Option<String> {
    let kept: Vec<&str> = query?.split('&').filter(|pair| pair.split('=').next() != Some("key")).collect();
    let kept = kept.join("&");
    (!kept.is_empty()).then_some(kept)
}

/// Scheme and authority under which the client reached this gateway.
pub(super) fn origin(head: &RequestHeader) -> String {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = if header("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let authority = header("host").or_else(|| head.uri.authority().map(http::uri::Authority::as_str));
    format!("{scheme}://{}", authority.unwrap_or("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_key_does_not_travel() {
        assert_eq!(without_key(Some("key=secret")), None);
        assert_eq!(without_key(Some("a=1&key=secret&b=%20")).as_deref(), Some("a=1&b=%20"));
        assert_eq!(without_key(Some("keyword=1")).as_deref(), Some("keyword=1"));
    }

    #[test]
    fn the_rest_of_an_upload_comes_here() {
        let url = HeaderValue::from_static("https://api.example/upload/v1beta/files?key=s&upload_id=7");
        assert_eq!(here(&url, "http://gateway:8080").unwrap(), "http://gateway:8080/upload/v1beta/files?upload_id=7");
    }
}
