//! Messages of this dialect, written as they came.

use super::tools::write_called;
use super::{Context, form, media};
use crate::Dialect;
use crate::dialects::openai_chat::decode::details::PRIVATE;
use crate::dialects::openai_chat::media::Carrier;
use crate::ir::{Block, BlockKind, LossKind, Role, ToolResult, ToolUse, Turn};
use crate::json::{Extra, Str, Writer};

/// Writes the turns of a request of this dialect.
pub(super) fn messages(w: &mut Writer<'_>, turns: &[Turn<'_>], cx: &mut Context<'_>) {
    for turn in turns {
        if turn.role == Role::Tool {
            for block in &turn.blocks {
                match &block.kind {
                    BlockKind::ToolResult(answer) => w.object(|w| result(w, turn, answer, cx)),
                    _ => cx.lose(".content[]", LossKind::Dropped),
                }
            }
            continue;
        }
        let role = match turn.role {
            Role::System => "system",
            Role::Developer if cx.target.quirks.developer_role => "developer",
            Role::Developer => "system",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let show = Show { reasoning: cx.target.quirks.reasoning_content, wrap_custom: cx.wraps_custom() };
        w.object(|w| {
            w.key("role").str(role);
            w.opt_str("name", turn.name.as_deref());
            message(w, &turn.blocks, turn.form, &show);
            if show.reasoning {
                media::nested(w, PRIVATE, &turn.extra);
            }
            said(w, &turn.extra);
        });
        for block in &turn.blocks {
            match &block.kind {
                BlockKind::Reasoning(_) if !show.reasoning => cx.lose(".reasoning_content", LossKind::Dropped),
                BlockKind::ToolResult(_) => cx.lose(".content[]", LossKind::Dropped),
                BlockKind::Opaque { dialect, .. } if *dialect != Dialect::OpenAiChat => {
                    cx.lose(".content[]", LossKind::Dropped);
                }
                _ => {}
            }
        }
    }
}

fn result(w: &mut Writer<'_>, turn: &Turn<'_>, answer: &ToolResult<'_>, cx: &Context<'_>) {
    if turn.form & form::TURN_LEGACY != 0 {
        w.key("role").str("function");
    } else {
        w.key("role").str("tool");
        w.key("tool_call_id").str(&answer.id);
    }
    w.opt_str("name", turn.name.as_deref());
    let show = Show { reasoning: false, wrap_custom: cx.wraps_custom() };
    message(w, &answer.content, turn.form, &show);
    said(w, &turn.extra);
}

/// Writes the members that the client wrote.
fn said(w: &mut Writer<'_>, extra: &Extra<'_>) {
    for (key, value) in extra.iter().filter(|(key, _)| !Extra::is_private(key)) {
        w.key(key).raw(value);
    }
}

/// What of a message its reader gets.
pub(super) struct Show {
    /// Reasoning.
    pub reasoning: bool,
    /// Freeform calls as function calls.
    pub wrap_custom: bool,
}

/// Writes all that `blocks` say, in the members that `bits` tell.
pub(super) fn message(w: &mut Writer<'_>, blocks: &[Block<'_>], bits: u8, show: &Show) {
    if show.reasoning && bits & form::TURN_DETAILS == 0 {
        let key = if bits & form::TURN_REASONING != 0 { "reasoning" } else { "reasoning_content" };
        thoughts(w, key, blocks);
    }
    let parts: Vec<&Block<'_>> = blocks.iter().filter(|block| is_part(block, show)).collect();
    match parts.as_slice() {
        [] if bits & form::TURN_EMPTY_STRING != 0 => w.key("content").str(""),
        [] if bits & form::TURN_EMPTY_LIST != 0 => w.key("content").array(|_| {}),
        [] => {}
        [Block { kind: BlockKind::Text { text, .. }, .. }] if bits & form::TURN_STRING != 0 => {
            w.key("content").str(text);
        }
        all => {
            let (last, marked) = (all.len() - 1, bits & form::TURN_CACHE != 0);
            w.key("content").array(|w| {
                all.iter().enumerate().for_each(|(at, block)| part(w, block, !(marked && at == last)));
            });
        }
    }
    if bits & form::TURN_CACHE != 0 {
        w.opt_raw("cache_control", parts.last().and_then(|block| block.cache.as_ref()).map(|mark| &mark.0));
    }
    let citations = blocks.iter().find_map(|block| match &block.kind {
        BlockKind::Text { citations, .. } => citations.as_ref(),
        _ => None,
    });
    w.opt_raw("annotations", citations);
    let refusal = blocks.iter().find_map(|block| match &block.kind {
        BlockKind::Refusal { text } if block.form & form::BLOCK_PART == 0 => Some(text.as_str()),
        _ => None,
    });
    w.opt_str("refusal", refusal);
    images(w, blocks);
    calls(w, blocks, bits, show);
}

/// Writes the thoughts that are no parts of the content, when there are any.
pub(super) fn thoughts(w: &mut Writer<'_>, key: &str, blocks: &[Block<'_>]) {
    let texts: Vec<&str> = blocks
        .iter()
        .filter_map(|block| match &block.kind {
            BlockKind::Reasoning(thought) if block.form & form::BLOCK_PART == 0 => Some(thought),
            _ => None,
        })
        .flat_map(|thought| thought.text.iter().map(Str::as_str))
        .filter(|text| !text.is_empty())
        .collect();
    match texts.as_slice() {
        [] => {}
        [one] => w.key(key).str(one),
        all => w.key(key).str(&all.join("\n\n")),
    }
}

/// Whether a block stands in `content`.
fn is_part(block: &Block<'_>, show: &Show) -> bool {
    match &block.kind {
        BlockKind::Text { .. } | BlockKind::Audio(_) | BlockKind::File(_) | BlockKind::Video(_) => true,
        BlockKind::Image(_) => block.form & form::BLOCK_IMAGES == 0,
        BlockKind::Refusal { .. } => block.form & form::BLOCK_PART != 0,
        BlockKind::Reasoning(_) => block.form & form::BLOCK_PART != 0 && show.reasoning,
        BlockKind::Opaque { dialect, .. } => *dialect == Dialect::OpenAiChat && block.form & form::BLOCK_IN_CALLS == 0,
        BlockKind::ToolUse(_) | BlockKind::ToolResult(_) => false,
    }
}

fn part(w: &mut Writer<'_>, block: &Block<'_>, marks: bool) {
    let mut extra = block.extra.clone();
    if let Some(mark) = block.cache.as_ref().filter(|_| marks) {
        extra.push("cache_control", mark.0.clone());
    }
    match &block.kind {
        BlockKind::Text { text, .. } => text_part(w, "text", text, &extra),
        BlockKind::Refusal { text } => text_part(w, "refusal", text, &extra),
        BlockKind::Reasoning(thought) => w.object(|w| {
            w.key("type").str("thinking");
            w.key("thinking").array(|w| {
                thought.text.iter().for_each(|text| text_part(w, "text", text, &Extra::default()));
            });
            w.extra(&extra);
        }),
        BlockKind::Image(medium) => media::write(w, Carrier::Image, medium, &extra, block.form),
        BlockKind::Audio(medium) => media::write(w, Carrier::Audio, medium, &extra, block.form),
        BlockKind::File(medium) if block.form & form::BLOCK_DOCUMENT_URL != 0 => w.object(|w| {
            w.key("type").str("document_url");
            media::write_url(w.key("document_url"), medium);
            w.opt_str("document_name", medium.name.as_deref());
            w.extra(&extra);
        }),
        BlockKind::Video(medium) => w.object(|w| {
            w.key("type").str("video_url");
            w.key("video_url").object(|w| media::write_url(w.key("url"), medium));
            w.extra(&extra);
        }),
        BlockKind::File(medium) => media::write(w, Carrier::File, medium, &extra, block.form),
        BlockKind::Opaque { raw, .. } => w.raw(raw),
        // Not parts: `is_part` holds them back.
        BlockKind::ToolUse(_) | BlockKind::ToolResult(_) => {}
    }
}

fn text_part(w: &mut Writer<'_>, kind: &str, text: &str, extra: &Extra<'_>) {
    w.object(|w| {
        w.key("type").str(kind);
        w.key(kind).str(text);
        w.extra(extra);
    });
}

/// Writes the de-facto list `images` of an answer.
pub(super) fn images(w: &mut Writer<'_>, blocks: &[Block<'_>]) {
    let of_list =
        |block: &&Block<'_>| block.form & form::BLOCK_IMAGES != 0 && matches!(block.kind, BlockKind::Image(_));
    if blocks.iter().any(|block| of_list(&block)) {
        w.key("images").array(|w| blocks.iter().filter(of_list).for_each(|block| part(w, block, true)));
    }
}

fn calls(w: &mut Writer<'_>, blocks: &[Block<'_>], bits: u8, show: &Show) {
    let legacy = |block: &Block<'_>| block.form & form::BLOCK_LEGACY != 0;
    let listed = |block: &&Block<'_>| match &block.kind {
        BlockKind::ToolUse(_) => !legacy(block),
        BlockKind::Opaque { dialect, .. } => *dialect == Dialect::OpenAiChat && block.form & form::BLOCK_IN_CALLS != 0,
        _ => false,
    };
    if bits & form::TURN_CALLS_EMPTY != 0 || blocks.iter().any(|block| listed(&block)) {
        w.key("tool_calls").array(|w| {
            for block in blocks.iter().filter(listed) {
                match &block.kind {
                    BlockKind::ToolUse(call) => w.object(|w| {
                        if block.form & form::BLOCK_ID_MADE == 0 {
                            w.key("id").str(&call.id);
                        }
                        write_called(w, call, &call.name, show.wrap_custom, Some((&block.extra, block.form)));
                    }),
                    BlockKind::Opaque { raw, .. } => w.raw(raw),
                    _ => {}
                }
            }
        });
    }
    for block in blocks.iter().filter(|block| legacy(block)) {
        if let BlockKind::ToolUse(call) = &block.kind {
            legacy_call(w, call, &block.extra);
        }
    }
}

fn legacy_call(w: &mut Writer<'_>, call: &ToolUse<'_>, extra: &Extra<'_>) {
    w.key("function_call").object(|w| {
        w.key("name").str(&call.name);
        w.key("arguments").str(&call.input);
        media::nested(w, "function.", extra);
    });
}
