//! Which question a method and a path ask.

use std::borrow::Cow;

use interlingua_filters::Dialect;
use interlingua_filters::ir::{ApiError, ErrorKind};
use interlingua_filters::operations::Operation;

use super::passthrough::table::{self, Family};
use super::redact;

/// What the caller wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A model's answer.
    Generate(Generate),
    /// Another question about a model.
    Operate(Operate),
    /// What only a provider of the caller's own dialect can serve: bytes pass.
    Pass(Pass),
    /// A tool server, and the path below it, with its slash; empty for the server itself.
    Mcp {
        /// Its name in the configuration.
        name: String,
        /// The path below it.
        rest: String,
    },
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
    /// Whether a stream is wanted as one JSON array (Gemini without `alt=sse`).
    pub array: bool,
}

/// Another question about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operate {
    /// The protocol spoken. OpenAI's endpoints beside Responses count as OpenAI Chat.
    pub dialect: Dialect,
    /// What is asked.
    pub operation: Operation,
    /// Model from the path (Gemini), without `models/`.
    pub model: Option<String>,
}

/// A request whose bytes pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Whose paths these are.
    pub family: &'static Family,
    /// The path below the API's version, with its slash, as it was written.
    pub path: String,
    /// The version, as it was written.
    pub version: String,
    /// Gemini: whether `/upload` stands before the version.
    pub upload: bool,
}

/// A path or method that leads nowhere, with the dialect to say so in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The caller's dialect, as far as path and headers tell.
    pub dialect: Dialect,
    /// 404 or 405.
    pub error: ApiError,
}

/// What headers tell of the caller where the path says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accent {
    /// `x-goog-api-key` or `x-goog-api-client` is there.
    pub google: bool,
    /// `anthropic-version` or `x-api-key` is there.
    pub anthropic: bool,
}

impl Accent {
    /// The dialect, as far as headers tell.
    pub fn dialect(self) -> Dialect {
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
const VERBS: [&str; 5] =
    [":generateContent", ":streamGenerateContent", ":countTokens", ":embedContent", ":batchEmbedContents"];

/// Questions of OpenAI and Anthropic with a path of their own.
const OPERATIONS: [(&str, Dialect, Operation); 8] = [
    ("/messages/count_tokens", Dialect::Anthropic, Operation::CountTokens),
    ("/responses/input_tokens", Dialect::OpenAiResponses, Operation::CountTokens),
    ("/completions", Dialect::OpenAiChat, Operation::Complete),
    ("/embeddings", Dialect::OpenAiChat, Operation::Embed),
    ("/images/generations", Dialect::OpenAiChat, Operation::GenerateImage),
    ("/images/edits", Dialect::OpenAiChat, Operation::EditImage),
    ("/audio/transcriptions", Dialect::OpenAiChat, Operation::Transcribe),
    ("/audio/speech", Dialect::OpenAiChat, Operation::Speak),
];

/// Finds the action of a request line.
///
/// # Errors
/// When nothing answers to the path, or not to the method.
pub fn find(method: &str, path: &str, query: Option<&str>, accent: Accent) -> Result<Action, Lost> {
    let path = path.trim_end_matches('/');
    let (version, rest) = split_version(path);
    if let Some((_, dialect, operation)) = OPERATIONS.iter().find(|(known, ..)| *known == rest) {
        let operate = Operate { dialect: *dialect, operation: *operation, model: None };
        return post(method, path, *dialect, Action::Operate(operate));
    }
    let generate = |dialect| Action::Generate(Generate { dialect, model: None, stream: None, array: false });
    match (method, rest) {
        ("GET" | "HEAD", "") if version.is_none() => Ok(Action::Hello),
        ("GET" | "HEAD", "/healthz") => Ok(Action::Health),
        ("GET" | "HEAD", "/readyz") => Ok(Action::Ready),
        ("GET", "/metrics") => Ok(Action::Metrics),
        (_, "/chat/completions") => post(method, path, Dialect::OpenAiChat, generate(Dialect::OpenAiChat)),
        (_, "/responses") => post(method, path, Dialect::OpenAiResponses, generate(Dialect::OpenAiResponses)),
        (_, "/messages") => post(method, path, Dialect::Anthropic, generate(Dialect::Anthropic)),
        ("GET", "/models") => Ok(Action::ListModels(list_dialect(version, accent))),
        _ if version.is_none() && rest.starts_with("/mcp/") => mcp(method, path, accent),
        _ => passing(path, accent)
            .map_or_else(|| about_models(method, path, query, accent), |pass| Ok(Action::Pass(pass))),
    }
}

fn split_version(path: &str) -> (Option<&str>, &str) {
    let Some(tail) = path.strip_prefix('/') else { return (None, path) };
    let (head, rest) = tail.find('/').map_or((tail, ""), |at| tail.split_at(at));
    if VERSIONS.contains(&head) { (Some(head), rest) } else { (None, path) }
}

fn post(method: &str, path: &str, dialect: Dialect, action: Action) -> Result<Action, Lost> {
    if method == "POST" { Ok(action) } else { Err(Lost { dialect, error: wrong_method(method, path) }) }
}

/// `/v1beta` is Gemini's alone; `/v1` is everyone's, and headers decide.
fn list_dialect(version: Option<&str>, accent: Accent) -> Dialect {
    if matches!(version, Some("v1beta" | "v1alpha")) { Dialect::Gemini } else { accent.dialect() }
}

/// `/mcp/{name}` and what is below.
fn mcp(method: &str, path: &str, accent: Accent) -> Result<Action, Lost> {
    let below = path.strip_prefix("/mcp/").unwrap_or_default();
    let (name, rest) = below.find('/').map_or((below, ""), |at| below.split_at(at));
    if rest.split('/').any(|part| decode(part).split(['/', '\\']).any(|part| matches!(part, "." | ".."))) {
        return Err(Lost { dialect: accent.dialect(), error: not_found(method, path) });
    }
    if !matches!(method, "GET" | "POST" | "DELETE") {
        let message = format!("{path} takes GET, POST and DELETE, not {method}");
        return Err(Lost { dialect: accent.dialect(), error: ApiError::new(ErrorKind::MethodNotAllowed, message) });
    }
    Ok(Action::Mcp { name: decode(name).into_owned(), rest: rest.to_owned() })
}

/// What the table of passing paths says.
fn passing(path: &str, accent: Accent) -> Option<Pass> {
    let (upload, path) = path.strip_prefix("/upload").map_or((false, path), |rest| (true, rest));
    let (version, rest) = split_version(path);
    let dialect = list_dialect(version, accent);
    let family = table::find(dialect, rest, upload)?;
    let version = version.unwrap_or("v1").to_owned();
    Some(Pass { family, path: rest.to_owned(), version, upload })
}

/// One model's description, or a question to a model that Gemini's path names.
fn about_models(method: &str, path: &str, query: Option<&str>, accent: Accent) -> Result<Action, Lost> {
    let (version, rest) = split_version(path);
    match rest.strip_prefix("/models/") {
        Some(id) if method == "GET" && !VERBS.iter().any(|verb| rest.ends_with(verb)) => {
            Ok(Action::GetModel(list_dialect(version, accent), decode(id).into_owned()))
        }
        _ if version.is_some() && rest.contains(':') => gemini(method, path, rest, query),
        _ => Err(Lost { dialect: lost_dialect(path, accent), error: not_found(method, path) }),
    }
}

/// `{models/}{id}:{verb}`; the id may hold slashes and colons, and some SDKs leave `models/` out.
fn gemini(method: &str, path: &str, rest: &str, query: Option<&str>) -> Result<Action, Lost> {
    let dialect = Dialect::Gemini;
    let lost = |error| Err(Lost { dialect, error });
    let Some((id, verb)) = rest.trim_start_matches('/').rsplit_once(':') else { return lost(not_found(method, path)) };
    let id = decode(id);
    let model = Some(id.strip_prefix("models/").unwrap_or(&id).to_owned());
    let operate = |operation| Action::Operate(Operate { dialect, operation, model: model.clone() });
    let action = match verb {
        "generateContent" => Action::Generate(Generate { dialect, model, stream: Some(false), array: false }),
        "streamGenerateContent" => {
            let array = !query.is_some_and(|query| {
                form_urlencoded::parse(query.as_bytes()).any(|(key, value)| key == "alt" && value == "sse")
            });
            Action::Generate(Generate { dialect, model, stream: Some(true), array })
        }
        "countTokens" => operate(Operation::CountTokens),
        "embedContent" => operate(Operation::Embed),
        "batchEmbedContents" => operate(Operation::EmbedBatch),
        _ => {
            let served = VERBS.map(|verb| verb.trim_start_matches(':')).join(", ");
            let message = format!("this gateway does not serve ':{verb}'; it serves {served}");
            return lost(ApiError::new(ErrorKind::NotFound, message));
        }
    };
    post(method, path, dialect, action)
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

/// The dialect of a path that nothing answers to: its version or its first name tells, else the headers.
fn lost_dialect(path: &str, accent: Accent) -> Dialect {
    let mut parts = path.split('/').filter(|part| !part.is_empty() && *part != "v1");
    match parts.next().unwrap_or_default() {
        "v1beta" | "v1alpha" => Dialect::Gemini,
        first if first.starts_with("messages") => Dialect::Anthropic,
        first if first.starts_with("responses") => Dialect::OpenAiResponses,
        _ => accent.dialect(),
    }
}

fn not_found(method: &str, path: &str) -> ApiError {
    let versions = path.split('/').filter(|part| VERSIONS.contains(part)).count();
    let help = if path == "/mcp" {
        "name the tool server: /mcp/NAME".to_owned()
    } else if path.starts_with("//") {
        "take the slash off the end of your client's base URL".to_owned()
    } else if versions > 1 {
        "take the version off the end of your client's base URL, as the client adds it by itself".to_owned()
    } else {
        let served = "POST /v1/chat/completions, POST /v1/responses, POST /v1/messages, \
                      POST /v1beta/models/{model}:generateContent, GET /v1/models, and what README.md lists beside them";
        format!("this gateway serves {served}")
    };
    ApiError::new(ErrorKind::NotFound, format!("nothing answers to {method} {}; {help}", redact::path(path)))
}

fn wrong_method(method: &str, path: &str) -> ApiError {
    ApiError::new(ErrorKind::MethodNotAllowed, format!("{} takes POST, not {method}", redact::path(path)))
}

#[cfg(test)]
mod tests;
