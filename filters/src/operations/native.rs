//! The same dialect on both sides, and what every body tells of itself: model and mode.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Answered, Asked, JSON, MODEL, Operation, Prepared, State};
use crate::Dialect;
use crate::dialects::{DecodeError, Target};
use crate::ir::{Losses, Usage};
use crate::json::skim::{SkimError, skim};
use crate::json::splice::Edits;
use crate::json::{self, Num, Str};
use crate::multipart;
use crate::request::PrepareError;

/// Where Gemini's bodies repeat the model's name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Names<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow, rename = "generateContentRequest", alias = "generate_content_request")]
    request: Option<Box<Names<'a>>>,
    #[serde(borrow)]
    requests: Option<Vec<Names<'a>>>,
}

/// What bodies say of the mode.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Mode<'a> {
    stream: Option<bool>,
    #[serde(borrow)]
    stream_format: Option<Str<'a>>,
}

/// The counts of every OpenAI endpoint, under either pair of names.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts<'a> {
    #[serde(borrow, alias = "prompt_tokens")]
    input_tokens: Option<Num<'a>>,
    #[serde(borrow, alias = "completion_tokens")]
    output_tokens: Option<Num<'a>>,
    #[serde(borrow, alias = "prompt_tokens_details")]
    input_tokens_details: Option<Details<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    cached_tokens: Option<Num<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GeminiCounts<'a> {
    #[serde(borrow, rename = "promptTokenCount")]
    prompt: Option<Num<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spent<'a> {
    #[serde(borrow)]
    usage: Option<Counts<'a>>,
    #[serde(borrow, rename = "usageMetadata")]
    gemini: Option<GeminiCounts<'a>>,
}

/// See [`super::model_of`].
pub(super) fn model_of(asked: &Asked<'_>) -> Result<Option<String>, DecodeError> {
    if let Some(model) = &asked.endpoint.model {
        return Ok(Some(model.to_string()));
    }
    if multipart::is_form(asked.content_type) {
        let form = multipart::read(asked.content_type, asked.body)?;
        return Ok(form.text("model")?.map(str::to_owned));
    }
    let found = skim(asked.client, asked.body).map_err(unreadable)?;
    if asked.client != Dialect::Gemini {
        return Ok(found.model.map(|(model, _)| model.into_owned().0.into_owned()));
    }
    let names: Names<'_> = json::parse(asked.body)?;
    let model = spans(&names).first().and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    Ok(model.map(|model| model.strip_prefix("models/").unwrap_or(&model).to_owned()))
}

/// See [`super::streams`].
pub(super) fn streams(asked: &Asked<'_>) -> bool {
    if multipart::is_form(asked.content_type) {
        let form = multipart::read(asked.content_type, asked.body);
        return form.is_ok_and(|form| form.text("stream") == Ok(Some("true")));
    }
    let mode: Mode<'_> = json::parse(asked.body).unwrap_or_default();
    mode.stream == Some(true) || mode.stream_format.is_some_and(|format| format == "sse")
}

/// The client's bytes with the provider's name of the model.
pub(super) fn prepare(asked: &Asked<'_>, target: &Target) -> Result<Prepared, PrepareError> {
    let is_form = multipart::is_form(asked.content_type);
    let edits = match asked.client {
        _ if is_form => {
            multipart::read(asked.content_type, asked.body).map_err(DecodeError::from)?.set("model", &target.model)?
        }
        Dialect::Gemini => gemini_edits(asked.body, &target.model)?,
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => json_edits(asked, &target.model)?,
    };
    Ok(Prepared {
        path: path(asked),
        // The boundary is the client's; JSON is JSON whatever the client calls it.
        content_type: if is_form { asked.content_type.to_owned() } else { JSON.to_owned() },
        body: edits.apply(asked.body)?,
        losses: Losses::default(),
        state: State::default(),
    })
}

/// The endpoint of the client's own dialect.
fn path(asked: &Asked<'_>) -> String {
    let of_gemini = asked.client == Dialect::Gemini;
    match asked.operation {
        Operation::CountTokens => super::count::path(asked.client),
        Operation::Embed if of_gemini => format!("/models/{MODEL}:embedContent"),
        Operation::EmbedBatch if of_gemini => format!("/models/{MODEL}:batchEmbedContents"),
        Operation::Embed | Operation::EmbedBatch => "/embeddings".to_owned(),
        Operation::Complete => "/completions".to_owned(),
        Operation::GenerateImage => "/images/generations".to_owned(),
        Operation::EditImage => "/images/edits".to_owned(),
        Operation::Transcribe => "/audio/transcriptions".to_owned(),
        Operation::Speak => "/audio/speech".to_owned(),
    }
}

fn json_edits(asked: &Asked<'_>, model: &str) -> Result<Edits, DecodeError> {
    let found = skim(asked.client, asked.body).map_err(unreadable)?;
    let mut edits = Edits::default();
    match &found.model {
        Some((named, _)) if *named == *model => {}
        Some((_, at)) => edits.replace_str(at.clone(), model),
        None => {
            let model = serde_json::Value::from(model).to_string();
            edits.insert_first(found.object, "model", &model);
        }
    }
    Ok(edits)
}

/// Names in the body must agree with the one in the path.
fn gemini_edits(body: &[u8], model: &str) -> Result<Edits, DecodeError> {
    skim(Dialect::Gemini, body).map_err(unreadable)?;
    let names: Names<'_> = json::parse(body)?;
    let wanted = format!("models/{model}");
    let mut edits = Edits::default();
    for raw in spans(&names) {
        let named: Str<'_> = serde_json::from_str(raw.get())
            .map_err(|_| DecodeError::at("model", "`model` must be a string such as \"models/gemini-2.5-pro\""))?;
        // Some clients leave the prefix out, and some servers take the name only as it was written.
        let wanted = if named.starts_with("models/") { &wanted } else { model };
        if named != *wanted {
            edits.replace_str(span(body, raw), wanted);
        }
    }
    Ok(edits)
}

/// The values of every `model`.
fn spans<'a>(names: &Names<'a>) -> Vec<&'a RawValue> {
    let nested = names.request.iter().map(AsRef::as_ref).chain(names.requests.iter().flatten());
    names.model.into_iter().chain(nested.filter_map(|names| names.model)).collect()
}

/// Where `raw`, which was read from `body`, stands in it.
fn span(body: &[u8], raw: &RawValue) -> Range<usize> {
    let start = raw.get().as_ptr().addr().saturating_sub(body.as_ptr().addr());
    start..start + raw.get().len()
}

/// A body that is no JSON object.
pub(super) fn unreadable(error: SkimError) -> DecodeError {
    DecodeError { message: error.to_string(), param: error.param().map(str::to_owned) }
}

/// The provider's bytes, and the tokens that they tell of.
pub(super) fn answer(upstream: Dialect, content_type: &str, body: &[u8]) -> Answered {
    Answered {
        content_type: content_type.to_owned(),
        body: body.to_vec(),
        usage: usage(upstream, body),
        losses: Losses::default(),
    }
}

/// The tokens that a body tells of.
pub(super) fn usage(upstream: Dialect, body: &[u8]) -> Option<Usage<'static>> {
    let spent: Spent<'_> = json::parse(body).ok()?;
    let count = |num: Option<&Num<'_>>| num.and_then(Num::as_u64);
    if upstream == Dialect::Gemini {
        let uncached = count(spent.gemini?.prompt.as_ref())?;
        return Some(Usage { uncached, ..Usage::default() });
    }
    let counts = spent.usage?;
    let input = count(counts.input_tokens.as_ref())?;
    let cached = count(counts.input_tokens_details.unwrap_or_default().cached_tokens.as_ref()).unwrap_or(0).min(input);
    let output = count(counts.output_tokens.as_ref()).unwrap_or(0);
    Some(Usage { uncached: input - cached, cache_read: cached, output, ..Usage::default() })
}
