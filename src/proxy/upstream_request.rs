//! Phase `upstream_request_filter`: the header that goes to the provider, built from nothing.

use http::{HeaderName, HeaderValue, header};
use interlingua_filters::Dialect;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pingora::Result;
use pingora::http::RequestHeader;

use super::ctx::{Attempt, Inbound};
use super::upstream_line;
use crate::config::BaseUrl;

/// The name under which the gateway calls providers.
pub(super) const USER_AGENT: &str = concat!("interlingua/", env!("CARGO_PKG_VERSION"));
/// Version of the Messages API spoken when the client does not name one.
const ANTHROPIC_VERSION: &str = "2023-06-01";
/// What a model name may not hold bare in a path (RFC 3986 section 3.3, without `/`, which some names have).
pub(super) const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'%').add(b'\\');

/// Replaces `request`, which Pingora cloned from the client's, by the provider's own.
pub(super) fn upstream_request_filter(request: &mut RequestHeader, attempt: &Attempt, inbound: &Inbound) -> Result<()> {
    if let Some(line) = &attempt.line {
        *request = upstream_line::header(line, attempt, inbound)?;
        return Ok(());
    }
    let upstream = &attempt.upstream;
    let path = path(upstream.dialect, &upstream.base_url, &attempt.model, attempt.streams);
    let mut built = RequestHeader::build("POST", path.as_bytes(), Some(12))?;
    built.insert_header(header::HOST, authority(&upstream.base_url))?;
    built.insert_header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))?;
    built.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
    built.insert_header(header::CONTENT_LENGTH, attempt.body.len())?;
    let accept = if attempt.streams { "text/event-stream" } else { "application/json" };
    built.insert_header(header::ACCEPT, HeaderValue::from_static(accept))?;
    // Nothing compressed: events must be readable one by one.
    built.insert_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    for (name, value) in &upstream.headers {
        built.insert_header(name.clone(), value.as_str())?;
    }
    travel(&mut built, upstream.dialect, inbound)?;
    authorise(&mut built, attempt)?;
    *request = built;
    Ok(())
}

/// Puts the account's credential into its place.
pub(super) fn authorise(built: &mut RequestHeader, attempt: &Attempt) -> Result<()> {
    if let Some((name, prefix)) = attempt.upstream.auth.header() {
        let value = attempt.account.credential.expose_to_header(prefix).map_err(|_| {
            pingora::Error::explain(pingora::ErrorType::InternalError, "the credential does not fit into a header")
        })?;
        built.insert_header(HeaderName::from_static(name), value)?;
    }
    Ok(())
}

/// Headers of the caller that mean something to a provider of the same dialect.
pub(super) fn travel(built: &mut RequestHeader, dialect: Dialect, inbound: &Inbound) -> Result<()> {
    let prefix = match dialect {
        Dialect::Anthropic => "anthropic-",
        Dialect::OpenAiChat | Dialect::OpenAiResponses => "openai-",
        Dialect::Gemini => return Ok(()),
    };
    for (name, value) in inbound.travelling.iter().filter(|(name, _)| name.as_str().starts_with(prefix)) {
        built.append_header(name.clone(), value.clone())?;
    }
    if dialect == Dialect::Anthropic && !inbound.travelling.contains_key("anthropic-version") {
        built.insert_header("anthropic-version", HeaderValue::from_static(ANTHROPIC_VERSION))?;
    }
    Ok(())
}

/// `host` or `host:port`, as a client of the provider would write it.
pub(super) fn authority(base: &BaseUrl) -> String {
    let default = if base.tls { 443 } else { 80 };
    if base.port == default { base.host.clone() } else { format!("{}:{}", base.host, base.port) }
}

/// The path of a model's answer below a base URL as the vendors' SDKs take it: OpenAI's ends in `/v1`, Anthropic's and
/// Gemini's end before the version, and a version written there all the same is not doubled. On Vertex AI it ends in
/// `/v1/projects/{project}/locations/{place}/publishers/google`.
fn path(dialect: Dialect, base: &BaseUrl, model: &str, stream: bool) -> String {
    let root = base.path.as_str();
    let versioned = upstream_line::is_versioned(root);
    match dialect {
        Dialect::OpenAiChat => format!("{root}/chat/completions"),
        Dialect::OpenAiResponses => format!("{root}/responses"),
        Dialect::Anthropic if versioned => format!("{root}/messages"),
        Dialect::Anthropic => format!("{root}/v1/messages"),
        Dialect::Gemini => {
            let version = if versioned { "" } else { "/v1beta" };
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            format!("{root}{version}/models/{}:{verb}", utf8_percent_encode(model, PATH))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(path: &str) -> BaseUrl {
        BaseUrl { tls: true, host: "api.example".into(), port: 443, path: path.into() }
    }

    #[test]
    fn paths_below_base_urls_as_the_sdks_write_them() {
        for (dialect, root, expected) in [
            (Dialect::OpenAiChat, "/v1", "/v1/chat/completions"),
            (Dialect::OpenAiResponses, "/v1", "/v1/responses"),
            (Dialect::Anthropic, "", "/v1/messages"),
            (Dialect::Anthropic, "/v1", "/v1/messages"),
            (Dialect::Anthropic, "/api/anthropic", "/api/anthropic/v1/messages"),
            (Dialect::Gemini, "", "/v1beta/models/gemini-2.5-pro:generateContent"),
            (Dialect::Gemini, "/v1", "/v1/models/gemini-2.5-pro:generateContent"),
        ] {
            assert_eq!(path(dialect, &base(root), "gemini-2.5-pro", false), expected);
        }
    }

    #[test]
    fn wire_084_on_vertex_the_publisher_ends_the_base_url() {
        let root = "/v1/projects/p/locations/global/publishers/google";
        for (stream, verb) in [(false, "generateContent"), (true, "streamGenerateContent?alt=sse")] {
            let path = path(Dialect::Gemini, &base(root), "gemini-2.5-pro", stream);
            assert_eq!(path, format!("{root}/models/gemini-2.5-pro:{verb}"));
        }
    }

    #[test]
    fn a_model_cannot_leave_its_path() {
        let path = path(Dialect::Gemini, &base(""), "x?key=y#z%2e", true);
        assert_eq!(path, "/v1beta/models/x%3Fkey=y%23z%252e:streamGenerateContent?alt=sse");
    }

    #[test]
    fn the_default_port_is_left_out() {
        assert_eq!(authority(&base("")), "api.example");
        assert_eq!(authority(&BaseUrl { port: 8443, ..base("") }), "api.example:8443");
    }
}
