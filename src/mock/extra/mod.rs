//! What the providers serve beside a model's answer: vectors, pictures, speech, legacy completions, stored objects.

mod forms;
mod models;
mod objects;

use super::dialect::Dialect;
use super::refusal::Refusal;
use super::seal::Seal;
use forms::Form;
use http::HeaderMap;
pub(crate) use objects::Objects;
use serde_json::Value;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    /// `/v1/embeddings`
    Embeddings,
    /// `:embedContent`
    EmbedContent,
    /// `:batchEmbedContents`
    BatchEmbedContents,
    /// `/v1/completions`
    Completions,
    /// `/v1/images/generations`
    Pictures,
    /// `/v1/images/edits`
    PictureEdits,
    /// `/v1/audio/transcriptions`
    Transcriptions,
    /// `/v1/audio/speech`
    Speech,
    /// `/v1/moderations`
    Moderations,
    /// `/v1/responses/compact`
    Compact,
    /// A collection of objects, or one of them: the parts of the path below the version.
    Objects(Vec<String>),
    /// Gemini's uploads, by the id of the one under way.
    Upload(Option<String>),
}

/// One request.
pub(crate) struct Request<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) method: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) key: &'a str,
    pub(crate) model: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) seal: Seal,
    pub(crate) number: u64,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) kind: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Answer {
    fn json(value: &Value) -> Self {
        Answer::of("application/json", value.to_string())
    }

    fn of(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Answer { kind, body: body.into(), headers: Vec::new() }
    }
}

impl Extra {
    /// The meaning of a path, if it is one of these.
    pub(crate) fn find(method: &str, path: &str, upload_id: Option<String>) -> Option<(Option<Dialect>, Self)> {
        if method == "POST" {
            if matches!(path, "/upload/v1beta/files" | "/upload/v1/files") {
                return Some((Some(Dialect::Gemini), Extra::Upload(upload_id)));
            }
            let of_openai = match path {
                "/v1/embeddings" => Some(Extra::Embeddings),
                "/v1/completions" => Some(Extra::Completions),
                "/v1/images/generations" => Some(Extra::Pictures),
                "/v1/images/edits" => Some(Extra::PictureEdits),
                "/v1/audio/transcriptions" => Some(Extra::Transcriptions),
                "/v1/audio/speech" => Some(Extra::Speech),
                "/v1/moderations" => Some(Extra::Moderations),
                _ => None,
            };
            if let Some(extra) = of_openai {
                return Some((Some(Dialect::Chat), extra));
            }
            if path == "/v1/responses/compact" {
                return Some((Some(Dialect::Responses), Extra::Compact));
            }
        }
        let (dialect, rest) = match path.strip_prefix("/v1beta/") {
            Some(rest) => (Some(Dialect::Gemini), rest),
            None => (None, path.strip_prefix("/v1/")?),
        };
        let parts: Vec<String> = rest.split('/').map(super::route::percent_decode).collect();
        let parts_are =
            |known: &[&str]| parts.iter().map(String::as_str).zip(known).all(|(part, known)| part == *known);
        let dialect = match parts.first()?.as_str() {
            "files" => dialect,
            "cachedContents" if dialect.is_some() => dialect,
            "batches" if dialect.is_none() => Some(Dialect::Chat),
            "responses" if dialect.is_none() && parts.len() > 1 => Some(Dialect::Responses),
            "messages" if parts.len() > 1 && parts_are(&["messages", "batches"]) => Some(Dialect::Anthropic),
            _ => return None,
        };
        Some((dialect, Extra::Objects(parts)))
    }

    /// Whether the body is JSON.
    pub(crate) fn has_json(&self, headers: &HeaderMap) -> bool {
        let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        match self {
            Extra::PictureEdits | Extra::Transcriptions | Extra::Upload(_) => false,
            Extra::Objects(_) => kind.starts_with("application/json"),
            _ => true,
        }
    }

    /// The model that a form names.
    pub(crate) fn model_in_form(headers: &HeaderMap, body: &[u8]) -> Option<String> {
        Form::read(headers, body).ok()?.text("model")
    }

    /// The answer.
    pub(crate) fn answer(&self, request: &Request<'_>, json: &Value, store: &mut Objects) -> Result<Answer, Refusal> {
        match self {
            Extra::Embeddings => models::embeddings(json),
            Extra::EmbedContent => models::embed_content(json),
            Extra::BatchEmbedContents => models::batch_embed_contents(json, request.model),
            Extra::Completions => models::completions(request, json),
            Extra::Pictures => models::pictures(json),
            Extra::PictureEdits => models::picture_edits(&Form::read(request.headers, request.body)?),
            Extra::Transcriptions => models::transcriptions(&Form::read(request.headers, request.body)?),
            Extra::Speech => models::speech(json),
            Extra::Moderations => models::moderations(json),
            Extra::Compact => models::compact(request, json),
            Extra::Objects(parts) => store.answer(request, parts, json),
            Extra::Upload(upload) => store.upload(request, upload.as_deref()),
        }
    }
}
pub(crate) use models::gemini_media;
