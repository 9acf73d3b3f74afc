//! Phase `upstream_request_filter`: the header that goes to the provider, built from nothing.

use http::{HeaderName, HeaderValue, header};
use interlingua_filters::Dialect;
use pingora::Result;
use pingora::http::RequestHeader;

use super::ctx::{Attempt, Inbound};
use super::platform;
use super::upstream_line;
use crate::config::{AuthStyle, BaseUrl, Upstream};
use crate::credentials::http::USER_AGENT;

/// Version of the Messages API spoken when the client does not name one.
pub(super) const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Replaces `request`, which Pingora cloned from the client's, by the provider's own.
pub(super) fn upstream_request_filter(request: &mut RequestHeader, attempt: &Attempt, inbound: &Inbound) -> Result<()> {
    if let Some(line) = &attempt.line {
        *request = upstream_line::header(line, attempt, inbound)?;
        return Ok(());
    }
    let upstream = &attempt.upstream;
    let (model, streams) = (attempt.model.as_str(), attempt.streams);
    let suffix = platform::generate(upstream.dialect, model, streams);
    let path = platform::path(upstream, &attempt.account, model, streams, &suffix);
    let mut built = RequestHeader::build("POST", path.as_bytes(), Some(12))?;
    built.insert_header(header::HOST, authority(&upstream.base_url))?;
    built.insert_header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))?;
    built.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
    built.insert_header(header::CONTENT_LENGTH, attempt.body.len())?;
    let accept = if attempt.streams { "text/event-stream" } else { "application/json" };
    built.insert_header(header::ACCEPT, HeaderValue::from_static(accept))?;
    // Nothing compressed: events must be readable one by one.
    built.insert_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    configured(&mut built, attempt)?;
    travel(&mut built, upstream, inbound)?;
    authorise(&mut built, attempt)?;
    *request = built;
    Ok(())
}

/// Puts in what the operator has written: the headers of the upstream, and then those of the account, which outrank them.
pub(super) fn configured(built: &mut RequestHeader, attempt: &Attempt) -> Result<()> {
    for (name, value) in &attempt.upstream.headers {
        built.insert_header(name.clone(), value.as_str())?;
    }
    for (name, value) in &attempt.account.headers {
        built.insert_header(name.clone(), value.clone())?;
    }
    Ok(())
}

/// Puts the account's credential into its place. An access token is a bearer's (RFC 6750), wherever keys go.
pub(super) fn authorise(built: &mut RequestHeader, attempt: &Attempt) -> Result<()> {
    let (auth, token) = (attempt.upstream.auth, attempt.access.token.as_ref());
    let style = if token.is_some() && auth != AuthStyle::None { AuthStyle::Bearer } else { auth };
    if let Some((name, prefix)) = style.header() {
        let credential = token.unwrap_or(&attempt.account.credential);
        let value = credential.expose_to_header(prefix).map_err(|_| {
            pingora::Error::explain(pingora::ErrorType::InternalError, "the credential does not fit into a header")
        })?;
        built.insert_header(HeaderName::from_static(name), value)?;
    }
    Ok(())
}

/// Headers of the caller that mean something to a provider of the same dialect.
pub(super) fn travel(built: &mut RequestHeader, upstream: &Upstream, inbound: &Inbound) -> Result<()> {
    let prefix = match upstream.dialect {
        Dialect::Anthropic => "anthropic-",
        Dialect::OpenAiChat | Dialect::OpenAiResponses => "openai-",
        Dialect::Gemini => return Ok(()),
    };
    let travelling = platform::travelling(upstream, &inbound.travelling);
    for (name, value) in travelling.iter().filter(|(name, _)| name.as_str().starts_with(prefix)) {
        built.append_header(name.clone(), value.clone())?;
    }
    let is_told = inbound.travelling.contains_key("anthropic-version");
    if upstream.dialect == Dialect::Anthropic && !is_told && platform::wants_version(upstream) {
        built.insert_header("anthropic-version", HeaderValue::from_static(ANTHROPIC_VERSION))?;
    }
    Ok(())
}

/// `host` or `host:port`, as a client of the provider would write it.
pub(super) fn authority(base: &BaseUrl) -> String {
    let default = if base.tls { 443 } else { 80 };
    if base.port == default { base.host.clone() } else { format!("{}:{}", base.host, base.port) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(path: &str) -> BaseUrl {
        BaseUrl { tls: true, host: "api.example".into(), port: 443, path: path.into() }
    }

    #[test]
    fn the_default_port_is_left_out() {
        assert_eq!(authority(&base("")), "api.example");
        assert_eq!(authority(&BaseUrl { port: 8443, ..base("") }), "api.example:8443");
    }
}
