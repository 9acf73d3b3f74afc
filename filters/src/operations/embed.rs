//! Embeddings: OpenAI's `/v1/embeddings` and Gemini's `:embedContent` and `:batchEmbedContents`, each to the other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::members::Members;
use super::{Answered, Asked, JSON, Kept, MODEL, Operation, Prepared, State, native};
use crate::Dialect;
use crate::dialects::{DecodeError, EncodeError, Target};
use crate::ir::LossKind::{Approximated, Dropped};
use crate::ir::{ApiError, ErrorKind, Losses, ReplyContext, Usage};
use crate::json::{self, Num, Raw, Str, Writer};
use crate::request::PrepareError;
use crate::tokens;
use crate::wire_object;

/// Texts that Gemini takes in one request (ai.google.dev, "Embeddings": `batchEmbedContents`).
const GEMINI_TEXTS_MAX: usize = 100;

wire_object! {
    /// One text of Gemini's.
    struct EmbedWire<'a> {
        content: ContentWire<'a> = "content",
        dimensions: Num<'a> = "outputDimensionality",
        dimensions_snake: Num<'a> = "output_dimensionality",
    }
}

wire_object! {
    struct BatchWire<'a> {
        requests: Vec<EmbedWire<'a>> = "requests",
    }
}

wire_object! {
    struct ContentWire<'a> {
        parts: Vec<PartWire<'a>> = "parts",
        role: Raw<'a> = "role",
    }
}

wire_object! {
    struct PartWire<'a> {
        text: Str<'a> = "text",
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GeminiAnswer<'a> {
    #[serde(borrow)]
    embeddings: Vec<Values<'a>>,
}

#[derive(Deserialize)]
struct Values<'a> {
    #[serde(borrow)]
    values: Raw<'a>,
}

#[derive(Deserialize)]
struct OpenAiAnswer<'a> {
    #[serde(borrow)]
    data: Vec<OpenAiVector<'a>>,
}

#[derive(Deserialize)]
struct OpenAiVector<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    embedding: Raw<'a>,
}

/// The question in the provider's words.
pub(super) fn prepare(asked: &Asked<'_>, target: &Target) -> Result<Prepared, PrepareError> {
    if asked.client == Dialect::Gemini { to_openai(asked, target) } else { to_gemini(asked, target) }
}

fn to_gemini(asked: &Asked<'_>, target: &Target) -> Result<Prepared, PrepareError> {
    let mut members = Members::of_json(asked.client, asked.body)?;
    let mut losses = Losses::default();
    members.skip("model");
    let texts = texts(members.raw("input"))?;
    let dimensions = members.number("dimensions")?;
    let base64 = match members.text("encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(DecodeError::at("encoding_format", "`encoding_format` must be float or base64").into()),
    };
    members.left(&mut losses);
    let mut body = Vec::with_capacity(asked.body.len() + 128 * texts.len());
    Writer::new(&mut body).object(|w| {
        w.key("requests").array(|w| {
            for text in &texts {
                w.object(|w| {
                    w.key("model").fmt(format_args!("models/{}", target.model));
                    w.key("content").object(|w| w.key("parts").array(|w| w.object(|w| w.key("text").str(text))));
                    w.opt_num("outputDimensionality", dimensions.as_ref());
                });
            }
        });
    });
    let tokens = texts.iter().map(|text| tokens::text(text)).sum();
    Ok(Prepared {
        path: format!("/models/{MODEL}:batchEmbedContents"),
        content_type: JSON.to_owned(),
        body,
        losses,
        state: State(Kept::Vectors { base64, texts: texts.len(), tokens }),
    })
}

/// The texts of `input`.
fn texts(input: Option<Raw<'_>>) -> Result<Vec<String>, PrepareError> {
    let wrong = || DecodeError::at("input", "`input` must be a text or a list of texts, with at least one");
    let input = input.ok_or_else(wrong)?;
    let texts = match input.read::<String>() {
        Some(text) => vec![text],
        None => match input.read::<Vec<String>>() {
            Some(texts) => texts,
            None if is_tokens(&input) => {
                let message = "this model takes texts, not tokens of another model; send `input` as text \
                               (LangChain: `check_embedding_ctx_length=False`)";
                return Err(EncodeError::at("input", message).into());
            }
            None => return Err(wrong().into()),
        },
    };
    if texts.is_empty() {
        return Err(wrong().into());
    }
    if texts.len() > GEMINI_TEXTS_MAX {
        let message = format!("this model takes at most {GEMINI_TEXTS_MAX} texts in one request; send them in several");
        return Err(EncodeError::at("input", message).into());
    }
    Ok(texts)
}

fn is_tokens(input: &Raw<'_>) -> bool {
    input.read::<Vec<u64>>().is_some() || input.read::<Vec<Vec<u64>>>().is_some()
}

fn to_openai(asked: &Asked<'_>, target: &Target) -> Result<Prepared, PrepareError> {
    let mut losses = Losses::default();
    let (requests, path) = if asked.operation == Operation::EmbedBatch {
        let batch: BatchWire<'_> = json::parse(asked.body).map_err(DecodeError::from)?;
        losses.drop_extra("", &batch.rest);
        (batch.requests.unwrap_or_default(), "requests[].")
    } else {
        (vec![json::parse::<EmbedWire<'_>>(asked.body).map_err(DecodeError::from)?], "")
    };
    if requests.is_empty() {
        return Err(DecodeError::at("requests", "`requests` is missing or empty; send one for each text").into());
    }
    let mut texts = Vec::with_capacity(requests.len());
    let mut dimensions: Vec<Option<Num<'_>>> = Vec::with_capacity(requests.len());
    for mut request in requests {
        request.rest.take("model");
        losses.drop_extra(path.trim_end_matches('.'), &request.rest);
        dimensions.push(request.dimensions.or(request.dimensions_snake));
        texts.push(text_of(request.content, path, &mut losses)?);
    }
    let first = dimensions.first().cloned().flatten();
    if dimensions.iter().any(|other| *other != first) {
        let message = "this model gives all vectors of one request the same length; send one request for each length";
        return Err(EncodeError::at("requests[].outputDimensionality", message).into());
    }
    let mut body = Vec::with_capacity(asked.body.len() + 128);
    Writer::new(&mut body).object(|w| {
        w.key("model").str(&target.model);
        w.key("input").array(|w| texts.iter().for_each(|text| w.str(text)));
        w.opt_num("dimensions", first.as_ref());
        w.key("encoding_format").str("float");
    });
    Ok(Prepared {
        path: "/embeddings".to_owned(),
        content_type: JSON.to_owned(),
        body,
        losses,
        state: State(Kept::Embeddings),
    })
}

/// The text of a content. Several parts are one text with line ends between them.
fn text_of(content: Option<ContentWire<'_>>, path: &str, losses: &mut Losses) -> Result<String, PrepareError> {
    let at = format!("{path}content");
    let parts = content.and_then(|content| content.parts).unwrap_or_default();
    if parts.is_empty() {
        let message = format!("`{at}` is missing or has no parts; send a text");
        return Err(DecodeError::at(at, message).into());
    }
    if parts.len() > 1 {
        losses.add(format!("{at}.parts"), Approximated);
    }
    let mut text = String::new();
    for (number, part) in parts.into_iter().enumerate() {
        let Some(said) = part.text else {
            let message = "this model makes vectors of texts only; send parts with `text`";
            return Err(EncodeError::at(format!("{at}.parts"), message).into());
        };
        if number > 0 {
            text.push('\n');
        }
        text.push_str(&said);
    }
    Ok(text)
}

/// Gemini's vectors for an OpenAI client.
pub(super) fn answer_openai(
    base64: bool,
    texts: usize,
    tokens: u64,
    body: &[u8],
    context: &ReplyContext,
) -> Result<Answered, ApiError> {
    let vectors = json::parse::<GeminiAnswer<'_>>(body).map_err(|_| unreadable())?.embeddings;
    if vectors.len() != texts {
        let message = format!("the provider gave {} vectors for {texts} texts", vectors.len());
        return Err(ApiError::new(ErrorKind::BadGateway, message));
    }
    let mut values = Vec::with_capacity(vectors.len());
    for vector in &vectors {
        values.push(if base64 { encoded(&vector.values)? } else { vector.values.get().to_owned() });
    }
    let mut losses = Losses::default();
    let usage = native::usage(Dialect::Gemini, body);
    if usage.is_none() {
        // The SDKs want a figure; the ledger is not told of this one.
        losses.add("usage", Approximated);
    }
    let input = usage.as_ref().map_or(tokens, Usage::input_total);
    let mut out = Vec::with_capacity(body.len() + 128);
    Writer::new(&mut out).object(|w| {
        w.key("object").str("list");
        w.key("data").array(|w| {
            for (index, value) in values.iter().enumerate() {
                w.object(|w| {
                    w.key("object").str("embedding");
                    w.key("index").u64(index as u64);
                    w.key("embedding").written(value.as_bytes());
                });
            }
        });
        w.key("model").str(&context.model);
        w.key("usage").object(|w| {
            w.key("prompt_tokens").u64(input);
            w.key("total_tokens").u64(input);
        });
    });
    Ok(Answered { content_type: JSON.to_owned(), body: out, usage, losses })
}

/// Numbers as OpenAI packs them: 32-bit floats, the low byte first, in base64. A JSON string.
fn encoded(values: &Raw<'_>) -> Result<String, ApiError> {
    let floats: Vec<f32> = values.read().ok_or_else(unreadable)?;
    let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
    Ok(format!("\"{}\"", STANDARD.encode(bytes)))
}

/// OpenAI's vectors for a Gemini client.
pub(super) fn answer_gemini(operation: Operation, body: &[u8]) -> Result<Answered, ApiError> {
    let mut data = json::parse::<OpenAiAnswer<'_>>(body).map_err(|_| unreadable())?.data;
    data.sort_by_key(|vector| vector.index);
    if data.is_empty() || data.iter().any(|vector| !vector.embedding.is_array()) {
        return Err(unreadable());
    }
    let usage = native::usage(Dialect::OpenAiChat, body);
    let mut losses = Losses::default();
    let write = |vector: &OpenAiVector<'_>, w: &mut Writer<'_>| w.object(|w| w.key("values").raw(&vector.embedding));
    let mut out = Vec::with_capacity(body.len() + 128);
    Writer::new(&mut out).object(|w| {
        if operation == Operation::EmbedBatch {
            w.key("embeddings").array(|w| data.iter().for_each(|vector| write(vector, w)));
        } else if let Some(first) = data.first() {
            if data.len() > 1 {
                losses.add("data", Dropped);
            }
            write(first, w.key("embedding"));
        }
        if let Some(usage) = &usage {
            w.key("usageMetadata").object(|w| w.key("promptTokenCount").u64(usage.input_total()));
        }
    });
    Ok(Answered { content_type: JSON.to_owned(), body: out, usage, losses })
}

fn unreadable() -> ApiError {
    ApiError::new(ErrorKind::BadGateway, "the provider did not answer with vectors")
}
