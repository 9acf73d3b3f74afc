//! What a turn is made of.

use super::Signature;
use crate::Dialect;
use crate::json::{Extra, Raw, Str};

/// One part of a turn or of an answer.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// What it is.
    pub kind: BlockKind<'a>,
    /// The provider's seal on this very block (Anthropic thinking, Gemini parts, Responses reasoning items). It belongs
    /// here and nowhere else: encoders must not merge blocks that carry one.
    pub signature: Option<Signature<'a>>,
    /// Prompt-cache mark (Anthropic `cache_control`).
    pub cache: Option<CacheMark<'a>>,
    /// Members without a field, in the dialect of `origin`.
    pub extra: Extra<'a>,
    /// Spelling bits of the dialect of `origin`.
    pub form: u8,
}

impl<'a> Block<'a> {
    /// A block with nothing but its kind.
    pub fn new(kind: BlockKind<'a>) -> Self {
        Block { kind, signature: None, cache: None, extra: Extra::default(), form: 0 }
    }

    /// A text block.
    pub fn text(text: impl Into<Str<'a>>) -> Self {
        Block::new(BlockKind::Text { text: text.into(), citations: None })
    }
}

/// `cache_control` as written: an object such as `{"type":"ephemeral","ttl":"1h"}`.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheMark<'a>(pub Raw<'a>);

/// What a block is.
#[derive(Clone, Debug)]
pub enum BlockKind<'a> {
    /// Text.
    Text {
        /// The text.
        text: Str<'a>,
        /// Citations or annotations as written in the dialect of `origin`.
        citations: Option<Raw<'a>>,
    },
    /// A picture.
    Image(Media<'a>),
    /// Sound.
    Audio(Media<'a>),
    /// Moving pictures.
    Video(Media<'a>),
    /// A document, e.g. PDF.
    File(Media<'a>),
    /// The model calls a tool.
    ToolUse(ToolUse<'a>),
    /// What the tool answered.
    ToolResult(ToolResult<'a>),
    /// The model thinks.
    Reasoning(ReasoningBlock<'a>),
    /// The model declines, in words.
    Refusal {
        /// Its words.
        text: Str<'a>,
    },
    /// A part that only one dialect knows (server tools and their results, `item_reference`, executable code).
    Opaque {
        /// The dialect that knows it.
        dialect: Dialect,
        /// The part as written.
        raw: Raw<'a>,
    },
}

/// A picture, sound, film or document.
#[derive(Clone, Debug)]
pub struct Media<'a> {
    /// MIME type where known, e.g. `image/png`.
    pub mime: Option<Str<'a>>,
    /// Where its bytes are.
    pub source: MediaSource<'a>,
    /// File name (OpenAI `filename`) or title (Anthropic `title`).
    pub name: Option<Str<'a>>,
}

impl Media<'_> {
    /// Detaches the medium from the body it was read from.
    pub fn into_owned(self) -> Media<'static> {
        let source = match self.source {
            MediaSource::Base64(text) => MediaSource::Base64(text.into_owned()),
            MediaSource::Url(text) => MediaSource::Url(text.into_owned()),
            MediaSource::Text(text) => MediaSource::Text(text.into_owned()),
            MediaSource::FileId(text) => MediaSource::FileId(text.into_owned()),
        };
        Media { mime: self.mime.map(Str::into_owned), source, name: self.name.map(Str::into_owned) }
    }
}

/// Where a medium's bytes are.
#[derive(Clone, Debug)]
pub enum MediaSource<'a> {
    /// Base64 in the standard alphabet, padded; decoders of dialects with another alphabet convert.
    Base64(Str<'a>),
    /// An address that the provider fetches. The gateway never does.
    Url(Str<'a>),
    /// Plain text (Anthropic text documents).
    Text(Str<'a>),
    /// An id of the provider's file store, bound to the account that uploaded it.
    FileId(Str<'a>),
}

/// Who runs a called tool, and how its input is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolUseKind {
    /// A function of the client: `input` is JSON text.
    Function,
    /// A freeform tool of the client: `input` is plain text.
    Custom,
}

/// A call of one of the client's tools. Calls of provider-run tools are [`BlockKind::Opaque`].
#[derive(Clone, Debug)]
pub struct ToolUse<'a> {
    /// Id that the result refers to. Decoders make one where the dialect has none (Gemini), so it is never empty.
    pub id: Str<'a>,
    /// The tool's name.
    pub name: Str<'a>,
    /// Arguments: for a function JSON text, normally an object, kept as the model wrote it, which may be invalid
    /// (OpenAI) or empty; for a custom tool plain text.
    pub input: Str<'a>,
    /// How `input` is written.
    pub kind: ToolUseKind,
}

/// A tool's answer.
#[derive(Clone, Debug)]
pub struct ToolResult<'a> {
    /// Id of the call it answers.
    pub id: Str<'a>,
    /// Name of the tool, where the dialect says it (Gemini) or an earlier turn told it.
    pub name: Option<Str<'a>>,
    /// Text, images, documents. JSON results (Gemini `response`) come as one text block with the JSON text.
    pub content: Vec<Block<'a>>,
    /// Whether the tool failed; `None` where the client did not say.
    pub is_error: Option<bool>,
    /// How the call that it answers was written.
    pub kind: ToolUseKind,
}

/// A stretch of the model's thinking. Its seal is the block's `signature`.
#[derive(Clone, Debug)]
pub struct ReasoningBlock<'a> {
    /// Thoughts in words: Anthropic `thinking`, a Gemini thought, `reasoning_content`, the parts of a Responses
    /// reasoning summary (one string a part).
    pub text: Vec<Str<'a>>,
    /// Whether the provider hid the words (Anthropic `redacted_thinking`): only the signature holds the content.
    pub redacted: bool,
    /// Item id (Responses `rs_…`).
    pub id: Option<Str<'a>>,
}
