//! The parts of a planned message, and how they are written.

use std::borrow::Cow;

use super::media::Medium;
use crate::Dialect;
use crate::dialects::anthropic::own::{self, JoinParts as _};
use crate::ir::{Block, BlockKind, CacheMark, ReplyNotes, ToolUse};
use crate::json::{Raw, Writer};
use crate::repair::{Repairs, names};

/// Longest tool name, in bytes.
const NAME_MAX: usize = 128;

/// A mark of the prompt cache, when it has the form that the provider takes.
pub(super) type Mark<'r> = Option<&'r Raw<'r>>;

/// One message of the body.
#[derive(Debug, Default)]
pub(in super::super) struct Message<'r> {
    pub(super) assistant: bool,
    pub(super) items: Vec<Item<'r>>,
}

/// One block of the body.
#[derive(Debug)]
pub(in super::super) enum Item<'r> {
    Text {
        text: Cow<'r, str>,
        cache: Mark<'r>,
    },
    Medium {
        medium: Medium<'r>,
        cache: Mark<'r>,
    },
    /// `of` is the id in the client's words, `id` the one sent.
    Call {
        of: &'r str,
        id: String,
        name: String,
        call: &'r ToolUse<'r>,
        cache: Mark<'r>,
    },
    /// `of` is the id in the client's words, `id` the one sent.
    Result {
        of: &'r str,
        id: String,
        content: Vec<Item<'r>>,
        is_error: bool,
        cache: Mark<'r>,
    },
    /// A thought with this dialect's own seal, or without any for a provider that seals none.
    Thought(&'r Block<'r>),
    /// A part that this dialect alone knows.
    Own(&'r Raw<'r>),
}

impl<'r> Item<'r> {
    /// Text of the gateway's own.
    pub(super) fn said(text: impl Into<Cow<'r, str>>) -> Self {
        Item::Text { text: text.into(), cache: None }
    }

    pub(super) fn is_call(&self) -> bool {
        matches!(self, Item::Call { .. })
    }

    pub(super) fn is_result(&self) -> bool {
        matches!(self, Item::Result { .. })
    }

    pub(super) fn is_picture(&self) -> bool {
        matches!(self, Item::Medium { medium, .. } if medium.is_picture())
    }

    pub(super) fn is_sealed_thought(&self) -> bool {
        matches!(self, Item::Thought(_))
    }

    /// The item's mark of the prompt cache.
    pub(super) fn mark(&mut self) -> Option<&mut Mark<'r>> {
        match self {
            Item::Text { cache, .. }
            | Item::Medium { cache, .. }
            | Item::Call { cache, .. }
            | Item::Result { cache, .. } => Some(cache),
            Item::Thought(_) | Item::Own(_) => None,
        }
    }

    /// Writes the block.
    pub(super) fn write(&self, w: &mut Writer<'_>) {
        match self {
            Item::Own(raw) => w.raw(raw),
            Item::Thought(block) => thought(block, w),
            Item::Text { text, cache } => w.object(|w| {
                w.key("type").str("text");
                w.key("text").str(text);
                w.opt_raw("cache_control", *cache);
            }),
            Item::Medium { medium, cache } => w.object(|w| {
                medium.write(w);
                w.opt_raw("cache_control", *cache);
            }),
            Item::Call { id, name, call, cache, .. } => w.object(|w| {
                w.key("type").str("tool_use");
                w.key("id").str(id);
                w.key("name").str(name);
                w.key("input");
                own::input(call, false, w);
                w.opt_raw("cache_control", *cache);
            }),
            Item::Result { id, content, is_error, cache, .. } => w.object(|w| {
                w.key("type").str("tool_result");
                w.key("tool_use_id").str(id);
                match content.as_slice() {
                    [] => {}
                    [Item::Text { text, cache: None }] => w.key("content").str(text),
                    content => w.key("content").array(|w| content.iter().for_each(|item| item.write(w))),
                }
                if *is_error {
                    w.key("is_error").bool(true);
                }
                w.opt_raw("cache_control", *cache);
            }),
        }
    }
}

fn thought(block: &Block<'_>, w: &mut Writer<'_>) {
    let seal = block.signature.as_ref().and_then(|seal| seal.for_provider(Dialect::Anthropic)).unwrap_or_default();
    let BlockKind::Reasoning(reasoning) = &block.kind else { return w.null() };
    w.object(|w| {
        if reasoning.redacted {
            w.key("type").str("redacted_thinking");
            w.key("data").str(seal);
        } else {
            w.key("type").str("thinking");
            w.key("thinking").str(&reasoning.text.join_parts());
            w.key("signature").str(seal);
        }
    });
}

/// The mark as the provider takes it: an object.
pub(super) fn mark<'r>(cache: Option<&'r CacheMark<'r>>) -> Mark<'r> {
    cache.map(|CacheMark(raw)| raw).filter(|raw| raw.is_object())
}

/// The tool's name as the target takes it; a changed one is noted for the answer.
pub(super) fn sent_name(name: &str, repairs: Repairs, notes: &mut ReplyNotes) -> String {
    if !repairs.names {
        return name.to_owned();
    }
    let sent = names::tool_name(name, NAME_MAX, names::is_plain);
    if sent != name && !notes.tool_names.iter().any(|(known, _)| *known == sent) {
        notes.tool_names.push((sent.clone().into_owned(), name.to_owned()));
    }
    sent.into_owned()
}
