//! Header lines of parts, and parameters of header values.

use std::borrow::Cow;

use super::BOUNDARY_BYTES_MAX;

/// What the header of a part says.
pub(super) struct Header<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) file_name: Option<Cow<'a, str>>,
    pub(super) content_type: Option<&'a str>,
}

/// The boundary of a content type; `None` when it has none, two, or one with characters that no boundary has.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let mut found = parameters(content_type)?.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case("boundary"));
    let (_, value) = found.next()?;
    let fits = (1..=BOUNDARY_BYTES_MAX).contains(&value.len());
    // `bchars` of RFC 2046, section 5.1.1.
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let good = found.next().is_none() && fits && value.bytes().all(known) && !value.ends_with(' ');
    good.then(|| value.into_owned())
}

/// Reads the header lines of a part.
pub(super) fn read(lines: &[u8]) -> Result<Header<'_>, &'static str> {
    let text = std::str::from_utf8(lines).map_err(|_| "has a header that is not UTF-8; send UTF-8")?;
    let (mut disposition, mut content_type) = (None, None);
    for line in text.split("\r\n") {
        if line.contains(['\r', '\n', '\0']) {
            return Err("has a header line that does not end in CRLF; end lines in CRLF");
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err("has a header line without a colon, or no header at all; send `Content-Disposition`");
        };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("has a header whose name holds a space, or is empty; send one header a line");
        }
        let slot = match name.to_ascii_lowercase().as_str() {
            "content-disposition" => &mut disposition,
            "content-type" => &mut content_type,
            "content-transfer-encoding" if !is_identity(value) => {
                return Err("is encoded (`Content-Transfer-Encoding`); send its bytes as they are");
            }
            _ => continue,
        };
        if slot.replace(value.trim()).is_some() {
            return Err("has the same header twice; send it once");
        }
    }
    let disposition = disposition.ok_or("has no `Content-Disposition`; send one with the field's name")?;
    let (name, file_name) = names(disposition)?;
    Ok(Header { name, file_name, content_type })
}

fn is_identity(encoding: &str) -> bool {
    ["7bit", "8bit", "binary"].iter().any(|known| encoding.trim().eq_ignore_ascii_case(known))
}

/// Name and file name of a `Content-Disposition`.
fn names(value: &str) -> Result<(Cow<'_, str>, Option<Cow<'_, str>>), &'static str> {
    if !value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("form-data") {
        return Err("has a `Content-Disposition` that is not `form-data`; send `form-data`");
    }
    let parameters = parameters(value).ok_or("has a `Content-Disposition` that cannot be read; quote the names")?;
    let (mut name, mut file_name) = (None, None);
    for (key, value) in parameters {
        let slot = match key.to_ascii_lowercase().as_str() {
            "name" => &mut name,
            "filename" => &mut file_name,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err("has two names; send one");
        }
    }
    match name {
        Some(name) if !name.is_empty() => Ok((name, file_name)),
        _ => Err("has no name; send `Content-Disposition: form-data; name=\"…\"`"),
    }
}

/// The parameters of a header value, behind its first word; `None` when they cannot be read.
fn parameters(value: &str) -> Option<Vec<(&str, Cow<'_, str>)>> {
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest).trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = match behind.trim_start().strip_prefix('"') {
            Some(quoted) => quoted_string(quoted)?,
            None => {
                let end = behind.find(';').unwrap_or(behind.len());
                (Cow::Borrowed(behind.get(..end)?.trim()), behind.get(end..)?)
            }
        };
        found.push((name.trim(), value));
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(';') {
            Some(next) => next.trim(),
            None if behind.is_empty() => behind,
            None => return None,
        };
    }
    Some(found)
}

/// A string up to its closing quote, and what follows. Only quotes and backslashes are escaped: browsers write file names
/// with bare backslashes.
fn quoted_string(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (mut end, mut escaped, mut any) = (None, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if matches!(text.as_bytes().get(at + 1), Some(b'"' | b'\\')) => (escaped, any) = (true, true),
            b'"' => {
                end = Some(at);
                break;
            }
            _ => {}
        }
    }
    let end = end?;
    let inner = text.get(..end)?;
    let value = if any { Cow::Owned(unescaped(inner)) } else { Cow::Borrowed(inner) };
    Some((value, text.get(end + 1..)?))
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, chars.peek()) {
            ('\\', Some('"' | '\\')) => out.extend(chars.next()),
            _ => out.push(char),
        }
    }
    out
}
