//! The header of a request to a provider that is no model's answer: another operation's, or one that passes.

use http::{HeaderValue, header};
use interlingua_filters::Dialect;
use interlingua_filters::operations::MODEL;
use percent_encoding::utf8_percent_encode;
use pingora::Result;
use pingora::http::RequestHeader;

use super::ctx::{Attempt, Inbound, Line};
use super::upstream_request::{PATH, USER_AGENT, authorise, authority, travel};
use crate::config::BaseUrl;

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
    for (name, value) in &upstream.headers {
        built.insert_header(name.clone(), value.as_str())?;
    }
    if inbound.errand.passage().is_none_or(|passage| !passage.is_mcp()) {
        travel(&mut built, upstream.dialect, inbound)?;
    }
    for (name, value) in &line.headers {
        built.append_header(name.clone(), value.clone())?;
    }
    authorise(&mut built, attempt)?;
    Ok(built)
}

/// The path of an operation: `suffix` stands behind the version, with the model in the place of [`MODEL`].
pub(super) fn operation_path(dialect: Dialect, base: &BaseUrl, suffix: &str, model: &str) -> String {
    let model = utf8_percent_encode(model, PATH).to_string();
    format!("{}{}", versioned(dialect, base), suffix.replace(MODEL, &model))
}

/// The base URL's path with the version, which OpenAI's base URLs have and the others' do not.
fn versioned(dialect: Dialect, base: &BaseUrl) -> String {
    let root = base.path.as_str();
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => root.to_owned(),
        Dialect::Anthropic | Dialect::Gemini if is_versioned(root) => root.to_owned(),
        Dialect::Anthropic => format!("{root}/v1"),
        Dialect::Gemini => format!("{root}/v1beta"),
    }
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

/// Whether nothing is to stand between a base URL's path and the name of what is asked for: it ends in a version, or in
/// a publisher as on Vertex AI, which is below one.
pub(super) fn is_versioned(root: &str) -> bool {
    let is_publisher = root.rsplit('/').nth(1) == Some("publishers");
    is_publisher
        || root.rsplit('/').next().is_some_and(|last| {
            last.strip_prefix('v').is_some_and(|version| version.starts_with(|digit: char| digit.is_ascii_digit()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(path: &str) -> BaseUrl {
        BaseUrl { tls: true, host: "api.example".into(), port: 443, path: path.into() }
    }

    #[test]
    fn paths_below_base_urls_as_the_sdks_write_them() {
        for (dialect, root, suffix, expected) in [
            (Dialect::OpenAiChat, "/v1", "/embeddings", "/v1/embeddings"),
            (Dialect::Anthropic, "", "/messages/count_tokens", "/v1/messages/count_tokens"),
            (Dialect::Anthropic, "/x/v1", "/messages/count_tokens", "/x/v1/messages/count_tokens"),
            (Dialect::Gemini, "", "/models/{model}:countTokens", "/v1beta/models/a/b%3F:countTokens"),
        ] {
            assert_eq!(operation_path(dialect, &base(root), suffix, "a/b?"), expected);
        }
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
