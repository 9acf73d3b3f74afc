//! Blocks to items and parts.

use super::items::Side;
use super::{DIALECT, form, quiet, seal};
use crate::ir::{Block, BlockKind, Media, MediaSource, ReasoningBlock, ToolResult, ToolUse, ToolUseKind};
use crate::json::{Raw, Str, Writer};

/// Whether a block is a part of a message (and not an item of its own).
pub(super) fn is_part(block: &Block<'_>) -> bool {
    match &block.kind {
        BlockKind::ToolUse(_) | BlockKind::ToolResult(_) | BlockKind::Reasoning(_) => false,
        BlockKind::Opaque { .. } => block.form & form::PART != 0,
        _ if quiet::item_of(block).is_some() => false,
        _ => true,
    }
}

/// Writes a part in the words it was read in.
pub(super) fn own_part(w: &mut Writer<'_>, block: &Block<'_>, side: Side) {
    if let BlockKind::Opaque { raw, .. } = &block.kind {
        return w.raw(raw);
    }
    // A `data:` URL that says more than the medium does is kept beside it, as written.
    let overridden = |key: &str| block.extra.get(key).is_some_and(|value| !value.is_null());
    w.object(|w| {
        match &block.kind {
            BlockKind::Text { text, citations } => {
                let spelling = form::SPELLINGS.get(usize::from(block.form & form::SPELLING)).copied();
                let usual = if side == Side::Input { "input_text" } else { "output_text" };
                w.key("type").str(spelling.filter(|word| !word.is_empty()).unwrap_or(usual));
                w.key("text").str(text);
                w.opt_raw("annotations", citations.as_ref());
                if block.form & form::ANNOTATIONS_EMPTY != 0 {
                    w.key("annotations").array(|_| {});
                }
                if block.form & form::LOGPROBS_EMPTY != 0 {
                    w.key("logprobs").array(|_| {});
                }
            }
            BlockKind::Refusal { text } => {
                w.key("type").str("refusal");
                w.key("refusal").str(text);
            }
            BlockKind::Image(media) => {
                w.key("type").str("input_image");
                if !overridden("image_url") {
                    media_members(w, media, "image_url", "image_url", block.form);
                }
            }
            BlockKind::File(media) | BlockKind::Video(media) => {
                w.key("type").str("input_file");
                w.opt_str("filename", media.name.as_deref());
                if !overridden("file_data") {
                    media_members(w, media, "file_data", "file_url", block.form);
                }
            }
            BlockKind::Audio(media) => audio_members(w, media),
            _ => {}
        }
        w.opt_raw("cache_control", block.cache.as_ref().map(|mark| &mark.0));
        quiet::members(w, &block.extra);
    });
}

/// The members that say where a picture's or document's bytes are.
pub(super) fn media_members(w: &mut Writer<'_>, media: &Media<'_>, data_key: &str, url_key: &str, bits: u8) {
    match &media.source {
        MediaSource::Base64(data) if bits & form::FILE_BARE != 0 => w.key(data_key).str(data),
        MediaSource::Base64(data) => {
            let mime = media.mime.as_deref().unwrap_or_else(|| guess_mime(data));
            w.key(data_key).fmt(format_args!("data:{mime};base64,{data}"));
        }
        MediaSource::Url(url) => w.key(url_key).str(url),
        MediaSource::FileId(id) => w.key("file_id").str(id),
        MediaSource::Text(text) => w.key(data_key).str(text),
    }
}

/// The members of an audio part.
pub(super) fn audio_members(w: &mut Writer<'_>, media: &Media<'_>) {
    w.key("type").str("input_audio");
    w.key("input_audio").object(|w| {
        if let MediaSource::Base64(data) = &media.source {
            w.key("data").str(data);
        }
        let mime = media.mime.as_deref().unwrap_or("audio/wav");
        w.key("format").str(mime.strip_prefix("audio/").unwrap_or(mime));
    });
}

/// The type of a medium by the first bytes of its base64 text.
fn guess_mime(data: &str) -> &'static str {
    match data.get(..4) {
        Some("iVBO") => "image/png",
        Some("/9j/") => "image/jpeg",
        Some("R0lG") => "image/gif",
        Some("UklG") => "image/webp",
        Some("JVBE") => "application/pdf",
        _ => "application/octet-stream",
    }
}

/// Writes an item in the words it was read in.
pub(super) fn own_item(w: &mut Writer<'_>, block: &Block<'_>) {
    if let Some(item) = quiet::item_of(block) {
        return w.raw(item);
    }
    match &block.kind {
        BlockKind::Opaque { raw, .. } => w.raw(raw),
        BlockKind::ToolUse(call) => w.object(|w| {
            let id = (block.form & form::CALL_ID_ABSENT == 0).then_some(call.id.as_str());
            let name = block.extra.get(quiet::NAME).and_then(Raw::read::<Str<'_>>);
            call_members(w, call, id, name.as_ref().unwrap_or(&call.name), call.input.as_str());
            quiet::members(w, &block.extra);
        }),
        BlockKind::ToolResult(result) => w.object(|w| {
            own_result(w, result, block.form);
            quiet::members(w, &block.extra);
        }),
        BlockKind::Reasoning(reasoning) => w.object(|w| {
            own_reasoning(w, reasoning, block);
            quiet::members(w, &block.extra);
        }),
        _ => w.null(),
    }
}

/// The members of a call, `id` and `status` apart.
pub(super) fn call_members(w: &mut Writer<'_>, call: &ToolUse<'_>, id: Option<&str>, name: &str, input: &str) {
    let (kind, key) = match call.kind {
        ToolUseKind::Function => ("function_call", "arguments"),
        ToolUseKind::Custom => ("custom_tool_call", "input"),
    };
    w.key("type").str(kind);
    w.opt_str("call_id", id);
    w.key("name").str(name);
    w.key(key).str(input);
}

/// The `type` of a result item.
pub(super) fn output_kind(kind: ToolUseKind) -> &'static str {
    match kind {
        ToolUseKind::Function => "function_call_output",
        ToolUseKind::Custom => "custom_tool_call_output",
    }
}

fn own_result(w: &mut Writer<'_>, result: &ToolResult<'_>, bits: u8) {
    w.key("type").str(output_kind(result.kind));
    w.key("call_id").str(&result.id);
    w.key("output");
    match result.content.first() {
        _ if bits & form::OUTPUT_NULL != 0 => w.null(),
        Some(Block { kind: BlockKind::Text { text, .. }, .. }) if bits & form::OUTPUT_STRING != 0 => w.str(text),
        _ => w.array(|w| result.content.iter().for_each(|block| own_part(w, block, Side::Input))),
    }
}

fn own_reasoning(w: &mut Writer<'_>, reasoning: &ReasoningBlock<'_>, block: &Block<'_>) {
    w.key("type").str("reasoning");
    w.opt_str("id", reasoning.id.as_deref());
    let is_content = block.form & form::TEXT_IS_CONTENT != 0;
    let is_kept = |keys: [&str; 2]| keys.iter().any(|key| block.extra.get(key).is_some());
    if block.form & form::SUMMARY_ABSENT == 0 && !is_kept(["summary", quiet::SUMMARY]) {
        text_list(w, "summary", "summary_text", if is_content { &[] } else { &reasoning.text });
    }
    if is_content && block.extra.get("content").is_none() {
        text_list(w, "content", "reasoning_text", &reasoning.text);
    } else if block.form & form::CONTENT_EMPTY != 0 {
        w.key("content").array(|_| {});
    }
    if let Some(seal) = &block.signature {
        let slot = seal::to_slot(Some(seal), reasoning.redacted, true);
        w.opt_str("encrypted_content", slot.as_deref());
    }
}

/// A list of texts: a summary or reasoning content.
pub(super) fn text_list(w: &mut Writer<'_>, key: &str, kind: &str, texts: &[Str<'_>]) {
    w.key(key).array(|w| {
        for text in texts {
            w.object(|w| {
                w.key("type").str(kind);
                w.key("text").str(text);
            });
        }
    });
}

/// Whether the block is a part or item that only this dialect knows.
pub(super) fn is_own_opaque(block: &Block<'_>) -> bool {
    matches!(block.kind, BlockKind::Opaque { dialect: DIALECT, .. })
}
