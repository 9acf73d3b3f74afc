//! Tool servers that speak MCP over streamable HTTP: requests and events pass, with the gateway's credential.

use bytes::Bytes;
use http::{HeaderMap, header};
use interlingua_filters::ir::{ApiError, ErrorKind};
use pingora::http::RequestHeader;

use super::ctx::{Ctx, Inbound};
use super::errand::{Errand, Passage, PassageKind};
use super::passthrough::{origin, without_key};
use super::request_filter;
use crate::routing::Route;

/// How the headers of the protocol begin: session, version, and those to come.
const OWN_HEADERS: &str = "mcp-";

/// Finds the server.
///
/// # Errors
/// When there is none of this name.
pub(super) fn plan(
    head: &RequestHeader,
    ctx: &Ctx,
    name: &str,
    rest: String,
    body: Bytes,
) -> Result<Inbound, ApiError> {
    let servers = &ctx.snapshot.config.mcp;
    let Some(server) = servers.iter().find(|server| server.name == name) else {
        let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        let known = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        return Err(ApiError::new(ErrorKind::NotFound, format!("this gateway has no tool server '{name}'; {known}")));
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &head.headers {
        let passes = matches!(*name, header::ACCEPT | header::CONTENT_TYPE) || name == "last-event-id";
        if passes || name.as_str().starts_with(OWN_HEADERS) {
            headers.append(name.clone(), value.clone());
        }
    }
    let passage = Passage {
        method: head.method.clone(),
        version: String::new(),
        rest,
        upload: false,
        query: without_key(head.uri.query()),
        headers,
        origin: origin(head),
        kind: PassageKind::Mcp,
    };
    let route = Route::single(server.upstream.id.clone(), vec![server.upstream.clone()], "mcp".to_owned());
    Ok(request_filter::inbound(head, ctx, Errand::Pass(passage), server.upstream.id.clone(), route, body))
}
