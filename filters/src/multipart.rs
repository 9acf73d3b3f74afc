//! Forms (`multipart/form-data`, RFC 7578 over RFC 2046), read and edited in place.
//!
//! The reader is strict, because a provider reads the same bytes: what two readers could split at different places is
//! refused. So there is no preamble, lines end in CRLF, every part has one name, and the form has its end. Contents are
//! borrowed; nothing is copied but names with escapes.

mod header;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem::Finder;

use crate::dialects::DecodeError;
use crate::json::splice::Edits;

/// Bytes a boundary may have (RFC 2046, section 5.1.1).
pub const BOUNDARY_BYTES_MAX: usize = 70;

/// Parts a form may have. An edit of pictures has some twenty.
pub const PARTS_MAX: usize = 128;

/// Bytes the header lines of one part may have together.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;

/// A form that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not `multipart/form-data`.
    #[error("this endpoint takes a form; send `content-type: multipart/form-data` with its boundary")]
    NotAForm,
    /// The boundary is missing, there twice, too long, or has characters that no boundary has.
    #[error(
        "the content type names no usable boundary; send one of 1 to {BOUNDARY_BYTES_MAX} letters and digits, once"
    )]
    Boundary,
    /// The first bytes are not the boundary.
    #[error("the form does not begin with its boundary; send `--`, the boundary and CRLF first")]
    Start,
    /// Behind a boundary stands neither a line's end nor the mark of the form's end.
    #[error("byte {at} of the form: a boundary must be followed by CRLF, or by `--` at the end")]
    Delimiter {
        /// Offset of the byte behind the boundary.
        at: usize,
    },
    /// The last boundary is missing.
    #[error("the form ends before its last boundary; it was cut off")]
    Unfinished,
    /// Bytes behind the end.
    #[error("something follows the last boundary of the form; end the body there")]
    Trailer,
    /// Too many parts.
    #[error("the form has more than {PARTS_MAX} parts; send fewer")]
    TooManyParts,
    /// Part `part`, from 1, has a header that cannot be read.
    #[error("part {part} of the form {problem}")]
    Header {
        /// Number of the part, from 1.
        part: usize,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
}

impl From<FormError> for DecodeError {
    fn from(error: FormError) -> Self {
        DecodeError::new(error.to_string())
    }
}

/// A form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form<'a> {
    /// Its parts in order.
    pub parts: Vec<Part<'a>>,
    /// The boundary, without dashes before it.
    boundary: String,
    /// Where the first boundary's line begins.
    first: usize,
}

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The field's name.
    pub name: Cow<'a, str>,
    /// The file's name, for files.
    pub file_name: Option<Cow<'a, str>>,
    /// Its content type, where it says one.
    pub content_type: Option<&'a str>,
    /// Its bytes.
    pub content: &'a [u8],
    /// Where they stand in the form.
    pub at: Range<usize>,
}

/// Whether a content type is that of a form.
pub fn is_form(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("multipart/form-data")
}

/// Reads a whole form.
///
/// # Errors
/// See [`FormError`].
pub fn read<'a>(content_type: &str, body: &'a [u8]) -> Result<Form<'a>, FormError> {
    if !is_form(content_type) {
        return Err(FormError::NotAForm);
    }
    let boundary = header::boundary(content_type).ok_or(FormError::Boundary)?;
    let delimiter = format!("\r\n--{boundary}");
    let (line, first) =
        if body.starts_with(b"\r\n") { (delimiter.as_bytes(), 2) } else { (&delimiter.as_bytes()[2..], 0) };
    if !body.starts_with(line) {
        return Err(FormError::Start);
    }
    let finder = Finder::new(delimiter.as_bytes());
    let mut parts = Vec::new();
    let mut at = line.len();
    while let Some(start) = behind_delimiter(body, at)? {
        if parts.len() == PARTS_MAX {
            return Err(FormError::TooManyParts);
        }
        let part = part(body, start, &finder, parts.len() + 1)?;
        at = part.at.end + delimiter.len();
        parts.push(part);
    }
    Ok(Form { parts, boundary, first })
}

/// Where the part behind a boundary begins, `None` at the form's end. `at` is the byte behind the boundary.
fn behind_delimiter(body: &[u8], at: usize) -> Result<Option<usize>, FormError> {
    let rest = body.get(at..).unwrap_or_default();
    if let Some(trailer) = rest.strip_prefix(b"--") {
        let is_blank = trailer.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        return if is_blank { Ok(None) } else { Err(FormError::Trailer) };
    }
    // White space that a transport may have added (RFC 2046, section 5.1.1).
    let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match rest.get(padding..) {
        Some([b'\r', b'\n', ..]) => Ok(Some(at + padding + 2)),
        Some([] | [b'\r']) | None => Err(FormError::Unfinished),
        Some(_) => Err(FormError::Delimiter { at: at + padding }),
    }
}

/// Reads the part number `number` that begins at `start`.
fn part<'a>(body: &'a [u8], start: usize, finder: &Finder<'_>, number: usize) -> Result<Part<'a>, FormError> {
    let wrong = |problem| FormError::Header { part: number, problem };
    let rest = body.get(start..).unwrap_or_default();
    if rest.starts_with(b"\r\n") {
        return Err(wrong("has no header; send `Content-Disposition: form-data; name=\"…\"`"));
    }
    let window = rest.get(..HEADER_BYTES_MAX.min(rest.len())).unwrap_or_default();
    let endless = || match rest.get(HEADER_BYTES_MAX..) {
        Some(_) => wrong("has no blank line in its first 8 KiB; send a name and a content type, and then the content"),
        None => FormError::Unfinished,
    };
    let lines = memchr::memmem::find(window, b"\r\n\r\n").ok_or_else(endless)?;
    let found = header::read(rest.get(..lines).unwrap_or_default()).map_err(wrong)?;
    let from = start + lines + 4;
    let content = body.get(from..).unwrap_or_default();
    // Some readers end the part here, before its first byte; others look for the next boundary.
    if content.starts_with(finder.needle().get(2..).unwrap_or_default()) {
        return Err(wrong("has no content, not even the line end before the next boundary; add CRLF"));
    }
    let end = finder.find(content).ok_or(FormError::Unfinished)?;
    Ok(Part {
        name: found.name,
        file_name: found.file_name,
        content_type: found.content_type,
        content: content.get(..end).unwrap_or_default(),
        at: from..from + end,
    })
}

impl<'a> Form<'a> {
    /// The parts named `name`; `image[]` counts as `image`.
    pub fn all<'s, 'n>(&'s self, name: &'n str) -> impl Iterator<Item = &'s Part<'a>> + use<'s, 'n, 'a> {
        self.parts.iter().filter(move |part| part.field() == name)
    }

    /// The only part named `name`, if there is one.
    ///
    /// # Errors
    /// When there are several.
    pub fn one<'s>(&'s self, name: &str) -> Result<Option<&'s Part<'a>>, DecodeError> {
        let mut found = self.all(name);
        let first = found.next();
        if found.next().is_some() {
            return Err(DecodeError::at(name, format!("`{name}` stands twice in the form; send it once")));
        }
        Ok(first)
    }

    /// The text of the only part named `name`, if there is one.
    ///
    /// # Errors
    /// When there are several, or it is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, DecodeError> {
        let Some(part) = self.one(name)? else { return Ok(None) };
        let not_utf8 = |_| DecodeError::at(name, format!("`{name}` is not UTF-8; send text"));
        std::str::from_utf8(part.content).map(Some).map_err(not_utf8)
    }

    /// Edits that give the field `name` the value `value`, which is added when it is not there. Nothing to do gives no
    /// edit.
    ///
    /// # Errors
    /// When the field is there twice, or `value` has a line end, which could end the part.
    pub fn set(&self, name: &str, value: &str) -> Result<Edits, DecodeError> {
        if value.contains(['\r', '\n']) {
            return Err(DecodeError::at(name, format!("`{name}` must not hold a line end")));
        }
        let mut edits = Edits::default();
        match self.one(name)? {
            Some(part) if part.content == value.as_bytes() => {}
            Some(part) => edits.replace(part.at.clone(), value),
            None => {
                let boundary = &self.boundary;
                let part =
                    format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
                edits.replace(self.first..self.first, part);
            }
        }
        Ok(edits)
    }
}

impl Part<'_> {
    /// The field's name without the brackets that mark a list.
    pub fn field(&self) -> &str {
        self.name.strip_suffix("[]").unwrap_or(&self.name)
    }
}
