//! Blocks of this dialect, written as they came.

use std::borrow::Cow;

use super::notes;
use super::wire::{WHOLE, block_form};
use crate::Dialect;
use crate::ir::{Block, BlockKind, CacheMark, Media, MediaSource, Signature, ToolResult, ToolUse, ToolUseKind};
use crate::json::{Raw, Str, Writer};
use crate::repair::names;

/// Whether a provider of this dialect takes the block: thoughts only with its own seal, or without any where the
/// provider is one of those that seal nothing (`unsealed`). Anthropic refuses a thought that was made elsewhere, or lost
/// its seal on the way.
pub(super) fn is_sendable(block: &Block<'_>, unsealed: bool) -> bool {
    match &block.kind {
        BlockKind::Reasoning(_) => is_sealed(block) || (unsealed && is_unsealed(block)),
        BlockKind::Opaque { dialect, .. } => *dialect == Dialect::Anthropic,
        _ => true,
    }
}

/// Whether the block is a thought with this dialect's own seal.
pub(super) fn is_sealed(block: &Block<'_>) -> bool {
    let seal = block.signature.as_ref().and_then(|seal| seal.for_provider(Dialect::Anthropic));
    matches!(block.kind, BlockKind::Reasoning(_)) && seal.is_some_and(|seal| !seal.is_empty())
}

/// Whether the block is a thought in words that nobody sealed.
pub(super) fn is_unsealed(block: &Block<'_>) -> bool {
    let seal = block.signature.as_ref();
    matches!(&block.kind, BlockKind::Reasoning(thought) if !thought.redacted)
        && seal.is_none_or(|seal| seal.value.is_empty())
}

/// What stands in the slot of a thought that nobody sealed. An empty seal would pass unread to a provider of this
/// dialect later, which refuses it; the gateway's own mark is known, and the thought taken out.
pub(super) fn unsealed<'a>() -> Str<'a> {
    Signature { issuer: Dialect::OpenAiChat, value: Str::from("") }.carried(Dialect::Anthropic).into_owned()
}

/// Whether the block is written by itself: not when another one tells what it says.
pub(super) fn is_written(block: &Block<'_>) -> bool {
    block.form & (block_form::STOP_DETAILS | block_form::SHADOW) == 0
}

/// Whether the block holds citations that the gateway wrote for another provider.
pub(super) fn has_foreign_citations(block: &Block<'_>) -> bool {
    matches!(&block.kind, BlockKind::Text { citations: Some(raw), .. } if notes::without_foreign(raw).is_some())
}

/// Writes a block that this dialect wrote.
pub(super) fn block(block: &Block<'_>, w: &mut Writer<'_>) {
    if let BlockKind::Opaque { raw, .. } = &block.kind {
        return w.raw(raw);
    }
    if let Some(raw) = block.extra.get(WHOLE) {
        return w.raw(raw);
    }
    w.object(|w| {
        match &block.kind {
            BlockKind::Text { text, citations } => {
                w.key("type").str("text");
                w.key("text").str(text);
                write_citations(citations.as_ref(), w);
            }
            BlockKind::Refusal { text } => {
                w.key("type").str("text");
                w.key("text").str(text);
            }
            BlockKind::Image(medium) => media("image", medium, w),
            BlockKind::Audio(medium) | BlockKind::Video(medium) | BlockKind::File(medium) => {
                media("document", medium, w);
            }
            BlockKind::ToolUse(call) => {
                w.key("type").str("tool_use");
                w.key("id").str(&call_id(&call.id));
                w.key("name").str(&call.name);
                w.key("input");
                input(call, true, w);
                if block.form & block_form::DIRECT != 0 {
                    w.key("caller").object(|w| w.key("type").str("direct"));
                }
            }
            BlockKind::ToolResult(result) => tool_result(result, block.form, w),
            BlockKind::Reasoning(reasoning) => {
                let seal = block.signature.as_ref().map(|seal| seal.carried(Dialect::Anthropic));
                if reasoning.redacted {
                    w.key("type").str("redacted_thinking");
                    w.key("data").str(seal.as_deref().unwrap_or_default());
                } else {
                    w.key("type").str("thinking");
                    w.key("thinking").str(&reasoning.text.join_parts());
                    let empty = block.form & block_form::EMPTY_SEAL != 0;
                    w.opt_str("signature", seal.as_deref().or(empty.then_some("")));
                }
            }
            BlockKind::Opaque { .. } => {}
        }
        w.opt_raw("cache_control", block.cache.as_ref().map(|CacheMark(mark)| mark));
        w.extra(&block.extra);
    });
}

fn write_citations(citations: Option<&Raw<'_>>, w: &mut Writer<'_>) {
    match citations.and_then(notes::without_foreign) {
        None => w.opt_raw("citations", citations),
        Some(own) if own.is_empty() => {}
        Some(own) => w.key("citations").array(|w| own.iter().for_each(|raw| w.raw(raw))),
    }
}

/// The id as this dialect takes it; every id that a provider of this dialect made stays.
pub(super) fn call_id(id: &str) -> Cow<'_, str> {
    if !id.is_empty() && id.bytes().all(names::is_plain) { id.into() } else { names::call_id(id) }
}

/// Writes a call's arguments as the object they must be. `keep` leaves other JSON values as they are. Gives whether the
/// arguments had to be put into an object's member `input`.
pub(super) fn input(call: &ToolUse<'_>, keep: bool, w: &mut Writer<'_>) -> bool {
    let text = call.input.trim();
    match Raw::parse(text).filter(|_| call.kind == ToolUseKind::Function) {
        Some(raw) if keep || raw.is_object() => {
            w.raw(&raw);
            false
        }
        None if text.is_empty() && call.kind == ToolUseKind::Function => {
            w.object(|_| {});
            false
        }
        Some(raw) => {
            w.object(|w| w.key("input").raw(&raw));
            true
        }
        None => {
            w.object(|w| w.key("input").str(&call.input));
            true
        }
    }
}

fn media(kind: &str, medium: &Media<'_>, w: &mut Writer<'_>) {
    w.key("type").str(kind);
    w.key("source").object(|w| match &medium.source {
        MediaSource::Base64(data) => {
            w.key("type").str("base64");
            w.opt_str("media_type", medium.mime.as_deref());
            w.key("data").str(data);
        }
        MediaSource::Text(data) => {
            w.key("type").str("text");
            w.opt_str("media_type", medium.mime.as_deref());
            w.key("data").str(data);
        }
        MediaSource::Url(url) => {
            w.key("type").str("url");
            w.key("url").str(url);
        }
        MediaSource::FileId(id) => {
            w.key("type").str("file");
            w.key("file_id").str(id);
        }
    });
    w.opt_str("title", medium.name.as_deref());
}

fn tool_result(result: &ToolResult<'_>, form: u8, w: &mut Writer<'_>) {
    w.key("type").str("tool_result");
    w.key("tool_use_id").str(&call_id(&result.id));
    match result.content.as_slice() {
        _ if form & block_form::NO_CONTENT != 0 => {}
        [Block { kind: BlockKind::Text { text, .. }, .. }] if form & block_form::STRING != 0 => {
            w.key("content").str(text);
        }
        content => w.key("content").array(|w| content.iter().for_each(|inner| block(inner, w))),
    }
    w.opt_bool("is_error", result.is_error);
}

/// Thoughts that came in parts, as one text.
pub(super) trait JoinParts {
    /// The parts with an empty line between them.
    fn join_parts(&self) -> Cow<'_, str>;
}

impl JoinParts for Vec<Str<'_>> {
    fn join_parts(&self) -> Cow<'_, str> {
        match self.as_slice() {
            [] => "".into(),
            [one] => one.as_str().into(),
            parts => parts.iter().map(Str::as_str).collect::<Vec<_>>().join("\n\n").into(),
        }
    }
}
