//! Phases `upstream_response_filter` and `response_body_filter`: what the provider says, and how the client hears it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use interlingua_filters::ir::{ApiError, ErrorKind, Losses};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};

use super::answer::Answer;
use super::clock::now;
use super::continuation;
use super::ctx::{Attempt, Ctx};
use super::gateway::Gateway;
use super::onward::could_turn;
use super::settings::ms;
use super::{passthrough, respond};
use crate::config::Peek;
use crate::credentials::Secret;
use crate::limits::allowance;
use crate::pool::Millis;
use crate::routing::Cause;

/// Bytes of a refusal that are read for its hints; providers' error bodies are below 8 KiB.
pub(super) const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// Bytes of output that wait for the commit point: a unary answer, whole.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Names under which providers tell the id of a request.
const REQUEST_IDS: [&str; 3] = ["x-request-id", "request-id", "x-goog-request-id"];

/// Notes the provider's status and hints. Its header goes no further.
pub(super) fn upstream_response_filter(gateway: &Gateway, response: &ResponseHeader, ctx: &mut Ctx) -> Result<()> {
    if response.status.is_informational() {
        return Ok(());
    }
    let Some(attempt) = ctx.attempt.as_mut() else { return Ok(()) };
    attempt.status = response.status.as_u16();
    attempt.request_id =
        REQUEST_IDS.iter().find_map(|name| response.headers.get(*name)?.to_str().ok()).map(str::to_owned);
    if let Some(mut id) = attempt.request_id.take() {
        hide_in(attempt.credential(), &mut id);
        attempt.request_id = Some(id);
    }
    if !attempt.accepted() {
        attempt.headers = response.headers.clone();
    }
    if attempt.accepted() {
        let header = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok());
        let now = now();
        attempt.lease.told(&allowance(&header, now), now);
        gateway.quota_told(&attempt.account.id, &attempt.model, &response.headers, attempt.sent_at(now));
    }
    ctx.outbox.set_patience(attempt.content_until);
    let encoding = response.headers.get(header::CONTENT_ENCODING).filter(|encoding| *encoding != "identity");
    if attempt.accepted() && encoding.is_some() {
        let message = "the provider compressed its answer although it was asked not to";
        attempt.failure = Some(ApiError::new(ErrorKind::BadGateway, message));
        return Err(told());
    }
    if attempt.accepted() {
        attempt.reply.begin(response, passthrough::passes_back);
        if attempt.reply.is_cut() {
            return passthrough::commit(response, ctx);
        }
    }
    Ok(())
}

/// Maps the provider's bytes to the client's, and commits at the first content.
pub(super) fn response_body_filter(
    gateway: &Gateway,
    body: &mut Option<Bytes>,
    end: bool,
    ctx: &mut Ctx,
) -> Result<()> {
    let bytes = body.take().unwrap_or_default();
    let Some(attempt) = ctx.attempt.as_mut() else { return Ok(()) };
    if !attempt.accepted() {
        let room = REFUSAL_BYTES_MAX.saturating_sub(attempt.refusal.len());
        attempt.refusal.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if end || room <= bytes.len() {
            // All that is made of it, for logs, records and clients, is made of this.
            let mut refusal = std::mem::take(&mut attempt.refusal);
            attempt.credential().hide_in(&mut refusal);
            attempt.refusal = refusal;
            return Err(told());
        }
        return Ok(());
    }
    let mut out = std::mem::take(&mut attempt.held);
    let late = attempt.started.elapsed() > attempt.upstream.timeouts.total;
    let pushed = attempt
        .unwrapped(bytes, end)
        .and_then(|bytes| if bytes.is_empty() { Ok(()) } else { attempt.reply.push(&bytes, &mut out) });
    if end && pushed.is_ok() {
        attempt.reply.finish(&mut out);
    }
    if late && !attempt.reply.ended() {
        attempt.failure = Some(ApiError::new(ErrorKind::Timeout, "the provider's answer takes too long"));
    } else if let Err(error) = pushed {
        attempt.failure = Some(error);
    } else if let Some(failure) = attempt.reply.failure() {
        attempt.failure = Some(failure.clone());
    }
    if let Some(mut failure) = attempt.failure.take() {
        hide_in(attempt.credential(), &mut failure.message);
        if let Some(code) = &mut failure.code {
            hide_in(attempt.credential(), code);
        }
        attempt.failure = Some(failure);
    }
    if attempt.failure.is_none()
        && !ctx.outbox.committed()
        && attempt.reply.is_blocked()
        && could_turn(ctx.inbound.as_ref(), &ctx.walk, &ctx.snapshot.config.resilience, Cause::ContentPolicy)
    {
        let message = "the provider's content policy blocked the prompt or the whole answer";
        let code = Some("content_filter".to_owned());
        attempt.failure = Some(ApiError { code, ..ApiError::new(ErrorKind::InvalidRequest, message) });
    }
    if attempt.failure.is_none() && attempt.reply.ended() {
        // Before the client has its end: its next request may come at once.
        let client = ctx.client.as_deref().unwrap_or_default();
        let session = ctx.inbound.as_ref().and_then(|inbound| inbound.session);
        let kept = gateway.keeper.keep(client, session, attempt.reply.take_keepsakes(), now());
        gateway.metrics.custody.with_label_values(&["kept"]).inc_by(kept as u64);
        if let Some(tab) = &ctx.tab {
            tab.ends();
        }
    }
    match (&attempt.failure, ctx.outbox.committed()) {
        (Some(_), false) => Err(told()),
        (Some(failure), true) => {
            let failure = failure.clone();
            if attempt.reply.is_cut() {
                return Err(told());
            }
            if let Some(attempt) = &ctx.attempt
                && continuation::may_go_on(gateway, ctx, attempt)
            {
                ctx.outbox.append(&mut out);
                return Err(told());
            }
            let Some(attempt) = ctx.attempt.as_mut() else { return Ok(()) };
            attempt.reply.error_event(&failure, &mut out);
            ctx.outbox.append(&mut out);
            ctx.outbox.end();
            Ok(())
        }
        (None, false) if !attempt.reply.committed() => hold(attempt, out, &ctx.snapshot.config.resilience.peek),
        (None, committed) => {
            if !committed {
                gateway.serving.note(&attempt.upstream.id, now());
                commit(ctx, &out)?;
            }
            ctx.outbox.append(&mut out);
            if end {
                ctx.outbox.end();
            }
            Ok(())
        }
    }
}

fn hide_in(secret: &Secret, text: &mut String) {
    let mut bytes = std::mem::take(text).into_bytes();
    secret.hide_in(&mut bytes);
    *text = String::from_utf8(bytes).unwrap_or_default();
}

impl Attempt {
    /// What it showed the provider.
    fn credential(&self) -> &Secret {
        self.access.token.as_ref().unwrap_or(&self.account.credential)
    }

    /// When it was sent.
    pub(super) fn sent_at(&self, now: Millis) -> Millis {
        Millis(now.0.saturating_sub(ms(self.started.elapsed())))
    }

    /// The next bytes of the answer in the provider's dialect, without what the platform puts around it.
    fn unwrapped(&mut self, bytes: Bytes, end: bool) -> Result<Bytes, ApiError> {
        let Some(unwrap) = &mut self.unwrap else { return Ok(bytes) };
        let mut plain = Vec::with_capacity(bytes.len());
        let read = unwrap.push(&bytes, &mut plain);
        read.map_err(|error| ApiError::new(ErrorKind::BadGateway, error.to_string()))?;
        if end {
            unwrap.finish(&mut plain);
        }
        Ok(Bytes::from(plain))
    }
}

/// Keeps output back until there is content, within bounds.
fn hold(attempt: &mut Attempt, out: Vec<u8>, peek: &Peek) -> Result<()> {
    let idle = peek.enabled && attempt.streams && attempt.reply.heartbeats() > peek.heartbeats_max;
    if idle || out.len() > HELD_BYTES_MAX {
        let message = if idle { "the provider sends signs of life but no content" } else { "the answer is too long" };
        attempt.failure = Some(ApiError::new(ErrorKind::Timeout, message));
        return Err(told());
    }
    attempt.held = out;
    Ok(())
}

/// The commit point: the client gets its header.
fn commit(ctx: &mut Ctx, out: &[u8]) -> Result<()> {
    if !ctx.outbox.may_commit() {
        return Err(told());
    }
    let mut response = ResponseHeader::build(200, Some(8))?;
    let inbound = ctx.inbound()?;
    let reply = ctx.attempt.as_ref().map(|attempt| &attempt.reply);
    if let Some((status, headers)) = reply.and_then(Answer::head) {
        response.set_status(status)?;
        for (name, value) in &headers {
            response.append_header(name.clone(), value.clone())?;
        }
        response.insert_header(header::CONTENT_LENGTH, out.len())?;
    } else if inbound.stream {
        let array = reply.is_some_and(Answer::is_array);
        let kind = if array { "application/json; charset=utf-8" } else { "text/event-stream; charset=utf-8" };
        response.insert_header(header::CONTENT_TYPE, HeaderValue::from_static(kind))?;
        response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))?;
        // Asks nginx not to collect events before it passes them on.
        response.insert_header(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))?;
        if inbound.chunks {
            response.insert_header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
        }
    } else {
        response.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
        response.insert_header(header::CONTENT_LENGTH, out.len())?;
    }
    respond::stamp(&mut response, ctx)?;
    if let Some(attempt) = &ctx.attempt {
        if let Some(id) = &attempt.request_id {
            response.insert_header(HeaderName::from_static("x-upstream-request-id"), id.as_str())?;
        }
        let losses = &attempt.encoded.losses;
        if ctx.snapshot.config.server.show_losses && !losses.is_empty() {
            response.insert_header(HeaderName::from_static("x-interlingua-losses"), told_losses(losses))?;
        }
    }
    ctx.outcome.status = 200;
    ctx.outcome.first_byte = Some(ctx.started.elapsed());
    ctx.outbox.commit(Box::new(response));
    Ok(())
}

/// The losses as a header value. A client may make member names up, so what no header can hold becomes `?`, and the list
/// is cut where it grows long.
fn told_losses(losses: &Losses) -> String {
    const LENGTH_MAX: usize = 1024;
    let mut list = String::new();
    for loss in losses.iter() {
        let field = loss.field.chars().map(|one| if one.is_ascii_graphic() { one } else { '?' });
        let separator = if list.is_empty() { "" } else { ", " };
        let entry: String = separator.chars().chain(field).chain(";".chars()).chain(loss.kind.name().chars()).collect();
        if list.len() + entry.len() > LENGTH_MAX {
            list.push_str(separator);
            list.push_str("...");
            break;
        }
        list.push_str(&entry);
    }
    list
}

/// The error that carries a failure from a filter to `error_while_proxy`; what happened stands in the attempt.
#[expect(clippy::unnecessary_box_returns, reason = "Pingora's results hold boxed errors")]
fn told() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "the provider refused or failed").into_up()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use interlingua_filters::ir::{LossKind, Losses};

    use super::told_losses;

    #[test]
    fn any_member_name_fits_into_the_header() {
        let mut losses = Losses::default();
        losses.add("logit_bias", LossKind::Dropped);
        losses.add("a\r\nset-cookie: b\u{e9}", LossKind::Approximated);
        assert_eq!(told_losses(&losses), "logit_bias;dropped, a??set-cookie:?b?;approximated");
        for number in 0..64 {
            losses.add(format!("{number}{}", "x".repeat(100)), LossKind::Dropped);
        }
        let told = told_losses(&losses);
        assert!(told.len() < 1100 && told.ends_with(", ..."), "{told}");
        assert!(HeaderValue::from_str(&told).is_ok());
    }
}
