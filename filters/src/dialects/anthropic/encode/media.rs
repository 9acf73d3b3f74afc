//! Pictures and documents of other dialects.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ir::{Media, MediaSource};
use crate::json::Writer;

/// A picture or document as this dialect takes it.
#[derive(Clone, Debug)]
pub(super) struct Medium<'r> {
    /// `image` or `document`.
    kind: &'static str,
    source: Source<'r>,
    title: Option<&'r str>,
}

#[derive(Clone, Debug)]
enum Source<'r> {
    Base64 { mime: &'r str, data: &'r str },
    Url(&'r str),
    Text(std::borrow::Cow<'r, str>),
}

/// Why a medium cannot be sent: what to do, for the caller.
pub(super) type Unsayable = &'static str;

impl<'r> Medium<'r> {
    /// A picture. The type is read off the bytes: a wrong one is refused, and clients often guess it.
    pub(super) fn image(media: &'r Media<'r>) -> Result<Self, Unsayable> {
        let source = match &media.source {
            MediaSource::Base64(data) => {
                let mime = sniffed(data).or(media.mime.as_deref());
                let mime =
                    mime.ok_or("the picture's media type is missing and cannot be told from its bytes: name it")?;
                Source::Base64 { mime, data }
            }
            MediaSource::Url(url) => web(url)?,
            MediaSource::Text(_) => return Err("a picture cannot be given as text: send its bytes in base64"),
            MediaSource::FileId(_) => return Err(ELSEWHERE),
        };
        Ok(Medium { kind: "image", source, title: None })
    }

    /// A document: PDF by bytes or address, anything textual as text. A picture that came as a file stays a picture.
    pub(super) fn document(media: &'r Media<'r>) -> Result<Self, Unsayable> {
        let mime = media.mime.as_deref().unwrap_or_default();
        let source = match &media.source {
            MediaSource::Base64(data) if mime.starts_with("image/") || sniffed(data).is_some() => {
                return Self::image(media);
            }
            MediaSource::Base64(data) if mime == PDF || data.starts_with(PDF_BASE64) => {
                Source::Base64 { mime: PDF, data }
            }
            MediaSource::Base64(data) if is_textual(mime) => {
                let bytes = STANDARD.decode(data.as_bytes()).ok();
                let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
                Source::Text(text.ok_or("the text document is not UTF-8 in base64: send it so, or as text")?.into())
            }
            MediaSource::Base64(_) => return Err("the target takes PDF and text documents only: convert the file"),
            MediaSource::Text(text) => Source::Text(text.as_str().into()),
            MediaSource::Url(url) if mime.starts_with("image/") => {
                return Ok(Medium { kind: "image", source: web(url)?, title: None });
            }
            MediaSource::Url(url) => web(url)?,
            MediaSource::FileId(_) => return Err(ELSEWHERE),
        };
        Ok(Medium { kind: "document", source, title: media.name.as_deref() })
    }

    pub(super) fn is_picture(&self) -> bool {
        self.kind == "image"
    }

    /// Writes `type`, `source` and `title`.
    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.key("type").str(self.kind);
        w.key("source").object(|w| match &self.source {
            Source::Base64 { mime, data } => {
                w.key("type").str("base64");
                w.key("media_type").str(mime);
                w.key("data").str(data);
            }
            Source::Url(url) => {
                w.key("type").str("url");
                w.key("url").str(url);
            }
            Source::Text(text) => {
                w.key("type").str("text");
                w.key("media_type").str("text/plain");
                w.key("data").str(text);
            }
        });
        w.opt_str("title", self.title);
    }
}

const PDF: &str = "application/pdf";
/// `%PDF-` in base64.
const PDF_BASE64: &str = "JVBERi0";
const ELSEWHERE: Unsayable = "the file is in another provider's store: send its bytes or an https address";

fn web(url: &str) -> Result<Source<'_>, Unsayable> {
    let known = ["https://", "http://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    if known { Ok(Source::Url(url)) } else { Err("the target fetches https addresses only: send the bytes in base64") }
}

fn is_textual(mime: &str) -> bool {
    mime.starts_with("text/") || matches!(mime, "application/json" | "application/xml" | "application/yaml")
}

/// The type of a picture by the first bytes of its base64 text.
fn sniffed(data: &str) -> Option<&'static str> {
    let starts: [(&str, &str); 4] =
        [("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")];
    // RIFF files are pictures when `WEBP` follows their length.
    let is_webp =
        || STANDARD.decode(data.get(..16).unwrap_or_default()).is_ok_and(|head| head.get(8..12) == Some(b"WEBP"));
    let (_, mime) = starts.into_iter().find(|(start, _)| data.starts_with(start))?;
    (mime != "image/webp" || is_webp()).then_some(mime)
}
