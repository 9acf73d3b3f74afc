//! Legacy completions (`/v1/completions`). A provider of OpenAI Chat gets them as they came; for all others the text
//! becomes a Chat request with one user turn, and the answer's message becomes a text again.

mod logprobs;
mod stream;

pub use stream::CompletionsStream;

use serde::Deserialize;

use super::members::Members;
use super::{Answered, Asked, JSON, Kept, MODEL, Prepared, State};
use crate::Dialect;
use crate::dialects::{DecodeError, EncodeError, Endpoint, Target, decode_request, decode_response};
use crate::dialects::{encode_request, encode_response};
use crate::ir::LossKind::Dropped;
use crate::ir::{ApiError, ErrorKind, Losses, ReplyContext};
use crate::json::{self, Extra, Raw, Str, Writer};
use crate::request::PrepareError;

/// Members that Chat has under the same name with the same meaning.
const SHARED: [&str; 12] = [
    "model",
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "stream",
    "stream_options",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "user",
];

/// What begins the ids of Chat answers, and what those of completions.
const IDS: (&str, &str) = ("chatcmpl-", "cmpl-");

/// A Chat answer, or a chunk of one.
#[derive(Deserialize)]
struct Chat<'a> {
    #[serde(borrow, default)]
    id: Option<Str<'a>>,
    #[serde(borrow, default)]
    created: Option<Raw<'a>>,
    #[serde(borrow, default)]
    model: Option<Raw<'a>>,
    #[serde(borrow, default)]
    system_fingerprint: Option<Raw<'a>>,
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    #[serde(borrow, default)]
    usage: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, default, alias = "delta")]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Str<'a>>,
    #[serde(borrow, default)]
    logprobs: Option<Raw<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Str<'a>>,
    #[serde(borrow)]
    refusal: Option<Str<'a>>,
}

impl Choice<'_> {
    /// What is said, and what is said to decline; one of them is empty.
    fn said(&self) -> [&str; 2] {
        let message = self.message.as_ref();
        [
            message.and_then(|message| message.content.as_deref()).unwrap_or_default(),
            message.and_then(|message| message.refusal.as_deref()).unwrap_or_default(),
        ]
    }
}

/// The body of a Chat request that asks what a body of `/v1/completions` asks. A cap of tokens that the client leaves out
/// stays out: OpenAI's legacy models then stopped after 16 tokens, which nobody wants of a model that reasons.
///
/// # Errors
/// When the body cannot be read, or asks what Chat cannot say: several prompts, prompts of tokens, `echo`, `suffix`.
pub fn completion_to_chat(body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    match chat(body) {
        Ok((chat, _)) => Ok(chat),
        Err(PrepareError::Decode(error)) => Err(error),
        Err(PrepareError::Encode(EncodeError { message, param })) => Err(DecodeError { message, param }),
        Err(PrepareError::Splice(error)) => Err(DecodeError::new(error.to_string())),
    }
}

/// What [`completion_to_chat`] leaves out; nothing when the body cannot be translated.
pub fn completion_losses(body: &[u8]) -> Losses {
    chat(body).map(|(_, losses)| losses).unwrap_or_default()
}

fn chat(body: &[u8]) -> Result<(Vec<u8>, Losses), PrepareError> {
    let mut members = Members::of_json(Dialect::OpenAiChat, body)?;
    let mut losses = Losses::default();
    let prompt = prompt(members.raw("prompt"))?;
    if members.flag("echo")? == Some(true) {
        let message = "this model does not repeat the prompt; leave `echo` out and put the prompt before the answer";
        return Err(EncodeError::at("echo", message).into());
    }
    if members.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        let message = "this model does not fill in before a `suffix`; say in the prompt what shall follow";
        return Err(EncodeError::at("suffix", message).into());
    }
    let mut shared = Extra::default();
    for name in SHARED {
        if let Some(value) = members.raw(name) {
            shared.push(name, value);
        }
    }
    let wanted = shared.get("n").and_then(Raw::read::<u64>).unwrap_or(1);
    if members.count("best_of", 0, u64::from(u32::MAX))?.is_some_and(|best_of| best_of > wanted.max(1)) {
        losses.add("best_of", Dropped);
    }
    let logprobs = members.count("logprobs", 0, 20)?;
    members.left(&mut losses);
    let mut out = Vec::with_capacity(body.len() + 64);
    Writer::new(&mut out).object(|w| {
        w.key("messages").array(|w| {
            w.object(|w| {
                w.key("role").str("user");
                w.key("content").str(&prompt);
            });
        });
        w.extra(&shared);
        if let Some(top) = logprobs {
            w.key("logprobs").bool(true);
            if top > 0 {
                w.key("top_logprobs").u64(top);
            }
        }
    });
    Ok((out, losses))
}

/// The one text of `prompt`.
fn prompt(prompt: Option<Raw<'_>>) -> Result<String, PrepareError> {
    let wrong = || DecodeError::at("prompt", "`prompt` is missing; send a text");
    let prompt = prompt.ok_or_else(wrong)?;
    let text = prompt.read::<String>().or_else(|| prompt.read::<[String; 1]>().map(|[text]| text));
    match text {
        Some(text) if text.is_empty() => Err(DecodeError::at("prompt", "`prompt` is empty; send a text").into()),
        Some(text) => Ok(text),
        None if prompt.read::<Vec<String>>().is_some_and(|prompts| prompts.len() > 1) => {
            let message = "this model takes one prompt in a request; send each prompt by itself";
            Err(EncodeError::at("prompt", message).into())
        }
        None if prompt.is_array() => {
            let message = "this model takes texts, not tokens of another model; send `prompt` as one text";
            Err(EncodeError::at("prompt", message).into())
        }
        None => Err(wrong().into()),
    }
}

/// The question in the words of `upstream`, for a whole answer.
pub(super) fn prepare(asked: &Asked<'_>, upstream: Dialect, target: &Target) -> Result<Prepared, PrepareError> {
    let (chat, mut losses) = chat(asked.body)?;
    let mut request = decode_request(Dialect::OpenAiChat, &chat, &Endpoint::default())?;
    request.stream = false;
    let target = Target { stream: false, ..target.clone() };
    let mut body = Vec::with_capacity(chat.len() + 256);
    losses.extend(&encode_request(upstream, &request, &target, &mut body)?.losses);
    let path = match upstream {
        Dialect::OpenAiChat => "/chat/completions".to_owned(),
        Dialect::OpenAiResponses => "/responses".to_owned(),
        Dialect::Anthropic => "/messages".to_owned(),
        Dialect::Gemini => format!("/models/{MODEL}:generateContent"),
    };
    Ok(Prepared { path, content_type: JSON.to_owned(), body, losses, state: State(Kept::Completion) })
}

/// A whole answer of `upstream` as a completion.
pub(super) fn answer(upstream: Dialect, body: &[u8], context: &ReplyContext) -> Result<Answered, ApiError> {
    let bad = |error: DecodeError| ApiError::new(ErrorKind::BadGateway, error.message);
    let response = decode_response(upstream, body).map_err(bad)?;
    let usage = response.usage.as_ref().map(|usage| usage.counts().into_owned());
    let mut chat = Vec::with_capacity(body.len() + 256);
    // A text has no place for thoughts.
    let context = ReplyContext { reasoning_content: false, ..context.clone() };
    let losses = encode_response(Dialect::OpenAiChat, &response, &context, &mut chat);
    let body = chat_to_completion(&chat).map_err(bad)?;
    Ok(Answered { content_type: JSON.to_owned(), body, usage, losses })
}

/// A whole Chat answer as the answer of `/v1/completions`.
///
/// # Errors
/// When the body is no Chat answer.
pub fn chat_to_completion(body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let chat: Chat<'_> = json::parse(body).map_err(|_| DecodeError::new("the answer is no Chat completion"))?;
    let mut out = Vec::with_capacity(body.len());
    let mut texts = logprobs::Offsets::default();
    write(&chat, &mut texts, &mut Writer::new(&mut out));
    Ok(out)
}

/// Writes an answer, or a chunk of one, as a completion.
fn write(chat: &Chat<'_>, offsets: &mut logprobs::Offsets, w: &mut Writer<'_>) {
    w.object(|w| {
        let id = chat.id.as_deref().unwrap_or_default();
        match id.strip_prefix(IDS.0) {
            Some(rest) => w.key("id").fmt(format_args!("{}{rest}", IDS.1)),
            None => w.key("id").str(id),
        }
        w.key("object").str("text_completion");
        w.opt_raw("created", chat.created.as_ref());
        w.opt_raw("model", chat.model.as_ref());
        w.opt_raw("system_fingerprint", chat.system_fingerprint.as_ref());
        w.key("choices").array(|w| {
            for choice in &chat.choices {
                let [text, refusal] = choice.said();
                w.object(|w| {
                    w.key("text").fmt(format_args!("{text}{refusal}"));
                    w.key("index").u64(choice.index);
                    offsets.write(choice.index, choice.logprobs.as_ref(), w.key("logprobs"));
                    match &choice.finish_reason {
                        Some(reason) => w.key("finish_reason").str(reason),
                        None => w.key("finish_reason").null(),
                    }
                });
            }
        });
        w.opt_raw("usage", chat.usage.as_ref());
    });
}
