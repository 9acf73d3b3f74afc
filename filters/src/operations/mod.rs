//! What clients ask beside a model's answer: how many tokens a request has, embeddings, pictures, speech, and legacy
//! completions.
//!
//! | operation | OpenAI | Anthropic | Gemini |
//! |---|---|---|---|
//! | count tokens | `/v1/responses/input_tokens` | `/v1/messages/count_tokens` | `:countTokens` |
//! | embed | `/v1/embeddings` | – | `:embedContent`, `:batchEmbedContents` |
//! | complete | `/v1/completions` | as a message | as a content |
//! | pictures | `/v1/images/generations`, `/v1/images/edits` | – | `:generateContent` |
//! | transcribe, speak | `/v1/audio/transcriptions`, `/v1/audio/speech` | – | `:generateContent` |
//!
//! The proxy asks [`way`] whether a provider can be asked, [`prepare`] what to send and where to, and [`answer`] what the
//! client gets for the provider's answer. Where both sides speak one dialect only the model's name is edited, in place.
//! Errors of providers are no affair of this module: they are read and said as those of any request.

mod completions;
mod count;
mod embed;
mod generated;
mod images;
mod members;
mod native;
mod speak;
mod transcribe;
mod voices;
mod wav;

pub use completions::{CompletionsStream, chat_to_completion, completion_losses, completion_to_chat};
pub use count::tokens_of;

use crate::Dialect;
use crate::dialects::{DecodeError, EncodeError, Endpoint, Target};
use crate::ir::{ApiError, Losses, ReplyContext, Usage};
use crate::json::Writer;
use crate::request::PrepareError;

/// Stands in [`Prepared::path`] for the model's name, which the caller percent-encodes.
pub const MODEL: &str = "{model}";

/// The content type of JSON bodies.
const JSON: &str = "application/json";

/// A question other than a model's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// How many tokens a request has.
    CountTokens,
    /// Vectors of texts; in Gemini of one text.
    Embed,
    /// Gemini: vectors of several texts.
    EmbedBatch,
    /// OpenAI's legacy completion of a text.
    Complete,
    /// A picture from words.
    GenerateImage,
    /// A picture from pictures and words.
    EditImage,
    /// Speech to text.
    Transcribe,
    /// Text to speech.
    Speak,
}

impl Operation {
    /// All operations.
    pub const ALL: [Operation; 8] = [
        Operation::CountTokens,
        Operation::Embed,
        Operation::EmbedBatch,
        Operation::Complete,
        Operation::GenerateImage,
        Operation::EditImage,
        Operation::Transcribe,
        Operation::Speak,
    ];

    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Operation::CountTokens => "count_tokens",
            Operation::Embed => "embed",
            Operation::EmbedBatch => "embed_batch",
            Operation::Complete => "complete",
            Operation::GenerateImage => "generate_image",
            Operation::EditImage => "edit_image",
            Operation::Transcribe => "transcribe",
            Operation::Speak => "speak",
        }
    }
}

/// A question of a client as it came.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// What is asked.
    pub operation: Operation,
    /// The client's dialect. OpenAI's other endpoints have none of their own: either of its two serves.
    pub client: Dialect,
    /// What the URL says: the model, in Gemini.
    pub endpoint: Endpoint<'a>,
    /// The header `content-type`, with the boundary of a form.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// Whether a provider can be asked at all, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// In the client's own words: bytes pass, but for the model's name.
    Native,
    /// In other words.
    Translated,
    /// Not at all; the gateway answers by itself with [`estimated`].
    Estimated,
    /// Not at all.
    Impossible(EncodeError),
}

/// What to send.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The path behind the API's version, e.g. `/messages/count_tokens` or `/models/{model}:countTokens`, where
    /// [`MODEL`] stands for the model's name.
    pub path: String,
    /// The header `content-type`.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// What the provider is not told.
    pub losses: Losses,
    /// What [`answer`] needs.
    pub state: State,
}

/// What the translation of an answer needs to know of its request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State(Kept);

/// How an answer is to be read.
#[derive(Clone, Debug, Default, PartialEq)]
enum Kept {
    /// The client's own words: bytes pass.
    #[default]
    Native,
    /// A number of tokens.
    Count,
    /// Vectors for an OpenAI client.
    Vectors {
        /// Whether as base64 of 32-bit floats.
        base64: bool,
        /// How many texts were sent.
        texts: usize,
        /// Tokens of the texts as estimated, for a provider that does not count them.
        tokens: u64,
    },
    /// Vectors for a Gemini client.
    Embeddings,
    /// A message of the provider's dialect, as a completion.
    Completion,
    /// Pictures.
    Images {
        /// How many the client wants.
        wanted: u64,
    },
    /// What was said in a recording.
    Transcript {
        /// Whether as bare text instead of JSON.
        plain: bool,
    },
    /// Speech.
    Speech {
        /// Whether with a header of a WAV file.
        wav: bool,
    },
}

/// What the client gets.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The header `content-type`.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// Tokens spent, where the provider says so.
    pub usage: Option<Usage<'static>>,
    /// What of the answer the client is not told.
    pub losses: Losses,
}

/// The model named in the path or the body; without `models/` in Gemini.
///
/// # Errors
/// When the body is neither JSON nor a form, or names the model twice.
pub fn model_of(asked: &Asked<'_>) -> Result<Option<String>, DecodeError> {
    native::model_of(asked)
}

/// Whether the client wants the answer piece by piece. A body that cannot be read wants nothing.
pub fn streams(asked: &Asked<'_>) -> bool {
    native::streams(asked)
}

/// Whether a provider of the dialect `upstream` can be asked, and how. Cheap; [`prepare`] may still find a member that
/// cannot be said.
pub fn way(asked: &Asked<'_>, upstream: Dialect, target: &Target) -> Way {
    use Operation::{Complete, CountTokens, EditImage, Embed, EmbedBatch, GenerateImage, Speak, Transcribe};
    let of_gemini = asked.client == Dialect::Gemini;
    match asked.operation {
        CountTokens => count::way(asked, upstream),
        Embed | EmbedBatch if of_gemini => match upstream {
            Dialect::Gemini => Way::Native,
            Dialect::OpenAiChat => Way::Translated,
            Dialect::Anthropic | Dialect::OpenAiResponses => impossible(asked, upstream, target),
        },
        Complete => match upstream {
            Dialect::OpenAiChat => Way::Native,
            Dialect::OpenAiResponses | Dialect::Anthropic | Dialect::Gemini => Way::Translated,
        },
        Embed | EmbedBatch | GenerateImage | EditImage | Transcribe | Speak => match upstream {
            Dialect::OpenAiChat => Way::Native,
            Dialect::Gemini => Way::Translated,
            Dialect::Anthropic | Dialect::OpenAiResponses => impossible(asked, upstream, target),
        },
    }
}

fn impossible(asked: &Asked<'_>, upstream: Dialect, target: &Target) -> Way {
    let what = match asked.operation {
        Operation::Embed | Operation::EmbedBatch => "embeddings",
        Operation::GenerateImage | Operation::EditImage => "pictures",
        Operation::Transcribe => "transcriptions",
        Operation::Speak => "speech",
        Operation::CountTokens | Operation::Complete => "this",
    };
    let message = format!(
        "the model {:?} is served in the dialect {}, which has no endpoint for {what}; ask a model that is served by an \
         OpenAI Chat or a Gemini provider",
        target.model,
        upstream.name()
    );
    Way::Impossible(EncodeError::at("model", message))
}

/// What to send to a provider of the dialect `upstream`. Translated completions are asked for as a whole, also when the
/// client wants events: for those there are [`completion_to_chat`] and [`CompletionsStream`].
///
/// # Errors
/// When the client's body cannot be read, or the provider cannot be told.
pub fn prepare(asked: &Asked<'_>, upstream: Dialect, target: &Target) -> Result<Prepared, PrepareError> {
    match way(asked, upstream, target) {
        Way::Native => native::prepare(asked, target),
        Way::Impossible(error) => Err(error.into()),
        Way::Estimated => Err(EncodeError::at(
            "model",
            "this provider does not count tokens; the gateway has to answer with its own estimate",
        )
        .into()),
        Way::Translated => match asked.operation {
            Operation::CountTokens => count::prepare(asked, upstream, target),
            Operation::Embed | Operation::EmbedBatch => embed::prepare(asked, target),
            Operation::Complete => completions::prepare(asked, upstream, target),
            Operation::GenerateImage | Operation::EditImage => images::prepare(asked, target),
            Operation::Transcribe => transcribe::prepare(asked, target),
            Operation::Speak => speak::prepare(asked, target),
        },
    }
}

/// What the client gets for a provider's good answer.
///
/// # Errors
/// When the answer cannot be read, or holds nothing of what was asked.
pub fn answer(
    asked: &Asked<'_>,
    upstream: Dialect,
    state: &State,
    content_type: &str,
    body: &[u8],
    context: &ReplyContext,
) -> Result<Answered, ApiError> {
    match &state.0 {
        Kept::Native => Ok(native::answer(upstream, content_type, body)),
        Kept::Count => count::answer(asked, upstream, body),
        Kept::Vectors { base64, texts, tokens } => embed::answer_openai(*base64, *texts, *tokens, body, context),
        Kept::Embeddings => embed::answer_gemini(asked.operation, body),
        Kept::Completion => completions::answer(upstream, body, context),
        Kept::Images { wanted } => images::answer(*wanted, body, context),
        Kept::Transcript { plain } => transcribe::answer(*plain, body),
        Kept::Speech { wav } => speak::answer(*wav, body),
    }
}

/// The answer that the gateway gives by itself to a question for the number of tokens.
pub fn estimated(asked: &Asked<'_>, tokens: u64) -> Vec<u8> {
    count::write(asked.client, tokens)
}

/// A part of a Gemini content that holds a medium.
fn inline(mime: &str, base64: &str, w: &mut Writer<'_>) {
    w.object(|w| {
        w.key("inlineData").object(|w| {
            w.key("mimeType").str(mime);
            w.key("data").str(base64);
        });
    });
}

#[cfg(test)]
mod tests;
