//! Answers that the gateway writes itself.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use interlingua_filters::Dialect;
use interlingua_filters::dialects::encode_error;
use interlingua_filters::ir::{ApiError, ErrorKind};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;
use serde_json::json;

use super::ctx::{Ctx, Refusal, Voice};
use super::terms;

/// Writes a whole answer and notes it.
pub(super) async fn whole(
    session: &mut Session,
    ctx: &mut Ctx,
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
) -> Result<()> {
    let mut response = ResponseHeader::build(status, Some(4))?;
    response.insert_header(header::CONTENT_TYPE, HeaderValue::from_static(kind))?;
    send(session, ctx, response, body).await
}

/// Writes an error in the caller's dialect.
pub(super) async fn error(session: &mut Session, ctx: &mut Ctx, error: &ApiError) -> Result<()> {
    let mut body = Vec::with_capacity(256);
    let mut status = encode_error(ctx.dialect, error, &mut body);
    match ctx.voice {
        Voice::Plain => {}
        Voice::Array => body = [b"[", body.as_slice(), b"]"].concat(),
        Voice::JsonRpc => {
            status = error.kind.status();
            // -32000 to -32099 are the server's own codes (JSON-RPC 2.0, section 5.1); the request's id is not read.
            body = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": error.message}})
                .to_string()
                .into_bytes();
        }
    }
    let mut response = ResponseHeader::build(status, Some(6))?;
    response.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
    if let Some(wait_ms) = error.retry_after_ms {
        response.insert_header(header::RETRY_AFTER, wait_ms.div_ceil(1000).max(1))?;
        response.insert_header(HeaderName::from_static("retry-after-ms"), wait_ms.max(1))?;
    }
    if status == 405 {
        response.insert_header(header::ALLOW, HeaderValue::from_static("POST"))?;
    }
    ctx.outcome.error.get_or_insert_with(|| error.message.clone());
    send(session, ctx, response, body).await
}

/// Answers a WebSocket's handshake. Clients that have another way take it on 426 (RFC 9110, section 15.5.22).
pub(super) async fn no_websocket(session: &mut Session, ctx: &mut Ctx) -> Result<()> {
    let message = "this gateway serves no WebSockets; send the request with POST, with `stream` for events";
    let error = ApiError::new(ErrorKind::InvalidRequest, message);
    let mut body = Vec::with_capacity(256);
    encode_error(ctx.dialect, &error, &mut body);
    let mut response = ResponseHeader::build(426, Some(5))?;
    response.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
    response.insert_header(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"))?;
    ctx.outcome.error.get_or_insert_with(|| error.message.clone());
    session.set_keepalive(None);
    send(session, ctx, response, body).await
}

/// Writes a provider's refusal as it is.
pub(super) async fn refusal(session: &mut Session, ctx: &mut Ctx, refusal: Refusal) -> Result<()> {
    let mut response = ResponseHeader::build(refusal.status, Some(4))?;
    if let Some(kind) = refusal.content_type {
        response.insert_header(header::CONTENT_TYPE, kind)?;
    }
    send(session, ctx, response, refusal.body).await
}

/// Writes a number of tokens that the gateway estimated.
pub(super) async fn estimate(session: &mut Session, ctx: &mut Ctx, body: Vec<u8>) -> Result<()> {
    let mut response = ResponseHeader::build(200, Some(5))?;
    response.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
    response.insert_header(HeaderName::from_static("x-interlingua-estimate"), HeaderValue::from_static("true"))?;
    send(session, ctx, response, body).await
}

/// Puts the request's id into a response header, under the name that the dialect's SDK reads.
pub(super) fn stamp(response: &mut ResponseHeader, ctx: &Ctx) -> Result<()> {
    let name = match ctx.dialect {
        Dialect::Anthropic => HeaderName::from_static("request-id"),
        _ => HeaderName::from_static("x-request-id"),
    };
    if let Some(meter) = ctx.meter {
        terms::tell(response, ctx.dialect, meter)?;
    }
    response.insert_header(name, ctx.request_id())
}

async fn send(session: &mut Session, ctx: &mut Ctx, mut response: ResponseHeader, body: Vec<u8>) -> Result<()> {
    stamp(&mut response, ctx)?;
    response.insert_header(header::CONTENT_LENGTH, body.len())?;
    ctx.outcome.status = response.status.as_u16();
    ctx.outcome.first_byte = Some(ctx.started.elapsed());
    let head_only = session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(response), head_only).await?;
    if head_only {
        return Ok(());
    }
    session.write_response_body(Some(Bytes::from(body)), true).await
}
