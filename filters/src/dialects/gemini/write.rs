//! Blocks to parts, for requests, answers and streams alike.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{form, nested, part};
use crate::ir::{Block, BlockKind, Media, MediaSource, ToolResult, ToolUse, ToolUseKind};
use crate::json::{Extra, Raw, Str, Writer};
use crate::repair::{names, schema::percent_decoded};

/// How parts are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// The blocks come from this dialect: spellings, ids and leftovers are written as they came.
    pub(super) own: bool,
    /// Ids go with calls and results of other dialects.
    pub(super) ids: bool,
    /// `functionResponse.parts` is understood: media of results go there.
    pub(super) result_parts: bool,
    /// Function names are brought into Gemini's alphabet.
    pub(super) names: bool,
}

/// Longest function name, in bytes.
const NAME_MAX: usize = 64;

/// A function name as Gemini takes it: letters, digits and `_.:-`, beginning with a letter or `_`.
fn function_name(name: &str) -> Cow<'_, str> {
    let allowed = |byte: u8| names::is_plain(byte) || matches!(byte, b'.' | b':');
    let begins = |name: &str| name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let fitted = names::tool_name(name, NAME_MAX, allowed);
    if begins(&fitted) {
        return fitted;
    }
    Cow::Owned(names::tool_name(&format!("_{name}"), NAME_MAX, allowed).into_owned())
}

impl Style {
    /// Writes a block, which [`is_part`], as a part with `seal` in its signature slot.
    pub(super) fn part(self, w: &mut Writer<'_>, block: &Block<'_>, seal: Option<&str>) {
        let bits = if self.own { block.form } else { 0 };
        if let BlockKind::Opaque { raw, .. } = &block.kind {
            return w.raw(raw);
        }
        w.object(|w| {
            let nothing = Extra::default();
            let extra = if self.own { &block.extra } else { &nothing };
            match &block.kind {
                BlockKind::Text { text, .. } => {
                    if bits & form::NO_NAME == 0 {
                        w.key("text").str(text);
                    }
                }
                BlockKind::Refusal { text } => w.key("text").str(text),
                BlockKind::Reasoning(reasoning) => {
                    w.key("text").str(&joined(&reasoning.text));
                    w.key("thought").bool(true);
                }
                BlockKind::Image(media)
                | BlockKind::Audio(media)
                | BlockKind::Video(media)
                | BlockKind::File(media) => {
                    self.media(w, block, media, extra);
                }
                BlockKind::ToolUse(call) => self.call(w, call, bits, extra),
                BlockKind::ToolResult(result) => self.result(w, result, bits, extra, None),
                BlockKind::Opaque { .. } => {}
            }
            let key = form::spell(bits.into(), form::SIGNATURE_SNAKE.into(), "thoughtSignature", "thought_signature");
            w.opt_str(key, seal);
            nested::write_own(w, extra);
        });
    }

    /// Writes the member `functionCall` of a part.
    pub(super) fn call(self, w: &mut Writer<'_>, call: &ToolUse<'_>, bits: u8, extra: &Extra<'_>) {
        w.key(form::spell(bits.into(), form::MEMBER_SNAKE.into(), "functionCall", "function_call")).object(|w| {
            if if self.own { bits & form::NO_ID == 0 } else { self.ids } {
                w.key("id").str(&call.id);
            }
            w.key("name").str(&self.name(&call.name));
            if !(self.own && call.input.is_empty()) {
                w.key("args");
                arguments(w, &call.input, call.kind);
            }
            nested::write(w, extra, "functionCall", None);
        });
    }

    /// Writes the member `functionResponse` of a part; `name` is the call's, where the result does not say it.
    pub(super) fn result(
        self,
        w: &mut Writer<'_>,
        result: &ToolResult<'_>,
        bits: u8,
        extra: &Extra<'_>,
        name: Option<&str>,
    ) {
        w.key(form::spell(bits.into(), form::MEMBER_SNAKE.into(), "functionResponse", "function_response")).object(
            |w| {
                if if self.own { bits & form::NO_ID == 0 } else { self.ids } {
                    w.key("id").str(&result.id);
                }
                if !(self.own && bits & form::NO_NAME != 0) {
                    let name = name.or(result.name.as_deref()).unwrap_or(&result.id);
                    w.key("name").str(&self.name(name));
                }
                if !(self.own && result.content.iter().all(|block| result_text(block).is_none())) {
                    w.key("response");
                    response(w, result);
                }
                if self.result_parts && result.content.iter().any(is_result_part) {
                    w.key("parts").array(|w| {
                        for block in result.content.iter().filter(|block| is_result_part(block)) {
                            let seal = block.signature.as_ref().map(|seal| seal.value.as_str());
                            self.part(w, block, seal.filter(|_| self.own));
                        }
                    });
                }
                nested::write(w, extra, "functionResponse", None);
            },
        );
    }

    /// The name of a function as it is written.
    pub(super) fn name(self, name: &str) -> Cow<'_, str> {
        if self.own || !self.names { Cow::Borrowed(name) } else { function_name(name) }
    }

    fn media(self, w: &mut Writer<'_>, block: &Block<'_>, media: &Media<'_>, extra: &Extra<'_>) {
        let bits = if self.own { block.form } else { 0 };
        let key = |bit: u8, camel, snake| form::spell(bits.into(), bit.into(), camel, snake);
        let mime_key = key(form::MIME_SNAKE, "mimeType", "mime_type");
        let name = media.name.as_deref().filter(|_| self.own);
        let name_key = key(form::DISPLAY_NAME_SNAKE, "displayName", "display_name");
        let mime = if self.own { media.mime.as_deref().map(Cow::Borrowed) } else { Some(mime_of(&block.kind, media)) };
        match &media.source {
            MediaSource::Base64(data) => {
                w.key(key(form::MEMBER_SNAKE, "inlineData", "inline_data")).object(|w| {
                    w.opt_str(mime_key, mime.as_deref());
                    w.key("data").str(&part::original_base64(data, bits));
                    w.opt_str(name_key, name);
                    nested::write(w, extra, "inlineData", None);
                });
            }
            MediaSource::Url(uri) | MediaSource::FileId(uri) => {
                if let Some((mime, data)) = data_url(uri) {
                    w.key("inlineData").object(|w| {
                        w.key("mimeType").str(mime);
                        w.key("data").str(&data);
                    });
                    return;
                }
                w.key(key(form::MEMBER_SNAKE, "fileData", "file_data")).object(|w| {
                    w.opt_str(mime_key, mime.as_deref());
                    w.key(key(form::URI_SNAKE, "fileUri", "file_uri")).str(uri);
                    w.opt_str(name_key, name);
                    nested::write(w, extra, "fileData", None);
                });
            }
            MediaSource::Text(text) => w.key("text").str(text),
        }
    }
}

/// Writes `{"text": …}`, as a thought or not, with a seal or not.
pub(super) fn text_part(w: &mut Writer<'_>, text: &str, thought: bool, seal: Option<&str>) {
    w.object(|w| {
        w.key("text").str(text);
        if thought {
            w.key("thought").bool(true);
        }
        w.opt_str("thoughtSignature", seal);
    });
}

/// Whether a block is a part in this dialect: not what only another one knows, nor the gateway's own words.
pub(super) fn is_part(block: &Block<'_>) -> bool {
    match &block.kind {
        BlockKind::Opaque { dialect, raw } => *dialect == crate::Dialect::Gemini && raw.is_object(),
        BlockKind::Refusal { .. } => block.form & form::EXPLAINED == 0,
        _ => true,
    }
}

/// Whether a block of a tool result stands in `functionResponse.parts`.
pub(super) fn is_result_part(block: &Block<'_>) -> bool {
    match &block.kind {
        BlockKind::Image(media) | BlockKind::Audio(media) | BlockKind::Video(media) | BlockKind::File(media) => {
            !matches!(media.source, MediaSource::Text(_))
        }
        BlockKind::Opaque { .. } => is_part(block),
        _ => false,
    }
}

/// The text that a block of a tool result adds to `functionResponse.response`.
pub(super) fn result_text<'b>(block: &'b Block<'_>) -> Option<&'b str> {
    match &block.kind {
        BlockKind::Text { text, .. } | BlockKind::Refusal { text } => Some(text),
        BlockKind::File(Media { source: MediaSource::Text(text), .. }) => Some(text),
        _ => None,
    }
}

/// The strings of a reasoning block as one text.
pub(super) fn joined<'t>(texts: &'t [Str<'_>]) -> Cow<'t, str> {
    match texts {
        [] => Cow::Borrowed(""),
        [one] => Cow::Borrowed(one),
        many => Cow::Owned(many.iter().map(Str::as_str).collect::<Vec<_>>().join("\n\n")),
    }
}

/// Arguments must be an object: other JSON goes into `result`, other text into `input`.
pub(super) fn arguments(w: &mut Writer<'_>, input: &str, kind: ToolUseKind) {
    let parsed = if kind == ToolUseKind::Custom { None } else { Raw::parse(input) };
    match parsed {
        Some(raw) if raw.is_object() => w.raw(&raw),
        Some(raw) if raw.is_null() => w.object(|_| {}),
        Some(raw) => w.object(|w| w.key("result").raw(&raw)),
        None if input.trim().is_empty() && kind == ToolUseKind::Function => w.object(|_| {}),
        None => w.object(|w| w.key("input").str(input)),
    }
}

/// A tool's answer must be an object: an object's text is taken as it is, anything else goes into `result` or `error`.
fn response(w: &mut Writer<'_>, result: &ToolResult<'_>) {
    let text = result.content.iter().filter_map(result_text).collect::<Vec<_>>().join("\n");
    let parsed = Raw::parse(&text);
    let failed = result.is_error == Some(true);
    match parsed {
        Some(raw) if raw.is_object() && (!failed || part::says_error(raw.get())) => w.raw(&raw),
        Some(raw) if !failed && raw.is_array() => w.object(|w| w.key("result").raw(&raw)),
        _ => w.object(|w| w.key(if failed { "error" } else { "result" }).str(&text)),
    }
}

/// MIME type and base64 of a `data:` URL (RFC 2397), which may have parameters, white space, the url-safe alphabet, or
/// percent-encoded text in the place of base64.
pub(super) fn data_url(url: &str) -> Option<(&str, Cow<'_, str>)> {
    let (scheme, rest) = url.trim().split_at_checked(5)?;
    let (head, data) = rest.split_once(',').filter(|_| scheme.eq_ignore_ascii_case("data:"))?;
    let mime = head.split(';').next().unwrap_or_default().trim();
    let mime = if mime.is_empty() { "text/plain" } else { mime };
    let in_base64 = head.rsplit(';').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    if !in_base64 {
        return Some((mime, Cow::Owned(STANDARD.encode(percent_decoded(data)))));
    }
    let spaced = data.bytes().any(|byte| byte.is_ascii_whitespace());
    let data = if spaced { Str::from(data.split_ascii_whitespace().collect::<String>()) } else { Str::from(data) };
    Some((mime, part::standard_base64(data).0.0))
}

/// The MIME type, which Gemini requires: as given, else by the bytes, the file name or address, or the block's kind.
pub(super) fn mime_of<'m>(kind: &BlockKind<'_>, media: &'m Media<'_>) -> Cow<'m, str> {
    told_mime(media).unwrap_or(Cow::Borrowed(match kind {
        BlockKind::Image(_) => "image/jpeg",
        BlockKind::Audio(_) => "audio/wav",
        BlockKind::Video(_) => "video/mp4",
        _ => "application/pdf",
    }))
}

/// Whether anything tells the MIME type, so that it is not guessed.
pub(super) fn is_mime_known(media: &Media<'_>) -> bool {
    told_mime(media).is_some()
}

fn told_mime<'m>(media: &'m Media<'_>) -> Option<Cow<'m, str>> {
    if let Some(mime) = media.mime.as_deref().filter(|mime| mime.contains('/')) {
        return Some(Cow::Borrowed(mime));
    }
    let (data, address) = match &media.source {
        MediaSource::Base64(data) => (data.as_str(), media.name.as_deref().unwrap_or_default()),
        MediaSource::Url(address) | MediaSource::FileId(address) => ("", address.as_str()),
        MediaSource::Text(_) => ("", ""),
    };
    let by_bytes = MAGIC.iter().find(|(magic, _)| data.starts_with(magic)).map(|(_, mime)| *mime);
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    let by_name = EXTENSIONS.iter().find(|(known, _)| *known == extension).map(|(_, mime)| *mime);
    by_bytes.or(by_name).map(Cow::Borrowed)
}

/// First characters in base64 of the formats that clients send.
const MAGIC: [(&str, &str); 6] = [
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("JVBERi0", "application/pdf"),
    ("SUQz", "audio/mpeg"),
    ("T2dnUw", "audio/ogg"),
];

const EXTENSIONS: [(&str, &str); 14] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("flac", "audio/flac"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
];
