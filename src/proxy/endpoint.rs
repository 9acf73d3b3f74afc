//! Which question a method and a path ask.

use std::borrow::Cow;

use interlingua_filters::Dialect;
use interlingua_filters::ir::{ApiError, ErrorKind};

/// What the caller wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A model's answer.
    Generate(Generate),
    /// The list of models, in the shape of the dialect.
    ListModels(Dialect),
    /// One model, in the shape of the dialect.
    GetModel(Dialect, String),
    /// `GET /healthz`: the process lives.
    Health,
    /// `GET /readyz`: it has a configuration and an account to serve with.
    Ready,
    /// `GET /metrics`: Prometheus text.
    Metrics,
    /// `GET /`: what this is, for a person with a browser.
    Hello,
}

/// A request for a model's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generate {
    /// The protocol spoken.
    pub dialect: Dialect,
    /// Model from the path (Gemini), without `models/`.
    pub model: Option<String>,
    /// Mode from the path (Gemini).
    pub stream: Option<bool>,
}

/// A path or method that leads nowhere, with the dialect to say so in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The caller's dialect, as far as path and headers tell.
    pub dialect: Dialect,
    /// 404 or 405.
    pub error: ApiError,
}

/// What headers tell of the caller's dialect where the path says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accent {
    /// `x-goog-api-key` or `x-goog-api-client` is there.
    pub google: bool,
    /// `anthropic-version` or `x-api-key` is there.
    pub anthropic: bool,
}

impl Accent {
    fn dialect(self) -> Dialect {
        match self {
            Accent { google: true, .. } => Dialect::Gemini,
            Accent { anthropic: true, .. } => Dialect::Anthropic,
            _ => Dialect::OpenAiChat,
        }
    }
}

/// Versions that the vendors' SDKs put before their paths.
const VERSIONS: [&str; 3] = ["v1", "v1beta", "v1alpha"];

/// What asks a model in Gemini's paths. No model's name ends so.
const VERBS: [&str; 2] = [":generateContent", ":streamGenerateContent"];

/// Finds the action of a request line.
///
/// # Errors
/// When nothing answers to the path, or not to the method.
pub fn find(method: &str, path: &str, query: Option<&str>, accent: Accent) -> Result<Action, Lost> {
    let path = path.trim_end_matches('/');
    let (version, rest) = split_version(path);
    match (method, rest) {
        ("GET" | "HEAD", "") if version.is_none() => Ok(Action::Hello),
        ("GET" | "HEAD", "/healthz") => Ok(Action::Health),
        ("GET" | "HEAD", "/readyz") => Ok(Action::Ready),
        ("GET", "/metrics") => Ok(Action::Metrics),
        (_, "/chat/completions") => post(method, path, Dialect::OpenAiChat),
        (_, "/responses") => post(method, path, Dialect::OpenAiResponses),
        (_, "/messages") => post(method, path, Dialect::Anthropic),
        ("GET", "/models") => Ok(Action::ListModels(list_dialect(version, accent))),
        ("GET", _) if rest.starts_with("/models/") && !VERBS.iter().any(|verb| rest.ends_with(verb)) => {
            let id = decode(&rest["/models/".len()..]).into_owned();
            Ok(Action::GetModel(list_dialect(version, accent), id))
        }
        _ if version.is_some() && rest.contains(':') => gemini(method, path, rest, query),
        _ => Err(Lost { dialect: lost_dialect(rest, accent), error: not_found(method, path) }),
    }
}

fn split_version(path: &str) -> (Option<&str>, &str) {
    let Some(tail) = path.strip_prefix('/') else { return (None, path) };
    let (head, rest) = tail.find('/').map_or((tail, ""), |at| tail.split_at(at));
    if VERSIONS.contains(&head) { (Some(head), rest) } else { (None, path) }
}

fn post(method: &str, path: &str, dialect: Dialect) -> Result<Action, Lost> {
    if method == "POST" {
        return Ok(Action::Generate(Generate { dialect, model: None, stream: None }));
    }
    Err(Lost { dialect, error: wrong_method(method, path) })
}

/// `/v1beta` is Gemini's alone; `/v1` is everyone's, and headers decide.
fn list_dialect(version: Option<&str>, accent: Accent) -> Dialect {
    if matches!(version, Some("v1beta" | "v1alpha")) { Dialect::Gemini } else { accent.dialect() }
}

/// `{models/}{id}:{verb}`; the id may hold slashes and colons, and some SDKs leave `models/` out.
fn gemini(method: &str, path: &str, rest: &str, query: Option<&str>) -> Result<Action, Lost> {
    let lost = |error| Err(Lost { dialect: Dialect::Gemini, error });
    let Some((id, verb)) = rest.trim_start_matches('/').rsplit_once(':') else { return lost(not_found(method, path)) };
    let stream = match verb {
        "generateContent" => false,
        "streamGenerateContent" => true,
        _ => {
            let message =
                format!("this gateway does not serve ':{verb}'; it serves generateContent, streamGenerateContent");
            return lost(ApiError::new(ErrorKind::NotFound, message));
        }
    };
    if method != "POST" {
        return lost(wrong_method(method, path));
    }
    let sse = query.is_some_and(|query| {
        form_urlencoded::parse(query.as_bytes()).any(|(key, value)| key == "alt" && value == "sse")
    });
    if stream && !sse {
        let message = "streams are served as server-sent events: add ?alt=sse to the URL";
        return lost(ApiError::new(ErrorKind::InvalidRequest, message));
    }
    let id = decode(id);
    let id = id.strip_prefix("models/").unwrap_or(&id).to_owned();
    Ok(Action::Generate(Generate { dialect: Dialect::Gemini, model: Some(id), stream: Some(stream) }))
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

fn lost_dialect(rest: &str, accent: Accent) -> Dialect {
    if rest.starts_with("/messages") { Dialect::Anthropic } else { accent.dialect() }
}

fn not_found(method: &str, path: &str) -> ApiError {
    let served = "POST /v1/chat/completions, POST /v1/responses, POST /v1/messages, \
                  POST /v1beta/models/{model}:generateContent, GET /v1/models";
    ApiError::new(ErrorKind::NotFound, format!("nothing answers to {method} {path}; this gateway serves {served}"))
}

fn wrong_method(method: &str, path: &str) -> ApiError {
    ApiError::new(ErrorKind::MethodNotAllowed, format!("{path} takes POST, not {method}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generate(path: &str, query: Option<&str>) -> Option<Generate> {
        match find("POST", path, query, Accent::default()) {
            Ok(Action::Generate(generate)) => Some(generate),
            _ => None,
        }
    }

    #[test]
    fn paths_of_the_official_sdks() {
        for (path, dialect) in [
            ("/v1/chat/completions", Dialect::OpenAiChat),
            ("/chat/completions", Dialect::OpenAiChat),
            ("/v1/responses", Dialect::OpenAiResponses),
            ("/v1/messages", Dialect::Anthropic),
        ] {
            assert_eq!(generate(path, None).unwrap().dialect, dialect);
        }
    }

    #[test]
    fn wire_141_gemini_ids_with_slashes_with_and_without_models() {
        for path in [
            "/v1/models/openai/gpt-5:streamGenerateContent",
            "/v1beta/models/openai/gpt-5:streamGenerateContent",
            "/v1beta/openai/gpt-5:streamGenerateContent",
            "/v1beta/models/openai%2Fgpt-5:streamGenerateContent",
        ] {
            let found = generate(path, Some("alt=sse")).unwrap();
            assert_eq!((found.model.as_deref(), found.stream), (Some("openai/gpt-5"), Some(true)), "{path}");
        }
        assert_eq!(generate("/v1beta/models/a:b:generateContent", None).unwrap().model.as_deref(), Some("a:b"));
    }

    #[test]
    fn wire_008_a_stream_without_alt_sse_is_refused_with_advice() {
        let lost = find("POST", "/v1beta/models/g:streamGenerateContent", None, Accent::default()).unwrap_err();
        assert_eq!((lost.dialect, lost.error.kind), (Dialect::Gemini, ErrorKind::InvalidRequest));
        assert!(lost.error.message.contains("alt=sse"));
    }

    #[test]
    fn wire_128_models_are_listed_in_the_callers_shape() {
        let list = |path, accent| find("GET", path, None, accent).unwrap();
        let google = Accent { google: true, anthropic: false };
        let anthropic = Accent { google: false, anthropic: true };
        assert_eq!(list("/v1/models", Accent::default()), Action::ListModels(Dialect::OpenAiChat));
        assert_eq!(list("/v1/models", anthropic), Action::ListModels(Dialect::Anthropic));
        assert_eq!(list("/v1/models", google), Action::ListModels(Dialect::Gemini));
        assert_eq!(list("/v1beta/models", Accent::default()), Action::ListModels(Dialect::Gemini));
        assert_eq!(list("/v1/models/a/b:c", anthropic), Action::GetModel(Dialect::Anthropic, "a/b:c".into()));
    }

    #[test]
    fn lost_callers_are_told_in_their_dialect() {
        let lost = find("GET", "/v1/messages", None, Accent::default()).unwrap_err();
        assert_eq!((lost.dialect, lost.error.kind), (Dialect::Anthropic, ErrorKind::MethodNotAllowed));
        let lost = find("GET", "/v1beta/models/g:generateContent", None, Accent::default()).unwrap_err();
        assert_eq!((lost.dialect, lost.error.kind), (Dialect::Gemini, ErrorKind::MethodNotAllowed));
        let lost = find("POST", "/v1/messages/batches", None, Accent::default()).unwrap_err();
        assert_eq!((lost.dialect, lost.error.kind), (Dialect::Anthropic, ErrorKind::NotFound));
        assert!(find("POST", "/v1beta/models/g:embedContent", None, Accent::default()).is_err());
    }
}
