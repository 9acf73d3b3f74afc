//! From a [`Dialect`] at run time to the functions of its folder. A new dialect is one more line in [`each!`].

use super::{DecodeError, Dialect, EncodeError, Encoded, Endpoint, Target};
use super::{anthropic, gemini, openai_chat, openai_responses, stored};
use crate::continuation::Transcript;
use crate::ir::stream::{BlockStart, Delta, Sink};
use crate::ir::{ApiError, Citation, Event, Logprob, Losses, ReplyContext, Request, Response, Tool, WebSearch};
use crate::json::{Raw, Str};
use crate::repair::shell;
use crate::sse::SseEvent;

/// Evaluates an expression with `module` standing for the folder of `$dialect`.
macro_rules! each {
    ($dialect:expr, $module:ident => $($call:tt)+) => {
        match $dialect {
            Dialect::OpenAiChat => { use openai_chat as $module; $($call)+ }
            Dialect::OpenAiResponses => { use openai_responses as $module; $($call)+ }
            Dialect::Anthropic => { use anthropic as $module; $($call)+ }
            Dialect::Gemini => { use gemini as $module; $($call)+ }
        }
    };
}

/// Reads a request in the words of `dialect`.
///
/// # Errors
/// When the body is not a request of that dialect; the error names the member at fault.
pub fn decode_request<'a>(
    dialect: Dialect,
    body: &'a [u8],
    endpoint: &Endpoint<'a>,
) -> Result<Request<'a>, DecodeError> {
    each!(dialect, module => module::decode_request(body, endpoint))
}

/// Appends the request in the words of `dialect` to `out`.
///
/// # Errors
/// When the request cannot be said honestly in that dialect; `out` may then hold a part.
pub fn encode_request(
    dialect: Dialect,
    request: &Request<'_>,
    target: &Target,
    out: &mut Vec<u8>,
) -> Result<Encoded, EncodeError> {
    if request.origin == Dialect::OpenAiResponses && dialect != request.origin {
        openai_responses::refuse_stored(request)?;
    }
    stored::refuse_foreign_files(request, dialect)?;
    let mut encoded = each!(dialect, module => module::encode_request(request, target, out))?;
    if target.repairs.shell_commands {
        encoded.notes.shell_commands = shell::wanting(&request.tools);
    }
    Ok(encoded)
}

/// Reads a whole answer in the words of `dialect`.
///
/// # Errors
/// When the body is not an answer of that dialect.
pub fn decode_response(dialect: Dialect, body: &[u8]) -> Result<Response<'_>, DecodeError> {
    each!(dialect, module => module::decode_response(body))
}

/// Appends the whole answer in the words of `dialect` to `out`, and gives what that dialect could not say.
pub fn encode_response(dialect: Dialect, response: &Response<'_>, context: &ReplyContext, out: &mut Vec<u8>) -> Losses {
    each!(dialect, module => module::encode_response(response, context, out))
}

/// Reads the citations of a text block, which are in the words of `dialect` ([`BlockKind::Text`](crate::ir::BlockKind)
/// `citations`, or one [`Delta::Citation`](crate::ir::stream::Delta)). `text` is the block's text so far.
pub fn read_citations<'a>(dialect: Dialect, raw: &'a Raw<'_>, text: &str) -> Vec<Citation<'a>> {
    each!(dialect, module => module::read_citations(raw, text))
}

/// Reads log probabilities in the words of `dialect`: what stands in a choice, or one
/// [`Delta::Logprobs`](crate::ir::stream::Delta).
pub fn read_logprobs<'a>(dialect: Dialect, raw: &'a Raw<'_>) -> Vec<Logprob<'a>> {
    each!(dialect, module => module::read_logprobs(raw))
}

/// Reads a tool that the provider runs itself as a web search; `None` when it is another.
pub fn read_web_search<'a>(dialect: Dialect, tool: &'a Tool<'_>) -> Option<WebSearch<'a>> {
    each!(dialect, module => module::read_web_search(tool))
}

/// Reads an error body in the words of `dialect`; any bytes give an error.
pub fn decode_error(dialect: Dialect, status: u16, body: &[u8]) -> ApiError {
    each!(dialect, module => module::decode_error(status, body))
}

/// Appends the error body in the words of `dialect` to `out`, and gives its HTTP status.
pub fn encode_error(dialect: Dialect, error: &ApiError, out: &mut Vec<u8>) -> u16 {
    each!(dialect, module => module::encode_error(error, out))
}

/// The stream decoder of some dialect.
#[derive(Debug)]
pub enum StreamDecoder {
    /// OpenAI Chat Completions.
    Chat(Box<openai_chat::StreamDecoder>),
    /// OpenAI Responses.
    Responses(Box<openai_responses::StreamDecoder>),
    /// Anthropic Messages.
    Anthropic(Box<anthropic::StreamDecoder>),
    /// Gemini.
    Gemini(Box<gemini::StreamDecoder>),
}

impl StreamDecoder {
    /// A decoder at the start of a stream of `dialect`.
    pub fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenAiChat => StreamDecoder::Chat(Box::default()),
            Dialect::OpenAiResponses => StreamDecoder::Responses(Box::default()),
            Dialect::Anthropic => StreamDecoder::Anthropic(Box::default()),
            Dialect::Gemini => StreamDecoder::Gemini(Box::default()),
        }
    }

    /// One event of the provider to events of the answer, in the shape that [`Event`] promises.
    pub fn event(&mut self, event: SseEvent<'_>, sink: &mut Sink<'_>) {
        match self {
            StreamDecoder::Chat(decoder) => decoder.event(event, sink),
            StreamDecoder::Responses(decoder) => decoder.event(event, sink),
            StreamDecoder::Anthropic(decoder) => decoder.event(event, sink),
            StreamDecoder::Gemini(decoder) => decoder.event(event, sink),
        }
    }

    /// The provider's bytes have ended.
    pub fn finish(&mut self, sink: &mut Sink<'_>) {
        match self {
            StreamDecoder::Chat(decoder) => decoder.finish(sink),
            StreamDecoder::Responses(decoder) => decoder.finish(sink),
            StreamDecoder::Anthropic(decoder) => decoder.finish(sink),
            StreamDecoder::Gemini(decoder) => decoder.finish(sink),
        }
    }

    /// Whether the terminal event was given.
    pub fn ended(&self) -> bool {
        match self {
            StreamDecoder::Chat(decoder) => decoder.ended(),
            StreamDecoder::Responses(decoder) => decoder.ended(),
            StreamDecoder::Anthropic(decoder) => decoder.ended(),
            StreamDecoder::Gemini(decoder) => decoder.ended(),
        }
    }
}

/// The stream encoder of some dialect.
pub enum StreamEncoder {
    /// OpenAI Chat Completions.
    Chat(Box<openai_chat::StreamEncoder>),
    /// OpenAI Responses.
    Responses(Box<openai_responses::StreamEncoder>),
    /// Anthropic Messages.
    Anthropic(Box<anthropic::StreamEncoder>),
    /// Gemini.
    Gemini(Box<gemini::StreamEncoder>),
}

impl StreamEncoder {
    /// An encoder at the start of a stream of `dialect`.
    pub fn new(dialect: Dialect, context: ReplyContext) -> Self {
        match dialect {
            Dialect::OpenAiChat => StreamEncoder::Chat(Box::new(openai_chat::StreamEncoder::new(context))),
            Dialect::OpenAiResponses => {
                StreamEncoder::Responses(Box::new(openai_responses::StreamEncoder::new(context)))
            }
            Dialect::Anthropic => StreamEncoder::Anthropic(Box::new(anthropic::StreamEncoder::new(context))),
            Dialect::Gemini => StreamEncoder::Gemini(Box::new(gemini::StreamEncoder::new(context))),
        }
    }

    /// An encoder that goes on with a stream of `dialect` of which the client has the beginning from a provider of its own
    /// dialect: nothing of that is written again.
    pub fn resumed(dialect: Dialect, mut context: ReplyContext, transcript: &Transcript) -> Self {
        if let Some(model) = transcript.model() {
            model.clone_into(&mut context.model);
        }
        let mut encoder = StreamEncoder::new(dialect, context);
        let unseen = &mut Vec::new();
        let own = |text: &str| Str::from(text.to_owned());
        encoder.event(Event::Start { id: transcript.id().map(own), model: transcript.model().map(own) }, unseen);
        if let Some(index) = transcript.open() {
            encoder.event(Event::BlockStart { index, choice: 0, block: BlockStart::Text }, unseen);
            let text = Str::from(transcript.said_in_open());
            encoder.event(Event::Delta { index, delta: Delta::Text(text) }, unseen);
        }
        if let Some(thought) = transcript.thought() {
            let block = BlockStart::Reasoning { redacted: false, id: None };
            encoder.event(Event::BlockStart { index: thought.index, choice: 0, block }, unseen);
        }
        if let Some(passed) = &transcript.passed {
            let thought = transcript.thought();
            match &mut encoder {
                StreamEncoder::Chat(encoder) => encoder.adopt(passed, transcript.said()),
                StreamEncoder::Responses(encoder) => {
                    let parts = thought.map_or(&[][..], |thought| thought.parts.as_slice());
                    encoder.adopt(passed, transcript.said_in_open(), parts);
                }
                StreamEncoder::Anthropic(encoder) => {
                    encoder.adopt(passed, thought.is_some_and(|thought| thought.sealed));
                }
                // Chunks have neither numbers nor beginnings.
                StreamEncoder::Gemini(_) => {}
            }
        }
        encoder
    }

    /// Appends one guarded event as server-sent events to `out`. After `End` and `Error` the stream is complete.
    pub fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match self {
            StreamEncoder::Chat(encoder) => encoder.event(event, out),
            StreamEncoder::Responses(encoder) => encoder.event(event, out),
            StreamEncoder::Anthropic(encoder) => encoder.event(event, out),
            StreamEncoder::Gemini(encoder) => encoder.event(event, out),
        }
    }

    /// What the client's dialect could not say so far.
    pub fn losses(&self) -> &Losses {
        match self {
            StreamEncoder::Chat(encoder) => encoder.losses(),
            StreamEncoder::Responses(encoder) => encoder.losses(),
            StreamEncoder::Anthropic(encoder) => encoder.losses(),
            StreamEncoder::Gemini(encoder) => encoder.losses(),
        }
    }
}
