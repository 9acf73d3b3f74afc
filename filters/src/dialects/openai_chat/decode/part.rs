//! Parts of a message's content.

use super::details::PRIVATE;
use super::message::missing;
use super::tools::quoted;
use crate::Dialect;
use crate::dialects::DecodeError;
use crate::dialects::openai_chat::wire::{self, AudioWire, FileWire, ImageUrlWire, Later, PartWire};
use crate::dialects::openai_chat::{form, media};
use crate::ir::{Block, BlockKind, CacheMark, Media, MediaSource, ReasoningBlock};
use crate::json::{Extra, Raw, Str};

/// Where a picture says in what detail it is to be looked at.
const DETAIL: &str = "image_url.detail";

/// Reads one part.
pub(super) fn part<'a>(value: Later<'a>, path: &str) -> Result<Block<'a>, DecodeError> {
    let wire: PartWire<'a> = wire::read(value, || path.to_owned())?;
    let kind = wire.kind.ok_or_else(|| missing(path, "type", "say what kind of part it is"))?;
    let opaque = |value| Block::new(BlockKind::Opaque { dialect: Dialect::OpenAiChat, raw: wire::raw(value) });
    let known = match kind.as_str() {
        "text" => [wire.image_url, wire.input_audio, wire.file, wire.thinking].iter().all(Option::is_none),
        "image_url" => wire.text.is_none() && wire.file.is_none(),
        "input_audio" => wire.input_audio.is_some_and(|inner| inner.get().starts_with('{')),
        "thinking" => wire.thinking.is_some_and(|inner| inner.get().starts_with('[')),
        "file" | "refusal" => true,
        "document_url" => wire.document_url.is_some_and(|inner| inner.get().starts_with('"')),
        "video_url" => wire.video_url.is_some_and(|inner| inner.get().starts_with('{')),
        _ => false,
    };
    // A member that belongs to another kind has no field of its own to come back from.
    let strange = (wire.document_url.is_some() || wire.document_name.is_some()) && kind != "document_url"
        || wire.video_url.is_some() && kind != "video_url";
    let known = known && !strange;
    if !known {
        return Ok(opaque(value));
    }
    let mut block = Block::new(BlockKind::Opaque { dialect: Dialect::OpenAiChat, raw: Raw::NULL });
    block.cache = wire.cache_control.map(CacheMark);
    block.extra = wire.rest;
    block.kind = match kind.as_str() {
        "text" => {
            let text = wire.text.ok_or_else(|| missing(path, "text", "give the text"))?;
            BlockKind::Text { text, citations: None }
        }
        "refusal" => {
            block.form |= form::BLOCK_PART;
            BlockKind::Refusal { text: wire.refusal.ok_or_else(|| missing(path, "refusal", "give its words"))? }
        }
        "image_url" => {
            let inner = wire.image_url.ok_or_else(|| missing(path, "image_url", "give the picture's URL"))?;
            BlockKind::Image(image(inner, &mut block.extra, &mut block.form, path)?)
        }
        "input_audio" => match wire.input_audio {
            Some(inner) => BlockKind::Audio(audio(inner, &mut block.extra, path)?),
            None => return Ok(opaque(value)),
        },
        "document_url" => match wire.document_url.and_then(wire::string) {
            Some(url) => {
                block.form |= form::BLOCK_DOCUMENT_URL;
                let (mime, source) = media::from_url(url);
                BlockKind::File(Media { mime, source, name: wire.document_name })
            }
            None => return Ok(opaque(value)),
        },
        "video_url" => match wire.video_url.and_then(video) {
            Some(medium) => BlockKind::Video(medium),
            None => return Ok(opaque(value)),
        },
        "file" => {
            let inner = wire.file.ok_or_else(|| missing(path, "file", "give the file"))?;
            BlockKind::File(file(inner, &mut block.extra, &mut block.form, path)?)
        }
        _ => match wire.thinking.and_then(thoughts) {
            Some(texts) => {
                block.form |= form::BLOCK_PART;
                reasoning(texts)
            }
            None => return Ok(opaque(value)),
        },
    };
    Ok(block)
}

/// Thoughts without a seal: Chat has no slot for one.
pub(super) fn reasoning(text: Vec<Str<'_>>) -> BlockKind<'_> {
    BlockKind::Reasoning(ReasoningBlock { text, redacted: false, id: None })
}

/// Mistral's `thinking` part: a list of text parts; `None` when it holds anything else.
pub(in crate::dialects::openai_chat) fn thoughts(value: Later<'_>) -> Option<Vec<Str<'_>>> {
    let parts: Vec<PartWire<'_>> = serde_json::from_str(value.get()).ok()?;
    let plain = |part: PartWire<'_>| part.rest.is_empty() && part.kind.is_some_and(|kind| kind == "text");
    let texts: Option<Vec<Str<'_>>> = parts.iter().map(|part| part.text.clone()).collect();
    parts.into_iter().all(plain).then_some(texts?)
}

fn image<'a>(inner: Later<'a>, extra: &mut Extra<'a>, bits: &mut u8, path: &str) -> Result<Media<'a>, DecodeError> {
    let url = match wire::string(inner) {
        Some(url) => {
            *bits |= form::BLOCK_URL_STRING;
            url
        }
        None => {
            let path = format!("{path}.image_url");
            let inner: ImageUrlWire<'a> = wire::read(inner, || path.clone())?;
            wire::nest("image_url.", inner.rest, extra);
            // `auto` says no more than silence does, so that it is no loss where there is no such word.
            for (key, _) in extra.0.iter_mut().filter(|(key, value)| *key == DETAIL && value.get() == r#""auto""#) {
                *key = Str::from(format!("{PRIVATE}{DETAIL}"));
            }
            inner.url.ok_or_else(|| missing(&path, "url", "give an address or a data URL"))?
        }
    };
    let (mime, source) = media::from_url(url);
    Ok(Media { mime, source, name: None })
}

/// A film (vLLM, Qwen, OpenRouter); `None` when it says more than its address.
fn video(inner: Later<'_>) -> Option<Media<'_>> {
    let inner: ImageUrlWire<'_> = serde_json::from_str(inner.get()).ok()?;
    let (mime, source) = media::from_url(inner.url.filter(|_| inner.rest.is_empty())?);
    Some(Media { mime, source, name: None })
}

fn audio<'a>(inner: Later<'a>, extra: &mut Extra<'a>, path: &str) -> Result<Media<'a>, DecodeError> {
    let path = format!("{path}.input_audio");
    let inner: AudioWire<'a> = wire::read(inner, || path.clone())?;
    wire::nest("input_audio.", inner.rest, extra);
    let data = inner.data.ok_or_else(|| missing(&path, "data", "give the sound as base64"))?;
    let format = inner.format.ok_or_else(|| missing(&path, "format", "say wav or mp3"))?;
    Ok(Media {
        mime: Some(Str::from(media::audio_mime(&format))),
        source: MediaSource::Base64(base64(data)),
        name: None,
    })
}

fn file<'a>(inner: Later<'a>, extra: &mut Extra<'a>, bits: &mut u8, path: &str) -> Result<Media<'a>, DecodeError> {
    let path = format!("{path}.file");
    let inner: FileWire<'a> = wire::read(inner, || path.clone())?;
    wire::nest("file.", inner.rest, extra);
    let (mime, source) = match (inner.file_data, inner.file_id) {
        (Some(data), id) => {
            if let Some(id) = id {
                extra.push("file.file_id", quoted(&id));
            }
            match media::from_url(data) {
                (None, MediaSource::Url(text)) if !text.contains(':') => {
                    *bits |= form::BLOCK_BARE_DATA;
                    (None, MediaSource::Base64(base64(text)))
                }
                read => read,
            }
        }
        (None, Some(id)) => (None, MediaSource::FileId(id)),
        (None, None) => return Err(missing(&path, "file_data", "give the file's data or its id")),
    };
    Ok(Media { mime, source, name: inner.filename })
}

/// Base64 in the standard alphabet; borrowed when it was so already.
fn base64(data: Str<'_>) -> Str<'_> {
    match data.0 {
        std::borrow::Cow::Borrowed(text) => media::standard(text),
        std::borrow::Cow::Owned(text) => media::standard(&text).into_owned(),
    }
}

/// The de-facto list `images` of an answer; `None` when it holds anything but `image_url` parts.
pub(super) fn images(value: Later<'_>) -> Option<Vec<Block<'_>>> {
    let parts: Vec<Later<'_>> = serde_json::from_str(value.get()).ok()?;
    let blocks: Result<Vec<Block<'_>>, _> = parts.into_iter().map(|value| part(value, "images")).collect();
    let mut blocks = blocks.ok().filter(|blocks| !blocks.is_empty())?;
    for block in &mut blocks {
        block.form |= form::BLOCK_IMAGES;
    }
    blocks.iter().all(|block| matches!(block.kind, BlockKind::Image(_))).then_some(blocks)
}
