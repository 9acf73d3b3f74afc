//! Parts of a turn to blocks, for requests, answers and streams alike.

use std::borrow::Cow;

use super::wire::{AnswerWire, CallWire, MediaWire, PartWire};
use super::{form, nested};
use crate::Dialect;
use crate::ir::{Block, BlockKind, Media, MediaSource, ReasoningBlock, Signature, ToolResult, ToolUse, ToolUseKind};
use crate::json::{Extra, Raw, Str, Writer, unescaped};

/// Host of Google's file store: its addresses are ids, bound to the account that uploaded.
const FILE_STORE: &str = "https://generativelanguage.googleapis.com/";

/// What is wrong with a part: the member below the part, and the words.
pub(super) type PartError = (&'static str, &'static str);

/// Reads a part. Calls and results that came without an id have an empty one and the bit [`form::NO_ID`].
///
/// # Errors
/// When the part holds several data members, or a call has no name.
pub(super) fn block(mut part: PartWire<'_>) -> Result<Block<'_>, PartError> {
    let data = [part.text.is_some(), part.inline.is_some(), part.file.is_some(), part.call.is_some()];
    let count = data.into_iter().filter(|there| *there).count() + usize::from(part.answer.is_some());
    if count > 1 {
        return Err(("", "must hold one kind of data: make several parts of it"));
    }
    let lone_seal = part.signature.is_some() && part.thought.is_none() && part.rest.is_empty();
    if count == 0 && !lone_seal {
        return Ok(Block::new(opaque(&part)));
    }
    let mut extra = Extra::default();
    let mut bits = part.snake as u8;
    nested::keep_own(&mut extra, std::mem::take(&mut part.rest));
    let thought = part.thought == Some(true) && part.text.is_some();
    if let Some(value) = part.thought.filter(|_| !thought) {
        extra.push("thought", if value { Raw::TRUE } else { Raw::FALSE });
    }
    let kind = if let Some(call) = part.call {
        call_kind(call, &mut extra, &mut bits)?
    } else if let Some(answer) = part.answer {
        answer_kind(answer, &mut extra, &mut bits)?
    } else if let Some(inline) = part.inline {
        media_kind(inline, "inlineData", &mut extra, &mut bits)?
    } else if let Some(file) = part.file {
        media_kind(file, "fileData", &mut extra, &mut bits)?
    } else {
        if part.text.is_none() {
            bits |= form::NO_NAME;
        }
        let text = part.text.unwrap_or_default();
        if thought {
            BlockKind::Reasoning(ReasoningBlock { text: vec![text], redacted: false, id: None })
        } else {
            BlockKind::Text { text, citations: None }
        }
    };
    let signature = part.signature.map(|slot| Signature::from_slot(Dialect::Gemini, slot));
    Ok(Block { kind, signature, cache: None, extra, form: bits })
}

/// A part without a data member that the IR knows, as written up to the order of its members.
fn opaque(part: &PartWire<'_>) -> BlockKind<'static> {
    let mut text = Vec::new();
    Writer::new(&mut text).object(|w| {
        w.opt_str("text", part.text.as_deref());
        w.opt_bool("thought", part.thought);
        let key = form::spell(part.snake, form::SIGNATURE_SNAKE.into(), "thoughtSignature", "thought_signature");
        w.opt_str(key, part.signature.as_deref());
        w.extra(&part.rest);
    });
    let raw = String::from_utf8(text).ok().and_then(Raw::from_string).unwrap_or(Raw::NULL);
    BlockKind::Opaque { dialect: Dialect::Gemini, raw }
}

fn call_kind<'a>(call: CallWire<'a>, extra: &mut Extra<'a>, bits: &mut u8) -> Result<BlockKind<'a>, PartError> {
    let name = call.name.ok_or(("functionCall.name", "is missing: say which function is called"))?;
    nested::keep(extra, "functionCall", call.rest);
    if call.id.is_none() {
        *bits |= form::NO_ID;
    }
    let input = call.args.map_or_else(Str::default, |args| Str::from(args.0));
    Ok(BlockKind::ToolUse(ToolUse { id: call.id.unwrap_or_default(), name, input, kind: ToolUseKind::Function }))
}

fn answer_kind<'a>(answer: AnswerWire<'a>, extra: &mut Extra<'a>, bits: &mut u8) -> Result<BlockKind<'a>, PartError> {
    nested::keep(extra, "functionResponse", answer.rest);
    if answer.id.is_none() {
        *bits |= form::NO_ID;
    }
    if answer.name.is_none() {
        if answer.id.is_none() {
            return Err(("functionResponse.name", "is missing: say which function answered"));
        }
        *bits |= form::NO_NAME;
    }
    let mut content = Vec::new();
    let mut is_error = None;
    if let Some(response) = answer.response {
        is_error = says_error(response.0).then_some(true);
        // Python's clients write every character beyond ASCII as an escape, which no model should have to read.
        content.push(Block::text(Str(unescaped(response.0))));
    }
    if let Some(parts) = answer.parts {
        if parts.is_empty() {
            extra.push("functionResponse.parts", Raw::parse("[]").unwrap_or(Raw::NULL));
        }
        for part in parts {
            // Text has no place here, and a text block would read as the response.
            let odd = part.text.is_some() || part.call.is_some() || part.answer.is_some();
            content.push(if odd { Block::new(opaque(&part)) } else { block(part)? });
        }
    }
    Ok(BlockKind::ToolResult(ToolResult {
        id: answer.id.unwrap_or_default(),
        name: answer.name,
        content,
        is_error,
        kind: ToolUseKind::Function,
    }))
}

/// Whether a response is `{"error": …}` and nothing else: Google's documented way to say that a tool failed.
pub(super) fn says_error(response: &str) -> bool {
    // Most responses are long and no errors: look before reading.
    response.trim_start_matches(['{', ' ', '\n', '\r', '\t']).starts_with("\"error\"")
        && serde_json::from_str::<ErrorOnly>(response).is_ok()
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorOnly {
    #[serde(rename = "error")]
    _error: serde::de::IgnoredAny,
}

fn media_kind<'a>(
    wire: MediaWire<'a>,
    member: &'static str,
    extra: &mut Extra<'a>,
    bits: &mut u8,
) -> Result<BlockKind<'a>, PartError> {
    nested::keep(extra, member, wire.rest);
    *bits |= wire.snake as u8;
    let source = match (wire.data, wire.uri) {
        (Some(data), None) if member == "inlineData" => {
            let (data, spelling) = standard_base64(data);
            *bits |= spelling;
            MediaSource::Base64(data)
        }
        (None, Some(uri)) if member == "fileData" => {
            if uri.starts_with(FILE_STORE) || !uri.starts_with("http") {
                MediaSource::FileId(uri)
            } else {
                MediaSource::Url(uri)
            }
        }
        _ if member == "inlineData" => return Err(("inlineData.data", "is missing: give the bytes in base64")),
        _ => return Err(("fileData.fileUri", "is missing: give the file's address")),
    };
    Ok(by_mime(Media { mime: wire.mime, source, name: wire.name }))
}

/// A medium as the block kind of its MIME type.
pub(super) fn by_mime(media: Media<'_>) -> BlockKind<'_> {
    match media.mime.as_deref().and_then(|mime| mime.split('/').next()) {
        Some("image") => BlockKind::Image(media),
        Some("audio") => BlockKind::Audio(media),
        Some("video") => BlockKind::Video(media),
        _ => BlockKind::File(media),
    }
}

/// Base64 in the standard alphabet with padding, and the form bits of what was changed. Borrows when nothing was.
pub(super) fn standard_base64(data: Str<'_>) -> (Str<'_>, u8) {
    let bytes = data.as_bytes();
    let url_safe = memchr::memchr2(b'-', b'_', bytes).is_some() && memchr::memchr2(b'+', b'/', bytes).is_none();
    let missing = if data.ends_with('=') { 0 } else { bytes.len().wrapping_neg() % 4 };
    let unpadded = matches!(missing, 1 | 2);
    if !url_safe && !unpadded {
        return (data, 0);
    }
    let mut text = if url_safe { data.replace('-', "+").replace('_', "/") } else { data.0.into_owned() };
    let mut bits = if url_safe { form::URL_SAFE } else { 0 };
    if unpadded {
        text.push_str(if missing == 1 { "=" } else { "==" });
        bits |= form::UNPADDED;
    }
    (Str::from(text), bits)
}

/// The inverse of [`standard_base64`].
pub(super) fn original_base64(data: &str, bits: u8) -> Cow<'_, str> {
    let data = if bits & form::UNPADDED == 0 { data } else { data.trim_end_matches('=') };
    if bits & form::URL_SAFE == 0 { Cow::Borrowed(data) } else { Cow::Owned(data.replace('+', "-").replace('/', "_")) }
}
