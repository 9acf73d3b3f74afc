//! The header of a request to a provider that is no model's answer: another operation's, or one that passes.

use http::{HeaderValue, header};
use interlingua_filters::Dialect;
use interlingua_filters::operations::MODEL;
use percent_encoding::utf8_percent_encode;
use pingora::Result;
use pingora::http::RequestHeader;

use super::ctx::{Attempt, Inbound, Line};
use super::platform::{self, PATH, is_versioned};
use super::upstream_request::{authorise, authority, configured, travel};
use crate::config::{Account, BaseUrl, Upstream};
use crate::credentials::http::USER_AGENT;

/// Builds it from nothing. The body's length is the attempt's.
pub(super) fn header(line: &Line, attempt: &Attempt, inbound: &Inbound) -> Result<RequestHeader> {
    let upstream = &attempt.upstream;
    let mut built = RequestHeader::build(line.method.clone(), line.path.as_bytes(), Some(12))?;
    built.insert_header(header::HOST, authority(&upstream.base_url))?;
    built.insert_header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))?;
    // Nothing compressed: the answer is read, or passed to a client that was not asked.
    built.insert_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    if !attempt.body.is_empty() || matches!(line.method.as_str(), "POST" | "PUT" | "PATCH") {
        built.insert_header(header::CONTENT_LENGTH, attempt.body.len())?;
    }
    configured(&mut built, attempt)?;
    if inbound.errand.passage().is_none_or(|passage| !passage.is_mcp()) {
        travel(&mut built, upstream, inbound)?;
    }
    for (name, value) in &line.headers {
        built.append_header(name.clone(), value.clone())?;
    }
    authorise(&mut built, attempt)?;
    Ok(built)
}

/// The path of an operation: `suffix` stands behind the version, with the model in the place of [`MODEL`].
pub(super) fn operation_path(upstream: &Upstream, account: &Account, suffix: &str, model: &str) -> String {
    let name = utf8_percent_encode(model, PATH).to_string();
    platform::path(upstream, account, model, false, &suffix.replace(MODEL, &name))
}

/// The path of a request that passes: `version` is the client's, and gives way to the base URL's own.
pub(super) fn passing_path(dialect: Dialect, base: &BaseUrl, version: &str, upload: bool, rest: &str) -> String {
    let root = base.path.as_str();
    let upload = if upload { "/upload" } else { "" };
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => format!("{root}{rest}"),
        Dialect::Anthropic | Dialect::Gemini if is_versioned(root) => {
            let (root, own) = root.rsplit_once('/').unwrap_or(("", root));
            format!("{root}{upload}/{own}{rest}")
        }
        Dialect::Anthropic | Dialect::Gemini => format!("{root}{upload}/{version}{rest}"),
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
        for (dialect, root, upload, expected) in [
            (Dialect::OpenAiResponses, "/v1", false, "/v1/files/f"),
            (Dialect::Anthropic, "", false, "/v1/files/f"),
            (Dialect::Gemini, "", false, "/v1alpha/files/f"),
            (Dialect::Gemini, "", true, "/upload/v1alpha/files/f"),
            (Dialect::Gemini, "/g/v1beta", true, "/g/upload/v1beta/files/f"),
        ] {
            let version = if dialect == Dialect::Gemini { "v1alpha" } else { "v1" };
            assert_eq!(passing_path(dialect, &base(root), version, upload, "/files/f"), expected);
        }
    }
}
