//! Phase `fail_to_proxy`: the last word when nobody could serve.

use bytes::Bytes;
use interlingua_filters::ir::{ApiError, ErrorKind};
use pingora::{Error, ErrorSource};
use pingora_proxy::{FailToProxy, Session};

use super::ctx::Ctx;
use super::gateway::Gateway;
use super::{continuation, hedge, replay, respond};

/// Says the error in the caller's dialect: as an HTTP status before the commit point, as an event after it.
pub(super) async fn fail_to_proxy(
    gateway: &Gateway,
    session: &mut Session,
    error: &Error,
    ctx: &mut Ctx,
) -> FailToProxy {
    if let Some(berth) = ctx.berth.take() {
        replay::restore(session, &berth).await;
    }
    if !ctx.walk.client_left
        && !ctx.outbox.committed()
        && let Some(served) = hedge::serve(session, ctx).await
    {
        return served;
    }
    let client_left = ctx.walk.client_left || (error.esource() == &ErrorSource::Downstream && ctx.walk.error.is_none());
    if client_left {
        ctx.outcome.error = Some("the client left".to_owned());
        return FailToProxy { error_code: 0, can_reuse_downstream: false };
    }
    let told = ctx.walk.error.take().unwrap_or_else(|| {
        ApiError::new(ErrorKind::Internal, "the gateway failed to serve this request; its log says why")
    });
    ctx.outcome.error = Some(told.message.clone());
    if !ctx.outbox.committed()
        && let Some(body) = gateway.estimate_instead(ctx, &told)
    {
        if let Err(error) = respond::estimate(session, ctx, body).await {
            tracing::debug!(request = ctx.request_id(), %error, "the client left before its answer");
        }
        return FailToProxy { error_code: ctx.outcome.status, can_reuse_downstream: true };
    }
    // The connection is closed after the answer, and says so.
    session.set_keepalive(None);
    let refusal = ctx.walk.refusal.take();
    if ctx.outbox.committed() {
        end_with_event(session, ctx, &told).await;
    } else if let Err(error) = match refusal {
        Some(refusal) => respond::refusal(session, ctx, refusal).await,
        None => respond::error(session, ctx, &told).await,
    } {
        tracing::debug!(request = ctx.request_id(), %error, "the client left before its error");
    }
    FailToProxy { error_code: ctx.outcome.status, can_reuse_downstream: false }
}

async fn end_with_event(session: &mut Session, ctx: &mut Ctx, told: &ApiError) {
    let mut event = Vec::new();
    if continuation::end(ctx, &mut event) {
        // Nobody went on: what broke the stream ends it.
    } else if let Some(attempt) = ctx.attempt.as_mut() {
        if attempt.reply.is_cut() {
            // The connection is closed before the end of the body: that is how the client sees that it broke.
            return;
        }
        attempt.reply.error_event(told, &mut event);
    }
    ctx.outbox.append(&mut event);
    ctx.outbox.end();
    let Some(parcel) = ctx.outbox.take() else { return };
    if let Some(header) = parcel.header
        && session.write_response_header(header, false).await.is_err()
    {
        return;
    }
    let written = session.write_response_body(Some(Bytes::from(parcel.body)), true).await;
    if let Err(error) = written {
        tracing::debug!(request = ctx.request_id(), %error, "the client left before its error event");
    }
}
