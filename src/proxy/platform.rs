//! How a dialect is carried: the path of a request, and what stands around its body and its answer.
//!
//! A dialect's operation is a suffix below the root of its API, such as `/chat/completions` or
//! `/models/{model}:generateContent`. [`path`] mounts it where the platform has it.

use std::borrow::Cow;

use http::HeaderMap;
use interlingua_filters::Dialect;
use interlingua_filters::dialects::code_assist::{self, Envelope, Unwrap};
use interlingua_filters::dialects::vertex;
use interlingua_filters::json::members::Members;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::config::{Account, Platform, Upstream};

/// What a model name may not hold bare in a path (RFC 3986 section 3.3, without `/`, which some names have).
pub(super) const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'%').add(b'\\');
/// As `PATH`, for a name that is one segment: what an operator calls a deployment, or a model of a publisher.
const SEGMENT: &AsciiSet = &PATH.add(b'/');
/// The version of Vertex AI's API.
const VERTEX_VERSION: &str = "/v1";
/// What Anthropic's count of tokens is called below Messages.
const COUNT_TOKENS: &str = "/messages/count_tokens";

/// The suffix of an answer of a model.
pub(super) fn generate(dialect: Dialect, model: &str, stream: bool) -> String {
    match dialect {
        Dialect::OpenAiChat => "/chat/completions".to_owned(),
        Dialect::OpenAiResponses => "/responses".to_owned(),
        Dialect::Anthropic => "/messages".to_owned(),
        Dialect::Gemini => {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            format!("/models/{}:{verb}", utf8_percent_encode(model, PATH))
        }
    }
}

/// The path, with its query, of the operation that has `suffix` in the dialect of `upstream`.
///
/// OpenAI's base URLs end in `/v1`, Anthropic's and Gemini's end before the version, as the vendors' SDKs take them; a
/// version written there all the same is not doubled.
pub(super) fn path(upstream: &Upstream, account: &Account, model: &str, stream: bool, suffix: &str) -> String {
    let root = upstream.base_url.path.as_str();
    let versioned = is_versioned(root);
    match &upstream.platform {
        Platform::Direct => {
            let version = match upstream.dialect {
                _ if versioned => "",
                Dialect::OpenAiChat | Dialect::OpenAiResponses => "",
                Dialect::Anthropic => "/v1",
                Dialect::Gemini => "/v1beta",
            };
            format!("{root}{version}{suffix}")
        }
        Platform::Vertex { project, location } => {
            let version = if versioned { "" } else { VERTEX_VERSION };
            let project = account.project.as_ref().or(project.as_ref()).map_or("", String::as_str);
            let root = format!("{root}{version}/projects/{project}/locations/{location}/publishers");
            match upstream.dialect {
                Dialect::Anthropic if suffix == COUNT_TOKENS => {
                    format!("{root}/anthropic/models/count-tokens:rawPredict")
                }
                Dialect::Anthropic => {
                    let verb = if stream { "streamRawPredict" } else { "rawPredict" };
                    format!("{root}/anthropic/models/{}:{verb}", utf8_percent_encode(model, SEGMENT))
                }
                _ => format!("{root}/google{suffix}"),
            }
        }
        Platform::CodeAssist => {
            let version = if versioned { "" } else { "/v1internal" };
            let verb = suffix.rsplit_once(':').map_or(suffix, |(_, verb)| verb);
            format!("{root}{version}:{verb}")
        }
        Platform::Azure { api_version: None } => {
            let version = if versioned { "" } else { "/openai/v1" };
            format!("{root}{version}{suffix}")
        }
        Platform::Azure { api_version: Some(version) } => {
            let root = root.strip_suffix("/openai").unwrap_or(root);
            match upstream.dialect {
                // Responses name the model in the body, also there.
                Dialect::OpenAiResponses => format!("{root}/openai{suffix}?api-version={version}"),
                _ => {
                    let deployment = utf8_percent_encode(model, SEGMENT);
                    format!("{root}/openai/deployments/{deployment}{suffix}?api-version={version}")
                }
            }
        }
    }
}

/// The body as the platform takes it. `None`: it cannot be put so.
pub(super) fn body(upstream: &Upstream, body: Vec<u8>, envelope: &Envelope<'_>) -> Option<Vec<u8>> {
    match (&upstream.platform, upstream.dialect) {
        (Platform::Vertex { .. }, Dialect::Anthropic) => vertex::anthropic_body(&body).ok(),
        (Platform::Vertex { .. }, Dialect::Gemini) => vertex::gemini_body(&body, upstream.quirks.call_ids).ok(),
        (Platform::CodeAssist, _) => code_assist::wrap(&body, envelope).ok(),
        _ => Some(body),
    }
}

/// The body of a question for a number of tokens as the platform takes it. `None`: it cannot be put so.
pub(super) fn count_body(upstream: &Upstream, body: Vec<u8>, model: &str) -> Option<Vec<u8>> {
    match (&upstream.platform, upstream.dialect) {
        (Platform::Vertex { .. }, Dialect::Anthropic) => vertex::anthropic_count(&body).ok(),
        (Platform::Vertex { .. }, Dialect::Gemini) => vertex::gemini_count(&body, upstream.quirks.call_ids).ok(),
        (Platform::CodeAssist, _) => code_assist::count_tokens(&body, model).ok(),
        _ => Some(body),
    }
}

/// Members of a Gemini body that bear on the number of tokens, and that the platform's counter does not take.
pub(super) fn uncounted(upstream: &Upstream, body: &[u8]) -> Vec<&'static str> {
    const CACHED: [&str; 2] = ["cachedContent", "cached_content"];
    const OTHERS: [&str; 3] = ["systemInstruction", "system_instruction", "tools"];
    let others = match (&upstream.platform, upstream.dialect) {
        (Platform::CodeAssist, _) => &OTHERS[..],
        (Platform::Vertex { .. }, Dialect::Gemini) => &[],
        _ => return Vec::new(),
    };
    let Some(whole) = std::str::from_utf8(body).ok().and_then(Members::read) else { return Vec::new() };
    let inner = whole.object("generateContentRequest").or_else(|| whole.object("generate_content_request"));
    let members = inner.as_ref().unwrap_or(&whole);
    CACHED.iter().chain(others).copied().filter(|name| members.find(name).is_some()).collect()
}

/// What takes the platform's words off an answer, if it has any around it.
pub(super) fn unwrap(upstream: &Upstream) -> Option<Unwrap> {
    (upstream.platform == Platform::CodeAssist).then(Unwrap::default)
}

/// The body of a refusal, in the framing of the dialect.
pub(super) fn error_body<'b>(upstream: &Upstream, body: &'b [u8]) -> Cow<'b, [u8]> {
    match upstream.platform {
        Platform::CodeAssist => code_assist::error_body(body),
        _ => Cow::Borrowed(body),
    }
}

/// Headers of the caller that may travel, as the platform takes them.
pub(super) fn travelling<'h>(upstream: &Upstream, headers: &'h HeaderMap) -> Cow<'h, HeaderMap> {
    if upstream.dialect != Dialect::Anthropic || upstream.platform == Platform::Direct {
        return Cow::Borrowed(headers);
    }
    let mut kept = HeaderMap::new();
    let words: Vec<&str> = headers.get_all("anthropic-beta").iter().filter_map(|value| value.to_str().ok()).collect();
    if let Some(value) = vertex::betas(&words.join(",")).and_then(|words| words.parse().ok()) {
        kept.insert("anthropic-beta", value);
    }
    Cow::Owned(kept)
}

/// Whether the provider is told the version of the Messages API by a header.
pub(super) fn wants_version(upstream: &Upstream) -> bool {
    upstream.platform == Platform::Direct
}

/// Whether cached contents of this name can be known there: names of Vertex AI tell project and location
/// (`projects/{p}/locations/{l}/cachedContents/{id}`), and are known nowhere else.
pub(super) fn knows_cached(upstream: &Upstream, account: &Account, name: &str) -> bool {
    let mut parts = name.split('/');
    let (Some("projects"), Some(owner), Some("locations"), Some(place)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return !matches!(upstream.platform, Platform::Vertex { .. });
    };
    match &upstream.platform {
        Platform::Vertex { project, location } => {
            let project = account.project.as_ref().or(project.as_ref());
            // Google writes the project's number in names that it made up itself; nobody here knows that.
            let is_number = owner.bytes().all(|byte| byte.is_ascii_digit());
            place == location && (is_number || project.is_some_and(|project| project == owner))
        }
        Platform::CodeAssist => true,
        Platform::Direct | Platform::Azure { .. } => false,
    }
}

/// Whether nothing is to stand between a base URL's path and the name of what is asked for: its last segment is a version
/// (`v1`, `v1beta`, `v1internal`), or a publisher as on Vertex AI, which is below one.
pub(super) fn is_versioned(root: &str) -> bool {
    let is_publisher = root.rsplit('/').nth(1) == Some("publishers");
    is_publisher
        || root.rsplit('/').next().is_some_and(|last| {
            last.strip_prefix('v').is_some_and(|version| version.starts_with(|digit: char| digit.is_ascii_digit()))
        })
}

#[cfg(test)]
mod tests;
