//! Pictures, sound and documents: data URLs and the three kinds of parts that carry them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::form;
use crate::ir::{Media, MediaSource};
use crate::json::{Extra, Str, Writer};

/// Bytes in which the head of a data URL must end: MIME type and parameters are short.
const DATA_URL_HEAD_MAX: usize = 256;

/// Which part carries a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// `image_url`
    Image,
    /// `input_audio`
    Audio,
    /// `file`
    File,
}

/// Reads a URL that may be a data URL.
pub(super) fn from_url(url: Str<'_>) -> (Option<Str<'_>>, MediaSource<'_>) {
    match url.0 {
        Cow::Borrowed(text) => match split_data_url(text) {
            Some((mime, data)) => (mime.map(Str::from), MediaSource::Base64(standard(data))),
            None => (None, MediaSource::Url(Str::from(text))),
        },
        Cow::Owned(text) => match split_data_url(&text) {
            Some((mime, data)) => {
                (mime.map(|mime| Str::from(mime.to_owned())), MediaSource::Base64(standard(data).into_owned()))
            }
            None => (None, MediaSource::Url(Str::from(text))),
        },
    }
}

/// MIME type and base64 text of `data:<mime>[;parameters];base64,<text>`; `None` for any other URL.
fn split_data_url(url: &str) -> Option<(Option<&str>, &str)> {
    let scheme = url.get(..5)?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    let rest = url.get(5..)?;
    let comma = memchr::memchr(b',', rest.as_bytes().get(..DATA_URL_HEAD_MAX).unwrap_or(rest.as_bytes()))?;
    let (head, data) = (rest.get(..comma)?, rest.get(comma + 1..)?);
    let parameters = head.get(head.len().checked_sub(7)?..)?;
    if !parameters.eq_ignore_ascii_case(";base64") {
        return None;
    }
    let mime = head.split(';').next().unwrap_or_default().trim();
    Some(((!mime.is_empty()).then_some(mime), data))
}

/// Base64 in the standard alphabet, padded, without white space.
pub(super) fn standard(data: &str) -> Str<'_> {
    let clean = data.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    if clean && data.len().is_multiple_of(4) {
        return Str::from(data);
    }
    let mut text: String = data
        .chars()
        .filter(|letter| !letter.is_ascii_whitespace())
        .map(|letter| match letter {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    Str::from(text)
}

/// The MIME type of an `input_audio` format.
pub(super) fn audio_mime(format: &str) -> String {
    match format {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    }
}

/// The `input_audio` format of a MIME type.
fn audio_format(mime: Option<&str>) -> &str {
    let kind = mime.unwrap_or("audio/wav").split(';').next().unwrap_or_default().trim();
    match kind.strip_prefix("audio/").unwrap_or(kind) {
        "mpeg" | "mp3" => "mp3",
        "x-wav" | "wave" | "vnd.wave" => "wav",
        other => other,
    }
}

/// The MIME type of an image, from its first bytes where nobody said it.
fn image_mime<'m>(media: &'m Media<'_>, data: &str) -> &'m str {
    if let Some(mime) = &media.mime {
        return mime;
    }
    match data.as_bytes() {
        [b'/', b'9', b'j', ..] => "image/jpeg",
        [b'R', b'0', b'l', b'G', ..] => "image/gif",
        [b'U', b'k', b'l', b'G', ..] => "image/webp",
        _ => "image/png",
    }
}

/// The text of a document that is text: Chat's `file` part takes PDF only.
pub(super) fn as_text<'m>(media: &'m Media<'_>) -> Option<Cow<'m, str>> {
    match &media.source {
        MediaSource::Text(text) => Some(Cow::Borrowed(text.as_str())),
        MediaSource::Base64(data) if media.mime.as_ref().is_some_and(|mime| mime.starts_with("text/")) => {
            String::from_utf8(STANDARD.decode(data.as_bytes()).ok()?).ok().map(Cow::Owned)
        }
        _ => None,
    }
}

/// Whether a part of `carrier` can say `media`. File ids are OpenAI's here: those of other stores were refused before.
pub(super) fn can_carry(carrier: Carrier, media: &Media<'_>, own: bool) -> bool {
    match (carrier, &media.source) {
        (_, MediaSource::Base64(_)) | (Carrier::Image, MediaSource::Url(_)) => true,
        (Carrier::File, MediaSource::FileId(_)) => true,
        (Carrier::File, MediaSource::Url(_)) => own,
        _ => false,
    }
}

/// Writes one part; `extra` and `form_bits` are those of a block of this dialect, or empty.
pub(super) fn write(w: &mut Writer<'_>, carrier: Carrier, media: &Media<'_>, extra: &Extra<'_>, form_bits: u8) {
    w.object(|w| {
        match carrier {
            Carrier::Image => {
                w.key("type").str("image_url");
                write_image_url(w.key("image_url"), media, extra, form_bits);
            }
            Carrier::Audio => {
                w.key("type").str("input_audio");
                w.key("input_audio").object(|w| {
                    if let MediaSource::Base64(data) = &media.source {
                        w.key("data").str(data);
                    }
                    w.key("format").str(audio_format(media.mime.as_deref()));
                    nested(w, "input_audio.", extra);
                });
            }
            Carrier::File => {
                w.key("type").str("file");
                w.key("file").object(|w| write_file(w, media, extra, form_bits));
            }
        }
        outer(w, extra);
    });
}

fn write_image_url(w: &mut Writer<'_>, media: &Media<'_>, extra: &Extra<'_>, form_bits: u8) {
    let url = |w: &mut Writer<'_>| match &media.source {
        MediaSource::Base64(data) => w.fmt(format_args!("data:{};base64,{data}", image_mime(media, data))),
        MediaSource::Url(text) | MediaSource::Text(text) | MediaSource::FileId(text) => w.str(text),
    };
    if form_bits & form::BLOCK_URL_STRING != 0 {
        return url(w);
    }
    w.object(|w| {
        url(w.key("url"));
        nested(w, "image_url.", extra);
    });
}

/// Writes the address of a medium, as a data URL where its bytes are here.
pub(super) fn write_url(w: &mut Writer<'_>, media: &Media<'_>) {
    match (&media.source, &media.mime) {
        (MediaSource::Base64(data), mime) => {
            w.fmt(format_args!("data:{};base64,{data}", mime.as_deref().unwrap_or_default()));
        }
        (MediaSource::Url(text) | MediaSource::Text(text) | MediaSource::FileId(text), _) => w.str(text),
    }
}

/// The MIME type of sound, from its first bytes.
pub(super) fn sound_mime(data: &str) -> Option<&'static str> {
    Some(match data.get(..4)? {
        "UklG" => "audio/wav",
        "SUQz" | "//sw" | "//uQ" | "//vQ" => "audio/mpeg",
        "T2dn" => "audio/ogg",
        "Zkxh" => "audio/flac",
        _ => return None,
    })
}

fn write_file(w: &mut Writer<'_>, media: &Media<'_>, extra: &Extra<'_>, form_bits: u8) {
    match &media.source {
        MediaSource::Base64(data) => {
            if form_bits & form::BLOCK_BARE_DATA != 0 {
                w.key("file_data").str(data);
            } else {
                let mime = media.mime.as_deref().unwrap_or("application/pdf");
                w.key("file_data").fmt(format_args!("data:{mime};base64,{data}"));
            }
        }
        MediaSource::FileId(id) => w.key("file_id").str(id),
        MediaSource::Url(text) | MediaSource::Text(text) => w.key("file_data").str(text),
    }
    w.opt_str("filename", media.name.as_deref());
    nested(w, "file.", extra);
}

/// Writes the members of `extra` that stood in the nested object of `prefix`.
pub(super) fn nested(w: &mut Writer<'_>, prefix: &str, extra: &Extra<'_>) {
    for (key, value) in extra.iter() {
        if let Some(key) = key.strip_prefix(prefix) {
            w.key(key).raw(value);
        }
    }
}

/// Writes the members of `extra` that stood in the part itself.
fn outer(w: &mut Writer<'_>, extra: &Extra<'_>) {
    let inner = |key: &str| ["image_url.", "input_audio.", "file."].iter().any(|prefix| key.starts_with(prefix));
    for (key, value) in extra.iter().filter(|(key, _)| !inner(key)) {
        w.key(key).raw(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_068_data_urls_with_parameters_and_white_space() {
        let read = |url: &'static str| match from_url(Str::from(url)) {
            (mime, MediaSource::Base64(data)) => (mime.map(|mime| mime.to_string()), data.to_string()),
            (mime, other) => (mime.map(|mime| mime.to_string()), format!("{other:?}")),
        };
        assert_eq!(read("data:image/png;base64,iVBO"), (Some("image/png".into()), "iVBO".into()));
        assert_eq!(read("DATA:image/png;name=a;BASE64,iV\nBO"), (Some("image/png".into()), "iVBO".into()));
        assert_eq!(read("data:;base64,_-A"), (None, "/+A=".into()));
        assert!(read("https://e.xyz/a.png").1.starts_with("Url"));
        assert!(read("data:text/plain,hello").1.starts_with("Url"));
        assert!(read("data:").1.starts_with("Url"));
    }

    #[test]
    fn wire_110_the_mime_type_is_seen_in_the_bytes() {
        for (data, mime) in [("/9j/4AAQ", "image/jpeg"), ("R0lGODlh", "image/gif"), ("UklGRiQA", "image/webp")] {
            let media = Media { mime: None, source: MediaSource::Base64(Str::from(data)), name: None };
            assert_eq!(image_mime(&media, data), mime);
        }
    }
}
