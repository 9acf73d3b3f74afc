//! Numbers of tokens. Agents ask for them before every turn, so nothing is decoded that need not be.
//!
//! What bears on the number (turns, tools, thinking) goes to the provider; what only bears on the answer (sampling, caps,
//! users) does not, since the endpoints refuse it.

use serde::Deserialize;

use super::{Answered, Asked, JSON, Kept, MODEL, Prepared, State, Way};
use crate::Dialect;
use crate::dialects::{DecodeError, EncodeError, Endpoint, Target, decode_request, encode_request};
use crate::ir::{ApiError, ErrorKind, Losses, Request, Sampling, Signature};
use crate::json::skim::skim;
use crate::json::{self, Num, Raw, Writer};
use crate::lane::refusal;
use crate::request::PrepareError;
use crate::tokens;
use crate::wire_object;

wire_object! {
    /// A body of Gemini's, which may hold the request as a whole.
    struct Outer<'a> {
        request: Raw<'a> = "generateContentRequest",
        request_snake: Raw<'a> = "generate_content_request",
    }
}

wire_object! {
    /// Any object.
    struct Object<'a> {}
}

/// Every endpoint's answer.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Counted<'a> {
    #[serde(borrow)]
    input_tokens: Option<Num<'a>>,
    #[serde(borrow, rename = "totalTokens")]
    total_tokens: Option<Num<'a>>,
}

/// What Anthropic's endpoint takes (docs.claude.com, "Count Message tokens").
const ANTHROPIC: [&str; 11] = [
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "cache_control",
    "output_config",
    "output_format",
    "mcp_servers",
    "context_management",
];
/// What OpenAI's endpoint takes (developers.openai.com, "Get input token counts").
const RESPONSES: [&str; 11] = [
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "truncation",
    "previous_response_id",
    "conversation",
];
/// What bears on the number in Gemini's request, in both spellings (ai.google.dev, "Counting tokens").
const GEMINI: [&str; 8] = [
    "contents",
    "systemInstruction",
    "system_instruction",
    "tools",
    "toolConfig",
    "tool_config",
    "cachedContent",
    "cached_content",
];

/// Whether the provider counts, and whether it is asked in the client's own words.
pub(super) fn way(asked: &Asked<'_>, upstream: Dialect) -> Way {
    let body = inner(asked);
    let body = body.as_ref().map_or(asked.body, |raw| raw.get().as_bytes());
    // A body that cannot be skimmed is refused when it is read.
    if let Some(error) = skim(asked.client, body).ok().and_then(|skim| refusal(asked.client, upstream, &skim)) {
        return Way::Impossible(error);
    }
    match upstream {
        Dialect::OpenAiChat => Way::Estimated,
        // A seal of another provider is taken out by the decoder; this provider would answer it with an error.
        _ if asked.client == upstream && !Signature::is_carried_in(asked.body) => Way::Native,
        _ => Way::Translated,
    }
}

/// The endpoint that counts.
pub(super) fn path(dialect: Dialect) -> String {
    match dialect {
        Dialect::Anthropic => "/messages/count_tokens".to_owned(),
        Dialect::Gemini => format!("/models/{MODEL}:countTokens"),
        Dialect::OpenAiResponses | Dialect::OpenAiChat => "/responses/input_tokens".to_owned(),
    }
}

/// The question in the words of `upstream`.
pub(super) fn prepare(asked: &Asked<'_>, upstream: Dialect, target: &Target) -> Result<Prepared, PrepareError> {
    let inner = inner(asked);
    let body = inner.as_ref().map_or(asked.body, |raw| raw.get().as_bytes());
    let mut request = decode_request(asked.client, body, &asked.endpoint)?;
    keep_input(&mut request);
    let target = Target { stream: false, ..target.clone() };
    let mut encoded = Vec::with_capacity(body.len() + 256);
    let losses = encode_request(upstream, &request, &target, &mut encoded)?.losses;
    let mut out = Vec::with_capacity(encoded.len() + 128);
    match upstream {
        Dialect::Anthropic => only(&encoded, &ANTHROPIC, &mut Writer::new(&mut out), |_| {})?,
        Dialect::OpenAiResponses => only(&encoded, &RESPONSES, &mut Writer::new(&mut out), |_| {})?,
        Dialect::Gemini => {
            let mut result = Ok(());
            Writer::new(&mut out).object(|w| {
                let model = |w: &mut Writer<'_>| w.key("model").fmt(format_args!("models/{}", target.model));
                result = only(&encoded, &GEMINI, w.key("generateContentRequest"), model);
            });
            result?;
        }
        Dialect::OpenAiChat => return Err(EncodeError::at("model", "a Chat provider does not count tokens").into()),
    }
    Ok(Prepared { path: path(upstream), content_type: JSON.to_owned(), body: out, losses, state: State(Kept::Count) })
}

/// Takes out what bears only on the answer, so that it is neither sent nor reported as lost.
fn keep_input(request: &mut Request<'_>) {
    request.stream = false;
    request.sampling = Sampling::default();
    request.max_output_tokens = None;
    request.stop.clear();
    request.candidates = None;
    request.user = None;
    request.service_tier = None;
    request.metadata = None;
    request.prompt_cache_key = None;
    request.verbosity = None;
    request.store = None;
    request.logprobs = None;
    // Gemini repeats it inside of the request.
    request.extra.take("model");
    request.extra.take("stream");
    request.extra.take("stream_options");
    request.extra.take("service_tier");
    request.extra.take("metadata");
    request.extra.take("prompt_cache_key");
    request.extra.take("store");
}

/// Writes the members of `object` that are in `names`, behind those that `first` writes.
fn only(
    object: &[u8],
    names: &[&str],
    w: &mut Writer<'_>,
    first: impl FnOnce(&mut Writer<'_>),
) -> Result<(), DecodeError> {
    let members: Object<'_> = json::parse(object)?;
    w.object(|w| {
        first(w);
        for (key, value) in members.rest.iter().filter(|(key, _)| names.contains(key)) {
            w.key(key).raw(value);
        }
    });
    Ok(())
}

/// The request that a Gemini client wraps, if it does.
fn inner<'a>(asked: &Asked<'a>) -> Option<Raw<'a>> {
    if asked.client != Dialect::Gemini {
        return None;
    }
    let outer: Outer<'a> = json::parse(asked.body).ok()?;
    outer.request.or(outer.request_snake)
}

/// The number in the client's words.
pub(super) fn answer(asked: &Asked<'_>, upstream: Dialect, body: &[u8]) -> Result<Answered, ApiError> {
    let unreadable = || {
        let message = format!("the {} provider did not answer with a number of tokens", upstream.name());
        ApiError::new(ErrorKind::BadGateway, message)
    };
    let counted: Counted<'_> = json::parse(body).map_err(|_| unreadable())?;
    let number = if upstream == Dialect::Gemini { counted.total_tokens } else { counted.input_tokens };
    let tokens = number.as_ref().and_then(Num::as_u64).ok_or_else(unreadable)?;
    Ok(Answered {
        content_type: JSON.to_owned(),
        body: write(asked.client, tokens),
        usage: None,
        losses: Losses::default(),
    })
}

/// The answer to a client of the dialect `client`.
pub(super) fn write(client: Dialect, tokens: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    Writer::new(&mut out).object(|w| match client {
        Dialect::Anthropic => w.key("input_tokens").u64(tokens),
        Dialect::Gemini => w.key("totalTokens").u64(tokens),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            w.key("object").str("response.input_tokens");
            w.key("input_tokens").u64(tokens);
        }
    });
    out
}

/// The estimated number of tokens of a request whose tokens are to be counted, also when it cannot be read. Bare: without
/// what a [`Calibrator`](crate::tokens::Calibrator) knows of the model.
pub fn tokens_of(asked: &Asked<'_>) -> u64 {
    let inner = inner(asked);
    let body = inner.as_ref().map_or(asked.body, |raw| raw.get().as_bytes());
    let endpoint = Endpoint { stream: Some(false), ..asked.endpoint.clone() };
    match decode_request(asked.client, body, &endpoint) {
        Ok(request) => tokens::estimate(&request),
        Err(_) => tokens::estimate_body(body),
    }
}
