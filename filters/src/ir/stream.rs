//! A streamed answer as events over indexed blocks.

mod guard;
mod one_open;

pub use guard::Guard;
pub use one_open::OneOpen;

use serde_json::error::Category;

use super::{ApiError, ErrorKind, Signature, StopReason, ToolUseKind, Usage};
use crate::Dialect;
use crate::json::{Raw, Str};

/// One event of a streamed answer.
///
/// After [`Guard`] every stream is: `Start`, then blocks (`BlockStart`, its `Delta`s, `BlockStop`; several may be open
/// at a time), `Finish` once a choice, and at last exactly one of `End` and `Error`. `Usage` and `Ping` may come
/// anywhere between.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The answer begins.
    Start {
        /// The provider's id of the answer.
        id: Option<Str<'a>>,
        /// The model as the provider names it.
        model: Option<Str<'a>>,
    },
    /// A block begins.
    BlockStart {
        /// Unique within the stream, counted from 0 over all blocks of all choices.
        index: u32,
        /// The alternative it belongs to.
        choice: u32,
        /// What begins.
        block: BlockStart<'a>,
    },
    /// More of an open block.
    Delta {
        /// The block.
        index: u32,
        /// What is added.
        delta: Delta<'a>,
    },
    /// A block is complete.
    BlockStop {
        /// The block.
        index: u32,
    },
    /// Tokens so far: each one replaces the last.
    Usage(Usage<'a>),
    /// A choice is complete.
    Finish {
        /// The alternative.
        choice: u32,
        /// Why it ended.
        stop: StopReason,
        /// The stop sequence that was met, where the provider says so.
        stop_sequence: Option<Str<'a>>,
        /// Refusal or block explanation for people, where the provider gives one.
        note: Option<Str<'a>>,
    },
    /// The answer is complete.
    End,
    /// The answer broke off.
    Error(ApiError),
    /// The provider lives.
    Ping,
}

/// What kind of block begins.
#[derive(Clone, Debug)]
pub enum BlockStart<'a> {
    /// Text, by [`Delta::Text`].
    Text,
    /// Thinking, by [`Delta::Text`]; its seal comes as [`Delta::Signature`] before the stop.
    Reasoning {
        /// Whether the provider hid the words.
        redacted: bool,
        /// Item id (Responses `rs_…`).
        id: Option<Str<'a>>,
    },
    /// A tool call; its input by [`Delta::Input`], in pieces of JSON text (or of plain text for a custom tool).
    ToolUse {
        /// Id that the result will refer to; never empty.
        id: Str<'a>,
        /// The tool's name.
        name: Str<'a>,
        /// How its input is written.
        kind: ToolUseKind,
    },
    /// Words of refusal, by [`Delta::Text`].
    Refusal,
    /// A medium the model made, complete.
    Image(super::Media<'a>),
    /// A part that only `dialect` knows, complete (or its first form, when deltas of it cannot be told apart).
    Opaque {
        /// The dialect.
        dialect: Dialect,
        /// The part as written.
        raw: Raw<'a>,
    },
}

/// What is added to a block.
#[derive(Clone, Debug)]
pub enum Delta<'a> {
    /// Text of a text, reasoning or refusal block.
    Text(Str<'a>),
    /// The next string of a reasoning block's `text` begins (Responses summary parts).
    NextPart,
    /// Input of a tool call.
    Input(Str<'a>),
    /// The block's seal, complete: a later one replaces it.
    Signature(Signature<'a>),
    /// A citation or annotation of a text block, as written in `dialect`.
    Citation {
        /// The dialect.
        dialect: Dialect,
        /// The citation as written.
        raw: Raw<'a>,
    },
    /// Log probabilities of the tokens of a text block that came just now, as written in `dialect`.
    Logprobs {
        /// The dialect.
        dialect: Dialect,
        /// As written.
        raw: Raw<'a>,
    },
}

/// What an event that cannot be read means. One that begins as JSON and breaks off has lost a part of the answer: the
/// stream has failed, as nothing may be lost silently. One that is no JSON at all, or JSON of another shape, is somebody's
/// sign of life or extension, and `None`.
pub fn damaged(data: &str, error: &serde_json::Error) -> Option<ApiError> {
    let broken = matches!(error.classify(), Category::Syntax | Category::Eof);
    (broken && data.trim_start().starts_with(['{', '[']))
        .then(|| ApiError::new(ErrorKind::BadGateway, "the provider sent an event that cannot be read"))
}

/// Where events go.
pub type Sink<'s> = dyn FnMut(Event<'_>) + 's;

impl Event<'_> {
    /// Whether the event carries something of the answer itself: the commit point of a stream.
    pub fn is_content(&self) -> bool {
        match self {
            Event::BlockStart { block, .. } => {
                matches!(block, BlockStart::ToolUse { .. } | BlockStart::Image(_) | BlockStart::Opaque { .. })
            }
            // An empty seal says that there is none.
            Event::Delta { delta: Delta::Signature(seal), .. } => !seal.value.is_empty(),
            Event::Delta { .. } | Event::Finish { .. } => true,
            Event::Start { .. } | Event::BlockStop { .. } | Event::Usage(_) | Event::Ping => false,
            Event::End | Event::Error(_) => false,
        }
    }
}

impl BlockStart<'_> {
    /// Detaches the block from the event it was read from.
    pub fn into_owned(self) -> BlockStart<'static> {
        match self {
            BlockStart::Text => BlockStart::Text,
            BlockStart::Reasoning { redacted, id } => BlockStart::Reasoning { redacted, id: id.map(Str::into_owned) },
            BlockStart::ToolUse { id, name, kind } => {
                BlockStart::ToolUse { id: id.into_owned(), name: name.into_owned(), kind }
            }
            BlockStart::Refusal => BlockStart::Refusal,
            BlockStart::Image(media) => BlockStart::Image(media.into_owned()),
            BlockStart::Opaque { dialect, raw } => BlockStart::Opaque { dialect, raw: raw.into_owned() },
        }
    }
}

impl Delta<'_> {
    /// Detaches the delta from the event it was read from.
    pub fn into_owned(self) -> Delta<'static> {
        match self {
            Delta::Text(text) => Delta::Text(text.into_owned()),
            Delta::NextPart => Delta::NextPart,
            Delta::Input(text) => Delta::Input(text.into_owned()),
            Delta::Signature(signature) => Delta::Signature(signature.into_owned()),
            Delta::Citation { dialect, raw } => Delta::Citation { dialect, raw: raw.into_owned() },
            Delta::Logprobs { dialect, raw } => Delta::Logprobs { dialect, raw: raw.into_owned() },
        }
    }
}
